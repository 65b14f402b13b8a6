//! Nodes of the manifest, grouped by the table that they describe.

use rustc_hash::FxHashMap;

use crate::artifacts::{Manifest, ManifestNode, ResourceType};

/// Table with the nodes that describe it.
pub(super) struct RelationNodes<'a> {
    pub node: &'a ManifestNode,
    /// Index of the node in the manifest.
    pub node_index: usize,
    /// Other nodes of the same table, each with its index.
    pub duplicate_nodes: Vec<(usize, &'a ManifestNode)>,
}

/// Groups the models, seeds, snapshots and sources that have a table. Nodes that dbt builds come before sources that
/// are declared over the same table.
pub(super) fn group_by_relation(manifest: &Manifest) -> Vec<RelationNodes<'_>> {
    let nodes = manifest.nodes.iter().enumerate().filter(|(_, node)| is_table(node));
    let mut groups: Vec<RelationNodes<'_>> = Vec::new();
    let mut indices: FxHashMap<String, usize> = FxHashMap::default();
    for (node_index, node) in nodes {
        let name = relation_name(node);
        let lower = name.to_lowercase();
        // Quoted names that differ only in case are different tables.
        let relation_nodes = indices
            .get(&lower)
            .and_then(|index| groups.get_mut(*index))
            .filter(|group| {
                let is_folded = |node: &ManifestNode| !node.relation_name.as_deref().unwrap_or_default().contains('"');
                let is_same_name = relation_name(group.node) == name || is_folded(group.node) || is_folded(node);
                let databases = group.node.database.as_deref().zip(node.database.as_deref());
                is_same_name && databases.is_none_or(|(database, other)| database.eq_ignore_ascii_case(other))
            });
        let is_built = node.resource_type.is_referenceable();
        match relation_nodes {
            // dbt rejects two nodes that build the same relation.
            Some(group) if !(is_built && group.node.resource_type.is_referenceable()) => {
                if is_built {
                    group.duplicate_nodes.push((group.node_index, group.node));
                    (group.node, group.node_index) = (node, node_index);
                } else {
                    group.duplicate_nodes.push((node_index, node));
                }
            }
            _ => {
                indices.entry(lower).or_insert(groups.len());
                groups.push(RelationNodes {
                    node,
                    node_index,
                    duplicate_nodes: Vec::new(),
                });
            }
        }
    }
    groups.sort_by_key(|group| group.node_index);
    groups
}

fn is_table(node: &ManifestNode) -> bool {
    let is_of_kind = node.resource_type.is_referenceable() || node.resource_type == ResourceType::Source;
    is_of_kind && node.relation_name.as_deref().is_some_and(|name| !name.is_empty())
}

/// Returns the name of a relation without quotes.
fn relation_name(node: &ManifestNode) -> String {
    let name = node.relation_name.as_deref().unwrap_or_default();
    name.chars().filter(|c| !matches!(c, '"' | '`')).collect()
}
