//! Tree of a file that is edited or merged.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

use formulac_syntax::span::LineIndex;

use super::YamlEditError;
use crate::yaml::{CONFLICT_MARKER, Document, Node, YamlFault, YamlValue, conflict_marker_span, parse};

/// Maximum file size in bytes. Edited files are smaller, and other modules use 32-bit offsets.
const MAX_FILE_BYTES: usize = 64 << 20;

/// Parsed file with a single document.
#[derive(Debug)]
pub(super) struct YamlTree<'s>(Document<'s>);

/// Node of a tree, compared by its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeRef<'t>(pub &'t Node);

/// List or mapping that contains a node, and the node's index among its children.
pub(super) type Parent<'t> = (NodeRef<'t>, usize);

impl<'s> Deref for YamlTree<'s> {
    type Target = Document<'s>;

    fn deref(&self) -> &Document<'s> {
        &self.0
    }
}

impl Deref for NodeRef<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        self.0
    }
}

impl PartialEq for NodeRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for NodeRef<'_> {}

impl PartialOrd for NodeRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl Hash for NodeRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl YamlTree<'_> {
    /// Returns the value of the file. `None` if the file is empty.
    pub fn root(&self) -> Option<&Node> {
        self.0.root.as_ref().filter(|node| !node.is_empty_scalar())
    }

    /// Returns the nodes in the order of their ids, without keys.
    pub fn nodes(&self) -> Vec<&Node> {
        // The recursion is bounded because the parser limits the nesting depth.
        fn push_children<'t>(node: &'t Node, nodes: &mut Vec<&'t Node>) {
            for child in node.children() {
                child.key.into_iter().for_each(|key| push_children(key, nodes));
                push_children(child.value, nodes);
                nodes.push(child.value);
            }
        }
        let mut nodes = Vec::with_capacity(self.node_count);
        if let Some(root) = &self.0.root {
            push_children(root, &mut nodes);
            nodes.push(root);
        }
        nodes
    }

    /// Returns the parent of each node, by the node's id.
    pub fn parents(&self) -> Vec<Option<Parent<'_>>> {
        let mut parents = vec![None; self.node_count];
        for node in self.nodes() {
            for (number, child) in node.children().enumerate() {
                if let Some(parent) = parents.get_mut(child.value.id as usize) {
                    *parent = Some((NodeRef(node), number));
                }
            }
        }
        parents
    }

    /// Returns the value of a node. The recursion is bounded because the parser limits the nesting depth.
    pub fn value(&self, node: &Node) -> YamlValue {
        YamlValue::from_node(node, self.source)
    }

    /// Returns the values of these keys, which identify an item of a list. Without keys, returns the value of the item
    /// itself.
    pub fn list_item_identity(&self, node: &Node, keys: &[String]) -> Option<Vec<String>> {
        let text = |node: &Node| {
            let text = node.scalar().filter(|_| !node.is_tagged)?;
            Some(text.trim_end_matches('\n').to_owned())
        };
        if keys.is_empty() {
            return text(node).map(|text| vec![text]);
        }
        let value = |key: &String| {
            let mut pairs = node.pairs().unwrap_or_default().iter();
            let own = pairs.find(|(name, _)| name.key_name(self.source) == key);
            own.map(|(_, value)| value).or_else(|| self.merged_value(node, key))
        };
        keys.iter()
            .map(|key| value(key).filter(|value| !value.is_alias).and_then(text))
            .collect()
    }

    /// Returns the value that a mapping inherits for a key through `<<`. The first mapping that has the key takes
    /// precedence.
    pub fn merged_value<'t>(&'t self, node: &'t Node, key: &str) -> Option<&'t Node> {
        let merged = |node: &'t Node| {
            let pairs = node.pairs().unwrap_or_default().iter().rev();
            pairs
                .filter(|(key, _)| key.key_name(self.source) == "<<")
                .map(|(_, value)| value)
        };
        let mut left: Vec<&Node> = merged(node).collect();
        while let Some(node) = left.pop() {
            left.extend(node.items().unwrap_or_default().iter().rev());
            let mut pairs = node.pairs().unwrap_or_default().iter();
            match pairs.find(|(name, _)| name.key_name(self.source) == key) {
                Some((_, value)) => return Some(value),
                None => left.extend(merged(node)),
            }
        }
        None
    }

    /// Returns the comments that begin in this range.
    pub fn comments_in(&self, range: &Range<usize>) -> &[Range<usize>] {
        let from = self.comments.partition_point(|comment| comment.start < range.start);
        let to = self.comments.partition_point(|comment| comment.start < range.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    pub fn edit_error_at(&self, at: usize, reason: impl Into<String>) -> YamlEditError {
        YamlEditError::at(self.source, at, reason)
    }
}

/// Parses a file with a single document.
pub(super) fn read(source: &str) -> Result<YamlTree<'_>, YamlEditError> {
    if source.len() > MAX_FILE_BYTES {
        return Err(YamlEditError::at(source, 0, "the file is too large to be edited"));
    }
    let document = parse(source, |fault, span| {
        let edit_error = |reason: &str| Err(YamlEditError::at(source, span.start as usize, reason));
        match fault {
            YamlFault::Nul => edit_error("the file contains a control character, U+0000"),
            YamlFault::Syntax(reason) => match conflict_marker_span(source) {
                Some(marker) => Err(YamlEditError::at(source, marker.start as usize, CONFLICT_MARKER)),
                None => edit_error(&format!("the text is not valid YAML: {reason}")),
            },
            YamlFault::TooDeep => edit_error("lists and mappings are nested too deeply"),
            YamlFault::UnknownAlias => edit_error("an alias inside its own anchor"),
            YamlFault::DuplicateKey(key, first) => {
                let (name, line) = (key.key_name(source), LineIndex::new(source).position(first.start).line);
                edit_error(&format!("the key `{name}` is duplicated, first in line {line}"))
            }
            YamlFault::SecondDocument => edit_error("the file contains a second YAML document"),
            YamlFault::TooManyNodes
            | YamlFault::AliasTooDeep
            | YamlFault::AliasTooLarge
            | YamlFault::EmptyBlock
            | YamlFault::AnchorOrTag
            | YamlFault::SecondValue => Ok(()),
        }
    })?;
    Ok(YamlTree(document))
}
