//! Reads Jinja in dbt files without evaluating it: blocks and `config` calls.

/// Jinja block, such as `{% macro name(…) %}…{% endmacro %}`. Tests, snapshots and materializations have similar
/// blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JinjaBlock<'t> {
    pub kind: &'t str,
    pub name: &'t str,
    /// Text of the block, including its opening tag but not its closing tag.
    pub text: &'t str,
    /// Content of the block, without its tags.
    pub inside: &'t str,
}

const KINDS: [&str; 4] = ["macro", "test", "snapshot", "materialization"];

/// Returns the Jinja blocks of a file, in order.
pub(super) fn parse_blocks(text: &str) -> Vec<JinjaBlock<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(&str, &str, usize, usize)> = None;
    let mut at = 0;
    while let Some(begin) = text.get(at..).and_then(|rest| rest.find("{%")).map(|found| at + found) {
        let Some(length) = text.get(begin..).and_then(|rest| rest.find("%}")) else {
            break;
        };
        let end = begin + length + 2;
        let tag = text
            .get(begin + 2..end - 2)
            .unwrap_or_default()
            .trim_matches('-')
            .trim();
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let (word, rest) = tag.split_at(tag.find(|c| !is_name(c)).unwrap_or(tag.len()));
        match open {
            Some((kind, name, from, inside)) if word.strip_prefix("end") == Some(kind) => {
                let (text, inside) = (text.get(from..begin), text.get(inside..begin));
                found.extend(text.zip(inside).map(|(text, inside)| JinjaBlock {
                    kind,
                    name,
                    text,
                    inside,
                }));
                open = None;
            }
            None if KINDS.contains(&word) => {
                let name = rest.trim_start();
                let name = name.split_at(name.find(|c| !is_name(c)).unwrap_or(name.len())).0;
                open = Some((word, name, begin, end));
            }
            _ => {}
        }
        at = end;
    }
    found
}

/// Returns the blocks that differ in more than whitespace, each with its name and its content before and after the
/// change.
pub(super) fn changed_blocks<'t>(
    before: &[JinjaBlock<'t>],
    now: &[JinjaBlock<'t>],
) -> Vec<(String, Option<&'t str>, Option<&'t str>)> {
    let of = |blocks: &[JinjaBlock<'t>], like: &JinjaBlock<'t>| {
        blocks
            .iter()
            .find(|block| (block.kind, block.name) == (like.kind, like.name))
            .cloned()
    };
    let same = |one: &str, other: &str| one.split_whitespace().eq(other.split_whitespace());
    let mut found = Vec::new();
    for old in before {
        match of(now, old) {
            Some(new) if same(old.text, new.text) => {}
            new => found.push((old.name.to_owned(), Some(old.inside), new.map(|new| new.inside))),
        }
    }
    let added = now.iter().filter(|new| of(before, new).is_none());
    found.extend(added.map(|new| (new.name.to_owned(), None, Some(new.inside))));
    found
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
    changed_keys(&config_arguments(before), &config_arguments(now))
}

/// Returns the keys whose values differ, sorted by key.
pub(super) fn changed_keys(old: &[(String, String)], new: &[(String, String)]) -> Vec<ConfigChange> {
    let of = |config: &[(String, String)], key: &str| {
        config
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let mut keys: Vec<&String> = old.iter().chain(new).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let changes = keys.into_iter().map(|key| ConfigChange {
        key: key.clone(),
        before: of(old, key),
        now: of(new, key),
    });
    changes.filter(|change| change.before != change.now).collect()
}

/// Returns the arguments of `{{ config(…) }}`, without whitespace outside strings.
fn config_arguments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in text.split("{{").skip(1) {
        let inside = part.trim_start_matches('-').trim_start();
        let Some(arguments) = inside
            .strip_prefix("config")
            .map(str::trim_start)
            .and_then(|rest| rest.strip_prefix('('))
        else {
            continue;
        };
        let mut argument = String::new();
        let (mut depth, mut quote) = (0usize, None);
        for c in arguments.chars() {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, '(' | '[' | '{') => depth += 1,
                (None, ')') if depth == 0 => break,
                (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
                (None, ',') if depth == 0 => {
                    found.extend(split_named_argument(&std::mem::take(&mut argument)));
                    continue;
                }
                (None, c) if c.is_whitespace() => continue,
                _ => {}
            }
            argument.push(c);
        }
        found.extend(split_named_argument(&argument));
    }
    found
}

fn split_named_argument(argument: &str) -> Option<(String, String)> {
    argument
        .split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
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
        let names: Vec<_> = changed_blocks(&before, &now)
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, ["cents", "odd", "more"]);
        for broken in ["{% macro", "{% macro a %}", "{%", "{% endmacro %}", "{%%}"] {
            assert_eq!(parse_blocks(broken), []);
        }
    }

    #[test]
    fn config_keys_are_compared() {
        let old = "{{ config(materialized='table', unique_key=['a, b', 'c'], tags = ['x']) }}select 1";
        let new = "{{ config(materialized = 'table', unique_key=['a', 'c'], tags=['y']) }}select 1";
        let found = config_changes(old, new);
        let shown: Vec<_> = found
            .iter()
            .map(|it| (it.key.as_str(), it.before.as_str(), it.affects_rows()))
            .collect();
        assert_eq!(shown, [("tags", "['x']", false), ("unique_key", "['a, b','c']", true)]);
        assert_eq!(
            config_changes("{{ config(", "{{ config(a=1"),
            [ConfigChange {
                key: "a".into(),
                before: String::new(),
                now: "1".into()
            }]
        );
    }
}
