//! Transfers the edits of one model to its spec.

use std::collections::BTreeMap;

use formulac_syntax::text::collapse_whitespace;

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::formula_edits::EditedFormulas;
use super::manual_edits::{ManualEdit, ModelFileKind, Property};
use super::merge_generated_file::{file_merge_conflicts, merge_generated_file};
use super::model_properties::{ModelProperties, specified_properties};
use super::properties::{self, LocatedPropertyValue, PropertyKey};
use super::reconcile::{ModelVersions, ReconcileResult, ReconcileTools, edited_files};
use super::renamed_definitions::RenamedDefinition;
use super::state::{PushState, normalize_line_endings};
use super::write_back;
use crate::Compiler;
use crate::decompile::{EditedModel, MergeConflict, Substitution, replace_formula_names};
use crate::yaml_edit::YamlValue;

/// Model with its base (the state of the last push), its spec, and the edits to transfer to the spec.
pub(super) struct ModelReconciler<'a> {
    pub sides: ModelVersions<'a>,
    pub base: &'a PushState,
    /// The spec with the edits transferred so far.
    pub ours: CurrentSpec,
    pub tools: ReconcileTools<'a>,
    /// Compiler that uses the metric sets of the last push.
    pub base_compiler: &'a Compiler,
    /// The model's SQL with manual edits. `None` if the SQL has no manual edits.
    pub edited_sql: Option<&'a str>,
    /// The model with manual edits, if it is a model built on metric sets.
    pub edited_model: Option<&'a EditedModel<'a>>,
    /// The spec of the base, compiled again. `None` if the spec is not needed.
    pub base_spec: Option<CurrentSpec>,
    /// Properties that the files of the base specify.
    pub base_properties: ModelProperties,
    /// Columns that the transferred edits rename: the names in the last push and in `ours`.
    pub renamed: Vec<(String, String)>,
    /// Definitions that the spec renames: the names in the last push and in the spec.
    pub renamed_in_spec: Vec<RenamedDefinition>,
    /// Results of looking for the formulas of edited columns, by CTE and column.
    pub formulas: EditedFormulas,
}

