//! Plan for a push. A plan is only data. No files change when a plan is created.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::effects::ModelEffects;
use super::hand_edits::HandEdit;
use super::merge_files::{TextChange, merge_files};
use super::metric_set_conflicts::MetricSetConflict;
use super::model_properties::{ModelProperties, different_properties};
use super::plan_changes::{PlannedChange, changes};
use super::reconcile::{ModelSides, Reconciled};
use super::renamed_models::keep_former_layout;
use super::state::{PushState, normalize_lines};
use crate::dbt::is_same_content;
use crate::yaml_edit::value;
use crate::{CompiledSpec, Compiler, parallel};

/// Folder for the models' bases, relative to the project's folder.
pub const STATES: &str = ".formulac/state";

/// Path, relative to the project's folder, of the file that records which facts about the data were used when models
/// were last generated.
pub const KNOWN: &str = ".formulac/state/known.yml";

/// Returns the path of a model's base, relative to the project's folder.
#[must_use]
pub fn state_path(model: &str) -> String {
    format!("{STATES}/{}", PushState::file_name(model))
}

/// Action that a push takes for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Create the model's files.
    Create,
    /// Update the model's files or its spec.
    Update,
    /// Delete the model's files, because its spec was removed.
    Delete,
    /// Change nothing, because all differences are hand edits, which are kept.
    Keep,
    /// Change no file, but commit an edit to comments or layout that has not been committed yet.
    Commit,
    /// Do nothing.
    Nothing,
}

impl Action {
    /// Returns the action's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Commit => "commit",
            Self::Nothing => "nothing",
        }
    }
}

/// Plan for one model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelPlan {
    /// Name of the model.
    pub model: String,
    /// Path of the spec.
    pub spec: String,
    /// Action to take.
    pub action: Action,
    /// Changes in the model's properties and definitions.
    pub changes: Vec<PlannedChange>,
    /// Effects of the changes. `None` if the model's rows do not change.
    pub effects: Option<ModelEffects>,
    /// Hand edits that were transferred to the spec.
    pub carried: Vec<HandEdit>,
    /// Hand edits that exist only in the files.
    pub kept: Vec<HandEdit>,
    /// Conflicts that a user must resolve. Files are written only if there are no conflicts.
    pub conflicts: Vec<Conflict>,
    /// Files that change, including specs and state files.
    pub files: Vec<TextChange>,
    /// All files of the model that the commit must contain.
    pub paths: Vec<String>,
    /// Files that move to the folders of the project file: the current path of each file, by its new path.
    pub moved: BTreeMap<String, String>,
    /// Uncommitted files of the model with hand edits.
    pub uncommitted: Vec<String>,
    /// Version of formulac that pushed the model, if the files change only because this is another version. Empty if
    /// the log does not record that version.
    pub pushed_by: Option<String>,
}

/// A model whose push is planned.
#[derive(Clone, Debug)]
pub struct PlannedModel<'a> {
    /// The base, the spec with transferred edits, and the files.
    pub sides: ModelSides<'a>,
    /// The reconciled edits.
    pub reconciled: Reconciled,
    /// The current contents of the spec file and of the state file.
    pub current_contents: [Option<&'a str>; 2],
}

impl<'a> PlannedModel<'a> {
    /// Returns the base, unless nothing has changed since the last push.
    fn changed_base(&self) -> Option<&'a PushState> {
        let base = self.sides.bases.first()?;
        let is_same = |ours: &CurrentSpec| normalize_lines(&ours.source) == base.source && ours.files == base.files;
        (!self.sides.ours.is_some_and(is_same)).then_some(base)
    }
}

impl ModelPlan {
    /// Creates an empty plan.
    pub(super) fn empty(model: &str, spec: &str, action: Action) -> Self {
        Self {
            model: model.to_owned(),
            spec: spec.to_owned(),
            action,
            changes: Vec::new(),
            effects: None,
            carried: Vec::new(),
            kept: Vec::new(),
            conflicts: Vec::new(),
            files: Vec::new(),
            paths: Vec::new(),
            moved: BTreeMap::new(),
            uncommitted: Vec::new(),
            pushed_by: None,
        }
    }

