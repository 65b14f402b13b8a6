//! Aggregates over ranges of rows.

use super::StepEvaluation;
use crate::arithmetic::evaluate_aggregate;
use crate::expr::{InterpreterExpr, RangeEndPosition, RangeWindowRows};
use crate::value::{SECONDS_PER_DAY, Value};

impl StepEvaluation<'_> {
    /// Evaluates an aggregate over a range of groups or rows. The ends of the range are relative to the group or row
    /// `unit`.
    pub(super) fn evaluate_range_aggregate(
        &self,
        x: &InterpreterExpr,
        (name, args): (&str, &[InterpreterExpr]),
        rows: RangeWindowRows,
        unit: usize,
        definition_name: Option<&str>,
    ) -> Value {
        let value = |x: &InterpreterExpr, unit: usize| match x {
            InterpreterExpr::Range(operand, _) => self.evaluate(operand, unit, definition_name),
            other => self.evaluate(other, unit, definition_name),
        };
        if let RangeWindowRows::Between(from, to) = rows
            && (from.is_calendar_position() || to.is_calendar_position())
        {
            let seen = self.indices_in_calendar_range(unit, from, to);
            let values = seen.iter().map(|unit| args.iter().map(|x| value(x, *unit)).collect());
            return evaluate_aggregate(x, name, values.collect(), false);
        }
        let (units, index) = self.indices_in_partition(unit);
        let position_of = |end: RangeEndPosition| match end {
            RangeEndPosition::At(n) => index as i64 + n,
            RangeEndPosition::Last => units.len() as i64 - 1,
            _ => 0,
        };
        let (from, to) = match rows {
            RangeWindowRows::All => (
                position_of(RangeEndPosition::First),
                position_of(RangeEndPosition::Last),
            ),
            RangeWindowRows::Between(from, to) => (position_of(from.min(to)), position_of(from.max(to))),
        };
        let seen = units
            .iter()
            .enumerate()
            .filter(|(i, _)| (from..=to).contains(&(*i as i64)));
        let values = seen.map(|(_, unit)| args.iter().map(|x| value(x, *unit)).collect());
        evaluate_aggregate(x, name, values.collect(), false)
    }

    /// Returns the date or time of a group or row in seconds.
    pub(super) fn key_in_seconds(&self, unit: usize) -> Option<i64> {
        match self.date.get(unit) {
            Some(Value::Date(date)) => Some(date * SECONDS_PER_DAY),
            Some(Value::Time(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    /// Returns the indexes of the groups or rows in the partition whose dates are between the ends of a calendar range,
    /// inclusive. Empty if the group or row `unit` has no date. If the second end is always before the first end, the
    /// ends are swapped.
    pub(super) fn indices_in_calendar_range(
        &self,
        unit: usize,
        from: RangeEndPosition,
        to: RangeEndPosition,
    ) -> Vec<usize> {
        let Some(unit_seconds) = self.key_in_seconds(unit) else {
            return Vec::new();
        };
        let units = self.indices_in_partition(unit).0;
        let (date, time) = (
            unit_seconds.div_euclid(SECONDS_PER_DAY),
            unit_seconds.rem_euclid(SECONDS_PER_DAY),
        );
        let key = |end: RangeEndPosition| match end {
            RangeEndPosition::First => {
                if self.descending {
                    i64::MAX
                } else {
                    i64::MIN
                }
            }
            RangeEndPosition::Last => {
                if self.descending {
                    i64::MIN
                } else {
                    i64::MAX
                }
            }
            RangeEndPosition::InPeriod(frame, is_last) => {
                let start = frame.period_start(date);
                match is_last == self.descending {
                    true => start * SECONDS_PER_DAY,
                    false => frame.unit().add_units(start, 1) * SECONDS_PER_DAY - 1,
                }
            }
            RangeEndPosition::Moved(n, calendar_unit) => calendar_unit.add_units(date, n) * SECONDS_PER_DAY + time,
            RangeEndPosition::At(_) => unit_seconds,
        };
        let (first_end, other) = if self.descending { (to, from) } else { (from, to) };
        // The ends are in order if the first end is at or before this row and the second end is at or after it.
        let side = |end: RangeEndPosition| match end {
            RangeEndPosition::At(_) => 0,
            RangeEndPosition::Moved(n, _) => n.signum(),
            RangeEndPosition::First => {
                if self.descending {
                    2
                } else {
                    -2
                }
            }
            RangeEndPosition::Last => {
                if self.descending {
                    -2
                } else {
                    2
                }
            }
            RangeEndPosition::InPeriod(_, is_last) => {
                if is_last == self.descending {
                    -1
                } else {
                    1
                }
            }
        };
        let is_alike = match (first_end, other) {
            (
                RangeEndPosition::Moved(..) | RangeEndPosition::At(_),
                RangeEndPosition::Moved(..) | RangeEndPosition::At(_),
            ) => true,
            (RangeEndPosition::InPeriod(..), RangeEndPosition::InPeriod(..)) => side(first_end) == side(other),
            _ => false,
        };
        let is_swapped = if is_alike {
            key(first_end) > key(other)
        } else {
            side(first_end) > side(other)
        };
        let (low, high) = if is_swapped {
            (key(other), key(first_end))
        } else {
            (key(first_end), key(other))
        };
        let is_within = |unit: &usize| self.key_in_seconds(*unit).is_some_and(|key| low <= key && key <= high);
        units.into_iter().filter(is_within).collect()
    }
}
