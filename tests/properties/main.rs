//! Tests of properties that hold for every input: no crash, correct spans, round trips from source to tree and back,
//! and linear growth.

#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

#[allow(dead_code, reason = "the benchmarks use the other items")]
mod cells;
mod constant_folding;
mod corpus;
mod deep;
mod formula_session;
mod formulas;
mod fuzz;
mod independence;
mod large;
mod large_joins;
mod mutations;
#[path = "../rubric/orders.rs"]
mod orders;
mod round_trip;
mod serialization;
mod session;
mod small_stack;
mod spans;
mod sql;
#[path = "../rubric/sql_parser.rs"]
mod sql_parser;
mod yaml_error_positions;
