//! Compares sources in YAML at two revisions: their tables, columns that are no longer listed, and freshness settings.

use super::{RevisionComparer, yaml_text};
use crate::artifacts::ResourceType;
use crate::lineage::ColumnChange;
use crate::propagate::ChangeSeverity;
use crate::yaml::Node;

/// Keys that determine the table in the warehouse.
const TABLE_KEYS: [&str; 4] = ["database", "schema", "identifier", "quoting"];
/// Keys that determine the freshness check.
const FRESHNESS_KEYS: [&str; 3] = ["freshness", "loaded_at_field", "loaded_at_query"];

impl RevisionComparer<'_, '_> {
    pub(super) fn compare_sources(&mut self, old: Option<&Node>, new: Option<&Node>) {
        let (was, is) = (
            yaml_text::items_with_names(old, "sources"),
            yaml_text::items_with_names(new, "sources"),
        );
        for (source, before) in &was {
            let now = is.iter().find(|(name, _)| name == source).map(|(_, now)| *now);
            let (old_tables, new_tables) = (
                yaml_text::items_with_names(Some(before), "tables"),
                yaml_text::items_with_names(now, "tables"),
            );
            for (table, old_table) in old_tables {
                let name = format!("{source}.{table}");
                let Some(new_table) = new_tables
                    .iter()
                    .find(|(other, _)| *other == table)
                    .map(|(_, now)| *now)
                else {
                    self.report_removed_source(&name);
                    continue;
                };
                // If a table does not specify a key, the table inherits the key from its source.
                let text_of_key = |table: &Node, source: Option<&Node>, key: &str| {
                    let property_text = |node: &Node| {
                        let text = yaml_text::value_text_at_key(Some(node), key);
                        if text.is_empty() {
                            yaml_text::value_text_at_key(node.get("config"), key)
                        } else {
                            text
                        }
                    };
                    let table_text = property_text(table);
                    if table_text.is_empty() {
                        source.map(property_text).unwrap_or_default()
                    } else {
                        table_text
                    }
                };
                let value_pair = |key: &str| {
                    (
                        text_of_key(old_table, Some(before), key),
                        text_of_key(new_table, now, key),
                    )
                };
                for key in TABLE_KEYS {
                    let (was, is) = value_pair(key);
                    if was != is {
                        self.report_change(&name, "table", &format!("{key}: {was}"), &format!("{key}: {is}"));
                        self.report_changed_source(&name, key);
                    }
                }
                for key in FRESHNESS_KEYS {
                    let (was, is) = value_pair(key);
                    if was != is {
                        self.compare_freshness(&name, key, &was, &is);
                    }
                }
                self.compare_source_columns(&name, old_table, new_table);
                self.compare_table_tests(self.find_source_node(&name), &name, Some(old_table), Some(new_table));
            }
        }
        let is_new = |source: &str, table: &str| {
            let old = was.iter().find(|(name, _)| *name == source).map(|(_, node)| *node);
            !yaml_text::items_with_names(old, "tables")
                .iter()
                .any(|(name, _)| *name == table)
        };
        for (source, node) in &is {
            for (table, _) in yaml_text::items_with_names(Some(node), "tables") {
                if is_new(source, table) {
                    self.report_change(&format!("{source}.{table}"), "added", "", "");
                }
            }
        }
    }

    fn find_source_node(&self, name: &str) -> Option<usize> {
        let is_it = |part: &crate::ImpactGraphNode<'_>| {
            part.kind() == ResourceType::Source && part.name().eq_ignore_ascii_case(name)
        };
        self.graph.nodes.iter().position(is_it)
    }

    fn report_removed_source(&mut self, name: &str) {
        self.report_change(name, "removed", "", "");
        match self.find_source_node(name) {
            Some(index) => self.node_changes_mut(index).is_removed = true,
            None => self.report_incomparable_change(
                name,
                "removed",
                "dbt's manifest no longer contains the source table, so its readers are unknown",
            ),
        }
    }

    fn report_changed_source(&mut self, name: &str, key: &str) {
        if let Some(index) = self.find_source_node(name) {
            self.mark_rows_as_changed(
                index,
                format!("the source refers to another table: the key `{key}` changes"),
            );
        }
    }

    fn compare_freshness(&mut self, name: &str, key: &str, was: &str, is: &str) {
        self.report_change(name, "freshness", &format!("{key}: {was}"), &format!("{key}: {is}"));
        let Some(index) = self.find_source_node(name) else {
            return;
        };
        let (severity, reason) = match (was, is) {
            ("", _) => (
                ChangeSeverity::Harmless,
                "dbt now reports old data that it did not report before",
            ),
            (_, "" | "null") => (ChangeSeverity::Changing, "dbt no longer reports old data"),
            _ => (ChangeSeverity::Changing, "dbt reports old data from a different age"),
        };
        self.add_note(index, name, format!("the key `{key}` changes"), severity, reason);
    }

    /// Compares the described columns. A column that is no longer described may have been dropped. dbt's catalog, if
    /// available, shows whether the column still exists.
    fn compare_source_columns(&mut self, name: &str, old: &Node, new: &Node) {
        let now = yaml_text::items_with_names(Some(new), "columns");
        let index = self.find_source_node(name);
        let table = index.and_then(|index| {
            let id = &self.graph.nodes.get(index)?.node?.unique_id;
            self.graph.sources.catalog?.table(id)
        });
        for (column, _) in yaml_text::items_with_names(Some(old), "columns") {
            if now.iter().any(|(other, _)| other.eq_ignore_ascii_case(column)) {
                continue;
            }
            let label = format!("{name}.{column}");
            let is_in_table = table.map(|table| {
                table
                    .columns
                    .iter()
                    .any(|catalog_column| catalog_column.name.eq_ignore_ascii_case(column))
            });
            match is_in_table {
                Some(true) => self.report_change(&label, "description", "described", "the table still has the column"),
                Some(false) => self.report_change(&label, "removed", "", ""),
                None => self.report_incomparable_change(
                    &label,
                    "removed",
                    "no catalog lists the column, so formulac assumes that the column is removed",
                ),
            }
            if let (Some(index), false) = (index, is_in_table == Some(true)) {
                self.node_changes_mut(index)
                    .columns
                    .insert(column.to_lowercase(), ColumnChange::Removed);
            }
        }
    }
}
