//! Compares macros at two revisions and finds the nodes that use them.

use super::{FileRevisions, RevisionComparer, jinja};
use crate::artifacts::ResourceType;
use crate::propagate::ChangeSeverity;

/// Macros that dbt calls implicitly. The manifest does not list them as dependencies of nodes.
const IMPLICIT_MACROS: [&str; 6] = [
    "generate_schema_name",
    "generate_alias_name",
    "generate_database_name",
    "ref",
    "source",
    "config",
];

impl RevisionComparer<'_, '_> {
    /// Compares a macro file. A changed macro may change the SQL of all nodes that use it, directly or through other
    /// macros.
    pub(super) fn compare_macros(&mut self, file: &FileRevisions) {
        let (before, now) = file.texts();
        let (old, new) = (jinja::parse_blocks(before), jinja::parse_blocks(now));
        let changed = jinja::changed_jinja_blocks(&old, &new);
        if changed.is_empty() && before != now {
            // Only text outside of macros, such as a comment, changed.
            self.report_change(&file.path, "layout", "", "");
        }
        for (name, was, is) in changed {
            let change_kind = match (was, is) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "macro",
            };
            let kind = old
                .iter()
                .chain(&new)
                .find(|block| block.name == name)
                .map(|block| block.kind);
            if kind == Some("materialization") {
                self.report_incomparable_change(
                    &name,
                    "macro",
                    "formulac cannot determine which models use this materialization",
                );
                continue;
            }
            if IMPLICIT_MACROS
                .iter()
                .any(|macro_name| name == *macro_name || name.ends_with(&format!("__{macro_name}")))
            {
                self.report_incomparable_change(
                    &name,
                    "macro",
                    "dbt calls the macro automatically for any model, so the changed models are unknown",
                );
                continue;
            }
            let name = if kind == Some("test") {
                format!("test_{name}")
            } else {
                name
            };
            let count = self.mark_users_of_macro(&name);
            match count {
                0 if change_kind != "added" => {
                    self.report_incomparable_change(&name, change_kind, "nothing in dbt's manifest uses the macro");
                }
                _ => self.report_change(&name, change_kind, "", ""),
            }
        }
    }

    /// Marks all nodes that use a macro of the project as changed, and returns the number of these nodes.
    pub(super) fn mark_users_of_macro(&mut self, name: &str) -> usize {
        let manifest = self.graph.sources.manifest;
        let project = manifest.metadata.project_name.as_deref().unwrap_or_default();
        let id = format!("macro.{project}.{name}");
        let using = manifest.macros_using(&[&id]);
        let short_name = name.strip_prefix("test_").unwrap_or(name);
        let mut count = 0;
        for (index, node) in manifest.nodes.iter().enumerate() {
            if !node
                .macros
                .iter()
                .any(|used_macro| using.contains(&**used_macro) || **used_macro == *id)
            {
                continue;
            }
            count += 1;
            if node.resource_type == ResourceType::Test {
                let description = format!("the test's macro `{short_name}` changes");
                self.add_note(
                    index,
                    &node.name,
                    description,
                    ChangeSeverity::Changing,
                    "the result of the test may change",
                );
            } else {
                self.mark_rows_as_changed(index, format!("the code uses the macro `{short_name}`, which changes"));
            }
        }
        count
    }

    /// Marks a node as changed, because its rows may differ.
    pub(super) fn mark_rows_as_changed(&mut self, index: usize, reason: String) {
        let start = self.node_changes_mut(index);
        start.rows = true;
        start.redefined = true;
        start.reason.get_or_insert(reason);
    }
}
