//! Math functions: arithmetic, rounding, integers, logarithms and angles.

use std::f64::consts::PI;

use crate::exact::{ExactDecimal, RoundingDirection, rounded_quotient};
use crate::functions::CallArgs;
use crate::functions::text::evaluate_strict;
use crate::uncertainty::{self, check_size, with_float_noise};
use crate::value::Value;

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let function: fn(CallArgs<'_>) -> Option<Value> = match name {
        "PI" => return Some(Value::Number(with_float_noise(PI))),
        "ABS" => |a| {
            Some(if to_number(&a[0]) < 0.0 {
                negate_value(&a[0])
            } else {
                a[0].clone()
            })
        },
        "SIGN" => |a| Some(Value::Int(sign(to_number(&a[0])))),
        "INT" => |a| to_integer(round_value(&a[0], 0, RoundingDirection::Down)),
        "ROUND" => |a| {
            Some(pad_decimal(
                round_value(&a[0], digits_argument(a), RoundingDirection::Nearest),
                digits_argument(a),
            ))
        },
        "ROUNDUP" => |a| Some(round_value(&a[0], digits_argument(a), RoundingDirection::Away)),
        "ROUNDDOWN" | "TRUNC" => |a| Some(round_value(&a[0], digits_argument(a), RoundingDirection::Zero)),
        "CEILING" => |a| round_to_multiple(&a[0], a.values().get(1), RoundingDirection::Up),
        "FLOOR" => |a| round_to_multiple(&a[0], a.values().get(1), RoundingDirection::Down),
        "CEILING.MATH" => |a| round_to_multiple_with_mode(a, RoundingDirection::Up),
        "FLOOR.MATH" => |a| round_to_multiple_with_mode(a, RoundingDirection::Down),
        "MROUND" => round_to_nearest_multiple,
        "MOD" => remainder,
        "QUOTIENT" => truncated_quotient,
        "EVEN" => |a| round_to_parity(&a[0], false),
        "ODD" => |a| round_to_parity(&a[0], true),
        "ISEVEN" => |a| Some(Value::Bool(truncate_number(&a[0])? % 2 == 0)),
        "ISODD" => |a| Some(Value::Bool(truncate_number(&a[0])? % 2 != 0)),
        "FACT" => factorial,
        "COMBIN" => combinations,
        "PERMUT" => permutations,
        "GCD" => |a| Some(Value::Int(non_negative_arguments(a)?.into_iter().fold(0, gcd))),
        "LCM" => |a| Some(Value::Int(non_negative_arguments(a)?.into_iter().fold(1, lcm))),
        "POWER" => |a| power(to_number(&a[0]), to_number(&a[1])),
        "SQRT" => |a| root(to_number(&a[0])),
        "SQRTPI" => |a| {
            if to_number(&a[0]) < 0.0 {
                None
            } else {
                float_value(to_number(&a[0]).sqrt() * PI.sqrt())
            }
        },
        "EXP" => |a| finite_value(to_number(&a[0]).exp()),
        "LN" => |a| logarithm(to_number(&a[0]), None),
        "LOG10" => |a| logarithm(to_number(&a[0]), Some(10.0)),
        "LOG" => |a| logarithm(to_number(&a[0]), Some(a.values().get(1).map_or(10.0, to_number))),
        "SIN" => |a| float_value(to_number(&a[0]).sin()),
        "COS" => |a| float_value(to_number(&a[0]).cos()),
        "TAN" => |a| float_value(to_number(&a[0]).tan()),
        "COT" => |a| {
            if to_number(&a[0]) == 0.0 {
                None
            } else {
                float_value(1.0 / to_number(&a[0]).tan())
            }
        },
        "SINH" => |a| finite_value(to_number(&a[0]).sinh()),
        "COSH" => |a| finite_value(to_number(&a[0]).cosh()),
        "TANH" => |a| float_value(to_number(&a[0]).tanh()),
        "ASIN" => |a| check_magnitude_at_most_one(to_number(&a[0])).and_then(|x| float_value(x.asin())),
        "ACOS" => |a| check_magnitude_at_most_one(to_number(&a[0])).and_then(|x| float_value(x.acos())),
        "ATAN" => |a| float_value(to_number(&a[0]).atan()),
        "ATAN2" => |a| match (to_number(&a[0]), to_number(&a[1])) {
            (0.0, 0.0) => None,
            (x, y) => {
                if y == 0.0 && x < 0.0 {
                    // Floats and decimals give different results here, because only floats have a negative zero.
                    uncertainty::mark_uncertain();
                }
                float_value(y.atan2(x))
            }
        },
        "DEGREES" => |a| finite_value(to_number(&a[0]) * 180.0 / PI),
        "RADIANS" => |a| float_value(to_number(&a[0]) * PI / 180.0),
        _ => return None,
    };
    Some(evaluate_strict(args, function))
}

