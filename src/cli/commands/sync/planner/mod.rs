//! Plans a push from the state of the work tree.

mod inputs;
mod moved_files;
mod states;
mod tools;
mod uncommitted;
mod unpushed_bases;

use std::collections::{BTreeMap, BTreeSet};

use formulac::sync::{
    CurrentSpec, DescriptionActions, ExposureGraph, Exposures, KNOWN_FACTS_PATH, KnownFactsChange, ModelPlan, Plan,
    PlannedModel, PushState, TextChange, state_path,
};
use formulac::{CompiledSpec, Compiler};

use super::omni_repository::{MissingCommit, OmniRepository};
use super::repository::Repository;
use super::restored_states::RestoredState;
use super::{omni, read_project_file, version_upgrade};
use crate::cli::args::{Selection, TargetOptions};
use crate::cli::context::{KnownFactsPrecedence, known_facts_changes, report_assumptions};
use crate::cli::environment::{self, Environment};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::CompiledProject;
use crate::cli::models::{self, CompiledModel};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

use inputs::{ModelInputs, current_specs_by_model};
use moved_files::plan_moves_from_former_folders;
use states::require_specs_folder;
use tools::PlannerTools;
use uncommitted::add_uncommitted_files;
use unpushed_bases::add_unpushed_bases;

pub use states::{ModelStates, has_been_pushed, require_specs_of_pushed_models};

/// Plan, with the models, diagnostics and tools that were used to compute it.
pub struct PlannedModels {
    pub plan: Plan,
    pub diagnostics: Vec<FileDiagnostics>,
    pub models: Vec<CompiledModel>,
    /// Descriptions in Omni's files that cannot be transferred to dbt, each with its location and the reason.
    pub rejected_descriptions: Vec<(String, String)>,
    /// Commit that the clone of the Omni model lacks. The plan then ignores Omni's files.
    pub missing_in_omni: Option<MissingCommit>,
    pub environment: Option<Environment>,
    /// Generated files and definitions, by model.
    pub ours: BTreeMap<String, CurrentSpec>,
    /// Tools that convert SQL to formulas. `None` if there is no plan.
    pub tools: Option<PlannerTools>,
}

impl PlannedModels {
    /// Creates an empty plan with the diagnostics of the specs.
    fn without_plan(environment: Option<Environment>, diagnostics: Vec<FileDiagnostics>) -> Self {
        Self {
            plan: Plan::new(environment.as_ref().map(|environment| environment.name.clone()), []),
            diagnostics,
            models: Vec::new(),
            rejected_descriptions: Vec::new(),
            missing_in_omni: None,
            environment,
            ours: BTreeMap::new(),
            tools: None,
        }
    }

    /// Returns whether the specs have errors after they were compiled again, and reports these errors instead of the
    /// diagnostics so far.
    fn has_new_errors(&mut self, generation: &CompiledProject<'_>) -> bool {
        let has_errors = Exit::from_failures(&generation.diagnostics) != Exit::Done;
        if has_errors {
            self.diagnostics.clone_from(&generation.diagnostics);
        }
        has_errors
    }

    /// Reports what the SQL of the models assumes about the relations that the models read.
    pub fn report_assumptions(&self, session: &Session, workspace: &Workspace) {
        let compiled = models::compiled_model_specs(&self.models).map(|(_, compiled)| compiled);
        report_assumptions(session, Some(workspace), compiled);
    }

    /// Returns whether all specs compile, as a plan requires.
    pub fn has_no_errors(&self) -> bool {
        Exit::from_failures(&self.diagnostics) == Exit::Done
    }

    pub fn exit(&self) -> Exit {
        let conflict = if self.plan.conflicts() > 0 {
            Exit::Conflict
        } else {
            Exit::Done
        };
        Exit::from_failures(&self.diagnostics).most_severe(conflict)
    }
}

/// Compiles all specs and compares them with the last push and with the files.
pub fn plan_push(session: &Session, workspace: &Workspace) -> Result<PlannedModels, Failure> {
    plan_push_of_selected_models(session, workspace, &Selection::default())
}

