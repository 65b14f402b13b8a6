//! Uncommitted edits that a push commits although they require no other change.

use std::collections::{BTreeMap, BTreeSet};

use formulac::sync::{CurrentSpec, ModelPlan};

use super::super::repository::Repository;
use crate::cli::models::CompiledMetricSet;
use crate::cli::workspace::Workspace;

/// Adds uncommitted edits, such as comments in generated files, to the plans if the edits require no other change. If
/// only the layout of a spec has changed and the spec is committed, removes the change from its plan. Also returns the
/// uncommitted metric sets that no plan contains.
pub fn add_uncommitted_edits(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    sets: &[CompiledMetricSet],
    plans: Vec<ModelPlan>,
) -> (Vec<ModelPlan>, Vec<String>) {
    let files = |plan: &ModelPlan| -> Vec<String> {
        if plan.is_layout_change_only() {
            return vec![plan.spec.clone()];
        }
        let ours = ours.get(&plan.model).filter(|_| plan.conflicts.is_empty());
        let files = ours.into_iter().flat_map(|ours| ours.files.keys());
        files.filter(|path| !plan.paths.contains(path)).cloned().collect()
    };
    let committed: BTreeSet<&String> = plans.iter().flat_map(|plan| &plan.paths).collect();
    let sets = sets.iter().map(|set| &set.path);
    let sets: BTreeSet<String> = sets.filter(|path| !committed.contains(path)).cloned().collect();
    let paths: Vec<String> = plans.iter().flat_map(files).chain(sets.clone()).collect();
    // Without a repository there are no commits.
    let differing = Repository::find(&workspace.root).and_then(|repository| repository.uncommitted_paths(&paths));
    let is_repository = differing.is_ok();
    let differing: BTreeSet<String> = differing.unwrap_or_default().into_iter().collect();
    let noted = |plan: ModelPlan| {
        if plan.is_layout_change_only() {
            return match is_repository && !differing.contains(&plan.spec) {
                true => plan.without_layout_change(),
                false => plan,
            };
        }
        let files = files(&plan)
            .into_iter()
            .filter(|path| differing.contains(path))
            .collect();
        plan.with_uncommitted(files)
    };
    let sets = sets.intersection(&differing).cloned().collect();
    (plans.into_iter().map(noted).collect(), sets)
}
