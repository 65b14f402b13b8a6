//! dbt files around generated SQL: the model, and the properties beside it.

mod config;
mod from;
mod header;
mod jinja;
mod properties;
mod yaml;

pub(crate) use config::config_block;
pub(crate) use from::From;
pub use header::{is_as_written, spec_of};
pub(crate) use header::{sealed_sql, sealed_yml, test_name};
pub(crate) use jinja::{import, incremental, protect};
pub(crate) use properties::{ColumnDoc, ModelDoc, properties};
pub(crate) use yaml::Value;
