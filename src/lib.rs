//! Compiler from spreadsheet-style formulas, the language of the BI tool Omni, to SQL and dbt models.
//!
//! ```text
//! formula text ─ lex ─ parse ─ AST ─ resolve names ─ infer and check types and levels ─ typed IR
//!   ─ plan steps and strata ─ SQL tree ─ dialect text ─ dbt model
//! ```
//!
//! The library does not use files, the clock, environment variables or the network. It does not panic on any input, and
//! its recursion depth does not depend on the input. Even if the input has errors, a compilation returns all parts that
//! could be compiled, and diagnostics with exact spans.
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
//! `Compiler::compile` compiles formulas. [`Compiler::compile_spec`] compiles a model spec in YAML to a query and a dbt
//! model. Functions for the first stages, [`lex`] and [`parse`], are public for tools that need only these stages.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

#[doc(inline)]
pub use formulac_catalog::{
    ConstructFact, Dialect, FactVerdict, Facts, Level, Literals, Type, UnknownDialect, UnknownType, catalog,
};
#[doc(inline)]
pub use formulac_core::sql::{OperatorKind, PlanOperator, PlanPart, QueryPlan};
#[doc(inline)]
pub use formulac_core::{
    Access, Column, Compiled, Context, Definition, FormulaSession, ReadColumn, Relation, Schema, TypeSensitiveColumn,
    UnknownWeekday, Weekday,
};
#[doc(inline)]
pub use formulac_dbt as dbt;
#[doc(inline)]
pub use formulac_dbt::artifacts;
#[cfg(feature = "sync")]
#[doc(inline)]
pub use formulac_decompile as decompile;
#[cfg(feature = "drafts")]
pub use formulac_draft::{Draft, draft_examples};
#[cfg(feature = "drafts")]
#[doc(hidden)]
pub use formulac_draft::{DraftedRows, DraftedValue, GivenRows};
#[doc(inline)]
pub use formulac_grammar as parse;
#[cfg(feature = "cli")]
#[doc(inline)]
pub use formulac_impact as impact;
#[cfg(feature = "drafts")]
#[doc(hidden)]
pub use formulac_interpret as interpret;
#[cfg(feature = "lineage")]
#[doc(inline)]
pub use formulac_lineage as lineage;
#[cfg(feature = "drafts")]
#[doc(hidden)]
pub use formulac_model::interpreter_input::{InterpreterInput, convert_spec_for_interpreter};
#[doc(inline)]
pub use formulac_model::{
    Additivity, Builder, ColumnFormula, ColumnLineage, CompiledSpec, Compiler, Declared, Environment, MetricSource,
    ModelTest, NonAdditiveReason, PERIODS, Placeholder, Project, SemanticModel, SemanticModels, SemanticNameKind,
    SourceColumn, SpecDefinition, SpecSession, SpecText, USER, UnknownTimeZone, json_schema, parse_time_zone, verify,
};
#[cfg(feature = "sync")]
#[doc(inline)]
pub use formulac_omni::{self as omni, promote};
#[cfg(feature = "sync")]
#[doc(inline)]
pub use formulac_sync::{self as sync, known, known::KnownFacts, secrets, team};
#[doc(inline)]
pub use formulac_syntax::{
    ast, diag,
    diag::{Code, Diagnostic, Severity},
    lex, limits,
    limits::Limits,
    markdown, span,
};
#[cfg(feature = "sync")]
#[doc(inline)]
pub use formulac_yaml_edit as yaml_edit;

/// Compiles and runs the README's Rust code as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
