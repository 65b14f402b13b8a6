//! dbt files around generated SQL: the model, and the properties beside it.

mod config;
mod docs;
mod from;
mod header;
mod jinja;
#[cfg(feature = "cli")]
mod manifest;
mod properties;
pub mod selection;
mod singular;
mod yaml;

pub(crate) use config::config_block;
pub(crate) use docs::{DocsBlocks, is_long};
pub use from::From;
pub use header::{is_as_written, spec_of};
pub(crate) use header::{sealed_md, sealed_sql, sealed_yml, test_name};
pub(crate) use jinja::{import, incremental, protect};
#[cfg(feature = "cli")]
pub use manifest::{Manifest, ManifestNode};
pub(crate) use properties::{ColumnDoc, ModelDoc, properties};
pub(crate) use singular::{TestConfig, comment};
pub(crate) use yaml::Value;
