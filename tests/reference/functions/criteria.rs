//! What `SUMIF(x, ">5", …)` looks for. Texts are compared without their case.

use std::cmp::Ordering;

use crate::functions::math::number;
use crate::value::Value;

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
        return fits(&folded(text), &pattern(operand)) == (sign == "=");
    }
    let order = match value {
        Value::Text(text) => text.to_lowercase().cmp(&operand.to_lowercase()),
        Value::Bool(b) => b.cmp(&operand.eq_ignore_ascii_case("true")),
        Value::Date(_) | Value::Time(_) => {
            let seconds = value.seconds().expect("it is a date");
            seconds.cmp(&date(operand).seconds().expect("it is a date"))
        }
        _ => {
            let wanted: f64 = operand.parse().unwrap_or_else(|_| panic!("{criterion} is no criterion of {value:?}"));
            crate::doubt::compared(number(value), wanted);
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

fn date(text: &str) -> Value {
    let parts: Vec<i64> = text.split('-').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [year, month, day] => Value::Date(crate::calendar::days(year, month, day)),
        _ => panic!("{text} is no date"),
    }
}

fn folded(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Wild {
    Run,
    One,
    Char(char),
}

fn pattern(text: &str) -> Vec<Wild> {
    let mut chars = text.chars().peekable();
    let mut pattern = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '*' => pattern.push(Wild::Run),
            '?' => pattern.push(Wild::One),
            _ => {
                let escaped = chars.next_if(|next| c == '~' && matches!(next, '*' | '?' | '~'));
                pattern.extend(escaped.unwrap_or(c).to_lowercase().map(Wild::Char));
            }
        }
    }
    pattern
}

fn fits(text: &[char], pattern: &[Wild]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([Wild::Run, rest @ ..], _) => (0..=text.len()).any(|skip| fits(&text[skip..], rest)),
        ([Wild::One, rest @ ..], [_, others @ ..]) => fits(others, rest),
        ([Wild::Char(c), rest @ ..], [other, others @ ..]) if c == other => fits(others, rest),
        _ => false,
    }
}
