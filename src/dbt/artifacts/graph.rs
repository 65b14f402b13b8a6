//! Dependency graph of a manifest's nodes, for node selection.

use std::sync::Arc;

use super::{Manifest, ManifestNode};
use crate::selection;

/// Node of the dependency graph.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GraphNode {
    /// Unique id of the node, such as `model.shop.orders`.
    pub unique_id: String,
    /// Properties of the node that selection uses.
    pub node: selection::SelectableNode,
    /// Whether the node is disabled.
    pub disabled: bool,
}

/// Returns the nodes of a manifest, with disabled nodes last. `parents` contains indexes in this list.
///
/// ```
/// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
/// use formulac_dbt::artifacts::graph_nodes;
/// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders"},
///     "model.shop.revenue": {"name": "revenue", "depends_on": {"nodes": ["model.shop.orders"]}}}}"#;
/// let nodes = graph_nodes(&Manifest::from_text(text, ManifestReadOptions::default()).unwrap());
/// assert_eq!((nodes[1].node.name.as_str(), nodes[1].node.parents.as_slice()), ("revenue", &[0][..]));
/// ```
#[must_use]
pub fn graph_nodes(manifest: &Manifest) -> Vec<GraphNode> {
    let enabled = manifest.nodes.iter().map(|node| (node, false));
    let disabled = manifest.disabled.iter().map(|node| (node, true));
    let node = |(node, disabled): (&ManifestNode, bool)| GraphNode {
        unique_id: node.unique_id.to_string(),
        node: selectable_node(manifest, node),
        disabled,
    };
    enabled.chain(disabled).map(node).collect()
}

fn selectable_node(manifest: &Manifest, node: &ManifestNode) -> selection::SelectableNode {
    let owned = |texts: &[Arc<str>]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let property_texts = [("access", &node.access), ("group", &node.group)];
    let properties = property_texts
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.as_deref()?.to_owned())));
    let config = node
        .config
        .iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.scalar()?.to_owned())));
    let paths = [Some(&node.original_file_path), node.patch_path.as_ref()];
    let paths = paths.into_iter().flatten().filter(|path| !path.is_empty());
    selection::SelectableNode {
        name: node.name.to_string(),
        kind: node.resource_type.name().to_owned(),
        package: node.package.to_string(),
        is_own: manifest.metadata.project_name.as_deref() == Some(&*node.package),
        fqn: owned(&node.fqn),
        paths: paths.map(ToString::to_string).collect(),
        tags: owned(&node.tags),
        config: config.chain(properties).collect(),
        metrics: Vec::new(),
        parents: node.depends_on.iter().filter_map(|id| manifest.index_of(id)).collect(),
        change: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ManifestReadOptions;
    use super::*;

    #[test]
    fn nodes_have_their_parents() {
        let text = r#"{"metadata": {"project_name": "shop", "generated_at": "2026-11-20T10:00:00Z"},
            "nodes": {"model.shop.b": {"name": "b", "resource_type": "model", "fqn": ["shop", "b"], "access": "private",
                "original_file_path": "models\\b.sql", "patch_path": "shop://models/b.yml", "tags": null,
                "config": {"materialized": "table", "enabled": true, "meta": {}},
                "depends_on": {"nodes": ["source.shop.raw.a", "model.gone.x"]}}},
            "sources": {"source.shop.raw.a": {"name": "a", "fqn": ["shop", "raw", "a"]}},
            "disabled": {"model.shop.c": [{"name": "c"}]}}"#;
        let nodes = graph_nodes(&Manifest::from_text(text, ManifestReadOptions::default()).unwrap());
        let ids: Vec<_> = nodes
            .iter()
            .map(|n| (n.unique_id.as_str(), n.node.kind.as_str(), n.disabled))
            .collect();
        let expected = [
            ("model.shop.b", "model", false),
            ("source.shop.raw.a", "source", false),
            ("model.shop.c", "model", true),
        ];
        assert_eq!(ids, expected);
        let b = &nodes[0].node;
        assert_eq!(
            (b.paths.as_slice(), b.parents.as_slice()),
            (&["models/b.sql".into(), "models/b.yml".into()][..], &[1][..])
        );
        assert!(b.config.contains(&("access".into(), "private".into())));
    }
}
