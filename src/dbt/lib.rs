//! dbt's files: the artifacts that dbt writes, and the models, tests and properties that formulac generates.
//!
//! | part | content |
//! |---|---|
//! | [`artifacts`] | `manifest.json`, `catalog.json`, `run_results.json` and `sources.json` of several dbt versions |
//! | [`RelationReference`], [`RelationName`] | `ref('orders')`, `source('shop', 'orders')` and table names |
//! | [`selection`] | dbt's selection syntax: `tag:daily`, `+orders`, `state:modified` |
//! | [`spec_in_header`], [`is_unmodified`] | header of generated files, with the hash that detects manual edits |
//!
//! No function has side effects: all functions accept text and return data or text. The crate writes and recognizes
//! Jinja but never executes it.
//!
//! ```
//! use formulac_dbt::RelationReference;
//!
//! let orders = RelationReference::read("ref('orders')").unwrap();
//! assert_eq!(orders.name(), "orders");
//! ```
//!
//! Items that are hidden from this documentation are for other formulac crates and may change at any time.

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
mod jinja_parts;
mod properties;
mod property_hashes;
mod relation;
pub mod selection;
mod singular;
mod sql_faults;
mod statements;
pub mod tokens;

pub use config::config_block;
pub use docs::{DocsBlocks, needs_docs_block};
pub use from::RelationReference;
pub use header::{add_md_header, add_sql_header, add_yml_header, truncate_test_name};
pub use header::{copy_header, has_same_generated_content, is_same_except_path, strip_added_config};
pub use header::{is_same_except_layout, is_unmodified, spec_in_header};
pub use jinja::{
    END_IF_TAG, IF_INCREMENTAL_TAG, THIS_RELATION, depends_on_comment, escape_comment_ends, escape_jinja,
    escape_with_raw_block, escaped_text, import_cte_body, unescape_raw_block,
};
pub use jinja::{LOG_PREFIX, combine_queries, query_with_duration, relation_lookup_query};
pub use jinja_parts::{JinjaBlock, JinjaKind, JinjaPart, has_jinja, jinja_blocks, jinja_parts};
pub use jinja_parts::{call_arguments, jinja_expression, jinja_string, normalized_jinja, split_arguments};
pub use properties::{ColumnDoc, ModelDoc, properties_yml};
pub use property_hashes::{have_same_values, is_hash_key, recorded_hashes};
pub use relation::{RelationName, relation_name_parts};
pub use singular::{TestConfig, sql_comment};
pub use sql_faults::{SqlFault, find_sql_fault};
pub use statements::{READY_MESSAGE, STATEMENTS_TABLE, STATEMENTS_VARIABLE_PREFIX, statements_query};

use formulac_catalog::dialect;
use formulac_runtime::{codec, parallel};
use formulac_syntax::{diag, yaml};
