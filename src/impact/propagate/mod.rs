//! Propagates a change downstream, node by node. The severity for each node depends on the changed columns and rows
//! that the node reads.

mod changes;
mod exposures;
mod models;
mod node_state;

use std::collections::BTreeMap;

use super::graph::Graph;
use super::{semantic, test_effects};
use crate::artifacts::{DataTest, ResourceType};
use crate::lineage::{self, ColumnChange};

use exposures::assess_effect_on_exposure_or_saved_query;
use models::assess_effect_on_model;

pub use changes::{ChangeNote, ChangeSeverity, NodeChanges};
pub(super) use models::parent_with_changed_rows;
pub(super) use node_state::{ChangeOrigin, NodeState, NodeStates};

/// Result of a propagation: the states of affected nodes, and all downstream nodes in order.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    pub states: NodeStates,
    /// Downstream nodes, in dependency order.
    pub order: Vec<usize>,
}

/// Propagates changes downstream.
pub(super) fn propagate(graph: &Graph<'_>, initial_changes: &[NodeChanges]) -> Propagation {
    let mut propagation = Propagation {
        states: NodeStates::new(graph.nodes.len()),
        order: Vec::new(),
    };
    for start in initial_changes {
        let Some(state) = propagation.states.state_mut(start.node_index) else {
            continue;
        };
        for (column, change) in &start.columns {
            let known = state.columns.entry(column.clone()).or_insert((*change, None));
            known.0 = known.0.max(*change);
        }
        if start.rows {
            state.rows = Some(None);
        }
        if start.is_removed {
            state.fails = Some(None);
        }
        assess_effect_on_changed_node(graph, start, state);
    }
    let from: Vec<usize> = initial_changes.iter().map(|start| start.node_index).collect();
    propagation.order = graph.downstream(&from);
    let tests: BTreeMap<&str, DataTest<'_>> = graph
        .sources
        .manifest
        .data_tests()
        .into_iter()
        .map(|test| (&*test.node.unique_id, test))
        .collect();
    // Skip nodes that do not read affected nodes, because parsing SQL takes most of the time.
    let mut next = 0;
    while next < propagation.order.len() {
        let wave = end_of_independent_nodes(graph, &propagation.order, next);
        let places = propagation.order.get(next..wave).unwrap_or_default().to_vec();
        let states = &propagation.states;
        let node_states = lineage::map_with_large_stack(places.len(), |at| {
            let index = places.get(at).copied()?;
            let read = graph.parents.get(index)?;
            let is_touched = |parent: &usize| states.get(parent).is_some_and(NodeState::is_affected);
            read.iter()
                .any(is_touched)
                .then(|| assess_effect_on_node(graph, index, states, initial_changes, &tests))
        });
        for (index, state) in places.iter().zip(node_states) {
            if let Some(state) = state.filter(NodeState::is_affected) {
                propagation.states.add(*index, state);
            }
        }
        next = wave;
    }
    propagation
}

/// Returns the end of the longest sequence that starts at `from` and in which no node reads another.
fn end_of_independent_nodes(graph: &Graph<'_>, order: &[usize], from: usize) -> usize {
    let mut inside = rustc_hash::FxHashSet::default();
    for (at, index) in order.iter().enumerate().skip(from) {
        if graph
            .parents
            .get(*index)
            .is_some_and(|read| read.iter().any(|parent| inside.contains(parent)))
        {
            return at;
        }
        inside.insert(*index);
    }
    order.len()
}

/// Grades the effect of a change on the changed node itself, based on its contract.
fn assess_effect_on_changed_node(graph: &Graph<'_>, start: &NodeChanges, state: &mut NodeState) {
    let Some(part) = graph.nodes.get(start.node_index) else {
        return;
    };
    let contract = part.node.is_some_and(|node| node.contract_enforced);
    for (column, change) in &start.columns {
        let is_listed = part.node.is_some_and(|node| node.column(column).is_some());
        match change {
            ColumnChange::Removed if contract && is_listed => {
                state.raise_severity(
                    ChangeSeverity::Breaking,
                    format!("the contract contains `{column}`, which was removed"),
                    None,
                );
            }
            ColumnChange::Type if contract && is_listed => {
                state.raise_severity(
                    ChangeSeverity::Breaking,
                    format!("the contract specifies the old type of `{column}`"),
                    None,
                );
            }
            _ => {}
        }
    }
}

fn assess_effect_on_node(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
    initial_changes: &[NodeChanges],
    tests: &BTreeMap<&str, DataTest<'_>>,
) -> NodeState {
    let Some(part) = graph.nodes.get(index) else {
        return NodeState::default();
    };
    let mut state = NodeState::default();
    match part.kind() {
        ResourceType::Test => {
            let test = part.node.and_then(|node| tests.get(&*node.unique_id));
            test_effects::assess_effect_on_data_test(graph, index, test, states, &mut state);
        }
        ResourceType::UnitTest => {
            test_effects::assess_effect_on_unit_test(graph, index, states, initial_changes, &mut state);
        }
        ResourceType::SemanticModel => semantic::assess_effect_on_semantic_model(graph, index, states, &mut state),
        ResourceType::Metric => semantic::assess_effect_on_metric(graph, index, states, &mut state),
        ResourceType::Exposure | ResourceType::SavedQuery => {
            assess_effect_on_exposure_or_saved_query(graph, index, states, &mut state);
        }
        _ => assess_effect_on_model(graph, index, states, initial_changes, &mut state),
    }
    state
}
