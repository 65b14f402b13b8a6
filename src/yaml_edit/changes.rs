//! Changes to a tree, and the value of the tree after these changes.

use std::collections::{BTreeMap, HashSet};

use super::tree::{NodeRef, YamlTree};
use crate::yaml::{CollectionStyle, YamlValue};

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
pub(super) struct YamlChanges<'t> {
    pub replacements: BTreeMap<NodeRef<'t>, YamlValue>,
    /// Removed children, each identified by its list or mapping and its index.
    pub removed_children: HashSet<(NodeRef<'t>, usize)>,
    /// Added children, keyed by list or mapping and then by the number of existing children before them.
    pub added: BTreeMap<NodeRef<'t>, BTreeMap<usize, Vec<AddedNode>>>,
    /// New contents of a file that was empty.
    pub new_contents: Option<YamlValue>,
}

impl<'t> YamlChanges<'t> {
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
            && self.removed_children.is_empty()
            && self.added.is_empty()
            && self.new_contents.is_none()
    }

    pub fn add_child(&mut self, to: NodeRef<'t>, behind: usize, added: AddedNode) {
        self.added.entry(to).or_default().entry(behind).or_default().push(added);
    }

    /// Returns the lists and mappings whose children change, innermost first.
    pub fn collections(&self) -> Vec<NodeRef<'t>> {
        let mut ids: Vec<NodeRef<'t>> = self
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
    pub fn changed_value(&self, tree: &'t YamlTree<'_>) -> YamlValue {
        match (tree.root(), &self.new_contents) {
            (_, Some(value)) => value.clone(),
            (Some(root), None) => self.changed_node_value(tree, NodeRef(root)),
            (None, None) => YamlValue::Bare(String::new()),
        }
    }

    fn changed_node_value(&self, tree: &YamlTree<'_>, node: NodeRef<'t>) -> YamlValue {
        if let Some(value) = self.replacements.get(&node) {
            return value.clone();
        }
        if node.is_opaque() || node.child_count() == 0 && !self.added.contains_key(&node) {
            return tree.value(&node);
        }
        let nothing = BTreeMap::new();
        let added = self.added.get(&node).unwrap_or(&nothing);
        let mut pairs: Vec<(String, YamlValue)> = Vec::new();
        for (number, child) in node.0.children().enumerate() {
            pairs.extend(added_pairs(added.get(&number)));
            if !self.removed_children.contains(&(node, number)) {
                let value = self.changed_node_value(tree, NodeRef(child.value));
                pairs.push((child.name(tree.source).to_owned(), value));
            }
        }
        pairs.extend(added_pairs(added.get(&node.child_count())));
        if node.is_list() {
            YamlValue::List(pairs.into_iter().map(|(_, value)| value).collect(), node.layout.into())
        } else {
            YamlValue::Map(pairs, CollectionStyle::Block)
        }
    }
}

fn added_pairs(added: Option<&Vec<AddedNode>>) -> impl Iterator<Item = (String, YamlValue)> + '_ {
    let each = |added: &AddedNode| (added.key.clone().unwrap_or_default(), added.value.clone());
    added.into_iter().flatten().map(each)
}
