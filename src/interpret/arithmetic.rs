//! Evaluates operators, row-level functions and aggregates, given the values of their arguments.

use std::cmp::Ordering;

use crate::calendar::{PeriodFrame, civil_date, day_number};
use crate::expr::{InterpreterExpr, InterpreterOp};
use crate::functions::{self, statistics};
use crate::operands::{NullSourcesFn, operand_value};
use crate::trace;
use crate::value::{SECONDS_PER_DAY, Value};
use crate::{exact::ExactDecimal, uncertainty};

/// Evaluates an expression, given the values of its operands.
pub fn evaluate_scalar(
    x: &InterpreterExpr,
    sources: NullSourcesFn<'_>,
    value: &mut dyn FnMut(&InterpreterExpr) -> Value,
) -> Value {
    match x {
        InterpreterExpr::Literal(literal) => literal.clone(),
        InterpreterExpr::Binary(op, a, b) => {
            let mut operand = |x: &InterpreterExpr, is_zero_if_blank: bool| match is_zero_if_blank {
                true => operand_value(x, sources, value),
                false => value(x),
            };
            let number = matches!(
                op,
                InterpreterOp::Add | InterpreterOp::Subtract | InterpreterOp::Multiply
            );
            let moved = matches!(op, InterpreterOp::AddDays | InterpreterOp::Earlier);
            let a = operand(a, number || *op == InterpreterOp::Divide);
            let b = operand(b, number || moved);
            if let Some(outcome) = operator_outcome(*op, &a, &b) {
                trace::record_outcome(|| x.to_string(), outcome);
            }
            evaluate_binary(*op, &a, &b)
        }
        InterpreterExpr::Part(operand, frame) => functions::timeframe(frame, &value(operand)).unwrap_or_else(|| {
            uncertainty::report_unsupported(|| format!("the timeframe `{frame}`"));
            Value::Null
        }),
        InterpreterExpr::Call(name, args) => {
            let is_written =
                |arg_index: usize| matches!(args.get(arg_index), Some(InterpreterExpr::Literal(Value::Text(_))));
            let variant_name = functions::function_variant_name(name, is_written);
            let values: Vec<Value> = args.iter().map(&mut *value).collect();
            if *name == "T" && values == [Value::Null] {
                // The result of `T(NULL)` depends on the column's type, which the value NULL does not contain, so the
                // result is uncertain.
                uncertainty::mark_uncertain();
            }
            let Some(result) = functions::call(variant_name, &values) else {
                uncertainty::report_unsupported(|| format!("the function {name}"));
                return Value::Null;
            };
            mark_float_from_decimals(&result, values.iter());
            if trace::is_recording_coverage() {
                trace::record_outcome(|| x.to_string(), trace::outcome_kind(&result));
                if *name == "SWITCH" && chosen_branch_index(name, &values) >= Some(values.len().saturating_sub(1) / 2) {
                    let is_empty = values.first().is_none_or(Value::is_null);
                    trace::record_outcome(
                        || x.to_string(),
                        if is_empty {
                            "finds nothing for an empty value"
                        } else {
                            "finds nothing for a value"
                        },
                    );
                }
                if let Some(arg_index) = chosen_branch_index(name, &values) {
                    trace::record_outcome(|| x.to_string(), trace::branch_outcome(arg_index));
                }
            }
            result
        }
        _ => {
            uncertainty::report_unsupported(|| format!("{x}, which needs rows,"));
            Value::Null
        }
    }
}

/// Returns the outcome that coverage records for an operator, such as an empty operand, a division by 0 or the result
/// of a comparison.
fn operator_outcome(op: InterpreterOp, a: &Value, b: &Value) -> Option<&'static str> {
    let compares = matches!(
        op,
        InterpreterOp::Equal
            | InterpreterOp::NotEqual
            | InterpreterOp::Less
            | InterpreterOp::LessOrEqual
            | InterpreterOp::Greater
            | InterpreterOp::GreaterOrEqual
    );
    Some(match op {
        _ if op != InterpreterOp::Join && (a.is_null() || b.is_null()) => "has an empty operand",
        InterpreterOp::Divide if b.number() == Some(0.0) => "divides by 0",
        InterpreterOp::Divide => "divides by a number",
        _ if compares => match a.compare(b)? {
            Ordering::Less => trace::LEFT_IS_LESS,
            Ordering::Equal => trace::SIDES_ARE_EQUAL,
            Ordering::Greater => trace::LEFT_IS_GREATER,
        },
        _ => return None,
    })
}

