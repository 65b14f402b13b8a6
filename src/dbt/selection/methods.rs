//! Methods of node selection, such as `tag:` and `path:`.

use super::pattern::matches_pattern;
use super::{SelectableNode, StateChange};

/// Supported selection methods.
pub const SELECTION_METHODS: &[&str] = &[
    "access",
    "config",
    "exposure",
    "file",
    "fqn",
    "group",
    "metric",
    "metric_set",
    "package",
    "path",
    "resource_type",
    "saved_query",
    "semantic_model",
    "source",
    "state",
    "tag",
    "unit_test",
];

/// Supported values of the method `state`.
pub const SUPPORTED_STATES: &[&str] = &[
    "modified",
    "modified.body",
    "modified.configs",
    "modified.relation",
    "new",
    "old",
    "unmodified",
];

/// Values of the method `state` that dbt supports but this module does not. Each value is paired with the property that
/// it compares.
pub const UNSUPPORTED_STATES: &[(&str, &str)] = &[
    ("modified.contract", "the columns and constraints of contracts"),
    ("modified.macros", "the code of macros"),
    (
        "modified.persisted_descriptions",
        "descriptions that dbt writes to the warehouse",
    ),
];

pub(super) fn matches_method(node: &SelectableNode, method: &str, key: &str, value: &str) -> bool {
    let has_config = |key: &str| {
        node.config
            .iter()
            .any(|(name, configured)| name == key && matches_pattern(configured, value))
    };
    match method {
        "fqn" => matches_node_name(node, value),
        "tag" => node.tags.iter().any(|tag| matches_pattern(tag, value)),
        "path" => node.paths.iter().any(|path| is_in_file_or_folder(path, value)),
        "file" => node.paths.iter().any(|path| {
            let file = path.rsplit('/').next().unwrap_or(path);
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            matches_pattern(file, value) || matches_pattern(stem, value)
        }),
        "package" if value == "this" => node.is_own,
        "package" => matches_pattern(&node.package, value),
        "resource_type" => node.kind == value || value == "all",
        // The tags in the configuration are the tags of the node.
        "config" if key == "tags" => node.tags.iter().any(|tag| matches_pattern(tag, value)),
        "config" => has_config(key),
        "state" => node.change.is_some_and(|change| change.matches_state(value)),
        "group" | "access" => has_config(method),
        // Matches `source:raw.orders` and `source:raw`, optionally with the package as a prefix.
        "source" => node.kind == "source" && is_source(&node.fqn, &node.package, value),
        "metric" if node.metrics.iter().any(|metric| matches_pattern(metric, value)) => true,
        "metric_set" => node.metrics.iter().any(|metric| {
            metric
                .split_once('.')
                .is_some_and(|(set, _)| matches_pattern(set, value))
        }),
        kind => node.kind == kind && (matches_pattern(&node.name, value) || matches_node_name(node, value)),
    }
}

impl StateChange {
    /// Returns whether the change matches a value of `state:`. As in dbt, a new node counts as modified in every
    /// respect.
    fn matches_state(self, state: &str) -> bool {
        match state {
            "new" => self.is_new,
            "old" => !self.is_new,
            "modified.body" => self.is_new || self.has_new_body,
            "modified.configs" => self.is_new || self.has_new_config,
            "modified.relation" => self.is_new || self.has_new_relation,
            "modified" => self.is_new || self.has_new_body || self.has_new_config || self.has_new_relation,
            _ => !self.matches_state("modified"),
        }
    }
}

fn is_source(fqn: &[String], package: &str, value: &str) -> bool {
    let [.., group, table] = fqn else { return false };
    match value.split('.').collect::<Vec<_>>().as_slice() {
        [one] => matches_pattern(group, one) || *one == "*",
        [source, name] => matches_pattern(group, source) && matches_pattern(table, name),
        [in_package, source, name] => {
            matches_pattern(package, in_package) && matches_pattern(group, source) && matches_pattern(table, name)
        }
        _ => false,
    }
}

/// Returns whether a value matches the last part or a prefix of the node's fully qualified name. A prefix may omit the
/// package.
fn matches_node_name(node: &SelectableNode, value: &str) -> bool {
    let is_leaf = |fqn: &[String]| fqn.last().is_some_and(|leaf| matches_pattern(leaf, value));
    let parts: Vec<&str> = value.split('.').collect();
    let rest = |parts: &[&str], from: usize| parts.get(from..).unwrap_or_default().join(".");
    let is_prefix = |fqn: &[String]| {
        let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
        if flat.len() < parts.len() {
            return false;
        }
        let wild = parts.iter().position(|part| part.contains(['*', '?', '[', ']']));
        let plain = wild.unwrap_or(parts.len());
        parts.iter().zip(&flat).take(plain).all(|(part, name)| part == name)
            && wild.is_none_or(|from| matches_pattern(&rest(&flat, from), &rest(&parts, from)))
    };
    is_leaf(&node.fqn) || is_prefix(&node.fqn) || node.fqn.get(1..).is_some_and(is_prefix)
}

/// Returns whether a value matches a file's path or one of its folders.
fn is_in_file_or_folder(path: &str, value: &str) -> bool {
    let value = value.replace('\\', "/");
    let value = value.trim_start_matches("./").trim_end_matches('/');
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    value.is_empty() || value == "." || folders.chain([path]).any(|part| matches_pattern(part, value))
}
