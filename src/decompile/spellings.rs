//! Spellings: SQL as analysts write it, with the equivalent SQL as formulac generates it. An edit that contains a spelling
//! becomes the formula of the generated SQL.
//!
//! The words `value1`, `text1`, `date1`… stand for any expression, and for an expression of a known type. `filled1` is
//! never NULL, and `constant1` is a literal. In strings, `qzjw` stands for any text without wildcards, `vkxw` for such a
//! text whose case does not matter, and `wyqj` for a date in the ISO format. `7919` stands for any number.

use super::guards::Guard;
use crate::Type;
use crate::dialect::Dialect;

const BIGQUERY: &str = "bigquery";
const SNOWFLAKE: &str = "snowflake";
const POSTGRES: &str = "postgres";
const DUCKDB: &str = "duckdb";
const ALL: &[&str] = &[BIGQUERY, SNOWFLAKE, POSTGRES, DUCKDB];
const BOTH_OPEN: &[&str] = &[POSTGRES, DUCKDB];

/// SQL as analysts write it, and the equivalent SQL as formulac generates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    pub written: String,
    pub generated: String,
    /// Kind of the guard that the generated SQL adds. `None` if both return the same value for all arguments.
    pub guard: Option<Guard>,
}

/// Spellings with the same value for all arguments.
const SAME: &[(&[&str], &str, &str)] = &[
    // NULL
    (
        ALL,
        "nullif(value1, constant1)",
        "case when value1 <> constant1 then value1 end",
    ),
    (
        ALL,
        "nullif(value1, value2)",
        "case when value1 = value2 then null else value1 end",
    ),
    (
        ALL,
        "case when value1 is null then value2 else value1 end",
        "coalesce(value1, value2)",
    ),
    (
        ALL,
        "case when value1 is not null then value1 else value2 end",
        "coalesce(value1, value2)",
    ),
    (ALL, "coalesce(filled1, value1)", "filled1"),
    (ALL, "value1 is true", "coalesce(value1, false)"),
    (&[SNOWFLAKE], "zeroifnull(value1)", "coalesce(value1, 0)"),
    (
        &[SNOWFLAKE],
        "nullifzero(value1)",
        "case when value1 <> 0 then value1 end",
    ),
    (
        &[SNOWFLAKE],
        "nvl2(value1, value2, value3)",
        "case when value1 is not null then value2 else value3 end",
    ),
    // Conditions
    (
        ALL,
        "case when value1 then value2 else null end",
        "case when value1 then value2 end",
    ),
    (
        &[SNOWFLAKE],
        "iff(value1, value2, value3)",
        "case when value1 then value2 else value3 end",
    ),
    (
        &[BIGQUERY, DUCKDB],
        "if(value1, value2, value3)",
        "case when value1 then value2 else value3 end",
    ),
    (
        &[SNOWFLAKE],
        "decode(value1, constant1, value2)",
        "case value1 when constant1 then value2 end",
    ),
    (
        &[SNOWFLAKE],
        "decode(value1, constant1, value2, value3)",
        "case value1 when constant1 then value2 else value3 end",
    ),
    // Aggregates
    (&[BIGQUERY], "count(case when value1 then 1 end)", "countif(value1)"),
    (
        &[SNOWFLAKE, DUCKDB],
        "count_if(value1)",
        "count(case when value1 then 1 end)",
    ),
    (&[DUCKDB], "countif(value1)", "count(case when value1 then 1 end)"),
    (
        BOTH_OPEN,
        "count(*) filter (where value1)",
        "count(case when value1 then 1 end)",
    ),
    (
        BOTH_OPEN,
        "count(distinct value2) filter (where value1)",
        "count(distinct case when value1 then value2 end)",
    ),
    (
        &[SNOWFLAKE],
        "percentile_cont(0.5) within group (order by value1)",
        "median(value1)",
    ),
    (
        &[DUCKDB],
        "percentile_cont(value2) within group (order by value1)",
        "quantile_cont(value1, value2)",
    ),
    (&[DUCKDB], "quantile_cont(value1, 0.5)", "median(value1)"),
    // Numbers
    (&[BIGQUERY], "value1 / nullif(value2, 0)", "safe_divide(value1, value2)"),
    (&[SNOWFLAKE, POSTGRES, DUCKDB], "value1 % value2", "mod(value1, value2)"),
    (BOTH_OPEN, "value1 ^ value2", "power(value1, value2)"),
    (&[POSTGRES], "cast(value1 as int)", "cast(value1 as integer)"),
    (&[POSTGRES], "cast(value1 as int4)", "cast(value1 as integer)"),
    (BOTH_OPEN, "log(value1)", "log10(value1)"),
    // Texts
    (
        BOTH_OPEN,
        "concat(text1, text2)",
        "coalesce(text1, '') || coalesce(text2, '')",
    ),
    (
        BOTH_OPEN,
        "concat(text1, text2, text3)",
        "coalesce(text1, '') || coalesce(text2, '') || coalesce(text3, '')",
    ),
    (
        BOTH_OPEN,
        "concat(text1, text2, text3, text4)",
        "coalesce(text1, '') || coalesce(text2, '') || coalesce(text3, '') || coalesce(text4, '')",
    ),
    (
        BOTH_OPEN,
        "concat(text1, text2, text3, text4, text5)",
        "coalesce(text1, '') || coalesce(text2, '') || coalesce(text3, '') || coalesce(text4, '') || coalesce(text5, '')",
    ),
    (&[BIGQUERY, SNOWFLAKE], "concat(value1, value2)", "value1 || value2"),
    (
        &[BIGQUERY, SNOWFLAKE],
        "concat(value1, value2, value3)",
        "value1 || value2 || value3",
    ),
    (
        &[BIGQUERY, SNOWFLAKE],
        "concat(value1, value2, value3, value4)",
        "value1 || value2 || value3 || value4",
    ),
    (
        &[BIGQUERY, SNOWFLAKE],
        "concat(value1, value2, value3, value4, value5)",
        "value1 || value2 || value3 || value4 || value5",
    ),
    (&[SNOWFLAKE, DUCKDB], "len(text1)", "length(text1)"),
    (
        BOTH_OPEN,
        "substring(value1 from value2 for value3)",
        "substr(value1, value2, value3)",
    ),
    (
        &[BIGQUERY, POSTGRES, DUCKDB],
        "value1 like 'qzjw%'",
        "starts_with(value1, 'qzjw')",
    ),
    (&[SNOWFLAKE], "value1 like 'qzjw%'", "startswith(value1, 'qzjw')"),
    (&[BIGQUERY, DUCKDB], "value1 like '%qzjw'", "ends_with(value1, 'qzjw')"),
    (&[SNOWFLAKE], "value1 like '%qzjw'", "endswith(value1, 'qzjw')"),
    (
        &[POSTGRES],
        "value1 like '%qzjw'",
        "right(value1, length('qzjw')) = 'qzjw'",
    ),
    (
        &[BIGQUERY, POSTGRES],
        "value1 like '%qzjw%'",
        "strpos(value1, 'qzjw') > 0",
    ),
    (&[SNOWFLAKE, DUCKDB], "value1 like '%qzjw%'", "contains(value1, 'qzjw')"),
    (BOTH_OPEN, "value1 ilike 'vkxw%'", "starts_with(lower(value1), 'vkxw')"),
    (
        &[SNOWFLAKE],
        "value1 ilike 'vkxw%'",
        "startswith(lower(value1), 'vkxw')",
    ),
    (&[DUCKDB], "value1 ilike '%vkxw'", "ends_with(lower(value1), 'vkxw')"),
    (&[SNOWFLAKE], "value1 ilike '%vkxw'", "endswith(lower(value1), 'vkxw')"),
    (
        &[POSTGRES],
        "value1 ilike '%vkxw'",
        "right(lower(value1), length('vkxw')) = 'vkxw'",
    ),
    (
        &[POSTGRES],
        "value1 ilike '%vkxw%'",
        "strpos(lower(value1), 'vkxw') > 0",
    ),
    (
        &[SNOWFLAKE, DUCKDB],
        "value1 ilike '%vkxw%'",
        "contains(lower(value1), 'vkxw')",
    ),
    (&[POSTGRES], "position(value1 in value2)", "strpos(value2, value1)"),
    (&[DUCKDB], "position('qzjw' in value1) > 0", "contains(value1, 'qzjw')"),
    (&[SNOWFLAKE], "position('qzjw', value1) > 0", "contains(value1, 'qzjw')"),
    (
        &[SNOWFLAKE],
        "charindex('qzjw', value1) > 0",
        "contains(value1, 'qzjw')",
    ),
    (&[DUCKDB], "strpos(value1, 'qzjw') > 0", "contains(value1, 'qzjw')"),
    (
        BOTH_OPEN,
        "split_part(value1, 'qzjw', 1)",
        "coalesce(left(value1, nullif(strpos(value1, 'qzjw'), 0) - 1), value1)",
    ),
    (
        &[SNOWFLAKE],
        "split_part(value1, 'qzjw', 1)",
        "coalesce(left(value1, nullif(position('qzjw', value1), 0) - 1), value1)",
    ),
    (
        &[BIGQUERY],
        "split(value1, 'qzjw')[safe_offset(0)]",
        "coalesce(left(value1, nullif(strpos(value1, 'qzjw'), 0) - 1), value1)",
    ),
    (
        &[BIGQUERY],
        "split(value1, 'qzjw')[offset(0)]",
        "coalesce(left(value1, nullif(strpos(value1, 'qzjw'), 0) - 1), value1)",
    ),
    // Dates
    (&[BIGQUERY], "current_date", "current_date()"),
    (&[SNOWFLAKE, DUCKDB], "current_date()", "current_date"),
    (ALL, "cast('wyqj' as date)", "date 'wyqj'"),
    (&[DUCKDB], "date_diff('day', date1, date2)", "date2 - date1"),
    (&[DUCKDB], "datediff('day', date1, date2)", "date2 - date1"),
    (&[DUCKDB], "date_diff('month', date1, date2)", MONTHS),
    (&[DUCKDB], "datediff('month', date1, date2)", MONTHS),
    (
        &[DUCKDB],
        "date_diff('year', date1, date2)",
        "extract(year from date2) - extract(year from date1)",
    ),
    (
        &[DUCKDB],
        "datediff('year', date1, date2)",
        "extract(year from date2) - extract(year from date1)",
    ),
    (&[SNOWFLAKE], "datediff(month, date1, date2)", MONTHS),
    (
        &[SNOWFLAKE],
        "datediff(year, date1, date2)",
        "extract(year from date2) - extract(year from date1)",
    ),
    (&[BIGQUERY], "date_diff(date2, date1, month)", MONTHS),
    (
        &[BIGQUERY],
        "date_diff(date2, date1, year)",
        "extract(year from date2) - extract(year from date1)",
    ),
    (&[SNOWFLAKE], "dateadd(day, 7919, date1)", "date1 + 7919"),
    (&[SNOWFLAKE], "dateadd(day, -7919, date1)", "date1 - 7919"),
    (
        &[SNOWFLAKE],
        "dateadd(day, value1, date1)",
        "cast(dateadd(day, value1, date1) as date)",
    ),
    (
        &[SNOWFLAKE],
        "dateadd(month, value1, date1)",
        "cast(dateadd(month, value1, date1) as date)",
    ),
    (
        &[BIGQUERY],
        "date_sub(date1, interval 7919 month)",
        "date_add(date1, interval -7919 month)",
    ),
    (
        &[BIGQUERY],
        "date_trunc(value1, week(monday))",
        "date_trunc(value1, isoweek)",
    ),
    (
        &[POSTGRES, DUCKDB],
        "cast(date1 + interval '7919 days' as date)",
        "date1 + 7919",
    ),
    (
        &[POSTGRES, DUCKDB],
        "cast(date1 + interval '7919 day' as date)",
        "date1 + 7919",
    ),
    (
        &[POSTGRES, DUCKDB],
        "cast(date1 - interval '7919 days' as date)",
        "date1 - 7919",
    ),
    (
        &[POSTGRES, DUCKDB],
        "cast(date1 - interval '7919 day' as date)",
        "date1 - 7919",
    ),
];

