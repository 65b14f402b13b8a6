//! Conditional, logical and bit functions. The interpreter represents errors as NULL, so it can evaluate all arguments,
//! even those of branches that are not taken.

use std::cmp::Ordering;

use crate::arithmetic::evaluate_binary;
use crate::expr::InterpreterOp;
use crate::functions::CallArgs;
use crate::functions::math::to_number;
use crate::functions::text::evaluate_strict;
use crate::uncertainty;
use crate::value::{SECONDS_PER_DAY, Value};

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let value = evaluate(name, args)?;
    // Convert dates to times if one of the possible results is a time.
    let is_choice = |index: usize| match name {
        "IF" | "CHOOSE" => index > 0,
        "IFS" => index % 2 == 1 || index + 1 == args.values().len(),
        "SWITCH" => index > 0 && (index.is_multiple_of(2) || index + 1 == args.values().len()),
        _ => true,
    };
    let times = args
        .values()
        .iter()
        .enumerate()
        .any(|(index, v)| is_choice(index) && matches!(v, Value::Time(_)));
    Some(match value {
        Value::Date(date) if times => Value::Time(date * SECONDS_PER_DAY),
        other => other,
    })
}

fn evaluate(name: &str, args: CallArgs<'_>) -> Option<Value> {
    Some(match name {
        "IF" => match (args[0].as_condition(), args.values().get(2)) {
            (Some(true), _) => args[1].clone(),
            (_, otherwise) => otherwise.cloned().unwrap_or(Value::Null),
        },
        "IFS" => value_of_first_true_test(args, |condition| condition.as_condition() == Some(true)),
        "SWITCH" => value_of_first_true_test(CallArgs(args.values().get(1..).unwrap_or_default()), |case| {
            case.compare(&args[0]) == Some(Ordering::Equal)
        }),
        "COALESCE" | "IFERROR" | "IFNA" => args
            .values()
            .iter()
            .find(|v| !v.is_null())
            .cloned()
            .unwrap_or(Value::Null),
        "CHOOSE" => evaluate_choose(args),
        "AND" => evaluate_and_or(args, false),
        "OR" => evaluate_and_or(args, true),
        "ISBETWEEN" => is_between(args),
        "XOR" => evaluate_strict(args, |args| {
            let odd = args.values().iter().filter(|v| v.as_condition() == Some(true)).count() % 2 == 1;
            Some(Value::Bool(odd))
        }),
        "NOT" => args[0].as_condition().map_or(Value::Null, |truth| Value::Bool(!truth)),
        "N" => match &args[0] {
            Value::Bool(b) => Value::Int(i64::from(*b)),
            Value::Text(_) => Value::Int(0),
            other => other.clone(),
        },
        "ISBLANK" | "ISERROR" | "ISNA" => Value::Bool(args[0].is_null()),
        "BITAND" => evaluate_bitwise(args, |a, b| Some(a & b)),
        "BITOR" => evaluate_bitwise(args, |a, b| Some(a | b)),
        "BITXOR" => evaluate_bitwise(args, |a, b| Some(a ^ b)),
        "BITLSHIFT" => shift_bits(args, 1),
        "BITRSHIFT" => shift_bits(args, -1),
        _ => return None,
    })
}

/// Returns whether a value is between two bounds. The bounds are included unless the fourth and fifth arguments exclude
/// them.
fn is_between(args: CallArgs<'_>) -> Value {
    let includes = |index: usize| {
        args.values()
            .get(index)
            .is_none_or(|end| end.as_condition() == Some(true))
    };
    let lower_op = if includes(3) {
        InterpreterOp::GreaterOrEqual
    } else {
        InterpreterOp::Greater
    };
    let upper_op = if includes(4) {
        InterpreterOp::LessOrEqual
    } else {
        InterpreterOp::Less
    };
    evaluate_and_or(
        CallArgs(&[
            evaluate_binary(lower_op, &args[0], &args[1]),
            evaluate_binary(upper_op, &args[0], &args[2]),
        ]),
        false,
    )
}

/// Evaluates AND (decided by FALSE) and OR (decided by TRUE). If no argument decides the result and an argument is
/// NULL, the result is NULL.
fn evaluate_and_or(args: CallArgs<'_>, decides: bool) -> Value {
    let truths: Vec<Option<bool>> = args.values().iter().map(Value::as_condition).collect();
    match (truths.contains(&Some(decides)), truths.contains(&None)) {
        (true, _) => Value::Bool(decides),
        (false, true) => Value::Null,
        (false, false) => Value::Bool(!decides),
    }
}

/// Returns the value after the first test that is true. An unpaired last argument is the default.
fn value_of_first_true_test(args: CallArgs<'_>, holds: impl Fn(&Value) -> bool) -> Value {
    for pair in args.values().chunks(2) {
        match pair {
            [default] => return default.clone(),
            [test, value] if holds(test) => return value.clone(),
            _ => {}
        }
    }
    Value::Null
}

fn evaluate_choose(args: CallArgs<'_>) -> Value {
    let index = args[0].number().map(f64::trunc);
    let index = index.filter(|index| (1.0..args.values().len() as f64).contains(index));
    index
        .and_then(|index| args.values().get(index as usize).cloned())
        .unwrap_or(Value::Null)
}

/// Returns the value as a non-negative integer. `None` for negative numbers and fractions, which bit functions do not
/// support.
fn bit_value(value: &Value) -> Option<i64> {
    let n = to_number(value);
    uncertainty::mark_close_comparison(n, n.round());
    (n >= 0.0 && n == n.trunc()).then_some(n as i64)
}

fn evaluate_bitwise(args: CallArgs<'_>, function: fn(i64, i64) -> Option<i64>) -> Value {
    if args.values().iter().any(Value::is_null) {
        return Value::Null;
    }
    bit_value(&args[0])
        .zip(bit_value(&args[1]))
        .and_then(|(a, b)| function(a, b))
        .map_or(Value::Null, Value::Int)
}

/// Shifts the bits of a number. Results have at most 48 bits.
fn shift_bits(args: CallArgs<'_>, direction: i64) -> Value {
    if args.values().iter().any(Value::is_null) {
        return Value::Null;
    }
    let shift = (to_number(&args[1]).trunc() as i64).saturating_mul(direction);
    let Some(value) = bit_value(&args[0]) else {
        return Value::Null;
    };
    let moved = if shift > 53 {
        None
    } else if value == 0 {
        Some(0)
    } else if shift >= 48 {
        None
    } else if shift >= 0 {
        Some(value << shift).filter(|moved| *moved < 1 << 48 && *moved >> shift == value)
    } else if shift <= -48 {
        Some(0)
    } else {
        Some(value >> -shift)
    };
    moved.map_or(Value::Null, Value::Int)
}
