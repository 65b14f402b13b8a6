//! Compares the result from an engine with the expected rows.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::project::{self, Expected};

/// Specifies how the column names of a result are compared.
#[derive(Clone, Copy)]
pub enum Names {
    Exact,
    AnyCase,
}

/// Returns the error in the result of this model's query. `None` if the result is as expected.
pub fn difference(expected: &Expected, answers: &BTreeMap<String, Value>, names: Names) -> Option<String> {
    let model = &expected.model;
    let Some(answer) = answers.get(model) else {
        return Some(format!("{model}: no answer"));
    };
    if let Some(error) = answer.get("error") {
        return Some(format!("{model}: {error}"));
    }
    let list = |key: &str| answer[key].as_array().unwrap_or_else(|| panic!("no {key}: {answer}"));
    let name = |name: &Value| match names {
        Names::Exact => project::text(name),
        Names::AnyCase => project::text(name).to_lowercase(),
    };
    let columns: Vec<_> = list("columns").iter().map(name).collect();
    if columns != expected.columns {
        return Some(format!("{model}: columns {columns:?}, expected {:?}", expected.columns));
    }
    let rows = list("rows");
    let mut wrong: Vec<_> = expected
        .rows
        .iter()
        .enumerate()
        .filter(|(position, row)| {
            let found = rows.get(*position).and_then(Value::as_array);
            let same = |found: &Vec<Value>| {
                let mut pairs = row.iter().zip(found);
                row.len() == found.len() && pairs.all(|(expected, found)| agrees(expected, found))
            };
            !found.is_some_and(same)
        })
        .map(|(position, row)| {
            let found = rows.get(position).unwrap_or(&Value::Null);
            format!("  row {}: {found}, expected {}", position + 1, json!(row))
        })
        .collect();
    let surplus = rows.iter().enumerate().skip(expected.rows.len());
    wrong.extend(surplus.map(|(position, row)| format!("  row {}: {row}, not expected", position + 1)));
    (!wrong.is_empty()).then(|| format!("{model}:\n{}", wrong.join("\n")))
}

/// Numbers may differ by the precision of a float. All other values must be equal, so that NULL is not 0, a number is
/// not a string and a date is not a timestamp. `today` represents the day of the run.
fn agrees(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(expected), Value::Number(number)) => {
            let (Some(expected), Some(found)) = (expected.as_f64(), number.as_f64()) else {
                return false;
            };
            (expected - found).abs() <= 1e-12 * expected.abs()
        }
        (Value::String(expected), Value::String(found)) if expected == "today" => is_today(found),
        _ => expected == found,
    }
}

/// Returns `true` if this is the current date anywhere on earth. An engine may use any time zone, and midnight may have
/// passed since the query ran.
fn is_today(date: &str) -> bool {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a clock after 1970");
    let today = i64::try_from(now.as_secs() / 86_400).expect("a clock before the end of time");
    days_since_1970(date).is_some_and(|days| (days - today).abs() <= 1)
}

/// Returns `None` if the text is not a plain ISO date.
fn days_since_1970(date: &str) -> Option<i64> {
    let parts: Result<Vec<i64>, _> = date.split('-').map(str::parse).collect();
    let [year, month, day] = parts.ok()?[..] else {
        return None;
    };
    // If years begin in March, the leap day is the last day of the year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    Some(365 * year + leap_days + (153 * month + 2) / 5 + day - 719_469)
}

#[test]
fn days_are_counted() {
    assert_eq!(days_since_1970("1970-01-01"), Some(0));
    assert_eq!(days_since_1970("2000-03-01"), Some(11_017));
    assert_eq!(days_since_1970("2024-02-29"), Some(19_782));
    assert_eq!(days_since_1970("2024-12-31"), Some(20_088));
    assert_eq!(days_since_1970("2024-02-29 00:00:00"), None);
    assert!(!is_today("2020-02-29"));
}
