//! dbt's files: the artifacts that dbt writes, and the models, tests and properties that formulac generates.
//!
//! | part | content |
//! |---|---|
//! | [`artifacts`] | `manifest.json`, `catalog.json`, `run_results.json` and `sources.json` of several dbt versions |
//! | [`From`], [`RelationName`] | `ref('orders')`, `source('shop', 'orders')` and table names |
//! | [`selection`] | dbt's selection syntax: `tag:daily`, `+orders`, `state:modified` |
//! | [`spec_of`], [`is_as_written`] | header of generated files, with the hash that detects hand edits |
//!
//! All functions are pure: they accept text and return data or text. The crate writes and recognizes Jinja but never
//! executes it.
//!
//! ```
//! use formulac_dbt::From;
//!
//! let orders = From::read("ref('orders')").unwrap();
//! assert_eq!(orders.name(), "orders");
//! ```
//!
//! Items hidden from this documentation are for the formulac crates that depend on this one, and may change at any
//! time.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod artifacts;
mod config;
mod docs;
mod from;
mod header;
mod jinja;
mod properties;
mod property_hashes;
mod relation;
pub mod selection;
mod singular;
pub mod tokens;
mod yaml_output;

pub use config::config_block;
pub use docs::{DocsBlocks, is_long};
pub use from::From;
pub use header::{are_of_one_text, as_written, differ_by_path_alone, with_header_of};
pub use header::{is_as_written, is_layout_of, spec_of};
pub use header::{sealed_md, sealed_sql, sealed_yml, test_name};
pub use jinja::{TOLD, answers_told, relations_told, seconds_told};
pub use jinja::{escape_jinja, import, incremental};
pub use properties::{ColumnDoc, ModelDoc, properties};
pub use property_hashes::{have_same_values, is_hash, noted_hashes};
pub use relation::{RelationName, relation_parts};
pub use singular::{TestConfig, comment};
pub use yaml_output::{YamlOutput, write_pairs, write_text, write_value};

use formulac_catalog::dialect;
use formulac_core::sql;
use formulac_runtime::{codec, parallel};
use formulac_syntax::yaml;
