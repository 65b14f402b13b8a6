//! Effects on nodes that have SQL, such as models and snapshots.

use super::changes::{ChangeSeverity, NodeChanges};
use super::node_state::{ChangeOrigin, NodeState, NodeStates};
use crate::graph::{Graph, ImpactGraphNode};
use crate::lineage::{ColumnChange, ColumnSource};

/// Grades a node that has SQL, such as a model or snapshot.
pub(super) fn assess_effect_on_model(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
    initial_changes: &[NodeChanges],
    state: &mut NodeState,
) {
    let parents = graph.parents.get(index).map(Vec::as_slice).unwrap_or_default();
    if let Some((parent, name)) = parents.iter().find_map(|parent| {
        states.get(parent)?.fails.as_ref()?;
        Some((*parent, graph.nodes.get(*parent)?.name()))
    }) {
        let is_removed = initial_changes
            .iter()
            .any(|start| start.node_index == parent && start.is_removed);
        let why = if is_removed { "was removed" } else { "fails" };
        state.fails = Some(Some((parent, None)));
        state.raise_severity(
            ChangeSeverity::Breaking,
            format!("the code reads `{name}`, which {why}"),
            Some((parent, None)),
        );
        return;
    }
    // If the rows of a parent change, all columns change, regardless of the SQL.
    if let Some((parent, name)) = parent_with_changed_rows(graph, index, states)
        .filter(|_| graph.nodes.get(index).is_some_and(ImpactGraphNode::has_sql))
    {
        state.rows = Some(Some((parent, None)));
        state.raise_severity(
            ChangeSeverity::Changing,
            format!("the code reads `{name}`, whose rows change"),
            Some((parent, None)),
        );
        return;
    }
    // dbt inserts the SQL of an ephemeral model into the models that read it, so the name of the ephemeral model does
    // not occur in them. The inputs of the ephemeral model can still be traced.
    let ephemeral = parents.iter().find(|parent| {
        let is_start = initial_changes.iter().any(|start| start.node_index == **parent);
        is_start
            && graph
                .nodes
                .get(**parent)
                .is_some_and(|p| p.node.is_some_and(|n| n.materialized() == Some("ephemeral")))
    });
    let lineage = graph.lineage_with_removed_columns(index, |input| states.removed_columns(input));
    let lineage = match (ephemeral, lineage) {
        (Some(_), _) => Err("dbt inserts the SQL of an ephemeral input".to_owned()),
        (None, Some(lineage)) => lineage.map_err(|why| why.to_string()),
        (None, None) => Err("there is no SQL".to_owned()),
    };
    let lineage = match lineage {
        Ok(lineage) => lineage,
        Err(why) => return mark_all_columns_changed(graph, index, states, &why, state),
    };
    let relation = |parts: &[String]| graph.find_relation(index, parts).filter(|read| *read != index);
    let affected = lineage.affected_columns(|parts, column| states.get(&relation(parts)?)?.column_change(column));
    state.gaps = lineage.gaps().to_vec();
    assess_removed_or_retyped_columns(graph, index, &affected.named, state);
    for (column, change, source) in affected.columns {
        let via = source.and_then(|source| Some((relation(&source.relation)?, Some(source.column))));
        state.columns.insert(column, (change, via));
    }
    // Add columns that `*` selects from a relation with unknown columns.
    for parts in lineage.relations() {
        let Some(read) = relation(parts) else { continue };
        let Some(before) = states.get(&read) else { continue };
        for (column, (change, _)) in &before.columns {
            if lineage.outputs_column_unchanged(parts, column) && !state.columns.contains_key(column) {
                state
                    .columns
                    .insert(column.clone(), (*change, Some((read, Some(column.clone())))));
            }
        }
    }
    if let Some((parts, column)) = affected.rows {
        let via = relation(&parts).map(|read| (read, column.clone()));
        let input = via
            .as_ref()
            .map_or_else(|| parts.join("."), |(read, _)| graph.node_name(*read));
        let reason = match column {
            Some(column) => format!("`{input}.{column}` determines which rows are returned"),
            None => format!("the code reads `{input}`, whose rows change"),
        };
        state.rows = Some(via.clone());
        state.raise_severity(ChangeSeverity::Changing, reason, via);
    }
    assess_effect_of_column_changes(graph, index, state);
}

