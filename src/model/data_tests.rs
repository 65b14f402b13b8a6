//! Data tests in a spec's `data_tests`, in the formats of recent and older versions of dbt.

use super::yaml_output::{StringSyntax, yaml_pairs, yaml_value};
use crate::dbt::YamlOutput;
use crate::yaml::Node;

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
pub(super) fn test_entries(node: Option<&Node>) -> Vec<YamlOutput> {
    let items = node.and_then(Node::items).unwrap_or_default();
    items.iter().map(data_test).collect()
}

fn data_test(node: &Node) -> YamlOutput {
    let Some([(name, settings)]) = node.pairs() else {
        return yaml_value(node, StringSyntax::Dbt);
    };
    let Some(name) = name.text() else {
        return yaml_value(node, StringSyntax::Dbt);
    };
    let mut arguments = Vec::new();
    let mut config = Vec::new();
    let mut rest = Vec::new();
    for (key, yaml_output) in yaml_pairs(Some(settings), StringSyntax::Dbt) {
        match (key.as_str(), yaml_output) {
            ("arguments", YamlOutput::Map(inner)) => arguments.extend(inner),
            ("config", YamlOutput::Map(inner)) => config.extend(inner),
            (name, setting) if TEST_CONFIG_KEYS.contains(&name) => config.push((key, setting)),
            (name, setting) if TEST_LEVEL_KEYS.contains(&name) => rest.push((key, setting)),
            (_, setting) => arguments.push((key, setting)),
        }
    }
    for (key, inner) in [("arguments", arguments), ("config", config)] {
        if !inner.is_empty() {
            rest.push((key.to_owned(), YamlOutput::Map(inner)));
        }
    }
    if rest.is_empty() {
        YamlOutput::text(name)
    } else {
        YamlOutput::Map(vec![(name.to_owned(), YamlOutput::Map(rest))])
    }
}

/// Converts a data test to the format for versions of dbt before 1.10.5, in which arguments and configuration are at
/// the same level.
pub(super) fn flatten_test(test: YamlOutput) -> YamlOutput {
    let of_test = |yaml_output: YamlOutput| match yaml_output {
        YamlOutput::Map(pairs) => {
            let pairs = pairs.into_iter().flat_map(|(key, yaml_output)| match yaml_output {
                YamlOutput::Map(inner) if key == "arguments" => inner,
                yaml_output => vec![(key, yaml_output)],
            });
            YamlOutput::Map(pairs.collect())
        }
        other => other,
    };
    match test {
        YamlOutput::Map(pairs) => YamlOutput::Map(
            pairs
                .into_iter()
                .map(|(name, yaml_output)| (name, of_test(yaml_output)))
                .collect(),
        ),
        other => other,
    }
}

/// Returns whether a test has this name, applies to all rows and has severity `error`.
pub(super) fn is_unconditional(test: &YamlOutput, name: &str) -> bool {
    let config = test.get(name).and_then(|yaml_output| yaml_output.get("config"));
    let says = |key: &str| config.and_then(|config| config.get(key));
    let warns = says("severity")
        .and_then(YamlOutput::as_text)
        .is_some_and(|word| word.eq_ignore_ascii_case("warn"));
    let is_it = test.as_text() == Some(name) || test.get(name).is_some();
    is_it
        && !warns
        && ["where", "enabled", "error_if"]
            .into_iter()
            .all(|key| says(key).is_none())
}
