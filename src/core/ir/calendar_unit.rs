//! Calendar units and offsets.

use std::fmt::Display;

use formulac_syntax::text::format_count;

use super::PoolRange;

/// Calendar offset, which is a number of calendar units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalendarOffset {
    /// Number of units. The number is never 0 and never exceeds the length of the calendar.
    pub count: i64,
    pub unit: CalendarUnit,
    /// Arguments after the time in calls to the catalogue entries `earlier` and `later`: the number of units, the unit,
    /// and a string with both.
    pub words: PoolRange,
}

/// Calendar unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalendarUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl CalendarUnit {
    pub const ALL: [Self; 8] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Formats a number of units, such as `1 month` or `3 months`.
    pub fn format_count<N: Display + PartialEq + From<bool>>(self, count: N) -> String {
        format_count(count, self.name(), &format!("{}s", self.name()))
    }

    /// Returns whether the unit is shorter than a day. Such a unit can shift times but not dates.
    pub fn is_shorter_than_day(self) -> bool {
        matches!(self, Self::Second | Self::Minute | Self::Hour)
    }

    /// Returns the unit's length in seconds, or in months if its number of seconds varies. The flag is `true` for
    /// months.
    pub fn unit_length(self) -> (i64, bool) {
        match self {
            Self::Second => (1, false),
            Self::Minute => (60, false),
            Self::Hour => (3_600, false),
            Self::Day => (86_400, false),
            Self::Week => (604_800, false),
            Self::Month => (1, true),
            Self::Quarter => (3, true),
            Self::Year => (12, true),
        }
    }
}

impl CalendarOffset {
    /// Returns the offset in seconds or in months, so that one quarter and three months are equal.
    pub fn distance(self) -> (i64, bool) {
        let (length, months) = self.unit.unit_length();
        (self.count.saturating_mul(length), months)
    }
}
