//! Compiler core: translates formulas to SQL expressions for a given dialect and data schema.
//!
//! ```text
//! text ─ formulac-grammar ─ tree ─ check ─ ir ─ emit ─ sql ─ text
//!                                           ╰─ plan ─ emit ─ sql    (a step of a model, for the crate above)
//! ```
//!
//! The crate does not access files, the clock, the environment or the network. The crate does not panic on any input,
//! and its recursion depth does not grow with the input. A compilation always returns a result: everything that could
//! be compiled, and diagnostics with exact spans. Use this crate if you only need to compile formulas, for example in
//! an editor, a web page or a language server.
//!
//! ```
//! use formulac_core::{Column, Compiler, Dialect, Relation, Schema, Type};
//!
//! let orders = Relation::new("orders").with(Column::new("revenue", Type::Decimal));
//! let dialect: Dialect = "bigquery".parse().unwrap();
//! let compiler = Compiler::builder().dialect(dialect).schema(Schema::new().with(orders)).build();
//! let compiled = compiler.compile("total = SUM(revenue)");
//! assert_eq!(compiled.definitions()[0].sql(), "coalesce(sum(revenue), 0)");
//! ```
//!
//! [`Builder`] configures a compiler, [`Compiler::compile`] returns [`Compiled`], and [`Compiler::check`]
//! returns only the diagnostics. [`Schema`] contains relations and columns, either built in code or parsed
//! from a string.
//!
//! The modules are the stages of the compiler, in the order of the diagram: [`check`] resolves names and infers types
//! and levels, [`ir`] is the typed program, [`plan`] splits a step's program into selects, [`emit`] writes expressions
//! with the dialect's templates, and [`sql`] contains the expression tree and its printer. The modules are public only
//! because the crate `formulac` compiles models with them, and they change together with that crate. Other crates
//! should use only the names that are re-exported at the crate root.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod calendar;
#[allow(
    missing_docs,
    reason = "the documentation explains the difficult parts, and only one crate calls this stage"
)]
pub mod check;
#[allow(missing_docs, reason = "see `check`")]
pub mod compiler;
#[allow(missing_docs, reason = "see `check`")]
pub mod emit;
#[allow(missing_docs, reason = "see `check`")]
pub mod ir;
#[allow(missing_docs, reason = "see `check`")]
pub mod plan;
#[allow(missing_docs, reason = "see `check`")]
pub mod schema;
#[allow(missing_docs, reason = "see `check`")]
pub mod scratch;
#[allow(missing_docs, reason = "see `check`")]
pub mod sql;
#[allow(missing_docs, reason = "see `check`")]
pub mod symbol_table;

use formulac_catalog::{MAX_DECIMAL_DIGITS, catalog, dialect};
use formulac_grammar as parse;
use formulac_syntax::{arena, ast, diag, lex, limits, span, yaml};

pub use calendar::{UnknownWeekday, Weekday};
pub use check::Context;
pub use compiler::{Builder, Compiled, Compiler, Definition, FormulaSession, ReadColumn, TypeSensitiveColumn};
pub use formulac_catalog::{Dialect, Level, Type};
pub use formulac_syntax::diag::{Code, Diagnostic, Severity};
pub use formulac_syntax::limits::Limits;
pub use schema::{Access, Column, Relation, Schema};
