//! Timeframes in square brackets, `billing_date[month]`: Omni's names and the entries that compute them.
//!
//! Source: Omni's documentation of dimensions; weeks begin on Monday.

use crate::catalog::{FunctionId, internal};
use crate::diag::{Code, Diagnostic, suggest};
use crate::span::Span;

/// Each timeframe's name and entry; `raw` is the column itself.
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
    ("day_of_week_name", Some(internal::DAY_OF_WEEK_NAME)),
    ("day_of_week_num", Some(internal::DAY_OF_WEEK_NUM)),
    ("day_of_month", Some(internal::DAY_OF_MONTH)),
    ("day_of_year", Some(internal::DAY_OF_YEAR)),
    ("hour_of_day", Some(internal::HOUR_OF_DAY)),
    ("month_name", Some(internal::MONTH_NAME)),
    ("month_num", Some(internal::MONTH_NUM)),
    ("quarter_of_year", Some(internal::QUARTER_OF_YEAR)),
];

/// Of Omni's list, those that are not built.
const LATER: &[&str] = &["second", "millisecond", "day_of_quarter", "fiscal_quarter", "fiscal_year"];

/// The entry of a timeframe; `Ok(None)` for `raw`.
pub(super) fn find(name: &str, span: Span) -> Result<Option<FunctionId>, Diagnostic> {
    if let Some((_, function)) = TIMEFRAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        return Ok(*function);
    }
    if LATER.iter().any(|l| l.eq_ignore_ascii_case(name)) {
        return Err(Diagnostic::new(Code::NotBuiltYet, span, format!("timeframe `{name}` is not built yet"))
            .with_help("use `date`, `month`, `quarter` or `year`"));
    }
    let diagnostic = Diagnostic::new(Code::UnknownTimeframe, span, format!("there is no timeframe `{name}`"));
    Err(match suggest::nearest(name, TIMEFRAMES.iter().map(|(n, _)| *n)) {
        Some(near) => diagnostic.with_help(suggest::similar(near)),
        None => diagnostic
            .with_help("there are `date`, `week`, `month`, `quarter`, `year`, `hour` and parts such as `month_num`"),
    })
}
