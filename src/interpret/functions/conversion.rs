//! Type conversion functions and type tests.

use std::borrow::Cow;

use crate::calendar::{civil_date, day_number};
use crate::functions::CallArgs;
use crate::functions::text::{evaluate_strict, text};
use crate::uncertainty;
use crate::value::Value;

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let function = match name {
        "ISTEXT" => return Some(Value::Bool(matches!(args[0], Value::Text(_)))),
        "ISNONTEXT" => return Some(Value::Bool(!matches!(args[0], Value::Text(_)))),
        "ISLOGICAL" => return Some(Value::Bool(matches!(args[0], Value::Bool(_)))),
        "ISNUMBER" => return Some(Value::Bool(args[0].number().is_some())),
        // The result of `T(NULL)` depends on the column's type, which the value NULL does not contain. The interpreter
        // assumes a text column.
        "T" => |args: CallArgs<'_>| {
            Some(if args[0].is_text() {
                args[0].clone()
            } else {
                Value::Text(String::new())
            })
        },
        "N" => |args: CallArgs<'_>| {
            Some(match &args[0] {
                Value::Bool(truth) => Value::Int(i64::from(*truth)),
                Value::Text(_) => Value::Int(0),
                number => number.clone(),
            })
        },
        "VALUE" => |args: CallArgs<'_>| match &args[0] {
            Value::Text(text) => parse_number(text),
            number => Some(number.clone()),
        },
        "NUMBERVALUE" => number_value,
        "DATEVALUE" => |args: CallArgs<'_>| parse_date(&text(&args[0])),
        _ => return None,
    };
    Some(evaluate_strict(args, function))
}

impl Value {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

/// Returns whether a character is whitespace that is allowed around a number, a date or a time.
pub fn is_blank_char(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

fn is_all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Parses a number: an optional sign, digits, a decimal point, digits and an exponent, optionally surrounded by
/// whitespace. The number can have up to 100 digits before the decimal point, up to 100 digits after it, and an
/// exponent of up to 199.
fn parse_plain_number(text: &str) -> Option<Value> {
    let number_text = text.trim_matches(is_blank_char);
    let unsigned = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let (mantissa, exponent) = match number_text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (number_text, None),
    };
    let mantissa = unsigned(mantissa);
    let (integer_digits, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    let is_mantissa = [integer_digits, fraction]
        .iter()
        .all(|part| is_all_digits(part) && part.len() <= 100);
    let is_exponent = exponent.is_none_or(|digits| {
        let within = digits.len() <= 2 || (digits.len() == 3 && digits.starts_with('1'));
        !digits.is_empty() && is_all_digits(&digits) && within
    });
    let has_digits = integer_digits.len() + fraction.len() > 0;
    (is_mantissa && is_exponent && has_digits)
        .then(|| number_text.parse().ok().map(Value::Number))
        .flatten()
}

/// Parses a number like [`parse_plain_number`], but also accepts `$` after the sign, commas as thousands separators,
/// and `%` instead of an exponent.
fn parse_number(text: &str) -> Option<Value> {
    let number_text = text.trim_matches(is_blank_char);
    let (sign, unsigned) = match number_text.strip_prefix(['-', '+']) {
        Some(unsigned) => (if number_text.starts_with('-') { "-" } else { "+" }, unsigned),
        None => ("", number_text),
    };
    let amount = unsigned.strip_prefix('$').unwrap_or(unsigned);
    let (digits, is_percent) = match amount.strip_suffix('%') {
        Some(digits) => (digits.trim_end_matches(' '), true),
        None => (amount, false),
    };
    if digits.starts_with(|c: char| c != '.' && !c.is_ascii_digit()) || (is_percent && digits.contains(['e', 'E'])) {
        return None;
    }
    let integer_digits = digits.split(['.', 'e', 'E']).next()?;
    let mut groups = integer_digits.split(',');
    let first = groups.next()?;
    let are_thousands = |mut groups: std::str::Split<'_, char>| groups.all(|group| group.len() == 3);
    if integer_digits.contains(',') && !((1..=3).contains(&first.len()) && are_thousands(groups)) {
        return None;
    }
    // Commas after the decimal point are not thousands separators.
    let joined = integer_digits.replace(',', "") + digits.strip_prefix(integer_digits).unwrap_or_default();
    let value = parse_plain_number(&format!("{sign}{joined}"))?.number()?;
    Some(Value::Number(if is_percent { value / 100.0 } else { value }))
}

/// Evaluates NUMBERVALUE: removes the group separators and spaces, and replaces the decimal separator with a point.
fn number_value(args: CallArgs<'_>) -> Option<Value> {
    let ([decimal, group], number_text) = (separators(args), text(&args[0]));
    let (decimal, group): (&str, &str) = (&decimal, &group);
    if decimal.is_empty() {
        return None;
    }
    // Group separators must precede the decimal separator.
    let is_behind = |group: &str| {
        number_text
            .split_once(decimal)
            .is_some_and(|(_, behind)| behind.contains(group))
    };
    if !group.is_empty() && is_behind(group) {
        return None;
    }
    let joined = if group.is_empty() {
        number_text.into_owned()
    } else {
        number_text.replace(group, "")
    };
    // A point that is not the decimal separator is invalid.
    if decimal != "." && joined.contains('.') {
        return None;
    }
    let joined = joined.replace(decimal, ".").replace(' ', "");
    let (mut digits, mut percents) = (joined.trim_end_matches(is_blank_char), 0);
    while let Some(before) = digits.strip_suffix('%').filter(|_| percents < 2) {
        (digits, percents) = (before.trim_end_matches(' '), percents + 1);
    }
    match percents {
        0 => parse_plain_number(&joined),
        _ if digits.ends_with(is_blank_char) || digits.contains(['e', 'E']) => None,
        _ => Some(Value::Number(
            parse_plain_number(digits)?.number()? / 100_f64.powi(percents),
        )),
    }
}

fn separators(args: CallArgs<'_>) -> [Cow<'_, str>; 2] {
    let decimal = args.0.get(1).map_or(".".into(), text);
    // If the comma is the decimal separator, there is no default group separator.
    let group = args.0.get(2).map_or(if decimal == "," { "" } else { "," }.into(), text);
    [decimal, group]
}

/// Parses a date in the form `YYYY-MM-DD`, optionally surrounded by whitespace.
fn parse_date(text: &str) -> Option<Value> {
    let parts: Vec<&str> = text.trim_matches(is_blank_char).split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return None;
    };
    let part = |text: &str, length: usize| {
        if text.len() == length && is_all_digits(text) {
            text.parse().ok()
        } else {
            None
        }
    };
    let (year, month, day) = (part(year, 4)?, part(month, 2)?, part(day, 2)?);
    let date = (1..=12).contains(&month).then(|| day_number(year, month, day))?;
    (year > 0 && civil_date(date) == (year, month, day)).then_some(Value::Date(date))
}

/// Returns a date or time unchanged. Parses a string as a date.
pub fn as_date(value: &Value) -> Value {
    match value {
        Value::Text(text) => parse_date(text).unwrap_or_else(|| {
            uncertainty::report_unsupported(|| format!("`{text}` as a date"));
            Value::Null
        }),
        other => other.clone(),
    }
}
