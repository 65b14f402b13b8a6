//! Conflicts between manual edits to the structure of a model's SQL and changes to its spec: conditions, and columns
//! that are added, removed or renamed.

use super::StructureEdit;
use crate::conflict::Conflict;
use crate::current_spec::CurrentSpec;
use crate::decompile::{FilePartPosition, SqlEdits, has_column, restore_edited_column, uses_name, with_formula};
use crate::formula_edits::EditedFormulas;
use crate::manual_edits::{ManualEdit, Property, whole_file_edit};
use crate::merge_generated_file::merge_generated_file;
use crate::model::SpecDefinition;
use crate::model_properties::ModelProperties;
use crate::model_reconciler::ModelReconciler;
use crate::properties::line_number_at;
use crate::reconcile::{ModelVersions, ReconcileTools, reconcile};
use crate::resolve::with_formula_in_conflict;
use crate::yaml::{self, Node};

/// Result of comparing an edit with the spec's change to the same part.
pub(super) enum SpecChangeComparison {
    /// The spec already generates the edited SQL.
    Same,
    /// The spec has a different formula.
    Different(Box<Conflict>),
}

impl ModelReconciler<'_> {
    /// Compares the current spec with an edit that cannot be transferred. `None` if the spec did not change the same
    /// part, or if the edit cannot be separated from the rest of the file.
    pub(super) fn compare_with_spec_change(
        &self,
        edit: &StructureEdit,
        manual_edit: &ManualEdit,
    ) -> Option<SpecChangeComparison> {
        let (edited_sql, position) = (self.edited_sql?, manual_edit.position.as_ref()?);
        let base = self.base_spec.as_ref()?;
        // `self.ours` already contains transferred edits, so use the user's spec for the comparison.
        if self.sides.ours.is_none_or(|ours| ours.source == base.source) {
            return None;
        }
        let theirs = self.transfer_to_base(base, manual_edit);
        let mut conflict = match edit {
            StructureEdit::Condition { cte, clause, .. } => {
                let condition_of = |spec: &CurrentSpec, key: &str| {
                    let root = yaml::parse_root(&spec.source)?;
                    Some(condition(&root, cte.as_deref(), key)?.text()?.to_owned())
                };
                let other = if *clause == "where" { "having" } else { "where" };
                // The condition of a later select may come from the spec's other key (`where` or `having`), so compare
                // both keys.
                let is_changed = |key: &&str| match &theirs {
                    Some(theirs) => condition_of(theirs, key) != condition_of(base, key),
                    None => condition_of(&self.ours, key) != condition_of(base, key),
                };
                let key = [*clause, other].into_iter().find(is_changed)?;
                let mut conflict =
                    self.build_conflict(manual_edit, condition_of(base, key), condition_of(&self.ours, key));
                conflict.theirs_formula = theirs.as_ref().and_then(|theirs| condition_of(theirs, key));
                let root = yaml::parse_root(&self.ours.source)?;
                conflict.step = cte.clone().filter(|cte| step(&root, Some(cte)).is_some());
                key.clone_into(&mut conflict.detail);
                let node = condition(&root, cte.as_deref(), key);
                conflict.spec_line = node.map(|node| line_number_at(&self.ours.source, node.span.start as usize));
                conflict
            }
            StructureEdit::Added(name) => {
                let definition_of = |spec: &CurrentSpec| spec.definition(name, None);
                let (step, formula) = definition_of(&self.ours)?;
                let mut conflict = self.build_conflict(
                    manual_edit,
                    definition_of(base).map(|(_, formula)| formula),
                    Some(formula),
                );
                conflict.theirs_formula = theirs.as_ref().and_then(definition_of).map(|(_, formula)| formula);
                conflict.step = step;
                conflict.definition = Some(name.clone());
                conflict.property = Property::Formula;
                conflict.spec_line = self.ours.line(name);
                conflict
            }
            _ => return None,
        };
        if conflict.base == conflict.ours {
            return None;
        }
        let same = conflict.theirs_formula.as_ref().and_then(|formula| {
            let text = with_formula_in_conflict(&conflict, &self.ours, formula)?;
            self.tools.compile(&self.ours.spec, &text)
        });
        if same.is_some_and(|same| same.sql_bodies() == self.ours.sql_bodies()) {
            return Some(SpecChangeComparison::Same);
        }
        // A new column is not in the files of the last push, so also search the current files.
        let generated = [&self.base.files, &self.ours.files].map(|files| files.get(&manual_edit.file));
        let dialect = self.ours.compiled.dialect();
        let restored = generated.into_iter().flatten();
        let mut restored = restored.map(|generated| restore_edited_column(generated, edited_sql, dialect, position));
        conflict.restored = restored.find(|restored| !restored.is_empty())?;
        Some(SpecChangeComparison::Different(Box::new(conflict)))
    }

    /// Explains why a new clause is not transferred to a spec: the spec's key contains the condition of another clause
    /// of the query. `candidate` is the spec with only the new condition.
    pub fn explain_existing_condition(&self, edit: &StructureEdit, candidate: &str) -> Option<String> {
        let StructureEdit::Condition {
            cte, clause, before, ..
        } = edit
        else {
            return None;
        };
        let condition_of = |source: &str| {
            let root = yaml::parse_root(source)?;
            Some(condition(&root, cte.as_deref(), clause)?.text()?.to_owned())
        };
        let (old, new) = (condition_of(&self.ours.source)?, condition_of(candidate)?);
        before.is_empty().then(|| {
            format!(
                "another clause of the query contains the spec's `{clause}`; write both conditions in the spec, as in \
                 `{clause}: AND({old}, {new})`"
            )
        })
    }

    /// Returns the conflict if an edit removes or renames a column whose definition the spec has also changed, renamed
    /// or removed. `columns` contains the positions of the edited parts, `manual_edits` contains the edits to these
    /// parts, and `added` contains the new columns of the SQL.
    pub fn compare_with_definition_change(
        &self,
        edit: &StructureEdit,
        columns: &[FilePartPosition],
        manual_edits: &[&ManualEdit],
        added: &[String],
    ) -> Option<Conflict> {
        let (old, new) = match edit {
            StructureEdit::Removed(old) => (old, None),
            StructureEdit::Renamed(old, new) => (old, Some(new)),
            _ => return None,
        };
        let (edited_sql, base, ours) = (self.edited_sql?, self.base_spec.as_ref()?, self.sides.ours?);
        let (first, written) = (manual_edits.first()?, self.base.files.get(&manual_edits.first()?.file)?);
        let (_, formula) = base.definition(old, None)?;
        let changed = self.definition_change(base, ours, (old, &formula), new, added)?;
        let before_edit = self.with_base_spec(base);
        let transferred = before_edit.transfer_structure_edit(edit, columns, edited_sql);
        // Treat a removed and an added column as one renamed column only if the spec of the last push, with the new
        // name, generates the edited SQL.
        let transferred = match new {
            Some(_) => Some(transferred.ok()?),
            None => transferred.ok(),
        };
        let dialect = ours.compiled.dialect();
        // Contents of the file without this edit, but with the other edits.
        let restored = transferred
            .as_ref()
            .and_then(|transferred| transferred.ours.files.get(&first.file))
            .and_then(|removed| {
                merge_generated_file(&first.file, self.sides.model, dialect, [removed, written, edited_sql])
            })
            .unwrap_or_else(|| written.clone());
        let mut conflict = self.build_conflict(first, Some(formula), changed);
        conflict.definition = Some(old.clone());
        conflict.step = None;
        conflict.property = Property::Formula;
        conflict.detail.clear();
        conflict.spec_line = ours.line(old);
        conflict.theirs = new.and_then(|new| Some(format!("{} as {new}", manual_edits.last()?.after.as_ref()?)));
        conflict.restored.clear();
        conflict.edit = Some(ManualEdit {
            line: first.line,
            ..whole_file_edit(&first.file, &restored, edited_sql, Property::Text)
        });
        Some(conflict)
    }

    /// Returns the conflict if the spec has changed a helper of the edited column: a definition that is not a column
    /// itself, so that its formula is part of the column's SQL. `formula` is the column's formula in the spec.
    pub fn compare_with_helper_definition_change(&self, edit: &ManualEdit, formula: &str) -> Option<Conflict> {
        let (base, ours, position) = (self.base_spec.as_ref()?, self.sides.ours?, edit.position.as_ref()?);
        let dialect = ours.compiled.dialect();
        let [before, now] = [base, ours].map(|spec| spec.files.get(&edit.file));
        let changed = SqlEdits::from_texts(before?, now?, dialect).items;
        if !changed.iter().any(|item| item.position == *position) {
            return None;
        }
        let mut names = vec![formula.to_owned()];
        let mut helpers: Vec<&str> = Vec::new();
        while let Some(formula) = names.pop() {
            let definitions = ours.compiled.definitions().iter();
            let is_helper = |name: &&str| {
                uses_name(&formula, name)
                    && !helpers.contains(name)
                    && now.is_some_and(|sql| !has_column(sql, name, dialect))
            };
            let new: Vec<&str> = definitions.map(SpecDefinition::name).filter(is_helper).collect();
            names.extend(new.iter().filter_map(|name| Some(ours.definition(name, None)?.1)));
            helpers.extend(new);
        }
        let theirs = self.transfer_to_base(base, edit);
        let is_changed = |name: &&str| {
            let [last, now] = [base, ours].map(|spec| spec.definition(name, None));
            last.is_some() && last.map(|(_, formula)| formula) != now.map(|(_, formula)| formula)
        };
        let helper = helpers.into_iter().find(is_changed)?;
        let formula_in = |spec: &CurrentSpec| spec.definition(helper, None).map(|(_, formula)| formula);
        let mut conflict = self.build_conflict(edit, formula_in(base), formula_in(ours));
        conflict.definition = Some(helper.to_owned());
        conflict.step = ours.definition(helper, None)?.0;
        conflict.spec_line = ours.line(helper);
        conflict.theirs_formula = theirs
            .as_ref()
            .and_then(formula_in)
            .filter(|formula| Some(formula) != conflict.base.as_ref());
        Some(conflict)
    }

    /// Compares a definition with its formula in the last push. Returns the spec's formula, or its new name and formula
    /// if the spec renames it, or `Some(None)` if the spec removes it. Returns `None` if the spec's formula generates
    /// the same SQL as the formula of the last push, or if the spec also contains the change that was made in the file.
    /// In the file, the column has the name `new` or is missing.
    fn definition_change(
        &self,
        base: &CurrentSpec,
        ours: &CurrentSpec,
        (old, formula): (&str, &str),
        new: Option<&String>,
        added: &[String],
    ) -> Option<Option<String>> {
        if let Some((step, own)) = ours.definition(old, None) {
            let with_base = || with_formula(&ours.source, step.as_deref(), old, formula).ok();
            let is_same = own == formula
                || with_base()
                    .and_then(|text| self.tools.compile(&ours.spec, &text))
                    .is_some_and(|with_base| with_base.sql_bodies() == ours.sql_bodies());
            return (!is_same).then_some(Some(own));
        }
        let is_new = |name: &str| base.definition(name, None).is_none() && !added.iter().any(|own| own == name);
        let mut definitions = ours.compiled.definitions().iter().map(SpecDefinition::name);
        if new.is_some_and(|new| definitions.clone().any(|name| name == new)) {
            return None;
        }
        let renamed = definitions.find_map(|name| {
            let (_, own) = ours.definition(name, None)?;
            (is_new(name) && own == formula).then(|| format!("{name} = {own}"))
        });
        (renamed.is_some() || new.is_some()).then_some(renamed)
    }

    /// Returns a reconciler whose spec is the spec of the last push.
    fn with_base_spec<'r>(&'r self, base: &'r CurrentSpec) -> ModelReconciler<'r> {
        ModelReconciler {
            sides: ModelVersions {
                ours: Some(base),
                ..self.sides
            },
            base: self.base,
            ours: base.clone(),
            tools: ReconcileTools {
                compiler: self.base_compiler,
                ..self.tools
            },
            base_compiler: self.base_compiler,
            edited_sql: self.edited_sql,
            edited_model: self.edited_model,
            base_spec: None,
            base_properties: ModelProperties::new(),
            formulas: EditedFormulas::default(),
            renamed: Vec::new(),
            renamed_in_spec: Vec::new(),
        }
    }

    /// Transfers the manual edits to the spec of the last push, and returns the result. `None` if the spec cannot
    /// express the edit `manual_edit`.
    fn transfer_to_base(&self, base: &CurrentSpec, manual_edit: &ManualEdit) -> Option<CurrentSpec> {
        let ModelReconciler { sides, tools, .. } = self.with_base_spec(base);
        let done = reconcile(sides, Vec::new(), || tools);
        let is_edit = |edit: &ManualEdit| (&edit.file, edit.line) == (&manual_edit.file, manual_edit.line);
        let source = done.source.filter(|_| done.carried.iter().any(is_edit))?;
        tools.compile(&base.spec, &source)
    }
}

/// Returns the step with this name. `None` if no step has the name.
fn step<'n>(root: &'n Node, name: Option<&str>) -> Option<&'n Node> {
    let steps = root.items_at("steps").iter();
    let is_named = |step: &&Node| {
        let step_name = step.text_at("name");
        step_name
            .zip(name)
            .is_some_and(|(step_name, name)| step_name.eq_ignore_ascii_case(name))
    };
    steps.rev().find(is_named)
}

/// Returns the condition of a step. The default is the last step, or the whole spec if there are no steps.
fn condition<'n>(root: &'n Node, name: Option<&str>, clause: &str) -> Option<&'n Node> {
    let last = root.items_at("steps").last().unwrap_or(root);
    step(root, name).unwrap_or(last).get(clause)
}
