//! How a change spreads: node by node downstream, each judged by what it reads of the changed.

use std::collections::BTreeMap;

use super::graph::{Graph, GraphPart};
use super::semantic;
use super::test_effects as of_tests;
use crate::artifacts::{DataTest, ResourceType};
use crate::lineage::{self, ColumnChange};

/// What is said to change, of one node.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The node.
    pub place: usize,
    /// Columns that change, by their names in small letters.
    pub columns: BTreeMap<String, ColumnChange>,
    /// Whether other rows come, and so all columns have other values.
    pub rows: bool,
    /// Whether it is gone altogether.
    pub gone: bool,
    /// Whether what computes it is another, so that its unit tests may expect the old values.
    pub redefined: bool,
    /// Why its rows or values change, where that is worth saying.
    pub why: Option<String>,
    /// What else becomes of it, and reaches nothing else.
    pub notes: Vec<Note>,
}

/// What becomes of a node without other values: a test that is gone, a contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What it is about: the node, or a column of it.
    pub name: String,
    /// What happens.
    pub what: String,
    /// How bad that is.
    pub grade: Grade,
    /// Why.
    pub reason: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing that anybody sees.
    #[default]
    Harmless,
    /// Other values come.
    Changing,
    /// Something fails.
    Breaking,
}

impl Grade {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Changing => "changing values",
            Self::Breaking => "breaking",
        }
    }
}

/// Where a change comes from: the node before, and its column where one is known.
pub(super) type Via = Option<(usize, Option<String>)>;

/// What happens to a node.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeState {
    /// Columns that change, of a semantic model its elements.
    pub columns: BTreeMap<String, (ColumnChange, Via)>,
    /// Other rows come, and so all columns have other values.
    pub rows: Option<Via>,
    /// It fails.
    pub fails: Option<Via>,
    pub grade: Grade,
    pub reason: String,
    /// Where the change comes from first.
    pub via: Via,
    /// Why it is only known for the whole node.
    pub whole: Option<String>,
    /// Where more is said than is known to be.
    pub gaps: Vec<String>,
}

impl NodeState {
    pub fn is_affected(&self) -> bool {
        self.rows.is_some() || self.fails.is_some() || !self.columns.is_empty() || !self.reason.is_empty()
    }

    /// What happens to a column, or to the rows.
    pub fn change(&self, column: Option<&str>) -> Option<ColumnChange> {
        let rows = self.rows.is_some().then_some(ColumnChange::Values);
        match column {
            None => rows,
            Some(column) => self.columns.get(column).map(|(change, _)| *change).or(rows),
        }
    }

    /// Takes a reason where it is worse than what is known.
    pub fn judge(&mut self, grade: Grade, reason: impl Into<String>, via: Via) {
        if self.reason.is_empty() || grade > self.grade {
            self.grade = grade;
            self.reason = reason.into();
            self.via = via;
        }
    }
}

/// What happens to each node, by its place; `None` if nothing does.
#[derive(Debug, Default)]
pub(super) struct NodeStates(Vec<Option<Box<NodeState>>>);

impl NodeStates {
    fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(count).collect())
    }

    pub fn get(&self, place: &usize) -> Option<&NodeState> {
        self.0.get(*place)?.as_deref()
    }

    /// Those that something happens to, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &NodeState)> {
        self.0.iter().enumerate().filter_map(|(place, state)| Some((place, state.as_deref()?)))
    }

    fn add(&mut self, place: usize, state: NodeState) {
        match self.0.get_mut(place) {
            // It changes itself, too.
            Some(Some(own)) => merge(own, state),
            Some(none) => *none = Some(Box::new(state)),
            None => {}
        }
    }

    fn state_mut(&mut self, place: usize) -> Option<&mut NodeState> {
        self.0.get_mut(place).map(|state| &mut **state.get_or_insert_default())
    }
}

/// All nodes that are affected, and those downstream that are not.
#[derive(Debug, Default)]
pub(super) struct Spread {
    pub states: NodeStates,
    /// Nodes downstream, each behind all that it reads.
    pub order: Vec<usize>,
}

