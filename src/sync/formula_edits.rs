//! Edited SQL columns, whose formulas are transferred to the spec.

use std::collections::{HashMap, HashSet};

use super::kept_edit_conflicts::SAME_VALUES_REASON;
use super::manual_edits::{KEEP_COMMENT, ManualEdit, Property};
use super::metric_set_conflicts::EditedMetricColumn;
use super::model_reconciler::ModelReconciler;
use super::reconcile::ReconcileResult;
use crate::Compiler;
use crate::decompile::{DecompiledFormula, EditedDefinitionSource, with_formula, with_formulas};
use crate::model::outline::spec_outline;
use crate::yaml;
use formulac_runtime::bisection::apply_with_bisection;

/// CTE and name of an edited column.
type ColumnKey = (Option<String>, String);

/// Results of a joint search for the formulas of edited columns.
#[derive(Debug, Default)]
pub(super) struct EditedFormulas {
    /// Formula of each column, or the reason why no formula produces its SQL.
    found: HashMap<ColumnKey, Result<DecompiledFormula, String>>,
    /// Columns whose formulas the spec already contains.
    transferred: HashSet<ColumnKey>,
}

/// Formula to transfer to the spec: the edited column, the step of its definition, and the formula.
type FormulaToTransfer = (ColumnKey, Option<String>, String);

fn column_key(edit: &ManualEdit) -> ColumnKey {
    (edit.cte.clone(), edit.definition.clone().unwrap_or_default())
}

