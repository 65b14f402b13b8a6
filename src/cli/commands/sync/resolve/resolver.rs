//! Changes files so that they no longer contain a conflict.

use std::collections::{BTreeMap, BTreeSet};

use formulac::diag::lists::join_words;
use formulac::sync::{
    Conflict, CurrentSpec, ManualEdit, MetricSetConflict, ModelPlan, PulledView, Substitution, TextChange,
    apply_edit_to_spec, describe_rewritten_sql, replace_edit_with_generated_text, restore_base_value,
    restore_conflicting_sql, set_description_in_properties, with_formula_in_conflict, with_override,
};

use formulac_syntax::text::collapse_whitespace;

use super::super::conflict::conflict_subject;
use super::super::planner::PlannedModels;
use super::super::{apply, omni, read_project_file, saved_copies};
use super::manual_resolution_instruction;
use crate::cli::args::ConflictSide;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

pub struct ConflictResolver<'w> {
    workspace: &'w Workspace,
    planned_models: &'w PlannedModels,
    /// New contents of the files, with their previous contents.
    changed_texts: BTreeMap<String, (Option<String>, String)>,
    /// Replacements that remove manual edits from the SQL of models, by path.
    restored_edits: BTreeMap<String, Vec<Substitution>>,
    /// Files that users maintain and that no push writes.
    user_files: BTreeSet<String>,
    /// Consequences to report before the files are written.
    notes: Vec<String>,
    /// Asks the user for the formula or the description.
    edit: fn(&Conflict) -> Result<String, Failure>,
}

impl<'w> ConflictResolver<'w> {
    pub fn new(
        workspace: &'w Workspace,
        planned_models: &'w PlannedModels,
        edit: fn(&Conflict) -> Result<String, Failure>,
    ) -> Self {
        Self {
            workspace,
            planned_models,
            changed_texts: BTreeMap::new(),
            restored_edits: BTreeMap::new(),
            user_files: BTreeSet::new(),
            notes: Vec::new(),
            edit,
        }
    }

    pub fn resolve_conflict(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        match &conflict.set {
            Some(set) => self.resolve_metric_set_conflict(model, conflict, set, side),
            None => self.resolve_spec_conflict(model, conflict, side),
        }
    }

    fn resolve_spec_conflict(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        if matches!(side, ConflictSide::ToSet | ConflictSide::ToModel) {
            let target = conflict_subject(model, conflict);
            let message = format!("`{target}` is not a conflict with a metric set");
            return Err(Failure::new(Exit::Usage, message).with_help("use --ours, --theirs, --edit or --base"));
        }
        // The conflict is between a description in Omni and a description in dbt. Users maintain both files.
        if conflict.is_omni_conflict() {
            return self.resolve_description(model, conflict, side);
        }
        let impossible = |what: &str| {
            Failure::new(Exit::Conflict, format!("{}: {what}", conflict_subject(model, conflict)))
                .with_help(manual_resolution_instruction(conflict))
        };
        let spec = self.text(&conflict.spec);
        let file = self.text(&conflict.file).unwrap_or_default();
        let ours = |planned_models: &PlannedModels| planned_models.ours.get(&model.model).cloned();
        let mut current = ours(self.planned_models);
        if let (Some(ours), Some(spec)) = (&mut current, &spec) {
            ours.source.clone_from(spec);
        }
        let edit = conflict.edit.as_ref();
        let undone = || match edit {
            Some(_) if !conflict.restored.is_empty() => Some(file.clone()),
            Some(edit) => self.file_without_edit(model, edit),
            // Remove all changes that users made in the file.
            None => conflict.ours.clone().or_else(|| conflict.base.clone()),
        };
        match side {
            ConflictSide::ToSet | ConflictSide::ToModel => {}
            ConflictSide::Ours => {
                let text =
                    undone().ok_or_else(|| impossible("the edit cannot be separated from the rest of the file"))?;
                self.set_text(&conflict.file, text);
            }
            ConflictSide::Theirs => {
                let tools = self.planned_models.tools.as_ref().map(|tools| tools.as_tools());
                let text = current
                    .zip(tools)
                    .and_then(|(ours, tools)| apply_edit_to_spec(conflict, &model.model, &ours, tools));
                let text = text.ok_or_else(|| impossible("a spec cannot express the content of the file"))?;
                self.set_text(&conflict.spec, text);
            }
            ConflictSide::Base | ConflictSide::Edit => {
                let (formula, reason) = match (side, &conflict.base) {
                    (ConflictSide::Edit, _) => ((self.edit)(conflict)?, "`--edit` can change only a formula"),
                    (_, Some(base)) => (base.clone(), "a spec cannot express the base"),
                    (_, None) => (String::new(), "the last push does not contain it"),
                };
                let text = current.and_then(|ours| {
                    let with_formula = with_formula_in_conflict(conflict, &ours, &formula);
                    // If the spec has no description, the generated description is the formula.
                    let is_value = side == ConflictSide::Base && !is_formula(&ours, conflict, &formula);
                    let tools = self.planned_models.tools.as_ref().filter(|_| is_value);
                    with_formula.or_else(|| restore_base_value(conflict, &model.model, &ours, tools?.as_tools()))
                });
                let (spec, file) = text.zip(undone()).ok_or_else(|| impossible(reason))?;
                if let Some(error) = self.error_in_spec(&conflict.spec, &spec) {
                    return Err(impossible(&format!("the spec with `{formula}` has an error: {error}")));
                }
                self.set_text(&conflict.spec, spec);
                self.set_text(&conflict.file, file);
            }
        }
        if side != ConflictSide::Theirs {
            self.record_restored_sql(conflict);
        }
        Ok(())
    }

