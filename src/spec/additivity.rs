//! What becomes of a column of a model where its rows are taken together once more: whether its values add up, or are
//! computed again of those that do, or cannot be had from the model at all.
//!
//! The measure of right is the formula itself: what a column is taken together to must be what the formula gives where
//! the rows are grouped by fewer keys. `SUM` and `COUNT` add up, and so does what adds or takes away such, or has it times
//! a number. `MIN` and `MAX` go on. What divides, multiplies or adds these is the same formula over what they come to.
//! Everything else has lost what would be needed: an average how many there were, a count of different values which they
//! were, a window the rows beside it.

use std::fmt;

use rustc_hash::FxHashMap;

use super::compile::Run;
use super::load::Step;
use crate::catalog::{self, internal};
use crate::check::Role;
use crate::ir::{Ir, IrId, Program};
use crate::plan::{StepInput, StepPlan, key_name};
use crate::schema::Relation;
use crate::sql::JoinKind;
use crate::types::Type;

/// How a column behaves where rows of its model are taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Additivity {
    /// It says what a row is of. The unit of the calendar that its values are cut to, where they are.
    Dimension {
        /// `month` of `billing_date[month]`.
        unit: Option<&'static str>,
    },
    /// Its values add up: `SUM`, `COUNT`, what is made of these by `+` and `-`.
    Sum,
    /// The smallest of its values is that of all.
    Min,
    /// The largest of its values is that of all.
    Max,
    /// One column divided by another, both of which can be taken together.
    Ratio {
        /// The column that is divided.
        numerator: String,
        /// The column that it is divided by.
        denominator: String,
    },
    /// A formula over columns that can be taken together, computed of what they come to.
    Formula(ColumnFormula),
    /// It cannot be had from the rows of the model.
    Lost(Lost),
}

/// Arithmetic over columns of a model, as SQL.
///
/// ```
/// use formulac::Additivity;
/// let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n  least = MIN(x)\n  b = a * least\n";
/// let columns = formulac::Compiler::default().compile_spec(spec).additivity();
/// let (_, Additivity::Formula(formula)) = &columns[3] else { panic!("it is computed") };
/// assert_eq!((formula.sql(), formula.columns()), ("a * least", &["a".to_owned(), "least".to_owned()][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFormula {
    sql: String,
    columns: Vec<String>,
}

impl ColumnFormula {
    /// The formula, in SQL that every dialect has. It divides by nothing and gives NULL, as formulas do.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The columns that it names, each once.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// Why a column cannot be taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// An average, which lost how many values there were.
    Average,
    /// A count of different values, which lost the values.
    Distinct,
    /// Another aggregate: a median, a deviation, a product.
    Aggregate(String),
    /// It looks at other rows: a running total, a share, growth, a rank, the value of another period.
    OtherRows,
    /// A condition chooses by values that change when rows are taken together.
    Condition,
    /// A function of such values: a sum of rounded values is no rounded sum.
    Function,
    /// A part of its formula is no column of the model.
    Part(String),
    /// It mixes what adds up with a value of single rows.
    Mixed,
    /// A filter behind the grouping, or a limit, leaves rows out that a coarser grouping would have.
    RowsLeftOut,
    /// A join behind the grouping may repeat rows or leave them out.
    Joined,
    /// A value of single rows, of which the spec says no total.
    SingleRows,
    /// The column of one value of a pivot.
    WidePivot,
    /// Its formula is longer than is of use.
    TooLong,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Average => f.write_str(
                "an average of averages is not the average: give the sum and the count as columns, and divide these",
            ),
            Self::Distinct => f.write_str("who is counted in two rows would be counted twice"),
            Self::Aggregate(name) => write!(f, "{name} of all cannot be had from {name} of each group"),
            Self::OtherRows => f.write_str("it looks at other rows, which are others when rows are taken together"),
            Self::Condition => f.write_str("its condition is on values that change when rows are taken together"),
            Self::Function => f.write_str("its function of a total is not the total of the function"),
            Self::Part(part) => write!(f, "`{part}` in its formula is no column: give it a name of its own"),
            Self::Mixed => f.write_str("it mixes totals with a value of single rows"),
            Self::RowsLeftOut => f.write_str("the model leaves rows out after grouping, so that totals would lack them"),
            Self::Joined => f.write_str("a join after grouping may repeat rows or leave them out"),
            Self::SingleRows => f.write_str("it is a value of single rows, and no formula says how they are taken together"),
            Self::WidePivot => f.write_str("it is the column of one value of a pivot; the long form has it as rows"),
            Self::TooLong => f.write_str("its formula is too long: give parts of it names of their own"),
        }
    }
}