impl ModelReconciler<'_> {
    pub fn reconcile_edit(&mut self, mut edit: ManualEdit, reconciled: &mut ReconcileResult) {
        if edit.property == Property::Formula {
            return self.reconcile_formula(edit, reconciled);
        }
        if self.reconcile_metric_set_part(&edit, reconciled) {
            return;
        }
        if edit.concerns_whole_file()
            && let Some(reason) = &edit.why
        {
            let mut conflict =
                self.build_conflict(&edit, edit.before.clone(), self.ours.files.get(&edit.file).cloned());
            let line = edit
                .after
                .as_deref()
                .and_then(|text| text.lines().nth(edit.line.saturating_sub(1)));
            let texts = [String::new(), String::new(), line.unwrap_or_default().to_owned()];
            conflict.clashes = vec![MergeConflict::new(reason, edit.line, texts)];
            reconciled.conflicts.push(conflict);
            return;
        }
        let in_spec = self.with_current_name(&edit);
        let (base, ours) = self.edited_values(&in_spec);
        if ours == edit.after {
            reconciled.carried.push(edit);
            return;
        }
        let is_changed = ours != base && !self.has_default_description(&in_spec, [&base, &ours]);
        // If no spec can express an edit, keep the edit in the newly generated code, unless both sides changed the same
        // lines.
        let dialect = self.ours.compiled.dialect();
        let goes_beside = || match (&base, &ours, self.sides.files.get(&edit.file)) {
            (Some(base), Some(ours), Some(theirs)) if edit.concerns_whole_file() => merge_generated_file(
                &edit.file,
                self.sides.model,
                dialect,
                [base, ours, &normalize_line_endings(theirs)],
            )
            .is_some(),
            _ => false,
        };
        // If part of a file has a conflict, the other edits in the file are not transferred until the conflict is
        // resolved.
        let waits =
            edit.concerns_whole_file() && reconciled.conflicts.iter().any(|conflict| conflict.file == edit.file);
        if waits {
            reconciled.kept.push(edit);
            return;
        }
        if self.sides.bases.len() != 1 || (is_changed && !goes_beside()) {
            let mut conflict = self.build_conflict(&edit, base, ours);
            // Use the name of the column in the last push, because the spec still contains this name.
            conflict.definition = in_spec
                .definition
                .as_deref()
                .map(|name| self.column_name_in_spec(name).to_owned());
            reconciled.conflicts.push(conflict);
            return;
        }
        for source in write_back::specs_with_transferred_edit(&self.ours.source, &in_spec) {
            if let Some(carried) = self.compile_with_values(&source, &[&in_spec]) {
                self.ours = carried;
                reconciled.carried.push(edit);
                return;
            }
        }
        let is_code = |value: &YamlValue| properties::render_yaml_strings(value).is_none();
        if matches!(edit.property, Property::Description | Property::Config)
            && edit.values.1.as_ref().is_some_and(is_code)
        {
            edit.why = Some("dbt renders the Jinja, but would not render it in the text of a spec".to_owned());
        }
        reconciled.kept.push(edit);
    }

    /// Returns the values of an edited property in the base and in the spec, in the format of the file.
    pub fn edited_values(&self, edit: &ManualEdit) -> (Option<String>, Option<String>) {
        if edit.concerns_whole_file() {
            return [&self.base.files, &self.ours.files]
                .map(|files| files.get(&edit.file).cloned())
                .into();
        }
        let target = edit.property_target();
        let before = PropertyKey {
            column: target
                .column
                .as_deref()
                .map(|name| self.name_in_last_push(name).to_owned()),
            ..target.clone()
        };
        let now = self.ours.properties(self.sides.model);
        (
            self.base_properties.get(&before).map(LocatedPropertyValue::text),
            now.get(&target).map(LocatedPropertyValue::text),
        )
    }

    /// Returns the name that a column of `ours` has in the user's spec. That spec does not contain the transferred
    /// edits yet.
    fn column_name_in_spec<'n>(&'n self, name: &'n str) -> &'n str {
        let renamed = self.renamed.iter().find(|(_, new)| new == name);
        renamed.map_or(name, |(old, _)| old)
    }

    /// Returns the name that a column of `ours` had in the last push.
    fn name_in_last_push<'n>(&'n self, name: &'n str) -> &'n str {
        let name = self.column_name_in_spec(name);
        let renamed = self.renamed_in_spec.iter().find(|(_, new)| new == name);
        renamed.map_or(name, |(old, _)| old)
    }

    /// Returns the name that a definition of the last push has in the spec.
    pub fn current_name<'n>(&'n self, name: &'n str) -> &'n str {
        let renamed = self.renamed_in_spec.iter().find(|(old, _)| old == name);
        renamed.map_or(name, |(_, new)| new)
    }

    /// Converts a formula of the last push to the definition names of the spec.
    pub fn with_current_names(&self, formula: &str) -> String {
        let names = self.renamed_in_spec.iter();
        let names: Vec<(&str, String)> = names.map(|(old, new)| (old.as_str(), new.clone())).collect();
        match names.as_slice() {
            [] => formula.to_owned(),
            names => replace_formula_names(formula, names),
        }
    }

    /// Returns an edit to a property, with the column's name in `ours`. The properties file may still have the name of
    /// the last push.
    pub fn with_current_name(&self, edit: &ManualEdit) -> ManualEdit {
        let mut renamed = self.renamed.iter().chain(&self.renamed_in_spec);
        let renamed = renamed.find(|(old, _)| edit.definition.as_ref() == Some(old));
        let has_last_name = |old: &str| {
            let properties = specified_properties(self.sides.model, &edited_files(self.sides, &self.base.files));
            properties.keys().any(|target| target.column.as_deref() == Some(old))
        };
        let new = renamed
            .filter(|(old, _)| has_last_name(old))
            .map(|(_, new)| new.clone());
        ManualEdit {
            definition: new.or_else(|| edit.definition.clone()),
            ..edit.clone()
        }
    }

    /// Returns whether an edit changes a default description. If nobody wrote a description, the formula is the
    /// description. The values are the descriptions in the last push and in `ours`.
    pub fn has_default_description(&self, edit: &ManualEdit, [base, ours]: [&Option<String>; 2]) -> bool {
        let Some(name) = edit
            .definition
            .as_deref()
            .filter(|_| edit.property == Property::Description)
        else {
            return false;
        };
        let is_default = |spec: &CurrentSpec, name: &str, text: &str| {
            spec.definition(name, None)
                .is_some_and(|(_, formula)| formula == collapse_whitespace(text))
        };
        let base_spec = self.base_spec.as_ref();
        let is_base_default = base
            .as_ref()
            .is_none_or(|text| base_spec.is_some_and(|spec| is_default(spec, self.name_in_last_push(name), text)));
        is_base_default && ours.as_ref().is_some_and(|text| is_default(&self.ours, name, text))
    }

    /// Compiles a new version of the spec. Returns `None` unless the new spec contains the edited values and no other
    /// changes.
    pub fn compile_with_values(&self, source: &str, edits: &[&ManualEdit]) -> Option<CurrentSpec> {
        let carried = self.tools.compile(&self.ours.spec, source)?;
        let model = self.sides.model;
        let (before, after) = (self.ours.properties(model), carried.properties(model));
        let targets: BTreeMap<PropertyKey, &ManualEdit> =
            edits.iter().map(|edit| (edit.property_target(), *edit)).collect();
        let has_edited_values = targets
            .iter()
            .all(|(target, edit)| after.get(target).map(LocatedPropertyValue::text) == edit.after);
        let others = |properties: &'_ ModelProperties| -> Vec<(PropertyKey, String)> {
            let others = properties.iter().filter(|(target, _)| !targets.contains_key(target));
            others
                .map(|(target, property_value)| (target.clone(), property_value.text()))
                .collect()
        };
        let same = others(before) == others(after);
        let sql = |ours: &CurrentSpec| -> Vec<(String, String)> {
            let files = ours.files.iter().filter(|(path, _)| path.ends_with(".sql"));
            files.map(|(path, text)| (path.clone(), text.clone())).collect()
        };
        (has_edited_values && same && sql(&self.ours) == sql(&carried)).then_some(carried)
    }

    /// Returns the replacements that undo the edit to a column in the model's SQL.
    pub fn substitutions_that_restore_column(&self, edit: &ManualEdit) -> Vec<Substitution> {
        let generated = self
            .base
            .files
            .get(&edit.file)
            .filter(|_| edit.property == Property::Formula);
        match (generated, self.edited_sql) {
            (Some(generated), Some(edited_sql)) => {
                edit.substitutions_that_restore_column(generated, edited_sql, self.ours.compiled.dialect())
            }
            _ => Vec::new(),
        }
    }

    /// Builds the conflict between an edit and the spec's change to the same part.
    pub fn build_conflict(&self, edit: &ManualEdit, base: Option<String>, ours: Option<String>) -> Conflict {
        let dialect = self.ours.compiled.dialect();
        let clashes = match (&base, &ours, &edit.after) {
            (Some(base), Some(ours), Some(theirs)) if edit.concerns_whole_file() => {
                file_merge_conflicts(&edit.file, self.sides.model, dialect, [base, ours, theirs])
            }
            _ => Vec::new(),
        };
        Conflict {
            definition: edit.definition.clone(),
            step: edit.cte.clone(),
            property: edit.property,
            detail: edit.detail.clone(),
            base,
            ours,
            spec: self.ours.spec.clone(),
            spec_line: match edit.property {
                Property::Description => self.ours.description_line(edit.definition.as_deref()),
                _ => edit.definition.as_deref().and_then(|name| self.ours.line(name)),
            },
            theirs: edit.after.clone(),
            theirs_formula: None,
            file: edit.file.clone(),
            line: edit.line,
            edit: Some(edit.clone()),
            clashes,
            readers: Vec::new(),
            restored: self.substitutions_that_restore_column(edit),
            set: None,
        }
    }
}

/// Returns a predicate for edits to a named or located part of a model's SQL.
pub(super) fn is_edit_of_model_sql(model: &str) -> impl Fn(&ManualEdit) -> bool {
    move |edit| ModelFileKind::new(&edit.file, model) == ModelFileKind::Model && !edit.concerns_whole_file()
}
