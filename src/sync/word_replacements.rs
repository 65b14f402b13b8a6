//! Manual edits that only replace words, numbers or symbols in the SQL, so that the same edit can be made in the spec.

use formulac_runtime::bisection::apply_with_bisection;

use super::current_spec::CurrentSpec;
use super::lines::merge as merge_lines;
use super::manual_edits::{KEEP_COMMENT, ManualEdit};
use super::model_reconciler::{ModelReconciler, is_edit_of_model_sql};
use super::reconcile::ReconcileResult;
use super::spec_changes::SpecChanges;
use super::state::normalize_line_endings;
use crate::dbt::tokens::tokens;
use crate::decompile::{FilePartPosition, apply_replacements, find_spec_for_sql, restore_edited_column};

impl ModelReconciler<'_> {
    /// Transfers SQL edits that only replace words, numbers or symbols by making the same replacements in the spec. If
    /// there are other edits, or if the spec has changed at the same positions, each edit is examined individually.
    pub fn apply_word_replacements(&mut self, edits: &mut Vec<ManualEdit>, reconciled: &mut ReconcileResult) {
        let of_model = is_edit_of_model_sql(self.sides.model);
        if self.sides.bases.len() != 1 {
            return;
        }
        let (Some(edited_sql), base) = (self.edited_sql, self.base) else {
            return;
        };
        if edited_sql.contains(KEEP_COMMENT) {
            return;
        }
        let Some(theirs) = find_spec_for_sql(self.base_compiler, &base.source, Some(&base.spec), edited_sql) else {
            return;
        };
        let ours = &self.ours.source;
        let is_ours = normalize_line_endings(ours) == base.source;
        let text = if is_ours {
            Some(theirs)
        } else {
            merge_lines(&base.source, &normalize_line_endings(ours), &theirs)
        };
        let Some(text) = text else { return };
        let text = if ours.contains("\r\n") {
            text.replace('\n', "\r\n")
        } else {
            text
        };
        let Some(carried) = self.tools.compile(&self.ours.spec, &text) else {
            return;
        };
        // Changes on different lines can belong to the same formula, so a merge by lines is not enough.
        let changes = self.base_spec.as_ref().zip(self.sides.ours);
        let changes = changes.and_then(|(base, ours)| SpecChanges::new(base, ours));
        if changes.is_some_and(|changes| !changes.are_preserved_in(&carried, &[])) {
            return;
        }
        self.ours = carried;
        let (of_sql, rest) = edits.drain(..).partition(&of_model);
        *edits = rest;
        reconciled.carried.extend::<Vec<ManualEdit>>(of_sql);
    }

    /// Transfers SQL edits that only replace words, numbers or symbols in a file that also has other edits. First tries
    /// to transfer all these edits together, because a word of the spec may occur in several parts of the SQL. Then
    /// tries the halves of edits that cannot be transferred together.
    pub fn apply_word_replacements_despite_other_edits(
        &mut self,
        edits: &mut Vec<ManualEdit>,
        reconciled: &mut ReconcileResult,
    ) {
        let dialect = self.ours.compiled.dialect();
        let is_word_replacement = |edit: &ManualEdit| {
            let count = |text: &Option<String>| text.as_deref().map_or(0, |text| tokens(text, dialect).len());
            is_edit_of_model_sql(self.sides.model)(edit)
                && edit.position.is_some()
                && count(&edit.before) == count(&edit.after)
                && self
                    .edited_sql
                    .is_some_and(|edited_sql| !edit.has_keep_comment(edited_sql))
        };
        let replacements: Vec<ManualEdit> = edits.iter().filter(|edit| is_word_replacement(edit)).cloned().collect();
        if self.sides.bases.len() != 1 || replacements.is_empty() {
            return;
        }
        let mut transferred: Vec<ManualEdit> = Vec::new();
        apply_with_bisection(replacements, |some| {
            let Some(carried) = self.spec_with_word_replacements(&some) else {
                return Err(some);
            };
            self.ours = carried;
            transferred.extend(some);
            Ok(())
        });
        edits.retain(|edit| !transferred.contains(edit));
        reconciled.carried.extend(transferred);
    }

    /// Returns the spec that generates the current SQL with these edits and no other difference. `None` if, for one of
    /// the edited parts, the current spec generates SQL that differs from the SQL of the base.
    fn spec_with_word_replacements(&self, edits: &[ManualEdit]) -> Option<CurrentSpec> {
        let edited_sql = self.edited_sql?;
        let sql = self.ours.compiled.model_sql()?;
        let dialect = self.ours.compiled.dialect();
        let mut replaced = Vec::new();
        for edit in edits {
            let position: &FilePartPosition = edit.position.as_ref()?;
            let generated = self.base.files.get(&edit.file)?;
            // The current spec must generate the same SQL for this column as at the last push.
            let mut same = restore_edited_column(generated, sql, dialect, position).into_iter();
            same.all(|(at, text)| sql.get(at) == Some(&text)).then_some(())?;
            let edited = restore_edited_column(edited_sql, sql, dialect, position);
            replaced.extend((!edited.is_empty()).then_some(edited)?);
        }
        let text = apply_replacements(sql, replaced.iter().collect())?;
        let spec = find_spec_for_sql(self.tools.compiler, &self.ours.source, Some(&self.ours.spec), &text)?;
        self.tools.compile(&self.ours.spec, &spec)
    }
}
