//! Generates random specs that are meaningful: all names exist, all types match, and each order is total if rows depend
//! on it.

use crate::calendar::PeriodFrame;
use crate::database::Table;
use crate::draw_expressions::has_times;
use crate::draw_joins::{Many, Relation};
use crate::expr::{InterpreterExpr, InterpreterLevel};
use crate::kind::Kind;
use crate::random::Random;
use crate::spec::{InterpreterProjection, InterpreterSpec, InterpreterStep, KeyColumn, unqualified_name};

/// Columns and relations that a step can read.
pub struct Input {
    /// Relation to which `keep` refers. After joins, the first relation, with the grain of the joined rows.
    pub relation: Relation,
    /// Columns, as spelled in formulas.
    pub leaves: Vec<(InterpreterExpr, Kind)>,
    /// All columns that can be read. Formulas read some of them.
    pub every: Vec<(InterpreterExpr, Kind)>,
    /// Joined relations in which a row can match several rows.
    pub many: Vec<Many>,
}

impl Input {
    fn of(relation: Relation) -> Self {
        let leaves: Vec<(InterpreterExpr, Kind)> = relation
            .columns
            .iter()
            .map(|(name, kind)| (InterpreterExpr::name(name), *kind))
            .collect();
        Self {
            relation,
            every: leaves.clone(),
            leaves,
            many: Vec::new(),
        }
    }
}

pub fn spec(random: &mut Random, tables: &[Table]) -> InterpreterSpec {
    let mut relations: Vec<Relation> = tables.iter().map(Relation::of).collect();
    let mut read = relations[0].clone();
    let mut steps = Vec::new();
    let count = 1 + random.random_below(3);
    let (mut made, mut multiplied) = (0, 0);
    let blank_zero = random.chance(15);
    for at in 0..count {
        let mut maker = Maker::of_expressions(random, read);
        maker.step.blank_zero = blank_zero;
        (maker.count, maker.multiplied) = (made, multiplied);
        read = maker.step(at, &relations);
        (made, multiplied) = (maker.count, maker.multiplied);
        steps.push(maker.step);
        relations.push(read.clone());
    }
    InterpreterSpec {
        from: tables[0].name.clone(),
        steps,
    }
}

pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub input: Input,
    pub step: InterpreterStep,
    pub count: usize,
    /// Kind of each definition, by name.
    pub kinds: Vec<(String, Kind)>,
    /// Number of joins in the spec in which a row may have several matches.
    pub multiplied: usize,
    /// Period by which the step is grouped and ordered, so that formulas can look up other periods.
    pub calendar: Option<KeyColumn>,
}

/// Operands of expressions.
#[derive(Clone, Default)]
pub struct Scope {
    /// Columns and definitions that can be used directly.
    pub leaves: Vec<(InterpreterExpr, Kind)>,
    /// Operands of aggregates. Empty if aggregates are not allowed here.
    pub rows: Vec<(InterpreterExpr, Kind)>,
    /// Operands of windows. Empty if windows are not allowed here.
    pub windowed: Vec<(InterpreterExpr, Kind)>,
}

/// Kinds of values that can be compared and sorted. Times are used only if the scope contains times.
pub const COMPARED: [Kind; 5] = [Kind::Int, Kind::Exact, Kind::Text, Kind::Date, Kind::Time];
pub const GROUPED: [Kind; 5] = [Kind::Int, Kind::Bool, Kind::Text, Kind::Date, Kind::Time];

impl<'a> Maker<'a> {
    /// Creates a generator for expressions that use the columns of a scope.
    pub fn of_expressions(random: &'a mut Random, relation: Relation) -> Self {
        Self {
            random,
            input: Input::of(relation),
            step: InterpreterStep::default(),
            count: 0,
            kinds: Vec::new(),
            multiplied: 0,
            calendar: None,
        }
    }
}

