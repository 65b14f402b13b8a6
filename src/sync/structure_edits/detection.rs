//! Finds edits to the structure of a model's SQL among its manual edits.

use std::collections::{HashMap, HashSet};

use super::StructureEdit;
use super::spec_edits::{CASE_REASON, left_join_flags};
use crate::dbt::{RelationReference, jinja_expression};
use crate::decompile::FilePartPosition;
use crate::manual_edits::ManualEdit;

/// Maximum number of pairs of removed and added columns that are examined for renamed columns.
const MAX_RENAMED_PAIRS: usize = 16;

/// Returns the possible edits to the structure of a model's SQL, each with the positions of its manual edits. Several
/// edits may explain the same manual edits. `output` is the name of a CTE if the last select returns all columns of
/// this CTE.
pub(super) fn structure_edits(edits: &[ManualEdit], output: Option<&str>) -> Vec<(StructureEdit, Vec<usize>)> {
    let column = |edit: &ManualEdit| Some(edit.position.as_ref()?.output_column_name(output)?.to_owned());
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    let mut candidates = Vec::new();
    // A column without a known name, such as `*` or a macro, may be a column that seems to be missing.
    let is_unnamed = |edit: &ManualEdit| {
        edit.position
            .as_ref()
            .is_some_and(FilePartPosition::is_unnamed_output_column)
    };
    let has_unnamed = edits.iter().any(|edit| is_unnamed(edit) && !is_empty(&edit.after));
    // The parts of a CTE that no longer exists are not removed conditions or columns of the spec.
    let is_removed_from = |edit: &&ManualEdit| {
        is_empty(&edit.after) && edit.position.as_ref().is_some_and(FilePartPosition::is_from_clause)
    };
    let removed_selects: HashSet<&Option<String>> =
        edits.iter().filter(is_removed_from).map(|edit| &edit.cte).collect();
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for (at, edit) in edits.iter().enumerate() {
        let is_in_removed_select = is_empty(&edit.after) && removed_selects.contains(&edit.cte);
        if edit.definition.is_some() || edit.why.is_some() || is_in_removed_select {
            continue;
        }
        match (column(edit), is_empty(&edit.before), is_empty(&edit.after)) {
            (Some(name), true, false) => added.push((name, at)),
            (Some(name), false, true) if !has_unnamed => removed.push((name, at)),
            _ => {}
        }
        let clause = edit
            .position
            .as_ref()
            .and_then(FilePartPosition::clause_name_if_condition);
        if let Some(clause) = clause {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let condition = StructureEdit::Condition {
                cte: edit.cte.clone(),
                clause,
                before: text(&edit.before),
                after: text(&edit.after),
            };
            candidates.push((condition, vec![at]));
        }
        let is_from = edit.position.as_ref().is_some_and(FilePartPosition::is_from_clause);
        if let (true, Some(before), Some(after)) = (is_from, &edit.before, &edit.after)
            && left_join_flags(before) != left_join_flags(after)
        {
            let (before, after) = (before.clone(), after.clone());
            candidates.push((StructureEdit::JoinTypes { before, after }, vec![at]));
        }
        let cte = edit
            .position
            .as_ref()
            .and_then(|position| position.cte_if_from_clause());
        if let (Some(cte), Some(before), Some(after)) = (cte, &edit.before, &edit.after)
            && let (Some(before), Some(after)) = (ref_or_source_call(before), ref_or_source_call(after))
        {
            let cte = cte.to_owned();
            candidates.push((StructureEdit::Relation { cte, before, after }, vec![at]));
        }
    }
    // A removed and an added column may be one column with a new name.
    if removed.len() * added.len() <= MAX_RENAMED_PAIRS {
        for (old, at) in &removed {
            let pairs = added.iter().map(|(new, other)| {
                let renamed = StructureEdit::Renamed(old.clone(), new.clone());
                (renamed, vec![*at, *other])
            });
            candidates.extend(pairs);
        }
    }
    let candidate = |edit: fn(String) -> StructureEdit| move |(name, at): (String, usize)| (edit(name), vec![at]);
    candidates.extend(removed.into_iter().map(candidate(StructureEdit::Removed)));
    candidates.extend(added.into_iter().map(candidate(StructureEdit::Added)));
    candidates
}

/// Marks the edits that only change the case of a column's name, or only quote the name. A spec does not determine the
/// case of names.
pub(super) fn mark_case_only_renames(edits: &mut [ManualEdit]) {
    let column = |edit: &ManualEdit| {
        let position = edit.position.as_ref().filter(|_| edit.definition.is_none())?;
        let (cte, name) = position.case_insensitive_column()?;
        Some((cte.map(str::to_owned), name))
    };
    let mut counts: HashMap<_, usize> = HashMap::new();
    for column in edits.iter().filter_map(column) {
        *counts.entry(column).or_default() += 1;
    }
    let is_pair =
        |edit: &ManualEdit| column(edit).is_some_and(|column| counts.get(&column).is_some_and(|count| *count > 1));
    for edit in edits.iter_mut().filter(|edit| is_pair(edit)) {
        edit.why = Some(CASE_REASON.to_owned());
    }
}

/// Returns the call in `{{ ref('orders') }}`.
pub(super) fn ref_or_source_call(text: &str) -> Option<String> {
    let call = jinja_expression(text)?;
    RelationReference::read(call).map(|_| call.to_owned())
}
