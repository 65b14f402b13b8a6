//! YAML with spans. Every node has a byte range, and positions in a scalar's formula can be mapped to positions in the
//! file.

pub mod character_offsets;
mod diagnostics;
mod map;
mod merge_keys;
mod read;
pub mod scalar;
mod words;

pub use diagnostics::{CONFLICT_MARKER, INVALID_YAML_HELP, call_in_flow_diagnostic, conflict_marker_span};
pub use map::{escaped_length, source_offsets};
pub use merge_keys::merged_root;
pub use read::{parse_root, read};
pub use scalar::{
    escape_for_style, format_flow_scalar, format_scalar, has_special_char, is_plain, key_text, quote_scalar,
};
pub use words::{non_text_type, parse_boolean};

use crate::span::Span;

/// Node of a YAML document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Content of the node.
    pub kind: NodeKind,
    /// Byte range of the node in the file.
    pub span: Span,
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
    /// Returns the text of a scalar. Returns `None` for the YAML null.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { value, style } if !is_null(value, *style) => Some(value),
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
