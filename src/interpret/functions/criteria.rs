//! What `SUMIF(x, ">5", …)` looks for. Texts are compared without their case.

use std::cmp::Ordering;

use crate::interpret::calendar::days;
use crate::interpret::doubt;
use crate::interpret::functions::math::number;
use crate::interpret::functions::patterns::is_like;
use crate::interpret::value::{DAY, Value};

/// Whether a value meets a criterion; a condition beside a column that has other values than conditions is the criterion
/// itself.
pub fn meets(value: &Value, criterion: &Value, is_condition: bool) -> bool {
    match criterion {
        Value::Null => false,
        Value::Bool(holds) if is_condition => *holds,
        Value::Text(text) => meets_text(value, text),
        other => value.compare(other) == Some(Ordering::Equal),
    }
}

fn meets_text(value: &Value, criterion: &str) -> bool {
    let (sign, operand) = split(criterion.trim_start_matches(' '));
    let blank = value.is_null() || *value == Value::Text(String::new());
    match (sign, operand) {
        ("=", "") => return blank,
        ("<>", "") => return !blank,
        _ => {}
    }
    if value.is_null() {
        return sign == "<>";
    }
    if let (Value::Text(text), "=" | "<>") = (value, sign) {
        return is_like(text, operand) == (sign == "=");
    }
    let order = match value {
        Value::Text(text) => text.to_lowercase().cmp(&operand.to_lowercase()),
        Value::Bool(b) => b.cmp(&operand.eq_ignore_ascii_case("true")),
        Value::Date(_) | Value::Time(_) => {
            let Some((seconds, wanted)) = value.seconds().zip(date(operand)) else {
                return unreadable(criterion, value);
            };
            seconds.cmp(&wanted)
        }
        _ => {
            let Ok(wanted) = operand.parse::<f64>() else { return unreadable(criterion, value) };
            doubt::compared(number(value), wanted);
            number(value).total_cmp(&wanted)
        }
    };
    match sign {
        "=" => order == Ordering::Equal,
        "<>" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
}

fn split(criterion: &str) -> (&str, &str) {
    for sign in ["<=", ">=", "<>", "<", ">", "="] {
        if let Some(operand) = criterion.strip_prefix(sign) {
            return (sign, operand.trim());
        }
    }
    ("=", criterion)
}

fn unreadable(criterion: &str, value: &Value) -> bool {
    doubt::unknown(|| format!("the criterion `{criterion}` for {}", value.text()));
    false
}

/// The seconds of a date.
fn date(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text.split('-').filter_map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [year @ 1..=9999, month @ 1..=12, day @ 1..=31] => Some(days(*year, *month, *day) * DAY),
        _ => None,
    }
}
