//! Semantic models in dbt, each with the table that it describes.

use rustc_hash::FxHashMap;

use super::table::DbtTable;
use crate::artifacts::{DbtSemanticModel, Manifest, ManifestNode, NodeDetail, ResourceType};

/// Semantic model and the table that it describes.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableSemanticModel<'a> {
    pub node: &'a ManifestNode,
    pub model: &'a DbtSemanticModel,
    /// Index of the table.
    pub table: usize,
}

/// Returns the index of each table, by node id.
pub(super) fn index_tables_by_node_id<'a>(tables: &[DbtTable<'a>]) -> FxHashMap<&'a str, usize> {
    tables
        .iter()
        .enumerate()
        .flat_map(|(index, table)| table.nodes().map(move |(_, node)| (&*node.unique_id, index)))
        .collect()
}

/// Returns the semantic models that have a table. The table is the first table in the dependencies of the semantic
/// model.
pub(super) fn collect_semantic_models<'a>(
    manifest: &'a Manifest,
    table_indexes: &FxHashMap<&str, usize>,
) -> Vec<TableSemanticModel<'a>> {
    let models = manifest
        .with_type(ResourceType::SemanticModel)
        .filter_map(|node| match &node.detail {
            NodeDetail::SemanticModel(model) => {
                let table = node
                    .depends_on
                    .iter()
                    .find_map(|id| table_indexes.get(&**id).copied())?;
                Some(TableSemanticModel { node, model, table })
            }
            _ => None,
        });
    models.collect()
}
