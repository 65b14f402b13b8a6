//! dbt files for generated SQL: the model and its properties file.

mod config;
mod docs;
mod from;
#[cfg(feature = "cli")]
mod graph;
mod header;
mod jinja;
mod properties;
mod property_hashes;
mod relation;
pub mod selection;
mod singular;
pub(crate) mod tokens;
mod yaml;

pub(crate) use config::config_block;
pub(crate) use docs::{DocsBlocks, is_long};
pub use from::From;
#[cfg(feature = "cli")]
pub use graph::{GraphNode, graph};
#[cfg(feature = "sync")]
pub(crate) use header::{are_of_one_text, as_written, differ_by_path_alone, with_header_of};
pub use header::{is_as_written, is_layout_of, spec_of};
pub(crate) use header::{sealed_md, sealed_sql, sealed_yml, test_name};
pub use jinja::{TOLD, answers_told, relations_told, seconds_told};
pub(crate) use jinja::{import, incremental, protect};
pub(crate) use properties::{ColumnDoc, ModelDoc, properties};
#[cfg(feature = "sync")]
pub(crate) use property_hashes::{have_same_values, is_hash, noted_hashes};
pub use relation::{RelationName, relation_parts};
pub(crate) use singular::{TestConfig, comment};
pub(crate) use yaml::YamlOutput;
#[cfg(feature = "sync")]
pub(crate) use yaml::write_value;
#[cfg(feature = "sync")]
pub(crate) use yaml::{in_flow as yaml_flow_text, is_plain, key_text as yaml_key, scalar as yaml_scalar};
#[cfg(feature = "cli")]
pub(crate) use yaml::{write_pairs, write_text};
