//! Selects the independent SQL parser for each dialect.

use formulac::Dialect;
use sqlparser::ast::Statement;
use sqlparser::dialect::{BigQueryDialect, Dialect as SqlDialect, DuckDbDialect, PostgreSqlDialect, SnowflakeDialect};
use sqlparser::parser::Parser;

pub fn parser_of(dialect: Dialect, sql: &str) -> Box<dyn SqlDialect> {
    match dialect.name() {
        // DuckDB supports the escapes of Postgres, but sqlparser's DuckDB dialect does not.
        "duckdb" if sql.contains("E'") => Box::new(PostgreSqlDialect {}),
        "bigquery" => Box::new(BigQueryDialect {}),
        "snowflake" => Box::new(SnowflakeDialect {}),
        "duckdb" => Box::new(DuckDbDialect {}),
        _ => Box::new(PostgreSqlDialect {}),
    }
}

/// Returns the statements of an SQL text.
pub fn parse(dialect: Dialect, sql: &str) -> Result<Vec<Statement>, String> {
    let parser_dialect = parser_of(dialect, sql);
    Parser::new(&*parser_dialect)
        .with_recursion_limit(500)
        .try_with_sql(sql)
        .and_then(|mut p| p.parse_statements())
        .map_err(|e| format!("{dialect}: {e}\n{sql}"))
}