pub fn to_number(value: &Value) -> f64 {
    value.number().unwrap_or_else(|| {
        uncertainty::report_unsupported(|| format!("{} as a number", value.text()));
        0.0
    })
}

fn float_value(x: f64) -> Option<Value> {
    Some(Value::Number(with_float_noise(check_size(x))))
}

pub fn finite_value(x: f64) -> Option<Value> {
    if x.is_finite() { float_value(x) } else { None }
}

fn negate_value(value: &Value) -> Value {
    match value {
        Value::Int(i) => Value::Int(i.saturating_neg()),
        Value::Decimal(exact) => Value::Decimal(exact.negate()),
        other => Value::Number(-to_number(other)),
    }
}

fn sign(x: f64) -> i64 {
    i64::from(x > 0.0) - i64::from(x < 0.0)
}

/// Returns the number of decimal places, truncated to an integer.
fn digits_argument(args: CallArgs<'_>) -> i64 {
    args.values()
        .get(1)
        .map_or(0, |digits| to_number(digits).trunc() as i64)
}

/// Converts a decimal to the type of `operand`.
fn to_type_of_value(operand: &Value, exact: ExactDecimal) -> Value {
    match operand {
        Value::Decimal(_) => Value::Decimal(exact),
        Value::Int(_) => integer_value(10i128.checked_pow(exact.scale).map_or(0, |unit| exact.digits / unit)),
        _ => Value::Number(check_size(exact.to_f64())),
    }
}

/// Converts a remainder to the type of `operand`. The last bits of a remainder of floats are uncertain because it is
/// computed as a difference.
fn to_remainder_type(operand: &Value, exact: ExactDecimal) -> Value {
    match to_type_of_value(operand, exact) {
        Value::Number(n) if n.fract() * 1_048_576.0 % 1.0 != 0.0 => Value::Number(with_float_noise(n)),
        other => other,
    }
}

fn integer_value(digits: i128) -> Value {
    match i64::try_from(digits) {
        Ok(i) => {
            check_size(i as f64);
            Value::Int(i)
        }
        Err(_) => {
            uncertainty::mark_result_too_large();
            Value::Null
        }
    }
}

fn round_value(value: &Value, places: i64, towards: RoundingDirection) -> Value {
    if places.abs() > 20 {
        // The maximum number of decimal places differs between warehouses, so the result is uncertain.
        uncertainty::mark_uncertain();
    }
    let Some(exact) = ExactDecimal::from_value(value) else {
        // The number is either too large to have a fraction or small enough to round to 0.
        uncertainty::mark_uncertain();
        let integer = |digits| to_type_of_value(value, ExactDecimal { digits, scale: 0 });
        // No number has that many digits before the point, so the result is 0.
        if places < -i64::from(f64::MAX_10_EXP) - 1 && towards != RoundingDirection::Away {
            return integer(0);
        }
        let is_negative_fraction = (-1.0..0.0).contains(&to_number(value));
        return match towards {
            RoundingDirection::Down if places == 0 && is_negative_fraction => integer(-1),
            _ => value.clone(),
        };
    };
    match exact.round_to(places, towards) {
        Some(exact) => to_type_of_value(value, exact),
        None if towards == RoundingDirection::Away && exact.digits != 0 => {
            uncertainty::mark_result_too_large();
            Value::Null
        }
        None => to_type_of_value(value, ExactDecimal { digits: 0, scale: 0 }),
    }
}

/// Pads a decimal with zeros to the number of places to which it was rounded.
fn pad_decimal(value: Value, places: i64) -> Value {
    let target_scale = u32::try_from(places.max(0)).unwrap_or(0);
    match value {
        Value::Decimal(exact) if exact.scale != target_scale => Value::Decimal(
            ExactDecimal::align_scales(
                exact,
                ExactDecimal {
                    digits: 0,
                    scale: target_scale,
                },
            )
            .map_or(exact, |(digits, _, scale)| ExactDecimal { digits, scale }),
        ),
        other => other,
    }
}

/// Converts a number without a fraction to an integer. `None` if the number is too large.
fn to_integer(value: Value) -> Option<Value> {
    match value {
        Value::Decimal(exact) => to_integer(Value::Number(exact.to_f64())),
        Value::Number(n) if n.abs() >= 9.2e18 => None,
        Value::Number(n) => Some(Value::Int(n as i64)),
        other => Some(other),
    }
}