/// Spreads changes downstream.
pub(super) fn spread(graph: &Graph<'_>, starts: &[Start]) -> Spread {
    let mut spread = Spread { states: NodeStates::new(graph.parts.len()), order: Vec::new() };
    for start in starts {
        let Some(state) = spread.states.state_mut(start.place) else { continue };
        for (column, change) in &start.columns {
            let known = state.columns.entry(column.clone()).or_insert((*change, None));
            known.0 = known.0.max(*change);
        }
        if start.rows {
            state.rows = Some(None);
        }
        if start.gone {
            state.fails = Some(None);
        }
        grade_start(graph, start, state);
    }
    let from: Vec<usize> = starts.iter().map(|start| start.place).collect();
    spread.order = graph.downstream(&from);
    let tests: BTreeMap<&str, DataTest<'_>> =
        graph.sources.manifest.data_tests().into_iter().map(|test| (&*test.node.unique_id, test)).collect();
    // What reads nothing that changes is not looked at: its SQL is most of the work.
    let mut next = 0;
    while next < spread.order.len() {
        let wave = wave(graph, &spread.order, next);
        let places = spread.order.get(next..wave).unwrap_or_default().to_vec();
        let states = &spread.states;
        let found = lineage::each_with_room(places.len(), |at| {
            let place = places.get(at).copied()?;
            let read = graph.parents.get(place)?;
            let is_touched = |parent: &usize| states.get(parent).is_some_and(NodeState::is_affected);
            read.iter().any(is_touched).then(|| grade_node(graph, place, states, starts, &tests))
        });
        for (place, state) in places.iter().zip(found) {
            if let Some(state) = state.filter(NodeState::is_affected) {
                spread.states.add(*place, state);
            }
        }
        next = wave;
    }
    spread
}

/// Up to where nodes do not read each other.
fn wave(graph: &Graph<'_>, order: &[usize], from: usize) -> usize {
    let mut inside = rustc_hash::FxHashSet::default();
    for (at, place) in order.iter().enumerate().skip(from) {
        if graph.parents.get(*place).is_some_and(|read| read.iter().any(|parent| inside.contains(parent))) {
            return at;
        }
        inside.insert(*place);
    }
    order.len()
}

fn merge(own: &mut NodeState, other: NodeState) {
    own.rows = own.rows.take().or(other.rows);
    own.fails = own.fails.take().or(other.fails);
    for (column, change) in other.columns {
        own.columns.entry(column).or_insert(change);
    }
    if !other.reason.is_empty() {
        own.judge(other.grade, other.reason, other.via);
    }
    own.whole = own.whole.take().or(other.whole);
}

/// What is said of the changed node itself.
fn grade_start(graph: &Graph<'_>, start: &Start, state: &mut NodeState) {
    let Some(part) = graph.parts.get(start.place) else { return };
    let contract = part.node.is_some_and(|node| node.contract_enforced);
    for (column, change) in &start.columns {
        let is_said = part.node.is_some_and(|node| node.column(column).is_some());
        match change {
            ColumnChange::Gone if contract && is_said => {
                state.judge(Grade::Breaking, format!("its contract has `{column}`, which was removed"), None);
            }
            ColumnChange::Type if contract && is_said => {
                state.judge(Grade::Breaking, format!("its contract has another type for `{column}`"), None);
            }
            _ => {}
        }
    }
}

fn grade_node(
    graph: &Graph<'_>,
    place: usize,
    states: &NodeStates,
    starts: &[Start],
    tests: &BTreeMap<&str, DataTest<'_>>,
) -> NodeState {
    let Some(part) = graph.parts.get(place) else { return NodeState::default() };
    let mut state = NodeState::default();
    match part.kind() {
        ResourceType::Test => {
            let test = part.node.and_then(|node| tests.get(&*node.unique_id));
            of_tests::grade_data_test(graph, place, test, states, &mut state);
        }
        ResourceType::UnitTest => of_tests::grade_unit_test(graph, place, states, starts, &mut state),
        ResourceType::SemanticModel => semantic::grade_semantic_model(graph, place, states, &mut state),
        ResourceType::Metric => semantic::grade_metric(graph, place, states, &mut state),
        ResourceType::Exposure | ResourceType::SavedQuery => grade_reader(graph, place, states, &mut state),
        _ => grade_model(graph, place, states, starts, &mut state),
    }
    state
}

