//! Compares a value and its type with the expected value and type.

use formulac::Dialect;
use serde_json::Value as Json;

/// Returns `true` if two values are equal. Numbers may differ by 1e-9, relatively or absolutely. All other values must
/// be identical.
pub fn values_equal(expected: &Json, got: &Json) -> bool {
    match (expected, got) {
        (Json::Number(expected), Json::Number(got)) => {
            let (Some(expected), Some(got)) = (expected.as_f64(), got.as_f64()) else {
                return expected == got;
            };
            let scale = expected.abs().max(got.abs()).max(1.0);
            expected == got || (expected - got).abs() <= 1e-9 * scale
        }
        _ => expected == got,
    }
}

/// Returns the reason why the engine's type is not in the expected class. Returns `None` if the type is in the class.
///
/// Engines that widen sums may return integers as exact numerics. Postgres keeps `numeric`, which is at least as exact
/// as the float of other engines. The Snowflake emulator does not distinguish between number types.
pub fn type_fault(dialect: Dialect, expected: &str, engine_type: &str) -> Option<String> {
    let class = match (dialect.name(), engine_type) {
        ("bigquery", "TIMESTAMP") => "timestamptz",
        _ => type_class(engine_type),
    };
    let is_number = matches!(class, "integer" | "decimal" | "float");
    let fits = match (dialect.name(), expected) {
        ("snowflake", "integer" | "decimal" | "float") => is_number,
        ("postgres", "integer") => matches!(class, "integer" | "decimal"),
        ("postgres", "float") => matches!(class, "float" | "decimal"),
        _ => class == expected,
    };
    (!fits).then(|| format!("the engine's type is {engine_type}, expected {expected}"))
}

fn type_class(engine_type: &str) -> &str {
    let name = engine_type.split('(').next().unwrap_or(engine_type);
    match name {
        "INT64" | "INT32" | "UINT64" | "UINT32" | "int2" | "int4" | "int8" | "TINYINT" | "SMALLINT" | "INTEGER"
        | "BIGINT" | "HUGEINT" | "UBIGINT" => "integer",
        "NUMERIC" | "BIGNUMERIC" | "numeric" | "DECIMAL" | "NUMBER" => "decimal",
        "DOUBLE" | "FLOAT" | "float4" | "float8" => "float",
        "STRING" | "text" | "varchar" | "VARCHAR" => "text",
        "BOOL" | "bool" | "BOOLEAN" => "boolean",
        "DATE" | "date" => "date",
        "DATETIME" | "TIMESTAMP" | "timestamp" | "TIMESTAMP_NTZ" => "timestamp",
        "timestamptz" | "TIMESTAMP WITH TIME ZONE" | "TIMESTAMP_TZ" => "timestamptz",
        other => other,
    }
}
