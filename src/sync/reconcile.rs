//! Reconciles a model's spec with its files after both changed since the base. This module merges the changes,
//! transfers changes from one side to the other, and reports conflicts that a user must resolve.

use std::collections::BTreeMap;

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::formula_edits::EditedFormulas;
use super::kept_edit_conflicts::{add_conflicts_of_new_metrics, add_conflicts_of_shared_columns};
use super::manual_edits::{ManualEdit, Property, manual_edits_between};
use super::merge_files::{TextChange, merge_files};
use super::model_properties::specified_properties;
use super::model_reconciler::{ModelReconciler, is_edit_of_model_sql};
use super::renamed_ctes::SqlWithRenamedCtes;
use super::renamed_definitions::{RenamedDefinition, renamed_definitions};
use super::spec_changes::SpecChanges;
use super::state::{PushState, normalize_line_endings};
use crate::dbt::is_unmodified;
use crate::decompile::{Decompiler, EditedModel};
use crate::dialect::Dialect;
use crate::{Compiler, parallel};

/// Base, spec and files of a model.
#[derive(Clone, Copy, Debug)]
pub struct ModelVersions<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Versions of the base. Empty before the first push. Two versions if git could not merge them.
    pub bases: &'a [PushState],
    /// The spec. `None` if the spec was removed.
    pub ours: Option<&'a CurrentSpec>,
    /// Files in the work tree, by path.
    pub files: &'a BTreeMap<String, String>,
}

/// Result of reconciling the manual edits in a model's files.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReconcileResult {
    /// The spec, including the transferred edits. `None` if no edits were transferred.
    pub source: Option<String>,
    /// Edits that were transferred to the spec, or that the spec already contains.
    pub carried: Vec<ManualEdit>,
    /// Edits that exist only in the files.
    pub kept: Vec<ManualEdit>,
    /// Conflicts that a user must resolve.
    pub conflicts: Vec<Conflict>,
    /// Columns that the transferred edits rename.
    pub(super) renamed: Vec<RenamedDefinition>,
}

/// Tools for converting SQL to formulas and for compiling other versions of a spec.
#[derive(Clone, Copy, Debug)]
pub struct ReconcileTools<'t> {
    /// Compiler for the spec. Its schema includes all relations that the spec reads.
    pub compiler: &'t Compiler,
    /// Decompiler, which all models share.
    pub decompiler: &'t Decompiler,
    /// Folders for models and tests, relative to the project's folder.
    pub folders: (&'t str, &'t str),
    /// New paths of moved files, by their default paths in `folders`.
    pub moved_paths: &'t BTreeMap<String, String>,
}

impl ReconcileTools<'_> {
    /// Compiles a version of a spec. `None` if the spec generates no model.
    #[must_use]
    pub fn compile(&self, spec: &str, text: &str) -> Option<CurrentSpec> {
        let compiled = self.compiler.compile_spec_at(text, Some(spec));
        let mut current_spec = CurrentSpec::new(spec, text, compiled, self.folders.0, self.folders.1)?;
        current_spec.files = current_spec
            .files
            .into_iter()
            .map(|(path, text)| (self.moved_paths.get(&path).cloned().unwrap_or(path), text))
            .collect();
        Some(current_spec)
    }

    /// Compiles the spec of the last push, with the metric sets of the last push.
    pub(super) fn compile_base(&self, base: &PushState) -> Option<CurrentSpec> {
        let base_tools = ReconcileTools {
            compiler: &base.compiler(self.compiler),
            ..*self
        };
        base_tools.compile(&base.spec, &base.source)
    }
}

/// Maximum number of times that the remaining edits are compared with the spec that contains the other edits.
const MAX_ROUNDS: usize = 3;

