//! YAML with places: every node knows its bytes, and a formula inside a scalar can be mapped back to the file.

mod map;
pub(crate) mod places;
mod read;
mod traps;
mod words;

pub(crate) use map::source_offsets;
pub(crate) use read::read;
pub(crate) use words::{other_reading, truth};

use crate::span::Span;

/// A node of a YAML document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    pub span: Span,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    /// `|` or `>`.
    Block,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { value: String, style: Style },
    Sequence(Vec<Node>),
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
        matches!(&self.kind, Kind::Scalar { style: Style::Single | Style::Double, .. })
    }

    /// `true` and `false`, unquoted.
    pub fn boolean(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar { value, style: Style::Plain } => match value.to_ascii_lowercase().as_str() {
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

fn is_null(value: &str, style: Style) -> bool {
    style == Style::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
}
