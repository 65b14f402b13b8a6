//! Hand edits to the structure of a model's SQL: columns that are added to, renamed in or removed from the last select,
//! different dbt relations, and different conditions in `where` or `having`. These edits are transferred to the spec.

use std::collections::BTreeSet;

use super::current_spec::CurrentSpec;
use super::group_key_edits::same_grouping_of;
use super::hand_edits::{HandEdit, KEEP_COMMENT};
use super::merge_files::with_generated_columns;
use super::model_reconciler::{ModelReconciler, is_in_model_file};
use super::reconcile::Reconciled;
use super::set_structure_edits::with_renamed_metric;
use super::structure_conflicts::SpecChange;
use super::structure_specs::{
    join_types, placeholder_formula, step_with_condition, with_definition, with_definition_after, with_join_types,
    with_relation, without_definition, without_results,
};
use crate::dbt::tokens::{SqlToken, SqlTokenKind, tokens};
use crate::dbt::{RelationReference, jinja_expression};
use crate::decompile::{
    AddedGroupKey, Edits, FilePartPosition, FoundFormula, NotAFormula, RewrittenSql, SameGrouping, columns_before,
    is_equivalent_sql, output_cte, with_cte_names_of, with_renamed_definition,
};
use crate::dialect::Dialect;
use crate::yaml_edit::{Edit, YamlValue, apply_edits};

/// Maximum number of pairs of removed and added columns that are examined for renamed columns.
const MAX_RENAMED_PAIRS: usize = 16;

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

    /// Returns the condition before and after the edit.
    fn condition(&self) -> Option<(&str, &str)> {
        match self {
            Self::Condition { before, after, .. } => Some((before, after)),
            _ => None,
        }
    }
}

/// Version of a spec that may produce an edit, or the reason why there is no formula for the edit. If the generated SQL
/// of an added column or condition differs from the edited SQL, the version contains the generated SQL.
pub(super) type SpecWithStructure = Result<(String, Option<RewrittenSql>), NotAFormula>;

/// Edit that was transferred to the spec.
pub(super) struct TransferredEdit {
    pub ours: CurrentSpec,
    /// The edited SQL, with generated SQL in place of the edited parts if they differ.
    edited_sql: String,
    rewritten: RewrittenParts,
}

/// Generated SQL in place of edited SQL.
struct RewrittenParts {
    /// SQL of an added column or of a condition.
    part: Option<RewrittenSql>,
    /// SQL of added group keys.
    grouping: Option<SameGrouping>,
}

impl RewrittenParts {
    /// Returns the generated SQL of an edited part, if it differs from the edited SQL.
    fn of_edit(&self, edit: &HandEdit) -> Option<RewrittenSql> {
        let Some(grouping) = &self.grouping else {
            return self.part.clone();
        };
        let position = edit.position.as_ref()?;
        if position.is_group_by() {
            return grouping.group_by.clone();
        }
        let name = position.column_of_select()?;
        let mut columns = grouping.columns.iter();
        let column = columns.find(|(column, _)| column.eq_ignore_ascii_case(name));
        column.map(|(_, rewritten)| rewritten.clone())
    }
}

/// Name of the column that temporarily replaces a condition.
pub(super) const CONDITION: &str = "fx_condition";

