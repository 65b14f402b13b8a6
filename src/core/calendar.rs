//! When weeks and fiscal years begin.

use std::fmt;
use std::str::FromStr;

/// A day of the week.
///
/// ```
/// assert_eq!("Sunday".parse(), Ok(formulac_core::Weekday::Sunday));
/// assert!("sun".parse::<formulac_core::Weekday>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Weekday {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// Its English name, in small letters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

impl FromStr for Weekday {
    type Err = UnknownWeekday;

    fn from_str(name: &str) -> Result<Self, UnknownWeekday> {
        Self::ALL.into_iter().find(|day| day.name().eq_ignore_ascii_case(name)).ok_or(UnknownWeekday)
    }
}

/// The text is no English name of a day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWeekday;

impl fmt::Display for UnknownWeekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no English name of a day of the week")
    }
}

impl std::error::Error for UnknownWeekday {}

/// What timeframes count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// The first day of the week.
    pub week_start: Weekday,
    /// Months from January to the first month of the fiscal year, at most 11. `None` if nothing sets it.
    pub fiscal_month_offset: Option<u8>,
}

impl Calendar {
    /// The days that a date is moved by so that weeks begin on Mondays: none, or 1 to 6.
    pub fn week_shift(self) -> u8 {
        (7 - self.week_start as u8) % 7
    }

    /// The months that fiscal quarters begin after those of the calendar: none, or 1 or 2.
    pub fn quarter_shift(self) -> u8 {
        self.fiscal_month_offset.unwrap_or_default() % 3
    }
}

/// The months from January to the first month of a fiscal year, as they are written.
pub fn months(text: &str) -> Option<u8> {
    text.parse().ok().filter(|months| *months < 12)
}
