//! Calendar settings: the first day of the week and the first month of the fiscal year.

use std::fmt;
use std::str::FromStr;

/// Day of the week.
///
/// ```
/// assert_eq!("Sunday".parse(), Ok(formulac_core::Weekday::Sunday));
/// assert!("sun".parse::<formulac_core::Weekday>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
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
    /// All weekdays, from Monday to Sunday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// Returns the English name of the weekday, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
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
        Self::ALL
            .into_iter()
            .find(|day| day.name().eq_ignore_ascii_case(name))
            .ok_or(UnknownWeekday)
    }
}

/// Error for a string that is not the English name of a weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWeekday;

impl fmt::Display for UnknownWeekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an English name of a weekday")
    }
}

impl std::error::Error for UnknownWeekday {}

/// Calendar settings on which timeframes depend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// First day of the week.
    pub week_start: Weekday,
    /// Number of months from January to the first month of the fiscal year, at most 11. `None` if the offset is not
    /// set.
    pub fiscal_month_offset: Option<u8>,
}

impl Calendar {
    /// Returns the number of days (0 to 6) to add to a date so that the first day of its week becomes a Monday.
    pub fn week_shift_days(self) -> u8 {
        (7 - self.week_start as u8) % 7
    }

    /// Returns the number of months (0 to 2) from the start of a calendar quarter to the start of a fiscal quarter.
    pub fn quarter_shift_months(self) -> u8 {
        self.fiscal_month_offset.unwrap_or_default() % 3
    }
}

/// Parses the number of months from January to the first month of a fiscal year. `None` if the text is not a number
/// from 0 to 11.
pub fn parse_fiscal_month_offset(text: &str) -> Option<u8> {
    text.parse().ok().filter(|months| *months < 12)
}
