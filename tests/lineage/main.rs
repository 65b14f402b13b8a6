//! Tests column lineage, which finds the columns from which a query's columns are computed. The tests cover a table of
//! SQL forms, and the compiled SQL of projects, checked by hand.

#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests should stop at what they did not expect"
)]

mod bounded;
mod catalogue;
mod forms;
mod mutated;
mod projects;
mod sqlglot;
