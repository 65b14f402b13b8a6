//! Date arithmetic and ISO dates in the proleptic Gregorian calendar.

pub(super) mod holiday_columns;
pub(super) mod holidays;
pub(super) mod period;
pub(super) mod period_units;
pub(super) mod timeframe;
pub(super) mod today;

/// Returns whether a string is a valid ISO date, such as `2024-02-29`.
pub fn is_iso_date(text: &str) -> bool {
    if text.len() != 10 || text.get(4..5) != Some("-") || text.get(7..8) != Some("-") {
        return false;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    match (number(0, 4), number(5, 7), number(8, 10)) {
        (Some(y), Some(m @ 1..=12), Some(d)) => y >= 1 && d >= 1 && d <= days_in_month(y, m),
        _ => false,
    }
}

/// Converts an ISO date and time, such as `2024-02-29 12:30`, to the SQL form `2024-02-29 12:30:00`. Accepts strings
/// with or without seconds, and `T` as separator.
pub fn normalize_iso_timestamp(text: &str) -> Option<String> {
    let (date, time) = text.split_once([' ', 'T']).filter(|(date, _)| is_iso_date(date))?;
    let parts: Vec<&str> = time.split(':').collect();
    let is_below = |part: &str, limit: u8| {
        part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u8>().is_ok_and(|n| n < limit)
    };
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (hour, minute, "00"),
        [hour, minute, second] => (hour, minute, *second),
        _ => return None,
    };
    (is_below(hour, 24) && is_below(minute, 60) && is_below(second, 60))
        .then(|| format!("{date} {hour}:{minute}:{second}"))
}

/// Returns the number of days from 0001-01-01, a Monday, to an ISO date.
pub(in crate::check) fn days_since_year_one(iso: &str) -> Option<i64> {
    let number = |from: usize, to: usize| iso.get(from..to)?.parse::<i64>().ok();
    let date = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    Some(date - days_from_civil(1, 1, 1))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the ISO date of the next day.
pub fn next_day(iso: &str) -> Option<String> {
    shift_date(iso, 0, 1)
}

/// Adds months and then days to an ISO date. If the month does not have the day, the date rolls over to the next month.
/// `None` if the text is not an ISO date.
pub fn shift_date(text: &str, months: i64, days: i64) -> Option<String> {
    let iso = Some(text).filter(|text| is_iso_date(text))?;
    let mut parts = iso.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let mut part = || parts.next().flatten();
    let (year, month, day) = (part()?, part()?, part()?);
    normalize_date(year, month + months, day + days)
}

/// Computes `DATE(year, month, day)` like a spreadsheet: parts that are out of range roll over. `None` if the result
/// is outside the years 1 to 9999.
pub(in crate::check) fn normalize_date(year: i64, month: i64, day: i64) -> Option<String> {
    let months = year.checked_mul(12)?.checked_add(month)?.checked_sub(1)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    if !(-100_000..=100_000).contains(&year) {
        return None;
    }
    let days = days_from_civil(year, month, 1).checked_add(day)?.checked_sub(1)?;
    let (y, m, d) = civil_from_days(days);
    (1..=9999)
        .contains(&y)
        .then(|| format_iso([y / 1000, y / 100, y / 10, y, m / 10, m, d / 10, d]))
}

/// Formats a date as `YYYY-MM-DD`. Only the last digit of each number is used.
fn format_iso(numbers: [i64; 8]) -> String {
    let mut text = String::with_capacity(10);
    for (position, number) in numbers.into_iter().enumerate() {
        if matches!(position, 4 | 6) {
            text.push('-');
        }
        text.push(char::from(b'0' + (number % 10) as u8));
    }
    text
}

/// Returns the number of days since 1970-01-01. In the computation, years begin in March, so that the leap day is the
/// last day of the year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * of_year + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_roll_over_like_a_spreadsheet() {
        for (parts, expected) in [
            ((2024, 1, 31), Some("2024-01-31")),
            ((2024, 13, 1), Some("2025-01-01")),
            ((2024, 0, 1), Some("2023-12-01")),
            ((2024, 3, 0), Some("2024-02-29")),
            ((2023, 2, 29), Some("2023-03-01")),
            ((2024, 1, -1), Some("2023-12-30")),
            ((9999, 12, 32), None),
            ((0, 1, 1), None),
            ((i64::MAX, 1, 1), None),
            ((2024, 1, i64::MAX), None),
        ] {
            assert_eq!(
                normalize_date(parts.0, parts.1, parts.2).as_deref(),
                expected,
                "{parts:?}"
            );
        }
    }

    #[test]
    fn only_existing_dates_are_valid() {
        assert!(is_iso_date("2024-02-29") && is_iso_date("0001-01-01"));
        assert!(
            !is_iso_date("2023-02-29")
                && !is_iso_date("1/31/2024")
                && !is_iso_date("2024-2-9")
                && !is_iso_date("é024-02-29")
        );
    }

    #[test]
    fn iso_moments_are_parsed() {
        for (text, expected) in [
            ("2024-02-29 12:30", Some("2024-02-29 12:30:00")),
            ("2024-02-29T23:59:59", Some("2024-02-29 23:59:59")),
            ("2024-02-29 24:00", None),
            ("2024-02-29 1:30", None),
            ("2023-02-29 12:30", None),
            ("2024-02-29", None),
            ("2024-02-29 12:30:00.5", None),
        ] {
            assert_eq!(normalize_iso_timestamp(text).as_deref(), expected, "{text}");
        }
    }
}
