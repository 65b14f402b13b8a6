//! YAML with the position of every byte. [`parse`] is the only parser: [`read`] turns its faults into diagnostics, and
//! the crate `formulac-yaml-edit` edits and merges files on the same tree. Positions in a scalar's formula can be
//! mapped to positions in the file. A [`YamlValue`] is a value without positions, which [`YamlWriter`] writes.

mod character_offsets;
mod children;
mod diagnostics;
mod document;
pub mod lines;
mod map;
mod merge_keys;
mod read;
pub mod scalar;
mod tree_builder;
mod value;
mod words;
mod writer;

pub use children::ChildNode;
pub use diagnostics::{CONFLICT_MARKER, INVALID_YAML_HELP, call_in_flow_diagnostic, conflict_marker_span};
pub use document::{Document, MAX_NESTING, YamlFault, parse};
pub use map::{escaped_length, source_offsets};
pub use merge_keys::merged_root;
pub use read::{parse_root, read};
pub use scalar::{
    escape_for_style, format_flow_scalar, format_scalar, has_special_char, is_plain, key_text, quote_scalar,
    quote_with_style,
};
pub use value::{CollectionStyle, YamlValue};
pub use words::{non_text_type, parse_boolean};
pub use writer::{YamlWriter, format_flow, format_flow_pair, write_text, write_value};

use crate::span::Span;

/// Node of a YAML document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Content of the node.
    pub kind: NodeKind,
    /// Byte range of the node in the file, without an anchor or a tag. A block scalar begins at its first line. An
    /// alias of a scalar has the range of the scalar that it repeats.
    pub span: Span,
    /// Byte range of the text that stands for the node, with an anchor `&a`, a tag `!t` or a block header `|-`, but
    /// without the comments and line breaks that follow. For an empty node, the offset after the dash or the colon.
    pub full_span: Span,
    /// Offset after the dash or the colon before the node.
    pub indicator_end: u32,
    /// Number of the node in its file. Children have lower numbers than their parents.
    pub id: u32,
    /// Layout of a list or a mapping.
    pub layout: Layout,
    /// Whether the node has an anchor.
    pub is_anchored: bool,
    /// Whether the node has a tag.
    pub is_tagged: bool,
    /// Whether the node is an alias. Its content is the content of the node with the anchor.
    pub is_alias: bool,
    /// Whether the node is a mapping in which a key is not a plain name: a list, a mapping, an alias, or a key after
    /// `?`.
    pub has_complex_keys: bool,
}

/// Layout of a list or a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One child per line.
    Block,
    /// Children between brackets.
    Flow,
    /// Mapping without braces inside brackets: `q: r` in `[p, q: r]`.
    Implied,
}

/// Style of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YamlStyle {
    /// Scalar without quotes.
    Plain,
    /// Scalar in single quotes.
    Single,
    /// Scalar in double quotes.
    Double,
    /// Block scalar, `|` or `>`.
    Block,
}

/// Content of a node.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Scalar: a string, number, boolean or null, with its value and style.
    Scalar {
        /// Value after escapes and folded lines are resolved.
        value: String,
        /// Style of the scalar.
        style: YamlStyle,
    },
    /// List of nodes.
    Sequence(Vec<Node>),
    /// Key-value pairs.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Creates a node whose text is exactly its span.
    pub fn new(kind: NodeKind, span: Span) -> Self {
        Self {
            kind,
            span,
            full_span: span,
            indicator_end: span.start,
            id: 0,
            layout: Layout::Block,
            is_anchored: false,
            is_tagged: false,
            is_alias: false,
            has_complex_keys: false,
        }
    }

    /// Creates a scalar without quotes that is not in a file.
    pub fn plain_scalar(value: impl Into<String>) -> Self {
        let (value, style) = (value.into(), YamlStyle::Plain);
        Self::new(NodeKind::Scalar { value, style }, Span::default())
    }

    /// Returns the text of a scalar. Returns `None` for the YAML null.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { value, style } if !is_null(value, *style) => Some(value),
            _ => None,
        }
    }

    /// Returns the value of a scalar, including the text of the YAML null.
    pub fn scalar(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Returns `true` if the node is empty or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { value, style } if is_null(value, *style))
    }

    /// Returns `true` if the scalar is in quotes.
    pub fn is_quoted(&self) -> bool {
        matches!(
            &self.kind,
            NodeKind::Scalar {
                style: YamlStyle::Single | YamlStyle::Double,
                ..
            }
        )
    }

    /// Returns the style of a scalar, or [`YamlStyle::Plain`] for other nodes.
    pub fn style(&self) -> YamlStyle {
        match &self.kind {
            NodeKind::Scalar { style, .. } => *style,
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => YamlStyle::Plain,
        }
    }

    /// Returns the value of an unquoted `true` or `false`. Returns `None` for other nodes.
    pub fn boolean(&self) -> Option<bool> {
        match &self.kind {
            NodeKind::Scalar {
                value,
                style: YamlStyle::Plain,
            } => match value.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the items of a sequence.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the strings in a sequence. A single string is treated as a sequence with one item.
    pub fn texts(&self) -> Vec<String> {
        let items = self.items().unwrap_or(std::slice::from_ref(self));
        items.iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// Returns the pairs of a mapping.
    pub fn pairs(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            NodeKind::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pairs()?
            .iter()
            .find(|(k, _)| k.text() == Some(key))
            .map(|(_, v)| v)
    }

    /// Returns the text of the scalar at a key.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// Returns the text of the scalar at a key as an owned string.
    pub fn string_at(&self, key: &str) -> Option<String> {
        self.text_at(key).map(str::to_owned)
    }

    /// Returns whether the value of a key is `true`.
    pub fn is_true_at(&self, key: &str) -> bool {
        self.get(key).and_then(Self::boolean) == Some(true)
    }

    /// Returns the pairs of the mapping at a key. Returns no pairs for other values.
    pub fn pairs_at(&self, key: &str) -> &[(Node, Node)] {
        self.get(key).and_then(Self::pairs).unwrap_or_default()
    }

    /// Returns the items of the sequence at a key. Returns no items for other values.
    pub fn items_at(&self, key: &str) -> &[Node] {
        self.get(key).and_then(Self::items).unwrap_or_default()
    }

    /// Returns the strings at a key, as [`texts`](Self::texts) does.
    pub fn texts_at(&self, key: &str) -> Vec<String> {
        self.get(key).map(Self::texts).unwrap_or_default()
    }

    /// Returns the name that messages use for this kind of node.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar { .. } if self.is_null() => "an empty value",
            NodeKind::Scalar {
                value,
                style: YamlStyle::Plain,
            } => non_text_type(value).unwrap_or("a string"),
            NodeKind::Scalar { .. } => "a string",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
        }
    }

    /// Returns the text in backticks, or the name of the node's kind if the node has no text.
    pub fn describe(&self) -> String {
        self.text()
            .map_or_else(|| self.kind_name().to_owned(), |text| format!("`{text}`"))
    }
}

fn is_null(value: &str, style: YamlStyle) -> bool {
    style == YamlStyle::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
}
