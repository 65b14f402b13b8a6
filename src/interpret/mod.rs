//! Interpreter for formulas and specs, which evaluates them row by row.
//!
//! The interpreter implements the contract and the behavior of spreadsheets, independently of SQL: it uses neither the
//! checks, nor the plan, nor a dialect. So its results can verify the generated SQL. The tests compare it with every
//! engine, and drafted unit tests take their expected rows from it.

pub mod arithmetic;
pub mod calendar;
pub mod exact;
pub mod expr;
pub mod from_ast;
pub mod functions;
pub mod joins;
pub mod spec;
pub mod temporal;
pub mod trace;
pub mod uncertainty;
pub mod value;
pub mod walk;
