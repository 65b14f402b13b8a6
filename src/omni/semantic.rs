//! The semantic models of dbt with the tables that they describe.

use rustc_hash::FxHashMap;

use super::table::DbtTable;
use crate::artifacts::{DbtSemanticModel, Manifest, ManifestNode, NodeDetail, ResourceType};

/// A semantic model that has a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Semantic<'a> {
    pub node: &'a ManifestNode,
    pub model: &'a DbtSemanticModel,
    /// The place of its table.
    pub table: usize,
}

/// The tables by the ids of their nodes.
pub(super) fn index_by_relation<'a>(tables: &[DbtTable<'a>]) -> FxHashMap<&'a str, usize> {
    tables.iter().enumerate().map(|(place, table)| (&*table.node.unique_id, place)).collect()
}

/// All that describe a table: the first that they depend on.
pub(super) fn all<'a>(manifest: &'a Manifest, places: &FxHashMap<&str, usize>) -> Vec<Semantic<'a>> {
    let models = manifest.with_type(ResourceType::SemanticModel).filter_map(|node| match &node.detail {
        NodeDetail::SemanticModel(model) => {
            let table = node.depends_on.iter().find_map(|id| places.get(&**id).copied())?;
            Some(Semantic { node, model, table })
        }
        _ => None,
    });
    models.collect()
}
