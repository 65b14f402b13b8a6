//! Propagates a change downstream, node by node. The severity for each node depends on the changed columns and rows
//! that the node reads.

use std::collections::BTreeMap;

use super::graph::{Graph, ImpactGraphNode};
use super::semantic;
use super::test_effects as of_tests;
use crate::artifacts::{DataTest, ResourceType};
use crate::lineage::{self, ColumnChange, ColumnSource};

/// All changes to one node, from which the effects on other nodes are derived.
#[derive(Clone, Debug, Default)]
pub struct NodeChanges {
    /// Index of the node.
    pub node_index: usize,
    /// Changed columns by name, in lower case.
    pub columns: BTreeMap<String, ColumnChange>,
    /// Whether the rows change. If `true`, the values of all columns change.
    pub rows: bool,
    /// Whether the node is removed.
    pub is_removed: bool,
    /// Whether the code of the node changes. If `true`, unit tests of the node may expect the old values.
    pub redefined: bool,
    /// Reason why rows or values change. `None` if the report does not have to give a reason.
    pub reason: Option<String>,
    /// Other changes to the node, which do not affect downstream nodes.
    pub notes: Vec<ChangeNote>,
}

impl NodeChanges {
    /// Adds another change to the same node. Of two changes to a column, the more severe change is kept.
    pub fn merge(&mut self, other: Self) {
        self.rows |= other.rows;
        self.is_removed |= other.is_removed;
        self.redefined |= other.redefined;
        self.reason = self.reason.take().or(other.reason);
        self.notes.extend(other.notes);
        for (column, change) in other.columns {
            let column_change = self.columns.entry(column).or_insert(change);
            *column_change = (*column_change).max(change);
        }
    }
}

/// Change that does not affect a node's values, such as a removed test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeNote {
    /// Name of the node or of one of its columns.
    pub name: String,
    /// Description of the change.
    pub description: String,
    /// Severity of the change.
    pub grade: ChangeGrade,
    /// Reason for the severity.
    pub reason: String,
}

/// Severity of a change or an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeGrade {
    /// The change has no visible effect.
    #[default]
    Harmless,
    /// Values change, but nothing fails.
    Changing,
    /// The change makes at least one node fail.
    Breaking,
}

impl ChangeGrade {
    /// Returns the words that messages use for this severity.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Changing => "changing values",
            Self::Breaking => "breaking",
        }
    }
}

/// Origin of a change: the previous node and, if known, its column.
pub(super) type ChangeOrigin = Option<(usize, Option<String>)>;

/// State of an affected node.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeState {
    /// Changed columns, or changed elements of a semantic model.
    pub columns: BTreeMap<String, (ColumnChange, ChangeOrigin)>,
    /// Origin of the changed rows, which change the values of all columns. `None` if the rows do not change.
    pub rows: Option<ChangeOrigin>,
    /// Origin of a failure. `None` if the node does not fail.
    pub fails: Option<ChangeOrigin>,
    pub grade: ChangeGrade,
    pub reason: String,
    /// Origin of the first change with the highest severity.
    pub origin: ChangeOrigin,
    /// Reason why the effect is known only for the whole node.
    pub why_model_level: Option<String>,
    /// Reasons why the effect may be smaller than reported.
    pub gaps: Vec<String>,
}

impl NodeState {
    pub fn is_affected(&self) -> bool {
        self.rows.is_some() || self.fails.is_some() || !self.columns.is_empty() || !self.reason.is_empty()
    }

    /// Returns the change to a column or, if the column is `None`, to the rows.
    pub fn column_change(&self, column: Option<&str>) -> Option<ColumnChange> {
        let rows = self.rows.is_some().then_some(ColumnChange::Values);
        match column {
            None => rows,
            Some(column) => self.columns.get(column).map(|(change, _)| *change).or(rows),
        }
    }

    /// Sets the severity, reason and origin if the new severity is higher than the current one.
    pub fn raise_grade(&mut self, grade: ChangeGrade, reason: impl Into<String>, via: ChangeOrigin) {
        if self.reason.is_empty() || grade > self.grade {
            self.grade = grade;
            self.reason = reason.into();
            self.origin = via;
        }
    }
}

/// States by node index. `None` for unaffected nodes.
#[derive(Debug, Default)]
pub(super) struct NodeStates(Vec<Option<Box<NodeState>>>);

