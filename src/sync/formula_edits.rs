//! Edits of SQL columns whose formulas are transferred to the spec.

use super::hand_edits::{HandEdit, KEEP_COMMENT, Property};
use super::kept_edit_conflicts::SAME_VALUES;
use super::metric_set_conflicts::EditedMetricColumn;
use super::model_reconciler::ModelReconciler;
use super::reconcile::Reconciled;
use crate::decompile::{EditOrigin, FoundFormula, with_formula};

impl ModelReconciler<'_> {
    /// Reconciles an edited SQL column. Transfers a formula that compiles to the edited SQL to the spec.
    pub fn reconcile_formula(&mut self, mut edit: HandEdit, reconciled: &mut Reconciled) {
        let Some(edited_sql) = self.edited_sql else { return };
        let name = edit.definition.clone().unwrap_or_default();
        let ours = self.ours.definition(&name, edit.cte.as_deref());
        let base = self
            .base_spec
            .as_ref()
            .and_then(|before| before.definition(&name, edit.cte.as_deref()));
        let edited = self.edited_model;
        let origin = edited.and_then(|edited| edited.edit_origin(self.tools.decompiler, edit.cte.as_deref(), &name));
        if let (Some(edited), Some(EditOrigin::Set(metric))) = (edited, &origin) {
            if !edited.changes_definition(edit.cte.as_deref(), &name) {
                edit.why = Some(SAME_VALUES.to_owned());
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
            return self.add_metric_set_conflict(&edit, &column, self.restored_column(&edit), reconciled);
        }
        let (Some((step, ours)), Some((base_step, base))) = (ours, base) else {
            // The column does not belong to a definition. The column may be a helper column or a column that is passed
            // on.
            edit.why = Some("the column is not a definition of the spec".to_owned());
            (edit.property, edit.detail) = (Property::Text, format!("column {name}"));
            edit.definition = None;
            reconciled.kept.push(edit);
            return;
        };
        let (formula, rewritten) = match self.formula_of_edit(&edit, edited_sql, base_step.as_deref(), origin) {
            Ok(formula) => (Ok(formula.formula), formula.rewritten),
            Err(reason) => (Err(reason), None),
        };
        let carried = formula.as_ref().map_err(Clone::clone).and_then(|formula| {
            let text = with_formula(&self.ours.source, step.as_deref(), &name, formula);
            let text = text.map_err(|refusal| refusal.to_string())?;
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
            conflict.theirs_formula = formula.ok();
            reconciled.conflicts.push(conflict);
        } else if let Some(conflict) = self.compare_with_helper_change(&edit, &ours) {
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

    /// Returns the formula of an edited column. The formula belongs to the base's spec, because the file was generated
    /// from that spec. The current spec may generate a completely different file.
    fn formula_of_edit(
        &self,
        edit: &HandEdit,
        edited_sql: &str,
        step: Option<&str>,
        origin: Option<EditOrigin>,
    ) -> Result<FoundFormula, String> {
        if edit.has_keep_comment(edited_sql) {
            return Err(KEEP_COMMENT.to_owned());
        }
        let name = edit.definition.as_deref().unwrap_or_default();
        let (decompiler, source) = (self.tools.decompiler, &self.base.source);
        let formula = match (self.edited_model, origin) {
            (Some(edited), Some(EditOrigin::Model(formulas))) => formulas.and_then(|formulas| {
                let column = (edit.cte.as_deref(), name);
                edited.first_proven(decompiler, source, step, column, &formulas)
            }),
            _ => {
                let spec = Some(self.base.spec.as_str());
                decompiler.find_formula_with_guards(self.base_compiler, source, spec, edited_sql, step, name)
            }
        };
        formula.map_err(|reason| reason.to_string())
    }
}
