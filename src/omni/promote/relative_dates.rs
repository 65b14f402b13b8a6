//! Dates in Omni's filters: fixed dates, and dates relative to today.
//!
//! `7 complete days ago` is the start of the day seven days ago, so a week that begins then ends yesterday. `7 days
//! ago` includes the current day, so it is the start of the day six days ago. For longer units, such as months, the
//! result is the first day of the unit.

use formulac_core::check::is_iso_date;

use super::term::FormulaTerm;
use crate::Type;

/// Unit of time in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RelativeUnit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl RelativeUnit {
    fn read(word: &str) -> Option<Self> {
        Some(match word.strip_suffix('s').unwrap_or(word) {
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// Converts `count` units to a number of months and a number of days.
    fn to_months_and_days(self, count: i64) -> (i64, i64) {
        match self {
            Self::Day => (0, count),
            Self::Week => (0, count * 7),
            Self::Month => (count, 0),
            Self::Quarter => (count * 3, 0),
            Self::Year => (count * 12, 0),
        }
    }

    fn timeframe(self) -> Option<&'static str> {
        match self {
            Self::Day => None,
            Self::Week => Some("week"),
            Self::Month => Some("month"),
            Self::Quarter => Some("quarter"),
            Self::Year => Some("year"),
        }
    }
}

/// Date from which an offset is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateAnchor {
    /// First day of the current unit, such as the current month.
    Today(RelativeUnit),
    Day(i64, i64, i64),
}

/// Start of a day, relative to today or to a fixed date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayStart {
    base: DateAnchor,
    months: i64,
    days: i64,
}

/// Range of days that includes `from` but not `to`.
pub(super) struct RelativePeriod {
    pub from: DayStart,
    pub to: DayStart,
}

/// Maximum count in a relative date. Larger counts, which would exceed any calendar, are rejected so that sums cannot
/// overflow.
const MAX_COUNT: i64 = 1_000_000;

impl DayStart {
    /// Parses a date such as `2024-06-01`, `today`, `7 complete days ago` or `last month`.
    ///
    /// # Errors
    ///
    /// Returns an error message that names the unsupported part.
    pub fn read(text: &str) -> Result<Self, String> {
        Ok(RelativePeriod::read(text)?.from)
    }

    /// Returns whether the date is a number of units before or after today.
    pub fn is_counted_from_today(self) -> bool {
        matches!(self.base, DateAnchor::Today(_)) && (self.months, self.days) != (0, 0)
    }

    /// Returns the date that is later by a duration, such as `30 days` or `1 year`.
    pub fn add_length(self, length: &str) -> Result<Self, String> {
        let words: Vec<String> = lowercase_words(length);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "complete")
            .collect();
        let [count, unit] = words.as_slice() else {
            return Err(format!("`{length}` is not a length of time"));
        };
        let (count, unit) = parse_count(count, unit).ok_or_else(|| missing_unit_message(length))?;
        let (months, days) = unit.to_months_and_days(count);
        Ok(Self {
            months: self.months + months,
            days: self.days + days,
            ..self
        })
    }

    /// Returns the formula that computes the moment.
    pub fn to_term(self) -> FormulaTerm {
        let (base, months) = match self.base {
            DateAnchor::Day(year, month, day) => {
                let args = [year, month, day].map(FormulaTerm::integer);
                (FormulaTerm::call("DATE", &args), self.months)
            }
            DateAnchor::Today(unit) => {
                let today = FormulaTerm::call("TODAY", &[]);
                (
                    unit.timeframe().map_or(today.clone(), |frame| today.timeframe(frame)),
                    self.months,
                )
            }
        };
        let base = if months == 0 {
            base
        } else {
            FormulaTerm::call("EDATE", &[base, FormulaTerm::integer(months)])
        };
        let moved = match self.days {
            0 => base,
            days if days < 0 => FormulaTerm::binary(base, "-", &FormulaTerm::integer(-days)),
            days => FormulaTerm::binary(base, "+", &FormulaTerm::integer(days)),
        };
        moved.with_type(Some(Type::Date)).with_never_null(true)
    }
}