/// A model, a snapshot, or whatever else has SQL.
fn grade_model(graph: &Graph<'_>, place: usize, states: &NodeStates, starts: &[Start], state: &mut NodeState) {
    let parents = graph.parents.get(place).map(Vec::as_slice).unwrap_or_default();
    if let Some((parent, name)) = parents.iter().find_map(|parent| {
        states.get(parent)?.fails.as_ref()?;
        Some((*parent, graph.parts.get(*parent)?.name()))
    }) {
        let is_gone = starts.iter().any(|start| start.place == parent && start.gone);
        let why = if is_gone { "is gone" } else { "fails" };
        state.fails = Some(Some((parent, None)));
        state.judge(Grade::Breaking, format!("`{name}`, which it reads, {why}"), Some((parent, None)));
        return;
    }
    // Where the rows of what it reads are others, all of it changes, whatever its SQL says.
    if let Some((parent, name)) =
        other_rows(graph, place, states).filter(|_| graph.parts.get(place).is_some_and(GraphPart::has_sql))
    {
        state.rows = Some(Some((parent, None)));
        state.judge(Grade::Changing, format!("it reads `{name}`, whose rows change"), Some((parent, None)));
        return;
    }
    // What is ephemeral has no name in the SQL that reads it; what it reads itself is seen there.
    let ephemeral = parents.iter().find(|parent| {
        let is_start = starts.iter().any(|start| start.place == **parent);
        is_start
            && graph.parts.get(**parent).is_some_and(|p| p.node.is_some_and(|n| n.materialized() == Some("ephemeral")))
    });
    let why = match (ephemeral, graph.lineage(place)) {
        (Some(_), _) => "its input is ephemeral and part of its SQL".to_owned(),
        (None, Some(Ok(_))) => String::new(),
        (None, Some(Err(why))) => why.to_string(),
        (None, None) => "it has no SQL".to_owned(),
    };
    let Some(Ok(lineage)) = graph.lineage(place).filter(|_| why.is_empty()) else {
        return grade_whole(graph, place, states, &why, state);
    };
    let name = |place: usize| graph.parts.get(place).map(super::GraphPart::name).unwrap_or_default();
    let relation = |parts: &[String]| graph.relation(place, parts).filter(|read| *read != place);
    let affected = lineage.affected(|parts, column| states.get(&relation(parts)?)?.change(column));
    state.gaps = lineage.gaps().to_vec();
    for (column, change) in &affected.named {
        let Some(read) = relation(&column.relation) else { continue };
        let via = Some((read, Some(column.column.clone())));
        let shown = format!("{}.{}", name(read), column.column);
        if *change == ColumnChange::Gone {
            state.fails = Some(via.clone());
            state.judge(Grade::Breaking, format!("it reads `{shown}`, which was removed"), via);
        } else {
            state.judge(Grade::Breaking, format!("it reads `{shown}`, which is of another type"), via);
        }
    }
    for (column, change, of) in affected.columns {
        let via = of.and_then(|of| Some((relation(&of.relation)?, Some(of.column))));
        state.columns.insert(column, (change, via));
    }
    // What is passed on of a relation whose columns are not known.
    for parts in lineage.relations() {
        let Some(read) = relation(parts) else { continue };
        let Some(before) = states.get(&read) else { continue };
        for (column, (change, _)) in &before.columns {
            if lineage.passes(parts, column) && !state.columns.contains_key(column) {
                state.columns.insert(column.clone(), (*change, Some((read, Some(column.clone())))));
            }
        }
    }
    if let Some((parts, column)) = affected.rows {
        let via = relation(&parts).map(|read| (read, column.clone()));
        let of = via.as_ref().map(|(read, _)| name(*read)).unwrap_or_else(|| parts.join("."));
        let reason = match column {
            Some(column) => format!("`{of}.{column}` decides which rows it has"),
            None => format!("it reads `{of}`, whose rows change"),
        };
        state.rows = Some(via.clone());
        state.judge(Grade::Changing, reason, via);
    }
    grade_columns(graph, place, state);
}

/// What a node reads of which other rows come, where nothing worse happens to what it reads.
pub(super) fn other_rows(graph: &Graph<'_>, place: usize, states: &NodeStates) -> Option<(usize, String)> {
    let parents = graph.parents.get(place)?;
    let is_plain = |parent: &usize| {
        states.get(parent).is_none_or(|state| state.columns.values().all(|(change, _)| *change == ColumnChange::Values))
    };
    let parent = parents.iter().find(|parent| states.get(parent).is_some_and(|state| state.rows.is_some()))?;
    parents.iter().all(is_plain).then(|| graph.parts.get(*parent).map(|part| (*parent, part.name()))).flatten()
}