impl NodeStates {
    fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(count).collect())
    }

    pub fn get(&self, index: &usize) -> Option<&NodeState> {
        self.0.get(*index)?.as_deref()
    }

    /// Iterates over the affected nodes in index order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &NodeState)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, state)| Some((index, state.as_deref()?)))
    }

    fn add(&mut self, index: usize, state: NodeState) {
        match self.0.get_mut(index) {
            // The node also has its own changes.
            Some(Some(own)) => merge_state(own, state),
            Some(none) => *none = Some(Box::new(state)),
            None => {}
        }
    }

    fn state_mut(&mut self, index: usize) -> Option<&mut NodeState> {
        self.0.get_mut(index).map(|state| &mut **state.get_or_insert_default())
    }
}

/// Result of a propagation: the states of affected nodes, and all downstream nodes in order.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    pub states: NodeStates,
    /// Downstream nodes, in dependency order.
    pub order: Vec<usize>,
}

/// Propagates changes downstream.
pub(super) fn propagate(graph: &Graph<'_>, starts: &[NodeChanges]) -> Propagation {
    let mut spread = Propagation {
        states: NodeStates::new(graph.parts.len()),
        order: Vec::new(),
    };
    for start in starts {
        let Some(state) = spread.states.state_mut(start.node_index) else {
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
        grade_changed_node(graph, start, state);
    }
    let from: Vec<usize> = starts.iter().map(|start| start.node_index).collect();
    spread.order = graph.downstream(&from);
    let tests: BTreeMap<&str, DataTest<'_>> = graph
        .sources
        .manifest
        .data_tests()
        .into_iter()
        .map(|test| (&*test.node.unique_id, test))
        .collect();
    // Skip nodes that do not read affected nodes, because parsing SQL takes most of the time.
    let mut next = 0;
    while next < spread.order.len() {
        let wave = independent_run_end(graph, &spread.order, next);
        let places = spread.order.get(next..wave).unwrap_or_default().to_vec();
        let states = &spread.states;
        let node_states = lineage::each_with_large_stack(places.len(), |at| {
            let index = places.get(at).copied()?;
            let read = graph.parents.get(index)?;
            let is_touched = |parent: &usize| states.get(parent).is_some_and(NodeState::is_affected);
            read.iter()
                .any(is_touched)
                .then(|| grade_node(graph, index, states, starts, &tests))
        });
        for (index, state) in places.iter().zip(node_states) {
            if let Some(state) = state.filter(NodeState::is_affected) {
                spread.states.add(*index, state);
            }
        }
        next = wave;
    }
    spread
}

/// Returns the end of the longest sequence that starts at `from` and contains no nodes that read each other.
fn independent_run_end(graph: &Graph<'_>, order: &[usize], from: usize) -> usize {
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

fn merge_state(own: &mut NodeState, other: NodeState) {
    own.rows = own.rows.take().or(other.rows);
    own.fails = own.fails.take().or(other.fails);
    for (column, change) in other.columns {
        own.columns.entry(column).or_insert(change);
    }
    if !other.reason.is_empty() {
        own.raise_grade(other.grade, other.reason, other.origin);
    }
    own.why_model_level = own.why_model_level.take().or(other.why_model_level);
}

/// Grades the effect of a change on the changed node itself, based on its contract.
fn grade_changed_node(graph: &Graph<'_>, start: &NodeChanges, state: &mut NodeState) {
    let Some(part) = graph.parts.get(start.node_index) else {
        return;
    };
    let contract = part.node.is_some_and(|node| node.contract_enforced);
    for (column, change) in &start.columns {
        let is_said = part.node.is_some_and(|node| node.column(column).is_some());
        match change {
            ColumnChange::Gone if contract && is_said => {
                state.raise_grade(
                    ChangeGrade::Breaking,
                    format!("the contract contains `{column}`, which was removed"),
                    None,
                );
            }
            ColumnChange::Type if contract && is_said => {
                state.raise_grade(
                    ChangeGrade::Breaking,
                    format!("the contract has a different type for `{column}`"),
                    None,
                );
            }
            _ => {}
        }
    }
}

fn grade_node(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
    starts: &[NodeChanges],
    tests: &BTreeMap<&str, DataTest<'_>>,
) -> NodeState {
    let Some(part) = graph.parts.get(index) else {
        return NodeState::default();
    };
    let mut state = NodeState::default();
    match part.kind() {
        ResourceType::Test => {
            let test = part.node.and_then(|node| tests.get(&*node.unique_id));
            of_tests::grade_data_test(graph, index, test, states, &mut state);
        }
        ResourceType::UnitTest => of_tests::grade_unit_test(graph, index, states, starts, &mut state),
        ResourceType::SemanticModel => semantic::grade_semantic_model(graph, index, states, &mut state),
        ResourceType::Metric => semantic::grade_metric(graph, index, states, &mut state),
        ResourceType::Exposure | ResourceType::SavedQuery => {
            grade_exposure_or_saved_query(graph, index, states, &mut state);
        }
        _ => grade_model(graph, index, states, starts, &mut state),
    }
    state
}

/// Grades a node that has SQL, such as a model or snapshot.
fn grade_model(graph: &Graph<'_>, index: usize, states: &NodeStates, starts: &[NodeChanges], state: &mut NodeState) {
    let parents = graph.parents.get(index).map(Vec::as_slice).unwrap_or_default();
    if let Some((parent, name)) = parents.iter().find_map(|parent| {
        states.get(parent)?.fails.as_ref()?;
        Some((*parent, graph.parts.get(*parent)?.name()))
    }) {
        let is_gone = starts
            .iter()
            .any(|start| start.node_index == parent && start.is_removed);
        let why = if is_gone { "was removed" } else { "fails" };
        state.fails = Some(Some((parent, None)));
        state.raise_grade(
            ChangeGrade::Breaking,
            format!("the code reads `{name}`, which {why}"),
            Some((parent, None)),
        );
        return;
    }
    // If the rows of a parent change, all columns change, regardless of the SQL.
    if let Some((parent, name)) = parent_with_changed_rows(graph, index, states)
        .filter(|_| graph.parts.get(index).is_some_and(ImpactGraphNode::has_sql))
    {
        state.rows = Some(Some((parent, None)));
        state.raise_grade(
            ChangeGrade::Changing,
            format!("the code reads `{name}`, whose rows change"),
            Some((parent, None)),
        );
        return;
    }
    // dbt inserts the SQL of an ephemeral model into the models that read it, so the name of the ephemeral model does
    // not occur in them. The inputs of the ephemeral model can still be traced.
    let ephemeral = parents.iter().find(|parent| {
        let is_start = starts.iter().any(|start| start.node_index == **parent);
        is_start
            && graph
                .parts
                .get(**parent)
                .is_some_and(|p| p.node.is_some_and(|n| n.materialized() == Some("ephemeral")))
    });
    let why = match (ephemeral, graph.lineage(index)) {
        (Some(_), _) => "dbt inserts the SQL of an ephemeral input".to_owned(),
        (None, Some(Ok(_))) => String::new(),
        (None, Some(Err(why))) => why.to_string(),
        (None, None) => "there is no SQL".to_owned(),
    };
    let Some(Ok(lineage)) = graph.lineage(index).filter(|_| why.is_empty()) else {
        return mark_all_columns_changed(graph, index, states, &why, state);
    };
    let name = |index: usize| {
        graph
            .parts
            .get(index)
            .map(super::ImpactGraphNode::name)
            .unwrap_or_default()
    };
    let relation = |parts: &[String]| graph.find_relation(index, parts).filter(|read| *read != index);
    let affected = lineage.affected_columns(|parts, column| states.get(&relation(parts)?)?.column_change(column));
    state.gaps = lineage.gaps().to_vec();
    grade_lost_columns(graph, index, &affected.named, state);
    for (column, change, of) in affected.columns {
        let via = of.and_then(|of| Some((relation(&of.relation)?, Some(of.column))));
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
        let of = via.as_ref().map_or_else(|| parts.join("."), |(read, _)| name(*read));
        let reason = match column {
            Some(column) => format!("`{of}.{column}` determines which rows are returned"),
            None => format!("the code reads `{of}`, whose rows change"),
        };
        state.rows = Some(via.clone());
        state.raise_grade(ChangeGrade::Changing, reason, via);
    }
    grade_columns(graph, index, state);
}

/// Grades the effect of columns to which the SQL refers and that were removed or whose type changed.
fn grade_lost_columns(
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
        let name = graph.parts.get(read).map(ImpactGraphNode::name).unwrap_or_default();
        let via = Some((read, Some(column.column.clone())));
        let label = format!("{name}.{}", column.column);
        if *change == ColumnChange::Gone {
            state.fails = Some(via.clone());
            state.raise_grade(
                ChangeGrade::Breaking,
                format!("the code reads `{label}`, which was removed"),
                via,
            );
        } else {
            state.raise_grade(
                ChangeGrade::Breaking,
                format!("the code reads `{label}`, whose type changes"),
                via,
            );
        }
    }
}

/// Returns a parent whose rows change. `None` if a column of any parent is removed or changes its type.
pub(super) fn parent_with_changed_rows(
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
        .then(|| graph.parts.get(*parent).map(|part| (*parent, part.name())))
        .flatten()
}

/// Grades a model according to which of its columns change.
fn grade_columns(graph: &Graph<'_>, index: usize, state: &mut NodeState) {
    let node = graph.parts.get(index).and_then(|part| part.node);
    let contract = node.is_some_and(|node| node.contract_enforced);
    let columns: Vec<(String, ColumnChange, ChangeOrigin)> = state
        .columns
        .iter()
        .map(|(column, (change, via))| (column.clone(), *change, via.clone()))
        .collect();
    for (column, change, via) in columns {
        let is_said = node.is_some_and(|node| node.column(&column).is_some());
        let of = via.as_ref().and_then(|(read, of)| {
            let part = graph.parts.get(*read)?;
            Some(
                of.as_ref()
                    .map_or_else(|| part.name(), |of| format!("{}.{of}", part.name())),
            )
        });
        let of = of.map_or_else(|| "its inputs".to_owned(), |of| format!("`{of}`"));
        let (grade, reason) = match change {
            ColumnChange::Gone if contract && is_said => (
                ChangeGrade::Breaking,
                format!("the contract contains `{column}`, which was removed"),
            ),
            ColumnChange::Type if contract && is_said => (
                ChangeGrade::Breaking,
                format!("the contract sets a type for `{column}`"),
            ),
            ColumnChange::Gone => (ChangeGrade::Changing, format!("the column `{column}` is removed")),
            ColumnChange::Type => (ChangeGrade::Changing, format!("`{column}` gets the type of {of}")),
            ColumnChange::Values => (ChangeGrade::Changing, format!("`{column}` is derived from {of}")),
        };
        state.raise_grade(grade, reason, via);
    }
}

/// Grades a node as changed as a whole, because its column lineage is unknown.
fn mark_all_columns_changed(graph: &Graph<'_>, index: usize, states: &NodeStates, reason: &str, state: &mut NodeState) {
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent) else { continue };
        let name = graph
            .parts
            .get(*parent)
            .map(super::ImpactGraphNode::name)
            .unwrap_or_default();
        let gone = before
            .columns
            .iter()
            .find(|(_, (change, _))| *change != ColumnChange::Values);
        let via = Some((*parent, None));
        match gone {
            Some((column, (change, _))) => {
                let what = if *change == ColumnChange::Gone {
                    "was removed"
                } else {
                    "has another type"
                };
                let via = Some((*parent, Some(column.clone())));
                state.raise_grade(
                    ChangeGrade::Breaking,
                    format!("the code may read `{name}.{column}`, which {what}"),
                    via,
                );
            }
            None if before.rows.is_some() || !before.columns.is_empty() => {
                state.raise_grade(ChangeGrade::Changing, format!("the code reads `{name}`"), via.clone());
            }
            None => continue,
        }
        state.rows.get_or_insert(via);
    }
    if state.rows.is_some() {
        state.why_model_level = Some(reason.to_owned());
    }
}