impl Maker<'_> {
    fn step(&mut self, at: usize, relations: &[Relation]) -> Relation {
        self.step.name = ["first_step", "second_step", "third_step"][at].to_owned();
        if self.random.chance(45) {
            self.joins(relations);
        }
        let mut rows = Scope {
            leaves: self.input.leaves.clone(),
            ..Scope::default()
        };
        for _ in 0..self.random.random_below(3) {
            self.row_definition(&mut rows);
        }
        if self.random.chance(35) {
            // If a column and a definition have the same name, the filter uses the column, which has the same kind.
            let filter = self.with_name(Kind::Bool, &rows);
            self.step.filter = Some(filter);
        }
        // If a row can match several rows in each of two joined relations, each relation repeats the rows of the other
        // relation.
        let aggregates = match self.input.many.as_slice() {
            [] => true,
            [one] => !one.leaves.is_empty(),
            _ => false,
        };
        if aggregates && self.random.chance(60) {
            self.grouped(&rows)
        } else {
            self.plain(rows)
        }
    }

    /// Generates a name, which sometimes needs quotes.
    pub fn name(&mut self) -> String {
        self.count += 1;
        match self.random.random_below(40) {
            0 => format!("Value {}", self.count),
            1 => format!("Größe {}", self.count),
            2 => format!("NetValue{}", self.count),
            3 if self.count < 4 => ["user", "table", "where", "limit"][self.count].to_owned(),
            _ => format!("value_{}", self.count),
        }
    }

    /// Generates a kind for which the scope has values.
    pub fn any_kind(&mut self, scope: &Scope) -> Kind {
        if has_times(scope) && self.random.chance(12) {
            Kind::Time
        } else {
            *self.random.pick(&Kind::ALL)
        }
    }

    pub fn draw_compared_kind(&mut self, scope: &Scope) -> Kind {
        let kind = *self.random.pick(&COMPARED);
        if kind == Kind::Time && !has_times(scope) {
            Kind::Date
        } else {
            kind
        }
    }

    pub fn define(&mut self, name: String, kind: Kind, x: InterpreterExpr) {
        self.kinds.push((name.clone(), kind));
        self.step.definitions.push((name, x));
    }

    /// Generates a row-level definition. Sometimes the definition has the name of a column, and replaces the column's
    /// values or its NULLs.
    fn row_definition(&mut self, rows: &mut Scope) {
        let kind = self.any_kind(rows);
        let x = self.with_name(kind, rows);
        let column = rows
            .leaves
            .iter()
            .find(|(x, k)| *k == kind && matches!(x, InterpreterExpr::Name(_)))
            .cloned();
        match column {
            Some((InterpreterExpr::Name(name), _))
                if !name.contains('.') && self.random.chance(20) && !self.kinds.iter().any(|(n, _)| *n == name) =>
            {
                // Earlier definitions that use this name now read the new definition, so the new definition must not
                // read them.
                if self
                    .step
                    .definitions
                    .iter()
                    .all(|(_, other)| !contains_column(other, &name))
                {
                    // A definition with the name of a grain's column keeps its values, because rows are ordered by it.
                    let is_replaced = !self.input.relation.grain.contains(&name) && self.random.chance(50);
                    let value = if is_replaced {
                        x
                    } else {
                        InterpreterExpr::Call(
                            "COALESCE",
                            vec![InterpreterExpr::Name(name.clone()), self.literal(kind)],
                        )
                    };
                    self.define(name, kind, value);
                }
            }
            _ => {
                let name = self.name();
                rows.leaves.push((InterpreterExpr::name(&name), kind));
                self.define(name, kind, x);
            }
        }
    }

    fn grouped(&mut self, rows: &Scope) -> Relation {
        let mut keys: Vec<(InterpreterExpr, Kind)> = Vec::new();
        let is_dated = |kind: Kind| matches!(kind, Kind::Date | Kind::Time);
        let dates: Vec<(InterpreterExpr, Kind)> = rows
            .leaves
            .iter()
            .filter(|(_, kind)| is_dated(*kind))
            .cloned()
            .collect();
        let calendar = !dates.is_empty() && self.random.chance(25);
        let count = if calendar {
            2 + self.random.random_below(3)
        } else {
            *self.random.pick(&[0, 1, 1, 1, 2, 2, 3])
        };
        for at in 0..count {
            let date = calendar && at == 0;
            let (leaf, kind) = self.random.pick(if date { &dates } else { &rows.leaves }).clone();
            let InterpreterExpr::Name(name) = &leaf else { continue };
            if !GROUPED.contains(&kind) || (calendar && !date && is_dated(kind)) {
                continue;
            }
            let frame = (is_dated(kind) && self.random.chance(75)).then(|| *self.random.pick(&PeriodFrame::ALL));
            // The period is usually a month if an adjacent period is looked up.
            let frame = frame.map(|frame| match date {
                true => *self.random.pick(&[PeriodFrame::Month, PeriodFrame::Month, frame]),
                false => frame,
            });
            let entry = KeyColumn {
                name: name.clone(),
                frame,
            };
            let is_taken = self.kinds.iter().any(|(n, _)| *n == entry.output() && *n != entry.name);
            if !is_taken
                && self
                    .step
                    .group_by
                    .iter()
                    .all(|e| e.output() != entry.output() && e.name != entry.name)
            {
                keys.push((entry.expr(), if entry.frame.is_some() { Kind::Date } else { kind }));
                if date {
                    self.calendar = Some(entry.clone());
                }
                self.step.group_by.push(entry);
            }
        }
        let mut leaves = keys.clone();
        // A definition that uses only keys has one value per group.
        for (name, kind) in &self.kinds {
            let mut names = Vec::new();
            self.step
                .definition(name)
                .into_iter()
                .for_each(|x| x.collect_names(&mut names));
            let is_key = |name: &String| self.step.group_by.iter().any(|e| e.frame.is_none() && e.name == *name);
            if !is_key(name) && !names.contains(name) && names.iter().all(is_key) {
                leaves.push((InterpreterExpr::name(name), *kind));
            }
        }
        let mut scope = Scope {
            leaves,
            rows: self.aggregate_operands(rows),
            windowed: Vec::new(),
        };
        let helpers = self.kinds.len();
        self.shadow(&mut scope);
        for at in 0..usize::from(keys.is_empty()) + self.random.random_below(4) {
            let kind = self.any_kind(&scope);
            // Without keys, an aggregate makes the step a grouped step.
            let x = if keys.is_empty() && at == 0 {
                self.aggregate(kind, &scope)
            } else {
                self.group_expr(kind, &scope)
            };
            let name = self.name();
            scope.leaves.push((InterpreterExpr::name(&name), kind));
            self.define(name, kind, x);
        }
        if self.random.chance(20) {
            let having = self.group_expr(Kind::Bool, &scope);
            self.step.having = Some(having);
        }
        self.draw_order(&scope.leaves.clone());
        self.windows(&scope);
        let key_columns = self
            .step
            .group_by
            .iter()
            .zip(&keys)
            .map(|(e, (_, kind))| (e.output(), *kind));
        let mut columns: Vec<(String, Kind)> = key_columns.collect();
        // A definition that uses only keys is a helper.
        let is_output = |(name, _): &&(String, Kind)| self.step.level_of(name) != InterpreterLevel::Row;
        columns.extend(self.kinds.iter().skip(helpers).filter(is_output).cloned());
        let grain: Vec<String> = self.step.group_by.iter().map(KeyColumn::output).collect();
        self.add_limit();
        Relation {
            name: self.step.name.clone(),
            columns,
            single: grain.is_empty(),
            grain,
            sure: false,
        }
    }

    /// Returns the operands that aggregates may use.
    fn aggregate_operands(&self, rows: &Scope) -> Vec<(InterpreterExpr, Kind)> {
        self.input
            .many
            .first()
            .map_or_else(|| rows.leaves.clone(), |many| many.leaves.clone())
    }

    fn keep(&mut self) -> InterpreterProjection {
        // With joins, a row can keep columns from any of the relations.
        let names: Vec<String> = match self.step.joins.is_empty() || self.random.chance(30) {
            true => self.input.relation.columns.iter().map(|(n, _)| n.clone()).collect(),
            false => self
                .input
                .leaves
                .iter()
                .filter_map(|(x, _)| {
                    if let InterpreterExpr::Name(name) = x {
                        Some(name.clone())
                    } else {
                        None
                    }
                })
                .collect(),
        };
        match self.random.random_below(3) {
            0 => InterpreterProjection::Nothing,
            1 => InterpreterProjection::All,
            _ => {
                let mut some: Vec<String> = Vec::new();
                let mut add = |name: &String| {
                    if some
                        .iter()
                        .all(|other| unqualified_name(other) != unqualified_name(name))
                    {
                        some.push(name.clone());
                    }
                };
                let likely = if self.step.joins.is_empty() { 60 } else { 35 };
                // The columns that identify rows are usually included.
                if !self.step.joins.is_empty() {
                    self.input
                        .relation
                        .grain
                        .iter()
                        .filter(|_| self.random.chance(70))
                        .for_each(&mut add);
                }
                names.iter().filter(|_| self.random.chance(likely)).for_each(&mut add);
                self.input
                    .relation
                    .grain
                    .iter()
                    .filter(|_| self.random.chance(70))
                    .for_each(&mut add);
                if some.is_empty() {
                    InterpreterProjection::Nothing
                } else {
                    InterpreterProjection::Some(some)
                }
            }
        }
    }

    /// Returns the kept columns in order: the output name, the kind, and the name that identifies the column.
    fn kept_columns(&self) -> Vec<(String, Kind, String)> {
        let relation = &self.input.relation;
        let joined = !self.step.joins.is_empty();
        let own = |name: &String| {
            let (_, kind) = relation.columns.iter().find(|(n, _)| n == name)?;
            // The grain contains merged names, or names that are qualified with their relation.
            let merged = !joined || relation.grain.contains(name);
            let printed = if merged {
                name.clone()
            } else {
                format!("{}.{name}", relation.name)
            };
            Some((name.clone(), *kind, printed))
        };
        let any = |name: &String| {
            let leaf = self.input.every.iter().find(|(x, _)| *x == InterpreterExpr::name(name));
            let printed = || own(name).filter(|_| !name.contains('.'));
            printed().or_else(|| leaf.map(|(_, kind)| (unqualified_name(name).to_owned(), *kind, name.clone())))
        };
        match &self.step.keep {
            InterpreterProjection::Nothing => Vec::new(),
            InterpreterProjection::All => relation.columns.iter().filter_map(|(name, _)| own(name)).collect(),
            InterpreterProjection::Some(names) => names.iter().filter_map(any).collect(),
        }
    }

    fn plain(&mut self, scope: Scope) -> Relation {
        self.step.keep = self.keep();
        if self.step.definitions.is_empty() {
            let kind = self.any_kind(&scope);
            let x = self.with_name(kind, &scope);
            let name = self.name();
            self.define(name, kind, x);
        }
        if !self.input.relation.grain.is_empty() {
            self.draw_order(&scope.leaves.clone());
        }
        self.windows(&scope);
        self.add_limit();
        let is_defined = |name: &String| self.kinds.iter().any(|(n, _)| n == name);
        let kept: Vec<(String, Kind, String)> = self
            .kept_columns()
            .into_iter()
            .filter(|(name, ..)| !is_defined(name))
            .collect();
        let output = |grain: &String| {
            kept.iter()
                .find(|(.., printed)| printed == grain)
                .map(|(name, ..)| name.clone())
        };
        let grain: Option<Vec<String>> = self.input.relation.grain.iter().map(output).collect();
        let mut columns: Vec<(String, Kind)> = kept.iter().map(|(name, kind, _)| (name.clone(), *kind)).collect();
        columns.extend(self.kinds.iter().cloned());
        let sure = self.input.relation.sure;
        Relation {
            name: self.step.name.clone(),
            columns,
            grain: grain.unwrap_or_default(),
            sure,
            single: false,
        }
    }

    fn add_limit(&mut self) {
        if !self.step.order_by.is_empty() && self.random.chance(12) {
            self.step.limit = Some(1 + self.random.random_below(4));
        }
    }

    /// Generates a definition that has the name of a column. In `amount = SUM(amount)`, for example, the name refers to
    /// the column inside the definition, and the sum elsewhere.
    fn shadow(&mut self, scope: &mut Scope) {
        let (leaf, kind) = self.random.pick(&scope.rows).clone();
        let InterpreterExpr::Name(name) = &leaf else { return };
        if name.contains('.') {
            return;
        }
        let is_read = self
            .step
            .definitions
            .iter()
            .any(|(defined, x)| defined == name || contains_column(x, name))
            || self
                .step
                .group_by
                .iter()
                .any(|e| e.name == *name || e.output() == *name);
        if !matches!(kind, Kind::Int | Kind::Exact) || is_read || scope.rows.len() < 2 || !self.random.chance(20) {
            return;
        }
        scope.rows.retain(|(x, _)| *x != leaf);
        scope.leaves.push((leaf.clone(), kind));
        self.define(name.clone(), kind, InterpreterExpr::Aggregate("SUM", vec![leaf]));
    }
}

fn contains_column(x: &InterpreterExpr, name: &str) -> bool {
    let mut names = Vec::new();
    x.collect_names(&mut names);
    names.iter().any(|n| n == name)
}