fn truncate_number(value: &Value) -> Option<i64> {
    match to_integer(round_value(value, 0, RoundingDirection::Zero))? {
        Value::Int(i) => Some(i),
        _ => None,
    }
}

/// Rounds away from zero to the next even or odd integer.
fn round_to_parity(value: &Value, odd: bool) -> Option<Value> {
    let Value::Int(away) = to_integer(round_value(value, 0, RoundingDirection::Away))? else {
        return None;
    };
    let further = (away % 2 != 0) != odd;
    Some(Value::Int(if further {
        away.saturating_add(if away < 0 { -1 } else { 1 })
    } else {
        away
    }))
}

/// Scales a dividend and a divisor to the same number of decimal places.
fn align_places(a: &Value, b: &Value) -> Option<(i128, i128, u32)> {
    let aligned = ExactDecimal::from_value(a)
        .zip(ExactDecimal::from_value(b))
        .and_then(|(a, b)| ExactDecimal::align_scales(a, b));
    // The SQL rounds the quotient of floats to 15 significant digits.
    let quotient = to_number(a) / to_number(b);
    let distance = (quotient - quotient.round()).abs();
    if aligned.is_none() || distance != 0.0 && distance < 1e-14 * quotient.abs().max(1.0) {
        uncertainty::mark_uncertain();
    }
    aligned
}

fn zero_of_type(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Int(_), Value::Int(_)) => Value::Int(0),
        _ => Value::Number(0.0),
    }
}

/// Evaluates CEILING and FLOOR. The result is an error if the number is positive and the significance is negative. If
/// the significance is 0, CEILING returns 0, and FLOOR returns an error unless the number is 0.
fn round_to_multiple(value: &Value, significance: Option<&Value>, towards: RoundingDirection) -> Option<Value> {
    let significance = significance.cloned().unwrap_or(Value::Int(1));
    let (x, s) = (to_number(value), to_number(&significance));
    let kind = zero_of_type(value, &significance);
    if x == 0.0 {
        return Some(kind);
    }
    if s == 0.0 {
        return (towards == RoundingDirection::Up).then_some(kind);
    }
    if x > 0.0 && s < 0.0 {
        return None;
    }
    let Some((a, b, scale)) = align_places(value, &significance) else {
        let quotient = if towards == RoundingDirection::Up {
            (x / s).ceil()
        } else {
            (x / s).floor()
        };
        return float_value(quotient * s);
    };
    Some(to_type_of_value(
        &kind,
        ExactDecimal {
            digits: rounded_quotient(a, b, towards).checked_mul(b)?,
            scale,
        },
    ))
}

/// Evaluates CEILING.MATH and FLOOR.MATH. Rounds to a multiple of the absolute value of the significance. A mode other
/// than 0 also rounds the absolute value of a negative number.
fn round_to_multiple_with_mode(args: CallArgs<'_>, towards: RoundingDirection) -> Option<Value> {
    let absolute = |value: &Value| {
        if to_number(value) < 0.0 {
            negate_value(value)
        } else {
            value.clone()
        }
    };
    let significance = args.values().get(1).map_or(Value::Int(1), absolute);
    if to_number(&significance) == 0.0 {
        return Some(zero_of_type(&args[0], &significance));
    }
    if args.values().get(2).is_none_or(|mode| to_number(mode) == 0.0) || to_number(&args[0]) >= 0.0 {
        return round_to_multiple(&args[0], Some(&significance), towards);
    }
    Some(negate_value(&round_to_multiple(
        &absolute(&args[0]),
        Some(&significance),
        towards,
    )?))
}

fn combinations(args: CallArgs<'_>) -> Option<Value> {
    let (count, selection_size) = (to_number(&args[0]), to_number(&args[1]));
    // As for FACT, a fraction between -1 and 0 is considered negative.
    if !(0.0..171.0).contains(&count) || selection_size < 0.0 || selection_size.trunc() > count.trunc() {
        return None;
    }
    let (count, choice_count) = (count.trunc(), selection_size.trunc());
    let product = (1..=choice_count as i64).fold(1.0, |product, i| {
        (product * (count - choice_count + i as f64) / i as f64).round()
    });
    if product < 1e13 {
        Some(Value::Number(product))
    } else {
        float_value(product)
    }
}

