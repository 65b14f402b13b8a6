//! Merge keys: `<<: *defaults` in a mapping adds the pairs of another mapping.

use std::collections::HashSet;

use super::{Node, NodeKind, YamlStyle, parse_root};

/// Returns the first document in a string, with merge keys replaced ([`Node::with_merged_keys`]). `None` if the text is
/// empty or is not valid YAML.
pub fn merged_root(source: &str) -> Option<Node> {
    parse_root(source).map(Node::with_merged_keys)
}

impl Node {
    /// Replaces merge keys, at any depth, with the pairs of the merged mappings, as PyYAML and therefore dbt do. A
    /// mapping's own keys take precedence over merged keys, and the first mapping of a list takes precedence over the
    /// others.
    #[must_use]
    pub fn with_merged_keys(self) -> Self {
        // This recursion is bounded because the reader limits the depth.
        let kind = match self.kind {
            NodeKind::Sequence(items) => NodeKind::Sequence(items.into_iter().map(Self::with_merged_keys).collect()),
            NodeKind::Mapping(pairs) => NodeKind::Mapping(merge_pairs(pairs)),
            scalar @ NodeKind::Scalar { .. } => scalar,
        };
        Self { kind, ..self }
    }

    fn is_merge_key(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { value, style: YamlStyle::Plain } if value == "<<")
    }
}

fn merge_pairs(pairs: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let (mut own, mut merged) = (Vec::with_capacity(pairs.len()), Vec::new());
    for (key, value) in pairs {
        let value = value.with_merged_keys();
        if !key.is_merge_key() {
            own.push((key, value));
            continue;
        }
        let mappings = match value.kind {
            NodeKind::Sequence(items) => items,
            _ => vec![value],
        };
        for mapping in mappings {
            if let NodeKind::Mapping(pairs) = mapping.kind {
                merged.extend(pairs);
            }
        }
    }
    if !merged.is_empty() {
        let name = |key: &Node| key.text().map(str::to_owned);
        let mut known: HashSet<Option<String>> = own.iter().map(|(key, _)| name(key)).collect();
        own.extend(merged.into_iter().filter(|(key, _)| known.insert(name(key))));
    }
    own
}

#[cfg(test)]
mod tests {
    use super::merged_root;

    #[test]
    fn own_keys_and_first_mappings_take_precedence() {
        let text = "\
a: &a {name: a, both: a}
b: &b {<<: *a, both: b, more: b}
one: {name: own, <<: *b}
all: {<<: [*a, *b]}
quoted: {\"<<\": x}
";
        let root = merged_root(text).unwrap();
        let of = |key: &str| {
            let pairs = root.get(key).and_then(super::Node::pairs).unwrap();
            let text = |node: &super::Node| node.text().unwrap().to_owned();
            let pairs = pairs
                .iter()
                .map(|(key, value)| format!("{}={}", text(key), text(value)));
            pairs.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("b"), "both=b more=b name=a");
        assert_eq!(of("one"), "name=own both=b more=b");
        assert_eq!(of("all"), "name=a both=a more=b");
        assert_eq!(of("quoted"), "<<=x");
    }
}
