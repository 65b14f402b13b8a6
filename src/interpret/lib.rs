//! Interpreter that evaluates formulas and specs row by row.
//!
//! The interpreter implements the documented contract and the behavior of spreadsheets, independently of SQL. The crate
//! depends only on the parser and the function catalog, never on the compiler, so its results can verify the generated
//! SQL. The tests compare the results with every engine, and generated drafts of unit tests use the results as expected
//! rows.
//!
//! | part | content |
//! |---|---|
//! | [`from_ast`] | converts a syntax tree to an expression of the interpreter |
//! | [`spec`], [`joins`] | evaluates the steps of a spec: filters, joins, groups, windows |
//! | [`functions`], [`arithmetic`], [`operands`], [`temporal`] | evaluates calls and operators |
//! | [`value`], [`exact`] | values, with decimals of any precision |
//! | [`uncertainty`] | values that differ between engines, such as the sum of floats |
//! | [`trace`] | values of all subexpressions, for mutants and messages |
//!
//! The interpreter is designed to be easy to read and check rather than fast. The cost of an evaluation grows with the
//! number of rows times the number of expressions. An unsupported expression results in an error with a reason, so the
//! interpreter never guesses a value.

#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "internal: only tests and drafts of unit tests call the interpreter"
)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod arithmetic;
pub mod calendar;
pub mod exact;
pub mod expr;
pub mod from_ast;
pub mod functions;
pub mod joins;
pub mod operands;
pub mod spec;
pub mod temporal;
pub mod trace;
pub mod uncertainty;
pub mod value;
pub mod walk;

use formulac_catalog::{Level, Type, catalog};
use formulac_grammar as parse;
use formulac_syntax::ast;