impl RelativePeriod {
    /// Parses a day, month or other period, specified as a date or as words such as `last month`.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Some((base, unit)) = parse_absolute_date(text) {
            return Ok(Self::new(
                DayStart {
                    base,
                    months: 0,
                    days: 0,
                },
                unit,
            ));
        }
        let words = lowercase_words(text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (unit, back) = match words.as_slice() {
            ["today"] => (RelativeUnit::Day, 0),
            ["yesterday"] => (RelativeUnit::Day, 1),
            ["tomorrow"] => (RelativeUnit::Day, -1),
            ["this" | "current", unit] => (RelativeUnit::read(unit).ok_or_else(|| missing_unit_message(text))?, 0),
            ["last", unit] => (RelativeUnit::read(unit).ok_or_else(|| missing_unit_message(text))?, 1),
            ["next", unit] => (RelativeUnit::read(unit).ok_or_else(|| missing_unit_message(text))?, -1),
            [count, "complete", unit, "ago"] => {
                let (count, unit) = parse_count(count, unit).ok_or_else(|| missing_unit_message(text))?;
                (unit, count)
            }
            [count, unit, "ago"] => {
                let (count, unit) = parse_count(count, unit).ok_or_else(|| missing_unit_message(text))?;
                // The count includes the current unit, such as the current month.
                (unit, count - 1)
            }
            _ => return Err(format!("`{text}` is not a supported date")),
        };
        let (months, days) = unit.to_months_and_days(-back);
        Ok(Self::new(
            DayStart {
                base: DateAnchor::Today(unit),
                months,
                days,
            },
            unit,
        ))
    }

    fn new(from: DayStart, unit: RelativeUnit) -> Self {
        let (months, days) = unit.to_months_and_days(1);
        Self {
            from,
            to: DayStart {
                months: from.months + months,
                days: from.days + days,
                ..from
            },
        }
    }
}

/// Returns whether a string has the form of a date, such as `2024-06-01`.
pub(super) fn is_date(text: &str) -> bool {
    matches!(parse_absolute_date(text), Some((_, RelativeUnit::Day)))
}

/// Parses `2024-06-01` or `2024-06`, optionally followed by midnight.
fn parse_absolute_date(text: &str) -> Option<(DateAnchor, RelativeUnit)> {
    let text = text.trim();
    let day = text.split_once(['T', ' ']).map_or(Some(text), |(day, time)| {
        let time = time.trim().trim_end_matches('Z');
        (!time.is_empty() && time.chars().all(|c| matches!(c, '0' | ':' | '.'))).then_some(day)
    })?;
    let (first_day, unit) = if day.len() == "2024-06".len() {
        (format!("{day}-01"), RelativeUnit::Month)
    } else {
        (day.to_owned(), RelativeUnit::Day)
    };
    let mut numbers = first_day
        .split('-')
        .filter(|_| is_iso_date(&first_day))
        .map_while(|number| number.parse().ok());
    let origin = DateAnchor::Day(numbers.next()?, numbers.next()?, numbers.next()?);
    Some((origin, unit))
}

fn lowercase_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

fn parse_count(count: &str, unit: &str) -> Option<(i64, RelativeUnit)> {
    let count = count
        .parse::<i64>()
        .ok()
        .filter(|count| (0..MAX_COUNT).contains(count))?;
    Some((count, RelativeUnit::read(unit)?))
}

fn missing_unit_message(text: &str) -> String {
    format!("the unit of `{text}` is not day, week, month, quarter or year")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_dates_become_formulas() {
        for (text, expected) in [
            ("2024-06-01", "DATE(2024, 6, 1)"),
            ("2024-06-01 00:00:00", "DATE(2024, 6, 1)"),
            ("today", "TODAY()"),
            ("yesterday", "TODAY() - 1"),
            ("tomorrow", "TODAY() + 1"),
            ("7 complete days ago", "TODAY() - 7"),
            ("7 days ago", "TODAY() - 6"),
            ("1 day ago", "TODAY()"),
            ("3 complete months ago", "EDATE((TODAY())[month], -3)"),
            ("12 months ago", "EDATE((TODAY())[month], -11)"),
            ("2 complete weeks ago", "(TODAY())[week] - 14"),
            ("1 complete quarter ago", "EDATE((TODAY())[quarter], -3)"),
            ("this year", "(TODAY())[year]"),
            ("last month", "EDATE((TODAY())[month], -1)"),
        ] {
            assert_eq!(
                DayStart::read(text).map(|moment| moment.to_term().text).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
        let end = |from: &str, length: &str| {
            DayStart::read(from)
                .and_then(|day_start| day_start.add_length(length))
                .map(|day_start| day_start.to_term().text)
        };
        assert_eq!(end("7 complete days ago", "7 days").as_deref(), Ok("TODAY()"));
        assert_eq!(end("7 days ago", "7 days").as_deref(), Ok("TODAY() + 1"));
        assert_eq!(
            end("3 complete months ago", "3 months").as_deref(),
            Ok("(TODAY())[month]")
        );
        assert_eq!(
            end("2024-01-31", "1 month").as_deref(),
            Ok("EDATE(DATE(2024, 1, 31), 1)")
        );
        for text in [
            "3 hours ago",
            "soon",
            "2024-13-01",
            "2024-06-01 12:30",
            "99999999999999999999 days ago",
            "",
        ] {
            assert!(DayStart::read(text).is_err(), "{text}");
        }
        assert!(end("today", "3 hours").is_err());
    }
}
