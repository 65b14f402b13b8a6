//! Compares the results of random specs and of random models built on metric sets with the interpreter's rows.

use formulac::Dialect;
use serde_json::Value as Json;

use crate::drawn::{rows_fault, values_near};
use crate::engine::{Table, is_emulator};
use crate::json::ToJson;
use crate::value::Value;

/// Returns `false` if a formula in the text may compute the length of a string that contains a sum. The emulator writes
/// such sums with `.0`, so their length differs.
pub fn has_no_length_of_sum(text: &str) -> bool {
    !(text.contains("LEN(") && text.contains(" & "))
}

/// Returns the difference between a result and the expected columns and rows.
pub fn answer_fault(
    dialect: Dialect,
    (columns, rows): (&[String], &[Vec<Value>]),
    ordered: bool,
    table: &Table,
) -> Option<String> {
    let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
    let names = lower(&table.columns);
    if names != lower(columns) {
        return Some(format!("columns {names:?}, expected {columns:?}"));
    }
    let wanted: Vec<Vec<Json>> = rows.iter().map(|row| row.iter().map(Value::json).collect()).collect();
    let alike = |a: &Json, b: &Json| match (a, b) {
        // The emulator computes sums of integers as floats, and also writes these sums as floats when they are
        // converted to strings (`tests/oracle/README.md`).
        (Json::String(a), Json::String(b)) if is_emulator(dialect) => a == &b.replace(".0", ""),
        _ => values_near(dialect, a, b, 1e-6),
    };
    rows_fault(&wanted, &table.rows, ordered, alike)
}