    /// Records uncommitted files with hand edits. The push commits these files.
    #[must_use]
    pub fn with_uncommitted(mut self, files: Vec<String>) -> Self {
        if self.action == Action::Nothing && !files.is_empty() {
            self.action = Action::Commit;
        }
        self.paths.extend(files.iter().cloned());
        self.uncommitted = files;
        self
    }

    /// Returns whether the plan only records a changed layout of the spec, for example after a formatter ran.
    #[must_use]
    pub fn is_layout_change_only(&self) -> bool {
        let one = |text: &Option<String>| match PushState::versions(text.as_deref()?).as_slice() {
            [state] => Some(state.clone()),
            _ => None,
        };
        let [file] = self.files.as_slice() else { return false };
        let (Some(before), Some(after)) = (one(&file.before), one(&file.after)) else {
            return false;
        };
        let values = value(&before.source).zip(value(&after.source));
        let is_same_value = values.is_some_and(|(old, new)| old.is_same_value(&new));
        let with_source = |state: PushState| PushState {
            source: after.source.clone(),
            ..state
        };
        self.conflicts.is_empty() && is_same_value && with_source(before) == after
    }

    /// Removes the record of the spec's changed layout, because the spec is committed.
    #[must_use]
    pub fn without_layout_change(mut self) -> Self {
        self.files.clear();
        self.paths.clear();
        self.action = match self.kept.is_empty() {
            true => Action::Nothing,
            false => Action::Keep,
        };
        self
    }

    /// Adds the restoration of the model's state, which somebody removed or changed by hand. `text_on_disk` is the
    /// content of the state's file, and `restored` is the content that the last push wrote, on which this plan is based.
    pub fn restore_state(&mut self, text_on_disk: Option<String>, restored: String) {
        let path = state_path(&self.model);
        match self.files.iter_mut().find(|file| file.path == path) {
            Some(file) => file.before = text_on_disk,
            None => self.files.push(TextChange::new(&path, text_on_disk, Some(restored))),
        }
        self.files.retain(|file| file.before != file.after);
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
        if matches!(self.action, Action::Nothing | Action::Keep) {
            self.action = Action::Update;
        }
    }

    /// Adds the moves of files to other folders, in which the files keep their hand edits. Each move is given with the
    /// current path, the current contents and the new path. `state` is the change to the model's state.
    pub fn move_files(&mut self, moves: Vec<TextChange>, state: TextChange) {
        for TextChange { path, before, after } in moves {
            let Some(new) = after else { continue };
            let planned = self.files.iter().position(|file| file.path == path);
            let text = planned.map_or_else(|| before.clone(), |at| self.files.remove(at).after);
            self.paths.extend([path.clone(), new.clone()]);
            self.files.push(TextChange::new(&path, before, None));
            self.files.push(TextChange::new(&new, None, text));
            self.moved.insert(new, path);
        }
        self.files.retain(|file| file.path != state.path);
        self.paths.push(state.path.clone());
        self.files.push(state);
        if self.action != Action::Create {
            self.action = Action::Update;
        }
    }

