//! Impact of a change: the dbt nodes, specs and Omni fields downstream of a column, model or definition. Each effect
//! has a severity and a path from the change.
//!
//! | part | content |
//! |---|---|
//! | [`Graph`] | nodes and columns of dbt, specs and Omni, with their dependencies |
//! | [`compute_impact`](fn@compute_impact) | follows a change through the graph |
//! | [`changes_since`] | finds the changes between two revisions of a project |
//! | [`show`] | writes the report as text, Markdown, HTML or JSON |
//!
//! Columns are traced through the SQL of models. If a column cannot be traced, the whole model is considered affected,
//! and the report gives the reason. The [`ChangeSeverity`] of an effect is breaking, changing (values differ) or
//! harmless.
//!
//! Spec definitions and Omni fields are also nodes of the graph, so a path can lead from a source column through dbt
//! models to a dashboard.
//!
//! This crate does no input or output: the caller reads the files and passes their contents.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod definitions;
mod graph;
mod metric_filters;
mod metric_lineage;
mod named_tables;
mod names;
mod neighborhood;
mod omni;
mod omni_effects;
mod propagate;
mod raw_code;
mod report;
mod semantic;
pub mod show;
mod since;
mod summary;
mod test_effects;

pub use graph::{Graph, GraphSources, ImpactGraphNode, SpecModel};
pub use metric_lineage::MetricNeighbors;
pub use names::{ImpactTarget, NameError};
pub use omni::OmniFields;
pub use propagate::{ChangeNote, ChangeSeverity, NodeChanges};
pub use report::{ChangedNode, Effect, GraphEdge, Impact, compute_impact};
pub use since::{BaseRevision, FileRevisions, ProjectFileKind, RevisionDifference, changes_since};

pub use crate::lineage::{ColumnChange, LineageCache};

use formulac_catalog::dialect;
use formulac_core::schema;
use formulac_dbt::{self as dbt, artifacts};
use formulac_lineage as lineage;
use formulac_model as model;
use formulac_runtime::{codec, parallel};
use formulac_syntax::{diag, markdown, yaml};
