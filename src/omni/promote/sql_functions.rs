//! Warehouse functions and the equivalent formula functions. The table contains a pair only if both functions are
//! equivalent for all arguments. For example, the table does not contain `trim`, because TRIM also collapses spaces
//! between words, or `mod`, because the sign of the result differs.

use crate::Type;

/// Result type of a function.
#[derive(Clone, Copy)]
pub(super) enum SqlResultType {
    /// Type of the first argument.
    First,
    Of(Type),
    Unknown,
}

pub(super) struct SqlFunction {
    pub name: &'static str,
    /// Dialects in which the functions are equivalent. Empty if the functions are equivalent in all dialects.
    pub dialects: &'static [&'static str],
    pub arguments: std::ops::RangeInclusive<usize>,
    pub formula: &'static str,
    pub gives: SqlResultType,
    /// Whether the function is an aggregate.
    pub aggregates: bool,
}

const ALL: &[&str] = &[];
const MANY: usize = 255;

/// Dialects in which the quotient of two integers is an integer.
pub(super) const DIVIDES_WHOLE: &[&str] = &["postgres"];
/// Dialects in which `concat` ignores NULL.
pub(super) const CONCAT_SKIPS_NULL: &[&str] = &["postgres", "duckdb"];

macro_rules! functions {
    ($($name:literal $dialects:expr, $least:literal..$most:expr => $formula:literal $gives:expr, $aggregates:literal;)*) => {
        &[$(SqlFunction {
            name: $name,
            dialects: $dialects,
            arguments: $least..=$most,
            formula: $formula,
            gives: $gives,
            aggregates: $aggregates,
        }),*]
    };
}

const INTEGER: SqlResultType = SqlResultType::Of(Type::Integer);
const FLOAT: SqlResultType = SqlResultType::Of(Type::Float);
const TEXT: SqlResultType = SqlResultType::Of(Type::Text);
const BOOLEAN: SqlResultType = SqlResultType::Of(Type::Boolean);
const DATE: SqlResultType = SqlResultType::Of(Type::Date);

const FUNCTIONS: &[SqlFunction] = functions! {
    "coalesce" ALL, 2..MANY => "COALESCE" SqlResultType::First, false;
    "ifnull" ALL, 2..2 => "COALESCE" SqlResultType::First, false;
    "nvl" &["snowflake"], 2..2 => "COALESCE" SqlResultType::First, false;
    "iff" &["snowflake"], 3..3 => "IF" SqlResultType::Unknown, false;
    "if" &["bigquery", "duckdb"], 3..3 => "IF" SqlResultType::Unknown, false;
    "upper" ALL, 1..1 => "UPPER" TEXT, false;
    "lower" ALL, 1..1 => "LOWER" TEXT, false;
    "length" ALL, 1..1 => "LEN" INTEGER, false;
    "char_length" ALL, 1..1 => "LEN" INTEGER, false;
    "character_length" ALL, 1..1 => "LEN" INTEGER, false;
    "replace" ALL, 3..3 => "SUBSTITUTE" TEXT, false;
    "contains" &["snowflake", "duckdb"], 2..2 => "CONTAINS" BOOLEAN, false;
    "abs" ALL, 1..1 => "ABS" SqlResultType::First, false;
    "sign" ALL, 1..1 => "SIGN" INTEGER, false;
    "sqrt" ALL, 1..1 => "SQRT" FLOAT, false;
    "exp" ALL, 1..1 => "EXP" FLOAT, false;
    "ln" ALL, 1..1 => "LN" FLOAT, false;
    "power" ALL, 2..2 => "POWER" FLOAT, false;
    "pow" ALL, 2..2 => "POWER" FLOAT, false;
    "greatest" &["postgres", "duckdb"], 2..MANY => "MAX" SqlResultType::First, false;
    "least" &["postgres", "duckdb"], 2..MANY => "MIN" SqlResultType::First, false;
    "year" &["snowflake", "duckdb"], 1..1 => "YEAR" INTEGER, false;
    "quarter" &["snowflake", "duckdb"], 1..1 => "QUARTER" INTEGER, false;
    "month" &["snowflake", "duckdb"], 1..1 => "MONTH" INTEGER, false;
    "day" &["snowflake", "duckdb"], 1..1 => "DAY" INTEGER, false;
    "hour" &["snowflake", "duckdb"], 1..1 => "HOUR" INTEGER, false;
    "current_date" ALL, 0..0 => "TODAY" DATE, false;
    "avg" ALL, 1..1 => "AVERAGE" FLOAT, true;
    "min" ALL, 1..1 => "MIN" SqlResultType::First, true;
    "max" ALL, 1..1 => "MAX" SqlResultType::First, true;
    "median" &["snowflake", "duckdb"], 1..1 => "MEDIAN" FLOAT, true;
    "stddev" ALL, 1..1 => "STDEV" FLOAT, true;
    "stddev_samp" ALL, 1..1 => "STDEV" FLOAT, true;
    "stddev_pop" ALL, 1..1 => "STDEV.P" FLOAT, true;
    "variance" ALL, 1..1 => "VAR" FLOAT, true;
    "var_samp" ALL, 1..1 => "VAR" FLOAT, true;
    "var_pop" ALL, 1..1 => "VAR.P" FLOAT, true;
    "corr" ALL, 2..2 => "CORREL" FLOAT, true;
    "countif" &["bigquery"], 1..1 => "COUNTIF" INTEGER, true;
    "count_if" &["snowflake", "duckdb"], 1..1 => "COUNTIF" INTEGER, true;
};

/// Returns the equivalent formula function. `None` if the function or the number of arguments is not supported.
pub(super) fn find(name: &str, dialect: &str, arguments: usize) -> Option<&'static SqlFunction> {
    let of_dialect = |it: &&SqlFunction| it.dialects.is_empty() || it.dialects.contains(&dialect);
    FUNCTIONS
        .iter()
        .filter(of_dialect)
        .find(|it| it.name == name && it.arguments.contains(&arguments))
}

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
