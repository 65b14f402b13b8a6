//! Expected rows of an example, restricted to columns with deterministic values.

use super::coverage::prune_spec;
use super::mutation_score::MutationScorer;
use super::rows::RelationRows;
use crate::interpret::trace::CoverageEvents;
use crate::interpret::uncertainty::NoiseDirection;
use crate::interpret::value::Value;

/// Reason for omitting a column whose value depends on the current day.
pub const RUN_DATE_REASON: &str = "the value depends on the day of the run";

pub struct DraftedExample {
    pub data: RelationRows,
    /// Columns with expected values.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// Omitted columns, each with the reason.
    pub omissions: Vec<(String, &'static str)>,
    pub events: CoverageEvents,
}

/// Computes the expected rows of an example. Returns `None` if no column has deterministic values.
pub fn draft_example(scorer: &MutationScorer<'_>, data: &RelationRows) -> Option<DraftedExample> {
    let seen = scorer.score_rows(data)?.events;
    let (mut columns, mut values, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for column in &scorer.columns {
        match deterministic_values(scorer, data, column) {
            Ok(settled) => {
                columns.push(column.clone());
                values.push(settled);
            }
            Err(why) => left_out.push((column.clone(), why)),
        }
    }
    let count = values.first().map(Vec::len)?;
    let row = |row_index: usize| {
        values
            .iter()
            .map(|column_values| column_values.get(row_index).cloned().unwrap_or(Value::Null))
            .collect()
    };
    Some(DraftedExample {
        data: data.clone(),
        columns,
        rows: (0..count).map(row).collect(),
        omissions: left_out,
        events: seen,
    })
}

/// Returns the values of a column if they do not depend on the current day or on how floats are rounded. Otherwise,
/// returns the reason to omit the column.
fn deterministic_values(
    scorer: &MutationScorer<'_>,
    data: &RelationRows,
    column: &str,
) -> Result<Vec<Value>, &'static str> {
    let columns = [column.to_owned()];
    let mut first_values: Option<Vec<Value>> = None;
    for (day, spec) in scorer.specs_by_day.iter().enumerate() {
        let spec = prune_spec(spec, &columns);
        for noise in [None, Some(NoiseDirection::One), Some(NoiseDirection::Opposite)] {
            let run = scorer.run(&spec, data, noise);
            if run.unsupported_part.is_some() || run.is_too_large {
                return Err("the value is unknown");
            }
            if run.has_unknown_digits {
                return Err("the number of digits shown differs between warehouses");
            }
            let rows = run
                .value
                .rows
                .iter()
                .map(|row| row.get(column).cloned().unwrap_or(Value::Null));
            let values: Vec<Value> = rows.collect();
            if run.is_uncertain || (noise.is_some() && first_values.as_ref() != Some(&values)) {
                return Err("the last digits, or the order of rows, are uncertain");
            }
            if day > 0 && first_values.as_ref() != Some(&values) {
                return Err(RUN_DATE_REASON);
            }
            first_values = Some(values);
        }
    }
    let known_values = first_values.ok_or("the value is unknown")?;
    let has = |is: fn(&Value) -> bool| known_values.iter().any(is);
    match has(|v| matches!(v, Value::Decimal(_))) && has(|v| matches!(v, Value::Number(_))) {
        true => Err("the number of digits shown differs between warehouses"),
        false => Ok(known_values),
    }
}
