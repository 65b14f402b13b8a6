//! Column lineage of SQL queries: the source columns of each result column, and the columns that determine the rows.
//!
//! A result column *depends on* the columns from which its values are computed, including conditions inside the
//! expression. Columns in joins, filters, groups, `distinct` and sorts before a limit *determine the rows* and
//! therefore affect every result column. Columns that partition or order a window affect only the result column with
//! that window.
//!
//! If the columns of a relation are unknown, a name may belong to several relations. The lineage then includes all
//! these relations and reports a [gap](SqlLineage::gaps). The lineage never misses a column, because SQL that cannot be
//! analyzed is an error.
//!
//! ```
//! use formulac_lineage::{self as lineage, RelationColumnList};
//! let sql = "with o as (select * from shop.orders where paid) select customer, sum(amount) as revenue from o group by 1";
//! let lineage = lineage::lineage_of_sql(sql, "postgres".parse().ok(), &|_| RelationColumnList::default()).unwrap();
//! let sources = |name: &str| lineage.column(name).unwrap().source_columns.iter().map(ToString::to_string).collect::<Vec<_>>();
//! assert_eq!(sources("revenue"), ["shop.orders.amount"]);
//! let rows: Vec<_> = lineage.rows().iter().map(ToString::to_string).collect();
//! assert_eq!(rows, ["shop.orders.customer", "shop.orders.paid"]);
//! ```

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod calls;
mod codec;
mod depth_limit;
mod dialects;
mod expression;
mod expression_nodes;
mod from;
mod joins;
mod parallel_models;
mod pivot;
mod query;
mod relation;
mod result;
mod scope;
mod select;
mod star;
mod values;

use formulac_catalog::dialect;
use formulac_runtime::parallel;

use std::fmt;

use sqlparser::ast::{Query, Statement};
use sqlparser::parser::Parser;

pub use codec::LineageCache;
pub use codec::sql_fingerprint;
pub use depth_limit::with_large_stack;
pub use dialects::parser_dialect;
pub use parallel_models::map_with_large_stack;
pub use result::{ColumnChange, ColumnSource, LineageColumn, QueryEffects, SqlLineage};

use crate::dialect::Dialect;

/// Known columns of a relation.
#[derive(Clone, Debug, Default)]
pub struct RelationColumnList {
    /// Names of the known columns.
    pub columns: Vec<String>,
    /// Whether `columns` contains all columns of the relation.
    pub is_complete: bool,
}

impl RelationColumnList {
    /// Returns whether the list contains a column, ignoring case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.eq_ignore_ascii_case(name))
    }

    /// Adds a column, unless the list already contains it.
    pub fn add(&mut self, name: &str) {
        if !self.contains(name) {
            self.columns.push(name.to_owned());
        }
    }
}

/// Reason why the lineage of a query is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageError {
    reason: String,
}

impl LineageError {
    /// Creates an error from a reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for LineageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for LineageError {}

/// Returns the lineage of a query. `columns_of` returns the columns of a relation. The argument of `columns_of`
/// contains the parts of the relation's name in lower case, such as `["shop", "orders"]`. If `dialect` is `None`, the
/// SQL is parsed in the most tolerant dialect.
///
/// # Errors
///
/// Returns an error if the SQL is not a single query, if the parser does not support the query, or if the query is
/// nested too deeply.
pub fn lineage_of_sql(
    sql: &str,
    dialect: Option<Dialect>,
    columns_of: &(dyn Fn(&[String]) -> RelationColumnList + Sync),
) -> Result<SqlLineage, LineageError> {
    with_large_stack(|| read(sql, dialect, columns_of))
        .unwrap_or_else(|| Err(LineageError::new("no thread could be started")))
}

/// Returns the lineage of a query. The current thread must have [enough stack](with_large_stack).
///
/// # Errors
///
/// Returns an error if the SQL cannot be parsed or analyzed.
pub fn read(
    sql: &str,
    dialect: Option<Dialect>,
    columns_of: &(dyn Fn(&[String]) -> RelationColumnList + Sync),
) -> Result<SqlLineage, LineageError> {
    let (query, joins) = parse(sql, dialect)?;
    query::QueryAnalyzer::new(columns_of, dialect).read(&query, &joins)
}

/// Returns the columns that an SQL expression reads. Each column is given by the last part of its name in lower case.
/// `None` if the expression cannot be analyzed.
#[must_use]
pub fn columns_of_expression(sql: &str, dialect: Option<Dialect>) -> Option<Vec<String>> {
    let query = format!("select {sql}\n as it from t");
    let lineage = lineage_of_sql(&query, dialect, &|_| RelationColumnList::default()).ok()?;
    let column = lineage.columns().into_iter().next().filter(|_| lineage.len() == 1)?;
    let mut names: Vec<String> = column
        .source_columns
        .into_iter()
        .chain(column.window_columns)
        .map(|source| source.column)
        .collect();
    names.sort();
    names.dedup();
    Some(names)
}

/// Parses a query. Returns the query and the join keywords that were replaced before parsing. The current thread must
/// have [enough stack](with_large_stack).
///
/// # Errors
///
/// Returns an error if the SQL is not a single query, or is nested too deeply.
#[doc(hidden)]
pub fn parse(sql: &str, dialect: Option<Dialect>) -> Result<(Box<Query>, Vec<&'static str>), LineageError> {
    let of_parser = dialects::parser_dialect(dialect);
    let mut tokens = depth_limit::tokenize_bounded(sql, &*of_parser)?;
    let joins = dialects::replace_joins(dialect, &mut tokens);
    dialects::replace_escaped_literals(&mut tokens);
    let dialect = of_parser;
    let parser = Parser::new(&*dialect).with_recursion_limit(depth_limit::MAX_BRACKET_DEPTH);
    let statements = parser.with_tokens_with_locations(tokens).parse_statements();
    let statements = statements.map_err(|error| LineageError::new(format!("the SQL cannot be read: {error}")))?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Query(query)), None) => Ok((query, joins)),
        (None, _) => Err(LineageError::new("there is no SQL")),
        _ => Err(LineageError::new("the SQL is not a single query")),
    }
}
