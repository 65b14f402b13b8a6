//! Warehouse functions with the equivalent formula functions, and timeframes for functions of Omni and of warehouses.

pub(super) use formulac_core::check::sql_functions::{SqlResultType, find_equivalent};

/// Returns the timeframe of an Omni operator that truncates a time or extracts a part of it.
pub(super) fn operator_timeframe(name: &str) -> Option<&'static str> {
    Some(match name {
        "omni_date" => "date",
        "omni_week" => "week",
        "omni_month" => "month",
        "omni_quarter" => "quarter",
        "omni_year" => "year",
        "omni_hour" => "hour",
        "omni_minute" => "minute",
        "omni_second" => "second",
        "omni_millisecond" => "millisecond",
        "omni_day_of_month" => "day_of_month",
        "omni_day_of_quarter" => "day_of_quarter",
        "omni_day_of_year" => "day_of_year",
        "omni_hour_of_day" => "hour_of_day",
        "omni_month_name" => "month_name",
        "omni_month_num" => "month_num",
        "omni_quarter_of_year" => "quarter_of_year",
        _ => return None,
    })
}

/// Returns the timeframe for a unit of `date_trunc`.
pub(super) fn unit_timeframe(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "day" => "date",
        "month" => "month",
        "quarter" => "quarter",
        "year" => "year",
        "hour" => "hour",
        "minute" => "minute",
        "second" => "second",
        _ => return None,
    })
}
