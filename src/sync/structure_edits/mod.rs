//! Manual edits to the structure of a model's SQL: columns that are added to, renamed in or removed from the last
//! select, different dbt relations, and different conditions in `where` or `having`. These edits are transferred to the
//! spec.

mod candidates;
mod conditions;
mod conflicts;
mod detection;
mod group_keys;
mod metric_sets;
mod spec_edits;
mod transfer;

use std::collections::BTreeSet;

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::manual_edits::{KEEP_COMMENT, ManualEdit};
use super::model_reconciler::{ModelReconciler, is_edit_of_model_sql};
use super::reconcile::ReconcileResult;
use crate::decompile::{AddedGroupKey, FilePartPosition, output_cte, with_cte_names_from};

use conflicts::SpecChangeComparison;
use detection::{mark_case_only_renames, ref_or_source_call, structure_edits};
use spec_edits::with_relation;

pub(crate) use spec_edits::step_with_condition;

/// Edit to the structure of a model's SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StructureEdit {
    /// The query returns a new column.
    Added(String),
    /// The query no longer returns a column.
    Removed(String),
    /// A column of the query has a new name.
    Renamed(String, String),
    /// The last step has new group keys.
    GroupKeys(Vec<AddedGroupKey>),
    /// A CTE reads a different dbt relation. The `ref` and `source` calls are stored without braces. The CTE has the
    /// name of the old relation.
    Relation { cte: String, before: String, after: String },
    /// Joins of a `from` clause have a different type. The two strings contain the whole clause.
    JoinTypes { before: String, after: String },
    /// `where` or `having` has a different condition. The condition is empty if the clause was removed.
    Condition {
        /// CTE with the clause. `None` for the last select.
        cte: Option<String>,
        clause: &'static str,
        before: String,
        after: String,
    },
}

