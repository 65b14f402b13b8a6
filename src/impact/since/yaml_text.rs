//! Formats a YAML value as one line of text, so that equal values give equal strings regardless of layout.

use crate::diag::Diagnostic;
use crate::yaml::{self, Node, NodeKind};

/// Returns the root of a YAML text. `None` if the text is missing, empty or not YAML.
pub(super) fn parse_root(text: Option<&str>) -> Option<Node> {
    let mut faults: Vec<Diagnostic> = Vec::new();
    Some(yaml::read(text?, &mut faults).ok()??.with_merged_keys())
}

enum YamlStep<'n> {
    Node(&'n Node),
    Text(String),
}

pub(super) fn display_node(node: &Node) -> String {
    let mut out = String::new();
    let mut stack = vec![YamlStep::Node(node)];
    while let Some(step) = stack.pop() {
        let node = match step {
            YamlStep::Text(text) => {
                out.push_str(&text);
                continue;
            }
            YamlStep::Node(node) => node,
        };
        let before = stack.len();
        match &node.kind {
            NodeKind::Scalar { .. } => out.push_str(node.text().unwrap_or("null")),
            NodeKind::Sequence(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    stack.extend((number > 0).then(|| YamlStep::Text(", ".to_owned())));
                    stack.push(YamlStep::Node(item));
                }
                stack.push(YamlStep::Text("]".to_owned()));
            }
            NodeKind::Mapping(pairs) => {
                out.push('{');
                let mut pairs: Vec<(&str, &Node)> = pairs
                    .iter()
                    .map(|(key, value)| (key.text().unwrap_or("null"), value))
                    .collect();
                pairs.sort_by_key(|(key, _)| *key);
                for (number, (key, value)) in pairs.into_iter().enumerate() {
                    let comma = if number > 0 { ", " } else { "" };
                    stack.push(YamlStep::Text(format!("{comma}{key}: ")));
                    stack.push(YamlStep::Node(value));
                }
                stack.push(YamlStep::Text("}".to_owned()));
            }
        }
        if let Some(new) = stack.get_mut(before..) {
            new.reverse();
        }
    }
    out
}

/// Formats the value of a key as one line. The result is empty if the key is missing.
pub(super) fn value_text(node: Option<&Node>, key: &str) -> String {
    node.and_then(|node| node.get(key))
        .map(display_node)
        .unwrap_or_default()
}

/// Returns the items of the list at a key, each with its name. Items without a name are skipped.
pub(super) fn named_items<'n>(node: Option<&'n Node>, key: &str) -> Vec<(&'n str, &'n Node)> {
    let items = node
        .and_then(|node| node.get(key))
        .and_then(Node::items)
        .unwrap_or_default();
    items
        .iter()
        .filter_map(|item| Some((item.get("name")?.text()?, item)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_texts() {
        let of = |text: &str| display_node(&parse_root(Some(text)).unwrap());
        assert_eq!(of("a: [1, 'x']\nb: {d: null, c: 2}"), "{a: [1, x], b: {c: 2, d: null}}");
        assert_eq!(
            of("b:\n  c: 2\n  d:\na:\n- 1\n- \"x\"\n"),
            of("a: [1, 'x']\nb: {d: null, c: 2}")
        );
    }
}
