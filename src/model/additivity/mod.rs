//! What becomes of a column of a model where its rows are taken together once more: whether its values add up, or are
//! computed again of those that do, or cannot be had from the model at all.
//!
//! The measure of right is the formula itself: what a column is taken together to must be what the formula gives where
//! the rows are grouped by fewer keys. `SUM` and `COUNT` add up, and so does what adds or takes away such, or has it times
//! a number. `MIN` and `MAX` go on. What divides, multiplies or adds these is the same formula over what they come to.
//! Everything else has lost what would be needed: an average how many there were, a count of different values which they
//! were, a window the rows beside it.

mod arithmetic;
mod classes;
#[cfg(test)]
mod tests;

use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

use self::classes::{Classes, ValueClass, additivity_of_value, unit};
use super::compile::SpecCompilation;
use super::lineage::column_given;
use super::load::Step;
use crate::check::DefinitionRole;
use crate::ir::Ir;
use crate::plan::{StepInput, StepPlan};
use crate::schema::Relation;
use crate::sql::JoinKind;

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
/// let compiled = formulac::Compiler::default().compile_spec(spec);
/// let (_, Additivity::Formula(formula)) = &compiled.additivity()[3] else { panic!("it is computed") };
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

    /// The same with other names for its columns.
    ///
    /// ```
    /// use formulac::Additivity;
    /// let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n  b = MIN(x)\n  c = a / b - 1\n";
    /// let columns = formulac::Compiler::default().compile_spec(spec);
    /// let (_, Additivity::Formula(formula)) = &columns.additivity()[3] else { panic!("it is computed") };
    /// assert_eq!(formula.sql_with(|name| format!("m_{name}")), "1.0 * m_a / nullif(m_b, 0) - 1");
    /// ```
    #[must_use]
    pub fn sql_with(&self, name: impl Fn(&str) -> String) -> String {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut out = String::with_capacity(self.sql.len() * 2);
        let mut rest = self.sql.as_str();
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            let is_column = is_word(first) && !after.starts_with('(') && self.columns.iter().any(|own| own == part);
            out.push_str(&if is_column { name(part) } else { part.to_owned() });
            rest = after;
        }
        out
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
            Self::OtherRows => f.write_str("it depends on other rows, so its values cannot be aggregated"),
            Self::Condition => f.write_str("its condition is on values that change when rows are taken together"),
            Self::Function => f.write_str("its function of a total is not the total of the function"),
            Self::Part(part) => write!(f, "`{part}` in its formula is no column: give it a name of its own"),
            Self::Mixed => f.write_str("it mixes totals with a value of single rows"),
            Self::RowsLeftOut => {
                f.write_str("the model leaves rows out after grouping, so that totals would lack them")
            }
            Self::Joined => f.write_str("a join after grouping may repeat rows or leave them out"),
            Self::SingleRows => {
                f.write_str("it is a value of single rows, and no formula says how they are taken together")
            }
            Self::WidePivot => f.write_str("it is the column of one value of a pivot; the long form has it as rows"),
            Self::TooLong => f.write_str("its formula is too long: give parts of it names of their own"),
        }
    }
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

impl StepColumns {
    /// The unit of the calendar that a column is cut to.
    pub(super) fn unit(&self, column: &str) -> Option<&'static str> {
        match self.columns.get(&column.to_lowercase())? {
            Additivity::Dimension { unit } => *unit,
            _ => None,
        }
    }
}

impl SpecCompilation<'_> {
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
        let filtered = |role: DefinitionRole| {
            let roots = plan.program.definitions.iter().zip(&plan.roles).filter(|(_, r)| **r == role);
            let mut kinds = roots.filter_map(|(definition, _)| values.get(definition.root.index()));
            kinds.any(|value| matches!(value, ValueClass::Total(_) | ValueClass::Lost(_)))
        };
        if !plan.grouped {
            columns.grouped = before.is_some_and(|before| before.grouped);
            columns.lost = before.and_then(|before| before.lost.clone());
        }
        let multiplies = |join: &super::joins::JoinedRelation<'_>| join.many || join.kind != JoinKind::Left;
        if step.limit.is_some()
            || filtered(DefinitionRole::Having)
            || (!plan.grouped && filtered(DefinitionRole::Where))
        {
            columns.lost = Some(Lost::RowsLeftOut);
        } else if !plan.grouped && columns.grouped && step.joins.iter().any(multiplies) {
            columns.lost = Some(Lost::Joined);
        }
        for (index, definition) in plan.program.definitions.iter().enumerate() {
            let Some(value) = values.get(definition.root.index()).filter(|_| !definition.failed) else { continue };
            let Some(name) = column_given(plan, index, text) else { continue };
            let is_key = plan.roles.get(index) == Some(&DefinitionRole::GroupBy) || plan.keys.get(index) == Some(&true);
            let additivity = match value {
                _ if is_key => Additivity::Dimension { unit: unit(plan.program, definition.root) },
                value => match plan.program.node(plan.program.behind_names(definition.root)) {
                    // Another name of a column is what that is.
                    Ir::Column(column) if !plan.grouped => work.pass_on(column, value),
                    _ => additivity_of_value(value, plan.program.meta(definition.root).ty),
                },
            };
            columns.columns.entry(name.to_lowercase()).or_insert(additivity);
        }
        // What is kept is what it was.
        for column in output.columns() {
            let name = column.name();
            let has = |relation: &&Relation| relation.column(name).is_some();
            columns.columns.entry(name.to_lowercase()).or_insert_with(|| {
                let joined = input.joined.and_then(|joined| joined.relations.iter().find(has));
                work.keep(joined.map(Relation::name), name, column.ty())
            });
        }
        self.additivity.push(columns);
    }

    /// How the columns that the model has in the end behave.
    pub(super) fn additivity_of(&self, output: &Relation, grain: &[String]) -> Vec<(String, Additivity)> {
        let Some(last) = self.additivity.last() else { return Vec::new() };
        let known = |name: &str| output.column(name).is_some();
        let keys: FxHashSet<String> = grain.iter().map(|key| key.to_lowercase()).collect();
        let of = |name: &str| {
            let own = last.columns.get(&name.to_lowercase()).cloned().unwrap_or(Additivity::Lost(Lost::WidePivot));
            match (&own, &last.lost) {
                // A number that tells rows apart is no value of theirs.
                (Additivity::Lost(Lost::SingleRows), _) if keys.contains(&name.to_lowercase()) => {
                    Additivity::Dimension { unit: None }
                }
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
