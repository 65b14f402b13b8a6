//! Formats a YAML value as one line of text, so that equal values give equal strings regardless of layout.

use crate::yaml::{Node, NodeKind};

/// Formats a value. Recursion is safe because the parser limits the nesting depth.
pub(super) fn display_node(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { .. } => node.text().unwrap_or("null").to_owned(),
        NodeKind::Sequence(items) => format!("[{}]", items.iter().map(display_node).collect::<Vec<_>>().join(", ")),
        NodeKind::Mapping(pairs) => {
            let mut pairs: Vec<(&str, &Node)> = pairs
                .iter()
                .map(|(key, value)| (key.text().unwrap_or("null"), value))
                .collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs = pairs
                .iter()
                .map(|(key, value)| format!("{key}: {}", display_node(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Formats the value of a key as one line. The result is empty if the key is missing.
pub(super) fn value_text_at_key(node: Option<&Node>, key: &str) -> String {
    node.and_then(|node| node.get(key))
        .map(display_node)
        .unwrap_or_default()
}

/// Returns the items of the list at a key, each with its name. Items without a name are skipped.
pub(super) fn items_with_names<'n>(node: Option<&'n Node>, key: &str) -> Vec<(&'n str, &'n Node)> {
    let items = node.map(|node| node.items_at(key)).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| Some((item.text_at("name")?, item)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_texts() {
        let display = |text: &str| display_node(&crate::yaml::parse_root(text).unwrap());
        assert_eq!(
            display("a: [1, 'x']\nb: {d: null, c: 2}"),
            "{a: [1, x], b: {c: 2, d: null}}"
        );
        assert_eq!(
            display("b:\n  c: 2\n  d:\na:\n- 1\n- \"x\"\n"),
            display("a: [1, 'x']\nb: {d: null, c: 2}")
        );
    }
}
