//! SQL as a tree: expressions in one arena, queries that consist of relational plans, and printers for both.
//!
//! The printers derive parentheses from operator precedence, and line breaks from the line width. Nothing in this
//! module depends on a dialect.

mod column_order;
mod conditions;
mod equal_ctes;
mod lowering;
mod multiline;
mod operators;
mod precedence;
mod pretty;
mod query;
mod query_plan;
mod relation_aliases;
mod relational_plan;
mod repeated_reads;
mod select;
mod single_line;
mod text;
mod tree;

pub use column_order::put_plain_columns_first;
pub use equal_ctes::CteIndex;
pub use query::{Cte, Query, QueryInput, SelectSource, implicit_name, write_query};
pub use query_plan::{OperatorKind, PlanNames, PlanOperator, PlanPart, QueryPlan};
pub use relational_plan::{Item, Join, JoinKind, NamedWindow, OptionalCondition, RowPlan, Scan, SelectList, Star};
pub use repeated_reads::has_reevaluated_call;
pub use single_line::{SingleLineStep, SpanMapping, write_single_line, write_single_line_mapped};
pub use text::SqlText;
pub use tree::{Sql, SqlId, SqlSlice, SqlTree};