impl ModelReconciler<'_> {
    /// Looks for the formulas of all edited columns, and transfers them to the spec. Looking for one formula at a time
    /// would compile the whole spec several times for each column. Columns that also changed in the spec, and columns
    /// of metric sets, are left to [`Self::reconcile_formula`].
    pub fn find_formulas_together(&mut self, edits: &[ManualEdit]) {
        let (Some(edited_sql), None, Some(base_spec)) = (self.edited_sql, self.edited_model, &self.base_spec) else {
            return;
        };
        let is_searched = |edit: &&ManualEdit| edit.property == Property::Formula && !edit.has_keep_comment(edited_sql);
        let (mut keys, mut positions, mut unchanged) = (Vec::new(), Vec::new(), HashMap::new());
        for edit in edits.iter().filter(is_searched) {
            let key = column_key(edit);
            let [base, ours] = [base_spec, &self.ours].map(|spec| spec.definition(&key.1, edit.cte.as_deref()));
            let (Some((base_step, base)), Some((step, ours))) = (base, ours) else {
                continue;
            };
            // The formulas of helper columns may have changed, too.
            let is_same_file =
                base_spec.files.get(&edit.file) == self.sides.ours.and_then(|ours| ours.files.get(&edit.file));
            if is_same_file && ours == base {
                unchanged.insert(key.clone(), step);
            }
            positions.push((base_step, key.1.clone()));
            keys.push(key);
        }
        if keys.len() < 2 {
            return;
        }
        let positions: Vec<(Option<&str>, &str)> = positions
            .iter()
            .map(|(step, name)| (step.as_deref(), name.as_str()))
            .collect();
        let (base, decompiler) = (self.base, self.tools.decompiler);
        let found = decompiler.find_formulas(
            self.base_compiler,
            &base.source,
            Some(&base.spec),
            edited_sql,
            &positions,
        );
        let found = found
            .into_iter()
            .map(|found| found.map_err(|reason| reason.to_string()));
        let found: HashMap<ColumnKey, Result<DecompiledFormula, String>> = keys.iter().cloned().zip(found).collect();
        let new = keys.into_iter().filter_map(|key| {
            let (step, found) = (unchanged.remove(&key)?, found.get(&key)?.as_ref().ok()?);
            Some((key, step, found.formula.clone()))
        });
        let new: Vec<FormulaToTransfer> = new.collect();
        self.formulas.found = found;
        if self.sides.bases.len() == 1 {
            self.transfer_formulas_together(new);
        }
    }

    /// Transfers formulas to the spec. If the spec with all of them has errors, transfers each half of the formulas
    /// separately. A single formula is left to [`Self::reconcile_formula`].
    fn transfer_formulas_together(&mut self, formulas: Vec<FormulaToTransfer>) {
        apply_with_bisection(formulas, |formulas| {
            if formulas.len() < 2 {
                return Err(formulas);
            }
            let texts: Vec<(Option<&str>, &str, &str)> = formulas
                .iter()
                .map(|((_, name), step, formula)| (step.as_deref(), name.as_str(), formula.as_str()))
                .collect();
            let text = with_formulas(&self.ours.source, &texts);
            let Some(ours) = text.and_then(|text| self.tools.compile(&self.ours.spec, &text)) else {
                return Err(formulas);
            };
            self.ours = ours;
            let keys = formulas.into_iter().map(|(key, ..)| key);
            self.formulas.transferred.extend(keys);
            Ok(())
        });
    }

    /// Reconciles an edited SQL column. If a formula compiles to the edited SQL, transfers this formula to the spec.
    pub fn reconcile_formula(&mut self, mut edit: ManualEdit, reconciled: &mut ReconcileResult) {
        let Some(edited_sql) = self.edited_sql else { return };
        let key = column_key(&edit);
        if self.formulas.transferred.contains(&key) {
            let found = self.formulas.found.remove(&key).and_then(Result::ok);
            edit.rewritten = found.and_then(|found| found.rewritten);
            reconciled.carried.push(edit);
            return;
        }
        let name = edit.definition.clone().unwrap_or_default();
        let current_name = self.current_name(&name).to_owned();
        let ours = self.ours.definition(&current_name, edit.cte.as_deref());
        let base = self
            .base_spec
            .as_ref()
            .and_then(|before| before.definition(&name, edit.cte.as_deref()));
        let base = base.map(|(step, formula)| (step, self.with_current_names(&formula)));
        let edited = self.edited_model;
        let origin = edited
            .and_then(|edited| edited.find_source_of_edited_column(self.tools.decompiler, edit.cte.as_deref(), &name));
        if let (Some(edited), Some(EditedDefinitionSource::Set(metric))) = (edited, &origin) {
            if !edited.changes_definition(edit.cte.as_deref(), &name) {
                edit.why = Some(SAME_VALUES_REASON.to_owned());
                reconciled.kept.push(edit);
                return;
            }
            let column = EditedMetricColumn {
                compiler: self.base_compiler,
                decompiler: self.tools.decompiler,
                base: self.base,
                model: edited,
                edit: metric,
            };
            return self.add_metric_set_conflict(
                &edit,
                &column,
                self.substitutions_that_restore_column(&edit),
                reconciled,
            );
        }
        let (Some((step, ours)), Some((base_step, base))) = (ours, base) else {
            // The column does not belong to a definition. It may be a helper column, or pass a column of the input
            // through unchanged.
            let is_key = is_group_key(&self.base.source, &name, self.base_compiler);
            let reason = edit.reason_for_keeping_column_edit(edited_sql, self.ours.compiled.dialect(), is_key);
            edit.why = Some(reason);
            (edit.property, edit.detail) = (Property::Text, format!("column {name}"));
            edit.definition = None;
            reconciled.kept.push(edit);
            return;
        };
        let (formula, rewritten) = match self.formula_of_edit(&edit, edited_sql, base_step.as_deref(), origin) {
            Ok(formula) => (Ok(self.with_current_names(&formula.formula)), formula.rewritten),
            Err(reason) => (Err(reason), None),
        };
        let carried = formula.as_ref().map_err(Clone::clone).and_then(|formula| {
            let text = with_formula(&self.ours.source, step.as_deref(), &current_name, formula);
            let text = text.map_err(|error| error.to_string())?;
            self.tools
                .compile(&self.ours.spec, &text)
                .ok_or_else(|| "the spec with the formula has errors".to_owned())
        });
        if carried
            .as_ref()
            .is_ok_and(|carried| carried.sql_bodies() == self.ours.sql_bodies())
        {
            edit.rewritten = rewritten;
            reconciled.carried.push(edit);
        } else if ours != base || self.sides.bases.len() != 1 {
            let mut conflict = self.build_conflict(&edit, Some(base), Some(ours));
            conflict.definition = Some(current_name);
            conflict.theirs_formula = formula.ok();
            reconciled.conflicts.push(conflict);
        } else if let Some(conflict) = self.compare_with_helper_definition_change(&edit, &ours) {
            reconciled.conflicts.push(conflict);
        } else {
            match carried {
                Ok(carried) => {
                    self.ours = carried;
                    edit.rewritten = rewritten;
                    reconciled.carried.push(edit);
                }
                Err(why) => {
                    edit.why = Some(why);
                    reconciled.kept.push(edit);
                }
            }
        }
    }

    /// Returns the formula of an edited column. The formula is written for the spec of the last push, because the file
    /// was generated from that spec. The current spec may generate a completely different file.
    fn formula_of_edit(
        &self,
        edit: &ManualEdit,
        edited_sql: &str,
        step: Option<&str>,
        origin: Option<EditedDefinitionSource>,
    ) -> Result<DecompiledFormula, String> {
        if edit.has_keep_comment(edited_sql) {
            return Err(KEEP_COMMENT.to_owned());
        }
        if let Some(found) = self.formulas.found.get(&column_key(edit)) {
            return found.clone();
        }
        let name = edit.definition.as_deref().unwrap_or_default();
        let (decompiler, source) = (self.tools.decompiler, &self.base.source);
        let formula = match (self.edited_model, origin) {
            (Some(edited), Some(EditedDefinitionSource::Model(formulas))) => formulas.and_then(|formulas| {
                let column = (edit.cte.as_deref(), name);
                edited.first_matching_formula(decompiler, source, step, column, &formulas)
            }),
            _ => {
                let spec = Some(self.base.spec.as_str());
                decompiler.find_formula_with_guards(self.base_compiler, source, spec, edited_sql, step, name)
            }
        };
        formula.map_err(|reason| reason.to_string())
    }
}

/// Returns whether a column is a key of `group_by` in a step of a spec.
fn is_group_key(spec: &str, column: &str, compiler: &Compiler) -> bool {
    let outline = yaml::parse_root(spec).and_then(|root| spec_outline(&root, spec, false, compiler));
    let mut steps = outline.iter().flat_map(|outline| &outline.steps);
    steps.any(|step| step.keys.iter().any(|key| key.eq_ignore_ascii_case(column)))
}
