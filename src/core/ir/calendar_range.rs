//! Calendar ranges: the rows of a partition whose key lies between two ends, such as the year to date.

use super::{CalendarUnit, FrameBound};

/// Calendar period that contains a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalendarPeriod {
    Day,
    Week,
    Month,
    Quarter,
    FiscalQuarter,
    Year,
    FiscalYear,
}

impl CalendarPeriod {
    pub const ALL: [Self; 7] = [
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::FiscalQuarter,
        Self::Year,
        Self::FiscalYear,
    ];

    /// Names of all periods.
    pub const NAMES: [&'static str; 7] = {
        let mut names = [""; 7];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].name();
            index += 1;
        }
        names
    };

    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::FiscalQuarter => "fiscal_quarter",
            Self::Year => "year",
            Self::FiscalYear => "fiscal_year",
        }
    }

    /// Returns the period with the given name, ignoring case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|period| period.name().eq_ignore_ascii_case(name))
    }

    /// Returns whether all days of this period are in the same longer period. A week may be in two months or years.
    pub fn is_nested_in(self, longer: Self, fiscal_month_offset: Option<u8>) -> bool {
        // If the offset is a multiple of 3 months, fiscal quarters are calendar quarters.
        let has_calendar_quarters = fiscal_month_offset.is_some_and(|months| months % 3 == 0);
        match (self, longer) {
            (Self::Day, _) | (Self::Quarter, Self::Year) | (Self::FiscalQuarter, Self::FiscalYear) => true,
            (Self::Month, longer) => !matches!(longer, Self::Day | Self::Week),
            (Self::Quarter, Self::FiscalQuarter | Self::FiscalYear)
            | (Self::FiscalQuarter, Self::Quarter | Self::Year) => has_calendar_quarters,
            (Self::Year, Self::FiscalYear) | (Self::FiscalYear, Self::Year) => fiscal_month_offset == Some(0),
            (period, other) => period == other,
        }
    }

    /// Returns the unit with the length of this period.
    pub fn unit(self) -> CalendarUnit {
        match self {
            Self::Day => CalendarUnit::Day,
            Self::Week => CalendarUnit::Week,
            Self::Month => CalendarUnit::Month,
            Self::Quarter | Self::FiscalQuarter => CalendarUnit::Quarter,
            Self::Year | Self::FiscalYear => CalendarUnit::Year,
        }
    }

    /// Returns whether every instance of this period is within a single instance of the other period, regardless of the
    /// month in which fiscal years begin.
    fn is_within(self, other: Self) -> bool {
        match (self, other) {
            (Self::Day, _) | (Self::Quarter, Self::Year) | (Self::FiscalQuarter, Self::FiscalYear) => true,
            (Self::Month, _) => other > Self::Week,
            _ => self == other,
        }
    }
}

/// End of a calendar range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarRangeEnd {
    /// First or last row of the partition.
    Partition(FrameBound),
    /// First or last row of the period that contains the current row.
    Period(CalendarPeriod, PeriodBoundary),
    /// Key of the current row, shifted by a number of units. The number may be 0.
    Moved(i64, CalendarUnit),
    /// First value after the key of the current row, where the later part of a split range begins.
    After,
}

/// Side of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodBoundary {
    Start,
    End,
}

impl CalendarRangeEnd {
    /// Key of the current row.
    pub const CURRENT_ROW: Self = Self::Moved(0, CalendarUnit::Day);

    /// Returns this end for rows that are sorted in the opposite direction.
    fn reversed(self) -> Self {
        match self {
            Self::Partition(FrameBound::First) => Self::Partition(FrameBound::Last),
            Self::Partition(FrameBound::Last) => Self::Partition(FrameBound::First),
            Self::Period(period, PeriodBoundary::Start) => Self::Period(period, PeriodBoundary::End),
            Self::Period(period, PeriodBoundary::End) => Self::Period(period, PeriodBoundary::Start),
            other => other,
        }
    }

    /// Returns whether, in every calendar, this end is never before the other end and may be after it.
    fn is_after(self, other: Self) -> bool {
        use PeriodBoundary::{End, Start};
        match (self, other) {
            (Self::Partition(a), Self::Partition(b)) => a > b,
            // A shifted key may be before the first or after the last row, so the direction of the shift matters.
            (Self::Partition(bound), Self::Moved(count, _)) => bound == FrameBound::Last && count <= 0,
            (Self::Moved(count, _), Self::Partition(bound)) => bound == FrameBound::First && count >= 0,
            (Self::Partition(bound), _) => bound == FrameBound::Last,
            (_, Self::Partition(bound)) => bound == FrameBound::First,
            (Self::Period(_, End), Self::Period(_, Start)) => true,
            (Self::Period(a, Start), Self::Period(b, Start)) => a != b && a.is_within(b),
            (Self::Period(a, End), Self::Period(b, End)) => a != b && b.is_within(a),
            (Self::Period(_, side), Self::Moved(count, _)) => side == End && count <= 0,
            (Self::Moved(count, _), Self::Period(_, side)) => side == Start && count >= 0,
            (Self::Moved(a, unit_a), Self::Moved(b, unit_b)) => {
                min_shift_distance(a, unit_a, unit_b) > max_shift_distance(b, unit_b, unit_a)
            }
            _ => false,
        }
    }
}

