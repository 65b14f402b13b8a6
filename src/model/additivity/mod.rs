//! Additivity: whether a column's values can still be computed after the rows of the model are aggregated again. A
//! column's values can be summed, can be computed from other columns that can be aggregated, or cannot be aggregated.
//!
//! Aggregating a column must give the same values as computing its formula with fewer grouping keys. Values of `SUM`
//! and `COUNT`, and their sums, differences and constant multiples, can be summed. For `MIN` and `MAX`, the result is
//! the minimum or maximum of the values. For quotients, products and sums of these columns, the formula is applied to
//! the aggregated columns. All other columns cannot be aggregated, because the rows lack the necessary data: the count
//! for an average, the values for a distinct count, the other rows for a window.

mod arithmetic;
mod classes;
#[cfg(test)]
mod tests;

use std::fmt;

use formulac_syntax::text::is_word_char;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use self::classes::{AggregationClass, AggregationClassifier, additivity_of_value, truncation_unit};
use super::compile::SpecCompilation;
use super::lineage::output_column;
use super::load::Step;
use crate::check::{ColumnPeriod, DefinitionRole};
use crate::ir::{CalendarUnit, Ir};
use crate::plan::{StepInput, StepPlan};
use crate::schema::Relation;
use crate::sql::JoinKind;

/// Name of a calendar unit. serde would borrow from its input if the field had a reference type.
type CalendarUnitName = &'static str;

/// Behavior of a column when rows of its model are aggregated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Additivity {
    /// The column is a dimension, possibly truncated to a calendar unit.
    Dimension {
        /// Calendar unit, such as `month` for `billing_date[month]`. `None` if the column is not truncated.
        #[serde(deserialize_with = "deserialize_unit")]
        unit: Option<CalendarUnitName>,
    },
    /// The values can be summed: `SUM`, `COUNT`, and their sums and differences.
    Sum,
    /// The aggregated value is the minimum of the column's values.
    Min,
    /// The aggregated value is the maximum of the column's values.
    Max,
    /// Quotient of two columns that can be aggregated.
    Ratio {
        /// Column of the numerator.
        numerator: String,
        /// Column of the denominator.
        denominator: String,
    },
    /// Formula over columns that can be aggregated. The aggregated value is computed from the aggregated columns.
    Formula(ColumnFormula),
    /// The rows of the model do not determine the aggregated value.
    NonAdditive(NonAdditiveReason),
}

fn deserialize_unit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'static str>, D::Error> {
    let Some(name) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let unit = CalendarUnit::ALL
        .into_iter()
        .map(CalendarUnit::name)
        .find(|unit| *unit == name);
    unit.map(Some).ok_or_else(|| D::Error::custom("unknown calendar unit"))
}

/// Arithmetic over columns of a model, as SQL.
///
/// ```
/// use formulac_model::Additivity;
/// let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n  least = MIN(x)\n  b = a * least\n";
/// let compiled = formulac_model::Compiler::default().compile_spec(spec);
/// let (_, Additivity::Formula(formula)) = &compiled.additivity()[3] else { panic!("it is computed") };
/// assert_eq!((formula.sql(), formula.columns()), ("a * least", &["a".to_owned(), "least".to_owned()][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFormula {
    sql: String,
    columns: Vec<String>,
}

impl ColumnFormula {
    /// Returns the formula as SQL that every dialect accepts. As in formulas, division by zero returns NULL.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Returns the formula as SQL, with column names replaced by the results of `name`.
    ///
    /// ```
    /// use formulac_model::Additivity;
    /// let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n  b = MIN(x)\n  c = a / b - 1\n";
    /// let columns = formulac_model::Compiler::default().compile_spec(spec);
    /// let (_, Additivity::Formula(formula)) = &columns.additivity()[3] else { panic!("it is computed") };
    /// assert_eq!(formula.sql_with_names(|name| format!("m_{name}")), "1.0 * m_a / nullif(m_b, 0) - 1");
    /// ```
    #[must_use]
    pub fn sql_with_names(&self, name: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(self.sql.len() * 2);
        let mut rest = self.sql.as_str();
        while let Some(first) = rest.chars().next() {
            let end = rest
                .find(|c| is_word_char(c) != is_word_char(first))
                .unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            let is_column =
                is_word_char(first) && !after.starts_with('(') && self.columns.iter().any(|column| column == part);
            out.push_str(&if is_column { name(part) } else { part.to_owned() });
            rest = after;
        }
        out
    }

