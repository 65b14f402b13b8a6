//! What a change touches: everything downstream of a column, a model or a definition, through dbt's nodes, specs and
//! Omni's fields, each graded, with the way it is reached.
//!
//! Columns are followed through the SQL of models where that can be; where not, the whole model counts and the report
//! says why. Everything here is pure.

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
pub use names::{ImpactTarget, NameFault};
pub use omni::OmniFields;
pub use propagate::{Grade, Note, Start};
pub use report::{ChangedNode, Effect, GraphEdge, Impact, impact};
pub use since::{BaseRevision, FileKind, FileText, RevisionDifference, since};

pub use crate::lineage::{ColumnChange, Lineages};
