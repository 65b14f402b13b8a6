//! Children of lists and mappings, as they are written in the file.

use super::{Layout, Node, NodeKind, YamlStyle};

/// List item, or key-value pair.
#[derive(Clone, Copy, Debug)]
pub struct ChildNode<'n> {
    /// Key of a pair.
    pub key: Option<&'n Node>,
    /// Item, or value of the key.
    pub value: &'n Node,
    /// Offset of the dash or the key. For an item in brackets, the offset of the item itself.
    pub start: usize,
}

impl<'n> ChildNode<'n> {
    /// Returns the offset after the value.
    pub fn end(&self) -> usize {
        self.value.end().max(self.value.indicator_end())
    }

    /// Returns the name of the key: its value, or its text if the key is not a plain name. Empty for a list item.
    pub fn name(&self, source: &'n str) -> &'n str {
        self.key.map_or("", |key| key.key_name(source))
    }
}

impl Node {
    /// Returns the offset of the node's first byte, including its anchor, tag or block header.
    pub fn start(&self) -> usize {
        self.full_span.start as usize
    }

    /// Returns the offset after the node's last byte, excluding comments.
    pub fn end(&self) -> usize {
        self.full_span.end as usize
    }

    /// Returns the offset after the dash or the colon before the node.
    pub fn indicator_end(&self) -> usize {
        self.indicator_end as usize
    }

    /// Returns whether the node is written as a list.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, NodeKind::Sequence(_)) && !self.is_alias
    }

    /// Returns whether the node is written as a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.kind, NodeKind::Mapping(_)) && !self.is_alias
    }

    /// Returns whether the node is a plain scalar without text, an anchor or a tag.
    pub fn is_empty_scalar(&self) -> bool {
        let is_empty = matches!(&self.kind, NodeKind::Scalar { value, style: YamlStyle::Plain } if value.is_empty());
        is_empty && self.is_simple_key()
    }

    /// Returns whether the text of the node says more than its content: it is an alias, has a tag, or has keys that are
    /// not plain names.
    pub fn is_opaque(&self) -> bool {
        self.is_alias || self.is_tagged || self.has_complex_keys
    }

    /// Returns whether the node is a scalar without an anchor or a tag. The value of such a scalar identifies a key.
    pub(super) fn is_simple_key(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar { .. }) && !self.is_alias && !self.is_anchored && !self.is_tagged
    }

    /// Returns the name of a key: its value, or its text if the key is not a plain name.
    pub fn key_name<'n>(&'n self, source: &'n str) -> &'n str {
        match &self.kind {
            NodeKind::Scalar { value, .. } if self.is_simple_key() => value,
            _ => self.full_span.text(source),
        }
    }

    /// Returns the number of items or pairs that are written inside the node. An alias has none.
    pub fn child_count(&self) -> usize {
        match &self.kind {
            NodeKind::Sequence(items) if !self.is_alias => items.len(),
            NodeKind::Mapping(pairs) if !self.is_alias => pairs.len(),
            _ => 0,
        }
    }

    /// Returns the item or pair at a position.
    pub fn child(&self, number: usize) -> Option<ChildNode<'_>> {
        match &self.kind {
            _ if self.is_alias => None,
            NodeKind::Sequence(items) => items.get(number).map(|value| ChildNode {
                key: None,
                value,
                start: match self.layout {
                    Layout::Block => value.indicator_end().saturating_sub(1),
                    _ => value.start(),
                },
            }),
            NodeKind::Mapping(pairs) => pairs.get(number).map(|(key, value)| ChildNode {
                key: Some(key),
                value,
                start: key.start(),
            }),
            NodeKind::Scalar { .. } => None,
        }
    }

    /// Returns the items or pairs in order.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = ChildNode<'_>> {
        (0..self.child_count()).filter_map(|number| self.child(number))
    }
}
