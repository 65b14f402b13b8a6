//! Evaluates functions for loans and annuities.

use crate::functions::CallArgs;
use crate::functions::math::{finite_value, to_number};
use crate::functions::text::evaluate_strict;
use crate::uncertainty::{self, add_noise, noisy_sum, with_float_noise};
use crate::value::Value;

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let function: fn(CallArgs<'_>) -> Option<Value> = match name {
        "PMT" => |a| {
            let [growth, factor] = future_value_factors(a, to_number(&a[1]), 4)?;
            quotient(-noisy_sum(to_number(&a[2]) * growth, optional_number(a, 3)), factor)
        },
        "FV" => |a| {
            let [growth, factor] = future_value_factors(a, to_number(&a[1]), 4)?;
            finite_value(-noisy_sum(to_number(&a[2]) * factor, optional_number(a, 3) * growth))
        },
        "PV" => |a| {
            let [growth, factor] = future_value_factors(a, to_number(&a[1]), 4)?;
            quotient(-noisy_sum(to_number(&a[2]) * factor, optional_number(a, 3)), growth)
        },
        "NPER" => periods,
        "IPMT" => |a| finite_value(interest(a)?),
        "PPMT" => |a| {
            let due = payment_timing_factor(a, 5, to_number(&a[0]));
            finite_value(noisy_sum(payment_at_period_end(a)? / due, -interest(a)?))
        },
        "SLN" => |a| quotient(to_number(&a[0]) - to_number(&a[1]), to_number(&a[2])),
        _ => return None,
    };
    Some(evaluate_strict(args, function))
}

fn optional_number(args: CallArgs<'_>, index: usize) -> f64 {
    args.values().get(index).map_or(0.0, to_number)
}

/// Returns the factor by which a payment at the start of a period is worth more than a payment at its end. The argument
/// at `index` specifies when payments are due.
fn payment_timing_factor(args: CallArgs<'_>, index: usize, rate: f64) -> f64 {
    if optional_number(args, index) == 0.0 {
        1.0
    } else {
        1.0 + rate
    }
}

/// Returns the future value of 1 after all periods, and the future value of a payment of 1 per period.
fn future_value_factors(args: CallArgs<'_>, periods: f64, due_index: usize) -> Option<[f64; 2]> {
    let rate = to_number(&args[0]);
    if rate == 0.0 {
        return Some([1.0, periods]);
    }
    if rate <= -1.0 || (periods * rate.ln_1p()).abs() >= 700.0 {
        return None;
    }
    if rate.abs() < 1e-4 {
        // The subtraction of 1 below loses digits, so the result is uncertain.
        uncertainty::mark_uncertain();
    }
    let growth = with_float_noise((1.0 + rate).powf(periods));
    let due = payment_timing_factor(args, due_index, rate);
    Some([growth, noisy_sum(growth, -1.0) / rate * due])
}

fn quotient(dividend: f64, divisor: f64) -> Option<Value> {
    if divisor == 0.0 {
        None
    } else {
        finite_value(dividend / divisor)
    }
}

fn periods(args: CallArgs<'_>) -> Option<Value> {
    let (rate, payment, present, future) = (
        to_number(&args[0]),
        to_number(&args[1]),
        to_number(&args[2]),
        optional_number(args, 3),
    );
    if rate == 0.0 {
        return quotient(-noisy_sum(present, future), payment);
    }
    let due = payment_timing_factor(args, 4, rate);
    let end = noisy_sum(payment * due, -future * rate);
    let begin = noisy_sum(payment * due, present * rate);
    if rate <= -1.0 || begin == 0.0 || end / begin <= 0.0 {
        return None;
    }
    quotient((end / begin).ln(), (1.0 + rate).ln())
}

/// Returns the payment for the arguments of IPMT, if payments are due at the end of each period.
fn payment_at_period_end(args: CallArgs<'_>) -> Option<f64> {
    let [growth, factor] = future_value_factors(args, to_number(&args[2]), 6)?;
    let value = noisy_sum(to_number(&args[3]) * growth, optional_number(args, 4));
    Some(with_float_noise(-value / factor))
}

/// Returns the interest on the remaining loan at the beginning of a period.
fn interest(args: CallArgs<'_>) -> Option<f64> {
    let (rate, period, periods) = (to_number(&args[0]), to_number(&args[1]), to_number(&args[2]));
    if period < 1.0 || period > periods {
        return None;
    }
    let payment = payment_at_period_end(args)?;
    let [growth, factor] = future_value_factors(args, period - 1.0, 6)?;
    let interest = -rate * noisy_sum(to_number(&args[3]) * growth, payment * factor);
    Some(match (optional_number(args, 5) == 0.0, period == 1.0) {
        (true, _) => interest,
        // The first payment is due immediately, so its interest is 0. The SQL of PPMT adds and subtracts the interest,
        // which leaves a rounding error in proportion to the interest.
        (false, true) => add_noise(0.0, interest.abs()),
        (false, false) => interest / (1.0 + rate),
    })
}
