//! Compares properties files at two revisions. Changed descriptions are harmless. Changed contracts and types may break
//! nodes that read the table. If tests are removed or relaxed, downstream nodes can rely on fewer guarantees.

use super::{FileRevisions, RevisionComparer, jinja, yaml_text};
use crate::artifacts::ResourceType;
use crate::lineage::ColumnChange;
use crate::propagate::ChangeSeverity;
use crate::yaml::{self, Node};

/// Lists whose items describe tables.
const TABLE_LIST_KEYS: [&str; 3] = ["models", "seeds", "snapshots"];
/// Other lists whose changes are reported. Each entry contains the key of the list, the name for its items in the
/// report, and whether changes are traced to other nodes. Only items that compute values are traced.
const NON_TABLE_LIST_KEYS: [(&str, &str, bool); 9] = [
    ("metrics", "metric", true),
    ("semantic_models", "semantic model", true),
    ("saved_queries", "saved query", false),
    ("exposures", "exposure", false),
    ("unit_tests", "unit test", false),
    ("groups", "group", false),
    ("functions", "function", false),
    ("macros", "description", false),
    ("analyses", "description", false),
];

impl RevisionComparer<'_, '_> {
    pub(super) fn compare_properties(&mut self, file: &FileRevisions) {
        let (old, new) = (
            file.before.as_deref().and_then(yaml::merged_root),
            file.now.as_deref().and_then(yaml::merged_root),
        );
        for (text, root) in [(&file.before, &old), (&file.now, &new)] {
            if text.as_ref().is_some_and(|text| !text.trim().is_empty()) && root.is_none() {
                return self.report_incomparable_change(
                    &file.path,
                    "description",
                    "the file is not valid YAML before or after the change",
                );
            }
        }
        let (old, new) = (old.as_ref(), new.as_ref());
        let before = self.differences.len();
        for list in TABLE_LIST_KEYS {
            let (was, is) = (
                yaml_text::items_with_names(old, list),
                yaml_text::items_with_names(new, list),
            );
            for (name, now) in &is {
                let before = was.iter().find(|(other, _)| other == name).map(|(_, node)| *node);
                self.compare_table(name, before, Some(now));
            }
            // If the table is now described in another file, the comparison of that file reports the changes to the
            // table.
            for (name, before) in was
                .iter()
                .filter(|(name, _)| !is.iter().any(|(other, _)| other == name))
            {
                self.compare_table(name, Some(before), None);
            }
        }
        self.compare_sources(old, new);
        for (list, description, is_computed) in NON_TABLE_LIST_KEYS {
            self.compare_named_items(list, description, is_computed, old, new);
        }
        if self.differences.len() == before && file.before.as_deref() != file.now.as_deref() {
            self.report_change(&file.path, "layout", "", "");
        }
    }

    fn compare_table(&mut self, name: &str, old: Option<&Node>, new: Option<&Node>) {
        let index = self.index_of(name);
        self.compare_descriptions(name, old, new);
        let (was, is) = (is_contract_enforced(old), is_contract_enforced(new));
        if was != is {
            let word = |enforced: bool| if enforced { "enforced" } else { "none" };
            self.report_change(name, "contract", word(was), word(is));
            if let Some(index) = index {
                let (description, severity, reason) = if is {
                    (
                        "a contract is enforced",
                        ChangeSeverity::Harmless,
                        "the build fails if the SQL returns other columns or types",
                    )
                } else {
                    (
                        "the contract is removed",
                        ChangeSeverity::Changing,
                        "dbt no longer guarantees the names and types of the columns",
                    )
                };
                self.add_note(index, name, description.to_owned(), severity, reason);
            }
        }
        self.compare_configuration(index, name, old, new);
        self.compare_constraints(index, name, old, new);
        let (was, is) = (
            yaml_text::items_with_names(old, "columns"),
            yaml_text::items_with_names(new, "columns"),
        );
        for (column, now) in &is {
            let before = was.iter().find(|(other, _)| other == column).map(|(_, node)| *node);
            let label = format!("{name}.{column}");
            self.compare_descriptions(&label, before, Some(now));
            self.compare_constraints(index, &label, before, Some(now));
            let (old_type, new_type) = (
                yaml_text::value_text_at_key(before, "data_type"),
                yaml_text::value_text_at_key(Some(now), "data_type"),
            );
            if before.is_some() && old_type != new_type {
                self.report_change(&label, "type", &old_type, &new_type);
                // A documented type has no effect unless an enforced contract applies it to the column.
                if let Some(index) =
                    index.filter(|_| is_contract_enforced(new) && !old_type.is_empty() && !new_type.is_empty())
                {
                    self.node_changes_mut(index)
                        .columns
                        .insert(column.to_lowercase(), ColumnChange::Type);
                }
            }
        }
        for (column, before) in was
            .iter()
            .filter(|(name, _)| !is.iter().any(|(other, _)| other == name))
        {
            let label = format!("{name}.{column}");
            self.report_change(&label, "description", "described", "");
            self.compare_constraints(index, &label, Some(before), None);
        }
        self.compare_table_tests(index, name, old, new);
    }

