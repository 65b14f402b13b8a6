//! Compares tests at two revisions: the conditions of tests that are declared in YAML, and the files of singular tests.

use std::collections::BTreeMap;

use super::{FileRevisions, RevisionComparer, code, jinja, yaml_text};
use crate::propagate::ChangeSeverity;
use crate::yaml::Node;

/// Keys of a test entry that do not affect the tested condition.
const TEST_SETTING_KEYS: [&str; 12] = [
    "config",
    "severity",
    "where",
    "warn_if",
    "error_if",
    "fail_calc",
    "limit",
    "tags",
    "meta",
    "description",
    "store_failures",
    "enabled",
];

/// Test that is declared in YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DeclaredTest<'n> {
    /// Name of the test, such as `not_null` or `dbt_utils.accepted_range`.
    name: &'n str,
    /// Arguments of the test, except the argument `values`.
    arguments: BTreeMap<String, String>,
    values: Vec<String>,
    settings: BTreeMap<String, String>,
}

/// Result of comparing a test at two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TestComparison {
    Looser,
    Stricter,
    Other,
}

impl<'n> DeclaredTest<'n> {
    fn read(node: &'n Node) -> Option<Self> {
        let plain = |name| Self {
            name,
            arguments: BTreeMap::new(),
            values: Vec::new(),
            settings: BTreeMap::new(),
        };
        let Some(pairs) = node.pairs() else {
            return node.text().map(plain);
        };
        // A test is either `- not_null: {…}` or `- {name: …, test_name: not_null, …}`.
        let (name, body) = match node.text_at("test_name") {
            Some(name) => (name, pairs),
            None => pairs.iter().find_map(|(key, value)| {
                let name = key.text().filter(|name| !TEST_SETTING_KEYS.contains(name))?;
                Some((name, value.pairs().unwrap_or_default()))
            })?,
        };
        let mut test = plain(name);
        // Arguments and settings may be under `arguments` and `config`, or next to the name of the test.
        let other_pairs = pairs
            .iter()
            .filter(|(key, _)| key.text().is_some_and(|key| TEST_SETTING_KEYS.contains(&key)));
        for (key, value) in body.iter().chain(other_pairs) {
            let Some(key) = key.text() else { continue };
            match (key, value.pairs()) {
                ("config", Some(entries)) => test.settings.extend(entries.iter().filter_map(display_argument)),
                ("arguments", Some(entries)) => entries.iter().for_each(|(key, value)| test.read_argument(key, value)),
                _ if TEST_SETTING_KEYS.contains(&key) => {
                    test.settings.insert(key.to_owned(), yaml_text::display_node(value));
                }
                ("name" | "test_name", _) => {}
                _ => test.read_argument_with_key(key, value),
            }
        }
        Some(test)
    }

    fn read_argument(&mut self, key: &Node, value: &Node) {
        if let Some(key) = key.text() {
            self.read_argument_with_key(key, value);
        }
    }

    fn read_argument_with_key(&mut self, key: &str, value: &Node) {
        if key == "values" {
            self.values = value.texts();
            self.values.sort();
        } else {
            self.arguments.insert(key.to_owned(), yaml_text::display_node(value));
        }
    }

    fn test_setting_or_default(&self, key: &str) -> &str {
        let usual = match key {
            "severity" => "error",
            "enabled" => "true",
            _ => "",
        };
        self.settings.get(key).map_or(usual, String::as_str)
    }

    /// Compares a test at two revisions. `None` if nothing that affects the result of the test has changed.
    fn compare_test_revisions(&self, now: &Self) -> Option<TestComparison> {
        let mut verdicts = Vec::new();
        if self.arguments != now.arguments {
            verdicts.push(TestComparison::Other);
        }
        if self.values != now.values {
            let holds = |superset: &[String], some: &[String]| some.iter().all(|value| superset.contains(value));
            verdicts.push(match () {
                () if holds(&now.values, &self.values) => TestComparison::Looser,
                () if holds(&self.values, &now.values) => TestComparison::Stricter,
                () => TestComparison::Other,
            });
        }
        let change = |key: &str| {
            (self.test_setting_or_default(key) != now.test_setting_or_default(key))
                .then(|| (self.test_setting_or_default(key), now.test_setting_or_default(key)))
        };
        verdicts.extend(change("severity").map(|(_, is)| {
            if is.eq_ignore_ascii_case("warn") {
                TestComparison::Looser
            } else {
                TestComparison::Stricter
            }
        }));
        verdicts.extend(change("enabled").map(|(_, is)| {
            if is == "false" {
                TestComparison::Looser
            } else {
                TestComparison::Stricter
            }
        }));
        for key in ["where", "limit"] {
            verdicts.extend(change(key).map(|(was, is)| match (was, is) {
                ("", _) => TestComparison::Looser,
                (_, "") => TestComparison::Stricter,
                _ => TestComparison::Other,
            }));
        }
        verdicts.extend(
            ["warn_if", "error_if", "fail_calc"]
                .into_iter()
                .filter_map(change)
                .map(|_| TestComparison::Other),
        );
        let has_only = |expected: TestComparison| verdicts.iter().all(|verdict| *verdict == expected);
        match verdicts.first() {
            None => None,
            Some(first) if has_only(*first) => Some(*first),
            Some(_) => Some(TestComparison::Other),
        }
    }

