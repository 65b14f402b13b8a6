//! Aggregate functions over the values of the arguments in each row.

use std::collections::HashMap;

use crate::arithmetic::evaluate_binary;
use crate::exact::ExactDecimal;
use crate::expr::InterpreterOp;
use crate::functions::CallArgs;
use crate::functions::criteria::is_criterion_met;
use crate::functions::math::to_number;
use crate::uncertainty::{self, add_noise, with_float_noise};
use crate::value::Value;

/// Evaluates an aggregate over rows, each of which contains the values of the arguments. `None` if the name is not an
/// aggregate.
pub fn aggregate(name: &str, rows: &[Vec<Value>]) -> Option<Value> {
    let column = || -> Vec<Value> {
        rows.iter()
            .filter_map(|row| row.first())
            .filter(|v| !v.is_null())
            .cloned()
            .collect()
    };
    let constant = || rows.first().and_then(|row| row.get(1)).and_then(Value::number);
    Some(match name {
        "COUNT" if rows.iter().all(Vec::is_empty) => Value::Int(rows.len() as i64),
        "COUNT" | "COUNTA" => Value::Int(column().len() as i64),
        "COUNTUNIQUE" => Value::Int(dedup_values(&column()).len() as i64),
        "COUNTBLANK" => {
            let blank = |row: &&Vec<Value>| {
                argument_value(row, 0).is_null() || *argument_value(row, 0) == Value::Text(String::new())
            };
            Value::Int(rows.iter().filter(blank).count() as i64)
        }
        "SUM" => sum(&column()),
        "AVERAGE" => average(&column()),
        "PRODUCT" => product(&column()),
        "GEOMEAN" => geometric_mean(&column()),
        "MIN" => min_or_max_value(&column(), std::cmp::Ordering::Less),
        "MAX" => min_or_max_value(&column(), std::cmp::Ordering::Greater),
        "MEDIAN" => value_at_percentile(&column(), 0.5),
        "MODE" => mode(&column()),
        "LARGE" => nth_value(&column(), constant(), true),
        "SMALL" => nth_value(&column(), constant(), false),
        "PERCENTILE" => constant()
            .filter(|s| (0.0..=1.0).contains(s))
            .map_or(Value::Null, |s| value_at_percentile(&column(), s)),
        "PERCENTILE.EXC" => constant().map_or(Value::Null, |share| value_at_exclusive_percentile(&column(), share)),
        "TRIMMEAN" => match constant() {
            Some(share) if (0.0..=1.0).contains(&share) => trimmed_mean(column(), share),
            _ => Value::Null,
        },
        "QUARTILE" => match constant().map(f64::trunc) {
            Some(quarter) if (0.0..=4.0).contains(&quarter) => value_at_percentile(&column(), quarter / 4.0),
            _ => Value::Null,
        },
        "VAR" => variance(&column(), 1).map_or(Value::Null, Value::Number),
        "VAR.P" => variance(&column(), 0).map_or(Value::Null, Value::Number),
        "STDEV" => variance(&column(), 1).map_or(Value::Null, |v| Value::Number(with_float_noise(v.sqrt()))),
        "STDEV.P" => variance(&column(), 0).map_or(Value::Null, |v| Value::Number(with_float_noise(v.sqrt()))),
        "COVAR" | "COVARIANCE.S" => numeric_pairs(rows).covariance(1),
        "COVARIANCE.P" => numeric_pairs(rows).covariance(0),
        "CORREL" | "PEARSON" => numeric_pairs(rows).correlation(),
        "SLOPE" => numeric_pairs(rows)
            .regression_line()
            .map_or(Value::Null, |(slope, _)| Value::Number(slope)),
        "INTERCEPT" => numeric_pairs(rows)
            .regression_line()
            .map_or(Value::Null, |(_, start)| Value::Number(start)),
        "SUMSQ" => {
            let square = |value: &Value| evaluate_binary(InterpreterOp::Multiply, value, value);
            sum(&column().iter().map(square).collect::<Vec<Value>>())
        }
        "SUMPRODUCT" => {
            let times = |row: &Vec<Value>| {
                row.iter()
                    .fold(Value::Int(1), |a, b| evaluate_binary(InterpreterOp::Multiply, &a, b))
            };
            sum(&rows.iter().map(times).filter(|v| !v.is_null()).collect::<Vec<Value>>())
        }
        "SUMIF" => sum(&values_selected_by_sumif(rows)),
        "AVERAGEIF" => average(&values_selected_by_sumif(rows)),
        "COUNTIF" | "COUNTIFS" => Value::Int(count_if(rows) as i64),
        "SUMIFS" => sum(&values_selected_by_sumifs(rows)),
        "AVERAGEIFS" => average(&values_selected_by_sumifs(rows)),
        "MINIFS" => min_or_max_value(&values_selected_by_sumifs(rows), std::cmp::Ordering::Less),
        "MAXIFS" => min_or_max_value(&values_selected_by_sumifs(rows), std::cmp::Ordering::Greater),
        "TEXTJOIN" => join_texts(rows),
        _ => return None,
    })
}

