//! Compares Jinja in dbt files without evaluating it: blocks and `config` calls.

use crate::dbt::{JinjaBlock, JinjaKind, call_arguments, jinja_blocks, jinja_parts, normalized_jinja, split_arguments};

/// Returns the macros, tests, snapshots and materializations in a file, in order.
pub(super) fn parse_blocks(text: &str) -> Vec<JinjaBlock<'_>> {
    jinja_blocks(text, &["macro", "test", "snapshot", "materialization"])
}

/// Returns the blocks that differ in more than whitespace, each with its name and its content before and after the
/// change.
pub(super) fn changed_jinja_blocks<'t>(
    before: &[JinjaBlock<'t>],
    now: &[JinjaBlock<'t>],
) -> Vec<(String, Option<&'t str>, Option<&'t str>)> {
    let find_block = |blocks: &[JinjaBlock<'t>], like: &JinjaBlock<'t>| {
        blocks
            .iter()
            .find(|block| (block.kind, block.name) == (like.kind, like.name))
            .copied()
    };
    let is_same_text = |text: &str, other: &str| text.split_whitespace().eq(other.split_whitespace());
    let mut changes = Vec::new();
    for old in before {
        match find_block(now, old) {
            Some(new) if is_same_text(old.text, new.text) => {}
            new => changes.push((old.name.to_owned(), Some(old.content), new.map(|new| new.content))),
        }
    }
    let added = now.iter().filter(|new| find_block(before, new).is_none());
    changes.extend(added.map(|new| (new.name.to_owned(), None, Some(new.content))));
    changes
}

/// Key of `config(…)` whose value changed, with both values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigChange {
    pub key: String,
    pub before: String,
    pub now: String,
}

/// Keys that describe a model and do not affect its rows.
const DESCRIPTIVE_KEYS: [&str; 12] = [
    "tags",
    "meta",
    "docs",
    "description",
    "group",
    "access",
    "grants",
    "persist_docs",
    "contract",
    "schema",
    "database",
    "alias",
];

impl ConfigChange {
    /// Returns whether the change may affect the rows. An unknown key may have any effect, but a switch between table,
    /// view and ephemeral does not affect the rows.
    pub fn affects_rows(&self) -> bool {
        let is_plain = |value: &str| matches!(value.trim_matches(['\'', '"']), "" | "table" | "view" | "ephemeral");
        let is_kept = self.key == "materialized" && is_plain(&self.before) && is_plain(&self.now);
        !is_kept && !DESCRIPTIVE_KEYS.contains(&self.key.as_str())
    }
}

pub(super) fn config_changes(before: &str, now: &str) -> Vec<ConfigChange> {
    changed_config_keys(&config_arguments(before), &config_arguments(now))
}

/// Returns the keys whose values differ, sorted by key.
pub(super) fn changed_config_keys(old: &[(String, String)], new: &[(String, String)]) -> Vec<ConfigChange> {
    let config_value = |config: &[(String, String)], key: &str| {
        config
            .iter()
            .find(|(other_key, _)| other_key == key)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let mut keys: Vec<&String> = old.iter().chain(new).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let changes = keys.into_iter().map(|key| ConfigChange {
        key: key.clone(),
        before: config_value(old, key),
        now: config_value(new, key),
    });
    changes.filter(|change| change.before != change.now).collect()
}

/// Returns the arguments of `{{ config(…) }}`, without unnecessary whitespace.
fn config_arguments(text: &str) -> Vec<(String, String)> {
    let parts = jinja_parts(text).filter(|part| part.kind == JinjaKind::Expression);
    let calls = parts.filter_map(|part| call_arguments(part.code, "config"));
    let arguments = calls
        .flat_map(split_arguments)
        .filter_map(|argument| argument.split_once('='));
    arguments
        .map(|(key, value)| (key.trim().to_owned(), normalized_jinja(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_blocks_are_found() {
        let old = "{# c #}{% macro cents(a) %}{{ a }}{% if x %}1{% endif %}{% endmacro %}\n{%- test odd(m) -%}select 1{%- endtest -%}";
        let names: Vec<_> = parse_blocks(old).iter().map(|block| (block.kind, block.name)).collect();
        assert_eq!(names, [("macro", "cents"), ("test", "odd")]);
        let new = "{% macro cents(a, b) %}{{ a }}{% if x %}1{% endif %}{% endmacro %}{% macro more() %}{% endmacro %}";
        let (before, now) = (parse_blocks(old), parse_blocks(new));
        let names: Vec<_> = changed_jinja_blocks(&before, &now)
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, ["cents", "odd", "more"]);
    }

    #[test]
    fn config_keys_are_compared() {
        let old = "{{ config(materialized='table', unique_key=['a, b', 'c'], tags = ['x']) }}select 1";
        let new = "{{ config(materialized = 'table', unique_key=['a', 'c'], tags=['y']) }}select 1";
        let changes = config_changes(old, new);
        let summaries: Vec<_> = changes
            .iter()
            .map(|change| (change.key.as_str(), change.before.as_str(), change.affects_rows()))
            .collect();
        assert_eq!(
            summaries,
            [("tags", "['x']", false), ("unique_key", "['a, b','c']", true)]
        );
        let other_quotes = old.replace("'x'", "\"x\"").replace("{{", "{{-");
        for equal_config in [
            other_quotes,
            format!("{{# {new} #}}{old}"),
            format!("{old}{{{{ config(a=1"),
        ] {
            assert_eq!(config_changes(old, &equal_config), []);
        }
    }
}
