//! Effects on exposures and saved queries, which dbt does not connect to columns.

use super::changes::ChangeSeverity;
use super::node_state::{NodeState, NodeStates};
use crate::graph::Graph;
use crate::lineage::ColumnChange;
use formulac_syntax::diag::lists::join_words_up_to;

/// Grades an exposure or a saved query. dbt does not specify which columns these nodes read.
pub(super) fn assess_effect_on_exposure_or_saved_query(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
    state: &mut NodeState,
) {
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent).filter(|before| before.is_affected()) else {
            continue;
        };
        let name = graph.node_name(*parent);
        let first = |change: ColumnChange| {
            before
                .columns
                .iter()
                .find(|(_, (kind, _))| *kind == change)
                .map(|(name, _)| name)
        };
        let (severity, reason, column) = if before.fails.is_some() {
            (
                ChangeSeverity::Breaking,
                format!("the input `{name}` fails or was removed"),
                None,
            )
        } else if let Some(column) = first(ColumnChange::Removed) {
            (
                ChangeSeverity::Breaking,
                format!("the possible input `{name}.{column}` was removed"),
                Some(column.clone()),
            )
        } else if let Some(column) = first(ColumnChange::Type) {
            (
                ChangeSeverity::Breaking,
                format!("the type of the possible input `{name}.{column}` changes"),
                Some(column.clone()),
            )
        } else if before.rows.is_some() {
            (
                ChangeSeverity::Changing,
                format!("all rows of the input `{name}` may change"),
                None,
            )
        } else if before.columns.is_empty() {
            continue;
        } else {
            let names: Vec<String> = before.columns.keys().map(|column| format!("`{column}`")).collect();
            let name_list = join_words_up_to(&names, 3);
            let column = (names.len() == 1)
                .then(|| before.columns.keys().next().cloned())
                .flatten();
            let verb = if names.len() == 1 { "changes" } else { "change" };
            (
                ChangeSeverity::Changing,
                format!("in the input `{name}`, {name_list} {verb}"),
                column,
            )
        };
        state.raise_severity(severity, reason, Some((*parent, column)));
        state.rows.get_or_insert(Some((*parent, None)));
    }
    if state.is_affected() {
        state.reason_for_whole_node = Some("dbt does not record which columns are read here".to_owned());
    }
}
