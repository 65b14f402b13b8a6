//! Uncommitted files that a push commits although they require no other change.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use formulac::sync::{ModelPlan, content_hash, state_path};

use super::super::history;
use super::super::repository::Repository;
use super::super::restored_states::last_recorded_hashes;
use super::inputs::ModelInputs;
use crate::cli::models::CompiledMetricSet;
use crate::cli::workspace::Workspace;

/// Adds uncommitted files to the plans if they require no other change: edits such as comments in generated files, and
/// files of an earlier push whose commit was removed. If only the layout of a spec has changed and the spec is
/// committed, removes the change from its plan. Also returns the uncommitted metric sets that no plan contains.
pub fn add_uncommitted_files(
    workspace: &Workspace,
    inputs: &ModelInputs,
    sets: &[CompiledMetricSet],
    plans: Vec<ModelPlan>,
) -> (Vec<ModelPlan>, Vec<String>) {
    let files = |plan: &ModelPlan| -> Vec<String> {
        if plan.is_layout_change_only() {
            return vec![plan.spec.clone()];
        }
        let ours = inputs.specs.get(&plan.model).filter(|_| plan.conflicts.is_empty());
        let files = ours.into_iter().flat_map(|ours| ours.files.keys().cloned());
        let state = inputs.state_text(&plan.model).map(|_| state_path(&plan.model));
        let files = files.chain(state.filter(|_| ours.is_some()));
        files.filter(|path| !plan.paths.contains(path)).collect()
    };
    let committed: BTreeSet<&String> = plans.iter().flat_map(|plan| &plan.paths).collect();
    let sets = sets.iter().map(|set| &set.path);
    let sets: BTreeSet<String> = sets.filter(|path| !committed.contains(path)).cloned().collect();
    let paths: Vec<String> = plans.iter().flat_map(files).chain(sets.clone()).collect();
    // Without a repository there are no commits.
    let differing = Repository::find(&workspace.root).and_then(|repository| repository.uncommitted_paths(&paths));
    let is_repository = differing.is_ok();
    let differing: BTreeSet<String> = differing.unwrap_or_default().into_iter().collect();
    let recorded = LazyCell::new(|| last_recorded_hashes(&history::read_log(workspace)));
    let noted = |plan: ModelPlan| {
        if plan.is_layout_change_only() {
            return match is_repository && !differing.contains(&plan.spec) {
                true => plan.without_layout_change(),
                false => plan,
            };
        }
        let ours = inputs.specs.get(&plan.model).map(|ours| &ours.files);
        let current = inputs.files.get(&plan.model);
        let is_written = |path: &String| {
            let text = |files: Option<&BTreeMap<String, String>>| Some(files?.get(path)?.replace('\r', ""));
            text(ours) == text(current)
        };
        let is_state = |path: &String| *path == state_path(&plan.model);
        // If somebody changed a state by hand and git has no other version of it, the push does not commit the state.
        let is_pushed_state = |path: &String| {
            let text = inputs.state_text(&plan.model).unwrap_or_default();
            let hash = content_hash(text.replace('\r', "").as_bytes());
            recorded.get(path).is_some_and(|record| record.hash == hash)
        };
        let uncommitted = files(&plan).into_iter().filter(|path| differing.contains(path));
        let uncommitted = uncommitted.filter(|path| !is_state(path) || is_pushed_state(path));
        let (written, edited) = uncommitted.partition(|path| is_state(path) || is_written(path));
        plan.with_uncommitted(edited, written)
    };
    let sets = sets.intersection(&differing).cloned().collect();
    (plans.into_iter().map(noted).collect(), sets)
}
