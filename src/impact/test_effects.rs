//! Effects of a change on tests.

use super::graph::Graph;
use super::propagate::{ChangeSeverity, NodeChanges, NodeState, NodeStates, parent_with_changed_rows};
use crate::artifacts::{DataTest, NodeDetail, TestCheck};
use crate::lineage::{ColumnChange, SqlLineage};

/// Column, with the position of its relation in the graph.
type GraphColumn = (usize, String);

/// Grades the effect on a data test. The test fails to run if a column is removed, and may return different rows if
/// values change.
pub(super) fn assess_effect_on_data_test(
    graph: &Graph<'_>,
    index: usize,
    test: Option<&DataTest<'_>>,
    states: &NodeStates,
    state: &mut NodeState,
) {
    let parents = graph.parents.get(index).map(Vec::as_slice).unwrap_or_default();
    if let Some(parent) = parents
        .iter()
        .find(|parent| states.get(parent).is_some_and(|state| state.fails.is_some()))
    {
        let reason = format!("the input `{}` fails or was removed", graph.node_name(*parent));
        return state.raise_severity(ChangeSeverity::Breaking, reason, Some((*parent, None)));
    }
    if let Some((parent, name)) = parent_with_changed_rows(graph, index, states) {
        let reason = format!("the test reads `{name}`, whose rows change");
        return state.raise_severity(ChangeSeverity::Changing, reason, Some((parent, None)));
    }
    let mut columns = test.map(|test| tested_columns(graph, test)).unwrap_or_default();
    // The columns of a built-in dbt test are known even without the SQL of the test.
    let is_known = test.is_some_and(|test| {
        !matches!(test.check, TestCheck::Other(_) | TestCheck::Singular) && test.node.config_text("where").is_none()
    });
    let lineage = match is_known {
        true => None,
        false => graph.lineage_with_removed_columns(index, |input| states.removed_columns(input)),
    };
    if let Some(Ok(lineage)) = &lineage {
        let (traced, rows) = changed_columns_read_by_test(graph, index, lineage, states);
        columns.extend(traced);
        match rows {
            Some((node_index, Some(column))) => columns.push((node_index, column)),
            Some((node_index, None)) => {
                let reason = format!("the test reads `{}`, whose rows change", graph.node_name(node_index));
                state.raise_severity(ChangeSeverity::Changing, reason, Some((node_index, None)));
            }
            None => {}
        }
    }
    for (node_index, column) in columns {
        let Some(change) = states
            .get(&node_index)
            .and_then(|state| state.column_change(Some(&column)))
        else {
            continue;
        };
        let label = format!("{}.{column}", graph.node_name(node_index));
        let (severity, reason) = match change {
            ColumnChange::Removed => (
                ChangeSeverity::Breaking,
                format!("the test checks `{label}`, which was removed"),
            ),
            ColumnChange::Type => (
                ChangeSeverity::Breaking,
                format!("the test checks `{label}`, whose type changes"),
            ),
            ColumnChange::Values => (
                ChangeSeverity::Changing,
                format!("the test checks the values of `{label}`"),
            ),
        };
        state.raise_severity(severity, reason, Some((node_index, Some(column))));
    }
    if let (Some(Err(why)), None) = (&lineage, test.and_then(|test| test.column.as_ref()))
        && !state.is_affected()
        && let Some(parent) = parents
            .iter()
            .find(|parent| states.get(parent).is_some_and(NodeState::is_affected))
    {
        state.raise_severity(
            ChangeSeverity::Changing,
            format!("the test checks `{}`", graph.node_name(*parent)),
            Some((*parent, None)),
        );
        state.reason_for_whole_node = Some(why.to_string());
    }
}

/// Returns the columns that a test refers to, including columns of another table that the test reads.
fn tested_columns(graph: &Graph<'_>, test: &DataTest<'_>) -> Vec<GraphColumn> {
    let target = test.on.and_then(|tested_node| graph.index_of(&tested_node.unique_id));
    let mut columns: Vec<GraphColumn> = target
        .zip(test.column.as_ref())
        .map(|(node_index, column)| (node_index, column.to_lowercase()))
        .into_iter()
        .collect();
    match &test.check {
        TestCheck::Relationships { to, field } => {
            let to = to.and_then(|id| graph.index_of(id));
            columns.extend(to.map(|node_index| (node_index, field.to_lowercase())));
        }
        TestCheck::UniqueTogether(names) => {
            columns.extend(
                target
                    .into_iter()
                    .flat_map(|node_index| names.iter().map(move |name| (node_index, name.to_lowercase()))),
            );
        }
        _ => {}
    }
    columns
}

/// Returns the changed columns that the SQL of a test reads, and the changed column or relation that determines the
/// rows of the test.
fn changed_columns_read_by_test(
    graph: &Graph<'_>,
    index: usize,
    lineage: &SqlLineage,
    states: &NodeStates,
) -> (Vec<GraphColumn>, Option<(usize, Option<String>)>) {
    let relation = |parts: &[String]| graph.find_relation(index, parts);
    let affected = lineage.affected_columns(|parts, column| states.get(&relation(parts)?)?.column_change(column));
    let named_columns = affected.named.iter().map(|(source, _)| source);
    // Apart from changed values, only changes to columns that the test names explicitly matter, because the result of
    // the test does not depend on which columns `*` returns or on their types.
    let has_other_values = |change: &ColumnChange| *change == ColumnChange::Values;
    let touched = affected
        .columns
        .iter()
        .filter(|(_, change, _)| has_other_values(change));
    let touched = touched.filter_map(|(_, _, source)| source.as_ref());
    let columns = named_columns
        .chain(touched)
        .filter_map(|source| Some((relation(&source.relation)?, source.column.clone())))
        .collect();
    let rows = affected
        .rows
        .and_then(|(parts, column)| Some((relation(&parts)?, column)));
    (columns, rows)
}

/// Grades the effect on a unit test. A unit test has its own input rows, so it is affected only by changes to the
/// code of its model and by removed columns.
pub(super) fn assess_effect_on_unit_test(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
    initial_changes: &[NodeChanges],
    state: &mut NodeState,
) {
    let model = graph.nodes.get(index).and_then(|part| match &part.node?.detail {
        NodeDetail::UnitTest(test) => Some(&*test.model),
        _ => None,
    });
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent) else { continue };
        let name = graph.node_name(*parent);
        let via = Some((*parent, None));
        let is_tested = graph
            .nodes
            .get(*parent)
            .and_then(|part| part.node)
            .is_some_and(|n| Some(&*n.name) == model);
        if before.fails.is_some() {
            state.raise_severity(
                ChangeSeverity::Breaking,
                format!("the unit test reads `{name}`, which fails or was removed"),
                via,
            );
        } else if let Some((column, _)) = before
            .columns
            .iter()
            .find(|(_, (change, _))| *change == ColumnChange::Removed)
        {
            let via = Some((*parent, Some(column.clone())));
            state.raise_severity(
                ChangeSeverity::Breaking,
                format!("the unit test may use `{name}.{column}`, which was removed"),
                via,
            );
        } else if is_tested
            && initial_changes
                .iter()
                .any(|start| start.node_index == *parent && start.redefined)
        {
            state.raise_severity(
                ChangeSeverity::Breaking,
                format!("the unit test expects the previous values of `{name}`"),
                via,
            );
        }
    }
}
