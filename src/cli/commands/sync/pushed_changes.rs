//! Changes that pushes made to files and that a rollback undoes. Other commits may contain parts of these changes.

use std::collections::{BTreeMap, BTreeSet};

use formulac::dbt::spec_in_header;
use formulac::sync::{KNOWN_FACTS_PATH, LOG_FOLDER, NumberedEntry, PushState, STATE_FOLDER, TextChange};

use super::repository::Repository;
use super::rollback_target::EntryCommits;
use super::{push, read_project_file};
use crate::cli::commands::pull::PULL_RECORDS_FOLDER;
use crate::cli::exit::Failure;
use crate::cli::folder;
use crate::cli::moved_files::MovedFilePaths;
use crate::cli::workspace::Workspace;

/// Changes that pushes made to one file.
#[derive(Default)]
pub struct PushedChanges {
    /// Contents of the file before and after each change, latest change first.
    pub changes: Vec<[Option<String>; 2]>,
    /// Model for which the file is generated. `None` for a handwritten file.
    pub generated_for: Option<String>,
}

/// Returns the changes that restore the states of models at the target commit, and the changes that pushes since the
/// target made to all other files.
pub fn find(
    workspace: &Workspace,
    repository: &Repository,
    (undone, commits): (&[&NumberedEntry], &EntryCommits),
    target: &str,
) -> Result<(Vec<TextChange>, BTreeMap<String, PushedChanges>), Failure> {
    let mut pushed = BTreeMap::new();
    let (states, mut read_paths) = add_changes_of_models(workspace, repository, target, &mut pushed)?;
    read_paths.insert(KNOWN_FACTS_PATH.to_owned());
    let input_paths: Vec<String> = read_paths.into_iter().collect();
    let commits: Vec<(&NumberedEntry, &str)> = undone
        .iter()
        .filter_map(|logged| Some((*logged, commits.push_commit(logged)?)))
        .collect();
    // Users may have committed changes to a push's input files separately, so compare the input files at each push with
    // those at the previous push.
    let mut before = repository.file_contents_at_commit(target, &input_paths)?;
    let mut steps: Vec<Vec<[Option<String>; 2]>> = vec![Vec::new(); input_paths.len()];
    for (logged, commit) in &commits {
        let states = logged.entry.files.iter().map(|(path, _)| path.clone());
        let states: Vec<String> = states.filter(|path| PushState::model_of_path(path).is_some()).collect();
        let states = repository.file_contents_at_commit(commit, &states)?;
        let states = states.iter().flatten().flat_map(|text| PushState::versions(text));
        states.for_each(|state| add_files_of_state(&state, &mut pushed));
        let after = repository.file_contents_at_commit(commit, &input_paths)?;
        for (steps, texts) in steps.iter_mut().zip(before.into_iter().zip(after.clone())) {
            steps.push(texts.into());
        }
        before = after;
    }
    for (path, steps) in input_paths.iter().zip(steps).filter(|(_, steps)| !steps.is_empty()) {
        let of_file: &mut PushedChanges = pushed.entry(path.clone()).or_default();
        of_file.changes.splice(0..0, steps.into_iter().rev());
    }
    let compared: BTreeSet<String> = pushed.keys().cloned().collect();
    for (logged, commit) in commits.iter().rev() {
        let mut files = other_files_of_push(workspace, repository, logged, commit)?;
        files.retain(|path| !compared.contains(path));
        add_changes_of_commit(repository, commit, &files, &mut pushed)?;
        remove_former_paths(repository, commit, &files, &mut pushed)?;
    }
    Ok((states, follow_moved_files(workspace, pushed)))
}

/// Replaces the paths of generated files that users moved after the last push with the current paths.
fn follow_moved_files(
    workspace: &Workspace,
    pushed: BTreeMap<String, PushedChanges>,
) -> BTreeMap<String, PushedChanges> {
    // A push that removed a file did not leave a moved file.
    let generated = pushed.iter().filter_map(|(path, of_file)| {
        of_file.generated_for.as_ref()?;
        let [_, text] = of_file.changes.first()?;
        Some((path.clone(), spec_in_header(text.as_deref()?)?))
    });
    let moved = MovedFilePaths::find_files(workspace, generated);
    let mut followed: BTreeMap<String, PushedChanges> = BTreeMap::new();
    // A file may also have changes at its current path, which are later than the changes at the former path.
    let (former, current): (Vec<_>, Vec<_>) = pushed
        .into_iter()
        .partition(|(path, _)| moved.current_path(path) != path);
    for (path, of_file) in current.into_iter().chain(former) {
        let entry = followed.entry(moved.current_path(&path).to_owned()).or_default();
        entry.changes.extend(of_file.changes);
        entry.generated_for = entry.generated_for.take().or(of_file.generated_for);
    }
    followed
}

/// Removes from `pushed` the former paths of generated files: another commit moved the files, and the push then removed
/// the former paths. The state of the model still contains these paths, but undoing the push restores the moved files.
fn remove_former_paths(
    repository: &Repository,
    commit: &str,
    files: &[String],
    pushed: &mut BTreeMap<String, PushedChanges>,
) -> Result<(), Failure> {
    fn name(path: &str) -> &str {
        path.rsplit('/').next().unwrap_or(path)
    }
    let is_removed = |path: &&String| {
        let steps = pushed.get(*path).map(|of_file| of_file.changes.as_slice());
        matches!(steps, Some([.., [Some(_), None]]))
    };
    let removed: Vec<&String> = files.iter().filter(is_removed).collect();
    let is_former = |(path, of_file): &(&String, &PushedChanges)| {
        of_file.generated_for.is_some() && removed.iter().any(|moved| moved != path && name(moved) == name(path))
    };
    let former: Vec<String> = pushed.iter().filter(is_former).map(|(path, _)| path.clone()).collect();
    let Some(parent) = repository
        .resolve_commit(&format!("{commit}^"))?
        .filter(|_| !former.is_empty())
    else {
        return Ok(());
    };
    let texts = repository.file_contents_at_commit(&parent, &former)?;
    for (path, _) in former.iter().zip(texts).filter(|(_, text)| text.is_none()) {
        pushed.remove(path);
    }
    Ok(())
}

