//! SQL as a tree: expressions in one arena, queries as CTEs and selects, and their text.
//!
//! Brackets come from precedence, line breaks from width; nothing here knows a dialect.

mod conditions;
mod flat;
mod precedence;
mod pretty;
mod query;
mod tree;

pub(crate) use flat::{Mapping, Step, flat, flat_mapped};
pub(crate) use query::{Cte, Input, Item, Join, JoinKind, NamedWindow, OrderKey, Query, Select, Source, write_query};
pub(crate) use tree::{Slice, Sql, SqlId, Tree};
