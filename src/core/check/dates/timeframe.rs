//! Timeframes in square brackets, such as `billing_date[month]`. This module maps Omni's names to the functions that
//! compute the timeframes.
//!
//! The definitions follow Omni's documentation of dimensions. Days are numbered from 1, starting at the first day of
//! the week. A fiscal quarter is represented by its first day, and a fiscal year by the number of the year in which it
//! starts.

use crate::calendar::Calendar;
use crate::catalog::{self, FunctionId, internal};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::{CalendarPeriod, Ir, IrId, Program};
use crate::span::Span;

/// Timeframes and the catalog function of each timeframe. `raw` is the column itself.
const TIMEFRAMES: &[(&str, Option<FunctionId>)] = &[
    ("raw", None),
    ("date", Some(internal::TRUNC_DAY)),
    ("day", Some(internal::TRUNC_DAY)),
    ("week", Some(internal::TRUNC_WEEK)),
    ("month", Some(internal::TRUNC_MONTH)),
    ("quarter", Some(internal::TRUNC_QUARTER)),
    ("year", Some(internal::TRUNC_YEAR)),
    ("hour", Some(internal::TRUNC_HOUR)),
    ("minute", Some(internal::TRUNC_MINUTE)),
    ("second", Some(internal::TRUNC_SECOND)),
    ("millisecond", Some(internal::TRUNC_MILLISECOND)),
    ("day_of_week_name", Some(internal::DAY_OF_WEEK_NAME)),
    ("day_of_week_num", Some(internal::DAY_OF_WEEK_NUM)),
    ("day_of_month", Some(internal::DAY_OF_MONTH)),
    ("day_of_quarter", Some(internal::DAY_OF_QUARTER)),
    ("day_of_year", Some(internal::DAY_OF_YEAR)),
    ("hour_of_day", Some(internal::HOUR_OF_DAY)),
    ("month_name", Some(internal::MONTH_NAME)),
    ("month_num", Some(internal::MONTH_NUM)),
    ("quarter_of_year", Some(internal::QUARTER_OF_YEAR)),
    ("fiscal_quarter", Some(internal::TRUNC_QUARTER)),
    ("fiscal_year", Some(internal::YEAR)),
];

/// Returns the names of all timeframes.
pub fn timeframe_names() -> impl Iterator<Item = &'static str> {
    TIMEFRAMES.iter().map(|(name, _)| *name)
}

/// Returns the longest period whose days all have the same value of a timeframe, such as a month for `month_name`.
/// `None` for timeframes that a date does not determine.
pub fn constant_period(timeframe: &str) -> Option<CalendarPeriod> {
    let timeframe = timeframe.to_ascii_lowercase();
    match timeframe.as_str() {
        "date" => Some(CalendarPeriod::Day),
        "month_name" | "month_num" => Some(CalendarPeriod::Month),
        "quarter_of_year" => Some(CalendarPeriod::Quarter),
        day if day.starts_with("day_of_") => Some(CalendarPeriod::Day),
        period => CalendarPeriod::from_name(period),
    }
}

/// Part of a date: a timeframe, or a function with the same result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DatePart {
    /// Column or other value from which the timeframe is extracted.
    pub date: Ir,
    /// Name of the timeframe. `None` for the whole date, and for a time that is truncated to an hour or a shorter unit.
    pub timeframe: Option<&'static str>,
}

impl DatePart {
    /// Returns whether all dates with the same value of `other` also have the same value of this part.
    pub fn is_within(self, other: Self, fiscal_month_offset: Option<u8>) -> bool {
        let period = |part: Self| part.timeframe.and_then(constant_period);
        // A label such as `month_num` does not determine the year.
        let truncated = other.timeframe.is_none_or(|name| !is_recurring(name));
        let nests = |longer| period(other).is_none_or(|period| period.is_nested_in(longer, fiscal_month_offset));
        self.date == other.date && truncated && period(self).is_some_and(nests)
    }
}

/// Returns whether a timeframe has the same value in several periods, such as `month_name`.
pub fn is_recurring(timeframe: &str) -> bool {
    timeframe != "date" && CalendarPeriod::from_name(timeframe).is_none()
}

