//! Plans a push from the state of the work tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use formulac::dbt::is_unmodified;
use formulac::decompile::Decompiler;
use formulac::sync::{
    Action, CurrentSpec, DescriptionActions, ExposureGraph, Exposures, HandEdit, KNOWN, KnownFactsChange, ModelPlan,
    ModelSides, Plan, PlannedModel, PushState, ReconcileTools, Reconciled, STATES, TextChange, reconcile_all,
    state_path,
};
use formulac::{CompiledSpec, Compiler};

use super::omni_repository::{MissingCommit, OmniRepository};
use super::repository::Repository;
use super::restored_states::{RestoredState, restore_states};
use super::{omni, read_project_file, version_upgrade};
use crate::cli::args::{Selection, TargetOptions};
use crate::cli::environment::{self, Environment};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::folder;
use crate::cli::generation::Generation;
use crate::cli::knowledge::{FactPrecedence, changed_facts};
use crate::cli::models::{CompiledModel, CompiledSet};
use crate::cli::moved_files::MovedFilePaths;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::SourceText;
use crate::cli::workspace::Workspace;

/// Maximum number of committed versions of a spec to compile while searching for the version from which the files were
/// generated.
const EARLIER_TEXTS: usize = 20;

/// Plan, with the models, diagnostics and tools that were used to compute it.
pub struct PlannedModels {
    pub plan: Plan,
    pub diagnostics: Vec<FileDiagnostics>,
    pub models: Vec<CompiledModel>,
    /// Descriptions in Omni's files that cannot be transferred to dbt, each with its location and the reason.
    pub refused: Vec<(String, String)>,
    /// Commit that the clone of the Omni model lacks. The plan then ignores Omni's files.
    pub missing_in_omni: Option<MissingCommit>,
    pub environment: Option<Environment>,
    /// Generated files and definitions, by model.
    pub ours: BTreeMap<String, CurrentSpec>,
    /// Tools that convert SQL to formulas. `None` if there is no plan.
    pub tools: Option<PlannerContext>,
}

/// Tools that convert SQL to formulas, created on first use.
pub struct PlannerContext {
    compiler: Compiler,
    models: Vec<CompiledSpec>,
    knowing: OnceLock<Compiler>,
    decompiler: Decompiler,
    folders: (String, String),
    moved: MovedFilePaths,
}

impl PlannerContext {
    fn new(workspace: &Workspace, compiler: &Compiler, generation: &Generation<'_>) -> Self {
        Self {
            compiler: compiler.clone(),
            models: generation.compiled_specs().cloned().collect(),
            knowing: OnceLock::new(),
            decompiler: Decompiler::default(),
            folders: workspace.output_folders(),
            moved: generation.moved.clone(),
        }
    }

    /// Returns these tools in the form that the library expects.
    pub fn as_tools(&self) -> ReconcileTools<'_> {
        ReconcileTools {
            // Add all models to the compiler only if a file was edited, because only then are specs compiled again.
            compiler: self.knowing.get_or_init(|| self.compiler.with_models(&self.models)),
            decompiler: &self.decompiler,
            folders: (&self.folders.0, &self.folders.1),
            moved_paths: self.moved.all_moves(),
        }
    }
}

