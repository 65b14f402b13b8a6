//! Files that users have moved or renamed since the last push, and files that a push moves because the project file
//! names different folders than before.

use std::collections::BTreeMap;

use formulac::sync::{CurrentSpec, ModelPlan, PushState, TextChange, state_path};

use super::inputs::ModelInputs;
use super::states::ModelStates;
use crate::cli::moved_files::MovedFilePaths;
use crate::cli::project;
use crate::cli::workspace::Workspace;

/// In the states of the last push, replaces the paths of files that users have moved or renamed since then. Returns the
/// old paths by model, including the paths of moved specs.
pub fn update_moved_paths(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    moved: &MovedFilePaths,
    states: &mut ModelStates,
) -> BTreeMap<String, Vec<String>> {
    fn name(path: &str) -> &str {
        path.rsplit('/').next().unwrap_or(path)
    }
    // A model has only one properties file, so this file can have any name.
    let is_same = |one: &str, other: &str| {
        name(one) == name(other) || [one, other].iter().all(|path| project::is_yaml(path.as_ref()))
    };
    let mut old_paths = move_files_of_removed_models(workspace, ours, states);
    for (model, state) in states {
        let Some(ours) = ours.get(model) else { continue };
        for base in &mut state.bases {
            if base.spec != ours.spec && !workspace.root.join(&base.spec).exists() {
                old_paths.entry(model.clone()).or_default().push(base.spec.clone());
            }
            let is_missing = |path: &&String| !ours.files.contains_key(*path) && !workspace.root.join(path).exists();
            let missing: Vec<String> = base.files.keys().filter(is_missing).cloned().collect();
            for path in missing {
                let current = Some(moved.current_path(&path)).filter(|now| ours.files.contains_key(*now));
                let now = current.or_else(|| {
                    ours.files
                        .keys()
                        .map(String::as_str)
                        .find(|other| is_same(other, &path))
                });
                let Some(now) = now.map(str::to_owned) else { continue };
                if let Some(text) = base.files.remove(&path) {
                    base.files.insert(now, text);
                    old_paths.entry(model.clone()).or_default().push(path);
                }
            }
        }
    }
    old_paths
}

/// In the states of models without a spec, replaces the paths of moved files. Returns the old paths by model.
fn move_files_of_removed_models(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &mut ModelStates,
) -> BTreeMap<String, Vec<String>> {
    let bases = states.iter().filter(|(model, _)| !ours.contains_key(*model));
    let bases = bases.flat_map(|(_, state)| &state.bases);
    let files = bases.flat_map(|base| base.files.keys().map(|path| (path.clone(), base.spec.as_str())));
    let moved = MovedFilePaths::find_files(workspace, files)
        .current_paths_by_old_path()
        .clone();
    let mut old_paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (model, state) in states.iter_mut().filter(|(model, _)| !ours.contains_key(*model)) {
        for base in &mut state.bases {
            for (path, now) in &moved {
                if let Some(text) = base.files.remove(path) {
                    base.files.insert(now.clone(), text);
                    old_paths.entry(model.clone()).or_default().push(path.clone());
                }
            }
        }
    }
    old_paths
}

/// Adds to a plan the moves of the model's files into the current folders. The files are in folders that an earlier
/// version of the project file specified.
pub fn plan_moves_from_former_folders(plan: &mut ModelPlan, moves: &BTreeMap<&str, &str>, inputs: &ModelInputs) {
    let specs_and_files = inputs.specs.get(&plan.model).zip(inputs.files.get(&plan.model));
    let Some((ours, texts)) = specs_and_files else { return };
    let is_moved = |path: &String| moves.contains_key(path.as_str());
    if !plan.conflicts.is_empty() || !ours.files.keys().any(is_moved) {
        return;
    }
    let mut state = PushState::from_pushed(&plan.model, ours);
    let mut moved = Vec::new();
    for (path, text) in std::mem::take(&mut state.files) {
        let new = moves
            .get(path.as_str())
            .map_or_else(|| path.clone(), |new| (*new).to_owned());
        if let (true, Some(text)) = (new != path, texts.get(&path)) {
            moved.push(TextChange::new(&path, Some(text.clone()), Some(new.clone())));
        }
        state.files.insert(new, text);
    }
    let before = inputs.state_text(&plan.model).map(str::to_owned);
    let state = TextChange::new(&state_path(&plan.model), before, Some(state.text()));
    plan.move_files(moved, state);
}
