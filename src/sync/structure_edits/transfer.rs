//! Transfers an edit to the structure of a model's SQL to the spec, and proves that the spec generates the edited SQL.

use super::StructureEdit;
use super::group_keys::verify_added_group_keys;
use crate::current_spec::CurrentSpec;
use crate::decompile::{
    DecompileError, FilePartPosition, GroupKeyDifferences, NonColumnEdit, RewrittenSql, SqlEdits, is_equivalent_sql,
    with_cte_names_from,
};
use crate::manual_edits::ManualEdit;
use crate::merge_files::replace_columns_with_generated_sql;
use crate::model_reconciler::ModelReconciler;

/// Edit that was transferred to the spec.
pub(super) struct TransferredEdit {
    pub ours: CurrentSpec,
    /// The edited SQL, in which generated SQL replaces the edited parts that differ from it.
    pub edited_sql: String,
    pub rewritten: RewrittenSqlParts,
}

/// Generated SQL in place of edited SQL.
pub(super) struct RewrittenSqlParts {
    /// SQL of an added column or of a condition.
    part: Option<RewrittenSql>,
    /// SQL of added group keys.
    grouping: Option<GroupKeyDifferences>,
}

impl RewrittenSqlParts {
    /// Returns the generated SQL of an edited part, if it differs from the edited SQL.
    pub fn rewritten_sql_of_edit(&self, edit: &ManualEdit) -> Option<RewrittenSql> {
        let Some(grouping) = &self.grouping else {
            return self.part.clone();
        };
        let position = edit.position.as_ref()?;
        if position.is_group_by() {
            return grouping.group_by.clone();
        }
        let name = position.column_name_if_column()?;
        let mut columns = grouping.columns.iter();
        let column = columns.find(|(column, _)| column.eq_ignore_ascii_case(name));
        column.map(|(_, rewritten)| rewritten.clone())
    }
}