impl PlannedModels {
    /// Creates an empty plan with the diagnostics of the specs.
    fn without_plan(environment: Option<Environment>, diagnostics: Vec<FileDiagnostics>) -> Self {
        Self {
            plan: Plan::new(environment.as_ref().map(|environment| environment.name.clone()), []),
            diagnostics,
            models: Vec::new(),
            refused: Vec::new(),
            missing_in_omni: None,
            environment,
            ours: BTreeMap::new(),
            tools: None,
        }
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

/// Base versions of each model, and the contents of the file from which they were read.
pub type ModelStates = BTreeMap<String, (Option<String>, Vec<PushState>)>;

/// Compiles all specs and compares them with the last push and with the files.
pub fn plan_models(session: &Session, workspace: &Workspace) -> Result<PlannedModels, Failure> {
    plan_selected_models(session, workspace, &Selection::default())
}

/// Plans a push of the selected models. A model without a spec is deleted only if all models are pushed.
pub fn plan_selected_models(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<PlannedModels, Failure> {
    plan_with_facts(session, workspace, selection, FactPrecedence::Artifacts)
}

/// Like [`plan_selected_models`], but `first` selects the facts that take precedence.
pub fn plan_with_facts(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
    first: FactPrecedence,
) -> Result<PlannedModels, Failure> {
    require_specs_folder(workspace)?;
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    let target = TargetOptions::default();
    let new_compiler = || workspace.compiler_with(session, &target, workspace.dialect(&target)?, first);
    let mut compiler = new_compiler()?;
    let mut generation = Generation::new(workspace, &compiler, workspace.sources()?, || {})?;
    let chosen = (!selection.selects_all_models())
        .then(|| generation.select_models(session, selection))
        .transpose()?;
    chosen
        .iter()
        .for_each(|chosen| generation.drop_other_diagnostics(chosen));
    let chosen_names: Option<BTreeSet<String>> = chosen.as_ref().map(|chosen| {
        let models = generation.models.iter().zip(&chosen.models);
        models
            .filter(|(_, is_chosen)| **is_chosen)
            .map(|(model, _)| model.name.clone())
            .collect()
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
    // Models that read a described column pass the new description on.
    if selection.selects_all_models() && !described.columns.is_empty() {
        let _ = workspace.described.set(described.columns.clone());
        compiler = new_compiler()?;
        generation = Generation::new(workspace, &compiler, workspace.sources()?, || {})?;
        ours = current_specs_by_model(workspace, &generation);
    }
    let (mut states, mut restored) = read_states(session, workspace, &ours);
    require_specs_of_states(workspace, &ours, &states)?;
    let old_paths = follow_moved_files(workspace, &ours, &generation.moved, &mut states);
    let files = files_by_model(workspace, &ours, &states);
    let tools = PlannerContext::new(workspace, &compiler, &generation);
    add_unpushed_bases(workspace, &tools, &ours, &files, &mut states);
    let mut reconciled = reconcile_models(&tools, &ours, &states, &files, described.of_specs);
    let texts: BTreeMap<String, String> = ours
        .iter()
        .map(|(name, ours)| (name.clone(), ours.source.clone()))
        .collect();
    let replaced: BTreeMap<&str, &str> = reconciled
        .iter()
        .filter_map(|(name, done)| Some((ours.get(name)?.spec.as_str(), done.source.as_deref()?)))
        .collect();
    // A change to a model may change the SQL of the models that read it.
    if !replaced.is_empty() {
        generation = generate_with_texts(workspace, &compiler, &replaced)?;
        chosen
            .iter()
            .for_each(|chosen| generation.drop_other_diagnostics(chosen));
        if Exit::from_failures(&generation.diagnostics) != Exit::Done {
            planned_models.diagnostics = generation.diagnostics;
            explain_new_errors(workspace, &replaced, &mut planned_models.diagnostics);
            return Ok(planned_models);
        }
        ours = current_specs_by_model(workspace, &generation);
    }
    let facts_change = plan_known_facts(workspace, &generation)?;
    planned_models.models = generation.models;
    let models = files.iter().filter(|(name, _)| is_chosen(name));
    let models = models.map(|(name, found)| PlannedModel {
        sides: model_sides(name, &ours, &states, found),
        reconciled: reconciled.remove(name).unwrap_or_default(),
        current_contents: [
            texts.get(name).map(String::as_str),
            states.get(name).and_then(|(text, _)| text.as_deref()),
        ],
    });
    let mut plans = ModelPlan::for_models(&models.collect::<Vec<_>>(), || tools.as_tools().compiler);
    let moves = generation.moved.moves_out_of_former_folders();
    for plan in &mut plans {
        // The old path of a moved file no longer exists, so commit its removal.
        if plan.action != Action::Nothing && plan.action != Action::Keep {
            let old_paths = old_paths.get(&plan.model);
            plan.paths.extend(old_paths.into_iter().flatten().cloned());
        }
        plan.record_descriptions(&described.spec_views);
        move_out_of_former_folders(plan, &moves, &ours, &states, &files);
        if let Some(RestoredState { text_on_disk, text }) = restored.remove(&plan.model) {
            plan.restore_state(text_on_disk, text);
        }
    }
    let (plans, sets) = with_uncommitted(workspace, &ours, &generation.sets, plans);
    let of_omni = described.plans.into_iter().filter(|plan| is_chosen(&plan.model));
    planned_models.plan = Plan::new(planned_models.plan.environment.take(), plans.into_iter().chain(of_omni));
    planned_models.plan.known = facts_change;
    if selection.selects_all_models() {
        planned_models.plan.metric_sets = sets;
    }
    separate_omni_repository(workspace, selection, &mut planned_models)?;
    find_exposures(session, workspace, &mut planned_models.plan)?;
    planned_models.refused = described.refused;
    planned_models.ours = ours;
    version_upgrade::mark_upgraded_models(workspace, &mut planned_models, &states);
    planned_models.tools = Some(tools);
    Ok(planned_models)
}

/// Returns an error if models were pushed but their specs folder does not exist. Otherwise, the plan would delete all
/// models.
fn require_specs_folder(workspace: &Workspace) -> Result<(), Failure> {
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
        let of_omni = omni.path_in_project("");
        let models = planned_models.plan.models.iter_mut();
        models.for_each(|plan| plan.paths.retain(|path| !path.starts_with(&of_omni)));
        if selection.selects_all_models() && planned_models.missing_in_omni.is_none() {
            planned_models.plan.omni = omni.uncommitted_files(workspace)?;
        }
    }
    Ok(())
}

/// Returns the change to `known.yml`, or its uncommitted change if the file is already up to date.
fn plan_known_facts(workspace: &Workspace, generation: &Generation<'_>) -> Result<Option<KnownFactsChange>, Failure> {
    Ok(generation.plan_known_file()?.and_then(|(planned_file, facts)| {
        let path = workspace.relative_path(&planned_file.path);
        let before = read_project_file(&workspace.root, &path);
        let file = TextChange::new(&path, before, Some(planned_file.text));
        if file.before != file.after {
            return Some(KnownFactsChange { file, facts });
        }
        // The push only commits the file, because `generate` or `plan` has already written it.
        let committed = Repository::committed_if_different(&workspace.root, &path)?;
        let facts = changed_facts(file.after.as_deref()?, committed.as_deref());
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
            artifacts.report_age(session, workspace.dbt.as_ref());
        }
        changed.for_each(|(model, effects)| effects.exposures = graph.exposures_of(model));
    } else if workspace.dbt.is_none() {
        changed.for_each(|(_, effects)| effects.exposures = Exposures::Known(Vec::new()));
    }
    Ok(())
}

/// Adds to the plans uncommitted edits that require no other change, such as comments in generated files, and removes
/// records of committed specs whose layout has changed. Also returns the uncommitted metric sets that no plan contains.
fn with_uncommitted(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    sets: &[CompiledSet],
    plans: Vec<ModelPlan>,
) -> (Vec<ModelPlan>, Vec<String>) {
    let files = |plan: &ModelPlan| -> Vec<String> {
        if plan.is_layout_change_only() {
            return vec![plan.spec.clone()];
        }
        let stays = matches!(plan.action, Action::Nothing | Action::Keep) && plan.conflicts.is_empty();
        let ours = ours.get(&plan.model).filter(|_| stays);
        ours.into_iter().flat_map(|ours| ours.files.keys().cloned()).collect()
    };
    let committed: BTreeSet<&String> = plans.iter().flat_map(|plan| &plan.paths).collect();
    let sets = sets.iter().map(|set| &set.path);
    let sets: BTreeSet<String> = sets.filter(|path| !committed.contains(path)).cloned().collect();
    let all: Vec<String> = plans.iter().flat_map(files).chain(sets.clone()).collect();
    // Without a repository there are no commits.
    let differing = Repository::find(&workspace.root).and_then(|repository| repository.uncommitted_paths(&all));
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

/// Returns the files that would exist after a push of the specs, regardless of the current files: generated files, push
/// states and `known.yml`, by path.
pub fn generated_files(session: &Session, workspace: &Workspace) -> Result<BTreeMap<String, String>, Failure> {
    let target = TargetOptions::default();
    let compiler = workspace.compiler(session, &target, workspace.dialect(&target)?)?;
    let generation = Generation::new(workspace, &compiler, workspace.sources()?, || {})?;
    if Exit::from_failures(&generation.diagnostics) != Exit::Done {
        return Err(Failure::Found(generation.diagnostics));
    }
    let mut left = BTreeMap::new();
    for (model, ours) in current_specs_by_model(workspace, &generation) {
        left.insert(state_path(&model), PushState::from_pushed(&model, &ours).text());
        left.extend(ours.files);
    }
    // Use the committed facts, because the artifacts may be older or newer than the commit. Only the facts that the
    // specs need are kept.
    let read = generation.compiled_specs().flat_map(CompiledSpec::known_relations);
    left.insert(
        KNOWN.to_owned(),
        workspace.committed_facts()?.with_relations(read).text(),
    );
    Ok(left)
}

/// Reconciles the specs with the edits that people made in files and in Omni.
fn reconcile_models(
    tools: &PlannerContext,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &ModelStates,
    files: &BTreeMap<String, BTreeMap<String, String>>,
    described: Vec<(String, HandEdit)>,
) -> BTreeMap<String, Reconciled> {
    let mut more: BTreeMap<String, Vec<HandEdit>> = BTreeMap::new();
    for (model, edit) in described {
        more.entry(model).or_default().push(edit);
    }
    let mut models: Vec<(ModelSides<'_>, Vec<HandEdit>)> = Vec::new();
    for (name, texts) in files {
        let sides = model_sides(name, ours, states, texts);
        if sides.ours.is_some() {
            models.push((sides, more.remove(name).unwrap_or_default()));
        }
    }
    let mut done = reconcile_all(&models, || tools.as_tools());
    let conflicts = done.iter_mut().flat_map(|done| &mut done.conflicts);
    for set in conflicts.filter_map(|conflict| conflict.set.as_mut()) {
        set.find_changed_models(ours.iter(), tools.as_tools().compiler);
    }
    models
        .iter()
        .map(|(sides, _)| sides.model.to_owned())
        .zip(done)
        .collect()
}

/// Adds the bases of models that were never pushed but whose files a user edited.
fn add_unpushed_bases(
    workspace: &Workspace,
    tools: &PlannerContext,
    ours: &BTreeMap<String, CurrentSpec>,
    files: &BTreeMap<String, BTreeMap<String, String>>,
    states: &mut ModelStates,
) {
    for (name, texts) in files {
        let never_pushed = ours.get(name).filter(|_| !states.contains_key(name));
        if let Some(base) = never_pushed.and_then(|ours| find_unpushed_base(workspace, tools, name, ours, texts)) {
            states.insert(name.clone(), (None, vec![base]));
        }
    }
}

/// Finds the base of a model that was never pushed but whose files a user edited. Each file contains a hash of its
/// generated contents. The hash identifies the version of the spec from which the file was generated: the current
/// version or a recently committed one.
fn find_unpushed_base(
    workspace: &Workspace,
    tools: &PlannerContext,
    name: &str,
    ours: &CurrentSpec,
    texts: &BTreeMap<String, String>,
) -> Option<PushState> {
    let base = PushState::from_unpushed_files(name, ours, texts);
    if base.is_some() || texts.values().all(|text| is_unmodified(text)) {
        return base;
    }
    let committed = Repository::find(&workspace.root)
        .ok()?
        .last_committed_versions(&ours.spec, EARLIER_TEXTS);
    let earlier = committed.iter().filter(|text| **text != ours.source);
    earlier
        .filter_map(|text| tools.as_tools().compile(&ours.spec, text))
        .find_map(|spec| PushState::from_unpushed_files(name, &spec, texts))
}

/// Returns the current files of all models that have a spec or a state.
fn files_by_model(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &ModelStates,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let names: BTreeSet<&String> = ours.keys().chain(states.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            let files = current_model_files(workspace, ours.get(name), states.get(name));
            (name.clone(), files)
        })
        .collect()
}

fn model_sides<'a>(
    name: &'a str,
    ours: &'a BTreeMap<String, CurrentSpec>,
    states: &'a ModelStates,
    texts: &'a BTreeMap<String, String>,
) -> ModelSides<'a> {
    let bases = states.get(name).map(|(_, bases)| bases.as_slice()).unwrap_or_default();
    ModelSides {
        model: name,
        bases,
        ours: ours.get(name),
        files: texts,
    }
}

/// Returns the generated files and definitions by model.
fn current_specs_by_model(workspace: &Workspace, generation: &Generation<'_>) -> BTreeMap<String, CurrentSpec> {
    let (models, tests) = workspace.output_folders();
    let one = |model: &CompiledModel| {
        let built = model.built.as_ref()?;
        let text = &generation.diagnostics.get(model.spec)?.text;
        let mut ours = CurrentSpec::new(&model.path, text, built.compiled.clone(), &models, &tests)?;
        ours.files = generation.moved.update_keys(ours.files);
        Some((model.name.clone(), ours))
    };
    generation.models.iter().filter_map(one).collect()
}

/// Returns an error if a model would be deleted although its spec still exists, because `specs` names another folder.
fn require_specs_of_states(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &ModelStates,
) -> Result<(), Failure> {
    let folder = workspace.specs_folder();
    let in_project = workspace.root.join(&folder);
    let is_found = |spec: &str| workspace.root.join(spec).starts_with(&in_project);
    let gone = states.iter().filter(|(model, _)| !ours.contains_key(*model));
    let mut bases = gone.flat_map(|(model, (_, bases))| bases.iter().map(move |base| (model, &base.spec)));
    let Some((model, spec)) = bases.find(|(_, spec)| !is_found(spec) && workspace.root.join(spec).is_file()) else {
        return Ok(());
    };
    let message = format!("`{spec}`, the spec of `{model}`, is not in the folder `{folder}/`");
    let help = format!(
        "correct `specs` in formulac.yml, or move the file to `{folder}/`; to delete the model, delete the file"
    );
    Err(Failure::new(Exit::Failed, message).with_help(help))
}

/// Updates the bases' paths to files that users have moved or renamed since the last push. Returns the old paths by model,
/// including the paths of moved specs.
fn follow_moved_files(
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
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let of_removed = move_files_of_removed_models(workspace, ours, states);
    left.extend(of_removed);
    for (model, (_, bases)) in states {
        let Some(ours) = ours.get(model) else { continue };
        for base in bases {
            if base.spec != ours.spec && !workspace.root.join(&base.spec).exists() {
                left.entry(model.clone()).or_default().push(base.spec.clone());
            }
            let gone = |path: &&String| !ours.files.contains_key(*path) && !workspace.root.join(path).exists();
            let gone: Vec<String> = base.files.keys().filter(gone).cloned().collect();
            for path in gone {
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
                    left.entry(model.clone()).or_default().push(path);
                }
            }
        }
    }
    left
}

/// Updates the bases' paths to moved files of models without a spec. Returns the old paths by model.
fn move_files_of_removed_models(
    workspace: &Workspace,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &mut ModelStates,
) -> BTreeMap<String, Vec<String>> {
    let bases = states.iter().filter(|(model, _)| !ours.contains_key(*model));
    let bases = bases.flat_map(|(_, (_, bases))| bases);
    let files = bases.flat_map(|base| base.files.keys().map(|path| (path.clone(), base.spec.as_str())));
    let moved = MovedFilePaths::find_files(workspace, files).all_moves().clone();
    let mut old_paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (model, (_, bases)) in states.iter_mut().filter(|(model, _)| !ours.contains_key(*model)) {
        for base in bases {
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

/// Adds to a plan the moves of the model's files from the former folders of the project file to the current folders.
fn move_out_of_former_folders(
    plan: &mut ModelPlan,
    moves: &BTreeMap<&str, &str>,
    ours: &BTreeMap<String, CurrentSpec>,
    states: &ModelStates,
    files: &BTreeMap<String, BTreeMap<String, String>>,
) {
    let Some((ours, texts)) = ours.get(&plan.model).zip(files.get(&plan.model)) else {
        return;
    };
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
    let before = states.get(&plan.model).and_then(|(text, _)| text.clone());
    let state = TextChange::new(&state_path(&plan.model), before, Some(state.text()));
    plan.move_files(moved, state);
}

/// Compiles all specs again, with different contents for some specs.
fn generate_with_texts<'p>(
    workspace: &'p Workspace,
    compiler: &Compiler,
    replaced: &BTreeMap<&str, &str>,
) -> Result<Generation<'p>, Failure> {
    let mut sources = workspace.sources()?;
    for (source, path) in &mut sources {
        if let Some(text) = path.as_deref().and_then(|path| replaced.get(path)) {
            source.text = (*text).to_owned();
        }
    }
    Generation::new(workspace, compiler, sources, || {})
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
                "{help}the plan copies edits in generated files to {}: make the same changes there and here",
                specs.join(", ")
            ));
        }
    }
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
    let own = files.into_iter().filter(|path| path.parent() == Some(folder.as_path()));
    let named = own.filter_map(|path| {
        let name = PushState::state_model(path.file_name()?.to_str()?)?.to_owned();
        Some((name, path))
    });
    named.collect()
}

/// Reads the states of models. States that somebody removed or changed by hand are restored from git. These states are
/// also returned separately.
fn read_states(
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
    let states = texts.into_iter().zip(bases);
    let states = states.map(|((name, text), bases)| (name, (Some(text), bases)));
    (states.collect(), restored)
}

/// Returns the current files of a model in the work tree.
fn current_model_files(
    workspace: &Workspace,
    ours: Option<&CurrentSpec>,
    state: Option<&(Option<String>, Vec<PushState>)>,
) -> BTreeMap<String, String> {
    let of_bases = state
        .iter()
        .flat_map(|(_, bases)| bases)
        .flat_map(|base| base.files.keys());
    let paths: BTreeSet<&String> = ours.iter().flat_map(|ours| ours.files.keys()).chain(of_bases).collect();
    paths
        .into_iter()
        .filter_map(|path| Some((path.clone(), read_project_file(&workspace.root, path)?)))
        .collect()
}