    /// Creates the plan for one model. `base` is the spec from the last push, compiled again, or `None` if nothing has
    /// changed since that push. `before` contains the current contents of the spec file and the state file.
    ///
    /// A model without a state file was never pushed.
    #[must_use]
    pub fn new(
        sides: ModelSides<'_>,
        reconciled: Reconciled,
        base: Option<&CompiledSpec>,
        before: [Option<String>; 2],
    ) -> Self {
        let Reconciled {
            source,
            carried,
            kept,
            mut conflicts,
        } = reconciled;
        let (mut changed, more) = merge_files(sides, &kept, &carried);
        // Conflicts between definitions already stop the push. Report conflicts between files only if there are none
        // between definitions.
        if conflicts.is_empty() {
            conflicts.extend(more);
        }
        let [spec_before, state_before] = before;
        let is_new = state_before.is_none();
        let spec = match (sides.ours, sides.bases.first()) {
            (Some(ours), _) => ours.spec.clone(),
            (None, Some(base)) => base.spec.clone(),
            (None, None) => String::new(),
        };
        if let Some(source) = source {
            changed.push(TextChange {
                path: spec.clone(),
                before: spec_before,
                after: Some(source),
            });
        }
        let state = sides.ours.map(|ours| PushState::from_pushed(sides.model, ours).text());
        let states_differ = state != state_before && !is_same_state(state.as_deref(), state_before.as_deref());
        let properties = match (sides.bases.first(), sides.ours) {
            (Some(state), Some(ours)) if base.is_some() && !is_new => {
                different_properties(sides.model, [&state.files, &ours.files])
            }
            _ => <[ModelProperties; 2]>::default(),
        };
        let changes = changes(sides, base, is_new, &properties);
        let action = match (sides.ours, is_new) {
            (None, _) => Action::Delete,
            (_, true) => Action::Create,
            _ if !changed.is_empty() || states_differ => Action::Update,
            _ if !kept.is_empty() => Action::Keep,
            _ => Action::Nothing,
        };
        let effects = match (action, base, sides.ours) {
            (Action::Delete, ..) => Some(ModelEffects::effects_of_deletion()),
            (_, Some(base), Some(ours)) if !is_new => ModelEffects::new(base, &ours.compiled, &properties),
            _ => None,
        };
        if states_differ {
            let path = state_path(sides.model);
            changed.push(TextChange {
                path,
                before: state_before,
                after: state,
            });
        }
        let mut paths: Vec<String> = changed.iter().map(|change| change.path.clone()).collect();
        if let Some(ours) = sides
            .ours
            .filter(|_| action != Action::Nothing && action != Action::Keep)
        {
            paths.extend(ours.files.keys().cloned().chain([ours.spec.clone()]));
            // A change to a metric set is part of the change to each model built on the set.
            paths.extend(ours.compiled.metric_set_files().map(|(path, _)| path.to_owned()));
        }
        if action != Action::Nothing && action != Action::Keep {
            // `generate` or a user may have removed files that the spec no longer generates.
            let of_bases = sides.bases.iter().flat_map(|base| base.files.keys());
            paths.extend(of_bases.filter(|path| !sides.files.contains_key(*path)).cloned());
        }
        // Removing the spec is also part of the change.
        if action == Action::Delete {
            paths.push(spec.clone());
        }
        paths.sort();
        paths.dedup();
        let (model, files, uncommitted) = (sides.model.to_owned(), changed, Vec::new());
        Self {
            model,
            spec,
            action,
            changes,
            effects,
            carried,
            kept,
            conflicts,
            files,
            paths,
            moved: BTreeMap::new(),
            uncommitted,
            pushed_by: None,
        }
    }