/// Returns the smallest change that a shift by `count` units makes to a time. The result is in months if `unit` and
/// `other` are a number of months, otherwise in seconds. Negative for backward shifts.
fn min_shift_distance(count: i64, unit: CalendarUnit, other: CalendarUnit) -> i64 {
    shift_distance(count, unit, other, if count < 0 { 31 } else { 28 })
}

fn max_shift_distance(count: i64, unit: CalendarUnit, other: CalendarUnit) -> i64 {
    shift_distance(count, unit, other, if count < 0 { 28 } else { 31 })
}

fn shift_distance(count: i64, unit: CalendarUnit, other: CalendarUnit, days_of_month: i64) -> i64 {
    let (length, months) = unit.unit_length();
    let length = count.saturating_mul(length);
    match months && !(other.unit_length().1) {
        true => length.saturating_mul(days_of_month * 86_400),
        false => length,
    }
}

/// Calendar range, from its earlier to its later end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarRange {
    pub from: CalendarRangeEnd,
    pub to: CalendarRangeEnd,
}

/// Window frame of a calendar range. The rows are partitioned by `period`, unless it is `None`, and sorted by `order`
/// in ascending order. Rows with equal values of `order` have the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeFrame {
    pub period: Option<CalendarPeriod>,
    pub order: FrameOrder,
    pub from: RangeBound,
    pub to: RangeBound,
}

/// Value by which the rows of a frame are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameOrder {
    /// The frame contains all rows of the partition.
    Nothing,
    Key,
    StartOf(CalendarPeriod),
}

/// Bound of a [`RangeFrame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeBound {
    Unbounded,
    /// Value of the current row, shifted by a number of units.
    Moved(i64, CalendarUnit),
    /// First value after the value of the current row.
    After,
}

impl RangeBound {
    const CURRENT_ROW: Self = Self::Moved(0, CalendarUnit::Day);

    /// Returns the bound for an end without a period.
    fn from_calendar_end(end: CalendarRangeEnd) -> Option<Self> {
        match end {
            CalendarRangeEnd::Partition(_) => Some(Self::Unbounded),
            CalendarRangeEnd::Moved(count, unit) => Some(Self::Moved(count, unit)),
            CalendarRangeEnd::After => Some(Self::After),
            CalendarRangeEnd::Period(..) => None,
        }
    }

    /// Returns the distance from the current row, or `None` if the distance is 0.
    pub fn distance(self) -> Option<(i64, CalendarUnit)> {
        match self {
            Self::Moved(count, unit) if count != 0 => Some((count, unit)),
            _ => None,
        }
    }
}

impl CalendarRange {
    /// Builds a range from its ends in the order of the formula. If the order of the ends is certain, the range begins
    /// at the earlier end. `descending` is `true` if the rows are sorted from latest to earliest.
    pub fn new(first: CalendarRangeEnd, last: CalendarRangeEnd, descending: bool) -> Self {
        let (from, to) = if descending {
            (last.reversed(), first.reversed())
        } else {
            (first, last)
        };
        match from.is_after(to) {
            true => Self { from: to, to: from },
            false => Self { from, to },
        }
    }

    /// Returns whether the range contains the current row whenever the row has a key.
    pub fn includes_current_row(self) -> bool {
        let calendar_end = CalendarRangeEnd::CURRENT_ROW;
        let starts = self.from == calendar_end || calendar_end.is_after(self.from);
        let is_here = |end: CalendarRangeEnd| matches!(end, CalendarRangeEnd::Moved(0, _));
        (starts || is_here(self.from)) && (is_here(self.to) || self.to.is_after(calendar_end))
    }

    /// Returns whether the window frame sorts the rows. If so, the window's last additional partition key is the sort
    /// key.
    pub fn is_sorted(self) -> bool {
        self.frame().is_some_and(|frame| frame.order != FrameOrder::Nothing)
    }

    /// Returns two ranges that meet at the current row, have window frames, and together contain each row of this range
    /// exactly once. `None` if there are no such ranges.
    pub fn split_at_current_row(self) -> Option<[Self; 2]> {
        use CalendarRangeEnd::{Moved, Period};
        use PeriodBoundary::{End, Start};
        let includes_here = match (self.from, self.to) {
            (Moved(count, _), Period(_, End)) => count < 0,
            (Period(_, Start), Moved(count, _)) => count > 0,
            (Period(_, Start), Period(_, End)) => true,
            _ => false,
        };
        let up_to_here = Self {
            to: CalendarRangeEnd::CURRENT_ROW,
            ..self
        };
        let later = Self {
            from: CalendarRangeEnd::After,
            ..self
        };
        let parts = [up_to_here, later];
        (includes_here && parts.iter().all(|part| part.frame().is_some())).then_some(parts)
    }

