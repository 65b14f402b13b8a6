//! Functions that read other rows of a partition.

use super::StepEvaluation;
use crate::expr::{InterpreterExpr, RangeEndPosition, Window};
use crate::trace;
use crate::value::{DAY, Value};
use std::cmp::Ordering;

impl StepEvaluation<'_> {
    pub(super) fn evaluate_window(&self, window: &Window, unit: usize, own: Option<&str>) -> Value {
        match window {
            Window::Offset(x, n) => {
                let (units, index) = self.partition_units(unit);
                let target = index as i64 + n;
                match usize::try_from(target).ok().and_then(|t| units.get(t)) {
                    Some(other) => self.evaluate(x, *other, own),
                    None => Value::Null,
                }
            }
            Window::First(x) => self
                .partition_units(unit)
                .0
                .first()
                .map_or(Value::Null, |first| self.evaluate(x, *first, own)),
            Window::Last(x) => self
                .partition_units(unit)
                .0
                .last()
                .map_or(Value::Null, |last| self.evaluate(x, *last, own)),
            Window::InPeriod(x, frame, is_last) => {
                let end = RangeEndPosition::InPeriod(*frame, *is_last);
                let other = RangeEndPosition::InPeriod(*frame, !*is_last);
                let units = self.units_by_calendar(unit, other, end);
                let found = if *is_last { units.last() } else { units.first() };
                found.map_or(Value::Null, |found| self.evaluate(x, *found, own))
            }
            Window::Row => Value::Int(self.partition_units(unit).1 as i64 + 1),
            Window::Rank(_, x, descending) => {
                let (value, others) = self.partition_values(x, unit, own);
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
                let (value, others) = self.partition_values(x, unit, own);
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
                let wanted = match self.date.get(unit) {
                    Some(Value::Date(date)) => Value::Date(unit_of_time.add_units(*date, *n)),
                    Some(Value::Time(seconds)) => {
                        let date = unit_of_time.add_units(seconds.div_euclid(DAY), *n);
                        Value::Time(date * DAY + seconds.rem_euclid(DAY))
                    }
                    _ => return Value::Null,
                };
                let is = |other: &usize| {
                    self.date.get(*other) == Some(&wanted)
                        && self.other_key_values.get(*other) == self.other_key_values.get(unit)
                };
                // The result is NULL if no unit or several units match.
                match (0..self.units.len()).filter(is).collect::<Vec<usize>>().as_slice() {
                    [one] => self.evaluate(x, *one, own),
                    _ => {
                        let is_earlier = |other: &usize| {
                            let (there, here) = (self.date.get(*other), self.date.get(unit));
                            let is_before = there
                                .zip(here)
                                .is_some_and(|(a, b)| a.compare(b) == Some(Ordering::Less));
                            is_before && self.other_key_values.get(*other) == self.other_key_values.get(unit)
                        };
                        if trace::is_recording() && (0..self.units.len()).any(|other| is_earlier(&other)) {
                            trace::record_event(|| window.to_string(), "finds no row, although an earlier row exists");
                        }
                        Value::Null
                    }
                }
            }
        }
    }

    /// Returns an expression's value for a unit, and all its non-NULL values in the unit's partition.
    pub(super) fn partition_values(&self, x: &InterpreterExpr, unit: usize, own: Option<&str>) -> (Value, Vec<Value>) {
        let same = (0..self.units.len()).filter(|u| self.own_partition.get(*u) == self.own_partition.get(unit));
        let values = same
            .map(|u| self.evaluate(x, u, own))
            .filter(|v| !v.is_null())
            .collect();
        (self.evaluate(x, unit, own), values)
    }
}