/// Returns the index of the branch that a conditional function takes. The default is the last branch.
pub fn chosen_branch_index(name: &str, args: &[Value]) -> Option<usize> {
    let is_true = |value: &Value| value.as_condition() == Some(true);
    let pairs = |tests: &[Value], holds: &dyn Fn(&Value) -> bool| {
        let branch_index = tests
            .chunks(2)
            .position(|pair| pair.len() == 1 || pair.first().is_some_and(holds));
        branch_index.unwrap_or(tests.len().div_ceil(2))
    };
    match name {
        "IF" => Some(usize::from(!args.first().is_some_and(is_true))),
        "IFS" => Some(pairs(args, &is_true)),
        "SWITCH" => {
            let (subject, tests) = args.split_first()?;
            Some(pairs(tests, &|case| case.compare(subject) == Some(Ordering::Equal)))
        }
        "COALESCE" | "IFERROR" | "IFNA" => args.iter().position(|value| !value.is_null()),
        _ => None,
    }
}

pub fn truncate_to_period(value: &Value, frame: PeriodFrame) -> Value {
    match value {
        Value::Date(date) => Value::Date(frame.period_start(*date)),
        Value::Time(seconds) => Value::Date(frame.period_start(seconds.div_euclid(SECONDS_PER_DAY))),
        _ => Value::Null,
    }
}

pub fn evaluate_binary(op: InterpreterOp, a: &Value, b: &Value) -> Value {
    if op == InterpreterOp::Join {
        return Value::Text(a.text() + &b.text());
    }
    if a.is_null() || b.is_null() {
        return Value::Null;
    }
    // A string in ISO date format is treated as a date if the other operand is a date.
    let (of_a, of_b) = (parse_text_beside_date(a, b), parse_text_beside_date(b, a));
    let (a, b) = (of_a.as_ref().unwrap_or(a), of_b.as_ref().unwrap_or(b));
    let truth = |orderings: &[Ordering]| {
        a.compare(b)
            .map_or(Value::Null, |o| Value::Bool(orderings.contains(&o)))
    };
    match op {
        InterpreterOp::Equal => truth(&[Ordering::Equal]),
        InterpreterOp::NotEqual => truth(&[Ordering::Less, Ordering::Greater]),
        InterpreterOp::Less => truth(&[Ordering::Less]),
        InterpreterOp::LessOrEqual => truth(&[Ordering::Less, Ordering::Equal]),
        InterpreterOp::Greater => truth(&[Ordering::Greater]),
        InterpreterOp::GreaterOrEqual => truth(&[Ordering::Greater, Ordering::Equal]),
        _ => evaluate_arithmetic(op, a, b),
    }
}

fn parse_text_beside_date(value: &Value, other: &Value) -> Option<Value> {
    match value {
        Value::Text(text) if other.seconds().is_some() => parse_moment(text).or_else(|| {
            uncertainty::report_unsupported(|| format!("the text `{text}` next to a date"));
            None
        }),
        _ => None,
    }
}