    /// Creates the plans for many models, in the order of `models`. `compiler` returns the compiler that knows all
    /// current models; it is called only if a model has changed since its base.
    #[must_use]
    pub fn for_models<'t>(models: &[PlannedModel<'_>], compiler: impl Fn() -> &'t Compiler + Sync) -> Vec<Self> {
        let bases: Vec<Option<&PushState>> = models.iter().map(PlannedModel::changed_base).collect();
        // Models that read the same definitions of the same sets share a compiler.
        let changed = bases.iter().flatten();
        let compilers: BTreeMap<_, OnceLock<Compiler>> = changed.map(|base| (&base.sets, OnceLock::new())).collect();
        let one = |number: usize| {
            let (model, base) = (models.get(number)?, *bases.get(number)?);
            // A model that this spec reads may have changed since the base, so compile this spec's base again.
            let base = base.and_then(|base| {
                let compiler = compilers.get(&base.sets)?.get_or_init(|| base.compiler(compiler()));
                Some(compiler.compile_spec_at(&base.source, Some(&base.spec)))
            });
            let before = model.current_contents.map(|text| text.map(str::to_owned));
            Some(Self::new(model.sides, model.reconciled.clone(), base.as_ref(), before))
        };
        let mut plans: Vec<Self> = parallel::map_range(models.len(), one).into_iter().flatten().collect();
        keep_former_layout(models, &mut plans);
        plans
    }

    fn json(&self) -> Value {
        let change = |change: &PlannedChange| {
            json!({
                "definition": change.definition, "property": change.property.name(),
                "before": change.before, "after": change.after, "metric": change.metric,
            })
        };
        let edit = |edit: &HandEdit| {
            json!({
                "definition": edit.definition, "property": edit.property.name(), "file": edit.file, "line": edit.line,
                "before": edit.before, "after": edit.after,
                "rewritten": edit.rewritten.as_ref().map(|rewritten_sql| json!({"sql": rewritten_sql.sql, "adds": rewritten_sql.describe()})),
            })
        };
        let conflict = |conflict: &Conflict| {
            json!({
                "definition": conflict.definition, "step": conflict.step, "property": conflict.property_name(),
                "base": conflict.base,
                "readers": conflict.readers,
                "clashes": conflict.clashes.iter().map(|clash| json!({
                    "what": clash.description, "line": clash.line, "base": clash.base, "ours": clash.ours, "theirs": clash.theirs,
                })).collect::<Vec<_>>(),
                "ours": {"text": conflict.ours, "file": conflict.spec, "line": conflict.spec_line},
                "theirs": {
                    "text": conflict.theirs, "file": conflict.file, "line": conflict.line,
                    "formula": conflict.theirs_formula,
                },
                "set": conflict.set.as_ref().map(MetricSetConflict::json),
            })
        };
        let file = |file: &TextChange| json!({"path": file.path, "before": file.before, "after": file.after});
        json!({
            "model": self.model,
            "spec": self.spec,
            "action": self.action.name(),
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
            "effects": self.effects.as_ref().map(ModelEffects::json),
            "carried": self.carried.iter().map(edit).collect::<Vec<_>>(),
            "kept": self.kept.iter().map(edit).collect::<Vec<_>>(),
            "conflicts": self.conflicts.iter().map(conflict).collect::<Vec<_>>(),
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "paths": self.paths,
            "uncommitted": self.uncommitted,
            "pushed_by": self.pushed_by,
        })
    }
}

impl PushState {
    /// Returns a base for a model that was never pushed. Returns `None` unless users edited the model's files and the
    /// spec still generates the unedited files.
    #[must_use]
    pub fn from_unpushed_files(model: &str, ours: &CurrentSpec, texts: &BTreeMap<String, String>) -> Option<Self> {
        let both = || {
            texts
                .iter()
                .filter_map(|(path, text)| Some((path, text, ours.files.get(path)?)))
        };
        let is_edited = both().any(|(_, text, ours)| normalize_lines(text) != normalize_lines(ours));
        if !is_edited || !both().all(|(_, text, ours)| is_same_content(text, ours)) {
            return None;
        }
        Some(Self::from_pushed(model, ours))
    }

    /// Returns the base that is stored when a spec is pushed.
    #[must_use]
    pub fn from_pushed(model: &str, ours: &CurrentSpec) -> Self {
        let mut state = Self::new(model, &ours.spec, &ours.source);
        state.files.clone_from(&ours.files);
        let sets = ours.compiled.metric_set_extracts(&ours.source).into_iter();
        state.sets = sets.map(|(path, text)| (path, normalize_lines(&text))).collect();
        state
    }
}

/// Returns whether a state file differs from a state only in its layout.
fn is_same_state(state: Option<&str>, before: Option<&str>) -> bool {
    let versions = before.map(PushState::versions).unwrap_or_default();
    matches!(versions.as_slice(), [one] if Some(one.text().as_str()) == state)
}

/// Plan for a push.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Environment of the push. `None` if the project has no environments.
    pub environment: Option<String>,
    /// Models, sorted by name. Models without changes are omitted.
    pub models: Vec<ModelPlan>,
    /// Change to `known.yml`.
    pub known: Option<KnownFactsChange>,
    /// Uncommitted files of metric sets whose change affects no model. A push commits them.
    pub metric_sets: Vec<String>,
    /// Files to commit in the repository of the Omni model. `None` if the model has no repository of its own, or if
    /// its files are committed.
    pub omni: Option<OmniChange>,
}

/// Files of the Omni model that the last pull wrote and that a push commits in the Omni model's own repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmniChange {
    /// Folder of the repository, relative to the project's folder.
    pub repository: String,
    /// Files to commit, relative to the repository's folder.
    pub files: Vec<String>,
    /// Uncommitted records of the pull, relative to the project's folder. The commit in dbt's repository contains these
    /// files.
    pub records: Vec<String>,
}