/// Reconciles the current spec with the edits that users made in the files and elsewhere (`more`).
#[must_use]
pub fn reconcile<'t>(
    sides: ModelVersions<'_>,
    more: Vec<ManualEdit>,
    tools: impl Fn() -> ReconcileTools<'t>,
) -> ReconcileResult {
    let renamed_ctes = SqlWithRenamedCtes::of_model(sides);
    let files = renamed_ctes
        .as_ref()
        .map(|sql| sql.files_with_generated_names(sides.files));
    let sides = ModelVersions {
        files: files.as_ref().unwrap_or(sides.files),
        ..sides
    };
    let mut done = reconcile_with_base(sides, more, &tools);
    let is_changed = |base: &&PushState| {
        sides
            .ours
            .is_some_and(|ours| base.source != normalize_line_endings(&ours.source))
    };
    let base = sides.bases.first().filter(is_changed).filter(|_| done.source.is_some());
    let base = base.and_then(|base| tools().compile_base(base));
    let changes = base.as_ref().zip(sides.ours);
    let changes = changes.and_then(|(base, ours)| SpecChanges::new(base, ours));
    // The result must never lose a change to the spec.
    let keeps_changes = |done: &ReconcileResult| {
        changes.as_ref().zip(sides.ours).is_none_or(|(changes, ours)| {
            let new = tools().compile(&ours.spec, done.source.as_deref().unwrap_or_default());
            new.is_some_and(|new| changes.are_preserved_in(&new, &done.renamed))
        })
    };
    if !keeps_changes(&done) {
        done.kept.append(&mut done.carried);
        done.source = None;
    }
    // Some edits can be converted to a formula only after another edit is transferred. Without another round, the next
    // push would transfer these edits.
    for _ in 0..MAX_ROUNDS {
        let renamed = changes.as_ref().map_or(&[][..], |changes| &changes.renamed);
        match reconcile_remaining_edits(sides, &done, renamed, &tools).filter(keeps_changes) {
            Some(next) => done = next,
            None => break,
        }
    }
    add_conflicts_of_new_metrics(sides, &mut done, &tools);
    add_conflicts_of_shared_columns(sides, &mut done, &tools);
    mark_edits_already_in_spec(sides, &mut done.carried);
    for conflict in &mut done.conflicts {
        if let Some(sql) = &renamed_ctes {
            sql.convert_conflict(conflict);
        }
    }
    done
}

/// Marks the edits that the spec already contained before the transfer: the files that the spec generates contain these
/// edits.
fn mark_edits_already_in_spec(sides: ModelVersions<'_>, carried: &mut [ManualEdit]) {
    let Some(ours) = sides.ours.filter(|_| !carried.is_empty()) else {
        return;
    };
    let remaining = edits_to_generated_files(sides, &ours.files, ours.compiled.dialect());
    for edit in carried {
        edit.is_in_spec = ours.files.contains_key(&edit.file) && !contains_edit(&remaining, edit);
    }
}

/// Returns whether a list of edits contains an edit to the same part of the same file.
fn contains_edit(edits: &[ManualEdit], edit: &ManualEdit) -> bool {
    edits.iter().any(|other| {
        // A removed property has no line in the file.
        let is_same_place =
            other.line == edit.line || edit.position.is_none() && other.property_target() == edit.property_target();
        (&other.file, &other.after) == (&edit.file, &edit.after) && is_same_place
    })
}

/// Compares the edits that remain in the model's SQL with the spec that contains the transferred edits, as the next
/// push would. `renamed` contains the definitions that the spec renames. Returns `None` if the comparison does not
/// change the spec.
fn reconcile_remaining_edits<'t>(
    sides: ModelVersions<'_>,
    done: &ReconcileResult,
    renamed: &[RenamedDefinition],
    tools: impl Fn() -> ReconcileTools<'t>,
) -> Option<ReconcileResult> {
    let source = done.source.as_deref().filter(|_| done.conflicts.is_empty())?;
    done.kept.iter().find(|edit| is_edit_of_model_sql(sides.model)(edit))?;
    let ours = tools().compile(&sides.ours?.spec, source)?;
    let base = PushState::from_pushed(sides.model, &ours);
    // The files of the next push also contain the changes to the spec since the last push. Without these changes, a
    // file would seem to undo them.
    let current = ModelVersions {
        ours: Some(&ours),
        ..sides
    };
    let (changes, conflicts) = merge_files(current, [&done.kept, &done.carried], &[renamed, &done.renamed].concat());
    if !conflicts.is_empty() {
        return None;
    }
    let mut files = sides.files.clone();
    for TextChange { path, after, .. } in changes {
        match after {
            Some(text) => files.insert(path, text),
            None => files.remove(&path),
        };
    }
    let pushed = ModelVersions {
        bases: std::slice::from_ref(&base),
        files: &files,
        ..current
    };
    let again = reconcile_with_base(pushed, Vec::new(), tools);
    let mut next = ReconcileResult {
        source: Some(again.source.filter(|_| again.conflicts.is_empty())?),
        renamed: [done.renamed.clone(), again.renamed].concat(),
        carried: done.carried.clone(),
        ..ReconcileResult::default()
    };
    for edit in &done.kept {
        let is_same = |other: &&ManualEdit| {
            other.is_same_sql_edit(edit)
                && (edit.position.is_some() || other.property_target() == edit.property_target())
        };
        match again.carried.iter().find(is_same) {
            Some(carried) => next.carried.push(ManualEdit {
                line: edit.line,
                ..carried.clone()
            }),
            None => next.kept.push(edit.clone()),
        }
    }
    Some(next)
}

