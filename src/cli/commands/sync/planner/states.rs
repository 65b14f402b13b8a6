//! States of models, which the last push recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use formulac::sync::{CurrentSpec, PushState, STATES};

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
    /// Versions of the base. Two versions if git could not merge them.
    pub bases: Vec<PushState>,
}

/// States by model.
pub type ModelStates = BTreeMap<String, ModelState>;

/// Returns an error if models were pushed but their specs folder does not exist. Otherwise, the plan would delete all
/// models.
pub fn require_specs_folder(workspace: &Workspace) -> Result<(), Failure> {
    if !was_pushed(workspace) {
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
    let folder = workspace.specs_folder();
    let in_project = workspace.root.join(&folder);
    let is_in_folder = |spec: &str| workspace.root.join(spec).starts_with(&in_project);
    let gone = states.iter().filter(|(model, _)| !ours.contains_key(*model));
    let mut bases = gone.flat_map(|(model, state)| state.bases.iter().map(move |base| (model, &base.spec)));
    let Some((model, spec)) = bases.find(|(_, spec)| !is_in_folder(spec) && workspace.root.join(spec).is_file()) else {
        return Ok(());
    };
    let message = format!("`{spec}`, the spec of `{model}`, is not in the folder `{folder}/`");
    let help = format!(
        "correct `specs` in formulac.yml, or move the file to `{folder}/`; to delete the model, delete the file"
    );
    Err(Failure::new(Exit::Failed, message).with_help(help))
}

/// Like [`require_specs_of_states`], for the pushed models that have no spec any more.
pub fn require_specs_of_pushed_models(workspace: &Workspace, has_spec: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let states = state_files(workspace).into_iter().filter(|(model, _)| !has_spec(model));
    let states = states.map(|(model, path)| {
        let text = SourceText::from_large_file(&path, usize::MAX >> 1).text;
        let (bases, text) = (PushState::versions(&text), Some(text));
        (model, ModelState { text, bases })
    });
    require_specs_of_states(workspace, &BTreeMap::new(), &states.collect())
}

/// Returns whether the project has been pushed at least once.
pub fn was_pushed(workspace: &Workspace) -> bool {
    !state_files(workspace).is_empty()
}

/// Returns the files with the states of models, each with the name of its model.
fn state_files(workspace: &Workspace) -> Vec<(String, PathBuf)> {
    let folder = workspace.root.join(STATES);
    // Skip subfolders, because they contain the records of pulls.
    let files = folder::find_files(&folder, |path| path.extension().is_some_and(|end| end == "yml"));
    let files = files.into_iter().filter(|path| path.parent() == Some(folder.as_path()));
    let named = files.filter_map(|path| {
        let name = PushState::state_model(path.file_name()?.to_str()?)?.to_owned();
        Some((name, path))
    });
    named.collect()
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
        .map(|(name, path)| (name, SourceText::from_large_file(&path, usize::MAX >> 1).text));
    let mut texts: BTreeMap<String, String> = texts.collect();
    let restored = restore_states(session, workspace, &texts);
    texts.extend(
        restored
            .iter()
            .map(|(model, state)| (model.clone(), state.text.clone())),
    );
    let texts: Vec<(String, String)> = texts.into_iter().collect();
    let bases = PushState::versions_of_models(&texts, ours);
    let states = texts.into_iter().zip(bases).map(|((name, text), bases)| {
        let text = Some(text);
        (name, ModelState { text, bases })
    });
    (states.collect(), restored)
}