    /// Returns the columns of the formula, without duplicates.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// Reason why a column cannot be aggregated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NonAdditiveReason {
    /// The column is an average, and the count of its values is unknown.
    Average,
    /// The column is a distinct count, and the counted values are unknown.
    Distinct,
    /// The column is another aggregate, such as a median, a standard deviation or a product.
    Aggregate(String),
    /// The value depends on other rows, as in a running total, a share, growth, a rank or the value of another period.
    OtherRows,
    /// A condition depends on values that change under aggregation.
    Condition,
    /// The column applies a function to aggregated values. For example, a sum of rounded values is not a rounded sum.
    Function,
    /// Part of the column's formula is not available as a column of the model.
    Part(String),
    /// The value combines additive values with row values.
    Mixed,
    /// A limit, or a filter after grouping, drops rows that a coarser grouping needs.
    RowsLeftOut,
    /// The column is computed from the last or first rows of each group, as `non_additive` of a metric specifies.
    NonAdditive,
    /// A join after grouping may repeat or drop rows.
    Joined,
    /// The column contains row values, for which the spec defines no total.
    SingleRows,
    /// The column contains the values for a single pivot value.
    WidePivot,
    /// The formula is too long.
    TooLong,
}

impl fmt::Display for NonAdditiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Average => f.write_str(
                "an average of averages is not the overall average: add the sum and the count as columns, and divide the sum by the count",
            ),
            Self::Distinct => f.write_str("a value that occurs in two rows would be counted twice"),
            Self::Aggregate(name) => write!(f, "the overall {name} cannot be computed from the {name} of each group"),
            Self::OtherRows => f.write_str("the column depends on other rows, so its values cannot be aggregated"),
            Self::Condition => f.write_str("the condition of the formula depends on values that change when rows are aggregated"),
            Self::Function => f.write_str("the formula applies a function to an aggregate, so the values of several \
                rows cannot be combined"),
            Self::Part(part) => write!(f, "`{part}` in the formula is not a column: make this part a separate definition"),
            Self::Mixed => f.write_str("the formula mixes totals with values of single rows"),
            Self::RowsLeftOut => {
                f.write_str("the model removes rows after grouping, so totals would not include them")
            }
            Self::NonAdditive => f.write_str(
                "the metric is computed from the last or first rows of each group (`non_additive`), so its values must not be added",
            ),
            Self::Joined => f.write_str("a join after grouping may repeat or remove rows"),
            Self::SingleRows => {
                f.write_str("the column has one value per row, and no formula specifies how to aggregate these values")
            }
            Self::WidePivot => f.write_str("the column contains the values for a single pivot value; without \
                `values`, each pivot value has its own rows"),
            Self::TooLong => f.write_str("the formula is too long: make parts of the formula separate definitions"),
        }
    }
}

/// Additivity of a step's columns, by lower-case column name.
#[derive(Clone, Debug, Default)]
pub(super) struct StepColumns {
    columns: FxHashMap<String, Additivity>,
    /// Whether the step's rows are groups or derived from groups.
    grouped: bool,
    /// Reason why none of the step's columns can be aggregated.
    non_additive_reason: Option<NonAdditiveReason>,
}

impl StepColumns {
    /// Returns the columns that are truncated to calendar periods.
    fn periods(&self) -> Vec<ColumnPeriod> {
        let period = |(column, additivity): (&String, &Additivity)| match additivity {
            Additivity::Dimension { unit: Some(unit) } => {
                let unit = CalendarUnit::ALL
                    .into_iter()
                    .find(|candidate| candidate.name() == *unit)?;
                Some((column.clone(), unit))
            }
            _ => None,
        };
        self.columns.iter().filter_map(period).collect()
    }
}

