//! The normal distribution.

use std::f64::consts::{PI, SQRT_2};

use crate::functions::CallArgs;
use crate::functions::math::{finite_value, to_number};
use crate::functions::text::evaluate_strict;
use crate::uncertainty::add_noise;
use crate::value::Value;

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let function: fn(CallArgs<'_>) -> Option<Value> = match name {
        "STANDARDIZE" => |a| finite_value(z_score(a)?),
        "NORM.S.DIST" => |a| finite_value(normal_probability(to_number(&a[0]), &a[1])),
        "NORM.DIST" | "NORMDIST" => |a| {
            let value = normal_probability(z_score(a)?, &a[3]);
            finite_value(if a[3].as_condition() == Some(true) {
                value
            } else {
                value / to_number(&a[2])
            })
        },
        _ => return None,
    };
    Some(evaluate_strict(args, function))
}

/// Returns the z-score of a value, given the value, the mean and the standard deviation. `None` if the deviation is not
/// positive.
fn z_score(args: CallArgs<'_>) -> Option<f64> {
    let (value, mean, deviation) = (to_number(&args[0]), to_number(&args[1]), to_number(&args[2]));
    (deviation > 0.0).then(|| (value - mean) / deviation)
}

/// Returns the probability of a value below a z-score, or the density at the z-score. For scores far from 0, the SQL
/// limits the score, because some engines reject an exponential that is almost 0. The result is therefore reliable only
/// to 290 decimal places.
fn normal_probability(z: f64, cumulative: &Value) -> f64 {
    let value = if cumulative.as_condition() == Some(true) {
        cumulative_probability(z)
    } else {
        normal_density(z)
    };
    add_noise(value, value.max(1e-290))
}

fn normal_density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (SQRT_2 * PI.sqrt())
}

/// Sums a power series near 0, and evaluates a continued fraction elsewhere.
fn cumulative_probability(z: f64) -> f64 {
    let x = z.abs();
    let tail = if x < 3.0 {
        let (mut sum, mut term) = (0.0, x);
        for odd in (3..200).step_by(2) {
            sum += term;
            term *= x * x / f64::from(odd);
        }
        0.5 - normal_density(x) * sum
    } else {
        normal_density(x) / (1..100).rev().fold(x, |rest, k| x + f64::from(k) / rest)
    };
    if z > 0.0 { 1.0 - tail } else { tail }
}
