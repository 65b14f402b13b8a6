//! Values in YAML files, independent of their position.

use std::collections::HashMap;
use std::fmt;

use super::writer::format_flow;
use super::{Layout, Node, NodeKind, YamlStyle, non_text_type};

/// Style in which a new list or mapping is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollectionStyle {
    /// Written on several lines.
    #[default]
    Block,
    /// Written on one line, between brackets.
    Flow,
    /// Written on one line after a key if the line is short, otherwise on several lines.
    FlowIfShort,
}

impl From<Layout> for CollectionStyle {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Block => Self::Block,
            Layout::Flow | Layout::Implied => Self::Flow,
        }
    }
}

/// Value in a YAML file.
///
/// ```
/// use formulac_syntax::yaml::YamlValue;
///
/// assert!(YamlValue::text("a\n").is_same_value(&YamlValue::text("a")));
/// assert!(YamlValue::Bare("true".into()).is_same_value(&YamlValue::Bare("True".into())));
/// assert!(!YamlValue::Bare("1.0".into()).is_same_value(&YamlValue::text("1.0")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YamlValue {
    /// String.
    Text(String),
    /// Scalar that is not a string: a number, a boolean, a date or null, as written in the file.
    Bare(String),
    /// List of values.
    List(Vec<YamlValue>, CollectionStyle),
    /// Mapping, with its keys in order.
    Map(Vec<(String, YamlValue)>, CollectionStyle),
    /// Unparsed source text of an alias, of a tagged value, or of a mapping with keys that are not scalars.
    Verbatim(String),
}

impl YamlValue {
    /// Creates a string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a list in block style.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(items, CollectionStyle::Block)
    }

    /// Creates a list that is written on one line after a key if the line is short.
    #[must_use]
    pub fn short_list(items: Vec<Self>) -> Self {
        Self::List(items, CollectionStyle::FlowIfShort)
    }

    /// Creates a mapping in block style.
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(
            pairs.into_iter().map(|(key, value)| (key.into(), value)).collect(),
            CollectionStyle::Block,
        )
    }

    /// Returns the value of a node. The recursion is bounded because the parser limits the nesting depth.
    pub fn from_node(node: &Node, source: &str) -> Self {
        match &node.kind {
            _ if node.is_opaque() => Self::Verbatim(node.full_span.text(source).to_owned()),
            NodeKind::Scalar {
                value,
                style: YamlStyle::Plain,
            } if non_text_type(value).is_some() => Self::Bare(value.clone()),
            NodeKind::Scalar { value, .. } => Self::Text(value.clone()),
            NodeKind::Sequence(items) => Self::List(
                items.iter().map(|item| Self::from_node(item, source)).collect(),
                node.layout.into(),
            ),
            NodeKind::Mapping(pairs) => {
                let pair =
                    |(key, value): &(Node, Node)| (key.key_name(source).to_owned(), Self::from_node(value, source));
                Self::Map(pairs.iter().map(pair).collect(), node.layout.into())
            }
        }
    }

    /// Returns `true` if both values have the same meaning. Quotes, the order of keys, and line breaks at the end of a
    /// string are ignored. Numbers are equal only if they are written in the same way.
    #[must_use]
    pub fn is_same_value(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.trim_end_matches('\n') == b.trim_end_matches('\n'),
            (Self::Bare(a), Self::Bare(b)) => canonical_plain_scalar(a) == canonical_plain_scalar(b),
            (Self::Verbatim(a), Self::Verbatim(b)) => a == b,
            (Self::List(a, _), Self::List(b, _)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same_value(b))
            }
            (Self::Map(a, _), Self::Map(b, _)) => {
                let theirs: HashMap<&str, &Self> = b.iter().map(|(key, value)| (key.as_str(), value)).collect();
                a.len() == b.len()
                    && a.iter()
                        .all(|(k, v)| theirs.get(k.as_str()).is_some_and(|t| v.is_same_value(t)))
            }
            _ => false,
        }
    }

    /// Returns `true` if both values have the same meaning, or are strings that differ only in trailing whitespace.
    pub fn is_same_except_final_blanks(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.trim_end() == b.trim_end(),
            _ => self.is_same_value(other),
        }
    }

    /// Returns `true` if this value is the other value without some of its keys and items, at any depth. The recursion
    /// is bounded because the parser limits the nesting depth.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(own, _), Self::List(others, _)) => {
                let mut others = others.iter();
                own.iter().all(|item| others.any(|other| item.is_subset_of(other)))
            }
            (Self::Map(own, _), Self::Map(others, _)) => {
                let others: HashMap<&str, &Self> = others.iter().map(|(key, value)| (key.as_str(), value)).collect();
                let is_part = |(key, value): &(String, Self)| {
                    others.get(key.as_str()).is_some_and(|other| value.is_subset_of(other))
                };
                own.iter().all(is_part)
            }
            _ => self.is_same_value(other),
        }
    }

    /// Returns the text of a scalar, without line breaks at its end.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text.trim_end_matches('\n')),
            _ => None,
        }
    }

    /// Returns the value of a key, if the value is a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs, _) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns `true` if the value is a string, a number, a boolean, a date or null.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Bare(_))
    }

    /// Returns `true` if the value is a list without items or a mapping without keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::List(items, _) => items.is_empty(),
            Self::Map(pairs, _) => pairs.is_empty(),
            _ => false,
        }
    }

    /// Returns a lookup key for a scalar. Scalars with the same meaning have the same key.
    pub fn lookup_key(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(format!("t{}", text.trim_end_matches('\n'))),
            Self::Bare(text) => Some(format!("b{}", canonical_plain_scalar(text))),
            _ => None,
        }
    }

    /// Returns the first [`Self::Verbatim`] value in this value, if any.
    pub fn verbatim(&self) -> Option<&str> {
        match self {
            Self::Verbatim(text) => Some(text),
            Self::List(items, _) => items.iter().find_map(Self::verbatim),
            Self::Map(pairs, _) => pairs.iter().find_map(|(_, value)| value.verbatim()),
            _ => None,
        }
    }

    /// Returns `true` if the value is nested deeper than this number of levels.
    pub fn is_deeper_than(&self, levels: usize) -> bool {
        let Some(levels) = levels.checked_sub(1) else {
            return true;
        };
        match self {
            Self::List(items, _) => items.iter().any(|item| item.is_deeper_than(levels)),
            Self::Map(pairs, _) => pairs.iter().any(|(_, value)| value.is_deeper_than(levels)),
            _ => false,
        }
    }
}

/// Returns the canonical form of all words with the same meaning, such as `null` and `~`.
fn canonical_plain_scalar(bare: &str) -> &str {
    match bare.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => "null",
        "true" | "yes" | "on" => "true",
        "false" | "no" | "off" => "false",
        _ => bare,
    }
}

/// Formats the value on one line for messages.
impl fmt::Display for YamlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_flow(self))
    }
}