    fn compare_descriptions(&mut self, name: &str, old: Option<&Node>, new: Option<&Node>) {
        let (was, is) = (
            yaml_text::value_text_at_key(old, "description"),
            yaml_text::value_text_at_key(new, "description"),
        );
        if was != is {
            self.report_change(name, "description", &was, &is);
        }
    }

    /// Compares the configuration in YAML, except the contract.
    fn compare_configuration(&mut self, index: Option<usize>, name: &str, old: Option<&Node>, new: Option<&Node>) {
        let config = |node: Option<&Node>| {
            let pairs = node.map(|node| node.pairs_at("config")).unwrap_or_default();
            let pair = |(key, value): &(Node, Node)| Some((key.text()?.to_owned(), yaml_text::display_node(value)));
            pairs
                .iter()
                .filter_map(pair)
                .filter(|(key, _)| key != "contract")
                .collect::<Vec<_>>()
        };
        for change in jinja::changed_config_keys(&config(old), &config(new)) {
            self.report_change(&format!("{name}.{}", change.key), "config", &change.before, &change.now);
            if let Some(index) = index.filter(|_| change.affects_rows()) {
                self.mark_rows_as_changed(index, format!("the configuration `{}` changes", change.key));
            }
        }
    }

    /// Compares the constraints of a table or column. If a constraint is removed, downstream nodes can rely on fewer
    /// guarantees.
    fn compare_constraints(&mut self, index: Option<usize>, name: &str, old: Option<&Node>, new: Option<&Node>) {
        let listed_constraints = |node: Option<&Node>| {
            let items = node.map(|node| node.items_at("constraints")).unwrap_or_default();
            items.iter().map(yaml_text::display_node).collect::<Vec<String>>()
        };
        let (was, is) = (listed_constraints(old), listed_constraints(new));
        for removed in was.iter().filter(|constraint| !is.contains(constraint)) {
            self.report_change(name, "constraint", removed, "");
            if let Some(index) = index {
                let reason = "the table can now contain rows that the constraint rejected before";
                self.add_note(
                    index,
                    name,
                    "a constraint is removed".to_owned(),
                    ChangeSeverity::Changing,
                    reason,
                );
            }
        }
        for added in is.iter().filter(|constraint| !was.contains(constraint)) {
            self.report_change(name, "constraint", "", added);
            if let Some(index) = index {
                let reason = "the build fails if rows violate the constraint";
                self.add_note(
                    index,
                    name,
                    "a constraint is added".to_owned(),
                    ChangeSeverity::Harmless,
                    reason,
                );
            }
        }
    }

    fn compare_named_items(
        &mut self,
        list: &str,
        description: &'static str,
        is_computed: bool,
        old: Option<&Node>,
        new: Option<&Node>,
    ) {
        let (was, is) = (
            yaml_text::items_with_names(old, list),
            yaml_text::items_with_names(new, list),
        );
        let find_node = |entries: &[(&str, &Node)], name: &str| {
            entries
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, node)| yaml_text::display_node(node))
        };
        let names: std::collections::BTreeSet<&str> = was.iter().chain(&is).map(|(name, _)| *name).collect();
        for name in names {
            let (before, now) = (find_node(&was, name), find_node(&is, name));
            if before == now {
                continue;
            }
            self.report_change(
                name,
                description,
                before.as_deref().unwrap_or_default(),
                now.as_deref().unwrap_or_default(),
            );
            let kinds = [ResourceType::Metric, ResourceType::SemanticModel];
            let is_it = |part: &crate::ImpactGraphNode<'_>| kinds.contains(&part.kind()) && part.name() == name;
            if let Some(index) = self
                .graph
                .nodes
                .iter()
                .position(is_it)
                .filter(|_| is_computed && before.is_some())
            {
                match now {
                    Some(_) => self.mark_rows_as_changed(index, "the definition changes".to_owned()),
                    None => self.node_changes_mut(index).is_removed = true,
                }
            }
        }
    }
}

fn is_contract_enforced(node: Option<&Node>) -> bool {
    let config = node.and_then(|node| {
        node.get("config")
            .and_then(|config| config.get("contract"))
            .or(node.get("contract"))
    });
    config
        .and_then(|contract| contract.get("enforced"))
        .and_then(Node::boolean)
        .unwrap_or_default()
}
