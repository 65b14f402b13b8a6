//! Functions that read other rows of a partition.

use super::StepEvaluation;
use crate::expr::{InterpreterExpr, RangeEndPosition, Window};
use crate::trace;
use crate::value::{SECONDS_PER_DAY, Value};
use std::cmp::Ordering;

impl StepEvaluation<'_> {
    pub(super) fn evaluate_window(&self, window: &Window, unit: usize, definition_name: Option<&str>) -> Value {
        match window {
            Window::Offset(x, n) => {
                let (units, index) = self.indices_in_partition(unit);
                let target = index as i64 + n;
                match usize::try_from(target).ok().and_then(|t| units.get(t)) {
                    Some(other) => self.evaluate(x, *other, definition_name),
                    None => Value::Null,
                }
            }
            Window::First(x) => self
                .indices_in_partition(unit)
                .0
                .first()
                .map_or(Value::Null, |first| self.evaluate(x, *first, definition_name)),
            Window::Last(x) => self
                .indices_in_partition(unit)
                .0
                .last()
                .map_or(Value::Null, |last| self.evaluate(x, *last, definition_name)),
            Window::InPeriod(x, frame, is_last) => {
                let end = RangeEndPosition::InPeriod(*frame, *is_last);
                let other = RangeEndPosition::InPeriod(*frame, !*is_last);
                let units = self.indices_in_calendar_range(unit, other, end);
                let bound_unit = if *is_last { units.last() } else { units.first() };
                bound_unit.map_or(Value::Null, |end_unit| self.evaluate(x, *end_unit, definition_name))
            }
            Window::Row => Value::Int(self.indices_in_partition(unit).1 as i64 + 1),
            Window::Rank(_, x, descending) => {
                let (value, others) = self.partition_values(x, unit, definition_name);
                let before = if *descending { Ordering::Greater } else { Ordering::Less };
                let ahead = others
                    .iter()
                    .filter(|other| other.compare(&value) == Some(before))
                    .count();
                if value.is_null() {
                    Value::Null
                } else {
                    Value::Int(ahead as i64 + 1)
                }
            }
            Window::PercentRank(x) => {
                let (value, others) = self.partition_values(x, unit, definition_name);
                let smaller = others
                    .iter()
                    .filter(|other| other.compare(&value) == Some(Ordering::Less))
                    .count();
                match others.len() {
                    _ if value.is_null() => Value::Null,
                    0 | 1 => Value::Number(0.0),
                    count => Value::Number(smaller as f64 / (count - 1) as f64),
                }
            }
            Window::Period(x, n, unit_of_time) => {
                let target_date = match self.date.get(unit) {
                    Some(Value::Date(date)) => Value::Date(unit_of_time.add_units(*date, *n)),
                    Some(Value::Time(seconds)) => {
                        let date = unit_of_time.add_units(seconds.div_euclid(SECONDS_PER_DAY), *n);
                        Value::Time(date * SECONDS_PER_DAY + seconds.rem_euclid(SECONDS_PER_DAY))
                    }
                    _ => return Value::Null,
                };
                let is = |other: &usize| {
                    self.date.get(*other) == Some(&target_date)
                        && self.other_key_values.get(*other) == self.other_key_values.get(unit)
                };
                // The result is NULL unless exactly one group or row matches.
                match (0..self.units.len()).filter(is).collect::<Vec<usize>>().as_slice() {
                    [matching_unit] => self.evaluate(x, *matching_unit, definition_name),
                    _ => {
                        let is_earlier = |other: &usize| {
                            let (other_date, unit_date) = (self.date.get(*other), self.date.get(unit));
                            let is_before = other_date
                                .zip(unit_date)
                                .is_some_and(|(a, b)| a.compare(b) == Some(Ordering::Less));
                            is_before && self.other_key_values.get(*other) == self.other_key_values.get(unit)
                        };
                        if trace::is_recording_coverage() && (0..self.units.len()).any(|other| is_earlier(&other)) {
                            trace::record_outcome(
                                || window.to_string(),
                                "finds no row, although an earlier row exists",
                            );
                        }
                        Value::Null
                    }
                }
            }
        }
    }

    /// Returns an expression's value for a group or row, and all non-NULL values of the expression in the same
    /// partition.
    pub(super) fn partition_values(
        &self,
        x: &InterpreterExpr,
        unit: usize,
        definition_name: Option<&str>,
    ) -> (Value, Vec<Value>) {
        let partition = (0..self.units.len()).filter(|u| self.own_partition.get(*u) == self.own_partition.get(unit));
        let values = partition
            .map(|u| self.evaluate(x, u, definition_name))
            .filter(|v| !v.is_null())
            .collect();
        (self.evaluate(x, unit, definition_name), values)
    }
}