const MONTHS: &str = "(extract(year from date2) - extract(year from date1)) * 12 + extract(month from date2) - extract(month from date1)";

/// Spellings to which the generated SQL adds a guard.
const GUARDED: &[(&[&str], &str, &str, Guard)] = &[
    (
        &[SNOWFLAKE],
        "greatest(value1, value2)",
        "greatest_ignore_nulls(value1, value2)",
        Guard::Default,
    ),
    (
        &[SNOWFLAKE],
        "least(value1, value2)",
        "least_ignore_nulls(value1, value2)",
        Guard::Default,
    ),
    (
        &[POSTGRES],
        "cast(value1 as integer)",
        "cast(cast(value1 as integer) as bigint)",
        Guard::Conversion,
    ),
    (
        BOTH_OPEN,
        "date1 + interval '7919 days'",
        "date1 + 7919",
        Guard::Conversion,
    ),
    (
        BOTH_OPEN,
        "date1 + interval '7919 day'",
        "date1 + 7919",
        Guard::Conversion,
    ),
    (
        BOTH_OPEN,
        "date1 - interval '7919 days'",
        "date1 - 7919",
        Guard::Conversion,
    ),
    (
        BOTH_OPEN,
        "date1 - interval '7919 day'",
        "date1 - 7919",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 + interval 7919 day",
        "date1 + 7919",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 - interval 7919 day",
        "date1 - 7919",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 + interval '7919 months'",
        "cast(date1 + to_months(7919) as date)",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 + interval '7919 month'",
        "cast(date1 + to_months(7919) as date)",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 + interval 7919 month",
        "cast(date1 + to_months(7919) as date)",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 - interval '7919 months'",
        "cast(date1 + to_months(-7919) as date)",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 - interval '7919 month'",
        "cast(date1 + to_months(-7919) as date)",
        Guard::Conversion,
    ),
    (
        &[DUCKDB],
        "date1 - interval 7919 month",
        "cast(date1 + to_months(-7919) as date)",
        Guard::Conversion,
    ),
    (
        &[POSTGRES],
        "date1 + interval '7919 months'",
        "cast(date1 + interval '7919 month' as date)",
        Guard::Conversion,
    ),
    (
        &[POSTGRES],
        "date1 + interval '7919 month'",
        "cast(date1 + interval '7919 month' as date)",
        Guard::Conversion,
    ),
    (
        &[POSTGRES],
        "date1 - interval '7919 months'",
        "cast(date1 + interval '-7919 month' as date)",
        Guard::Conversion,
    ),
    (
        &[POSTGRES],
        "date1 - interval '7919 month'",
        "cast(date1 + interval '-7919 month' as date)",
        Guard::Conversion,
    ),
];

