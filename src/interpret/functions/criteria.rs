//! Criteria of functions such as `SUMIF(x, ">5", …)`. Text comparison is case-insensitive.

use std::cmp::Ordering;

use crate::arithmetic::parse_moment;
use crate::functions::math::to_number;
use crate::functions::patterns::matches_wildcards;
use crate::uncertainty;
use crate::value::Value;

/// Returns whether a value meets a criterion. `is_condition` is `true` if the values of the range are not boolean. In
/// this case, a boolean criterion is not compared with the value, but returned as the result.
pub fn is_criterion_met(value: &Value, criterion: &Value, is_condition: bool) -> bool {
    match criterion {
        Value::Null => false,
        Value::Bool(holds) if is_condition => *holds,
        Value::Text(text) => is_text_criterion_met(value, text),
        other => value.compare(other) == Some(Ordering::Equal),
    }
}

fn is_text_criterion_met(value: &Value, criterion: &str) -> bool {
    let (sign, operand) = split_operator(criterion.trim_start_matches(' '));
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
        return matches_wildcards(text, operand) == (sign == "=");
    }
    let order = match value {
        Value::Text(text) => text.to_lowercase().cmp(&operand.to_lowercase()),
        Value::Bool(b) => b.cmp(&operand.eq_ignore_ascii_case("true")),
        Value::Date(_) | Value::Time(_) => {
            let Some((seconds, operand_seconds)) = value
                .seconds()
                .zip(parse_moment(operand).and_then(|moment| moment.seconds()))
            else {
                return report_invalid_criterion(criterion, value);
            };
            seconds.cmp(&operand_seconds)
        }
        _ => {
            let percent = operand.strip_suffix('%');
            let Ok(number) = percent.unwrap_or(operand).parse::<f64>() else {
                return report_invalid_criterion(criterion, value);
            };
            let operand_number = if percent.is_some() { number / 100.0 } else { number };
            uncertainty::mark_close_comparison(to_number(value), operand_number);
            to_number(value).total_cmp(&operand_number)
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

fn split_operator(criterion: &str) -> (&str, &str) {
    for sign in ["<=", ">=", "<>", "<", ">", "="] {
        if let Some(operand) = criterion.strip_prefix(sign) {
            return (sign, operand.trim());
        }
    }
    ("=", criterion)
}

fn report_invalid_criterion(criterion: &str, value: &Value) -> bool {
    uncertainty::report_unsupported(|| format!("the criterion `{criterion}` for {}", value.text()));
    false
}
