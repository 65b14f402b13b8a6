//! Converts the YAML of a spec to the YAML of dbt's properties files.

use crate::dbt::escaped_text;
use crate::yaml::{Node, NodeKind, YamlStyle, YamlValue};

/// Kind of text in a node's strings: plain text, or text that dbt renders.
#[derive(Clone, Copy)]
pub(super) enum StringSyntax {
    /// Plain text, which dbt must not change.
    Text,
    /// Text for dbt, which renders Jinja in it.
    Dbt,
}

/// Converts the pairs of a mapping.
pub(super) fn yaml_pairs(node: Option<&Node>, language: StringSyntax) -> Vec<(String, YamlValue)> {
    let pairs = node.and_then(Node::pairs).unwrap_or_default();
    pairs
        .iter()
        .map(|(key, node)| (key_text(key), yaml_value(node, language)))
        .collect()
}

/// Returns the items of a list, or a single value as a list with one item.
pub(super) fn yaml_list(node: &Node, language: StringSyntax) -> Vec<YamlValue> {
    match node.items() {
        Some(items) => items.iter().map(|item| yaml_value(item, language)).collect(),
        None => vec![yaml_value(node, language)],
    }
}

fn key_text(key: &Node) -> String {
    match &key.kind {
        NodeKind::Scalar { value, .. } => value.clone(),
        _ => String::new(),
    }
}

/// Converts a node for the properties file. The YAML parser limits the nesting depth, which limits the recursion.
pub(super) fn yaml_value(node: &Node, language: StringSyntax) -> YamlValue {
    match &node.kind {
        NodeKind::Sequence(items) => YamlValue::list(items.iter().map(|item| yaml_value(item, language)).collect()),
        NodeKind::Mapping(pairs) => YamlValue::map(pairs.iter().map(|(k, v)| (key_text(k), yaml_value(v, language)))),
        NodeKind::Scalar { value: text, style } => {
            let is_jinja = text.contains(['{', '}']);
            let in_one_line = !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
            if *style == YamlStyle::Plain && text.is_empty() {
                YamlValue::Bare("null".to_owned())
            } else if *style == YamlStyle::Plain && in_one_line && !is_jinja {
                YamlValue::Bare(text.clone())
            } else {
                match language {
                    StringSyntax::Text => escaped_text(text),
                    StringSyntax::Dbt => YamlValue::Text(text.clone()),
                }
            }
        }
    }
}