/// Other names of types, with the type to which generated SQL casts instead, and whether the types differ in their limits
/// or precision.
const TYPE_NAMES: &[(&str, &[&str], Type, bool)] = &[
    (BIGQUERY, &["int", "integer", "bigint"], Type::Integer, false),
    (BIGQUERY, &["boolean"], Type::Boolean, false),
    (
        SNOWFLAKE,
        &["int", "integer", "bigint", "number", "numeric", "decimal"],
        Type::Integer,
        false,
    ),
    (
        SNOWFLAKE,
        &["float8", "double", "double precision", "real"],
        Type::Float,
        false,
    ),
    (SNOWFLAKE, &["text", "string"], Type::Text, false),
    (POSTGRES, &["int8"], Type::Integer, false),
    (POSTGRES, &["integer"], Type::Integer, true),
    (POSTGRES, &["float", "float8"], Type::Float, false),
    (POSTGRES, &["numeric", "decimal"], Type::Float, true),
    (POSTGRES, &["varchar"], Type::Text, false),
    (POSTGRES, &["bool"], Type::Boolean, false),
    (DUCKDB, &["int8", "long"], Type::Integer, false),
    (DUCKDB, &["int", "integer", "int4"], Type::Integer, true),
    (DUCKDB, &["float8"], Type::Float, false),
    (DUCKDB, &["float", "real"], Type::Float, true),
    (DUCKDB, &["text", "string"], Type::Text, false),
    (DUCKDB, &["bool"], Type::Boolean, false),
];

