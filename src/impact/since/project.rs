//! Compares `dbt_project.yml` at two revisions. Changed variables are traced to the code that uses them. All other
//! changes are reported but not traced.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileRevisions, RevisionComparer, jinja, yaml_text};
use crate::yaml::{self, Node};

impl RevisionComparer<'_, '_> {
    pub(super) fn compare_project(&mut self, file: &FileRevisions, macros: &[String]) {
        let (old, new) = (
            file.before.as_deref().and_then(yaml::merged_root),
            file.now.as_deref().and_then(yaml::merged_root),
        );
        let keys: BTreeSet<&str> = [&old, &new]
            .into_iter()
            .flatten()
            .flat_map(|root| root.pairs().unwrap_or_default())
            .filter_map(|(key, _)| key.text())
            .collect();
        for key in keys {
            let (was, is) = (
                yaml_text::value_text_at_key(old.as_ref(), key),
                yaml_text::value_text_at_key(new.as_ref(), key),
            );
            if was == is {
                continue;
            }
            if key == "vars" {
                self.compare_variables(old.as_ref(), new.as_ref(), macros);
                continue;
            }
            let why = "only dbt can determine the effect of this setting: run `dbt compile` before and after the change, and \
                       compare the results";
            self.report_incomparable_change(&format!("{}: {key}", file.path), "project", why);
        }
    }

    fn compare_variables(&mut self, old: Option<&Node>, new: Option<&Node>, macros: &[String]) {
        let project = self
            .graph
            .sources
            .manifest
            .metadata
            .project_name
            .clone()
            .unwrap_or_default();
        let (was, is) = (project_variables(old, &project), project_variables(new, &project));
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for name in names {
            let (before, now) = (was.get(name), is.get(name));
            if before == now {
                continue;
            }
            let text_or_empty = |value: Option<&String>| value.cloned().unwrap_or_default();
            self.report_change(
                &format!("var {name}"),
                "variable",
                &text_or_empty(before),
                &text_or_empty(now),
            );
            let mut count = 0;
            for (index, part) in self.graph.nodes.iter().enumerate() {
                if part
                    .node
                    .and_then(|node| node.raw_code.as_deref())
                    .is_some_and(|code| is_variable_used(code, name))
                {
                    count += 1;
                    self.mark_rows_as_changed(index, format!("the code reads the variable `{name}`, which changes"));
                }
            }
            let blocks = macros
                .iter()
                .flat_map(|text| jinja::parse_blocks(text))
                .filter(|block| is_variable_used(block.text, name));
            let blocks: BTreeSet<String> = blocks
                .map(|block| {
                    if block.kind == "test" {
                        format!("test_{}", block.name)
                    } else {
                        block.name.to_owned()
                    }
                })
                .collect();
            for of_macro in blocks {
                count += self.mark_users_of_macro(&of_macro);
            }
            if count == 0 {
                let why = "no code of this project reads the variable, but formulac does not search packages and \
                    YAML files";
                self.report_incomparable_change(&format!("var {name}"), "variable", why);
            }
        }
    }
}

/// Returns the variables of a project. Variables under the project's name take precedence over global variables.
fn project_variables(root: Option<&Node>, project: &str) -> BTreeMap<String, String> {
    let vars = root.map(|root| root.pairs_at("vars")).unwrap_or_default();
    let mut variables = BTreeMap::new();
    for (key, value) in vars.iter().filter_map(|(key, value)| Some((key.text()?, value))) {
        match value.pairs() {
            Some(project_node) if key == project => {
                let project_pairs = project_node
                    .iter()
                    .filter_map(|(key, value)| Some((key.text()?.to_owned(), yaml_text::display_node(value))));
                project_pairs.for_each(|(name, value)| drop(variables.insert(name, value)));
            }
            _ => {
                variables
                    .entry(key.to_owned())
                    .or_insert_with(|| yaml_text::display_node(value));
            }
        }
    }
    variables
}

/// Returns whether code uses a variable, as in `var('name')`.
fn is_variable_used(code: &str, name: &str) -> bool {
    code.match_indices("var").any(|(offset, _)| {
        let rest = code.get(offset + 3..).unwrap_or_default().trim_start();
        let argument = rest.strip_prefix('(').map(str::trim_start).unwrap_or_default();
        ['\'', '"'].iter().any(|quote| {
            argument
                .strip_prefix(*quote)
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with(*quote))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_users_are_found() {
        for (code, expected) in [
            ("{{ var('days') }}", true),
            ("{{ var( \"days\", 30) }}", true),
            ("{{ var('days_back') }} variant days", false),
            ("var(days)", false),
        ] {
            assert_eq!(is_variable_used(code, "days"), expected, "{code}");
        }
    }

    #[test]
    fn own_variables_take_precedence() {
        let root = yaml::parse_root("vars:\n  days: 1\n  shop:\n    days: 2\n  other:\n    days: 3\n");
        let variables = project_variables(root.as_ref(), "shop");
        assert_eq!(variables.get("days").map(String::as_str), Some("2"));
    }
}
