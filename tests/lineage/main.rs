//! Tests column lineage, which finds the columns from which a query's columns are computed. The tests cover a table of
//! SQL forms, and the compiled SQL of projects. The expected results were checked by hand.

#![allow(missing_docs, reason = "this is test code")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests should stop at unexpected results"
)]

mod catalogue;
mod deep_nesting;
mod forms;
mod large;
mod mutated;
mod projects;
mod sqlglot;