/// Grades an exposure or a saved query. dbt does not specify which columns these nodes read.
fn grade_exposure_or_saved_query(graph: &Graph<'_>, index: usize, states: &NodeStates, state: &mut NodeState) {
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent).filter(|before| before.is_affected()) else {
            continue;
        };
        let name = graph
            .parts
            .get(*parent)
            .map(super::ImpactGraphNode::name)
            .unwrap_or_default();
        let one = |change: ColumnChange| {
            before
                .columns
                .iter()
                .find(|(_, (kind, _))| *kind == change)
                .map(|(name, _)| name)
        };
        let (grade, reason, column) = if before.fails.is_some() {
            (
                ChangeGrade::Breaking,
                format!("the input `{name}` fails or was removed"),
                None,
            )
        } else if let Some(column) = one(ColumnChange::Gone) {
            (
                ChangeGrade::Breaking,
                format!("the possible input `{name}.{column}` was removed"),
                Some(column.clone()),
            )
        } else if let Some(column) = one(ColumnChange::Type) {
            (
                ChangeGrade::Breaking,
                format!("the type of the possible input `{name}.{column}` changes"),
                Some(column.clone()),
            )
        } else if before.rows.is_some() {
            (
                ChangeGrade::Changing,
                format!("all rows of the input `{name}` may change"),
                None,
            )
        } else if before.columns.is_empty() {
            continue;
        } else {
            let names: Vec<String> = before.columns.keys().map(|column| format!("`{column}`")).collect();
            let (listed, more) = names.split_at(names.len().min(3));
            let more = if more.is_empty() {
                String::new()
            } else {
                format!(" and {} more", more.len())
            };
            let column = (names.len() == 1)
                .then(|| before.columns.keys().next().cloned())
                .flatten();
            let verb = if names.len() == 1 { "changes" } else { "change" };
            (
                ChangeGrade::Changing,
                format!("in the input `{name}`, {}{more} {verb}", listed.join(", ")),
                column,
            )
        };
        state.raise_grade(grade, reason, Some((*parent, column)));
        state.rows.get_or_insert(Some((*parent, None)));
    }
    if state.is_affected() {
        state.why_model_level = Some("dbt does not record which columns are read here".to_owned());
    }
}
