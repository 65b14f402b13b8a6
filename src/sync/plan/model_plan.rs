//! Plan for one model: the action that a push takes, and the files that it writes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::conflict::Conflict;
use crate::current_spec::CurrentSpec;
use crate::effects::ModelEffects;
use crate::manual_edits::ManualEdit;
use crate::merge_files::{TextChange, merge_files, with_line_endings_of};
use crate::model_properties::{ModelProperties, specified_properties_of_versions};
use crate::plan_changes::{PlannedChange, changes};
use crate::reconcile::{ModelVersions, ReconcileResult};
use crate::renamed_definitions::renamed_definitions;
use crate::renamed_models::restore_former_layout;
use crate::state::{PushState, normalize_line_endings, state_path};
use crate::yaml_edit::parse_value;
use crate::{CompiledSpec, Compiler, parallel};

/// Action that a push takes for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelAction {
    /// Create the model's files.
    Create,
    /// Update the model's files or its spec.
    Update,
    /// Delete the model's files, because its spec was removed.
    Delete,
    /// Change nothing, because all differences are manual edits. Manual edits are kept.
    Keep,
    /// Change no file, but commit files that are not committed yet: edits to comments or layout, or the files of an
    /// earlier push.
    Commit,
    /// Do nothing.
    Nothing,
}

impl ModelAction {
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
    pub action: ModelAction,
    /// Changes in the model's properties and definitions.
    pub changes: Vec<PlannedChange>,
    /// Effects of the changes. `None` if the model's rows do not change.
    pub effects: Option<ModelEffects>,
    /// Manual edits that were transferred to the spec, except edits that the spec already contained.
    pub carried: Vec<ManualEdit>,
    /// Manual edits that exist only in the files.
    pub kept: Vec<ManualEdit>,
    /// Conflicts that a user must resolve. Files are written only if there are no conflicts.
    pub conflicts: Vec<Conflict>,
    /// Files that change, including specs and state files.
    pub files: Vec<TextChange>,
    /// All files of the model that the commit must contain.
    pub paths: Vec<String>,
    /// Files that move to the folders that the project file specifies. Maps each new path to the current path.
    pub moved: BTreeMap<String, String>,
    /// The model's uncommitted files that contain manual edits.
    pub uncommitted: Vec<String>,
    /// The model's uncommitted files that are as an earlier push wrote them, for example after `git reset`.
    pub written: Vec<String>,
    /// Version of formulac that pushed the model, if the files change only because the current version is different.
    /// Empty if the log does not record the version.
    pub pushed_by: Option<String>,
}

/// A model whose push is planned.
#[derive(Clone, Debug)]
pub struct PlannedModel<'a> {
    /// The base, the spec with transferred edits, and the files.
    pub sides: ModelVersions<'a>,
    /// The reconciled edits.
    pub reconciled: ReconcileResult,
    /// The current contents of the spec file and of the state file.
    pub current_contents: [Option<&'a str>; 2],
}

impl<'a> PlannedModel<'a> {
    /// Returns the base, unless nothing has changed since the last push.
    fn base_if_changed(&self) -> Option<&'a PushState> {
        let base = self.sides.bases.first()?;
        let is_same =
            |ours: &CurrentSpec| normalize_line_endings(&ours.source) == base.source && ours.files == base.files;
        (!self.sides.ours.is_some_and(is_same)).then_some(base)
    }
}