/// The longest formula that is written.
const MOST: usize = 300;

/// How tightly the outermost operator of a text binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Sum,
    Product,
    Name,
}

#[derive(Clone)]
struct Written {
    sql: String,
    columns: Vec<String>,
    binds: Binds,
    ratio: Option<(String, String)>,
}

/// What a node is.
#[derive(Clone)]
enum Value {
    Constant,
    Dimension(Option<&'static str>),
    /// A value of single rows.
    Row,
    Total(Total),
    Lost(Lost),
}

#[derive(Clone)]
struct Total {
    kind: TotalKind,
    /// How it is written over columns; none where a part of it is none, which is named.
    written: Result<Written, Lost>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TotalKind {
    Sum,
    Min,
    Max,
    Formula,
}

/// The columns of a step, by their names in small letters, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub(super) struct StepColumns {
    columns: FxHashMap<String, Additivity>,
    /// Its rows are groups, or made of groups.
    grouped: bool,
    /// The reason for which nothing of it adds up.
    lost: Option<Lost>,
}

impl Run<'_> {
    /// Notes how the columns of a step behave; `text` is that of its formulas.
    pub(super) fn note_additivity(
        &mut self,
        step: &Step<'_>,
        plan: &StepPlan<'_>,
        input: &StepInput<'_>,
        output: &Relation,
        text: &str,
    ) {
        let before = self.additivity.last().filter(|_| !input.first);
        let work = Classes { plan, input, before, text };
        let values = work.values();
        let mut columns = StepColumns { grouped: plan.grouped, ..StepColumns::default() };
        let filtered = |role: Role| {
            let roots = plan.program.definitions.iter().zip(&plan.roles).filter(|(_, r)| **r == role);
            let mut kinds = roots.filter_map(|(definition, _)| values.get(definition.root.index()));
            kinds.any(|value| matches!(value, Value::Total(_) | Value::Lost(_)))
        };
        if !plan.grouped {
            columns.grouped = before.is_some_and(|before| before.grouped);
            columns.lost = before.and_then(|before| before.lost.clone());
        }
        let multiplies = |join: &super::joins::Joined<'_>| join.many || join.kind != JoinKind::Left;
        if step.limit.is_some() || filtered(Role::Having) || (!plan.grouped && filtered(Role::Where)) {
            columns.lost = Some(Lost::RowsLeftOut);
        } else if !plan.grouped && columns.grouped && step.joins.iter().any(multiplies) {
            columns.lost = Some(Lost::Joined);
        }
        for (index, definition) in plan.program.definitions.iter().enumerate() {
            let Some(value) = values.get(definition.root.index()).filter(|_| !definition.failed) else { continue };
            let name = match (plan.roles.get(index), plan.program.node(definition.root)) {
                (Some(Role::GroupBy), Ir::Column(column)) => {
                    plan.program.columns.get(column as usize).map(|column| column.name.to_string())
                }
                (Some(Role::GroupBy), Ir::Definition(_)) => None,
                (Some(Role::GroupBy), _) => Some(key_name(definition.span.text(text))),
                (Some(Role::Definitions), _) if plan.outputs.get(index) == Some(&true) => {
                    definition.name.as_deref().map(str::to_owned)
                }
                _ => None,
            };
            let is_key = plan.roles.get(index) == Some(&Role::GroupBy) || plan.keys.get(index) == Some(&true);
            let additivity = match value {
                _ if is_key => Additivity::Dimension { unit: unit(plan.program, definition.root) },
                value => match plan.program.node(plan.program.behind_names(definition.root)) {
                    // Another name of a column is what that is.
                    Ir::Column(column) if !plan.grouped => work.passed_on(column, value),
                    _ => settled(value, plan.program.meta(definition.root).ty),
                },
            };
            if let Some(name) = name {
                columns.columns.entry(name.to_lowercase()).or_insert(additivity);
            }
        }
        // What is kept is what it was.
        for column in output.columns() {
            let key = column.name().to_lowercase();
            if !columns.columns.contains_key(&key) {
                let joined = input.joined.and_then(|joined| {
                    joined.relations.iter().find(|r| r.column(column.name()).is_some()).map(Relation::name)
                });
                let own = work.kept(joined, column.name(), column.ty());
                columns.columns.insert(key, own);
            }
        }
        self.additivity.push(columns);
    }

