//! Windows that read rows of other periods.

use crate::catalog::{self, internal};
use crate::check::{constant_period, date_part, is_recurring};
use crate::ir::{CalendarPeriod, CalendarRangeEnd, FrameBound, Ir, IrId, Program, WindowFrame};

/// Length of a week, in seconds.
const WEEK_SECONDS: i64 = 7 * 86_400;

/// Rows that a window reads in addition to the current row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WindowExtent {
    /// Rows at a distance in the step's order, or all rows from an end of the partition.
    Rows,
    /// Row whose key is at the given distance, in months or seconds, from the current key.
    Offset { distance: i64, is_in_months: bool },
    /// Rows of a calendar range.
    Range {
        /// Periods of the current key that contain the range. `None` if the range may extend beyond every period.
        enclosing_periods: Option<[Option<CalendarPeriod>; 2]>,
        /// Whether an end of the range is the current key or a distance from it.
        moves: bool,
    },
}

impl WindowExtent {
    /// Returns which rows of other periods a node reads. `None` if it reads only the current row or all rows of the
    /// partition.
    pub fn from_node(program: &Program, id: IrId) -> Option<Self> {
        let (call, over) = match program.node(id) {
            Ir::PeriodLookup { period, .. } => {
                let (distance, is_in_months) = program.periods.try_get(period as usize)?.distance();
                return Some(Self::Offset { distance, is_in_months });
            }
            Ir::Window { call, over } => (call, over),
            _ => return None,
        };
        let function = match program.node(call) {
            Ir::Apply { overload, .. } => Some(catalog::overload_owner(overload)),
            _ => None,
        };
        match (program.window_frame(over), function) {
            (_, Some(internal::FIRST_VALUE | internal::LAST_VALUE)) => {
                let Some(period) = program.window_keys(over).first() else {
                    return Some(Self::Rows);
                };
                let period = date_part(program, *period).and_then(|part| constant_period(part.timeframe?));
                Some(Self::Range {
                    enclosing_periods: Some([Some(period?), None]),
                    moves: false,
                })
            }
            (WindowFrame::Ordered, Some(internal::LAG | internal::LEAD)) => Some(Self::Rows),
            (WindowFrame::Rows { from, to }, _) => {
                let is_current = |bound: FrameBound| bound == FrameBound::At(0);
                let reads_all_rows = (from, to) == (FrameBound::First, FrameBound::Last);
                let reads_no_other = is_current(from) && is_current(to);
                (!reads_all_rows && !reads_no_other).then_some(Self::Rows)
            }
            (WindowFrame::Calendar(range), _) => Some(Self::from_range_ends([range.from, range.to])),
            _ => None,
        }
    }

    fn from_range_ends(ends: [CalendarRangeEnd; 2]) -> Self {
        let leaves = |end: &CalendarRangeEnd| match end {
            CalendarRangeEnd::Partition(_) => true,
            CalendarRangeEnd::Moved(count, _) => *count != 0,
            CalendarRangeEnd::Period(..) | CalendarRangeEnd::After => false,
        };
        let period = |end: CalendarRangeEnd| match end {
            CalendarRangeEnd::Period(period, _) => Some(period),
            _ => None,
        };
        Self::Range {
            enclosing_periods: (!ends.iter().any(leaves)).then(|| ends.map(period)),
            moves: ends
                .iter()
                .any(|end| matches!(end, CalendarRangeEnd::Moved(..) | CalendarRangeEnd::After)),
        }
    }

    /// Returns whether all rows that the window reads have the same value of a timeframe as the current row.
    pub fn stays_within_timeframe(self, timeframe: &str, fiscal_month_offset: Option<u8>) -> bool {
        match self {
            Self::Rows => false,
            Self::Offset { distance, is_in_months } if is_recurring(timeframe) => match timeframe {
                "month_name" | "month_num" | "quarter_of_year" => is_in_months && distance % 12 == 0,
                "day_of_week_name" | "day_of_week_num" => !is_in_months && distance % WEEK_SECONDS == 0,
                _ => false,
            },
            Self::Offset { .. } => false,
            Self::Range {
                enclosing_periods: within,
                ..
            } => {
                let Some((within, longer)) = within.zip(constant_period(timeframe)) else {
                    return false;
                };
                let mut periods = within.into_iter().flatten();
                periods.all(|period| period.is_nested_in(longer, fiscal_month_offset))
            }
        }
    }

    /// Returns whether the window counts calendar units from the current key.
    pub fn counts_from_current_key(self) -> bool {
        matches!(self, Self::Offset { .. } | Self::Range { moves: true, .. })
    }
}