impl ModelPlan {
    /// Creates an empty plan.
    pub(crate) fn empty(model: &str, spec: &str, action: ModelAction) -> Self {
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
            written: Vec::new(),
            pushed_by: None,
        }
    }

    /// Records uncommitted files: files with manual edits, and files as an earlier push wrote them. The push commits
    /// these files.
    #[must_use]
    pub fn with_uncommitted(mut self, edited: Vec<String>, written: Vec<String>) -> Self {
        if self.action == ModelAction::Nothing && !(edited.is_empty() && written.is_empty()) {
            self.action = ModelAction::Commit;
        }
        self.paths.extend(edited.iter().chain(&written).cloned());
        (self.uncommitted, self.written) = (edited, written);
        self
    }

    /// Returns whether the plan only records a changed layout of the spec, for example after a formatter ran.
    #[must_use]
    pub fn is_layout_change_only(&self) -> bool {
        let single_state = |text: &Option<String>| match PushState::versions(text.as_deref()?).as_slice() {
            [state] => Some(state.clone()),
            _ => None,
        };
        let [file] = self.files.as_slice() else { return false };
        let (Some(before), Some(after)) = (single_state(&file.before), single_state(&file.after)) else {
            return false;
        };
        let values = parse_value(&before.source).zip(parse_value(&after.source));
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
            true => ModelAction::Nothing,
            false => ModelAction::Keep,
        };
        self
    }

    /// Adds to the plan a change that restores the model's state after somebody removed or changed it by hand.
    /// `text_on_disk` is the content of the state's file. `restored` is the content that the last push wrote, on which
    /// this plan is based.
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
        if matches!(self.action, ModelAction::Nothing | ModelAction::Keep) {
            self.action = ModelAction::Update;
        }
    }

    /// Adds the moves of files to other folders. The moved files keep their manual edits. Each move consists of the
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
        if self.action != ModelAction::Create {
            self.action = ModelAction::Update;
        }
    }

    /// Creates the plan for one model. `base` is the spec from the last push, compiled again, or `None` if nothing has
    /// changed since that push. `before` contains the current contents of the spec file and the state file.
    ///
    /// A model without a state file was never pushed.
    #[must_use]
    pub fn new(
        sides: ModelVersions<'_>,
        reconciled: ReconcileResult,
        base: Option<&CompiledSpec>,
        before: [Option<String>; 2],
    ) -> Self {
        let ReconcileResult {
            source,
            mut carried,
            kept,
            mut conflicts,
            ..
        } = reconciled;
        let renamed = base.zip(sides.ours);
        let renamed = renamed.map_or_else(Vec::new, |(base, ours)| renamed_definitions(base, &ours.compiled));
        let (mut files, file_conflicts) = merge_files(sides, [&kept, &carried], &renamed);
        // Conflicts between definitions already stop the push. Report conflicts between files only if there are none
        // between definitions.
        if conflicts.is_empty() {
            conflicts.extend(file_conflicts);
        }
        carried.retain(|edit| !edit.is_in_spec);
        let [spec_before, state_before] = before;
        let is_new = state_before.is_none();
        let spec = match (sides.ours, sides.bases.first()) {
            (Some(ours), _) => ours.spec.clone(),
            (None, Some(base)) => base.spec.clone(),
            (None, None) => String::new(),
        };
        if let Some(source) = source {
            // Transferred edits add lines that end with `\n`.
            let has_only_crlf = |text: &String| !text.replace("\r\n", "").contains('\n');
            let after = match spec_before.as_ref().filter(|text| has_only_crlf(text)) {
                Some(before) => with_line_endings_of(Some(source.replace("\r\n", "\n")), Some(before)),
                None => Some(source),
            };
            files.push(TextChange {
                path: spec.clone(),
                before: spec_before,
                after,
            });
        }
        let state = sides.ours.map(|ours| PushState::from_pushed(sides.model, ours).text());
        let states_differ = state != state_before && !is_same_state(state.as_deref(), state_before.as_deref());
        let properties = match (sides.bases.first(), sides.ours) {
            (Some(state), Some(ours)) if base.is_some() && !is_new => {
                specified_properties_of_versions(sides.model, [&state.files, &ours.files])
            }
            _ => <[ModelProperties; 2]>::default(),
        };
        let changes = changes(sides, base, is_new, &properties);
        let action = match (sides.ours, is_new) {
            (None, _) => ModelAction::Delete,
            (_, true) => ModelAction::Create,
            _ if !files.is_empty() || states_differ => ModelAction::Update,
            _ if !kept.is_empty() => ModelAction::Keep,
            _ => ModelAction::Nothing,
        };
        let effects = match (action, base, sides.ours) {
            (ModelAction::Delete, ..) => Some(ModelEffects::deletion_effects()),
            (_, Some(base), Some(ours)) if !is_new => ModelEffects::new(base, &ours.compiled, &properties),
            _ => None,
        };
        if states_differ {
            let path = state_path(sides.model);
            files.push(TextChange {
                path,
                before: state_before,
                after: state,
            });
        }
        let mut paths: Vec<String> = files.iter().map(|change| change.path.clone()).collect();
        if action != ModelAction::Nothing && action != ModelAction::Keep {
            if let Some(ours) = sides.ours {
                paths.extend(ours.files.keys().cloned().chain([ours.spec.clone()]));
                // A change to a metric set also changes each model built on it.
                paths.extend(ours.compiled.metric_set_files().map(|(path, _)| path.to_owned()));
            }
            // `generate` or a user may have removed files that the spec no longer generates.
            let base_files = sides.bases.iter().flat_map(|base| base.files.keys());
            paths.extend(base_files.filter(|path| !sides.files.contains_key(*path)).cloned());
        }
        // Removing the spec is also part of the change.
        if action == ModelAction::Delete {
            paths.push(spec.clone());
        }
        paths.sort();
        paths.dedup();
        Self {
            changes,
            effects,
            carried,
            kept,
            conflicts,
            files,
            paths,
            ..Self::empty(sides.model, &spec, action)
        }
    }

    /// Creates the plans for many models, in the order of `models`. `compiler` returns a compiler with all current
    /// models. `compiler` is called only if a model has changed since its base.
    #[must_use]
    pub fn for_models<'t>(models: &[PlannedModel<'_>], compiler: impl Fn() -> &'t Compiler + Sync) -> Vec<Self> {
        let bases: Vec<Option<&PushState>> = models.iter().map(PlannedModel::base_if_changed).collect();
        // Models that read the same definitions of the same metric sets share a compiler.
        let changed = bases.iter().flatten();
        let compilers: BTreeMap<_, OnceLock<Compiler>> = changed.map(|base| (&base.sets, OnceLock::new())).collect();
        let plan = |number: usize| {
            let (model, base) = (models.get(number)?, *bases.get(number)?);
            // A model that this spec reads may have changed since the base, so compile this spec's base again.
            let base = base.and_then(|base| {
                let compiler = compilers.get(&base.sets)?.get_or_init(|| base.compiler(compiler()));
                Some(compiler.compile_spec_at(&base.source, Some(&base.spec)))
            });
            let before = model.current_contents.map(|text| text.map(str::to_owned));
            Some(Self::new(model.sides, model.reconciled.clone(), base.as_ref(), before))
        };
        let mut plans: Vec<Self> = parallel::map_range(models.len(), plan).into_iter().flatten().collect();
        restore_former_layout(models, &mut plans);
        plans
    }

    pub(super) fn json(&self) -> Value {
        let change = |change: &PlannedChange| {
            json!({
                "definition": change.definition, "property": change.property.name(),
                "before": change.before, "after": change.after, "metric": change.metric,
            })
        };
        let file = |file: &TextChange| json!({"path": file.path, "before": file.before, "after": file.after});
        json!({
            "model": self.model,
            "spec": self.spec,
            "action": self.action.name(),
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
            "effects": self.effects.as_ref().map(ModelEffects::json),
            "carried": self.carried.iter().map(ManualEdit::json).collect::<Vec<_>>(),
            "kept": self.kept.iter().map(ManualEdit::json).collect::<Vec<_>>(),
            "conflicts": self.conflicts.iter().map(Conflict::json).collect::<Vec<_>>(),
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "paths": self.paths,
            "uncommitted": self.uncommitted,
            "pushed_by": self.pushed_by,
        })
    }
}

/// Returns whether two versions of a state file differ only in their layout.
fn is_same_state(state: Option<&str>, before: Option<&str>) -> bool {
    let versions = before.map(PushState::versions).unwrap_or_default();
    matches!(versions.as_slice(), [one] if Some(one.text().as_str()) == state)
}
