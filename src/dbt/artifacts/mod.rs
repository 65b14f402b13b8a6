//! Parser for the artifacts in dbt's target folder: `manifest.json`, `catalog.json`, `run_results.json` and
//! `sources.json`.
//!
//! The parser does not access files or the clock. Because versions of dbt differ, fields may be missing, unknown fields
//! are skipped, and values of an unexpected type are converted if possible. The result is an [`ArtifactError`] if the
//! text is not JSON, is another artifact, or has an unsupported old version.
//!
//! ```
//! use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
//! let text = r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
//!     "nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model", "columns": {"id": {"name": "id"}}}}}"#;
//! let manifest = Manifest::from_text(text, ManifestReadOptions::default()).unwrap();
//! assert_eq!(&*manifest.node("model.shop.orders").unwrap().columns[0].name, "id");
//! ```

mod catalog;
mod chunks;
mod codec;
mod data_tests;
mod error;
mod freshness;
mod graph;
mod intern;
mod lenient;
mod log;
mod manifest;
mod manifest_diff;
mod metadata;
mod node;
mod raw_node;
mod references;
mod run_results;
mod semantic;
mod sources;
mod time;
mod value;

pub use catalog::{Catalog, CatalogColumn, CatalogTable, TableStatistic};
pub use chunks::ManifestOutline;
pub use data_tests::{DataTest, TestCheck};
pub use error::{ArtifactError, ArtifactFault};
pub use freshness::{AgeThreshold, FreshnessCriteria};
pub use graph::{GraphNode, graph_nodes};
pub use manifest::{Manifest, ManifestReadOptions};
pub use manifest_diff::{ManifestChanges, NodeDifference};
pub use metadata::{ArtifactKind, Metadata};
pub use node::{
    Constraint, ConstraintKind, DbtGroup, DocBlock, Exposure, FunctionNode, ManifestNode, NodeColumn, NodeDetail,
    Owner, ResourceType, SavedQuery, SourceNode, TestNode, UnitTest,
};
pub use references::Ref;
pub use run_results::{AdapterResponseNumber, LastResult, RunResult, RunResults, Status, TimeSpan, last_results};
pub use semantic::{DbtSemanticModel, Dimension, Entity, Measure, Metric};
pub use sources::{SourceResult, SourceResults};
pub use time::format_instant;
pub use value::{MetaValue, ValueFields};