/// Evaluates an aggregate over several values of one row. `None` if the function cannot be used in this way.
pub fn evaluate_aggregate_across_row(name: &str, args: CallArgs<'_>) -> Option<Value> {
    const ROW_AGGREGATES: [&str; 13] = [
        "SUM",
        "AVERAGE",
        "COUNT",
        "COUNTA",
        "COUNTUNIQUE",
        "MIN",
        "MAX",
        "MEDIAN",
        "PRODUCT",
        "VAR",
        "VAR.P",
        "STDEV",
        "STDEV.P",
    ];
    if !ROW_AGGREGATES.contains(&name) {
        return None;
    }
    let rows: Vec<Vec<Value>> = args.values().iter().map(|value| vec![value.clone()]).collect();
    aggregate(name, &rows)
}

/// Returns the value of an argument in a row, or NULL if the row does not have the argument.
fn argument_value(row: &[Value], index: usize) -> &Value {
    row.get(index).unwrap_or(&Value::Null)
}

/// Returns the values without duplicates.
pub fn dedup_values(values: &[Value]) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values
        .iter()
        .filter(|value| seen.insert(value.key()))
        .cloned()
        .collect()
}

/// Returns the sum of values. The sum of no values is a decimal 0 instead of an integer. A quotient computed from this
/// sum is therefore marked as having an uncertain number of digits.
fn sum(values: &[Value]) -> Value {
    if values.is_empty() {
        return Value::Decimal(ExactDecimal { digits: 0, scale: 0 });
    }
    values
        .iter()
        .fold(Value::Int(0), |a, b| evaluate_binary(InterpreterOp::Add, &a, b))
}

fn average(values: &[Value]) -> Value {
    if values.is_empty() {
        return Value::Null;
    }
    Value::Number(uncertainty::noisy_ratio(
        sum(values).number().unwrap_or(0.0),
        values.len() as f64,
    ))
}

fn product(values: &[Value]) -> Value {
    let times = |a: Value, b: &Value| evaluate_binary(InterpreterOp::Multiply, &a, b);
    // Engines compute a product as a sum of logarithms, so the result is inexact.
    match values.iter().fold(Value::Int(1), times) {
        _ if values.is_empty() => Value::Null,
        product => product
            .number()
            .map_or(Value::Null, |product| Value::Number(with_float_noise(product))),
    }
}

/// Returns the geometric mean. NULL if there are no values, or if a value is not positive.
fn geometric_mean(values: &[Value]) -> Value {
    let numbers: Vec<f64> = values.iter().map(to_number).collect();
    if numbers.is_empty() || numbers.iter().any(|number| *number <= 0.0) {
        return Value::Null;
    }
    let logarithms = numbers.iter().map(|number| number.ln()).sum::<f64>();
    Value::Number(with_float_noise((logarithms / numbers.len() as f64).exp()))
}

fn min_or_max_value(values: &[Value], ordering: std::cmp::Ordering) -> Value {
    let better = |a: Value, b: Value| if b.compare(&a) == Some(ordering) { b } else { a };
    values.iter().cloned().reduce(better).unwrap_or(Value::Null)
}

fn sorted(values: &[Value]) -> Vec<Value> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.sort_order(b, false));
    sorted
}

/// Returns the smallest of the most frequent values. NULL if no value occurs at least twice.
fn mode(values: &[Value]) -> Value {
    let mut counts: HashMap<String, usize> = HashMap::new();
    values
        .iter()
        .for_each(|value| *counts.entry(value.key()).or_default() += 1);
    let most = counts.values().copied().max().unwrap_or(0);
    let is_mode = |value: &&Value| most > 1 && counts.get(&value.key()) == Some(&most);
    min_or_max_value(
        &values.iter().filter(is_mode).cloned().collect::<Vec<Value>>(),
        std::cmp::Ordering::Less,
    )
}

fn nth_value(values: &[Value], index: Option<f64>, largest: bool) -> Value {
    let mut sorted = sorted(values);
    if largest {
        sorted.reverse();
    }
    let index = index
        .map(|index| index.trunc() as i64 - 1)
        .and_then(|index| usize::try_from(index).ok());
    index
        .and_then(|index| sorted.get(index).cloned())
        .unwrap_or(Value::Null)
}