impl ModelReconciler<'_> {
    /// Transfers edits to the structure of the model's SQL: added, renamed or removed columns, replaced relations, and
    /// conditions. A version of the spec is used only if it produces the edit and no other difference. Only a new
    /// condition may also change expressions that the user did not edit.
    pub fn apply_structure_edits(&mut self, edits: &mut Vec<HandEdit>, reconciled: &mut Reconciled) {
        let Some(edited_sql) = self.edited_sql.filter(|_| self.sides.bases.len() == 1) else {
            return;
        };
        if self.apply_relation_edit(edits, edited_sql, reconciled) {
            return;
        }
        let mut carried_edits: BTreeSet<usize> = BTreeSet::new();
        let mut found = edited_sql.to_owned();
        let keys = self.added_keys(edits, &found).into_iter();
        let dialect = self.ours.compiled.dialect();
        let output = output_cte(self.ours.compiled.model_sql().unwrap_or_default(), dialect);
        let of_output = structure_edits(edits, output.as_deref());
        let mut all: Vec<(StructureEdit, Vec<usize>)> = keys.chain(of_output).collect();
        // Edits of relations and keys rename CTEs, so the positions of other edits would no longer be found.
        all.sort_by_key(|(edit, _)| match edit {
            StructureEdit::Condition { .. } => 0,
            StructureEdit::Relation { .. } => 2,
            _ => 1,
        });
        let added: Vec<String> = all.iter().filter_map(|(edit, _)| edit.added_column()).collect();
        let mut conflicts = Vec::new();
        // Edits to columns that also changed in the spec. They are never transferred.
        let mut both_sided: BTreeSet<usize> = BTreeSet::new();
        for (edit, places) in all {
            let is_decided = |index: &usize| carried_edits.contains(index) || both_sided.contains(index);
            if places.iter().any(is_decided) {
                continue;
            }
            let is_of_set = |index: &usize| edits.get(*index).is_some_and(|edit| self.is_edit_of_set(edit));
            if places.iter().any(is_of_set) || mark_kept_edits(edits, &places, &found) {
                continue;
            }
            let columns: Vec<FilePartPosition> = places
                .iter()
                .filter_map(|index| edits.get(*index)?.position.clone())
                .collect();
            let hands: Vec<&HandEdit> = places.iter().filter_map(|index| edits.get(*index)).collect();
            if let Some(conflict) = self.compare_with_definition_change(&edit, &columns, &hands, &added) {
                both_sided.extend(places.iter().copied());
                conflicts.push((places, conflict));
                continue;
            }
            let transferred = match self.transfer_structure_edit(&edit, &columns, &found) {
                Ok(transferred) => transferred,
                Err(why) => {
                    let hand = places.first().and_then(|index| edits.get(*index));
                    match hand.and_then(|hand| self.compare_with_spec_change(&edit, hand)) {
                        Some(SpecChange::Same) => {
                            carried_edits.extend(places);
                            continue;
                        }
                        Some(SpecChange::Different(conflict)) => conflicts.push((places.clone(), *conflict)),
                        None => {}
                    }
                    for index in places {
                        let edit = edits.get_mut(index).filter(|edit| edit.why.is_none());
                        edit.into_iter().for_each(|edit| edit.why.clone_from(&why));
                    }
                    continue;
                }
            };
            for index in &places {
                if let Some(edit) = edits.get_mut(*index) {
                    edit.rewritten = transferred.rewritten.of_edit(edit);
                }
            }
            if let StructureEdit::Renamed(old, new) = edit {
                self.renamed.push((old, new));
            }
            self.ours = transferred.ours;
            found = transferred.edited_sql;
            carried_edits.extend(places);
        }
        // The spec may have been changed in the same way.
        let is_produced = || self.ours.source != self.base.source && self.differences(&self.ours, &found).is_empty();
        if carried_edits.is_empty() && !is_produced() {
            reconciled
                .conflicts
                .extend(conflicts.into_iter().map(|(_, conflict)| conflict));
            return;
        }
        // A new name also changes the formulas that refer to the column.
        let differences = self.differences(&self.ours, &found);
        let is_left = |edit: &HandEdit| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (was, is) = (text(&edit.before), text(&edit.after));
            // The spec may have changed, too, so the text before the edit may differ.
            differences
                .iter()
                .any(|(before, after)| *after == is && (!is.is_empty() || *before == was))
        };
        let of_model = is_in_model_file(self.sides.model);
        let mut at = 0;
        edits.retain(|edit| {
            let is_transferred = !both_sided.contains(&at) && of_model(edit) && !is_left(edit);
            let is_carried = carried_edits.contains(&at) || is_transferred;
            if is_carried {
                reconciled.carried.push(edit.clone());
            } else {
                let own = conflicts.iter().filter(|(places, _)| places.first() == Some(&at));
                reconciled.conflicts.extend(own.map(|(_, conflict)| conflict.clone()));
            }
            at += 1;
            !is_carried
        });
    }

    /// Transfers a change to a relation if the spec with the new relation generates the edited SQL, except for the
    /// names of CTEs. The user may have renamed CTEs, so most of the query may seem to be edited.
    fn apply_relation_edit(&mut self, edits: &mut Vec<HandEdit>, found: &str, reconciled: &mut Reconciled) -> bool {
        let is_from = |edit: &&HandEdit| edit.position.as_ref().is_some_and(FilePartPosition::is_from_clause);
        let from_clauses: Vec<&HandEdit> = edits.iter().filter(is_from).collect();
        let calls = |text: fn(&HandEdit) -> &Option<String>| -> BTreeSet<String> {
            from_clauses
                .iter()
                .filter_map(|edit| dbt_call(text(edit).as_deref()?))
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
            let renamed = with_cte_names_of(found, sql, carried.compiled.dialect());
            renamed.is_some_and(|renamed| self.differences(carried, &renamed).is_empty())
        };
        let mut specs = with_relation(&self.ours.source, removed, added).into_iter();
        let carried = specs.find_map(|text| self.tools.compile(&self.ours.spec, &text).filter(produces));
        let Some(carried) = carried else { return false };
        self.ours = carried;
        let of_model = is_in_model_file(self.sides.model);
        let (transferred, others) = std::mem::take(edits).into_iter().partition(|edit| of_model(edit));
        reconciled.carried.extend::<Vec<_>>(transferred);
        *edits = others;
        true
    }

    /// Transfers one edit to the spec. `columns` are the positions of the edited parts. If no version of the spec
    /// produces the edit, returns the reason, if it is known.
    pub fn transfer_structure_edit(
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
        for spec in self.specs_with_structure(edit, actual) {
            match spec {
                Ok((text, rewritten)) => {
                    let carried = self.tools.compile(&self.ours.spec, &text);
                    let proven = carried.and_then(|carried| {
                        self.prove_structure_edit(edit, carried, (&before, rewritten), (columns, actual))
                    });
                    if let Some(transferred) = proven {
                        return Ok(transferred);
                    }
                    why = why.or_else(|| self.explain_second_condition(edit, &text));
                }
                Err(NotAFormula { reason }) => why = why.or(Some(reason)),
            }
        }
        Err(why)
    }

    /// Proves that a version of the spec produces an edit and no other difference. `rewritten` is the generated SQL of
    /// an added column or a condition, if the decompiler has proved that it is the edited SQL with guards.
    fn prove_structure_edit(
        &self,
        edit: &StructureEdit,
        carried: CurrentSpec,
        (before, rewritten): (&[(String, String)], Option<RewrittenSql>),
        (columns, edited_sql): (&[FilePartPosition], &str),
    ) -> Option<TransferredEdit> {
        let dialect = carried.compiled.dialect();
        let sql = carried.compiled.model_sql().unwrap_or_default().to_owned();
        // The names of CTEs depend on the name of the relation and on the keys.
        let renamed = match edit {
            StructureEdit::Relation { .. } | StructureEdit::GroupKeys(_) => {
                with_cte_names_of(edited_sql, &sql, dialect)
            }
            _ => None,
        };
        let found = renamed.unwrap_or_else(|| edited_sql.to_owned());
        let with_generated = |found: &str| with_generated_columns(found, [Some(&sql), None], dialect, columns.iter());
        // Conditions contain other conditions, too, so compare them again.
        let is_rewritten_condition = edit.condition().is_some() && rewritten.is_some();
        let found = match is_rewritten_condition {
            true => with_generated(&found).unwrap_or(found),
            false => found,
        };
        let differences = self.column_and_clause_differences(&carried, &found);
        let after = differences.concat();
        let [columns_after, clauses_after] = differences;
        let rewritten = RewrittenParts {
            grouping: match edit {
                StructureEdit::GroupKeys(keys) => {
                    Some(same_grouping_of(keys, &after, before, (&sql, &found), dialect)?)
                }
                _ => None,
            },
            part: rewritten,
        };
        if !is_rewritten_condition && (rewritten.grouping.is_some() || rewritten.part.is_some()) {
            return Some(TransferredEdit {
                ours: carried,
                edited_sql: with_generated(&found).unwrap_or(found),
                rewritten,
            });
        }
        let is_produced = match edit.condition() {
            // A condition may imply that values are not NULL, which changes expressions of columns. Edits of those
            // expressions remain edits. Other clauses must not change, because the file contains their conditions.
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
            matches!(edit, StructureEdit::Added(_)) && !is_produced && is_equivalent_sql(&sql, &found, dialect);
        (is_produced || is_equivalent).then_some(TransferredEdit {
            ours: carried,
            edited_sql: if is_equivalent { sql } else { found },
            rewritten,
        })
    }

    /// Returns an edited condition without the conditions that the model's clause does not contain: those of metric
    /// sets, which come first, and those of keys such as `since`, which come last. `None` if there are no such
    /// conditions, or if the user edited them.
    fn without_generated_condition(
        &self,
        (cte, clause): (Option<&str>, &str),
        edited: &str,
        actual: &str,
    ) -> Option<String> {
        let on_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let source = &self.ours.source;
        let (at, _) = step_with_condition(source, cte)?;
        let without = apply_edits(source, &[Edit::Remove { at: at.key(clause) }]).ok()?;
        if without == *source {
            return None;
        }
        let without = self.tools.compile(&self.ours.spec, &without)?;
        let dialect = without.compiled.dialect();
        let differences = self.differences(&without, actual);
        let generated = match differences.iter().find(|(_, after)| after == edited) {
            Some((before, _)) => on_one_line(before),
            // The user removed the other part of the clause.
            None => return Some(String::new()),
        };
        let generated = without_jinja_block(&generated, dialect).to_owned();
        let edited = on_one_line(without_jinja_block(edited, dialect));
        if generated.is_empty() {
            return None;
        }
        let first = || edited.strip_suffix(&generated)?.trim_end().strip_suffix("and");
        let last = || edited.strip_prefix(&generated)?.trim_start().strip_prefix("and");
        Some(first().or_else(last)?.trim().to_owned())
    }

    /// Returns the spec in which `where` or `having` of a step has the condition of the edited SQL.
    fn with_condition(&self, clause: &'static str, condition: &str, cte: Option<&str>) -> Option<SpecWithStructure> {
        let source = &self.ours.source;
        let (at, up_to) = step_with_condition(source, cte)?;
        if condition.is_empty() {
            let without = apply_edits(source, &[Edit::Remove { at: at.key(clause) }]).ok()?;
            return Some(Ok((without, None)));
        }
        let (found_formula, after) = if clause == "where" {
            (
                self.formula_in_rows(&without_results(&up_to)?, condition)?,
                ["joins", "from"],
            )
        } else {
            let spec = with_definition(&up_to, CONDITION, "COUNT() > 0")?;
            let found = self.formula_beside(&spec, "count(*) > 0", condition)?;
            (found, ["group_by", "where"])
        };
        let FoundFormula { formula, rewritten, .. } = match found_formula {
            Ok(found) => found,
            Err(refusal) => return Some(Err(refusal)),
        };
        let edit = Edit::Set {
            at: at.key(clause),
            value: YamlValue::text(formula),
            after: after.map(str::to_owned).to_vec(),
        };
        Some(Ok((apply_edits(source, &[edit]).ok()?, rewritten)))
    }

    /// Returns the formula for SQL over the rows that the last step reads. `None` if the step cannot be edited.
    pub fn formula_of_rows(&self, sql: &str) -> Option<Result<FoundFormula, NotAFormula>> {
        self.formula_in_rows(&without_results(&self.ours.source)?, sql)
    }

    /// Returns the formula for SQL over the rows that a spec without definitions selects. `None` if the spec cannot be
    /// edited.
    pub fn formula_in_rows(&self, rows: &str, sql: &str) -> Option<Result<FoundFormula, NotAFormula>> {
        let spec = with_definition(rows, CONDITION, "TRUE")?;
        self.formula_beside(&spec, "true", sql)
    }

    /// Returns the formula for SQL that replaces a placeholder. The formula is found as if the SQL were a column.
    fn formula_beside(&self, spec: &str, placeholder: &str, sql: &str) -> Option<Result<FoundFormula, NotAFormula>> {
        let path = Some(self.ours.spec.as_str());
        let before = format!("{placeholder} as {CONDITION}");
        let written = self.tools.compile(&self.ours.spec, spec)?;
        let written = written.compiled.model_sql()?;
        let found = written.replacen(&before, &format!("({sql}) as {CONDITION}"), 1);
        let (decompiler, compiler) = (self.tools.decompiler, self.tools.compiler);
        Some(decompiler.find_formula_with_guards(compiler, spec, path, &found, None, CONDITION))
    }

    /// Returns the differences between the SQL that a spec generates and other SQL: the text before and after.
    fn differences(&self, ours: &CurrentSpec, text: &str) -> Vec<(String, String)> {
        self.column_and_clause_differences(ours, text).concat()
    }

    /// Returns the differences in columns, and those in other parts of the SQL, such as conditions.
    fn column_and_clause_differences(&self, ours: &CurrentSpec, text: &str) -> [Vec<(String, String)>; 2] {
        let sql = ours.compiled.model_sql().unwrap_or_default();
        let dialect = ours.compiled.dialect();
        let edits = Edits::from_texts(sql, text, dialect);
        let columns = edits.items.into_iter().map(|edit| (edit.before, edit.after));
        let clauses = edits.other_edits.into_iter().map(|edit| (edit.before, edit.after));
        [columns.collect(), clauses.collect()]
    }

    /// Returns the versions of the spec that may produce an edit to the structure of the SQL. The generated SQL of an
    /// added column or of a condition may handle more special cases than the edited SQL.
    fn specs_with_structure(&self, edit: &StructureEdit, text: &str) -> Vec<SpecWithStructure> {
        let source = &self.ours.source;
        let specs = match edit {
            StructureEdit::Removed(name) => without_definition(source, name).into_iter().collect(),
            StructureEdit::Renamed(old, new) => {
                let renamed = with_renamed_definition(source, old, new).into_iter();
                renamed.chain(with_renamed_metric(source, old, new)).collect()
            }
            StructureEdit::Relation { before, after, .. } => with_relation(source, before, after),
            StructureEdit::JoinTypes { before, after } => with_join_types(source, before, after).into_iter().collect(),
            StructureEdit::GroupKeys(keys) => self.with_group_keys(keys).into_iter().collect(),
            StructureEdit::Condition { cte, clause, after, .. } => {
                let own = self.without_generated_condition((cte.as_deref(), clause), after, text);
                let dialect = self.ours.compiled.dialect();
                let condition = own.as_deref().unwrap_or_else(|| without_jinja_block(after, dialect));
                return match self.edited_model {
                    Some(_) if !condition.is_empty() && *clause == "where" => self.with_condition_of_sets(condition),
                    Some(_) if !condition.is_empty() => Vec::new(),
                    _ => self
                        .with_condition(clause, condition, cte.as_deref())
                        .into_iter()
                        .collect(),
                };
            }
            StructureEdit::Added(name) if self.edited_model.is_some() => {
                return self.with_column_of_metrics(name, text).into_iter().collect();
            }
            StructureEdit::Added(name) => return self.with_added_column(name, text),
        };
        specs.into_iter().map(|spec| Ok((spec, None))).collect()
    }

    /// Returns the specs with a definition for an added column: after the definitions of the columns before it, or at
    /// the end.
    fn with_added_column(&self, name: &str, text: &str) -> Vec<SpecWithStructure> {
        let source = &self.ours.source;
        // The formula is determined as for a changed definition with this name.
        let before = placeholder_formula(source).and_then(|formula| with_definition(source, name, formula));
        let Some(before) = before else { return Vec::new() };
        let (decompiler, path) = (self.tools.decompiler, Some(self.ours.spec.as_str()));
        let formula = decompiler.find_formula_with_guards(self.tools.compiler, &before, path, text, None, name);
        let FoundFormula { formula, rewritten, .. } = match formula {
            Ok(formula) => formula,
            Err(refusal) => return vec![Err(refusal)],
        };
        let columns = columns_before(text, name, self.ours.compiled.dialect());
        let in_place = with_definition_after(source, name, &formula, &columns);
        let specs = in_place.into_iter().chain(with_definition(source, name, &formula));
        specs.map(|spec| Ok((spec, rewritten.clone()))).collect()
    }
}