    /// Returns the first error in a new version of a spec.
    fn error_in_spec(&self, path: &str, text: &str) -> Option<String> {
        let tools = self.planned_models.tools.as_ref()?.as_tools();
        let compiled = tools.compiler.compile_spec_at(text, Some(path));
        let error = compiled.diagnostics().iter().find(|diagnostic| diagnostic.is_error())?;
        Some(error.message().to_owned())
    }

    /// Returns the contents of an edited file without the edit. `None` if the edit cannot be separated from the rest.
    fn file_without_edit(&self, model: &ModelPlan, edit: &ManualEdit) -> Option<String> {
        match self.pulled_omni_view(&edit.file) {
            Some(view) => view.with_description(edit.definition.as_deref(), edit.before.as_deref()),
            None => replace_edit_with_generated_text(edit, &model.model, &self.text(&edit.file)?),
        }
    }

    /// Undoes an edit. Does nothing if the edit is already undone.
    pub fn undo_edit(&mut self, model: &ModelPlan, edit: &ManualEdit) {
        if let Some(text) = self.file_without_edit(model, edit) {
            self.set_text(&edit.file, text);
        }
    }

    /// Resolves a conflict between a manual edit and a metric set. The file is always restored, because a push
    /// generates it from the metric set and the spec.
    fn resolve_metric_set_conflict(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        set: &MetricSetConflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        let target = conflict_subject(model, conflict);
        let failure = |exit: Exit, what: &str| Failure::new(exit, format!("{target}: {what}"));
        let possible = [("--to-set", set.to_set.is_ok()), ("--to-model", set.to_model.is_ok())];
        let possible = possible.into_iter().filter(|(_, is_possible)| *is_possible);
        let others: Vec<&str> = ["--ours"]
            .into_iter()
            .chain(possible.map(|(option, _)| option))
            .collect();
        let refused = |option: &str, reason: &str| {
            failure(Exit::Conflict, &format!("{option} is not possible: {reason}")).with_help(format!(
                "use {}, or change the definition yourself",
                join_words(&others, "or")
            ))
        };
        match side {
            ConflictSide::Ours => {}
            ConflictSide::ToSet => {
                let formula = set.to_set.as_deref().map_err(|reason| refused("--to-set", reason))?;
                let text = self.text(&set.file).unwrap_or_default();
                let text = set
                    .metric_set_with_formula(&text, formula)
                    .map_err(|why| refused("--to-set", &why))?;
                self.set_text(&set.file, text);
                if !set.models.is_empty() {
                    let note = format!("the new formula changes the SQL of {}", set.models.join(", "));
                    self.notes.push(note);
                }
                self.notes.extend(set.to_set_sql.as_ref().map(describe_rewritten_sql));
                self.notes.extend(set.note_on_rows());
            }
            ConflictSide::ToModel => {
                let formula = set
                    .to_model
                    .as_deref()
                    .map_err(|reason| refused("--to-model", reason))?;
                let text = self.text(&model.spec).unwrap_or_default();
                let name = set.listed_as.as_deref().unwrap_or(&set.name);
                let text = with_override(&text, name, formula).map_err(|why| refused("--to-model", &why))?;
                self.set_text(&model.spec, text);
                self.notes.extend(set.to_model_sql.as_ref().map(describe_rewritten_sql));
                self.notes.extend(set.note_on_rows());
            }
            ConflictSide::Theirs | ConflictSide::Edit | ConflictSide::Base => {
                let message = format!("the metric set `{}` defines the edited SQL", set.set);
                return Err(failure(Exit::Usage, &message).with_help("use --ours, --to-set or --to-model"));
            }
        }
        if conflict.restored.is_empty() {
            let message = "the edit cannot be separated from the rest of the file";
            let help = format!("restore {} yourself", conflict.file);
            return Err(failure(Exit::Conflict, message).with_help(help));
        }
        self.record_restored_sql(conflict);
        Ok(())
    }

    /// Removes a conflict's manual edit from the SQL of its model. The file is written after all conflicts are
    /// resolved, because the positions refer to the current file.
    fn record_restored_sql(&mut self, conflict: &Conflict) {
        let restored = self.restored_edits.entry(conflict.file.clone()).or_default();
        restored.extend(conflict.restored.iter().cloned());
    }

