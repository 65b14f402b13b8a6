//! Which columns a query's columns are made of: a table of SQL, and the compiled SQL of projects, checked by hand.

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