/// Returns the date and the timeframe of a value. `None` for a value such as `hour_of_day`, which a date does not
/// determine.
pub fn date_part(program: &Program, id: IrId) -> Option<DatePart> {
    let (mut id, mut timeframe) = (program.resolve_references(id), None);
    while let Ir::Apply { overload, args } = program.node(id) {
        let args = program.args(args);
        let is_number = |part: &IrId| matches!(program.node(*part), Ir::Number(_));
        match (catalog::overload_owner(overload), args) {
            (internal::TO_WALL_CLOCK, _) => {}
            // If the month and the day are constants, the date changes only with the year.
            (internal::DATE_FROM_PARTS, [_, month, day]) if is_number(month) && is_number(day) => {}
            (function, _) => match function_timeframe(function) {
                // The timeframe is a part of a computed date, so the result contains the computed date.
                None if timeframe.is_some() => break,
                None | Some("hour_of_day") => return None,
                Some("hour" | "minute" | "second" | "millisecond") => {}
                Some(name) => timeframe = timeframe.or(Some(name)),
            },
        }
        id = program.resolve_references(*args.first()?);
    }
    let date = program.node(id);
    Some(DatePart { date, timeframe })
}

fn function_timeframe(function: FunctionId) -> Option<&'static str> {
    Some(match function {
        internal::YEAR => "year",
        internal::QUARTER => "quarter_of_year",
        internal::MONTH => "month_num",
        internal::TRUNC_WEEK_FROM => "week",
        internal::DAY_OF_WEEK_NUM_FROM => "day_of_week_num",
        internal::FISCAL_QUARTER => "fiscal_quarter",
        internal::FISCAL_YEAR => "fiscal_year",
        _ => {
            TIMEFRAMES
                .iter()
                .find(|(_, frame_function)| *frame_function == Some(function))?
                .0
        }
    })
}

/// Function that computes a timeframe, with the offset from which the function's other arguments are derived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) struct Timeframe {
    pub function: FunctionId,
    pub shift: CalendarShift,
}

/// Offset between the spec's weeks or fiscal periods and the weeks, quarters and years of SQL engines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) enum CalendarShift {
    None,
    /// Number of days. The function also receives the name of the first weekday.
    Week(u8),
    Days(u8),
    Months(u8),
}

/// Returns the function that computes a timeframe. Returns `Ok(None)` for `raw`.
pub(in crate::check) fn find_timeframe(
    name: &str,
    calendar: Calendar,
    span: Span,
) -> Result<Option<Timeframe>, Diagnostic> {
    if let Some((name, function)) = TIMEFRAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        if name.starts_with("fiscal_") && calendar.fiscal_month_offset.is_none() {
            let message =
                format!("`[{name}]` needs the first month of the fiscal year, but `fiscal_month_offset` is not set");
            return Err(Diagnostic::new(Code::UnknownTimeframe, span, message).with_help(
                "set `fiscal_month_offset` in the spec or in formulac.yml: 3 if the year starts in April, 0 if it \
                starts in January",
            ));
        }
        return Ok(function.map(|function| build_shifted_timeframe(name, function, calendar)));
    }
    let diagnostic = Diagnostic::new(Code::UnknownTimeframe, span, format!("there is no timeframe `{name}`"));
    let other = || "use `date`, `week`, `month`, `quarter`, `year`, `hour` or a part such as `month_num`".to_owned();
    Err(diagnostic.with_help(suggest::similar_name_help_or(
        name,
        TIMEFRAMES.iter().map(|(n, _)| *n),
        other,
    )))
}

/// Returns whether a word is a timeframe, such as `month`.
pub(in crate::check) fn is_timeframe(word: &str) -> bool {
    TIMEFRAMES.iter().any(|(frame, _)| word.eq_ignore_ascii_case(frame))
}

/// Splits a name such as `billing_date_month` into the date and the timeframe. Returns all possible splits.
pub(in crate::check) fn split_timeframe_name(name: &str) -> impl Iterator<Item = (&str, &'static str)> {
    TIMEFRAMES.iter().filter_map(move |(frame, _)| {
        let (base, end) = name.split_at_checked(name.len().checked_sub(frame.len() + 1)?)?;
        let is_frame = end.strip_prefix('_')?.eq_ignore_ascii_case(frame);
        (is_frame && !base.is_empty()).then_some((base, *frame))
    })
}

fn build_shifted_timeframe(name: &str, function: FunctionId, calendar: Calendar) -> Timeframe {
    let (function, shift) = match (
        name,
        calendar.week_shift_days(),
        calendar.quarter_shift_months(),
        calendar.fiscal_month_offset,
    ) {
        ("week", days @ 1.., ..) => (internal::TRUNC_WEEK_FROM, CalendarShift::Week(days)),
        ("day_of_week_num", days @ 1.., ..) => (internal::DAY_OF_WEEK_NUM_FROM, CalendarShift::Days(days)),
        ("fiscal_quarter", _, months @ 1.., _) => (internal::FISCAL_QUARTER, CalendarShift::Months(months)),
        ("fiscal_year", _, _, Some(months @ 1..)) => (internal::FISCAL_YEAR, CalendarShift::Months(months)),
        _ => (function, CalendarShift::None),
    };
    Timeframe { function, shift }
}
