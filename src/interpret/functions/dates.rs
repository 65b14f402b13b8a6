//! Date and time functions.

use crate::calendar::{add_months, civil_date, day_number};
use crate::functions::CallArgs;
use crate::functions::conversion::{as_date, is_blank_char};
use crate::functions::math::to_number;
use crate::functions::text::{evaluate_strict, text};
use crate::uncertainty;
use crate::value::{SECONDS_PER_DAY, Value};

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let function = match name {
        "DATE" => date,
        "YEAR" => |args: CallArgs<'_>| integer_value(civil_date(value_day_number(&args[0])).0),
        "MONTH" => |args: CallArgs<'_>| integer_value(civil_date(value_day_number(&args[0])).1),
        "DAY" => |args: CallArgs<'_>| integer_value(civil_date(value_day_number(&args[0])).2),
        "QUARTER" => |args: CallArgs<'_>| integer_value((civil_date(value_day_number(&args[0])).1 + 2) / 3),
        "EDATE" => {
            |args: CallArgs<'_>| date_from_day_number(add_months(value_day_number(&args[0]), truncate_days(&args[1])?))
        }
        "EOMONTH" => eomonth,
        "DATEDIF" => datedif,
        "DAYS" => |args: CallArgs<'_>| integer_value(value_day_number(&args[0]) - value_day_number(&args[1])),
        "DAYS360" => days360,
        "HOUR" => |args: CallArgs<'_>| integer_value(seconds_since_midnight(&args[0])? / 3600),
        "MINUTE" => |args: CallArgs<'_>| integer_value(seconds_since_midnight(&args[0])? / 60 % 60),
        "SECOND" => |args: CallArgs<'_>| integer_value(seconds_since_midnight(&args[0])? % 60),
        "TIME" => time,
        "WEEKDAY" => weekday,
        "WEEKNUM" => weeknum,
        "ISOWEEKNUM" => |args: CallArgs<'_>| integer_value(iso_week(value_day_number(&args[0]))),
        "NETWORKDAYS" => |args: CallArgs<'_>| networkdays(args, 1, holidays(args).collect()),
        "NETWORKDAYS.INTL" => |args: CallArgs<'_>| networkdays(args, weekend(args)?, Vec::new()),
        "WORKDAY" => |args: CallArgs<'_>| workday(args, 1, holidays(args).collect()),
        "WORKDAY.INTL" => |args: CallArgs<'_>| workday(args, weekend(args)?, Vec::new()),
        "YEARFRAC" => yearfrac,
        _ => return None,
    };
    // NULLs among the holidays are ignored, so they do not make the result NULL.
    let arg_values: Vec<Value> = match name {
        "NETWORKDAYS" | "WORKDAY" | "DAYS360" => args
            .values()
            .iter()
            .enumerate()
            .filter(|(index, value)| *index < 2 || !value.is_null())
            .map(|(_, v)| v.clone())
            .collect(),
        _ => args.values().to_vec(),
    };
    Some(evaluate_strict(CallArgs(&arg_values), function))
}

fn integer_value(number: i64) -> Option<Value> {
    Some(Value::Int(number))
}

/// Returns the date that corresponds to a day number. `None` if the year is not between 1 and 9999.
fn date_from_day_number(date: i64) -> Option<Value> {
    let is_in_calendar = (1..=9999).contains(&civil_date(date).0);
    if !is_in_calendar {
        // Engines with a larger calendar return a date here, so the results may differ.
        uncertainty::mark_result_too_large();
    }
    is_in_calendar.then_some(Value::Date(date))
}

/// Returns the number of days from 1970-01-01 to a date or time, ignoring the time of day.
fn value_day_number(value: &Value) -> i64 {
    let seconds = as_date(value).seconds().unwrap_or_else(|| {
        uncertainty::report_unsupported(|| format!("{} as a date", value.text()));
        0
    });
    seconds.div_euclid(SECONDS_PER_DAY)
}

/// Truncates a number to an integer. `None` if the number exceeds the range of any calendar.
fn truncate_days(value: &Value) -> Option<i64> {
    let number = to_number(value).trunc();
    if number.abs() > 1e9 {
        uncertainty::mark_result_too_large();
        return None;
    }
    Some(number as i64)
}

/// Returns the day of the week, with 0 for Monday.
fn days_from_monday(date: i64) -> i64 {
    (date + 3).rem_euclid(7)
}

fn days360(args: CallArgs<'_>) -> Option<Value> {
    let european = args
        .values()
        .get(2)
        .is_some_and(|method| method.as_condition() == Some(true));
    let [start, end] = [value_day_number(&args[0]), value_day_number(&args[1])];
    let ((y1, m1, d1), (y2, m2, d2)) = (civil_date(start), civil_date(end));
    let is_last_of_february = m1 == 2 && civil_date(start + 1).1 == 3;
    let d1 = if !european && is_last_of_february {
        30
    } else {
        d1.min(30)
    };
    let d2 = if european || d1 == 30 { d2.min(30) } else { d2 };
    integer_value((y2 - y1) * 360 + (m2 - m1) * 30 + (d2 - d1))
}

