//! Which columns each column of a SQL query is made of, and which columns decide about its rows.
//!
//! A column is *made of* what its values are computed from, conditions inside of them included. What joins, filters,
//! groups, sorts before a limit or makes distinct *decides about rows*, and with that about every column. What parts
//! and orders a window stands between: it decides about the values of that column only.
//!
//! Where the columns of a relation are not known, a name may be of several relations: it is then taken to be of all of
//! them, and a [gap](SqlLineage::gaps) says so. What is said is never too little, unless the SQL cannot be followed at
//! all, which is an error.
//!
//! ```
//! use formulac::lineage::{self, KnownRelations};
//! let sql = "with o as (select * from shop.orders where paid) select customer, sum(amount) as revenue from o group by 1";
//! let lineage = lineage::lineage_of_sql(sql, "postgres".parse().ok(), &|_| KnownRelations::default()).unwrap();
//! let shown = |name: &str| lineage.column(name).unwrap().made_of.iter().map(ToString::to_string).collect::<Vec<_>>();
//! assert_eq!(shown("revenue"), ["shop.orders.amount"]);
//! let rows: Vec<_> = lineage.rows().iter().map(ToString::to_string).collect();
//! assert_eq!(rows, ["shop.orders.customer", "shop.orders.paid"]);
//! ```

#[cfg(feature = "cli")]
mod codec;
mod depth_limit;
mod dialects;
mod expression;
mod from;
#[cfg(feature = "cli")]
mod parallel_models;
mod query;
mod relation;
mod result;
mod scope;
mod values;

use std::fmt;

use sqlparser::ast::{Query, Statement};
use sqlparser::parser::Parser;

#[cfg(feature = "cli")]
pub use codec::Lineages;
#[cfg(feature = "cli")]
pub(crate) use codec::print_of_sql;
pub(crate) use depth_limit::with_large_stack;
pub(crate) use dialects::parser_dialect;
#[cfg(feature = "cli")]
pub(crate) use parallel_models::each_with_large_stack;
pub use result::{Affected, ColumnChange, ColumnSource, LineageColumn, SqlLineage};

use crate::dialect::Dialect;

/// Known columns of a relation.
#[derive(Clone, Debug, Default)]
pub struct KnownRelations {
    /// Names of the known columns.
    pub columns: Vec<String>,
    /// Whether the relation has no other columns.
    pub is_complete: bool,
}

/// Reason why the lineage of a query is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageError {
    reason: String,
}

impl LineageError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for LineageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for LineageError {}

/// Returns the lineage of a query. `known` returns the columns of a relation, given the parts of its name in lower
/// case: `["shop", "orders"]`. Without a dialect, the SQL is parsed in the most tolerant one.
///
/// # Errors
///
/// The SQL is not a single query, is not supported by the parser, or is too deep.
pub fn lineage_of_sql(
    sql: &str,
    dialect: Option<Dialect>,
    known: &(dyn Fn(&[String]) -> KnownRelations + Sync),
) -> Result<SqlLineage, LineageError> {
    with_large_stack(|| read(sql, dialect, known))
        .unwrap_or_else(|| Err(LineageError::new("no thread could be started")))
}

/// Returns the lineage of a query. The current thread must have [enough stack](with_room).
pub(crate) fn read(
    sql: &str,
    dialect: Option<Dialect>,
    known: &(dyn Fn(&[String]) -> KnownRelations + Sync),
) -> Result<SqlLineage, LineageError> {
    let (query, joins) = parse(sql, dialect)?;
    query::QueryReader::new(known, dialects::SqlReaderFacts::from_dialect(dialect)).read(&query, &joins)
}

/// Returns the columns that a SQL expression reads, as the last parts of their names in lower case. `None` if the
/// expression cannot be analyzed.
#[must_use]
pub fn columns_of_expression(sql: &str, dialect: Option<Dialect>) -> Option<Vec<String>> {
    let query = format!("select {sql}\n as it from t");
    let lineage = lineage_of_sql(&query, dialect, &|_| KnownRelations::default()).ok()?;
    let column = lineage.columns().into_iter().next().filter(|_| lineage.len() == 1)?;
    let mut names: Vec<String> = column.made_of.into_iter().chain(column.windowed_by).map(|of| of.column).collect();
    names.sort();
    names.dedup();
    Some(names)
}

/// Parses a query and returns it with the join words that were replaced in it.
fn parse(sql: &str, dialect: Option<Dialect>) -> Result<(Box<Query>, Vec<&'static str>), LineageError> {
    let of_parser = dialects::parser_dialect(dialect);
    let mut tokens = depth_limit::tokens(sql, &*of_parser)?;
    let joins = dialects::replace_joins(dialect, &mut tokens);
    let dialect = of_parser;
    let parser = Parser::new(&*dialect).with_recursion_limit(depth_limit::BRACKETS);
    let statements = parser.with_tokens_with_locations(tokens).parse_statements();
    let statements = statements.map_err(|error| LineageError::new(format!("its SQL cannot be read: {error}")))?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Query(query)), None) => Ok((query, joins)),
        (None, _) => Err(LineageError::new("there is no SQL")),
        _ => Err(LineageError::new("its SQL is not one query")),
    }
}
