//! Changes to a tree, and the value of the tree after these changes.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::tree::{YamlKind, YamlNodeId, YamlTree, collection_style};
use super::value::{CollectionStyle, YamlValue};

/// Added list item or key-value pair.
#[derive(Clone, Debug)]
pub(super) struct AddedNode {
    /// Key of the child, if the child is a pair.
    pub key: Option<String>,
    pub value: YamlValue,
    /// Comment after the value.
    pub note: Option<String>,
}

/// Changes to a tree. Changes are not nested in other changes.
#[derive(Debug, Default)]
pub(super) struct YamlChanges {
    pub replacements: BTreeMap<YamlNodeId, YamlValue>,
    /// Removed children, each identified by its list or mapping and its index.
    pub removed_children: HashSet<(YamlNodeId, usize)>,
    /// Added children, keyed by list or mapping and then by the number of existing children before them.
    pub added: BTreeMap<YamlNodeId, BTreeMap<usize, Vec<AddedNode>>>,
    /// New contents of a file that was empty.
    pub new_contents: Option<YamlValue>,
}

impl YamlChanges {
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
            && self.removed_children.is_empty()
            && self.added.is_empty()
            && self.new_contents.is_none()
    }

    pub fn add_child(&mut self, to: YamlNodeId, behind: usize, added: AddedNode) {
        self.added.entry(to).or_default().entry(behind).or_default().push(added);
    }

    /// Returns the lists and mappings whose children change, innermost first.
    pub fn collections(&self) -> Vec<YamlNodeId> {
        let mut ids: Vec<YamlNodeId> = self
            .removed_children
            .iter()
            .map(|(id, _)| *id)
            .chain(self.added.keys().copied())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns the value of the file after the changes.
    pub fn changed_value(&self, tree: &YamlTree<'_>) -> YamlValue {
        match (tree.root, &self.new_contents) {
            (_, Some(value)) => value.clone(),
            (Some(root), None) => self.changed_node_value(tree, root),
            (None, None) => YamlValue::Bare(String::new()),
        }
    }

    fn changed_node_value(&self, tree: &YamlTree<'_>, id: YamlNodeId) -> YamlValue {
        if let Some(value) = self.replacements.get(&id) {
            return value.clone();
        }
        let node = tree.node(id);
        let is_whole = node.tagged || matches!(node.kind, YamlKind::Alias(_) | YamlKind::Map { complex: true, .. });
        if is_whole || node.children().is_empty() && !self.added.contains_key(&id) {
            return tree.value(id);
        }
        let nothing = BTreeMap::new();
        let added = self.added.get(&id).unwrap_or(&nothing);
        let mut pairs: Vec<(String, YamlValue)> = Vec::new();
        for (number, child) in node.children().iter().enumerate() {
            pairs.extend(added_pairs(added.get(&number)));
            if !self.removed_children.contains(&(id, number)) {
                pairs.push((child.key.clone(), self.changed_node_value(tree, child.value)));
            }
        }
        pairs.extend(added_pairs(added.get(&node.children().len())));
        if node.is_list() {
            YamlValue::List(
                pairs.into_iter().map(|(_, value)| value).collect(),
                collection_style(node.layout()),
            )
        } else {
            YamlValue::Map(pairs, CollectionStyle::Block)
        }
    }
}

fn added_pairs(added: Option<&Vec<AddedNode>>) -> impl Iterator<Item = (String, YamlValue)> + '_ {
    let each = |added: &AddedNode| (added.key.clone().unwrap_or_default(), added.value.clone());
    added.into_iter().flatten().map(each)
}

/// Returns the parent of each node, with the node's index among the parent's children.
pub(super) fn parents(tree: &YamlTree<'_>) -> HashMap<YamlNodeId, (YamlNodeId, usize)> {
    let children = |id: YamlNodeId| {
        tree.node(id)
            .children()
            .iter()
            .enumerate()
            .map(move |(n, child)| (child.value, (id, n)))
    };
    (0..tree.nodes.len()).flat_map(children).collect()
}
