//! Merges views and topics with the files that they extend, key by key. The values of the extending file take
//! precedence.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::schema::OmniFile;
use crate::yaml::{Node, NodeKind};

/// View or topic that is merged with all files that it extends.
pub(super) struct MergedFile {
    pub root: Node,
    /// Name of the first extended view or topic that does not exist.
    pub missing: Option<String>,
}

/// Keys whose items are fields or views. Items with the same name are merged key by key.
const NAMED_ITEM_KEYS: [&str; 4] = ["dimensions", "measures", "filters", "views"];
/// Keys that are not inherited.
const KEYS_NOT_INHERITED: [&str; 2] = ["extends", "template"];

/// Merges a file with the files that it extends. The file itself comes last, so its values take precedence. `find`
/// looks up a file of the same kind, and returns the file's name, without the folder, and the file's YAML.
pub(super) fn merge_extended<'n>(
    name: &str,
    root: &'n Node,
    find: &dyn Fn(&str) -> Option<(String, &'n Node)>,
) -> MergedFile {
    if root.get("extends").is_none() {
        return MergedFile {
            root: root.clone(),
            missing: None,
        };
    }
    // Each file precedes the files that it extends. If a file extends two files, the second of these files comes first.
    let mut order: Vec<(String, &Node)> = Vec::new();
    let mut seen: FxHashSet<*const Node> = FxHashSet::from_iter([std::ptr::from_ref(root)]);
    let mut missing = None;
    let mut stack = vec![(name.to_owned(), root)];
    while let Some((name, node)) = stack.pop() {
        for parent in OmniFile::new(&name, node).extends() {
            let parent = parent.to_lowercase();
            match find(&parent) {
                Some((name, extended_root)) if seen.insert(std::ptr::from_ref(extended_root)) => {
                    stack.push((name, extended_root));
                }
                Some(_) => {}
                None => missing = missing.or(Some(parent)),
            }
        }
        order.push((name, node));
    }
    let mut pairs: Vec<(Node, Node)> = Vec::new();
    for (number, (name, node)) in order.iter().enumerate().rev() {
        let node_pairs = node.pairs().unwrap_or_default().iter();
        let entries = node_pairs
            .filter(|(key, _)| number == 0 || !key.text().is_some_and(|key| KEYS_NOT_INHERITED.contains(&key)));
        merge_nodes(&mut pairs, entries, 0);
        // If an extended file does not specify its table, the table has the name of that file, not the name of the
        // extending file.
        let is_table = ["table_name", "sql", "query", "base_view"]
            .iter()
            .all(|key| node.get(key).is_none());
        if is_table && number > 0 && !is_extension_template(node) {
            merge_nodes(
                &mut pairs,
                [&(Node::plain_scalar("table_name"), Node::plain_scalar(name))].into_iter(),
                0,
            );
        }
    }
    MergedFile {
        root: Node::new(NodeKind::Mapping(pairs), root.span),
        missing,
    }
}

/// Returns whether the file is a template, which exists only to be extended.
pub(super) fn is_extension_template(node: &Node) -> bool {
    node.is_true_at("template")
}

/// Merges values by key. Fields are merged by name and then by key, so the recursion is at most two levels deep.
fn merge_nodes<'n>(merged: &mut Vec<(Node, Node)>, new: impl Iterator<Item = &'n (Node, Node)>, level: usize) {
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for (index, (key, _)) in merged.iter().enumerate() {
        places.insert(key.text().unwrap_or_default().to_owned(), index);
    }
    for (key, value) in new {
        let name = key.text().unwrap_or_default();
        let Some((_, before)) = places.get(name).and_then(|index| merged.get_mut(*index)) else {
            places.insert(name.to_owned(), merged.len());
            merged.push((key.clone(), value.clone()));
            continue;
        };
        let is_merged = if level == 0 {
            NAMED_ITEM_KEYS.contains(&name)
        } else {
            level == 1
        };
        match (&mut before.kind, value.pairs()) {
            (NodeKind::Mapping(before), Some(new)) if is_merged => merge_nodes(before, new.iter(), level + 1),
            _ => *before = value.clone(),
        }
    }
}
