//! Names of generated steps.

use rustc_hash::FxHashSet;

use super::inputs::relation_name;
use super::keys::ModelKeys;
use super::model_on_metric_sets::ModelOnMetricSets;
use super::non_additive::{RowGroup, name_after_joins};
use super::rows::parse_name_occurrence;
use super::step_text::StepText;
use super::text_with_origins::remove_special_characters;
use crate::load::SpecKind;
use crate::plan::{grouped_rows_name, truncate_with_hash};
use crate::yaml::Node;

/// Maximum number of bytes in the name of a generated step. Every warehouse allows longer names.
const MAX_STEP_NAME_BYTES: usize = 60;

/// Returns the names of a spec's steps, in lower case.
pub fn names_of_steps(root: &Node) -> FxHashSet<String> {
    let steps = root.items_at("steps").iter();
    let names = steps.filter_map(|step| step.text_at("name"));
    names.map(str::to_lowercase).collect()
}

/// Returns the name of a step that groups the rows of metric sets by keys.
pub fn grouped_step_name(sets: &[&str], keys: &ModelKeys) -> String {
    let from = match sets {
        [set_name] => (*set_name).to_owned(),
        [set_name, other] => format!("{set_name}_and_{other}"),
        [set_name, ..] => format!("{set_name}_and_more"),
        [] => "metrics".to_owned(),
    };
    remove_special_characters(&grouped_rows_name(&from, keys.names.as_slice()))
}

/// Returns the suffix of a row group's step names, such as `_per_account`. The suffix is needed if the model also uses
/// the same rule with other columns in `per`.
pub fn row_group_suffix(group: &RowGroup, groups: &[RowGroup]) -> String {
    let Some(rule) = group.rule.as_ref().filter(|rule| !rule.per.is_empty()) else {
        return String::new();
    };
    let is_similar = |other: &RowGroup| {
        let other_rule = other.rule.as_ref().filter(|_| other != group && other.set == group.set);
        other_rule.is_some_and(|candidate_rule| {
            candidate_rule.takes_last == rule.takes_last && candidate_rule.time == rule.time
        })
    };
    if !groups.iter().any(is_similar) {
        return String::new();
    }
    let per: Vec<String> = rule
        .per
        .iter()
        .map(|column| name_after_joins(&parse_name_occurrence(&column.name)))
        .collect();
    remove_special_characters(&format!("_per_{}", per.join("_and_")))
}

impl ModelOnMetricSets<'_> {
    /// Returns a step name that is not the name of a relation or of another step.
    pub fn unused_step_name(&self, expected: &str) -> String {
        let mut name = truncate_with_hash(expected, MAX_STEP_NAME_BYTES);
        let relations = self.sets.iter().flat_map(|set| {
            let joins = set.root.items_at("joins").iter();
            let joins = joins.flat_map(|join| [join.get("to"), join.get("as")]).flatten();
            set.root
                .get("from")
                .into_iter()
                .chain(joins)
                .filter_map(Node::text)
                .map(relation_name)
        });
        let relations: Vec<String> = relations.map(|name| name.to_lowercase()).collect();
        let is_taken = |name: &str| {
            let name = name.to_lowercase();
            self.taken_names.contains(&name) || relations.contains(&name)
        };
        let own_name = self.step.text_at("name");
        if let Some(step_name) = own_name.filter(|_| self.kind == SpecKind::Periods && is_taken(&name)) {
            name = truncate_with_hash(&format!("{name}_for_{step_name}"), MAX_STEP_NAME_BYTES);
        }
        while is_taken(&name) {
            name.push_str("_metrics");
        }
        name
    }

    /// Renames the last step to the name of the original step. The only step of a spec needs no name.
    pub fn name_last_step(&self, steps: &mut [StepText]) {
        let in_list = !std::ptr::eq(self.step, self.root);
        let step_name = self.step.text_at("name").filter(|_| in_list);
        let is_alone = steps.len() == 1 && !in_list;
        let Some(last) = steps.last_mut() else { return };
        match step_name {
            Some(name) => name.clone_into(&mut last.name),
            None if is_alone => last.name.clear(),
            None if last.name.is_empty() => last.name = self.unused_step_name("result"),
            None => {}
        }
    }
}