/// Parses `2024-02-29`, `2024-02-29 12:30`, `2024-02-29T12:30:00`. A fraction of a second must be 0.
pub fn parse_moment(text: &str) -> Option<Value> {
    let parts = |text: &str, sign: char| {
        text.split(sign)
            .map(|part| part.parse().ok())
            .collect::<Option<Vec<i64>>>()
    };
    let (date, time) = text
        .split_once([' ', 'T'])
        .map_or((text, None), |(date, time)| (date, Some(time)));
    let fields = parts(date, '-')?;
    let &[year @ 1..=9999, month @ 1..=12, day @ 1..=31] = fields.as_slice() else {
        return None;
    };
    let date = day_number(year, month, day);
    if civil_date(date) != (year, month, day) {
        return None;
    }
    let Some(time) = time else {
        return Some(Value::Date(date));
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut fields = parts(time, ':')?;
    fields.resize(fields.len().max(3), 0);
    let &[hour @ 0..=23, minute @ 0..=59, second @ 0..=59] = fields.as_slice() else {
        return None;
    };
    (fraction.trim_end_matches('0').is_empty())
        .then_some(Value::Time(date * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second))
}

fn report_unsupported_operands(op: InterpreterOp, a: &Value, b: &Value) -> Value {
    uncertainty::report_unsupported(|| format!("`{} {} {}`", a.text(), op.symbol(), b.text()));
    Value::Null
}

fn evaluate_arithmetic(op: InterpreterOp, a: &Value, b: &Value) -> Value {
    let is_moment = |value: &Value| value.seconds().is_some();
    match (op, a, b) {
        (InterpreterOp::Add, ..) if is_moment(a) => return shift_date(InterpreterOp::AddDays, a, b),
        (InterpreterOp::Add, ..) if is_moment(b) => return shift_date(InterpreterOp::AddDays, b, a),
        (InterpreterOp::Subtract, ..) if is_moment(a) && is_moment(b) => {
            return evaluate_arithmetic(InterpreterOp::DaysBetween, a, b);
        }
        (InterpreterOp::Subtract, ..) if is_moment(a) => return shift_date(InterpreterOp::Earlier, a, b),
        (InterpreterOp::AddDays | InterpreterOp::Earlier, ..) => return shift_date(op, a, b),
        (InterpreterOp::DaysBetween, Value::Date(d), Value::Date(e)) => return Value::Int(d - e),
        (InterpreterOp::DaysBetween, ..) => {
            let (Some(a), Some(b)) = (a.seconds(), b.seconds()) else {
                return report_unsupported_operands(op, a, b);
            };
            return Value::Number((a - b) as f64 / SECONDS_PER_DAY as f64);
        }
        (InterpreterOp::Add, Value::Int(a), Value::Int(b)) => return integer_or_overflow(a.checked_add(*b)),
        (InterpreterOp::Subtract, Value::Int(a), Value::Int(b)) => return integer_or_overflow(a.checked_sub(*b)),
        (InterpreterOp::Multiply, Value::Int(a), Value::Int(b)) => return integer_or_overflow(a.checked_mul(*b)),
        _ => {}
    }
    let (Some(x), Some(y)) = (a.number(), b.number()) else {
        return report_unsupported_operands(op, a, b);
    };
    if matches!(a, Value::Decimal(_)) || matches!(b, Value::Decimal(_)) {
        return evaluate_decimal(op, a, b);
    }
    let result = match op {
        InterpreterOp::Add => uncertainty::noisy_sum(x, y),
        InterpreterOp::Subtract => uncertainty::noisy_sum(x, -y),
        InterpreterOp::Multiply => uncertainty::product_with_rounding_error(x, y),
        InterpreterOp::Power => {
            return functions::call("POWER", &[Value::Number(x), Value::Number(y)]).unwrap_or(Value::Null);
        }
        _ if y == 0.0 => return Value::Null,
        _ => uncertainty::noisy_ratio(x, y),
    };
    if result == 0.0 && result.is_sign_negative() {
        uncertainty::mark_unknown_digits();
    }
    Value::Number(uncertainty::check_size(result))
}

/// Evaluates an operator with at least one decimal operand.
fn evaluate_decimal(op: InterpreterOp, a: &Value, b: &Value) -> Value {
    let Some((x, y)) = ExactDecimal::from_value(a).zip(ExactDecimal::from_value(b)) else {
        uncertainty::mark_uncertain();
        return Value::Null;
    };
    let result = match op {
        InterpreterOp::Add => x.checked_add(y),
        InterpreterOp::Subtract => x.checked_add(y.negate()),
        InterpreterOp::Multiply => x.multiply(y),
        InterpreterOp::Divide if y.digits == 0 => return Value::Null,
        InterpreterOp::Divide => {
            // Engines that use floats return a negative zero here, so the displayed digits may differ.
            if x.digits == 0 && y.digits < 0 {
                uncertainty::mark_unknown_digits();
            }
            x.checked_divide(y)
        }
        _ => {
            uncertainty::mark_unknown_digits();
            return evaluate_binary(op, &Value::Number(x.to_f64()), &Value::Number(y.to_f64()));
        }
    };
    result.map_or_else(
        || {
            uncertainty::mark_result_too_large();
            Value::Null
        },
        Value::Decimal,
    )
}

fn integer_or_overflow(result: Option<i64>) -> Value {
    match result {
        Some(result) => {
            uncertainty::check_size(result as f64);
            Value::Int(result)
        }
        None => {
            uncertainty::mark_result_too_large();
            Value::Null
        }
    }
}

/// Shifts a date by whole days, or a time by days and fractions of days.
fn shift_date(op: InterpreterOp, date: &Value, days: &Value) -> Value {
    let Some(shift) = days.number() else {
        return report_unsupported_operands(op, date, days);
    };
    let day_count = if op == InterpreterOp::Earlier { -shift } else { shift };
    // No engine supports a date at this offset, so an engine may fail.
    if day_count.abs() > 1e7 {
        uncertainty::mark_result_too_large();
        return Value::Null;
    }
    match date {
        Value::Date(date) => Value::Date(date + day_count.trunc() as i64),
        Value::Time(seconds) => {
            let moved = day_count * SECONDS_PER_DAY as f64;
            // Engines keep different numbers of digits of a second, and the interpreter keeps whole seconds.
            if (moved - moved.round()).abs() > 1e-3 {
                uncertainty::mark_uncertain();
            }
            Value::Time(seconds + moved.round() as i64)
        }
        _ => report_unsupported_operands(op, date, days),
    }
}

/// Evaluates an aggregate, given the values of its arguments in each row.
pub fn evaluate_aggregate(x: &InterpreterExpr, name: &str, rows: Vec<Vec<Value>>, distinct: bool) -> Value {
    if trace::is_recording_coverage() {
        record_row_count(x, &rows);
    }
    let rows = if distinct {
        let values: Vec<Value> = rows.into_iter().flatten().filter(|v| !v.is_null()).collect();
        let once = statistics::dedup_values(&values);
        if once.len() < values.len() {
            trace::record_outcome(|| x.to_string(), "has a value twice");
        }
        once.into_iter().map(|value| vec![value]).collect()
    } else {
        rows
    };
    let Some(result) = statistics::aggregate(name, &rows) else {
        uncertainty::report_unsupported(|| format!("the function {name}"));
        return Value::Null;
    };
    mark_float_from_decimals(&result, rows.iter().flatten());
    trace::record_outcome(|| x.to_string(), trace::outcome_kind(&result));
    result
}

/// Marks the number of displayed digits as uncertain if a function computes a float from decimals.
fn mark_float_from_decimals<'a>(result: &Value, mut operands: impl Iterator<Item = &'a Value>) {
    if matches!(result, Value::Number(_)) && operands.any(|value| matches!(value, Value::Decimal(_))) {
        uncertainty::mark_unknown_digits();
    }
}

fn record_row_count(x: &InterpreterExpr, rows: &[Vec<Value>]) {
    let outcome = match rows.len() {
        0 => "is of no row",
        1 => "is of one row",
        _ => "is of several rows",
    };
    trace::record_outcome(|| x.to_string(), outcome);
    let conditions = rows.iter().filter_map(|row| row.first());
    if conditions.clone().any(|value| matches!(value, Value::Bool(_))) {
        let is_met = conditions.clone().any(|value| value.as_condition() == Some(true));
        trace::record_outcome(
            || x.to_string(),
            if is_met {
                "has rows that meet its condition"
            } else {
                "has no row that meets its condition"
            },
        );
    }
}
