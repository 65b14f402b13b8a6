//! Compiles model specs. Each spec is a YAML file that becomes a query or a dbt model.
//!
//! ```text
//! YAML ─ load (keys, shapes) ─ steps ─ formulas (formulac-core) ─ query ─ write (SQL, properties, tests, docs)
//! ```
//!
//! [`Compiler::compile_spec`] returns a [`CompiledSpec`] with the query, the files of the dbt model and all
//! diagnostics. [`Project`] contains the settings in `formulac.yml`. [`verify`] compares built models with their
//! formulas.
//!
//! ```
//! let spec = "model: revenue\nfrom: orders\ngroup_by: region\ndefinitions: |\n  revenue = SUM(amount)\n";
//! let compiled = formulac_model::Compiler::default().compile_spec(spec);
//! assert_eq!(compiled.name(), Some("revenue"));
//! assert!(compiled.query().unwrap().starts_with("select\n    region,\n    coalesce(sum(amount), 0) as revenue"));
//! ```
//!
//! The crate does not access files, the clock, environment variables or the network. It does not panic on any input and
//! always returns the parts that could be compiled. Items that are hidden from this documentation are for other
//! formulac crates.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod access;
mod additivity;
mod averaged_rates;
mod batch;
mod batch_errors;
mod cardinality;
mod catalog_lookup;
mod checks;
mod column_sql;
mod compile;
mod compiled_spec;
pub mod compiler;
mod config;
mod contract;
mod data_tests;
mod dbt_names;
mod dbt_tests;
mod described_formulas;
mod environments;
mod exposures;
mod fan_out;
mod file;
mod formula_keys;
mod formulas;
mod grain;
mod graph;
mod hidden_periods;
mod incremental;
mod incremental_predicate;
#[cfg(feature = "interpreter")]
pub mod interpreter_input;
mod join_scope;
mod join_target_facts;
mod join_tests;
mod joins;
pub mod json_schema;
mod keys;
mod lineage;
mod load;
mod local_config;
mod long_names;
mod lookback;
mod lookback_ranges;
mod metrics;
mod missing_periods;
mod model_files;
pub mod outline;
mod partitions;
mod people;
mod pivot;
mod possible_columns;
mod project;
mod projection;
mod properties;
mod properties_yaml;
mod reads;
mod relation_ref;
mod role;
mod semantic;
mod session;
pub mod shared_definitions;
mod source_time;
mod sources;
mod spec_definition;
mod spec_facts;
mod tabs;
mod team;
mod time_range;
mod time_tracer;
mod time_zone;
mod today;
mod total_faults;
mod totals;
pub mod verify;
mod versions;
mod window_extent;
mod window_sort_keys;
mod worksheet;
mod write;

pub use additivity::{Additivity, ColumnFormula, NonAdditiveReason};
pub use batch::SpecText;
pub use compiled_spec::CompiledSpec;
pub use compiler::{Builder, Compiler};
pub use dbt_names::Declared;
pub use dbt_tests::{RANGE_TEST, UNIQUE_COMBINATION_TEST};
pub use environments::{Environment, Placeholder, USER};
#[doc(hidden)]
pub use keys::determines_rows;
pub use lineage::{ColumnLineage, SourceColumn};
pub use metrics::MetricChange;
#[doc(hidden)]
pub use metrics::{ExpandedModel, MetricSetFilter, MetricSetFormula, MetricSetPosition, MetricSetRelation};
pub use model_files::{DbtModelFiles, ModelTest};
pub use people::{People, email_address};
pub use project::{MetricSource, Project};
pub use role::{Right, Rights, Role, UnknownRole};
pub use semantic::{SemanticModel, SemanticModels, SemanticNameKind};
pub use session::SpecSession;
pub use spec_definition::SpecDefinition;
#[doc(hidden)]
pub use time_zone::{UnknownTimeZone, parse_time_zone};
pub use versions::UngeneratedVersion;

/// Names of the periods by which metrics can be grouped and filled, from `day` to `fiscal_year`.
pub const PERIODS: [&str; 7] = crate::ir::CalendarPeriod::NAMES;

use formulac_catalog::{Level, Type, catalog, dialect};
use formulac_core::{TypeSensitiveColumn, calendar};
use formulac_core::{check, emit, ir, plan, schema, scratch, sql};
use formulac_dbt as dbt;
use formulac_grammar as parse;
#[cfg(feature = "interpreter")]
use formulac_interpret as interpret;
use formulac_runtime::parallel;
use formulac_syntax::{arena, ast, diag, lex, limits, span, yaml};