    /// Returns whether the range has a window frame if its ends are swapped.
    pub fn has_frame_if_swapped(self) -> bool {
        let exchanged = Self {
            from: self.to,
            to: self.from,
        };
        exchanged.frame().is_some()
    }

    /// Returns the window frame with the rows of the range. `None` if no window frame contains exactly these rows: the
    /// range reaches beyond the period in which it begins or ends, or its ends cross in some rows.
    pub fn frame(self) -> Option<RangeFrame> {
        use CalendarRangeEnd::{After, Moved, Partition, Period};
        use PeriodBoundary::{End, Start};
        use RangeBound::Unbounded;
        if self.from == Partition(FrameBound::Last) || self.to == Partition(FrameBound::First) {
            return None;
        }
        let range_bound = RangeBound::CURRENT_ROW;
        let (period, order, from, to) = match (self.from, self.to) {
            (Period(from, Start), Period(to, End)) => match (from.is_within(to), to.is_within(from)) {
                (true, true) => (Some(from), FrameOrder::Nothing, Unbounded, Unbounded),
                (true, false) => (Some(to), FrameOrder::StartOf(from), range_bound, Unbounded),
                (false, true) => (Some(from), FrameOrder::StartOf(to), Unbounded, range_bound),
                (false, false) => return None,
            },
            (Period(from, Start), Moved(count, unit)) if count <= 0 => {
                (Some(from), FrameOrder::Key, Unbounded, RangeBound::Moved(count, unit))
            }
            (Moved(count, unit), Period(to, End)) if count >= 0 => {
                (Some(to), FrameOrder::Key, RangeBound::Moved(count, unit), Unbounded)
            }
            (After, Period(to, End)) => (Some(to), FrameOrder::Key, RangeBound::After, Unbounded),
            (Period(from, Start), Partition(_)) => (None, FrameOrder::StartOf(from), range_bound, Unbounded),
            (Partition(_), Period(to, End)) => (None, FrameOrder::StartOf(to), Unbounded, range_bound),
            (from, to) => (
                None,
                FrameOrder::Key,
                RangeBound::from_calendar_end(from)?,
                RangeBound::from_calendar_end(to)?,
            ),
        };
        Some(RangeFrame {
            period,
            order,
            from,
            to,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: CalendarRangeEnd = CalendarRangeEnd::Period(CalendarPeriod::Year, PeriodBoundary::Start);
    const BACK: CalendarRangeEnd = CalendarRangeEnd::Moved(-2, CalendarUnit::Month);

    #[test]
    fn ends_are_sorted() {
        let range = CalendarRange {
            from: BACK,
            to: CalendarRangeEnd::CURRENT_ROW,
        };
        assert_eq!(CalendarRange::new(BACK, CalendarRangeEnd::CURRENT_ROW, false), range);
        assert_eq!(CalendarRange::new(CalendarRangeEnd::CURRENT_ROW, BACK, false), range);
        assert_eq!(CalendarRange::new(CalendarRangeEnd::CURRENT_ROW, BACK, true), range);
        // The range extends from the first row of the year, which is the latest row, to the row from two months ago.
        let to_end = CalendarRange::new(YEAR, BACK, true);
        assert_eq!(
            to_end.to,
            CalendarRangeEnd::Period(CalendarPeriod::Year, PeriodBoundary::End)
        );
        assert!(to_end.includes_current_row() && range.includes_current_row());
        // The order of these ends depends on the row.
        assert_eq!(
            CalendarRange::new(YEAR, BACK, false),
            CalendarRange { from: YEAR, to: BACK }
        );
        assert!(!CalendarRange { from: YEAR, to: BACK }.includes_current_row());
    }

    #[test]
    fn ranges_beyond_a_period_have_no_frame() {
        let end = CalendarRangeEnd::Period(CalendarPeriod::Year, PeriodBoundary::End);
        assert_eq!(CalendarRange::new(BACK, end, false).frame(), None);
        let week = CalendarRangeEnd::Period(CalendarPeriod::Week, PeriodBoundary::Start);
        assert_eq!(CalendarRange::new(week, end, false).frame(), None);
        for (from, to) in [(BACK, end), (week, end)] {
            let parts = CalendarRange::new(from, to, false).split_at_current_row();
            let [first, last] = parts.unwrap();
            assert_eq!(
                (first.from, first.to, last.to),
                (from, CalendarRangeEnd::CURRENT_ROW, to)
            );
        }
        // Which of these ends is earlier depends on the row.
        assert_eq!(CalendarRange::new(BACK, YEAR, false).split_at_current_row(), None);
        let frame = CalendarRange::new(YEAR, CalendarRangeEnd::CURRENT_ROW, false).frame();
        assert_eq!(frame.and_then(|frame| frame.period), Some(CalendarPeriod::Year));
    }
}
