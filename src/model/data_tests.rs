//! Data tests in a spec's `data_tests`, in the formats of recent and older versions of dbt.

use super::properties_yaml::{StringSyntax, yaml_pairs, yaml_value};
use crate::dbt::escaped_text;
use crate::yaml::{Node, YamlValue};

/// Keys that dbt reads at the same level as the arguments of a test.
const TEST_LEVEL_KEYS: &[&str] = &["arguments", "config", "name", "description"];
/// Keys that older versions of dbt read at the same level as the arguments of a test and newer versions read under
/// `config`.
const TEST_CONFIG_KEYS: &[&str] = &[
    "severity",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "enabled",
    "tags",
    "meta",
    "database",
    "schema",
    "alias",
];

/// Returns data tests in the format of recent dbt versions, in which arguments and configuration are under separate
/// keys.
pub(super) fn test_entries(node: Option<&Node>) -> Vec<YamlValue> {
    let items = node.and_then(Node::items).unwrap_or_default();
    items.iter().map(data_test).collect()
}

fn data_test(node: &Node) -> YamlValue {
    let Some([(name, settings)]) = node.pairs() else {
        return yaml_value(node, StringSyntax::Dbt);
    };
    let Some(name) = name.text() else {
        return yaml_value(node, StringSyntax::Dbt);
    };
    let mut arguments = Vec::new();
    let mut config = Vec::new();
    let mut rest = Vec::new();
    for (key, value) in yaml_pairs(Some(settings), StringSyntax::Dbt) {
        match (key.as_str(), value) {
            ("arguments", YamlValue::Map(inner, _)) => arguments.extend(inner),
            ("config", YamlValue::Map(inner, _)) => config.extend(inner),
            (name, setting) if TEST_CONFIG_KEYS.contains(&name) => config.push((key, setting)),
            (name, setting) if TEST_LEVEL_KEYS.contains(&name) => rest.push((key, setting)),
            (_, setting) => arguments.push((key, setting)),
        }
    }
    for (key, inner) in [("arguments", arguments), ("config", config)] {
        if !inner.is_empty() {
            rest.push((key.to_owned(), YamlValue::map(inner)));
        }
    }
    if rest.is_empty() {
        escaped_text(name)
    } else {
        YamlValue::map([(name, YamlValue::map(rest))])
    }
}

/// Converts a data test to the format for versions of dbt before 1.10.5, in which arguments and configuration are at
/// the same level.
pub(super) fn flatten_test(test: YamlValue) -> YamlValue {
    let of_test = |value: YamlValue| match value {
        YamlValue::Map(pairs, _) => {
            let pairs = pairs.into_iter().flat_map(|(key, value)| match value {
                YamlValue::Map(inner, _) if key == "arguments" => inner,
                value => vec![(key, value)],
            });
            YamlValue::map(pairs)
        }
        other => other,
    };
    match test {
        YamlValue::Map(pairs, _) => YamlValue::map(pairs.into_iter().map(|(name, value)| (name, of_test(value)))),
        other => other,
    }
}

/// Returns whether a test has this name, applies to all rows and has severity `error`.
pub(super) fn is_unconditional(test: &YamlValue, name: &str) -> bool {
    let config = test.get(name).and_then(|value| value.get("config"));
    let says = |key: &str| config.and_then(|config| config.get(key));
    let warns = says("severity")
        .and_then(YamlValue::as_text)
        .is_some_and(|word| word.eq_ignore_ascii_case("warn"));
    let is_named = test.as_text() == Some(name) || test.get(name).is_some();
    is_named
        && !warns
        && ["where", "enabled", "error_if"]
            .into_iter()
            .all(|key| says(key).is_none())
}
