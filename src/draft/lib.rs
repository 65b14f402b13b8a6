//! Drafts of unit tests for a spec: a few input rows that cover the cases of its formulas, and the expected output
//! rows. The output comes from the interpreter, which is independent of the generated SQL.
//!
//! The search generates rows from the literals in the formulas and keeps rows that detect *mutants*: formulas with one
//! small change, such as `<` instead of `<=`. A good draft has rows that distinguish the spec from all its mutants.
//! Values that differ between engines, such as the last digits of a float, are omitted from the expected rows.
//!
//! ```
//! let spec = "model: m\nfrom: orders\ngroup_by: region\ndefinitions: |\n  big = SUMIF(amount > 100, amount)\n";
//! let draft = formulac_draft::draft_examples(&formulac_model::Compiler::default(), spec).unwrap();
//! assert!(draft.text().starts_with("examples:\n"));
//! ```
//!
//! A draft is deterministic: the same spec and schema always produce the same text. The user reviews the draft and adds
//! it to the spec, where `examples:` become dbt unit tests.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod columns;
mod constants;
mod coverage;
mod deterministic_rows;
mod mutants;
mod mutation_score;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod to_yaml;

use formulac_catalog::Type;
use formulac_core::schema;
use formulac_interpret as interpret;
use formulac_model as model;

use formulac_model::Compiler;

use crate::interpret::calendar::day_number;
use crate::interpret::value::Value;
use crate::model::interpreter_input::{CurrentDate, convert_spec_for_interpreter, current_date};

/// Drafted examples for a spec. The user reviews the examples and adds them to the spec.
///
/// ```
/// let spec = "
/// model: open_revenue
/// from: orders
/// group_by: region
/// definitions: |
///   revenue = SUMIF(status = \"open\", amount)
/// ";
/// let draft = formulac_draft::draft_examples(&formulac_model::Compiler::default(), spec).unwrap();
/// assert!(draft.text().starts_with("examples:\n  - name: drafted\n"));
/// assert!(draft.text().contains("status: open"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    text: String,
    appends: bool,
    examples: Vec<DraftedRows>,
}

/// Rows of a drafted example.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct DraftedRows {
    pub given: Vec<GivenRows>,
    /// Columns with expected values.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<DraftedValue>>,
}

/// Rows of a relation that a spec reads.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct GivenRows {
    /// Name of the relation in dbt, such as `ref('orders')`.
    pub input: String,
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Vec<DraftedValue>>,
}

/// Value in a drafted row. Dates and times are ISO text.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum DraftedValue {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
}

impl From<&Value> for DraftedValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::Int(value) => Self::Number(*value as f64),
            Value::Number(value) => Self::Number(*value),
            Value::Decimal(value) => Self::Number(value.to_f64()),
            Value::Text(_) | Value::Date(_) | Value::Time(_) => Self::Text(value.text()),
        }
    }
}

impl Draft {
    /// Returns YAML lines for the end of the spec: `examples:` with an entry per unit test. If the spec already has
    /// examples, returns only the entries, to be inserted after the existing entries.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns `true` if the spec has no `examples:` yet, so that the text can be appended to the spec unchanged.
    #[must_use]
    pub fn includes_key(&self) -> bool {
        self.appends
    }

    /// Returns the number of examples.
    #[must_use]
    pub fn count(&self) -> usize {
        self.examples.len()
    }

    /// Returns the rows of the examples.
    #[doc(hidden)]
    pub fn examples(&self) -> &[DraftedRows] {
        &self.examples
    }
}

/// Drafts examples for a spec. The same spec and schema always produce the same result.
///
/// # Errors
///
/// Returns the reason why there are no examples: the spec has errors, or the interpreter does not support part of the
/// spec.
pub fn draft_examples(compiler: &Compiler, source: &str) -> Result<Draft, String> {
    let compiled = compiler.compile_spec(source);
    if compiled.has_errors() {
        return Err("the spec has errors".to_owned());
    }
    // For a model built on a metric set, the interpreter reads the expanded spec, which contains the definitions of the
    // metric set.
    let expanded = compiled.expanded().map(str::to_owned);
    let (source, compiled) = match &expanded {
        Some(expanded) => (expanded.as_str(), compiler.compile_spec(expanded)),
        None => (source, compiled),
    };
    let day = current_date(source);
    // The results must be the same on every day if examples cannot set the current day.
    let (today, others): (i64, &[i64]) = match day {
        CurrentDate::Fixed(day) => (day, &[]),
        CurrentDate::Settable => (day_number(2024, 3, 31), &[]),
        CurrentDate::Current => (
            day_number(2024, 3, 31),
            &[day_number(2019, 6, 15), day_number(2061, 12, 31)],
        ),
    };
    let convert_spec = |today: i64| convert_spec_for_interpreter(compiler, source, today);
    let unknown = |construct: String| format!("the interpreter does not support {construct}");
    let main = convert_spec(today).map_err(unknown)?;
    let mut others = others
        .iter()
        .map(|day| Ok(convert_spec(*day)?.spec))
        .collect::<Result<Vec<_>, String>>()
        .map_err(unknown)?;
    if others
        .first()
        .is_some_and(|other| format!("{other:?}") == format!("{:?}", main.spec))
    {
        others.clear();
    }
    coverage::check_size(&main.spec).map_err(unknown)?;
    let slots = columns::test_values_by_relation(&main, &others, &compiled).map_err(unknown)?;
    let scorer = mutation_score::MutationScorer::new(&main, &others, &slots, &compiled);
    let examples = search::find_examples(&scorer);
    let settled: Vec<deterministic_rows::DraftedExample> = examples
        .iter()
        .filter_map(|data| deterministic_rows::draft_example(&scorer, data))
        .collect();
    let defined = |column: &String| {
        compiled
            .definitions()
            .iter()
            .any(|output_column| output_column.name().eq_ignore_ascii_case(column))
    };
    let says_something = |example: &deterministic_rows::DraftedExample| example.columns.iter().any(defined);
    if settled.is_empty() || !(compiled.definitions().is_empty() || settled.iter().any(says_something)) {
        let why = scorer
            .unknown
            .first()
            .map_or_else(String::new, |(_, why)| format!(": {why}"));
        return Err(format!("no column has a known value{why}"));
    }
    let example_date = (day == CurrentDate::Settable).then_some(today);
    Ok(to_yaml::write_draft(&scorer, &main, &settled, example_date))
}
