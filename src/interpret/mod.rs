//! What formulas and specs give, worked out by walking over rows.
//!
//! It is written from the contract and from what spreadsheets do, and knows no SQL: it asks neither the checks, nor the
//! plan, nor a dialect, so that what it says proves what they make. The tests hold it beside every engine; the unit
//! tests that are drafted have their expected rows from it.

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