impl ModelReconciler<'_> {
    /// Transfers one edit to the spec. `columns` are the positions of the edited parts. If no version of the spec
    /// produces the edit, returns the reason, if it is known.
    pub(super) fn transfer_structure_edit(
        &self,
        edit: &StructureEdit,
        columns: &[FilePartPosition],
        actual: &str,
    ) -> Result<TransferredEdit, Option<String>> {
        let before = self.differences(&self.ours, actual);
        let is_other = |(was, is): (&str, &str)| !before.iter().any(|one| one.0 == was && one.1 == is);
        // If the spec has changed the same condition, the edit is a conflict.
        if edit.condition().is_some_and(is_other) {
            return Err(None);
        }
        let mut why = None;
        for spec in self.specs_with_structure_edit(edit, actual) {
            match spec {
                Ok((text, rewritten)) => {
                    let carried = self.tools.compile(&self.ours.spec, &text);
                    let proven = carried.clone().and_then(|carried| {
                        self.verify_structure_edit(edit, carried, (&before, rewritten), (columns, actual))
                    });
                    if let Some(transferred) = proven {
                        return Ok(transferred);
                    }
                    why = why
                        .or_else(|| self.explain_existing_condition(edit, &text))
                        .or_else(|| explain_condition_in_other_clause(edit, &carried?, &before, actual));
                }
                Err(DecompileError { reason }) => why = why.or(Some(reason)),
            }
        }
        Err(why)
    }

    /// Proves that a version of the spec produces an edit and no other difference. `rewritten` is the generated SQL of
    /// an added column or a condition, if the decompiler has proved that it is the edited SQL with guards.
    fn verify_structure_edit(
        &self,
        edit: &StructureEdit,
        carried: CurrentSpec,
        (before, rewritten): (&[(String, String)], Option<RewrittenSql>),
        (columns, edited_sql): (&[FilePartPosition], &str),
    ) -> Option<TransferredEdit> {
        let dialect = carried.compiled.dialect();
        let sql = carried.compiled.model_sql().unwrap_or_default().to_owned();
        // A new relation or key may rename CTEs, because their names depend on both.
        let renamed = match edit {
            StructureEdit::Relation { .. } | StructureEdit::GroupKeys(_) => {
                with_cte_names_from(edited_sql, &sql, dialect)
            }
            _ => None,
        };
        let actual = renamed.unwrap_or_else(|| edited_sql.to_owned());
        let with_generated =
            |actual: &str| replace_columns_with_generated_sql(actual, [Some(&sql), None], dialect, columns.iter());
        // A condition may also contain other conditions, so compare the conditions again.
        let is_rewritten_condition = edit.condition().is_some() && rewritten.is_some();
        let actual = match is_rewritten_condition {
            true => with_generated(&actual).unwrap_or(actual),
            false => actual,
        };
        let differences = self.column_and_clause_differences(&carried, &actual);
        let after = differences.concat();
        let [columns_after, clauses_after] = differences;
        let rewritten = RewrittenSqlParts {
            grouping: match edit {
                StructureEdit::GroupKeys(keys) => {
                    Some(verify_added_group_keys(keys, &after, before, (&sql, &actual), dialect)?)
                }
                _ => None,
            },
            part: rewritten,
        };
        if !is_rewritten_condition && (rewritten.grouping.is_some() || rewritten.part.is_some()) {
            return Some(TransferredEdit {
                ours: carried,
                edited_sql: with_generated(&actual).unwrap_or(actual),
                rewritten,
            });
        }
        let is_produced = match edit.condition() {
            // A condition may imply that values are not NULL, and so change the expressions of columns. Edits to these
            // expressions still count as edits. Other clauses must not change, because the file contains their
            // conditions.
            Some((was, is)) => {
                let is_condition = |one: &(String, String)| one.0 == was && one.1 == is;
                let is_allowed = |one: &(String, String)| before.contains(one) || one.1 != is;
                !after.iter().any(is_condition)
                    && columns_after.iter().all(is_allowed)
                    && clauses_after.iter().all(|one| before.contains(one))
            }
            None => after.len() < before.len() && after.iter().all(|one| before.contains(one)),
        };
        // The user may have written the column in a different select.
        let is_equivalent =
            matches!(edit, StructureEdit::Added(_)) && !is_produced && is_equivalent_sql(&sql, &actual, dialect);
        (is_produced || is_equivalent).then_some(TransferredEdit {
            ours: carried,
            edited_sql: if is_equivalent { sql } else { actual },
            rewritten,
        })
    }

    /// Returns the differences between the SQL that a spec generates and other SQL: the text before and after.
    pub fn differences(&self, ours: &CurrentSpec, text: &str) -> Vec<(String, String)> {
        self.column_and_clause_differences(ours, text).concat()
    }

    /// Returns the differences in columns, and those in other parts of the SQL, such as conditions.
    fn column_and_clause_differences(&self, ours: &CurrentSpec, text: &str) -> [Vec<(String, String)>; 2] {
        let sql = ours.compiled.model_sql().unwrap_or_default();
        let dialect = ours.compiled.dialect();
        let edits = SqlEdits::from_texts(sql, text, dialect);
        let columns = edits.items.into_iter().map(|edit| (edit.before, edit.after));
        let clauses = edits.other_edits.into_iter().map(|edit| (edit.before, edit.after));
        [columns.collect(), clauses.collect()]
    }
}

/// Explains why a condition is not transferred although the spec can contain it: adding it would change another clause
/// of the generated query. For example, a condition that excludes NULL changes the condition of a join.
fn explain_condition_in_other_clause(
    edit: &StructureEdit,
    carried: &CurrentSpec,
    before: &[(String, String)],
    edited_sql: &str,
) -> Option<String> {
    let (_, condition) = edit.condition().filter(|(_, condition)| !condition.is_empty())?;
    let sql = carried.compiled.model_sql()?;
    let clauses = SqlEdits::from_texts(sql, edited_sql, carried.compiled.dialect()).other_edits;
    if clauses.iter().any(|clause| clause.after == condition) {
        return None;
    }
    let is_new = |clause: &&NonColumnEdit| {
        !before
            .iter()
            .any(|(was, is)| *was == clause.before && *is == clause.after)
    };
    let other = clauses.iter().find(is_new)?;
    Some(format!(
        "in the spec, this condition also changes {}, so `push` does not copy it; write the condition in the spec",
        other.description
    ))
}