/// Adds the changes that pushes since the target made to specs and generated files: the differences between the states
/// of the models. Manual edits to generated files are not part of the states, so they are kept. Returns the changes
/// that restore the states, and the files of the metric sets that changed.
fn add_changes_of_models(
    workspace: &Workspace,
    repository: &Repository,
    target: &str,
    pushed: &mut BTreeMap<String, PushedChanges>,
) -> Result<(Vec<TextChange>, BTreeSet<String>), Failure> {
    let then = repository.files_in_commit(target, &[STATE_FOLDER.to_owned()])?;
    let now = folder::find_files(&workspace.root.join(STATE_FOLDER), |_| true);
    let paths = now.iter().map(|path| workspace.relative_path(path)).chain(then);
    let paths: BTreeSet<String> = paths.filter(|path| PushState::model_of_path(path).is_some()).collect();
    let paths: Vec<String> = paths.into_iter().collect();
    let then = repository.file_contents_at_commit(target, &paths)?;
    let (mut changes, mut sets) = (Vec::new(), BTreeSet::new());
    let mut texts: [BTreeMap<String, String>; 2] = Default::default();
    for (path, then) in paths.into_iter().zip(then) {
        let change = TextChange::new(&path, read_project_file(&workspace.root, &path), then);
        let states =
            [&change.after, &change.before].map(|text| PushState::versions(text.as_deref()?).into_iter().next());
        states
            .iter()
            .flatten()
            .for_each(|state| add_files_of_state(state, pushed));
        if change.before == change.after {
            continue;
        }
        let sets_of = |state: &Option<PushState>| state.as_ref().map(|state| state.sets.clone()).unwrap_or_default();
        let [earlier, later] = [sets_of(&states[0]), sets_of(&states[1])];
        let changed = earlier
            .keys()
            .chain(later.keys())
            .filter(|path| earlier.get(*path) != later.get(*path));
        sets.extend(changed.cloned());
        for (state, texts) in states.into_iter().zip(&mut texts) {
            let Some(state) = state else { continue };
            texts.extend(state.files);
            texts.insert(state.spec, state.source);
        }
        changes.push(change);
    }
    let [mut earlier, later] = texts;
    // A model that had not been pushed yet at the target commit may already have had files.
    let unpushed: Vec<String> = later
        .keys()
        .filter(|path| !earlier.contains_key(*path))
        .cloned()
        .collect();
    let target_texts = repository.file_contents_at_commit(target, &unpushed)?;
    earlier.extend(
        unpushed
            .into_iter()
            .zip(target_texts)
            .filter_map(|(path, text)| Some((path, text?))),
    );
    let paths: BTreeSet<&String> = earlier.keys().chain(later.keys()).collect();
    for path in paths {
        let step = [earlier.get(path).cloned(), later.get(path).cloned()];
        pushed.entry(path.clone()).or_default().changes.push(step);
    }
    Ok((changes, sets))
}

/// Adds to `pushed` an entry without changes for the spec and for each generated file of a model.
fn add_files_of_state(state: &PushState, pushed: &mut BTreeMap<String, PushedChanges>) {
    pushed.entry(state.spec.clone()).or_default();
    for path in state.files.keys() {
        pushed.entry(path.clone()).or_default().generated_for = Some(state.model.clone());
    }
}

/// Returns the files that a push changed, except the states of models and the log.
fn other_files_of_push(
    workspace: &Workspace,
    repository: &Repository,
    logged: &NumberedEntry,
    commit: &str,
) -> Result<Vec<String>, Failure> {
    let pushed_paths = logged.entry.files.iter().map(|(path, _)| path.as_str());
    let written_paths = pushed_paths.filter(|path| !path.ends_with(".gitignore"));
    let lines = logged.entry.changes.iter();
    let sets = lines.filter_map(|line| line.strip_prefix(push::METRIC_SET_PREFIX));
    let mut files: Vec<String> = written_paths.chain(sets).map(str::to_owned).collect();
    files.retain(|path| ![LOG_FOLDER, STATE_FOLDER].iter().any(|folder| path.starts_with(folder)));
    // A push that transfers a description from Omni also commits the record of the view, and the view itself unless the
    // Omni model has its own repository.
    let changed = repository.files_changed_by(commit)?;
    let views = format!("{}/", workspace.omni_folder());
    let is_own = |path: &String| {
        path.starts_with(PULL_RECORDS_FOLDER) || path.starts_with(&views) && !workspace.project.omni_is_repository()
    };
    files.extend(changed.into_iter().filter(is_own));
    Ok(files)
}

/// Adds the changes that a commit made to these files.
pub fn add_changes_of_commit(
    repository: &Repository,
    commit: &str,
    files: &[String],
    pushed: &mut BTreeMap<String, PushedChanges>,
) -> Result<(), Failure> {
    let before = match repository.resolve_commit(&format!("{commit}^"))? {
        Some(parent) => repository.file_contents_at_commit(&parent, files)?,
        None => vec![None; files.len()],
    };
    let after = repository.file_contents_at_commit(commit, files)?;
    for (path, texts) in files.iter().zip(before.into_iter().zip(after)) {
        pushed.entry(path.clone()).or_default().changes.push(texts.into());
    }
    Ok(())
}