/// Interpolates between the two values next to a position. Positions start at 0.
fn interpolate(sorted: &[f64], index: f64) -> f64 {
    let (lower_index, part) = (index.floor() as usize, index - index.floor());
    let value_at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or_default();
    if part == 0.0 {
        return value_at(lower_index);
    }
    uncertainty::noisy_sum(
        value_at(lower_index),
        uncertainty::product_with_rounding_error(
            uncertainty::noisy_sum(value_at(lower_index + 1), -value_at(lower_index)),
            part,
        ),
    )
}

fn numbers(values: &[Value]) -> Vec<f64> {
    sorted(values).iter().map(to_number).collect()
}

fn value_at_percentile(values: &[Value], share: f64) -> Value {
    let sorted = numbers(values);
    if sorted.is_empty() {
        return Value::Null;
    }
    let rank = share * (sorted.len() - 1) as f64;
    // Round a position that differs from an integer only in the last bits.
    let nearest_rank = rank.round();
    let rank = if (rank - nearest_rank).abs() < 1e-9 {
        nearest_rank
    } else {
        rank
    };
    Value::Number(interpolate(&sorted, rank))
}

fn value_at_exclusive_percentile(values: &[Value], share: f64) -> Value {
    let sorted = numbers(values);
    let rank = share * (sorted.len() + 1) as f64;
    let nearest_rank = rank.round();
    let rank = if (rank - nearest_rank).abs() < 1e-9 {
        nearest_rank
    } else {
        rank
    };
    if share <= 0.0 || share >= 1.0 || rank < 1.0 || rank > sorted.len() as f64 {
        return Value::Null;
    }
    Value::Number(interpolate(&sorted, rank - 1.0))
}

/// Returns the variance. The divisor is the number of values minus `short`, which is 1 for a sample and 0 for a
/// population. `None` if there are too few values.
fn variance(values: &[Value], short: usize) -> Option<f64> {
    if values.len() <= short {
        return None;
    }
    let numbers: Vec<f64> = values.iter().map(to_number).collect();
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let squares = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    mark_if_only_rounding_errors(squares, &numbers);
    Some(with_float_noise(uncertainty::check_size(
        squares / (numbers.len() - short) as f64,
    )))
}

/// Marks a variance as uncertain if it may consist only of rounding errors.
fn mark_if_only_rounding_errors(squares: f64, numbers: &[f64]) {
    let size = numbers.iter().map(|x| x * x).sum::<f64>();
    if squares != 0.0 && squares < 1e-9 * size {
        uncertainty::mark_uncertain();
    }
}

/// Values of the rows in which both arguments are numbers.
struct NumericPairs {
    first: Vec<f64>,
    second: Vec<f64>,
}

fn numeric_pairs(rows: &[Vec<Value>]) -> NumericPairs {
    let number_pair = |row: &Vec<Value>| argument_value(row, 0).number().zip(argument_value(row, 1).number());
    let (first, second) = rows.iter().filter_map(number_pair).unzip();
    NumericPairs { first, second }
}

impl NumericPairs {
    fn count(&self) -> usize {
        self.first.len()
    }

    /// Returns the sum of the absolute products, which determines the size of the rounding error.
    fn product_magnitude(&self) -> f64 {
        self.first.iter().zip(&self.second).map(|(x, y)| (x * y).abs()).sum()
    }

    /// Returns the two means, the two sums of squared deviations, and the sum of products of deviations.
    fn pair_moments(&self) -> (f64, f64, f64, f64, f64) {
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let (a, b) = (mean(&self.first), mean(&self.second));
        let product_sum =
            |f: &dyn Fn(f64, f64) -> f64| self.first.iter().zip(&self.second).map(|(x, y)| f(x - a, y - b)).sum();
        let (aa, bb) = (product_sum(&|x, _| x * x), product_sum(&|_, y| y * y));
        mark_if_only_rounding_errors(aa, &self.first);
        mark_if_only_rounding_errors(bb, &self.second);
        (a, b, aa, bb, product_sum(&|x, y| x * y))
    }

    fn covariance(&self, short: usize) -> Value {
        if self.count() <= short {
            return Value::Null;
        }
        let count = (self.count() - short) as f64;
        Value::Number(add_noise(
            uncertainty::check_size(self.pair_moments().4 / count),
            self.product_magnitude() / count,
        ))
    }

    fn correlation(&self) -> Value {
        let (_, _, aa, bb, ab) = self.pair_moments();
        if self.count() < 2 || aa == 0.0 || bb == 0.0 {
            Value::Null
        } else {
            let root = (aa * bb).sqrt();
            Value::Number(add_noise(ab / root, self.product_magnitude() / root))
        }
    }