/// Change to `known.yml`, which stores the facts about the data that were used to generate the models.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownFactsChange {
    /// The change to the file itself.
    pub file: TextChange,
    /// Changed facts, one line per fact.
    pub facts: Vec<String>,
}

impl Plan {
    /// Creates a plan for these models.
    #[must_use]
    pub fn new(environment: Option<String>, models: impl IntoIterator<Item = ModelPlan>) -> Self {
        let is_told = |plan: &ModelPlan| plan.action != Action::Nothing || !plan.conflicts.is_empty();
        let mut models: Vec<ModelPlan> = models.into_iter().filter(is_told).collect();
        models.sort_by(|one, other| one.model.cmp(&other.model));
        Self {
            environment,
            models,
            known: None,
            metric_sets: Vec::new(),
            omni: None,
        }
    }

    /// Keeps only the models that change only because another version of formulac pushed them.
    pub fn retain_upgraded_models(&mut self) {
        self.models.retain(|model| model.pushed_by.is_some());
        (self.known, self.metric_sets, self.omni) = (None, Vec::new(), None);
    }

    /// Returns the number of models with this action. Models with conflicts are not counted.
    #[must_use]
    pub fn count(&self, action: Action) -> usize {
        self.models
            .iter()
            .filter(|plan| plan.action == action && plan.conflicts.is_empty())
            .count()
    }

    /// Returns the number of conflicts.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        self.models.iter().map(|plan| plan.conflicts.len()).sum()
    }

    /// Returns `true` if no files have to be written or committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_rest_empty = self.known.is_none() && self.metric_sets.is_empty() && self.omni.is_none();
        is_rest_empty && self.changed_models().next().is_none()
    }

    /// Returns the models with files to write or to commit.
    pub fn changed_models(&self) -> impl Iterator<Item = &ModelPlan> {
        let is_changed = |plan: &&ModelPlan| !plan.files.is_empty() || !plan.uncommitted.is_empty();
        self.models.iter().filter(is_changed)
    }

    /// Returns a summary, for example `Plan: 2 to create, 1 to update, 0 to delete, 1 conflict`.
    #[must_use]
    pub fn summary(&self) -> String {
        let conflicts = self.conflicts();
        let kept: usize = self.models.iter().map(|plan| plan.kept.len()).sum();
        let (create, update, delete) = (
            self.count(Action::Create),
            self.count(Action::Update),
            self.count(Action::Delete),
        );
        let mut out = format!("Plan: {create} to create, {update} to update, {delete} to delete, {conflicts} conflict");
        if conflicts != 1 {
            out.push('s');
        }
        if kept > 0 {
            out.push_str(&format!("; {kept} hand edit{} kept", if kept == 1 { "" } else { "s" }));
        }
        let uncommitted: usize = self.models.iter().map(|plan| plan.uncommitted.len()).sum();
        if uncommitted > 0 {
            out.push_str(&format!(
                "; {uncommitted} edited file{} to commit",
                if uncommitted == 1 { "" } else { "s" }
            ));
        }
        if !self.metric_sets.is_empty() {
            let end = if self.metric_sets.len() == 1 { "" } else { "s" };
            out.push_str(&format!("; {} metric set{end} to commit", self.metric_sets.len()));
        }
        if let Some(OmniChange { repository, files, .. }) = &self.omni {
            let end = if files.len() == 1 { "" } else { "s" };
            out.push_str(&format!("; {} file{end} to commit in {repository}", files.len()));
        }
        out
    }

    /// Returns the complete plan in the format of a saved plan.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "formulac_plan": 1,
            "summary": self.summary(),
            "environment": self.environment,
            "models": self.models.iter().map(ModelPlan::json).collect::<Vec<_>>(),
            "known": self.known.as_ref().map(|facts_change| &facts_change.facts),
            "metric_sets": self.metric_sets,
            "omni": self.omni.as_ref().map(|omni| json!({"repository": omni.repository, "files": omni.files})),
        })
    }
}
