//! YAML with places: every node knows its bytes, and a formula inside a scalar can be mapped back to the file.

mod map;
pub mod places;
mod read;
mod traps;
mod words;

pub use map::source_offsets;
pub use read::read;
pub use words::{other_reading, truth};

use crate::span::Span;

/// A node of a YAML document.
#[derive(Clone, Debug)]
pub struct Node {
    /// What stands there.
    pub kind: Kind,
    /// Where.
    pub span: Span,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YamlStyle {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// `|` or `>`.
    Block,
}

/// What stands at a node.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text, number, truth value or null, by its value and how it is written.
    Scalar {
        /// As YAML reads it.
        value: String,
        /// How it is written.
        style: YamlStyle,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with their values.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar; the YAML null is none.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { value, style } if !is_null(value, *style) => Some(value),
            _ => None,
        }
    }

    /// Whether nothing stands there, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { value, style } if is_null(value, *style))
    }

    /// Whether the scalar is in quotes.
    pub fn is_quoted(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { style: YamlStyle::Single | YamlStyle::Double, .. })
    }

    /// `true` and `false`, unquoted.
    pub fn boolean(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar { value, style: YamlStyle::Plain } => match value.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a sequence.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The texts of a sequence, or the one that stands in its place.
    pub fn texts(&self) -> Vec<String> {
        let items = self.items().unwrap_or(std::slice::from_ref(self));
        items.iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// The pairs of a mapping.
    pub fn pairs(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pairs()?.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// How messages name it.
    pub fn described(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }
}

fn is_null(value: &str, style: YamlStyle) -> bool {
    style == YamlStyle::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
}