    /// How the columns that the model has in the end behave.
    pub(super) fn additivity_of(&self, output: &Relation) -> Vec<(String, Additivity)> {
        let Some(last) = self.additivity.last() else { return Vec::new() };
        let known = |name: &str| output.column(name).is_some();
        let of = |name: &str| {
            let own = last.columns.get(&name.to_lowercase()).cloned().unwrap_or(Additivity::Lost(Lost::WidePivot));
            match (&own, &last.lost) {
                (Additivity::Dimension { .. } | Additivity::Lost(_), _) => own,
                (_, Some(lost)) => Additivity::Lost(lost.clone()),
                (Additivity::Ratio { numerator, denominator }, None) => {
                    let missing = [numerator, denominator].into_iter().find(|name| !known(name)).cloned();
                    missing.map_or(own, |name| Additivity::Lost(Lost::Part(name)))
                }
                (Additivity::Formula(formula), None) => {
                    let missing = formula.columns.iter().find(|name| !known(name)).cloned();
                    missing.map_or(own, |name| Additivity::Lost(Lost::Part(name)))
                }
                _ => own,
            }
        };
        output.columns().iter().map(|column| (column.name().to_owned(), of(column.name()))).collect()
    }

    /// Of a pivot in wide form only the columns that say what a row is of are what they were.
    pub(super) fn note_wide(&mut self) {
        if let Some(last) = self.additivity.last_mut() {
            last.columns.retain(|_, additivity| matches!(additivity, Additivity::Dimension { .. }));
        }
    }
}

/// The values of a step's nodes.
struct Classes<'c> {
    plan: &'c StepPlan<'c>,
    input: &'c StepInput<'c>,
    before: Option<&'c StepColumns>,
    text: &'c str,
}