fn permutations(args: CallArgs<'_>) -> Option<Value> {
    let (count, selection_size) = (to_number(&args[0]), to_number(&args[1]));
    if !(0.0..171.0).contains(&count) || selection_size < 0.0 || selection_size.trunc() > count.trunc() {
        return None;
    }
    let (count, choice_count) = (count.trunc(), selection_size.trunc() as i64);
    let product = (0..choice_count).fold(1.0, |product, i| product * (count - i as f64));
    if product < 1e13 {
        Some(Value::Number(product))
    } else {
        float_value(product)
    }
}

fn round_to_nearest_multiple(args: CallArgs<'_>) -> Option<Value> {
    let kind = zero_of_type(&args[0], &args[1]);
    let (x, m) = (to_number(&args[0]), to_number(&args[1]));
    if m == 0.0 || x == 0.0 {
        return Some(kind);
    }
    if (x < 0.0) != (m < 0.0) {
        return None;
    }
    let (a, b, scale) = align_places(&args[0], &args[1])?;
    Some(to_type_of_value(
        &kind,
        ExactDecimal {
            digits: rounded_quotient(a, b, RoundingDirection::Nearest).checked_mul(b)?,
            scale,
        },
    ))
}

/// Evaluates MOD. The result has the sign of the divisor.
fn remainder(args: CallArgs<'_>) -> Option<Value> {
    if to_number(&args[1]) == 0.0 {
        return None;
    }
    let (a, b, scale) = align_places(&args[0], &args[1])?;
    let kind = zero_of_type(&args[0], &args[1]);
    Some(to_remainder_type(
        &kind,
        ExactDecimal {
            digits: a.checked_sub(b.checked_mul(rounded_quotient(a, b, RoundingDirection::Down))?)?,
            scale,
        },
    ))
}

fn truncated_quotient(args: CallArgs<'_>) -> Option<Value> {
    if to_number(&args[1]) == 0.0 {
        return None;
    }
    let (a, b, _) = align_places(&args[0], &args[1])?;
    i64::try_from(rounded_quotient(a, b, RoundingDirection::Zero))
        .ok()
        .map(Value::Int)
}

fn factorial(args: CallArgs<'_>) -> Option<Value> {
    let n = to_number(&args[0]);
    if !(0.0..171.0).contains(&n) {
        return None;
    }
    let product = (1..=n as i64).fold(1.0, |product, factor| product * factor as f64);
    // Only factorials of numbers below 18 are exact in a float.
    Some(Value::Number(if n < 18.0 {
        check_size(product)
    } else {
        with_float_noise(check_size(product))
    }))
}

/// Truncates the arguments to non-negative integers.
fn non_negative_arguments(args: CallArgs<'_>) -> Option<Vec<i64>> {
    let natural = |value: &Value| match value {
        // Keep an integer unchanged, because a float would lose digits.
        Value::Int(int) => Some(*int),
        _ => truncate_number(value),
    };
    args.values()
        .iter()
        .map(|value| natural(value).filter(|_| to_number(value) >= 0.0))
        .collect()
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(a: i64, b: i64) -> i64 {
    if a == 0 || b == 0 {
        0
    } else {
        check_size((a / gcd(a, b)) as f64 * b as f64) as i64
    }
}

/// Returns a power. `None` for zero with a negative exponent, for a negative base with a fractional exponent, and if
/// the result is too large.
pub fn power(base: f64, exponent: f64) -> Option<Value> {
    if base == 0.0 && exponent < 0.0 {
        return None;
    }
    if base < 0.0 && exponent != exponent.trunc() {
        return None;
    }
    let result = base.powf(exponent);
    if !result.is_finite() {
        return None;
    }
    let exact = exponent >= 0.0 && exponent == exponent.trunc() && result == result.trunc() && base == base.trunc();
    Some(Value::Number(if exact {
        check_size(result)
    } else {
        with_float_noise(check_size(result))
    }))
}

fn root(x: f64) -> Option<Value> {
    if x < 0.0 {
        return None;
    }
    let root = x.sqrt();
    Some(Value::Number(if root * root == x && root == root.trunc() {
        root
    } else {
        with_float_noise(root)
    }))
}

fn logarithm(x: f64, base: Option<f64>) -> Option<Value> {
    if x <= 0.0 {
        return None;
    }
    let Some(base) = base else { return float_value(x.ln()) };
    if base <= 0.0 || base == 1.0 {
        return None;
    }
    float_value(if base == 10.0 { x.log10() } else { x.ln() / base.ln() })
}

fn check_magnitude_at_most_one(x: f64) -> Option<f64> {
    // An engine may compute a value slightly greater than 1 because of rounding.
    uncertainty::mark_close_comparison(x.abs(), 1.0);
    (-1.0..=1.0).contains(&x).then_some(x)
}