    fn message(&self) -> String {
        let arguments = self.arguments.iter().map(|(key, value)| format!("{key}: {value}"));
        let values = (!self.values.is_empty()).then(|| format!("values: [{}]", self.values.join(", ")));
        let settings = self.settings.iter().map(|(key, value)| format!("{key}: {value}"));
        let parts: Vec<String> = arguments.chain(values).chain(settings).collect();
        if parts.is_empty() {
            self.name.to_owned()
        } else {
            format!("{} {{{}}}", self.name, parts.join(", "))
        }
    }
}

fn display_argument((key, value): &(Node, Node)) -> Option<(String, String)> {
    Some((key.text()?.to_owned(), yaml_text::display_node(value)))
}

/// Returns the tests that are declared on a table or column.
fn read_declared_tests(node: Option<&Node>) -> Vec<DeclaredTest<'_>> {
    let lists = ["data_tests", "tests"]
        .into_iter()
        .filter_map(|key| node?.get(key)?.items());
    lists.flatten().filter_map(DeclaredTest::read).collect()
}

impl RevisionComparer<'_, '_> {
    /// Compares the tests on a table and on its columns.
    pub(super) fn compare_table_tests(
        &mut self,
        index: Option<usize>,
        name: &str,
        old: Option<&Node>,
        new: Option<&Node>,
    ) {
        self.compare_tests(index, name, read_declared_tests(old), read_declared_tests(new));
        let (was, is) = (
            yaml_text::items_with_names(old, "columns"),
            yaml_text::items_with_names(new, "columns"),
        );
        let columns: std::collections::BTreeSet<&str> = was.iter().chain(&is).map(|(name, _)| *name).collect();
        for column in columns {
            let column_position = |columns: &[(&str, &'_ Node)]| columns.iter().position(|(name, _)| *name == column);
            let old = column_position(&was)
                .and_then(|column_index| was.get(column_index))
                .map(|(_, node)| *node);
            let new = column_position(&is)
                .and_then(|column_index| is.get(column_index))
                .map(|(_, node)| *node);
            self.compare_tests(
                index,
                &format!("{name}.{column}"),
                read_declared_tests(old),
                read_declared_tests(new),
            );
        }
    }

    fn compare_tests(
        &mut self,
        index: Option<usize>,
        name: &str,
        mut old: Vec<DeclaredTest<'_>>,
        new: Vec<DeclaredTest<'_>>,
    ) {
        let mut declared_tests = Vec::new();
        for test in new {
            match old.iter().position(|other| *other == test) {
                Some(test_index) => drop(old.remove(test_index)),
                None => declared_tests.push(test),
            }
        }
        for now in declared_tests {
            let Some(test_index) = old.iter().position(|was| was.name == now.name) else {
                self.report_change(name, "test added", "", &now.message());
                self.add_test_note(index, name, &format!("the test `{}` is added", now.name), None);
                continue;
            };
            let was = old.remove(test_index);
            let Some(verdict) = was.compare_test_revisions(&now) else {
                continue;
            };
            let (change_kind, word) = match verdict {
                TestComparison::Looser => ("test looser", "checks less"),
                TestComparison::Stricter => ("test stricter", "checks more"),
                TestComparison::Other => ("test changed", "checks something else"),
            };
            self.report_change(name, change_kind, &was.message(), &now.message());
            self.add_test_note(index, name, &format!("the test `{}` {word}", now.name), Some(verdict));
        }
        for removed in old {
            self.report_change(name, "test removed", &removed.message(), "");
            self.add_test_note(
                index,
                name,
                &format!("the test `{}` is removed", removed.name),
                Some(TestComparison::Looser),
            );
        }
    }

    fn add_test_note(&mut self, index: Option<usize>, name: &str, description: &str, verdict: Option<TestComparison>) {
        let (severity, reason) = match verdict {
            Some(TestComparison::Looser) => (ChangeSeverity::Changing, "rows that the test found pass from now on"),
            Some(TestComparison::Other) => (
                ChangeSeverity::Changing,
                "rows that the test found may pass from now on",
            ),
            Some(TestComparison::Stricter) | None => {
                (ChangeSeverity::Harmless, "the test may find rows that passed before")
            }
        };
        if let Some(index) = index {
            self.add_note(index, name, description.to_owned(), severity, reason);
        }
    }

    /// Compares a test file, which contains a singular test or generic tests.
    pub(super) fn compare_singular_test(&mut self, file: &FileRevisions) {
        let (before, now) = file.texts();
        if !jinja::parse_blocks(before).is_empty() || !jinja::parse_blocks(now).is_empty() {
            return self.compare_macros(file);
        }
        let name = file.name();
        if before.split_whitespace().eq(now.split_whitespace()) {
            return self.report_change(name, "layout", "", "");
        }
        let (change_kind, verb, verdict) = match (&file.before, &file.now) {
            (None, _) => ("test added", "is added", None),
            (_, None) => ("test removed", "is removed", Some(TestComparison::Looser)),
            _ => ("test changed", "checks something else", Some(TestComparison::Other)),
        };
        self.report_change(name, change_kind, "", "");
        // Read the tested models from the SQL, because the test may no longer exist in dbt's manifest.
        let mut models = code::model_refs(before);
        models.extend(code::model_refs(now));
        models.sort();
        models.dedup();
        let mut is_reported = false;
        for model in models {
            if let Some(index) = self.index_of(&model) {
                self.add_test_note(Some(index), &model, &format!("the test `{name}` {verb}"), verdict);
                is_reported = true;
            }
        }
        if !is_reported {
            self.report_incomparable_change(name, change_kind, "the models that the test reads are unknown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare_yaml(old: &str, new: &str) -> Option<TestComparison> {
        let (old, new) = (
            crate::yaml::parse_root(old).unwrap(),
            crate::yaml::parse_root(new).unwrap(),
        );
        DeclaredTest::read(&old)
            .unwrap()
            .compare_test_revisions(&DeclaredTest::read(&new).unwrap())
    }

    #[test]
    fn test_changes_have_verdicts() {
        use TestComparison::{Looser, Other, Stricter};
        for (old, new, expected) in [
            ("not_null", "not_null: {}", None),
            ("not_null: {config: {severity: warn}}", "not_null", Some(Stricter)),
            ("not_null", "not_null: {config: {severity: warn}}", Some(Looser)),
            ("not_null", "{not_null: {}, severity: warn}", Some(Looser)),
            ("not_null", "not_null: {config: {where: 'a > 1'}}", Some(Looser)),
            ("not_null", "not_null: {config: {enabled: false}}", Some(Looser)),
            ("not_null", "not_null: {config: {tags: [x], severity: error}}", None),
            (
                "accepted_values: {values: [a, b]}",
                "accepted_values: {arguments: {values: [b, a]}}",
                None,
            ),
            (
                "accepted_values: {values: [a]}",
                "accepted_values: {values: [a, b]}",
                Some(Looser),
            ),
            (
                "accepted_values: {values: [a, b]}",
                "accepted_values: {values: [a]}",
                Some(Stricter),
            ),
            (
                "accepted_values: {values: [a]}",
                "accepted_values: {values: [b]}",
                Some(Other),
            ),
            (
                "relationships: {to: ref('a'), field: id}",
                "relationships: {to: ref('b'), field: id}",
                Some(Other),
            ),
            (
                "accepted_values: {values: [a]}",
                "accepted_values: {values: [a, b], config: {where: x}}",
                Some(Looser),
            ),
            (
                "accepted_values: {values: [a, b]}",
                "accepted_values: {values: [a], config: {where: x}}",
                Some(Other),
            ),
        ] {
            assert_eq!(compare_yaml(old, new), expected, "{old} → {new}");
        }
    }
}