/// What is said of a model by its columns that change.
fn grade_columns(graph: &Graph<'_>, place: usize, state: &mut NodeState) {
    let node = graph.parts.get(place).and_then(|part| part.node);
    let contract = node.is_some_and(|node| node.contract_enforced);
    let columns: Vec<(String, ColumnChange, Via)> =
        state.columns.iter().map(|(column, (change, via))| (column.clone(), *change, via.clone())).collect();
    for (column, change, via) in columns {
        let is_said = node.is_some_and(|node| node.column(&column).is_some());
        let of = via.as_ref().and_then(|(read, of)| {
            let part = graph.parts.get(*read)?;
            Some(of.as_ref().map_or_else(|| part.name(), |of| format!("{}.{of}", part.name())))
        });
        let of = of.map(|of| format!("`{of}`")).unwrap_or_else(|| "what it reads".to_owned());
        let (grade, reason) = match change {
            ColumnChange::Gone if contract && is_said => {
                (Grade::Breaking, format!("its contract has `{column}`, which was removed"))
            }
            ColumnChange::Type if contract && is_said => {
                (Grade::Breaking, format!("its contract has a type for `{column}`"))
            }
            ColumnChange::Gone => (Grade::Changing, format!("it loses `{column}`")),
            ColumnChange::Type => (Grade::Changing, format!("`{column}` gets the type of {of}")),
            ColumnChange::Values => (Grade::Changing, format!("`{column}` is derived from {of}")),
        };
        state.judge(grade, reason, via);
    }
}

/// What cannot be followed changes as a whole.
fn grade_whole(graph: &Graph<'_>, place: usize, states: &NodeStates, why: &str, state: &mut NodeState) {
    for parent in graph.parents.get(place).into_iter().flatten() {
        let Some(before) = states.get(parent) else { continue };
        let name = graph.parts.get(*parent).map(super::GraphPart::name).unwrap_or_default();
        let gone = before.columns.iter().find(|(_, (change, _))| *change != ColumnChange::Values);
        let via = Some((*parent, None));
        match gone {
            Some((column, (change, _))) => {
                let what = if *change == ColumnChange::Gone { "is gone" } else { "is of another type" };
                let via = Some((*parent, Some(column.clone())));
                state.judge(Grade::Breaking, format!("it may read `{name}.{column}`, which {what}"), via);
            }
            None if before.rows.is_some() || !before.columns.is_empty() => {
                state.judge(Grade::Changing, format!("it reads `{name}`"), via.clone());
            }
            None => continue,
        }
        state.rows.get_or_insert(via);
    }
    if state.rows.is_some() {
        state.whole = Some(why.to_owned());
    }
}

/// An exposure, a saved query: what they read of a node nobody says.
fn grade_reader(graph: &Graph<'_>, place: usize, states: &NodeStates, state: &mut NodeState) {
    for parent in graph.parents.get(place).into_iter().flatten() {
        let Some(before) = states.get(parent).filter(|before| before.is_affected()) else { continue };
        let name = graph.parts.get(*parent).map(super::GraphPart::name).unwrap_or_default();
        let one =
            |change: ColumnChange| before.columns.iter().find(|(_, (kind, _))| *kind == change).map(|(name, _)| name);
        let (grade, reason, column) = if before.fails.is_some() {
            (Grade::Breaking, format!("its input `{name}` fails or was removed"), None)
        } else if let Some(column) = one(ColumnChange::Gone) {
            (Grade::Breaking, format!("it may read `{name}.{column}`, which was removed"), Some(column.clone()))
        } else if let Some(column) = one(ColumnChange::Type) {
            (Grade::Breaking, format!("it may read `{name}.{column}`, which is of another type"), Some(column.clone()))
        } else if before.rows.is_some() {
            (Grade::Changing, format!("all of `{name}` changes, which it reads"), None)
        } else if before.columns.is_empty() {
            continue;
        } else {
            let names: Vec<String> = before.columns.keys().map(|column| format!("`{column}`")).collect();
            let (shown, more) = names.split_at(names.len().min(3));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let column = (names.len() == 1).then(|| before.columns.keys().next().cloned()).flatten();
            let verb = if names.len() == 1 { "changes" } else { "change" };
            (Grade::Changing, format!("it reads `{name}`, of which {}{more} {verb}", shown.join(", ")), column)
        };
        state.judge(grade, reason, Some((*parent, column)));
        state.rows.get_or_insert(Some((*parent, None)));
    }
    if state.is_affected() {
        state.whole = Some("dbt does not know the columns that it reads".to_owned());
    }
}