/// Plans a push of the selected models. A model without a spec is deleted only if all models are pushed.
pub fn plan_push_of_selected_models(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<PlannedModels, Failure> {
    plan_with_precedence(session, workspace, selection, KnownFactsPrecedence::Artifacts)
}

/// Like [`plan_push_of_selected_models`], but `first` specifies whether `known.yml` or dbt's artifacts take precedence.
pub fn plan_with_precedence(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
    first: KnownFactsPrecedence,
) -> Result<PlannedModels, Failure> {
    require_specs_folder(workspace)?;
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    let target = TargetOptions::default();
    let new_compiler = || workspace.compiler_with_precedence(session, &target, workspace.dialect(&target)?, first);
    let mut compiler = new_compiler()?;
    let mut generation = CompiledProject::new(workspace, &compiler, workspace.sources()?, || {})?;
    let chosen = (!selection.selects_all_models())
        .then(|| generation.select_models(session, selection))
        .transpose()?;
    if let Some(chosen) = &chosen {
        generation.retain_selected_diagnostics(chosen);
    }
    let chosen_names: Option<BTreeSet<String>> = chosen.as_ref().map(|chosen| {
        let models = generation.models.iter().zip(&chosen.models);
        let chosen_models = models.filter(|(_, is_chosen)| **is_chosen);
        chosen_models.map(|(model, _)| model.name.clone()).collect()
    });
    let is_chosen = |model: &str| chosen_names.as_ref().is_none_or(|names| names.contains(model));
    let mut planned_models = PlannedModels::without_plan(environment, generation.diagnostics.clone());
    if !planned_models.has_no_errors() {
        return Ok(planned_models);
    }
    let mut ours = current_specs_by_model(workspace, &generation);
    let described = plan_descriptions(workspace, &ours, &mut planned_models)?;
    if !planned_models.has_no_errors() {
        return Ok(planned_models);
    }
    // Models that read a described column inherit the new description.
    if selection.selects_all_models() && !described.columns.is_empty() {
        let _ = workspace.described.set(described.columns.clone());
        compiler = new_compiler()?;
        generation = CompiledProject::new(workspace, &compiler, workspace.sources()?, || {})?;
        if planned_models.has_new_errors(&generation) {
            return Ok(planned_models);
        }
        ours = current_specs_by_model(workspace, &generation);
    }
    let mut inputs = ModelInputs::read(session, workspace, ours, &generation.moved)?;
    let tools = PlannerTools::new(workspace, &compiler, &generation);
    add_unpushed_bases(workspace, &tools, &mut inputs);
    let mut reconciled = inputs.reconcile(&tools, described.of_specs);
    let sources = inputs.specs.iter();
    let sources: BTreeMap<String, String> = sources
        .map(|(name, spec)| (name.clone(), spec.source.clone()))
        .collect();
    let replaced: BTreeMap<&str, &str> = reconciled
        .iter()
        .filter_map(|(name, done)| Some((inputs.specs.get(name)?.spec.as_str(), done.source.as_deref()?)))
        .collect();
    // A change to a model may change the SQL of the models that read it.
    if !replaced.is_empty() {
        generation = compile_with_replaced_texts(workspace, &compiler, &replaced)?;
        if let Some(chosen) = &chosen {
            generation.retain_selected_diagnostics(chosen);
        }
        if planned_models.has_new_errors(&generation) {
            explain_new_errors(workspace, &replaced, &mut planned_models.diagnostics);
            return Ok(planned_models);
        }
        inputs.specs = current_specs_by_model(workspace, &generation);
    }
    let facts_change = plan_known_facts(workspace, &generation)?;
    planned_models.models = generation.models;
    let models = inputs.files.iter().filter(|(name, _)| is_chosen(name));
    let models = models.map(|(name, files)| PlannedModel {
        sides: inputs.sides(name, files),
        reconciled: reconciled.remove(name).unwrap_or_default(),
        current_contents: [sources.get(name).map(String::as_str), inputs.state_text(name)],
    });
    let mut plans = ModelPlan::for_models(&models.collect::<Vec<_>>(), || tools.as_tools().compiler);
    let moves = generation.moved.moves_from_former_folders();
    for plan in &mut plans {
        inputs.add_former_paths(plan);
        plan.record_descriptions(&described.spec_views);
        plan_moves_from_former_folders(plan, &moves, &inputs);
        if let Some(RestoredState { text_on_disk, text }) = inputs.restored_states.get(&plan.model) {
            plan.restore_state(text_on_disk.clone(), text.clone());
        }
    }
    let (plans, sets) = add_uncommitted_files(workspace, &inputs, &generation.sets, plans);
    let omni_plans = described.plans.into_iter().filter(|plan| is_chosen(&plan.model));
    planned_models.plan = Plan::new(
        planned_models.plan.environment.take(),
        plans.into_iter().chain(omni_plans),
    );
    planned_models.plan.known = facts_change;
    if selection.selects_all_models() {
        planned_models.plan.metric_sets = sets;
    }
    separate_omni_repository(workspace, selection, &mut planned_models)?;
    find_exposures(session, workspace, &mut planned_models.plan)?;
    planned_models.rejected_descriptions = described.rejected;
    planned_models.ours = inputs.specs;
    version_upgrade::mark_upgraded_models(workspace, &mut planned_models, &inputs.states);
    planned_models.tools = Some(tools);
    Ok(planned_models)
}

/// Plans the transfer of descriptions from Omni, and reports the files that cannot be parsed. There are no descriptions
/// if the clone of the Omni model is incomplete.
fn plan_descriptions(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    planned_models: &mut PlannedModels,
) -> Result<DescriptionActions, Failure> {
    if let Ok(Some(omni)) = OmniRepository::find(workspace) {
        planned_models.missing_in_omni = omni.find_missing_commit(workspace)?;
    }
    if planned_models.missing_in_omni.is_some() {
        return Ok(DescriptionActions::default());
    }
    let (described, faults) = omni::plan_descriptions(workspace, |model| ours.contains_key(model))?;
    planned_models.diagnostics.extend(faults);
    Ok(described)
}

/// Excludes the Omni model's files from the project's commits if the Omni model has its own repository.
fn separate_omni_repository(
    workspace: &Workspace,
    selection: &Selection,
    planned_models: &mut PlannedModels,
) -> Result<(), Failure> {
    // If the Omni model's repository is missing, the commands that write to it report the error.
    if let Ok(Some(omni)) = OmniRepository::find(workspace) {
        let omni_folder = omni.path_in_project("");
        let models = planned_models.plan.models.iter_mut();
        models.for_each(|plan| plan.paths.retain(|path| !path.starts_with(&omni_folder)));
        if selection.selects_all_models() && planned_models.missing_in_omni.is_none() {
            planned_models.plan.omni = omni.uncommitted_files(workspace)?;
        }
    }
    Ok(())
}

/// Returns the change to `known.yml` or, if the file is already up to date, the file's uncommitted change.
fn plan_known_facts(
    workspace: &Workspace,
    generation: &CompiledProject<'_>,
) -> Result<Option<KnownFactsChange>, Failure> {
    Ok(generation.plan_known_yml()?.and_then(|(planned_file, facts)| {
        let path = workspace.relative_path(&planned_file.path);
        let before = read_project_file(&workspace.root, &path);
        let file = TextChange::new(&path, before, Some(planned_file.text));
        if file.before != file.after {
            return Some(KnownFactsChange { file, facts });
        }
        // The push only commits the file, because `generate` or `plan` has already written it.
        let committed = Repository::committed_version_if_changed(&workspace.root, &path)?;
        let facts = known_facts_changes(file.after.as_deref()?, committed.as_deref());
        Some(KnownFactsChange { file, facts })
    }))
}

/// Finds the exposures that depend on the changed models. Warns once if a manifest with exposures is older than the
/// files of the project.
fn find_exposures(session: &Session, workspace: &Workspace, plan: &mut Plan) -> Result<(), Failure> {
    let mut changed = plan
        .models
        .iter_mut()
        .filter_map(|model| Some((&model.model, model.effects.as_mut()?)))
        .peekable();
    if let (Some(artifacts), Some(_)) = (workspace.artifacts()?, changed.peek()) {
        let graph = ExposureGraph::new(&artifacts.manifest);
        if graph.has_exposures() {
            artifacts.report_manifest_age(session, workspace.dbt.as_ref());
        }
        changed.for_each(|(model, effects)| effects.exposures = graph.exposures_reading_model(model));
    } else if workspace.dbt.is_none() {
        changed.for_each(|(_, effects)| effects.exposures = Exposures::Known(Vec::new()));
    }
    Ok(())
}

/// Returns the files that would exist after a push of the specs, regardless of the current files: generated files, push
/// states and `known.yml`, by path.
pub fn generated_files(session: &Session, workspace: &Workspace) -> Result<BTreeMap<String, String>, Failure> {
    let target = TargetOptions::default();
    let compiler = workspace.compiler(session, &target, workspace.dialect(&target)?)?;
    let generation = CompiledProject::new(workspace, &compiler, workspace.sources()?, || {})?;
    if Exit::from_failures(&generation.diagnostics) != Exit::Done {
        return Err(Failure::Found(generation.diagnostics));
    }
    let mut left = BTreeMap::new();
    for (model, ours) in current_specs_by_model(workspace, &generation) {
        left.insert(state_path(&model), PushState::from_pushed(&model, &ours).text());
        left.extend(ours.files);
    }
    // Use the committed `known.yml`, because dbt's artifacts may be older or newer than the commit. Keep only the
    // relations that the specs use.
    let relations = generation.compiled_specs().flat_map(CompiledSpec::known_relations);
    left.insert(
        KNOWN_FACTS_PATH.to_owned(),
        workspace.read_known_yml()?.with_relations(relations).text(),
    );
    Ok(left)
}

/// Compiles all specs again, with different contents for some specs.
fn compile_with_replaced_texts<'p>(
    workspace: &'p Workspace,
    compiler: &Compiler,
    replaced: &BTreeMap<&str, &str>,
) -> Result<CompiledProject<'p>, Failure> {
    let mut sources = workspace.sources()?;
    for (source, path) in &mut sources {
        if let Some(text) = path.as_deref().and_then(|path| replaced.get(path)) {
            source.text = (*text).to_owned();
        }
    }
    CompiledProject::new(workspace, compiler, sources, || {})
}

/// Explains errors in specs that read a model with edited files: `check` does not report them, because only the plan
/// copies the edits to the spec of the model.
fn explain_new_errors(
    workspace: &Workspace,
    replaced: &BTreeMap<&str, &str>,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let specs: Vec<String> = replaced.keys().map(|spec| workspace.display_path(spec)).collect();
    for found in file_diagnostics
        .iter_mut()
        .filter(|file_diagnostics| !specs.contains(&file_diagnostics.file))
    {
        for fault in found.diagnostics.iter_mut().filter(|fault| fault.is_error()) {
            let help = fault.help().map(|help| format!("{help}; ")).unwrap_or_default();
            *fault = fault.clone().with_help(format!(
                "{help}the plan copies edits in generated files to {}, so make the same changes in this file",
                specs.join(", ")
            ));
        }
    }
}