    /// Removes the manual edits of resolved conflicts from the contents of the files.
    pub fn restore_files(&mut self) -> Result<(), Failure> {
        for (path, restored) in std::mem::take(&mut self.restored_edits) {
            // Another conflict may have replaced the whole file.
            if restored.is_empty()
                || self
                    .changed_texts
                    .get(&path)
                    .is_some_and(|(before, now)| before.as_ref() != Some(now))
            {
                continue;
            }
            let text = self.text(&path).unwrap_or_default();
            let text = restore_conflicting_sql(&text, &restored).ok_or_else(|| {
                let message = format!("{path}: the edits cannot be separated from the rest of the file");
                Failure::new(Exit::Conflict, message).with_help(format!("restore {path} yourself"))
            })?;
            self.set_text(&path, text);
        }
        Ok(())
    }

    /// Writes the chosen description both to Omni's file and to the properties file that describes the node in dbt.
    fn resolve_description(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        let impossible = || {
            Failure::new(
                Exit::Failed,
                format!(
                    "{}: the description cannot be edited in its file",
                    conflict_subject(model, conflict)
                ),
            )
            .with_help(manual_resolution_instruction(conflict))
        };
        let edited = match side {
            ConflictSide::Edit => Some((self.edit)(conflict)?),
            _ => None,
        };
        let (agreed, in_omni, in_dbt) = match side {
            ConflictSide::Ours | ConflictSide::ToSet | ConflictSide::ToModel => (&conflict.ours, false, true),
            ConflictSide::Theirs => (&conflict.theirs, true, false),
            ConflictSide::Base => (&conflict.base, true, true),
            ConflictSide::Edit => (&edited, true, true),
        };
        let view = self.pulled_omni_view(&conflict.spec).ok_or_else(impossible)?;
        let manifest = self.workspace.manifest()?.ok_or_else(impossible)?;
        let node = manifest.node(&view.record.node).ok_or_else(impossible)?;
        let column = conflict
            .definition
            .as_deref()
            .and_then(|name| name.strip_prefix(&*node.name)?.strip_prefix('.'));
        self.user_files.insert(conflict.file.clone());
        // A push commits the views in the Omni model's own repository.
        if !self.workspace.project.omni_is_repository() {
            self.user_files.insert(conflict.spec.clone());
        }
        if in_omni {
            let text = view
                .with_description(column, agreed.as_deref())
                .ok_or_else(impossible)?;
            self.set_text(&conflict.spec, text);
        }
        if in_dbt {
            let file = self.text(&conflict.file).unwrap_or_default();
            let text = set_description_in_properties((manifest, node), &file, column, agreed.as_deref())
                .ok_or_else(impossible)?;
            self.set_text(&conflict.file, text);
        }
        Ok(())
    }

    /// Returns the Omni view in a file, with the new contents of the file.
    fn pulled_omni_view(&self, file: &str) -> Option<PulledView> {
        omni::pulled_view(self.workspace, file, self.text(file)?)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.changed_texts
            .get(path)
            .map(|(_, text)| text.clone())
            .or_else(|| read_project_file(&self.workspace.root, path))
    }

    fn set_text(&mut self, path: &str, text: String) {
        let before = self
            .changed_texts
            .remove(path)
            .map_or_else(|| read_project_file(&self.workspace.root, path), |(before, _)| before);
        self.changed_texts.insert(path.to_owned(), (before, text));
    }

    /// Writes the files and returns their paths.
    pub fn write(mut self, session: &Session) -> Result<Vec<String>, Failure> {
        self.restore_files()?;
        self.notes.iter().for_each(|note| session.report_action(note));
        let (mut changes, mut written) = (Vec::new(), Vec::new());
        let generated = self.workspace.output_folders().0;
        for (path, (before, after)) in self.changed_texts {
            let crlf = before.as_ref().is_some_and(|before| before.contains("\r\n"));
            let after = if crlf {
                after.replace('\r', "").replace('\n', "\r\n")
            } else {
                after
            };
            if before.as_ref() == Some(&after) {
                continue;
            }
            session.report_action(&format!("wrote {path}"));
            written.push(path.clone());
            // Save rejected content that no commit contains, and all rejected edits to generated files.
            if let Some(before) = &before
                && (path.starts_with(&generated) || saved_copies::has_uncommitted_changes(self.workspace, &path))
            {
                changes.extend(saved_copies::save_copy(session, self.workspace, &path, before));
            }
            changes.push(TextChange::new(&path, before, Some(after)));
        }
        apply::apply_without_commit(self.workspace, changes)?;
        let (user_files, pushed_files): (Vec<_>, Vec<_>) =
            written.iter().partition(|path| self.user_files.contains(*path));
        if !user_files.is_empty() {
            let what = "commit the change yourself, because `formulac push` does not commit these files";
            session.report_action(what);
        }
        if !pushed_files.is_empty() || user_files.is_empty() {
            session.report_action("run `formulac push` to finish");
        }
        Ok(written)
    }
}

/// Returns whether the text is the formula of the definition that has the conflict.
fn is_formula(ours: &CurrentSpec, conflict: &Conflict, text: &str) -> bool {
    let mut definitions = ours.compiled.definitions().iter();
    definitions.any(|definition| {
        Some(definition.name()) == conflict.definition.as_deref()
            && collapse_whitespace(definition.formula()) == collapse_whitespace(text)
    })
}
