//! Impact of a change: everything downstream of a column, model or definition, across dbt nodes, specs and Omni
//! fields, each with its severity and the path that leads to it.
//!
//! Columns are traced through the SQL of models if possible; otherwise the whole model counts as affected and the
//! report gives the reason. Everything here is pure.

mod definitions;
mod graph;
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

pub use graph::{Graph, GraphPart, GraphSources, SpecModel};
pub use names::{ImpactTarget, NameError};
pub use omni::OmniFields;
pub use propagate::{ChangeNote, ChangeStart, Grade};
pub use report::{ChangedNode, Effect, GraphEdge, Impact, impact};
pub use since::{BaseRevision, FileKind, FileText, RevisionDifference, since};

pub use crate::lineage::{ColumnChange, Lineages};