impl Classes<'_> {
    fn values(&self) -> Vec<Value> {
        let program = self.plan.program;
        let mut values: Vec<Value> = Vec::with_capacity(program.len());
        for (at, node) in program.nodes().enumerate() {
            let value = self.value(program, IrId(at as u32), node, &values);
            values.push(value);
        }
        values
    }

    fn value(&self, program: &Program, id: IrId, node: Ir, values: &[Value]) -> Value {
        let of = |id: IrId| values.get(id.index()).cloned().unwrap_or(Value::Lost(Lost::Function));
        match node {
            Ir::Null | Ir::Bool(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Today(_) => Value::Constant,
            Ir::Column(column) => match program.columns.get(column as usize) {
                Some(used) => self.column(used.relation.as_deref(), &used.name, used.ty),
                None => Value::Row,
            },
            Ir::Definition(used) => self.definition(program, used as usize, values),
            Ir::CountRows => self.aggregate(program, id, TotalKind::Sum),
            Ir::Aggregate { distinct: true, .. } => Value::Lost(Lost::Distinct),
            Ir::Aggregate { overload, .. } => {
                let function = catalog::owner(overload);
                match function {
                    internal::SUM
                    | internal::SUMIF
                    | internal::SUMIFS
                    | internal::SUMPRODUCT
                    | internal::COUNT
                    | internal::COUNTA
                    | internal::COUNTIF
                    | internal::COUNTIFS
                    | internal::COUNTBLANK
                    | internal::COUNT_IF => self.aggregate(program, id, TotalKind::Sum),
                    internal::MIN | internal::MINIFS => self.aggregate(program, id, TotalKind::Min),
                    internal::MAX | internal::MAXIFS => self.aggregate(program, id, TotalKind::Max),
                    internal::AVERAGE | internal::AVERAGEIF | internal::AVERAGEIFS => Value::Lost(Lost::Average),
                    internal::COUNTUNIQUE => Value::Lost(Lost::Distinct),
                    other => Value::Lost(Lost::Aggregate(catalog::shown(other).unwrap_or("the aggregate").to_owned())),
                }
            }
            Ir::Apply { overload, args } => arithmetic(program, id, catalog::owner(overload), program.args(args), values),
            Ir::Coalesce(args) => coalesce(program, program.args(args), values),
            Ir::Window { .. }
            | Ir::GroupWindow { .. }
            | Ir::Lookup { .. }
            | Ir::Find { .. }
            | Ir::Elsewhere { .. }
            | Ir::Range { .. }
            | Ir::Ranges(_) => Value::Lost(Lost::OtherRows),
            Ir::Distinct(x) => of(x),
            Ir::Error => Value::Lost(Lost::Function),
            Ir::Case(_) | Ir::Switch { .. } | Ir::And(_) | Ir::Or(_) | Ir::Not(_) | Ir::IsNull { .. } => {
                let cases = &mut program.operands(id).map(of);
                together(cases, Lost::Condition)
            }
        }
    }

    /// A column that the step reads.
    fn column(&self, relation: Option<&str>, name: &str, ty: Type) -> Value {
        let place = self.input.joined.and_then(|joined| joined.place(relation?)).unwrap_or(0);
        let of_single_rows = || if ty.is_number() { Value::Row } else { Value::Dimension(None) };
        let Some(before) = self.before.filter(|_| place == 0) else { return of_single_rows() };
        if self.plan.grouped {
            // What it was is behind the grouping.
            return of_single_rows();
        }
        let atom = |kind: TotalKind| {
            let written =
                Written { sql: name.to_owned(), columns: vec![name.to_owned()], binds: Binds::Name, ratio: None };
            Value::Total(Total { kind, written: Ok(written) })
        };
        match before.columns.get(&name.to_lowercase()) {
            Some(Additivity::Dimension { unit }) => Value::Dimension(*unit),
            Some(Additivity::Sum) => atom(TotalKind::Sum),
            Some(Additivity::Min) => atom(TotalKind::Min),
            Some(Additivity::Max) => atom(TotalKind::Max),
            Some(Additivity::Ratio { .. } | Additivity::Formula(_)) => atom(TotalKind::Formula),
            Some(Additivity::Lost(Lost::SingleRows)) => Value::Row,
            Some(Additivity::Lost(lost)) => Value::Lost(lost.clone()),
            // A total of the whole sheet.
            None if before.grouped => Value::Lost(Lost::OtherRows),
            None => of_single_rows(),
        }
    }

    /// A column that is passed on under its name or another.
    fn passed_on(&self, column: u32, value: &Value) -> Additivity {
        match self.plan.program.columns.get(column as usize) {
            Some(used) => self.kept(used.relation.as_deref(), &used.name, used.ty),
            None => settled(value, Type::Unknown),
        }
    }

    fn kept(&self, relation: Option<&str>, name: &str, ty: Type) -> Additivity {
        let place = self.input.joined.and_then(|joined| joined.place(relation?)).unwrap_or(0);
        let before = self.before.filter(|_| place == 0 && !self.plan.grouped);
        match before.and_then(|before| before.columns.get(&name.to_lowercase())) {
            Some(own) => own.clone(),
            None => settled(&self.column(relation, name, ty), ty),
        }
    }

    fn definition(&self, program: &Program, used: usize, values: &[Value]) -> Value {
        let Some(definition) = program.definitions.get(used) else { return Value::Row };
        let Some(value) = values.get(definition.root.index()) else { return Value::Row };
        if self.plan.keys.get(used) == Some(&true) {
            return Value::Dimension(unit(program, definition.root));
        }
        let name = definition.name.as_deref().filter(|_| self.plan.outputs.get(used) == Some(&true));
        match (value, name) {
            (Value::Total(total), Some(name)) => {
                let columns = vec![name.to_owned()];
                let written = Written { sql: name.to_owned(), columns, binds: Binds::Name, ratio: None };
                Value::Total(Total { kind: total.kind, written: Ok(written) })
            }
            (value, _) => value.clone(),
        }
    }

    fn aggregate(&self, program: &Program, id: IrId, kind: TotalKind) -> Value {
        let part = program.meta(id).span.text(self.text).split_whitespace().collect::<Vec<_>>().join(" ");
        Value::Total(Total { kind, written: Err(Lost::Part(part)) })
    }
}