/// Aggregates of SQL that skip NULL, and whose result does not depend on the order of the rows.
const AGGREGATES: [&str; 10] = [
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "median",
    "stddev_samp",
    "stddev_pop",
    "var_samp",
    "var_pop",
];

/// Units that Snowflake accepts as words and as strings.
const UNITS: [&str; 8] = ["day", "week", "month", "quarter", "year", "hour", "minute", "second"];

/// Types whose conversion to the same type has no effect.
const TYPES: [(Type, &str); 5] = [
    (Type::Boolean, "boolean1"),
    (Type::Integer, "integer1"),
    (Type::Float, "float1"),
    (Type::Text, "text1"),
    (Type::Date, "date1"),
];

/// Returns the spellings of a dialect.
pub(super) fn spellings(dialect: Dialect) -> Vec<Spelling> {
    let family = dialect.facts().sql_family;
    let mut all = Vec::new();
    let mut add = |written: String, generated: String, guard: Option<Guard>| {
        all.push(Spelling {
            written,
            generated,
            guard,
        });
    };
    for (_, written, generated) in SAME.iter().filter(|(families, ..)| families.contains(&family)) {
        add((*written).to_owned(), (*generated).to_owned(), None);
    }
    for (_, written, generated, guard) in GUARDED.iter().filter(|(families, ..)| families.contains(&family)) {
        add((*written).to_owned(), (*generated).to_owned(), Some(*guard));
    }
    for (_, names, ty, is_other) in TYPE_NAMES.iter().filter(|(of, ..)| *of == family) {
        for name in *names {
            let generated = format!("cast(value1 as {})", dialect.type_name(*ty));
            add(
                format!("cast(value1 as {name})"),
                generated,
                is_other.then_some(Guard::Conversion),
            );
        }
    }
    for (ty, value) in TYPES {
        add(
            format!("cast({value} as {})", dialect.type_name(ty)),
            value.to_owned(),
            None,
        );
    }
    let float = dialect.type_name(Type::Float);
    if matches!(family, BIGQUERY | DUCKDB) {
        // Quotients of integers are floats without a conversion.
        for other in ["integer2", "float1"] {
            add(
                format!("cast(integer1 as {float}) / {other}"),
                format!("integer1 / {other}"),
                None,
            );
            add(
                format!("{other} / cast(integer1 as {float})"),
                format!("{other} / integer1"),
                None,
            );
            let divisor = format!("nullif({other}, 0)");
            add(
                format!("cast(integer1 as {float}) / {divisor}"),
                format!("integer1 / {divisor}"),
                None,
            );
        }
    } else {
        add(
            format!("integer1 / cast(value1 as {float})"),
            format!("cast(integer1 as {float}) / value1"),
            None,
        );
    }
    if BOTH_OPEN.contains(&family) {
        for name in AGGREGATES {
            let written = format!("{name}(value2) filter (where value1)");
            add(written, format!("{name}(case when value1 then value2 end)"), None);
        }
    }
    if family == SNOWFLAKE {
        for unit in UNITS {
            for name in ["datediff", "dateadd"] {
                let written = format!("{name}('{unit}', value1, value2)");
                add(written, format!("{name}({unit}, value1, value2)"), None);
            }
            add(
                format!("date_trunc({unit}, value1)"),
                format!("date_trunc('{unit}', value1)"),
                None,
            );
        }
    }
    let timestamp = dialect.type_name(Type::Timestamp);
    for op in ["=", "<>", "<", "<=", ">", ">="] {
        add(format!("date1 {op} 'wyqj'"), format!("date1 {op} date 'wyqj'"), None);
        let literal = match family {
            SNOWFLAKE => format!("cast('wyqj' as {timestamp})"),
            _ => format!("{timestamp} 'wyqj'"),
        };
        add(
            format!("timestamp1 {op} 'wyqj'"),
            format!("timestamp1 {op} {literal}"),
            None,
        );
    }
    all
}
