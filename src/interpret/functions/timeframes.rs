//! Periods and parts of dates, as in `column[month]`. Weeks begin on Monday, and fiscal years in January.

use crate::calendar::{PeriodFrame, civil_date};
use crate::value::{SECONDS_PER_DAY, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

pub fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1)
        .ok()
        .and_then(|index| MONTHS.get(index))
        .copied()
        .unwrap_or_default()
}

pub fn day_name(date: i64) -> &'static str {
    usize::try_from((date + 3).rem_euclid(7))
        .ok()
        .and_then(|index| WEEKDAYS.get(index))
        .copied()
        .unwrap_or_default()
}

/// Evaluates a timeframe. `None` if the name of the timeframe is unknown.
pub fn timeframe(name: &str, value: &Value) -> Option<Value> {
    let Some(seconds) = value.seconds() else {
        return Some(Value::Null);
    };
    let date = seconds.div_euclid(SECONDS_PER_DAY);
    let (year, month, day) = civil_date(date);
    let since = |frame: PeriodFrame| Value::Int(date - frame.period_start(date) + 1);
    let cut = |length: i64| Value::Time(seconds - seconds.rem_euclid(length));
    Some(match name {
        "date" | "day" => Value::Date(date),
        "week" => Value::Date(PeriodFrame::Week.period_start(date)),
        "month" => Value::Date(PeriodFrame::Month.period_start(date)),
        "quarter" | "fiscal_quarter" => Value::Date(PeriodFrame::Quarter.period_start(date)),
        "year" => Value::Date(PeriodFrame::Year.period_start(date)),
        "hour" => cut(3600),
        "minute" => cut(60),
        "second" | "millisecond" => cut(1),
        "day_of_week_name" => Value::Text(day_name(date).to_owned()),
        "day_of_week_num" => since(PeriodFrame::Week),
        "day_of_month" => Value::Int(day),
        "day_of_quarter" => since(PeriodFrame::Quarter),
        "day_of_year" => since(PeriodFrame::Year),
        "hour_of_day" => Value::Int(seconds.rem_euclid(SECONDS_PER_DAY) / 3600),
        "month_name" => Value::Text(month_name(month).to_owned()),
        "month_num" => Value::Int(month),
        "quarter_of_year" => Value::Int((month + 2) / 3),
        "fiscal_year" => Value::Int(year),
        _ => return None,
    })
}