/// What values are together that only are together: of rows where one is, lost where one is a total.
fn together(values: &mut dyn Iterator<Item = Value>, lost: Lost) -> Value {
    let mut all = Value::Constant;
    for value in values {
        all = match (all, value) {
            (Value::Lost(lost), _) | (_, Value::Lost(lost)) => Value::Lost(lost),
            (Value::Total(_), _) | (_, Value::Total(_)) => return Value::Lost(lost),
            (Value::Row, _) | (_, Value::Row) => Value::Row,
            (Value::Dimension(_), _) | (_, Value::Dimension(_)) => Value::Dimension(None),
            (Value::Constant, Value::Constant) => Value::Constant,
        };
    }
    all
}

/// The zero that stands for a value that is not there adds nothing.
fn coalesce(program: &Program, args: &[IrId], values: &[Value]) -> Value {
    let of = |id: &IrId| values.get(id.index()).cloned().unwrap_or(Value::Lost(Lost::Function));
    let is_zero = |id: &IrId| match program.node(*id) {
        Ir::Number(digits) => program.text(digits).parse::<f64>() == Ok(0.0),
        _ => false,
    };
    match args {
        [one, zero] if is_zero(zero) => match of(one) {
            Value::Total(Total { kind: TotalKind::Sum, written }) => {
                Value::Total(Total { kind: TotalKind::Sum, written: written.map(|one| call("coalesce", one, "0")) })
            }
            Value::Total(Total { written, .. }) => {
                Value::Total(Total { kind: TotalKind::Formula, written: written.map(|one| call("coalesce", one, "0")) })
            }
            other => other,
        },
        args => together(&mut args.iter().map(of), Lost::Function),
    }
}

fn call(name: &str, of: Written, second: &str) -> Written {
    Written { sql: format!("{name}({}, {second})", of.sql), binds: Binds::Name, ratio: None, ..of }
}

/// `+ - * /` over totals and numbers.
fn arithmetic(program: &Program, id: IrId, function: catalog::FunctionId, args: &[IrId], values: &[Value]) -> Value {
    let of = |id: &IrId| values.get(id.index()).cloned().unwrap_or(Value::Lost(Lost::Function));
    let all: Vec<Value> = args.iter().map(of).collect();
    let has_total = all.iter().any(|value| matches!(value, Value::Total(_)));
    if !has_total {
        return match together(&mut all.into_iter(), Lost::Function) {
            // What is cut to a unit is known by the call that cuts it.
            Value::Dimension(_) => Value::Dimension(unit(program, id)),
            other => other,
        };
    }
    if let Some(lost) = all.iter().find_map(|value| if let Value::Lost(lost) = value { Some(lost) } else { None }) {
        return Value::Lost(lost.clone());
    }
    if all.iter().any(|value| matches!(value, Value::Row | Value::Dimension(_))) {
        return Value::Lost(Lost::Mixed);
    }
    let nullable = |id: &IrId| program.meta(*id).nullable;
    let adds_up = |value: &Value| matches!(value, Value::Total(Total { kind: TotalKind::Sum, .. }));
    let is_number = |id: &IrId| matches!(program.node(*id), Ir::Number(_));
    let (sign, binds) = match (function, all.len()) {
        (internal::ADD, 2) => (" + ", Binds::Sum),
        (internal::SUBTRACT, 2) => (" - ", Binds::Sum),
        (internal::MULTIPLY, 2) => (" * ", Binds::Product),
        (internal::DIVIDE, 2) => (" / ", Binds::Product),
        // A number of another type is that number.
        (internal::TO_FLOAT | internal::TO_DECIMAL, 1) => return all.into_iter().next().unwrap_or(Value::Row),
        (internal::NEGATE, 1) => {
            let Some(Value::Total(total)) = all.into_iter().next() else { return Value::Lost(Lost::Function) };
            let kind = if total.kind == TotalKind::Sum { TotalKind::Sum } else { TotalKind::Formula };
            let negated = |of: Written| Written {
                sql: format!("-{}", bracketed(&of, Binds::Name)),
                binds: Binds::Sum,
                ratio: None,
                ..of
            };
            return Value::Total(Total { kind, written: total.written.map(negated) });
        }
        _ => return Value::Lost(Lost::Function),
    };
    // A sum that is not there is not 0, and would take the whole with it in its row only.
    let kind = match function {
        internal::ADD | internal::SUBTRACT if all.iter().all(adds_up) && !args.iter().any(nullable) => TotalKind::Sum,
        internal::MULTIPLY if all.iter().any(adds_up) && args.iter().any(is_number) => TotalKind::Sum,
        _ => TotalKind::Formula,
    };
    let mut sides = all.into_iter().zip(args).map(|(value, id)| match value {
        Value::Total(total) => total.written,
        _ => number(program, *id),
    });
    let (Some(left), Some(right)) = (sides.next(), sides.next()) else { return Value::Lost(Lost::Function) };
    let written = match (left, right) {
        (Err(lost), _) | (_, Err(lost)) => Err(lost),
        (Ok(left), Ok(right)) => joined(left, right, sign, binds, function == internal::DIVIDE),
    };
    Value::Total(Total { kind, written })
}

