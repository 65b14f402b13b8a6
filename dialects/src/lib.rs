//! Functions in the formula language, and SQL dialects, as static tables.
//!
//! The tables come from the TOML files next to this crate. `functions/*.toml` defines the parameters, result and
//! meaning of each function, and an SQL template. `ansi.toml` and one file per dialect define the syntax of names,
//! strings and literals, the capabilities of the warehouse, and the templates that differ. The build script reads these
//! files, checks them against each other and writes static data. An error in a file stops the build with a message that
//! specifies the file and line. The crate does not read files at run time.
//!
//! - [`catalog`] looks up functions by name and returns their signatures, documentation, null rules and levels.
//! - [`Dialect`] is an SQL dialect: its facts, its literals, its template for each overload, and its quoting of names
//!   and strings. User text enters the generated SQL only through [`Dialect`].
//! - [`Type`] and [`Level`] are the types of values and the levels at which they are computed.
//! - [`tables`] contains the data for code that generates SQL.
//!
//! Code outside this crate never checks for a specific dialect. Such code uses the dialect's facts, literals and
//! templates instead. To add a function or a dialect, edit the TOML files. `README.md` in this folder explains how.
//!
//! ```
//! use formulac_catalog::{Dialect, catalog};
//!
//! let function = catalog::lookup("round").unwrap();
//! assert_eq!(function.signature(), "ROUND(value, [digits])");
//! let dialect: Dialect = "duckdb".parse().unwrap();
//! assert_eq!(dialect.text_literal("it's"), "'it''s'");
//! ```

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod catalog;
pub mod dialect;
/// Hash tables of names, with lookups that ignore case.
pub mod hash;
pub mod tables;
mod types;

pub use dialect::{ConstructFact, Dialect, FactVerdict, Facts, Literals, UnknownDialect};
pub use types::{Level, MAX_DECIMAL_DIGITS, Type, UnknownType};