impl StructureEdit {
    fn added_column(&self) -> Option<String> {
        match self {
            Self::Added(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// Returns the indices of the edits that add the columns of CTEs from which a new column of the query is passed on:
    /// the columns with the same name.
    fn cte_columns(&self, edits: &[ManualEdit]) -> Vec<usize> {
        let Self::Added(name) = self else { return Vec::new() };
        let is_cte_column = |edit: &ManualEdit| {
            let position = edit.position.as_ref();
            let column = position.and_then(FilePartPosition::case_insensitive_column);
            let is_new = edit.before.as_deref().is_none_or(str::is_empty);
            is_new && column.is_some_and(|(cte, column)| cte.is_some() && column.eq_ignore_ascii_case(name))
        };
        let numbered = edits.iter().enumerate();
        numbered
            .filter(|(_, edit)| is_cte_column(edit))
            .map(|(index, _)| index)
            .collect()
    }

    /// Returns the condition before and after the edit.
    fn condition(&self) -> Option<(&str, &str)> {
        match self {
            Self::Condition { before, after, .. } => Some((before, after)),
            _ => None,
        }
    }
}

/// Progress of transferring the edits to the structure of a model's SQL. Manual edits are identified by their indices.
#[derive(Clone)]
struct TransferProgress {
    /// The edited SQL, with generated SQL in place of the transferred edits.
    edited_sql: String,
    /// Edits that the spec now contains.
    carried: BTreeSet<usize>,
    /// Edits to columns that also changed in the spec. These edits are never transferred.
    both_sided: BTreeSet<usize>,
    /// Conflicts with changes to the spec, each with the edits that it concerns.
    conflicts: Vec<(Vec<usize>, Conflict)>,
}

impl TransferProgress {
    fn is_edit_decided(&self, index: usize) -> bool {
        self.carried.contains(&index) || self.both_sided.contains(&index)
    }
}

impl ModelReconciler<'_> {
    /// Transfers edits to the structure of the model's SQL: added, renamed or removed columns, replaced relations, and
    /// conditions. A version of the spec is used only if it produces the edit and no other difference. Only a new
    /// condition may also change expressions that the user did not edit.
    pub fn apply_structure_edits(&mut self, edits: &mut Vec<ManualEdit>, reconciled: &mut ReconcileResult) {
        let Some(edited_sql) = self.edited_sql.filter(|_| self.sides.bases.len() == 1) else {
            return;
        };
        if self.apply_relation_edit(edits, edited_sql, reconciled) {
            return;
        }
        mark_case_only_renames(edits);
        let keys = self.find_added_group_keys(edits, edited_sql).into_iter();
        let dialect = self.ours.compiled.dialect();
        let output = output_cte(self.ours.compiled.model_sql().unwrap_or_default(), dialect);
        let mut candidates: Vec<(StructureEdit, Vec<usize>)> =
            keys.chain(structure_edits(edits, output.as_deref())).collect();
        // Edits to relations and keys rename CTEs, so the positions of other edits would no longer be found.
        candidates.sort_by_key(|(edit, _)| match edit {
            StructureEdit::Condition { .. } => 0,
            StructureEdit::Relation { .. } => 2,
            _ => 1,
        });
        let added: Vec<String> = candidates.iter().filter_map(|(edit, _)| edit.added_column()).collect();
        let mut progress = TransferProgress {
            edited_sql: edited_sql.to_owned(),
            carried: BTreeSet::new(),
            both_sided: BTreeSet::new(),
            conflicts: Vec::new(),
        };
        for candidate in &candidates {
            let addition = addition_of_same_sql(candidate, &candidates, edits)
                .filter(|(_, edit_indices)| !edit_indices.iter().any(|index| progress.is_edit_decided(*index)));
            let parts: Vec<&(StructureEdit, Vec<usize>)> = [candidate].into_iter().chain(addition).collect();
            let edit_indices: Vec<usize> = parts
                .iter()
                .flat_map(|(_, edit_indices)| edit_indices.clone())
                .collect();
            let is_of_set = |index: &usize| edits.get(*index).is_some_and(|edit| self.is_metric_set_edit(edit));
            let cte_columns = candidate.0.cte_columns(edits);
            if edit_indices.iter().any(|index| progress.is_edit_decided(*index))
                || edit_indices.iter().any(is_of_set)
                || mark_edits_with_keep_comment(edits, &cte_columns, &progress.edited_sql)
                || mark_edits_with_keep_comment(edits, &edit_indices, &progress.edited_sql)
            {
                continue;
            }
            let before = addition.map(|_| (self.ours.clone(), progress.clone()));
            for (edit, edit_indices) in parts {
                self.apply_structure_edit(edit.clone(), edit_indices.clone(), edits, &added, &mut progress);
            }
            // The column has a new name. The spec keeps its definition unless the spec can define the new name.
            if let Some(before) = before
                && !edit_indices.iter().all(|index| progress.carried.contains(index))
            {
                (self.ours, progress) = before;
                let why = edit_indices.iter().find_map(|index| edits.get(*index)?.why.clone());
                for index in edit_indices {
                    edits
                        .get_mut(index)
                        .into_iter()
                        .for_each(|edit| edit.why.clone_from(&why));
                }
            }
        }
        self.separate_transferred_edits(edits, &progress, reconciled);
    }

    /// Transfers one edit to the spec, or adds its conflict. `edit_indices` are the indices of its manual edits, and
    /// `added` are the names of all added columns.
    fn apply_structure_edit(
        &mut self,
        edit: StructureEdit,
        edit_indices: Vec<usize>,
        edits: &mut [ManualEdit],
        added: &[String],
        progress: &mut TransferProgress,
    ) {
        let manual_edits: Vec<&ManualEdit> = edit_indices.iter().filter_map(|index| edits.get(*index)).collect();
        let cte_columns = edit.cte_columns(edits);
        let in_ctes = cte_columns.iter().filter_map(|index| edits.get(*index));
        let positions = manual_edits.iter().copied().chain(in_ctes);
        let positions: Vec<FilePartPosition> = positions.filter_map(|edit| edit.position.clone()).collect();
        if let Some(conflict) = self.compare_with_definition_change(&edit, &positions, &manual_edits, added) {
            progress.both_sided.extend(edit_indices.iter().copied());
            progress.conflicts.push((edit_indices, conflict));
            return;
        }
        let transferred = match self.transfer_structure_edit(&edit, &positions, &progress.edited_sql) {
            Ok(transferred) => transferred,
            Err(reason) => {
                let first = manual_edits.first();
                match first.and_then(|first| self.compare_with_spec_change(&edit, first)) {
                    Some(SpecChangeComparison::Same) => {
                        progress.carried.extend(edit_indices);
                        return;
                    }
                    Some(SpecChangeComparison::Different(conflict)) => {
                        progress.conflicts.push((edit_indices.clone(), *conflict));
                    }
                    None => {}
                }
                for index in edit_indices {
                    let edit = edits.get_mut(index).filter(|edit| edit.why.is_none());
                    edit.into_iter().for_each(|edit| edit.why.clone_from(&reason));
                }
                return;
            }
        };
        let with_expression = if cte_columns.is_empty() {
            &edit_indices
        } else {
            &cte_columns
        };
        for index in with_expression {
            if let Some(edit) = edits.get_mut(*index) {
                edit.rewritten = transferred.rewritten.rewritten_sql_of_edit(edit);
                progress.carried.extend(edit.rewritten.is_some().then_some(*index));
            }
        }
        if let StructureEdit::Renamed(old, new) = edit {
            self.renamed.push((old, new));
        }
        self.ours = transferred.ours;
        progress.edited_sql = transferred.edited_sql;
        progress.carried.extend(edit_indices);
    }

    /// Moves the edits that the spec now contains to the transferred edits, and adds the conflicts of the other edits.
    fn separate_transferred_edits(
        &self,
        edits: &mut Vec<ManualEdit>,
        progress: &TransferProgress,
        reconciled: &mut ReconcileResult,
    ) {
        // Compare again after all edits, because a new column name also changes the formulas that refer to the column.
        let differences = self.differences(&self.ours, &progress.edited_sql);
        // The spec may have been changed in the same way.
        let is_produced = self.ours.source != self.base.source && differences.is_empty();
        if progress.carried.is_empty() && !is_produced {
            let conflicts = progress.conflicts.iter().map(|(_, conflict)| conflict.clone());
            reconciled.conflicts.extend(conflicts);
            return;
        }
        let is_left = |edit: &ManualEdit| {
            let (was, is) = (
                edit.before.as_deref().unwrap_or_default(),
                edit.after.as_deref().unwrap_or_default(),
            );
            // The spec may have changed, too, so the text before the edit may differ.
            differences
                .iter()
                .any(|(before, after)| after == is && (!is.is_empty() || before == was))
        };
        let is_in_model = is_edit_of_model_sql(self.sides.model);
        let mut at = 0;
        edits.retain(|edit| {
            let is_transferred = !progress.both_sided.contains(&at) && is_in_model(edit) && !is_left(edit);
            let is_carried = progress.carried.contains(&at) || is_transferred;
            if is_carried {
                reconciled.carried.push(edit.clone());
            } else {
                let conflicts = progress
                    .conflicts
                    .iter()
                    .filter(|(edit_indices, _)| edit_indices.first() == Some(&at));
                reconciled
                    .conflicts
                    .extend(conflicts.map(|(_, conflict)| conflict.clone()));
            }
            at += 1;
            !is_carried
        });
    }

    /// Transfers a change to a relation if the spec with the new relation generates the edited SQL, except for the
    /// names of CTEs. The user may have renamed CTEs, so most of the query may seem to be edited.
    fn apply_relation_edit(
        &mut self,
        edits: &mut Vec<ManualEdit>,
        edited_sql: &str,
        reconciled: &mut ReconcileResult,
    ) -> bool {
        let is_from = |edit: &&ManualEdit| edit.position.as_ref().is_some_and(FilePartPosition::is_from_clause);
        let from_clauses: Vec<&ManualEdit> = edits.iter().filter(is_from).collect();
        let calls = |text: fn(&ManualEdit) -> &Option<String>| -> BTreeSet<String> {
            from_clauses
                .iter()
                .filter_map(|edit| ref_or_source_call(text(edit).as_deref()?))
                .collect()
        };
        let (before, after) = (calls(|edit| &edit.before), calls(|edit| &edit.after));
        let (removed, added): (Vec<_>, Vec<_>) =
            (before.difference(&after).collect(), after.difference(&before).collect());
        let ([removed], [added]) = (removed.as_slice(), added.as_slice()) else {
            return false;
        };
        let produces = |carried: &CurrentSpec| {
            let sql = carried.compiled.model_sql().unwrap_or_default();
            let renamed = with_cte_names_from(edited_sql, sql, carried.compiled.dialect());
            renamed.is_some_and(|renamed| self.differences(carried, &renamed).is_empty())
        };
        let mut specs = with_relation(&self.ours.source, removed, added).into_iter();
        let carried = specs.find_map(|text| self.tools.compile(&self.ours.spec, &text).filter(produces));
        let Some(carried) = carried else { return false };
        self.ours = carried;
        let is_in_model = is_edit_of_model_sql(self.sides.model);
        let (transferred, others) = std::mem::take(edits).into_iter().partition(|edit| is_in_model(edit));
        reconciled.carried.extend::<Vec<_>>(transferred);
        *edits = others;
        true
    }
}

/// Returns the added column that has the SQL of a removed column.
fn addition_of_same_sql<'c>(
    (edit, edit_indices): &(StructureEdit, Vec<usize>),
    candidates: &'c [(StructureEdit, Vec<usize>)],
    edits: &[ManualEdit],
) -> Option<&'c (StructureEdit, Vec<usize>)> {
    let manual_edit = |edit_indices: &[usize]| edits.get(*edit_indices.first()?);
    let removed = manual_edit(edit_indices).filter(|_| matches!(edit, StructureEdit::Removed(_)))?;
    candidates.iter().find(|(candidate, edit_indices)| {
        matches!(candidate, StructureEdit::Added(_))
            && manual_edit(edit_indices).is_some_and(|added| added.after == removed.before)
    })
}

/// Marks the edits that a comment keeps. Returns whether there are such edits among these positions.
fn mark_edits_with_keep_comment(edits: &mut [ManualEdit], edit_indices: &[usize], text: &str) -> bool {
    let mut is_kept = false;
    for index in edit_indices {
        if let Some(edit) = edits.get_mut(*index)
            && edit.has_keep_comment(text)
        {
            edit.why = Some(KEEP_COMMENT.to_owned());
            is_kept = true;
        }
    }
    is_kept
}
