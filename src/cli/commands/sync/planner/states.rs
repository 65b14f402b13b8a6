//! States of models, which the last push recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formulac::sync::{CurrentSpec, PushState, STATE_FOLDER};

use super::super::restored_states::{RestoredState, restore_states};
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder;
use crate::cli::session::Session;
use crate::cli::source::SourceText;
use crate::cli::workspace::Workspace;

/// State of a model.
#[derive(Default)]
pub struct ModelState {
    /// Contents of the state's file. `None` if the model was never pushed.
    pub text: Option<String>,
    /// The base: the version of the model that the last push wrote. Contains two versions if git could not merge them.
    pub bases: Vec<PushState>,
}

/// States by model.
pub type ModelStates = BTreeMap<String, ModelState>;

/// Returns an error if models were pushed but their specs folder does not exist. Otherwise, the plan would delete all
/// models.
pub fn require_specs_folder(workspace: &Workspace) -> Result<(), Failure> {
    if !has_been_pushed(workspace) {
        return Ok(());
    }
    workspace.specs().map(|_| ()).map_err(|failure| {
        let folder = workspace.specs_folder();
        failure.with_help(format!(
            "correct `specs` in formulac.yml; to delete all models, create the empty folder `{folder}/`"
        ))
    })
}

/// Returns an error if a model would be deleted although its spec still exists, because `specs` names another folder.
pub fn require_specs_of_states(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &ModelStates,
) -> Result<(), Failure> {
    let removed = states.iter().filter(|(model, _)| !ours.contains_key(*model));
    let bases = removed.flat_map(|(model, state)| state.bases.iter().map(|base| (model.clone(), base.spec.clone())));
    reject_specs_outside_folder(workspace, bases)
}

/// Like [`require_specs_of_states`], for the pushed models that no longer have a spec.
pub fn require_specs_of_pushed_models(workspace: &Workspace, has_spec: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let removed = state_files(workspace).into_iter().filter(|(model, _)| !has_spec(model));
    let bases = removed.flat_map(|(model, path)| {
        let versions = PushState::versions(&read_state(&path));
        versions.into_iter().map(move |base| (model.clone(), base.spec))
    });
    reject_specs_outside_folder(workspace, bases)
}

/// Returns an error if one of these specs exists outside of the specs folder. Each spec has the name of its model.
fn reject_specs_outside_folder(
    workspace: &Workspace,
    mut specs: impl Iterator<Item = (String, String)>,
) -> Result<(), Failure> {
    let folder = workspace.specs_folder();
    let in_project = workspace.root.join(&folder);
    let is_in_folder = |spec: &str| workspace.root.join(spec).starts_with(&in_project);
    let Some((model, spec)) = specs.find(|(_, spec)| !is_in_folder(spec) && workspace.root.join(spec).is_file()) else {
        return Ok(());
    };
    let message = format!("`{spec}`, the spec of `{model}`, is not in the folder `{folder}/`");
    let help = format!(
        "correct `specs` in formulac.yml, or move the file to `{folder}/`; to delete the model, delete the file"
    );
    Err(Failure::new(Exit::Failed, message).with_help(help))
}

/// Returns whether the project has been pushed at least once.
pub fn has_been_pushed(workspace: &Workspace) -> bool {
    !state_files(workspace).is_empty()
}

/// Returns the files with the states of models, each with the name of its model.
fn state_files(workspace: &Workspace) -> Vec<(String, PathBuf)> {
    let folder = workspace.root.join(STATE_FOLDER);
    // Skip subfolders, because they contain the records of pulls.
    let files = folder::find_files(&folder, |path| path.extension().is_some_and(|end| end == "yml"));
    let files = files.into_iter().filter(|path| path.parent() == Some(folder.as_path()));
    let named = files.filter_map(|path| {
        let name = PushState::model_of_state_file(path.file_name()?.to_str()?)?.to_owned();
        Some((name, path))
    });
    named.collect()
}

fn read_state(path: &Path) -> String {
    SourceText::read_with_size_limit(path, usize::MAX >> 1).text
}

/// Reads the states of models. States that somebody removed or changed by hand are restored from git. These states are
/// also returned separately.
pub fn read_states(
    session: &Session,
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
) -> (ModelStates, BTreeMap<String, RestoredState>) {
    let texts = state_files(workspace)
        .into_iter()
        .map(|(name, path)| (name, read_state(&path)));
    let mut texts: BTreeMap<String, String> = texts.collect();
    let restored = restore_states(session, workspace, &texts);
    texts.extend(
        restored
            .iter()
            .map(|(model, state)| (model.clone(), state.text.clone())),
    );
    let texts: Vec<(String, String)> = texts.into_iter().collect();
    let bases = PushState::read_state_versions(&texts, ours);
    let states = texts.into_iter().zip(bases).map(|((name, text), bases)| {
        let text = Some(text);
        (name, ModelState { text, bases })
    });
    (states.collect(), restored)
}
