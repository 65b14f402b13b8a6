//! The functions of the language formulac and the dialects of SQL that it writes, as tables.
//!
//! The tables are the TOML files beside this crate: `functions/*.toml` holds what each function takes, gives and means,
//! and a template of SQL; `ansi.toml` and a file for each dialect hold how names, texts and literals are written, what
//! the warehouse can do, and templates of its own. The build script reads them, checks each against the others and
//! writes static data, so that a mistake stops the build with its file and line, and nothing is read when a program runs.
//!
//! - [`catalog`] finds a function by name and says what is known of it: signatures, docs, null rules, levels.
//! - [`Dialect`] is a dialect: facts, literals, the template of each overload, and names and texts in quotes. User text
//!   enters SQL there and nowhere else.
//! - [`Type`] and [`Level`] are the types of values and where they are computed.
//! - [`tables`] is the data itself, for those who print SQL by it.
//!
//! Which dialect it is no other crate asks: it asks for a fact, a literal or a template. To add a function or a dialect
//! is to write TOML; `README.md` in this folder says how.
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
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)]

pub mod catalog;
pub mod dialect;
/// Names that are looked up in any case.
pub mod hash;
pub mod tables;
mod types;

pub use dialect::{Dialect, Facts, Literals, UnknownDialect};
pub use types::{ALL_DIGITS, Level, Type, UnknownType};
