//! Compiler from spreadsheet-style formulas, the language of the BI tool Omni, to SQL and dbt models.
//!
//! ```text
//! formula text ─ lex ─ parse ─ AST ─ resolve names ─ infer and check types and levels ─ typed IR
//!   ─ plan steps and strata ─ SQL tree ─ dialect text ─ dbt model
//! ```
//!
//! Everything is pure: no files, no clock, no environment, no network. No input causes a panic, and the depth of
//! recursion does not depend on the input. A compilation always returns a result: everything that could be compiled,
//! and diagnostics with exact spans.
//!
//! ```
//! use formulac::{Compiler, Dialect};
//!
//! let compiler = Compiler::builder().dialect("bigquery".parse::<Dialect>().unwrap()).build();
//! let compiled = compiler.compile("customer_ltv = SUM(revenue) / COUNT(DISTINCT(customer_id))");
//! let ltv = &compiled.definitions()[0];
//! assert_eq!(ltv.name(), Some("customer_ltv"));
//! assert!(ltv.sql().starts_with("safe_divide("));
//! ```
//!
//! `Compiler::compile` compiles formulas. [`Compiler::compile_spec`] compiles a model spec in YAML to a query and a
//! dbt model. Functions for the first stages, [`lex`] and [`parse`], are public for tools that need only these.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)]

#[cfg(feature = "cli")]
pub mod artifacts;
#[cfg(feature = "cli")]
mod codec;
mod compiler;
pub mod dbt;
#[cfg(feature = "sync")]
pub mod decompile;
#[cfg(feature = "drafts")]
mod draft;
#[cfg(feature = "cli")]
pub mod impact;
#[cfg(feature = "drafts")]
#[doc(hidden)]
pub mod interpret;
#[cfg(feature = "cli")]
pub mod known;
#[cfg(feature = "lineage")]
pub mod lineage;
mod model;
#[cfg(feature = "cli")]
pub mod omni;
mod parallel;
#[cfg(feature = "cli")]
pub mod promote;
#[cfg(feature = "cli")]
pub mod secrets;
#[cfg(feature = "sync")]
pub mod sync;
pub mod team;
pub mod verify;
#[cfg(feature = "sync")]
pub mod yaml_edit;

pub use compiler::{Builder, Compiler};
pub use diag::{Code, Diagnostic, Severity};
#[cfg(feature = "drafts")]
pub use draft::Draft;
use formulac_catalog::dialect;
#[doc(inline)]
pub use formulac_catalog::{Dialect, Facts, Level, Literals, Type, UnknownDialect, UnknownType, catalog};
#[doc(inline)]
pub use formulac_core::{
    Access, Column, Compiled, Context, Definition, ReadColumn, Relation, Schema, UndecidedType, UnknownWeekday, Weekday,
};
use formulac_core::{calendar, check, emit, ir, plan, schema, scratch, sql};
#[doc(inline)]
pub use formulac_grammar as parse;
#[cfg(any(feature = "sync", feature = "cli"))]
pub use formulac_syntax::markdown;
use formulac_syntax::yaml;
#[doc(inline)]
pub use formulac_syntax::{ast, diag, lex, limits, span};
#[cfg(feature = "cli")]
pub use known::Known;
pub use limits::Limits;
#[cfg(feature = "drafts")]
#[doc(hidden)]
pub use model::interpreter_input::{Interpreted, interpreted};
#[cfg(feature = "cli")]
pub use model::json_schema;
pub use model::{
    Additivity, ColumnFormula, ColumnLineage, CompiledSpec, Declared, Environment, Lost, ModelTest, Placeholder,
    Project, SemanticModel, SemanticModels, SourceColumn, SpecDefinition, SpecText, USER,
};

/// Compiles and runs the README's Rust code as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