impl SpecCompilation<'_> {
    /// Returns the truncated columns of the previous step. Empty for a step that reads a source.
    pub(super) fn periods_of_previous_step(&self, input: &StepInput<'_>) -> Vec<ColumnPeriod> {
        let before = self.additivity.last().filter(|_| input.source.is_none());
        before.map_or_else(Vec::new, StepColumns::periods)
    }

    /// Records the additivity of a step's columns. `text` is the source text of the step's formulas.
    pub(super) fn record_additivity(
        &mut self,
        step: &Step<'_>,
        plan: &StepPlan<'_>,
        input: &StepInput<'_>,
        output: &Relation,
        text: &str,
    ) {
        let before = self.additivity.last().filter(|_| input.source.is_none());
        let work = AggregationClassifier {
            plan,
            input,
            previous_columns: before,
            text,
        };
        let values = work.classify_nodes();
        let mut columns = StepColumns {
            grouped: plan.grouped,
            ..StepColumns::default()
        };
        let filtered = |role: DefinitionRole| {
            let roots = plan.roots_with_role(role);
            let mut kinds = roots.filter_map(|root| values.get(root.index()));
            kinds.any(|value| matches!(value, AggregationClass::Total(_) | AggregationClass::NonAdditive(_)))
        };
        if !plan.grouped {
            columns.grouped = before.is_some_and(|before| before.grouped);
            columns.non_additive_reason = before.and_then(|before| before.non_additive_reason.clone());
        }
        let multiplies = |join: &super::joins::JoinedRelation<'_>| join.many || join.kind != JoinKind::Left;
        if step.limit.is_some()
            || filtered(DefinitionRole::Having)
            || (!plan.grouped && filtered(DefinitionRole::Where))
        {
            columns.non_additive_reason = Some(NonAdditiveReason::RowsLeftOut);
        } else if plan.grouped && self.generated_from.last_row_steps.contains(input.name) {
            columns.non_additive_reason = Some(NonAdditiveReason::NonAdditive);
        } else if !plan.grouped && columns.grouped && step.joins.iter().any(multiplies) {
            columns.non_additive_reason = Some(NonAdditiveReason::Joined);
        }
        for (index, definition) in plan.program.definitions.iter().enumerate() {
            let Some(value) = values.get(definition.root.index()).filter(|_| !definition.failed) else {
                continue;
            };
            let Some(name) = output_column(plan, index, text) else {
                continue;
            };
            let is_key =
                plan.roles.try_get(index) == Some(&DefinitionRole::GroupBy) || plan.keys.try_get(index) == Some(&true);
            let additivity = match value {
                _ if is_key => Additivity::Dimension {
                    unit: truncation_unit(plan.program, definition.root),
                },
                value => match plan.program.node(plan.program.resolve_references(definition.root)) {
                    // An alias has the additivity of its column.
                    Ir::Column(column) if !plan.grouped => work.additivity_of_unchanged_column(column, value),
                    _ => additivity_of_value(value, plan.program.meta(definition.root).ty),
                },
            };
            columns.columns.entry(name.to_lowercase()).or_insert(additivity);
        }
        // Kept columns keep their additivity.
        for column in output.columns() {
            let name = column.name();
            let has = |relation: &&Relation| relation.column(name).is_some();
            columns.columns.entry(name.to_lowercase()).or_insert_with(|| {
                let joined = input.joined.and_then(|joined| joined.relations.iter().find(has));
                work.additivity_of_projected_column(joined.map(Relation::name), name, column.ty())
            });
        }
        self.additivity.push(columns);
    }

    /// Returns the additivity of the model's final columns.
    pub(super) fn additivity_of(&self, output: &Relation, grain: &[String]) -> Vec<(String, Additivity)> {
        let Some(last) = self.additivity.last() else {
            return Vec::new();
        };
        let is_output_column = |name: &str| output.column(name).is_some();
        let keys: FxHashSet<String> = grain.iter().map(|key| key.to_lowercase()).collect();
        let column_additivity = |name: &str| {
            let additivity = last
                .columns
                .get(&name.to_lowercase())
                .cloned()
                .unwrap_or(Additivity::NonAdditive(NonAdditiveReason::WidePivot));
            match (&additivity, &last.non_additive_reason) {
                // A numeric key column is a dimension, because its values are identifiers.
                (Additivity::NonAdditive(NonAdditiveReason::SingleRows), _) if keys.contains(&name.to_lowercase()) => {
                    Additivity::Dimension { unit: None }
                }
                (Additivity::Dimension { .. } | Additivity::NonAdditive(_), _) => additivity,
                (_, Some(lost)) => Additivity::NonAdditive(lost.clone()),
                (Additivity::Ratio { numerator, denominator }, None) => {
                    let missing = [numerator, denominator]
                        .into_iter()
                        .find(|name| !is_output_column(name))
                        .cloned();
                    missing.map_or(additivity, |name| {
                        Additivity::NonAdditive(NonAdditiveReason::Part(name))
                    })
                }
                (Additivity::Formula(formula), None) => {
                    let missing = formula.columns.iter().find(|name| !is_output_column(name)).cloned();
                    missing.map_or(additivity, |name| {
                        Additivity::NonAdditive(NonAdditiveReason::Part(name))
                    })
                }
                _ => additivity,
            }
        };
        output
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), column_additivity(column.name())))
            .collect()
    }

    /// Updates the additivity after a wide pivot. Only the row keys keep their additivity.
    pub(super) fn retain_row_key_additivity(&mut self) {
        if let Some(last) = self.additivity.last_mut() {
            last.columns
                .retain(|_, additivity| matches!(additivity, Additivity::Dimension { .. }));
        }
    }
}