/// Marks the edits that a comment keeps. Returns whether there are such edits among these positions.
fn mark_kept_edits(edits: &mut [HandEdit], places: &[usize], text: &str) -> bool {
    let mut is_kept = false;
    for index in places {
        if let Some(edit) = edits.get_mut(*index)
            && edit.has_keep_comment(text)
        {
            edit.why = Some(KEEP_COMMENT.to_owned());
            is_kept = true;
        }
    }
    is_kept
}

/// Returns the possible edits to the structure of a model's SQL, each with the positions of its hand edits. Several
/// edits may explain the same hand edits. The last select may return all columns of the CTE `output`.
fn structure_edits(edits: &[HandEdit], output: Option<&str>) -> Vec<(StructureEdit, Vec<usize>)> {
    let column = |edit: &HandEdit| Some(edit.position.as_ref()?.output_column_name(output)?.to_owned());
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    let mut found = Vec::new();
    // A column without a known name, such as `*` or a macro, may be a column that seems to be missing.
    let is_unnamed = |edit: &HandEdit| {
        edit.position
            .as_ref()
            .is_some_and(FilePartPosition::is_unnamed_in_last_select)
    };
    let has_unnamed = edits.iter().any(|edit| is_unnamed(edit) && !is_empty(&edit.after));
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for (at, edit) in edits.iter().enumerate() {
        if edit.definition.is_some() {
            continue;
        }
        match (column(edit), is_empty(&edit.before), is_empty(&edit.after)) {
            (Some(name), true, false) => added.push((name, at)),
            (Some(name), false, true) if !has_unnamed => removed.push((name, at)),
            _ => {}
        }
        let clause = edit.position.as_ref().and_then(FilePartPosition::condition_clause);
        if let Some(clause) = clause {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let condition = StructureEdit::Condition {
                cte: edit.cte.clone(),
                clause,
                before: text(&edit.before),
                after: text(&edit.after),
            };
            found.push((condition, vec![at]));
        }
        let is_from = edit.position.as_ref().is_some_and(FilePartPosition::is_from_clause);
        if let (true, Some(before), Some(after)) = (is_from, &edit.before, &edit.after)
            && join_types(before) != join_types(after)
        {
            let (before, after) = (before.clone(), after.clone());
            found.push((StructureEdit::JoinTypes { before, after }, vec![at]));
        }
        let cte = edit
            .position
            .as_ref()
            .and_then(|position| position.cte_of_from_clause());
        if let (Some(cte), Some(before), Some(after)) = (cte, &edit.before, &edit.after)
            && let (Some(before), Some(after)) = (dbt_call(before), dbt_call(after))
        {
            let cte = cte.to_owned();
            found.push((StructureEdit::Relation { cte, before, after }, vec![at]));
        }
    }
    // A removed and an added column may be one column with a new name.
    if removed.len() * added.len() <= MAX_RENAMED_PAIRS {
        for (old, at) in &removed {
            let pairs = added.iter().map(|(new, other)| {
                let renamed = StructureEdit::Renamed(old.clone(), new.clone());
                (renamed, vec![*at, *other])
            });
            found.extend(pairs);
        }
    }
    let one = |edit: fn(String) -> StructureEdit| move |(name, at): (String, usize)| (edit(name), vec![at]);
    found.extend(removed.into_iter().map(one(StructureEdit::Removed)));
    found.extend(added.into_iter().map(one(StructureEdit::Added)));
    found
}

/// Returns a condition without the block for incremental runs at its end, `{% if is_incremental() %} and … {% endif
/// %}`.
fn without_jinja_block(condition: &str, dialect: Dialect) -> &str {
    let tokens = tokens(condition, dialect);
    let is_block = |token: &&SqlToken| token.kind == SqlTokenKind::Jinja && token.text(condition).starts_with("{%");
    let end = tokens
        .iter()
        .find(is_block)
        .map_or(condition.len(), |token| token.start);
    condition.get(..end).unwrap_or(condition).trim_end()
}

/// Returns the call in `{{ ref('orders') }}`.
fn dbt_call(text: &str) -> Option<String> {
    let call = jinja_expression(text)?;
    RelationReference::read(call).map(|_| call.to_owned())
}
