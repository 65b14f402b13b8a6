//! dbt files around generated SQL: the model, and the properties beside it.

mod from;
mod header;
mod jinja;
mod properties;
mod singular;
mod yaml;

pub(crate) use from::From;
pub use header::{is_as_written, spec_of};
pub(crate) use header::{sealed_sql, sealed_yml};
pub(crate) use jinja::{import, protect};
pub(crate) use properties::{ColumnDoc, ModelDoc, properties};
pub(crate) use singular::{TestConfig, comment};
pub(crate) use yaml::Value;
