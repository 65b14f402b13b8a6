//! Resolves a conflict: removes an edit from its file, or transfers the edit to the spec, where it overwrites the
//! spec's version.

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::manual_edits::{ManualEdit, ModelFileKind, Property};
use super::reconcile::ReconcileTools;
use super::state::normalize_line_endings;
use super::{lines, write_back};
use crate::decompile::{Substitution, apply_replacements, with_formula};
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits, parse_value};

/// Replaces an edit with the text that formulac wrote, and returns the file. Returns `None` if the text cannot be
/// determined.
#[must_use]
pub fn replace_edit_with_generated_text(edit: &ManualEdit, model: &str, file: &str) -> Option<String> {
    if let (true, Some(before)) = (edit.concerns_whole_file(), &edit.before) {
        // Another edit in the file may already have been undone.
        let merged = edit
            .after
            .as_deref()
            .and_then(|after| lines::merge(after, before, file));
        return Some(merged.unwrap_or_else(|| before.clone()));
    }
    let in_yaml = ModelFileKind::new(&edit.file, model) == ModelFileKind::Properties;
    match edit.property {
        Property::Description | Property::Tests | Property::Config if in_yaml => {
            apply_edits(file, &[undo_edit(edit, model, file)?]).ok()
        }
        _ => {
            let (before, after) = (
                edit.before.as_ref()?,
                edit.after.as_ref().filter(|after| !after.is_empty())?,
            );
            let text = normalize_line_endings(file);
            let begin: usize = text
                .split_inclusive('\n')
                .take(edit.line.saturating_sub(1))
                .map(str::len)
                .sum();
            let at = begin + text.get(begin..)?.find(after.as_str())?;
            Some([text.get(..at)?, before, text.get(at + after.len()..)?].concat())
        }
    }
}

/// Removes conflicting edits from a model's SQL, with the replacements in [`Conflict::restored`]. Returns `None` if the
/// edits overlap.
#[must_use]
pub fn restore_conflicting_sql(file: &str, restored: &[Substitution]) -> Option<String> {
    apply_replacements(&normalize_line_endings(file), restored.iter().collect())
}

/// Returns the YAML edit that undoes a manual edit to a properties file.
fn undo_edit(edit: &ManualEdit, model: &str, file: &str) -> Option<Edit> {
    let node = Path::root().key("models").item("name", model);
    let node = match &edit.definition {
        Some(column) => node.key("columns").item("name", column),
        None => node,
    };
    let (before, after) = &edit.values;
    let at = match edit.property {
        Property::Description => node.key("description"),
        Property::Tests => {
            let tests = node.key("data_tests");
            return match (before, after) {
                (None, Some(YamlValue::Text(item))) => Some(Edit::Remove { at: tests.scalar(item) }),
                (None, Some(item)) => {
                    let position = position_of_test(file, model, edit.definition.as_deref(), item)?;
                    Some(Edit::Remove {
                        at: tests.position(position),
                    })
                }
                (Some(item), None) => Some(Edit::Add {
                    to: tests,
                    value: item.clone(),
                }),
                _ => None,
            };
        }
        _ => node.key("config").key(&edit.detail),
    };
    Some(match before {
        Some(value) => Edit::Set {
            at,
            value: value.clone(),
            after: vec!["name".to_owned()],
        },
        None => Edit::Remove { at },
    })
}

/// Returns the position of a data test in the list of a column or of the model in a properties file.
fn position_of_test(file: &str, model: &str, column: Option<&str>, test: &YamlValue) -> Option<usize> {
    let root = parse_value(file)?;
    let mut node = find_by_name(root.get("models")?, model)?;
    if let Some(column) = column {
        node = find_by_name(node.get("columns")?, column)?;
    }
    let YamlValue::List(tests, _) = node.get("data_tests")? else {
        return None;
    };
    tests.iter().position(|own| own.is_same_value(test))
}

/// Returns the item with this name in a list of models or columns in a properties file.
pub(super) fn find_by_name<'v>(list: &'v YamlValue, name: &str) -> Option<&'v YamlValue> {
    let YamlValue::List(items, _) = list else { return None };
    let is_named = |item: &&YamlValue| item.get("name").and_then(YamlValue::as_text) == Some(name);
    items.iter().find(is_named)
}

/// Returns the spec in which the file's version of the conflicting part replaces the spec's version. If no spec can
/// express the file's formula, reverts the spec's own change, so that the edit remains in the file. Returns `None` if
/// neither is possible, or if the conflict concerns other definitions that read the edited column.
#[must_use]
pub fn apply_edit_to_spec(
    conflict: &Conflict,
    model: &str,
    ours: &CurrentSpec,
    tools: ReconcileTools<'_>,
) -> Option<String> {
    // If the conflict concerns readers of the column, the spec did not change, so the spec contains no formula for the
    // edit to replace.
    let edit = conflict.edit.as_ref().filter(|_| conflict.readers.is_empty())?;
    if conflict.property == Property::Formula || conflict.clause().is_some() {
        let formula = conflict.theirs_formula.as_ref().or(conflict.base.as_ref())?;
        return with_formula_in_conflict(conflict, ours, formula);
    }
    // The column may have a different name in the file.
    let edit = ManualEdit {
        definition: conflict.definition.clone(),
        ..edit.clone()
    };
    spec_with_edited_value(&edit, model, ours, tools)
}

/// Returns the spec with the base's value of the description, test or setting that has the conflict. Returns `None` if
/// the conflict concerns another part, or if no spec can express the value.
#[must_use]
pub fn restore_base_value(
    conflict: &Conflict,
    model: &str,
    ours: &CurrentSpec,
    tools: ReconcileTools<'_>,
) -> Option<String> {
    let edit = conflict.edit.as_ref().filter(|edit| !edit.concerns_whole_file())?;
    let (base, theirs) = &edit.values;
    let to_base = ManualEdit {
        definition: conflict.definition.clone(),
        before: edit.after.clone(),
        after: edit.before.clone(),
        values: (theirs.clone(), base.clone()),
        ..edit.clone()
    };
    spec_with_edited_value(&to_base, model, ours, tools)
}

/// Returns the spec with the edited value of a property. Returns `None` if no spec can express the value.
fn spec_with_edited_value(
    edit: &ManualEdit,
    model: &str,
    ours: &CurrentSpec,
    tools: ReconcileTools<'_>,
) -> Option<String> {
    let has_edited_value = |source: &String| {
        let compiled_spec = tools.compile(&ours.spec, source);
        compiled_spec.is_some_and(|spec| spec.has_edited_value(model, edit))
    };
    let candidates = write_back::specs_with_transferred_edit(&ours.source, edit);
    candidates.into_iter().find(has_edited_value)
}

/// Returns the spec with a different formula for the definition that has the conflict. Returns `None` if the conflict
/// does not concern a formula. An empty formula removes a condition.
#[must_use]
pub fn with_formula_in_conflict(conflict: &Conflict, ours: &CurrentSpec, formula: &str) -> Option<String> {
    if conflict.clause().is_some() {
        return conflict.with_condition(&ours.source, formula);
    }
    let name = conflict
        .definition
        .as_deref()
        .filter(|_| conflict.property == Property::Formula && !formula.is_empty())?;
    let (step, _) = ours.definition(name, conflict.step.as_deref())?;
    with_formula(&ours.source, step.as_deref(), name, formula).ok()
}