/// Reconciles the spec with the edits, relative to the base of the last push.
pub(super) fn reconcile_with_base<'t>(
    sides: ModelVersions<'_>,
    more: Vec<ManualEdit>,
    tools: impl Fn() -> ReconcileTools<'t>,
) -> ReconcileResult {
    let mut done = ReconcileResult::default();
    let (Some(base), Some(ours)) = (sides.bases.first(), sides.ours) else {
        return done;
    };
    let dialect = ours.compiled.dialect();
    let mut edits = edits_to_generated_files(sides, &base.files, dialect);
    edits.extend(more);
    if edits.is_empty() {
        return done;
    }
    let tools = tools();
    // If a definition or a description was edited, the definitions of the base are needed for a comparison with the
    // spec. The default description is the formula, and the spec may rename the definition.
    let needs_base = |edit: &ManualEdit| {
        edit.definition.is_some() || edit.property == Property::Description || is_edit_of_model_sql(sides.model)(edit)
    };
    let is_formula = edits.iter().any(needs_base);
    let base_compiler = base.compiler(tools.compiler);
    let before = if is_formula { tools.compile_base(base) } else { None };
    let base_properties = specified_properties(sides.model, &base.files);
    let model_edit = edits.iter().find(|edit| is_edit_of_model_sql(sides.model)(edit));
    let edited_text = model_edit.and_then(|edit| Some(normalize_line_endings(sides.files.get(&edit.file)?)));
    let edited = edited_text
        .as_deref()
        .and_then(|edited_sql| EditedModel::new(&base_compiler, &base.source, Some(&base.spec), edited_sql));
    let renamed_in_spec = before
        .as_ref()
        .map(|before| renamed_definitions(&before.compiled, &ours.compiled));
    let mut work = ModelReconciler {
        sides,
        base,
        base_spec: before,
        renamed: Vec::new(),
        renamed_in_spec: renamed_in_spec.unwrap_or_default(),
        ours: ours.clone(),
        tools,
        base_compiler: &base_compiler,
        edited_sql: edited_text.as_deref(),
        edited_model: edited.as_ref(),
        base_properties,
        formulas: EditedFormulas::default(),
    };
    work.apply_word_replacements(&mut edits, &mut done);
    work.apply_structure_edits(&mut edits, &mut done);
    work.apply_word_replacements_despite_other_edits(&mut edits, &mut done);
    work.reconcile_replaced_tests(&mut edits, &mut done);
    // A list of tests that becomes empty is removed from the spec, so new tests are added first.
    edits.sort_by_key(|edit| edit.property == Property::Tests && edit.after.is_none());
    work.find_formulas_together(&edits);
    work.transfer_value_edits_together(&edits);
    for edit in edits {
        work.reconcile_edit(edit, &mut done);
    }
    if work.ours.source != ours.source {
        // The spec with the transferred edits may also produce further edits in the file.
        let manual_edits = edits_to_generated_files(sides, &work.ours.files, dialect);
        let is_left = |edit: &ManualEdit| edit.concerns_whole_file() || contains_edit(&manual_edits, edit);
        let (kept, carried): (Vec<_>, Vec<_>) = done.kept.drain(..).partition(is_left);
        done.kept = kept;
        done.carried.extend(carried);
        done.source = Some(work.ours.source);
        done.renamed = work.renamed;
    }
    done
}

/// Returns the edits that users made to generated files.
fn edits_to_generated_files(
    sides: ModelVersions<'_>,
    generated: &BTreeMap<String, String>,
    dialect: Dialect,
) -> Vec<ManualEdit> {
    manual_edits_between(sides.model, generated, &edited_files(sides, generated), dialect)
}

/// Returns the files that users edited, by path. A file counts as unedited if formulac wrote its contents at any time.
pub(super) fn edited_files(sides: ModelVersions<'_>, generated: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_known = |path: &String, text: &String| {
        let is_one_of = |files: &BTreeMap<String, String>| files.get(path) == Some(text);
        sides.bases.iter().any(|base| is_one_of(&base.files)) || sides.ours.is_some_and(|ours| is_one_of(&ours.files))
    };
    let edited_files = generated.iter().filter_map(|(path, generated)| {
        let theirs = sides.files.get(path)?;
        let text = normalize_line_endings(theirs);
        // The hash is computed last, because comparing the contents is faster.
        let is_ours = is_known(path, &text) || is_unmodified(theirs);
        Some((path.clone(), if is_ours { generated.clone() } else { text }))
    });
    edited_files.collect()
}

/// Reconciles many models. The results have the same order as the models. The models are independent of each other.
#[must_use]
pub fn reconcile_all<'t>(
    models: &[(ModelVersions<'_>, Vec<ManualEdit>)],
    tools: impl Fn() -> ReconcileTools<'t> + Sync,
) -> Vec<ReconcileResult> {
    let reconcile_model = |number: usize| {
        let (sides, more) = models.get(number)?;
        Some(reconcile(*sides, more.clone(), &tools))
    };
    parallel::map_range(models.len(), reconcile_model)
        .into_iter()
        .flatten()
        .collect()
}