    /// Returns the slope and the intercept of a linear regression of the first values on the second values.
    fn regression_line(&self) -> Option<(f64, f64)> {
        let (y, x, _, xx, xy) = self.pair_moments();
        (self.count() >= 2 && xx != 0.0).then(|| {
            let (slope, lost) = (xy / xx, self.product_magnitude() / xx);
            (
                add_noise(slope, lost),
                add_noise(y - slope * x, y.abs() + lost * x.abs()),
            )
        })
    }
}

/// Returns, for each row, whether the row meets all criteria. The arguments starting at index `from` are pairs of a
/// range and a criterion.
fn rows_meeting_criteria(rows: &[Vec<Value>], from: usize) -> Vec<bool> {
    let mut met = vec![true; rows.len()];
    for range_index in (from..rows.first().map_or(0, Vec::len)).step_by(2) {
        let is_condition = rows
            .iter()
            .any(|row| !matches!(argument_value(row, range_index), Value::Bool(_) | Value::Null));
        for (met, row) in met.iter_mut().zip(rows) {
            *met &= is_criterion_met(
                argument_value(row, range_index),
                argument_value(row, range_index + 1),
                is_condition,
            );
        }
    }
    met
}

/// Evaluates `COUNTIF(condition)` and `COUNTIF(range, criterion)`.
fn count_if(rows: &[Vec<Value>]) -> usize {
    match rows.first().map(Vec::len) {
        Some(1) => rows
            .iter()
            .filter(|row| argument_value(row, 0).as_condition() == Some(true))
            .count(),
        _ => rows_meeting_criteria(rows, 0).into_iter().filter(|met| *met).count(),
    }
}

fn non_null_values(values: impl Iterator<Item = Value>) -> Vec<Value> {
    values.filter(|value| !value.is_null()).collect()
}

/// Returns the values that `SUMIF(condition, value)`, `SUMIF(range, criterion)` or `SUMIF(range, criterion, value)`
/// selects.
fn values_selected_by_sumif(rows: &[Vec<Value>]) -> Vec<Value> {
    let is_condition = rows.iter().any(|row| matches!(row.as_slice(), [Value::Bool(_), _]));
    let met = match rows.first().map(Vec::len) {
        Some(3) => rows_meeting_criteria(
            &rows
                .iter()
                .map(|row| row.iter().take(2).cloned().collect())
                .collect::<Vec<_>>(),
            0,
        ),
        _ if is_condition => rows
            .iter()
            .map(|row| argument_value(row, 0).as_condition() == Some(true))
            .collect(),
        _ => rows_meeting_criteria(rows, 0),
    };
    // Without a separate value argument, the values of the range are selected.
    let value = |row: &Vec<Value>| {
        if row.len() == 2 && !is_condition {
            argument_value(row, 0).clone()
        } else {
            row.last().cloned().unwrap_or(Value::Null)
        }
    };
    non_null_values(rows.iter().zip(met).filter(|(_, met)| *met).map(|(row, _)| value(row)))
}

/// Returns the values that `SUMIFS(value, range, criterion, …)` selects.
fn values_selected_by_sumifs(rows: &[Vec<Value>]) -> Vec<Value> {
    non_null_values(
        rows.iter()
            .zip(rows_meeting_criteria(rows, 1))
            .filter(|(_, met)| *met)
            .map(|(row, _)| argument_value(row, 0).clone()),
    )
}

/// Joins strings in sorted order because the rows have no defined order.
fn join_texts(rows: &[Vec<Value>]) -> Value {
    let Some([delimiter, ignore, _]) = rows.first().map(Vec::as_slice) else {
        return Value::Text(String::new());
    };
    let ignored = ignore.as_condition() == Some(true);
    let mut texts: Vec<String> = rows
        .iter()
        .map(|row| argument_value(row, 2).text())
        .filter(|t| !ignored || !t.is_empty())
        .collect();
    texts.sort();
    Value::Text(texts.join(&delimiter.text()))
}

/// Returns the mean of the values without the smallest and largest values. At each end, `share / 2` of the values are
/// removed, rounded down.
fn trimmed_mean(mut values: Vec<Value>, share: f64) -> Value {
    values.sort_by(|a, b| a.compare(b).unwrap_or(std::cmp::Ordering::Equal));
    let left_out = (values.len() as f64 * share / 2.0).floor() as usize;
    let remaining_count = values.len().saturating_sub(2 * left_out);
    average(values.get(left_out..left_out + remaining_count).unwrap_or_default())
}
