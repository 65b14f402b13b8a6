//! Spellings: SQL as analysts write it, with the equivalent SQL as formulac generates it. `spellings.txt` lists the
//! spellings and explains the placeholders for expressions. This file adds the spellings of types, units and literals.

use super::guards::SqlGuard;
use crate::Type;
use crate::dialect::Dialect;

const BIGQUERY: &str = "bigquery";
const SNOWFLAKE: &str = "snowflake";
const POSTGRES: &str = "postgres";
const DUCKDB: &str = "duckdb";
const SPELLINGS_TEXT: &str = include_str!("spellings.txt");

/// SQL as analysts write it, and the equivalent SQL as formulac generates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SqlSpelling {
    pub pattern: String,
    pub generated: String,
    /// Kind of the guard that the generated SQL adds. `None` if both versions of the SQL return the same value for all
    /// arguments.
    pub guard: Option<SqlGuard>,
}

/// SQL aggregates that skip NULL and whose result does not depend on the order of the rows.
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
pub(super) fn spellings(dialect: Dialect) -> Vec<SqlSpelling> {
    let family = dialect.facts().sql_family;
    let mut spellings = Vec::new();
    let mut add = |sql_pattern: String, generated: String, guard: Option<SqlGuard>| {
        spellings.push(SqlSpelling {
            pattern: sql_pattern,
            generated,
            guard,
        });
    };
    for line in SPELLINGS_TEXT.lines().filter(|line| !line.starts_with('#')) {
        let Some((families, rest)) = line.split_once(": ") else {
            continue;
        };
        let mut columns = rest.split("  ").map(str::trim).filter(|column| *column != "->");
        let is_own = families == "all" || families.split(' ').any(|name| name == family);
        if let (true, Some(sql_pattern), Some(generated)) = (is_own, columns.next(), columns.next()) {
            add(
                sql_pattern.to_owned(),
                generated.to_owned(),
                columns.next().and_then(SqlGuard::from_name),
            );
        }
    }
    for (ty, value) in TYPES {
        let type_name = dialect.type_name(ty);
        // Values of other types may have different limits or a different precision.
        for (names, guard) in dialect
            .other_type_names(ty)
            .into_iter()
            .zip([None, Some(SqlGuard::Conversion)])
        {
            for name in names {
                add(
                    format!("cast(value1 as {name})"),
                    format!("cast(value1 as {type_name})"),
                    guard,
                );
            }
        }
        add(format!("cast({value} as {type_name})"), value.to_owned(), None);
    }
    for (sql_pattern, generated) in quotients_of_integers(dialect, family) {
        add(sql_pattern, generated, None);
    }
    if matches!(family, POSTGRES | DUCKDB) {
        for name in AGGREGATES {
            let sql_pattern = format!("{name}(value2) filter (where value1)");
            add(sql_pattern, format!("{name}(case when value1 then value2 end)"), None);
        }
    }
    if family == SNOWFLAKE {
        for unit in UNITS {
            for name in ["datediff", "dateadd"] {
                let sql_pattern = format!("{name}('{unit}', value1, value2)");
                add(sql_pattern, format!("{name}({unit}, value1, value2)"), None);
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
    spellings
}

/// Returns quotients in which an integer is explicitly converted to a float, each with the generated quotient.
fn quotients_of_integers(dialect: Dialect, family: &str) -> Vec<(String, String)> {
    let float = dialect.type_name(Type::Float);
    let quotients = |other: &str| match family {
        // Quotients of integers are floats even without a conversion.
        BIGQUERY | DUCKDB => vec![
            (
                format!("cast(integer1 as {float}) / {other}"),
                format!("integer1 / {other}"),
            ),
            (
                format!("{other} / cast(integer1 as {float})"),
                format!("{other} / integer1"),
            ),
            (
                format!("cast(integer1 as {float}) / nullif({other}, 0)"),
                format!("integer1 / nullif({other}, 0)"),
            ),
        ],
        _ => vec![(
            format!("integer1 / cast({other} as {float})"),
            format!("cast(integer1 as {float}) / {other}"),
        )],
    };
    ["integer2", "float1"].into_iter().flat_map(quotients).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistake in the list would silently remove a spelling, or the guard that makes the spelling correct.
    #[test]
    fn lines_of_the_list_are_complete() {
        let families = ["all", BIGQUERY, SNOWFLAKE, POSTGRES, DUCKDB];
        for line in SPELLINGS_TEXT
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (family_names, rest) = line.split_once(": ").unwrap_or_default();
            assert!(family_names.split(' ').all(|name| families.contains(&name)), "{line}");
            let columns: Vec<&str> = rest.split("  ").map(str::trim).collect();
            let is_right = match columns.as_slice() {
                [_, "->", _] => true,
                [_, "->", _, guard] => SqlGuard::from_name(guard).is_some(),
                _ => false,
            };
            assert!(is_right, "{line}");
        }
    }
}
