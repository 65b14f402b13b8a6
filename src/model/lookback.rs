//! Lookback: how far back an incremental run reads to include late rows. The lookback consists of whole calendar units,
//! so that groups are always complete.

use super::compile::SpecCompilation;
use super::config::config_value;
use super::time_range::CalendarDuration;
use crate::Type;
use crate::diag::{Code, Diagnostic};
use crate::ir::CalendarUnit;
use crate::schema::Column;
use crate::yaml::Node;

impl SpecCompilation<'_> {
    /// Returns the maximum delay of late rows according to the spec, in whole calendar units. The unit is the one to
    /// which the time column is truncated.
    pub(super) fn read_lookback(
        &self,
        time: &Column,
        cut_to: Option<CalendarUnit>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<CalendarDuration> {
        let dbt = &self.spec.dbt;
        let mut refuse = |node: &Node, message: String, help: &str| {
            diagnostics.push(Diagnostic::new(Code::WrongShape, node.span, message).with_help(help));
        };
        let unit = match config_value(dbt, "batch_size").map(|node| (node, node.text().unwrap_or_default())) {
            None => match cut_to {
                Some(CalendarUnit::Second | CalendarUnit::Minute) => CalendarUnit::Hour,
                cut_to => cut_to.unwrap_or(CalendarUnit::Day),
            },
            Some((_, "hour")) if time.ty() != Type::Date => CalendarUnit::Hour,
            Some((_, "hour" | "day")) => CalendarUnit::Day,
            Some((_, "month")) => CalendarUnit::Month,
            Some((_, "year")) => CalendarUnit::Year,
            Some((node, other)) => {
                let message = format!("`batch_size` must be one of dbt's units, found `{other}`");
                refuse(node, message, "write `hour`, `day`, `month` or `year`");
                return None;
            }
        };
        let count = match config_value(dbt, "lookback") {
            None => 1,
            Some(node) => {
                match node
                    .text()
                    .and_then(|text| text.parse::<i64>().ok())
                    .filter(|n| (0..=100_000).contains(n))
                {
                    Some(count) => count,
                    None => {
                        let message = format!("`lookback` must be an integer of 0 or more, found {}", node.kind_name());
                        refuse(
                            node,
                            message,
                            "write a number of units of `batch_size`, for example `lookback: 3`",
                        );
                        return None;
                    }
                }
            }
        };
        let length = CalendarDuration::new(unit, count);
        Some(match cut_to {
            Some(to) => CalendarDuration::new(to, ceil_to_units(length, to)),
            None => length,
        })
    }
}

/// Returns the approximate number of seconds in a calendar unit.
pub(super) fn approximate_unit_seconds(unit: CalendarUnit) -> i64 {
    let (length, months) = unit.unit_length();
    if months { length * 2_592_000 } else { length }
}

/// Returns whether a period of a calendar unit may extend beyond a period of the unit `than`. Also returns `true` if
/// `than` is `None`.
pub(super) fn is_coarser(unit: CalendarUnit, than: Option<CalendarUnit>) -> bool {
    than.is_none_or(|than| !is_nested(unit, than))
}

/// Returns whether each period of a calendar unit is within a single period of the unit `within`. For example, each
/// month is within one year.
pub(super) fn is_nested(unit: CalendarUnit, within: CalendarUnit) -> bool {
    match (unit.unit_length(), within.unit_length()) {
        ((length, true), (other, true)) => other % length == 0,
        ((length, false), (_, true)) => length <= 86_400,
        ((length, false), (other, false)) => other % length == 0,
        _ => false,
    }
}

/// Returns the number of whole calendar units that cover a length of time.
fn ceil_to_units(length: CalendarDuration, unit: CalendarUnit) -> i64 {
    let up = |a: i64, b: i64| a.saturating_add(b - 1).div_euclid(b);
    let (each, months) = unit.unit_length();
    if months {
        // A month has at least 28 days, so a division by 28 never results in too few months.
        return up(
            length.months + up(length.days, 28) + up(length.seconds, 28 * 86_400),
            each,
        );
    }
    let days = length.months.saturating_mul(31).saturating_add(length.days);
    up(days.saturating_mul(86_400).saturating_add(length.seconds), each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_whole_units() {
        assert_eq!(
            ceil_to_units(CalendarDuration::new(CalendarUnit::Day, 3), CalendarUnit::Month),
            1
        );
        assert_eq!(
            ceil_to_units(CalendarDuration::new(CalendarUnit::Day, 29), CalendarUnit::Month),
            2
        );
        assert_eq!(
            ceil_to_units(CalendarDuration::new(CalendarUnit::Month, 1), CalendarUnit::Quarter),
            1
        );
        assert_eq!(
            ceil_to_units(CalendarDuration::new(CalendarUnit::Month, 2), CalendarUnit::Week),
            9
        );
        assert_eq!(
            ceil_to_units(CalendarDuration::new(CalendarUnit::Day, 2), CalendarUnit::Hour),
            48
        );
        assert_eq!(
            ceil_to_units(CalendarDuration::new(CalendarUnit::Hour, 25), CalendarUnit::Day),
            2
        );
        assert_eq!(ceil_to_units(CalendarDuration::default(), CalendarUnit::Month), 0);
    }

    #[test]
    fn weeks_nest_in_no_longer_unit() {
        assert!(
            is_nested(CalendarUnit::Day, CalendarUnit::Month)
                && is_nested(CalendarUnit::Month, CalendarUnit::Quarter)
                && is_nested(CalendarUnit::Hour, CalendarUnit::Day)
        );
        assert!(
            is_nested(CalendarUnit::Day, CalendarUnit::Week) && is_nested(CalendarUnit::Month, CalendarUnit::Month)
        );
        assert!(
            !is_nested(CalendarUnit::Week, CalendarUnit::Month)
                && !is_nested(CalendarUnit::Month, CalendarUnit::Week)
                && !is_nested(CalendarUnit::Month, CalendarUnit::Day)
        );
    }
}