/// Grades the effect of columns named in the SQL that were removed or whose type changed.
fn assess_removed_or_retyped_columns(
    graph: &Graph<'_>,
    index: usize,
    sources: &[(ColumnSource, ColumnChange)],
    state: &mut NodeState,
) {
    for (column, change) in sources {
        let Some(read) = graph
            .find_relation(index, &column.relation)
            .filter(|read| *read != index)
        else {
            continue;
        };
        let name = graph.node_name(read);
        let via = Some((read, Some(column.column.clone())));
        let label = format!("{name}.{}", column.column);
        if *change == ColumnChange::Removed {
            state.fails = Some(via.clone());
            state.raise_severity(
                ChangeSeverity::Breaking,
                format!("the code reads `{label}`, which was removed"),
                via,
            );
        } else {
            state.raise_severity(
                ChangeSeverity::Breaking,
                format!("the code reads `{label}`, whose type changes"),
                via,
            );
        }
    }
}

/// Returns a parent whose rows change. `None` if a column of any parent is removed or changes its type.
pub(crate) fn parent_with_changed_rows(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
) -> Option<(usize, String)> {
    let parents = graph.parents.get(index)?;
    let is_plain = |parent: &usize| {
        states.get(parent).is_none_or(|state| {
            state
                .columns
                .values()
                .all(|(change, _)| *change == ColumnChange::Values)
        })
    };
    let parent = parents
        .iter()
        .find(|parent| states.get(parent).is_some_and(|state| state.rows.is_some()))?;
    parents
        .iter()
        .all(is_plain)
        .then(|| graph.nodes.get(*parent).map(|part| (*parent, part.name())))
        .flatten()
}

/// Grades a model according to which of its columns change.
fn assess_effect_of_column_changes(graph: &Graph<'_>, index: usize, state: &mut NodeState) {
    let node = graph.nodes.get(index).and_then(|part| part.node);
    let contract = node.is_some_and(|node| node.contract_enforced);
    let columns: Vec<(String, ColumnChange, ChangeOrigin)> = state
        .columns
        .iter()
        .map(|(column, (change, via))| (column.clone(), *change, via.clone()))
        .collect();
    for (column, change, via) in columns {
        let is_listed = node.is_some_and(|node| node.column(&column).is_some());
        let source = via.as_ref().and_then(|(parent, column)| {
            let name = graph.nodes.get(*parent)?.name();
            Some(
                column
                    .as_ref()
                    .map_or_else(|| format!("`{name}`"), |column| format!("`{name}.{column}`")),
            )
        });
        let source = source.unwrap_or_else(|| "its inputs".to_owned());
        let (severity, reason) = match change {
            ColumnChange::Removed if contract && is_listed => (
                ChangeSeverity::Breaking,
                format!("the contract contains `{column}`, which was removed"),
            ),
            ColumnChange::Type if contract && is_listed => (
                ChangeSeverity::Breaking,
                format!("the contract sets a type for `{column}`"),
            ),
            ColumnChange::Removed => (ChangeSeverity::Changing, format!("the column `{column}` is removed")),
            ColumnChange::Type => (
                ChangeSeverity::Changing,
                format!("`{column}` gets the type of {source}"),
            ),
            ColumnChange::Values => (ChangeSeverity::Changing, format!("`{column}` is derived from {source}")),
        };
        state.raise_severity(severity, reason, via);
    }
}

/// Grades the whole node as changed, because its column lineage is unknown.
fn mark_all_columns_changed(graph: &Graph<'_>, index: usize, states: &NodeStates, reason: &str, state: &mut NodeState) {
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent) else { continue };
        let name = graph.node_name(*parent);
        let changed = before
            .columns
            .iter()
            .find(|(_, (change, _))| *change != ColumnChange::Values);
        let via = Some((*parent, None));
        match changed {
            Some((column, (change, _))) => {
                let what = if *change == ColumnChange::Removed {
                    "was removed"
                } else {
                    "changed its type"
                };
                let via = Some((*parent, Some(column.clone())));
                state.raise_severity(
                    ChangeSeverity::Breaking,
                    format!("the code may read `{name}.{column}`, which {what}"),
                    via,
                );
            }
            None if before.rows.is_some() || !before.columns.is_empty() => {
                state.raise_severity(
                    ChangeSeverity::Changing,
                    format!("the code reads `{name}`"),
                    via.clone(),
                );
            }
            None => continue,
        }
        state.rows.get_or_insert(via);
    }
    if state.rows.is_some() {
        state.reason_for_whole_node = Some(reason.to_owned());
    }
}