fn number(program: &Program, id: IrId) -> Result<Written, Lost> {
    match program.node(id) {
        Ir::Number(digits) => {
            let sql = program.text(digits).to_owned();
            let binds = if sql.starts_with('-') { Binds::Sum } else { Binds::Name };
            Ok(Written { sql, columns: Vec::new(), binds, ratio: None })
        }
        _ => Err(Lost::Function),
    }
}

fn bracketed(of: &Written, least: Binds) -> String {
    if of.binds < least { format!("({})", of.sql) } else { of.sql.clone() }
}

fn joined(left: Written, right: Written, sign: &str, binds: Binds, divides: bool) -> Result<Written, Lost> {
    let is_name = |of: &Written| of.binds == Binds::Name && of.columns.len() == 1 && of.columns.contains(&of.sql);
    let ratio = (divides && is_name(&left) && is_name(&right)).then(|| (left.sql.clone(), right.sql.clone()));
    let sql = if divides {
        // Whole numbers are divided as numbers, and nothing by nothing is nothing.
        format!("1.0 * {} / nullif({}, 0)", bracketed(&left, Binds::Product), right.sql)
    } else {
        // `a - (b - c)`, but `a + b - c`.
        let tighter = if binds == Binds::Sum && sign == " + " { Binds::Sum } else { next(binds) };
        format!("{}{sign}{}", bracketed(&left, binds), bracketed(&right, tighter))
    };
    if sql.len() > MOST {
        return Err(Lost::TooLong);
    }
    let mut columns = left.columns;
    columns.extend(right.columns.into_iter().filter(|name| !columns.contains(name)).collect::<Vec<_>>());
    Ok(Written { sql, columns, binds, ratio })
}

fn next(binds: Binds) -> Binds {
    if binds == Binds::Sum { Binds::Product } else { Binds::Name }
}

/// What an output column is.
fn settled(value: &Value, ty: Type) -> Additivity {
    match value {
        Value::Constant => Additivity::Dimension { unit: None },
        Value::Dimension(unit) => Additivity::Dimension { unit: *unit },
        Value::Row if ty.is_number() => Additivity::Lost(Lost::SingleRows),
        Value::Row => Additivity::Dimension { unit: None },
        Value::Lost(lost) => Additivity::Lost(lost.clone()),
        Value::Total(Total { kind: TotalKind::Sum, .. }) => Additivity::Sum,
        Value::Total(Total { kind: TotalKind::Min, .. }) => Additivity::Min,
        Value::Total(Total { kind: TotalKind::Max, .. }) => Additivity::Max,
        Value::Total(Total { written: Err(lost), .. }) => Additivity::Lost(lost.clone()),
        Value::Total(Total { written: Ok(written), .. }) => match &written.ratio {
            Some((numerator, denominator)) => {
                Additivity::Ratio { numerator: numerator.clone(), denominator: denominator.clone() }
            }
            None => Additivity::Formula(ColumnFormula { sql: written.sql.clone(), columns: written.columns.clone() }),
        },
    }
}

/// The unit of the calendar that a value is cut to, where MetricFlow has it and cuts alike.
fn unit(program: &Program, root: IrId) -> Option<&'static str> {
    let Ir::Apply { overload, .. } = program.node(program.behind_names(root)) else { return None };
    match catalog::owner(overload) {
        internal::TRUNC_DAY => Some("day"),
        internal::TRUNC_WEEK => Some("week"),
        internal::TRUNC_MONTH => Some("month"),
        internal::TRUNC_QUARTER => Some("quarter"),
        internal::TRUNC_YEAR => Some("year"),
        _ => None,
    }
}