/// Evaluates DATE. A month or day that is out of range carries over into the next or previous period, but the year must
/// be valid.
fn date(args: CallArgs<'_>) -> Option<Value> {
    let (year, month, day) = (
        truncate_days(&args[0])?,
        truncate_days(&args[1])?,
        truncate_days(&args[2])?,
    );
    if !(1..=9999).contains(&year) {
        return None;
    }
    date_from_day_number(day_number_with_rollover(year, month, day))
}

fn day_number_with_rollover(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    day_number(months.div_euclid(12), months.rem_euclid(12) + 1, 1) + day - 1
}

fn eomonth(args: CallArgs<'_>) -> Option<Value> {
    let (year, month, _) = civil_date(value_day_number(&args[0]));
    date_from_day_number(day_number_with_rollover(year, month + truncate_days(&args[1])? + 1, 0))
}

fn datedif(args: CallArgs<'_>) -> Option<Value> {
    let (start, end) = (value_day_number(&args[0]), value_day_number(&args[1]));
    if start > end {
        return None;
    }
    let ((year, month, of_month), (end_year, end_month, end_of_month)) = (civil_date(start), civil_date(end));
    let months = (end_year - year) * 12 + end_month - month - i64::from(end_of_month < of_month);
    integer_value(match text(&args[2]).to_ascii_uppercase().as_str() {
        "D" => end - start,
        "M" => months,
        "Y" => months / 12,
        "YM" => months % 12,
        // `MD`: count days from the last date on or before the end date that has the same day of the month as the start
        // date. `YD`: count days from the last date on or before the end date that has the same month and day. A date
        // that does not exist, such as February 30, is carried over to the next month.
        "MD" => end - day_number_with_rollover(end_year, end_month - i64::from(end_of_month < of_month), of_month),
        "YD" => {
            end - day_number_with_rollover(
                end_year - i64::from((end_month, end_of_month) < (month, of_month)),
                month,
                of_month,
            )
        }
        unit => {
            uncertainty::report_unsupported(|| format!("the unit `{unit}` of DATEDIF"));
            return None;
        }
    })
}

/// Returns the seconds since midnight. A date represents midnight, and a number represents a fraction of a day.
fn seconds_since_midnight(value: &Value) -> Option<i64> {
    match value {
        Value::Text(text) => parse_clock(text),
        Value::Int(_) | Value::Number(_) | Value::Decimal(_) => {
            let days = value.number()?;
            // 9999-12-31 is the last date with a serial number, so larger numbers are invalid.
            (0.0..2_958_466.0)
                .contains(&days)
                .then(|| (days * SECONDS_PER_DAY as f64).round() as i64 % SECONDS_PER_DAY)
        }
        _ => Some(value.seconds()?.rem_euclid(SECONDS_PER_DAY)),
    }
}

/// Parses a time such as `8:15` or `08:15:30`, optionally surrounded by whitespace or preceded by an ISO date.
fn parse_clock(text: &str) -> Option<i64> {
    let text = text.trim_matches(is_blank_char);
    let time = text
        .split_once([' ', 'T'])
        .filter(|(day, _)| has_iso_date_form(day))
        .map_or(text, |(_, time)| time);
    let parts: Vec<&str> = time.split(':').collect();
    let part = |part_index: usize, limit: i64| -> Option<i64> {
        let text = parts.get(part_index)?;
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|part| is_number && *part < limit)
    };
    let minutes = part(0, 24)? * 60 + part(1, 60)?;
    match parts.len() {
        2 => Some(minutes * 60),
        3 => Some(minutes * 60 + part(2, 60)?),
        _ => None,
    }
}

/// Returns whether a string has the form of an ISO date whose month is at most 12 and whose day is at most 31.
fn has_iso_date_form(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| {
        let digits = text
            .get(range)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok())
    };
    text.len() == 10
        && text.get(4..5) == Some("-")
        && text.get(7..8) == Some("-")
        && number(0..4).is_some()
        && number(5..7).is_some_and(|month| (1..=12).contains(&month))
        && number(8..10).is_some_and(|day| (1..=31).contains(&day))
}

fn time(args: CallArgs<'_>) -> Option<Value> {
    let seconds = truncate_days(&args[0])? * 3600 + truncate_days(&args[1])? * 60 + truncate_days(&args[2])?;
    (seconds >= 0).then(|| Value::Number((seconds % SECONDS_PER_DAY) as f64 / SECONDS_PER_DAY as f64))
}

/// Returns the first day of the week (0 for Monday) for a return type of WEEKDAY or WEEKNUM.
fn week_start_of_return_type(kind: i64) -> Option<i64> {
    match kind {
        1 | 17 => Some(6),
        2 => Some(0),
        11..=16 => Some(kind - 11),
        _ => None,
    }
}

/// Returns the return type of WEEKDAY or WEEKNUM, truncated to an integer. The default is 1.
fn week_return_type(args: CallArgs<'_>) -> Option<i64> {
    args.values().get(1).map_or(Some(1), truncate_days)
}

