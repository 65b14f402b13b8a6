//! Inputs of a plan: the specs, the states and the files of all models.

use std::collections::{BTreeMap, BTreeSet};

use formulac::sync::{CurrentSpec, ManualEdit, ModelAction, ModelPlan, ModelVersions, ReconcileResult, reconcile_all};

use super::super::read_project_file;
use super::super::restored_states::RestoredState;
use super::moved_files::update_moved_paths;
use super::states::{ModelState, ModelStates, read_states, require_specs_of_states};
use super::tools::PlannerTools;
use crate::cli::exit::Failure;
use crate::cli::generation::CompiledProject;
use crate::cli::models::CompiledModel;
use crate::cli::moved_files::MovedFilePaths;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Specs, states and files of the models that have a spec or a state, by model.
pub struct ModelInputs {
    /// Specs with the files that they generate.
    pub specs: BTreeMap<String, CurrentSpec>,
    pub states: ModelStates,
    /// Current files in the work tree, by path.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
    /// States that somebody removed or changed by hand, restored from git.
    pub restored_states: BTreeMap<String, RestoredState>,
    /// Former paths of files that users have moved since the last push.
    pub old_paths: BTreeMap<String, Vec<String>>,
}

impl ModelInputs {
    /// Reads the states and files of models. Returns an error if a model has a state but its spec is outside the specs
    /// folder.
    pub fn read(
        session: &Session,
        workspace: &Workspace,
        specs: BTreeMap<String, CurrentSpec>,
        moved: &MovedFilePaths,
    ) -> Result<Self, Failure> {
        let (mut states, restored_states) = read_states(session, workspace, &specs);
        require_specs_of_states(workspace, &specs, &states)?;
        let old_paths = update_moved_paths(workspace, &specs, moved, &mut states);
        let names: BTreeSet<&String> = specs.keys().chain(states.keys()).collect();
        let files = names.into_iter().map(|name| {
            let files = read_current_model_files(workspace, specs.get(name), states.get(name));
            (name.clone(), files)
        });
        Ok(Self {
            files: files.collect(),
            specs,
            states,
            restored_states,
            old_paths,
        })
    }

    /// Returns the three versions of a model that a plan merges: the base from the last push, the spec, and the current
    /// files.
    pub fn sides<'a>(&'a self, name: &'a str, files: &'a BTreeMap<String, String>) -> ModelVersions<'a> {
        let state = self.states.get(name);
        ModelVersions {
            model: name,
            bases: state.map(|state| state.bases.as_slice()).unwrap_or_default(),
            ours: self.specs.get(name),
            files,
        }
    }

    /// Returns the contents of the file with a model's state.
    pub fn state_text(&self, name: &str) -> Option<&str> {
        self.states.get(name)?.text.as_deref()
    }

    /// Adds the former paths of moved files to a plan, because a commit must remove the files at these paths.
    pub fn add_former_paths(&self, plan: &mut ModelPlan) {
        if plan.action != ModelAction::Nothing && plan.action != ModelAction::Keep {
            let old_paths = self.old_paths.get(&plan.model);
            plan.paths.extend(old_paths.into_iter().flatten().cloned());
        }
    }

    /// Reconciles the specs with the edits that people made in files and in Omni.
    pub fn reconcile(
        &self,
        tools: &PlannerTools,
        omni_edits: Vec<(String, ManualEdit)>,
    ) -> BTreeMap<String, ReconcileResult> {
        let mut omni_edits_by_model: BTreeMap<String, Vec<ManualEdit>> = BTreeMap::new();
        for (model, edit) in omni_edits {
            omni_edits_by_model.entry(model).or_default().push(edit);
        }
        let mut models: Vec<(ModelVersions<'_>, Vec<ManualEdit>)> = Vec::new();
        for (name, files) in &self.files {
            let sides = self.sides(name, files);
            if sides.ours.is_some() {
                models.push((sides, omni_edits_by_model.remove(name).unwrap_or_default()));
            }
        }
        let mut reconciled = reconcile_all(&models, || tools.as_tools());
        let conflicts = reconciled.iter_mut().flat_map(|reconciled| &mut reconciled.conflicts);
        for set in conflicts.filter_map(|conflict| conflict.set.as_mut()) {
            set.record_changed_models(self.specs.iter(), tools.as_tools().compiler);
        }
        let names = models.iter().map(|(sides, _)| sides.model.to_owned());
        names.zip(reconciled).collect()
    }
}

/// Returns the current files of a model in the work tree.
fn read_current_model_files(
    workspace: &Workspace,
    current_spec: Option<&CurrentSpec>,
    state: Option<&ModelState>,
) -> BTreeMap<String, String> {
    let bases = state.iter().flat_map(|state| &state.bases);
    let base_paths = bases.flat_map(|base| base.files.keys());
    let paths: BTreeSet<&String> = current_spec
        .iter()
        .flat_map(|ours| ours.files.keys())
        .chain(base_paths)
        .collect();
    paths
        .into_iter()
        .filter_map(|path| Some((path.clone(), read_project_file(&workspace.root, path)?)))
        .collect()
}

/// Returns the generated files and definitions by model.
pub fn current_specs_by_model(
    workspace: &Workspace,
    generation: &CompiledProject<'_>,
) -> BTreeMap<String, CurrentSpec> {
    let (models, tests) = workspace.output_folders();
    let current_spec = |model: &CompiledModel| {
        let built = model.files.as_ref()?;
        let text = &generation.diagnostics.get(model.spec)?.text;
        let mut ours = CurrentSpec::new(&model.path, text, built.compiled.clone(), &models, &tests)?;
        ours.files = generation.moved.rekey_by_current_path(ours.files);
        Some((model.name.clone(), ours))
    };
    generation.models.iter().filter_map(current_spec).collect()
}
