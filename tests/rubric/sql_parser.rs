//! Selects the independent SQL parser for each dialect.

use formulac::Dialect;
use sqlparser::ast::Statement;
use sqlparser::dialect::{Dialect as SqlDialect, PostgreSqlDialect, dialect_from_str};
use sqlparser::parser::Parser;

pub fn parser_of(dialect: Dialect, sql: &str) -> Box<dyn SqlDialect> {
    // DuckDB supports Postgres escapes, but sqlparser's DuckDB dialect does not.
    if dialect.name() == "duckdb" && sql.contains("E'") {
        return Box::new(PostgreSqlDialect {});
    }
    dialect_from_str(dialect.facts().sql_parser).expect("a dialect of the parser")
}

/// Returns the statements in a string of SQL.
pub fn parse(dialect: Dialect, sql: &str) -> Result<Vec<Statement>, String> {
    let parser_dialect = parser_of(dialect, sql);
    Parser::new(&*parser_dialect)
        .with_recursion_limit(500)
        .try_with_sql(sql)
        .and_then(|mut p| p.parse_statements())
        .map_err(|e| format!("{dialect}: {e}\n{sql}"))
}