fn weekday(args: CallArgs<'_>) -> Option<Value> {
    let from_monday = days_from_monday(value_day_number(&args[0]));
    match week_return_type(args)? {
        3 => integer_value(from_monday),
        kind => integer_value((from_monday - week_start_of_return_type(kind)?).rem_euclid(7) + 1),
    }
}

fn weeknum(args: CallArgs<'_>) -> Option<Value> {
    let date = value_day_number(&args[0]);
    match week_return_type(args)? {
        21 => integer_value(iso_week(date)),
        kind => {
            let new_year = day_number(civil_date(date).0, 1, 1);
            let before = (days_from_monday(new_year) - week_start_of_return_type(kind)?).rem_euclid(7);
            integer_value((date - new_year + before) / 7 + 1)
        }
    }
}

/// Returns the ISO week number. A week belongs to the year that contains its Thursday.
fn iso_week(date: i64) -> i64 {
    let thursday = date - days_from_monday(date) + 3;
    (thursday - day_number(civil_date(thursday).0, 1, 1)) / 7 + 1
}

/// Returns the code of a weekend: 1 for Saturday and Sunday, up to 7 for Friday and Saturday.
fn weekend(args: CallArgs<'_>) -> Option<i64> {
    args.values().get(2).map_or(Some(1), truncate_days)
}

fn is_working_day(date: i64, weekend: i64) -> bool {
    (days_from_monday(date) - (weekend - 1)).rem_euclid(7) < 5
}

fn holidays(args: CallArgs<'_>) -> impl Iterator<Item = i64> {
    args.0.iter().skip(2).map(value_day_number)
}

fn networkdays(args: CallArgs<'_>, weekend: i64, holidays: Vec<i64>) -> Option<Value> {
    let (start, end) = (value_day_number(&args[0]), value_day_number(&args[1]));
    let is_counted = |date: &i64| is_working_day(*date, weekend) && !holidays.contains(date);
    let count = (start.min(end)..=start.max(end)).filter(is_counted).count() as i64;
    integer_value(if start <= end { count } else { -count })
}

fn workday(args: CallArgs<'_>, weekend: i64, holidays: Vec<i64>) -> Option<Value> {
    let (mut date, count) = (value_day_number(&args[0]), truncate_days(&args[1])?);
    // The offset exceeds the range of any engine's calendar.
    if count.abs() > 3_660_000 {
        uncertainty::mark_result_too_large();
        return None;
    }
    for _ in 0..count.abs() {
        date += count.signum();
        while !is_working_day(date, weekend) || holidays.contains(&date) {
            date += count.signum();
        }
    }
    date_from_day_number(date)
}

fn is_leap(year: i64) -> bool {
    day_number(year + 1, 1, 1) - day_number(year, 1, 1) == 366
}

/// Evaluates YEARFRAC. The earlier date is always the start, so the result is never negative.
fn yearfrac(args: CallArgs<'_>) -> Option<Value> {
    let (a, b) = (value_day_number(&args[0]), value_day_number(&args[1]));
    let (start, end) = (a.min(b), a.max(b));
    let apart = (end - start) as f64;
    let fraction = match args.values().get(2).map_or(Some(0), truncate_days)? {
        0 => months_of_30_days(start, end, true) / 360.0,
        1 => apart / actual_year_length(start, end),
        2 => apart / 360.0,
        3 => apart / 365.0,
        4 => months_of_30_days(start, end, false) / 360.0,
        _ => return None,
    };
    Some(Value::Number(fraction))
}

fn months_of_30_days(start: i64, end: i64, american: bool) -> f64 {
    let ((year, month, mut day), (end_year, end_month, mut end_day)) = (civil_date(start), civil_date(end));
    let ends_february = |date: i64| civil_date(date).1 == 2 && civil_date(date + 1).1 == 3;
    if !american {
        (day, end_day) = (day.min(30), end_day.min(30));
    } else if ends_february(start) {
        end_day = if ends_february(end) { 30 } else { end_day };
        day = 30;
    } else {
        end_day = if day >= 30 { end_day.min(30) } else { end_day };
        day = day.min(30);
    }
    ((end_year - year) * 360 + (end_month - month) * 30 + end_day - day) as f64
}

/// Returns the length of a year for basis 1. For a span of more than one year, this is the mean length of the years in
/// the span. For a shorter span, the length depends on whether the span contains a leap day.
fn actual_year_length(start: i64, end: i64) -> f64 {
    let ((year, month, day), (end_year, end_month, end_day)) = (civil_date(start), civil_date(end));
    if (end_year, end_month, end_day) > (year + 1, month, day) {
        return (day_number(end_year + 1, 1, 1) - day_number(year, 1, 1)) as f64 / (end_year - year + 1) as f64;
    }
    let leap_day_within = (year..=end_year)
        .filter(|y| is_leap(*y))
        .any(|y| (start..=end).contains(&day_number(y, 2, 29)));
    if leap_day_within || (year == end_year && is_leap(year)) {
        366.0
    } else {
        365.0
    }
}
