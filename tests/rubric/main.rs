//! Checks the SQL of many specs with rules that a reviewer would apply, and writes the SQL to snapshots for review.

#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod change;
mod columns;
mod corpus;
mod layout;
mod orders;
mod parentheses;
mod redundant_sql;
mod snapshots;
mod sql_parser;
mod sql_text;
mod sqlfluff;
