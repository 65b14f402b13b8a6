//! Compares the warehouse's results with the expected rows.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::Value;

use super::cases::{ExpectedRows, ProofCase};
use crate::cli::engine::{StatementResult, first_paragraph};

/// Maximum relative or absolute difference between two numbers that count as equal.
const TOLERANCE: f64 = 1e-9;

/// Parts of messages about missing permissions of the role or the session. These messages do not mean that the SQL is
/// wrong.
const PERMISSION_ERROR_PHRASES: [&str; 14] = [
    "permission denied",
    "insufficient privilege",
    "access denied",
    "not authorized",
    "not authorised",
    "must be owner",
    "does not have permission",
    "read-only",
    "read only",
    "quota",
    "statement timeout",
    "rate limit",
    "resources exceeded",
    "out of memory",
];

/// Result of a proof.
#[derive(Clone, Debug, PartialEq)]
pub enum ProofVerdict {
    Proven,
    /// The warehouse returned different rows.
    Differs(Value),
    /// The warehouse does not accept the statement.
    Refused(String),
    /// The role is not permitted to run the statement, or the statement was not run at all.
    NotProven(String),
}

/// Evaluates the result of a proof's query. The result is `None` if the query was not sent.
pub fn compare_result(proof: &ProofCase, answer: Option<&StatementResult>) -> ProofVerdict {
    let expected = &proof.expected;
    match (answer, &expected.unknown) {
        (None | Some(Err(_)), _) => failure_verdict(answer),
        (Some(Ok(_)), Some(why)) => ProofVerdict::NotProven(format!(
            "the warehouse runs the SQL, but formulac did not compare the values: {why}"
        )),
        (Some(Ok(rows)), None) if has_expected_rows(expected, rows) => ProofVerdict::Proven,
        (Some(Ok(rows)), None) => ProofVerdict::Differs(rows.iter().map(|row| Value::from(row.clone())).collect()),
    }
}

/// Evaluates a statement that the warehouse only planned.
pub fn planned_statement_verdict(answer: Option<&StatementResult>) -> ProofVerdict {
    match answer {
        Some(Ok(_)) => ProofVerdict::NotProven("the warehouse planned the statement, but did not run it".to_owned()),
        _ => failure_verdict(answer),
    }
}

/// Returns the verdict on a statement that failed or was not sent.
fn failure_verdict(answer: Option<&StatementResult>) -> ProofVerdict {
    let Some(Err(message)) = answer else {
        return ProofVerdict::NotProven(
            "formulac did not send the statement, because too many statements before it failed".to_owned(),
        );
    };
    let reason = first_paragraph(message);
    if is_permission_error(message) {
        ProofVerdict::NotProven(reason)
    } else {
        ProofVerdict::Refused(reason)
    }
}

/// Returns whether a message reports that the role or the session is not permitted to run the statement.
pub fn is_permission_error(message: &str) -> bool {
    let message = message.to_lowercase();
    PERMISSION_ERROR_PHRASES.iter().any(|part| message.contains(part))
}

fn has_expected_rows(expected: &ExpectedRows, rows: &[Vec<Option<String>>]) -> bool {
    if expected.rows.len() != rows.len() {
        return false;
    }
    let is_same_row = |expected_row: &Vec<Value>, row: &Vec<Option<String>>| {
        let cells: Vec<Option<&str>> = match &expected.columns {
            None => row.iter().map(Option::as_deref).collect(),
            Some(columns) => columns
                .iter()
                .filter_map(|index| row.get(*index).map(Option::as_deref))
                .collect(),
        };
        expected_row.len() == cells.len()
            && expected_row
                .iter()
                .zip(cells)
                .all(|(expected_value, actual_value)| is_same(expected_value, actual_value))
    };
    if !expected.unordered {
        return expected
            .rows
            .iter()
            .zip(rows)
            .all(|(expected_row, actual_row)| is_same_row(expected_row, actual_row));
    }
    let mut unmatched: Vec<&Vec<Option<String>>> = rows.iter().collect();
    expected.rows.iter().all(|expected_row| {
        let index = unmatched
            .iter()
            .position(|actual_row| is_same_row(expected_row, actual_row));
        index.map(|position| unmatched.swap_remove(position)).is_some()
    })
}

/// Compares a value with the text that dbt prints for it.
fn is_same(expected: &Value, got: Option<&str>) -> bool {
    let Some(actual_text) = got else {
        return expected.is_null();
    };
    match expected {
        Value::Null => false,
        Value::Bool(expected) => actual_text.eq_ignore_ascii_case(if *expected { "true" } else { "false" }),
        Value::Number(number) => match (number.as_f64(), actual_text.parse::<f64>()) {
            (Some(expected), Ok(actual)) => {
                let scale = expected.abs().max(actual.abs()).max(1.0);
                (expected - actual).abs() <= TOLERANCE * scale
            }
            _ => false,
        },
        Value::String(expected) => expected == actual_text || is_same_timestamp(expected, actual_text),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Compares two dates or times. Adapters print `T` or a space between date and time, and may omit midnight, fractions
/// and offsets.
fn is_same_timestamp(expected: &str, actual_text: &str) -> bool {
    match (parse_timestamp(expected), parse_timestamp(actual_text)) {
        (Some(timestamp), Some(actual)) => timestamp == actual,
        (None, None) => {
            parse_date_time(expected).is_some_and(|date_time| parse_date_time(actual_text) == Some(date_time))
        }
        _ => false,
    }
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.replacen(' ', "T", 1).parse().ok()
}

fn parse_date_time(text: &str) -> Option<DateTime> {
    let starts_with_date = text.len() >= 10 && text.as_bytes().iter().take(4).all(u8::is_ascii_digit);
    starts_with_date.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{is_permission_error, is_same};
    use serde_json::json;

    #[test]
    fn values_are_compared_by_their_meaning() {
        for (expected, actual) in [
            (json!(1), Some("1.0000000001")),
            (json!(true), Some("True")),
            (json!("2024-02-29"), Some("2024-02-29 00:00:00")),
            (json!("2024-02-29 13:45:30.500000"), Some("2024-02-29T13:45:30.5")),
            (json!("2024-02-29 22:30:00+00:00"), Some("2024-02-29 23:30:00+01:00")),
            (json!(null), None),
            (json!(""), Some("")),
        ] {
            assert!(is_same(&expected, actual), "{expected} and {actual:?}");
        }
        for (expected, actual) in [
            (json!(1), Some("1.001")),
            (json!(1), None),
            (json!(null), Some("")),
            (json!("a"), Some("A")),
            (json!("2024"), Some("2024.0")),
            (json!("2024-02-29"), Some("2024-03-01")),
            (json!("1"), Some("01")),
        ] {
            assert!(!is_same(&expected, actual), "{expected} and {actual:?}");
        }
    }

    #[test]
    fn missing_permissions_are_recognized_by_their_messages() {
        assert!(is_permission_error("ERROR: permission denied for schema dev"));
        assert!(is_permission_error(
            "SQL access control error: Insufficient privileges to operate on schema 'DEV'"
        ));
        assert!(!is_permission_error("function nosuch(integer) does not exist"));
    }
}
