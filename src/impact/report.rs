//! The report: what changes, what that reaches, worst first, and the graph of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::definitions;
use super::graph::{Graph, GraphPart};
use super::names::ImpactTarget;
use super::omni_effects;
use super::propagate::{Grade, NodeState, Spread, Start, Via, spread};
use super::summary::ORDER;
use crate::artifacts::{ManifestNode, MetaValue, NodeDetail, Owner, ResourceType};
use crate::lineage::{self, ColumnChange};

/// Something that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedNode {
    /// `orders.amount`, `orders`.
    pub name: String,
    /// The node's id.
    pub id: String,
    /// What happens to it: `its values change`, `it is removed`.
    pub what: String,
    /// How bad that is for itself.
    pub grade: Grade,
    /// Why; `None` if it is what follows.
    pub reason: Option<String>,
}

/// Something that a change reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effect {
    /// `quarterly_growth_rate`, `orders.revenue` of Omni.
    pub name: String,
    /// The node's id; of Omni's things their kind and name.
    pub id: String,
    /// dbt's word for it; `omni dimension`, `omni topic`, … .
    pub kind: String,
    /// The columns that change, where they are known; empty if all do.
    pub columns: Vec<String>,
    /// How it is reached, from the change on.
    pub path: Vec<Arc<str>>,
    /// The id of what it is reached by.
    pub via: Option<String>,
    /// How bad it is.
    pub grade: Grade,
    /// Why.
    pub reason: String,
    /// Why it is only known for the whole of it, where that is so.
    pub whole: Option<String>,
    /// Where more is said than is known to be.
    pub gaps: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How it, or the worst of its tests, ended last.
    pub status: Option<String>,
    /// The file that it stands in.
    pub file: Option<String>,
}

/// What reads what, by ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct GraphEdge {
    /// What is read.
    pub from: String,
    /// What reads it.
    pub to: String,
}

/// What a change touches.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Impact {
    /// What changes.
    pub changed: Vec<ChangedNode>,
    /// What that reaches, worst first.
    pub effects: Vec<Effect>,
    /// What is downstream and not reached: ids and names.
    pub unaffected: Vec<(String, String)>,
    /// What reads what, of all these.
    pub edges: Vec<GraphEdge>,
}

impl Impact {
    /// How bad the worst is.
    #[must_use]
    pub fn worst_grade(&self) -> Grade {
        let changed = self.changed.iter().map(|changed| changed.grade);
        changed.chain(self.effects.iter().map(|effect| effect.grade)).max().unwrap_or_default()
    }
}

/// What changes touch. `status` says how a node ended last.
#[must_use]
pub fn impact(graph: &Graph<'_>, starts: &[Start], status: &BTreeMap<String, String>) -> Impact {
    lineage::with_room(|| report(graph, starts, status)).unwrap_or_default()
}

impl Graph<'_> {
    /// A change of what a name means: of its values where `change` says nothing worse.
    #[must_use]
    pub fn start(&self, target: &ImpactTarget, change: ColumnChange) -> Start {
        let mut start = Start { place: target.place, ..Start::default() };
        let spec = self.parts.get(target.place).and_then(|part| part.spec);
        if let (Some(definition), Some(spec)) = (&target.definition, spec) {
            // A definition that is no column is part of some.
            let reached = definitions::columns(spec, definition);
            start.redefined = true;
            start.rows = reached.is_empty();
            start.columns = reached.into_iter().map(|column| (column, ColumnChange::Values)).collect();
            return start;
        }
        match &target.column {
            Some(column) => {
                // A column that is defined by a formula is changed there, and others may be made of it.
                if let Some(spec) = spec
                    .filter(|spec| spec.compiled.definitions().iter().any(|d| d.name().eq_ignore_ascii_case(column)))
                {
                    start.redefined = true;
                    let made =
                        definitions::columns(spec, column).into_iter().map(|column| (column, ColumnChange::Values));
                    start.columns = made.collect();
                }
                start.columns.insert(column.clone(), change);
            }
            None => match change {
                ColumnChange::Gone => start.gone = true,
                ColumnChange::Type => {
                    let known = self.known_columns(target.place).columns.into_iter();
                    start.columns = known.map(|column| (column.to_lowercase(), ColumnChange::Type)).collect();
                    start.rows = true;
                }
                ColumnChange::Values => start.rows = true,
            },
        }
        start
    }
}

fn report(graph: &Graph<'_>, starts: &[Start], status: &BTreeMap<String, String>) -> Impact {
    let spread = spread(graph, starts);
    let mut impact = Impact::default();
    for start in starts {
        impact.changed.extend(changed(graph, start, spread.states.get(&start.place)));
    }
    let own: BTreeSet<usize> = starts.iter().map(|start| start.place).collect();
    let of_tests = test_status(graph, status);
    let mut steps = Steps::new(graph, &spread);
    for place in &spread.order {
        let Some(part) = graph.parts.get(*place) else { continue };
        match spread.states.get(place) {
            Some(_) if own.contains(place) => {}
            Some(state) => impact.effects.push(effect(graph, &mut steps, part, state, *place, status, &of_tests)),
            None if part.kind() != ResourceType::Test => impact.unaffected.push((part.id(), part.name())),
            None => {}
        }
    }
    let shown: FxHashSet<usize> = spread.order.iter().copied().chain(own).collect();
    for place in &spread.order {
        let Some(part) = graph.parts.get(*place) else { continue };
        if part.kind() == ResourceType::Test && spread.states.get(place).is_none() {
            continue;
        }
        for parent in graph.parents.get(*place).into_iter().flatten().filter(|parent| shown.contains(parent)) {
            if let Some(parent) = graph.parts.get(*parent) {
                impact.edges.push(GraphEdge { from: parent.id(), to: part.id() });
            }
        }
    }
    omni_effects::add(graph, &spread, &mut steps, &mut impact);
    let kind = |effect: &Effect| ORDER.iter().position(|known| *known == effect.kind).unwrap_or(ORDER.len());
    impact.effects.sort_by(|one, other| {
        (other.grade.cmp(&one.grade))
            .then_with(|| one.path.len().cmp(&other.path.len()))
            .then_with(|| kind(one).cmp(&kind(other)))
            .then_with(|| one.id.cmp(&other.id))
    });
    impact.edges.sort();
    impact.edges.dedup();
    impact
}

fn changed(graph: &Graph<'_>, start: &Start, state: Option<&NodeState>) -> Vec<ChangedNode> {
    let Some(part) = graph.parts.get(start.place) else { return Vec::new() };
    let grade = state.map(|state| state.grade).unwrap_or_default();
    // What may change by something that nobody sees in its own file is worth a look.
    let grade = if start.why.is_some() { grade.max(Grade::Changing) } else { grade };
    let reason = state.map(|state| state.reason.clone()).filter(|reason| !reason.is_empty()).or(start.why.clone());
    let one = |name: String, what: &str| ChangedNode {
        name,
        id: part.id(),
        what: what.to_owned(),
        grade,
        reason: reason.clone(),
    };
    let mut found = Vec::new();
    if start.gone {
        found.push(one(part.name(), "it is removed"));
    } else if start.rows {
        let what = if start.why.is_some() { "its rows and values may change" } else { "its rows and values change" };
        found.push(one(part.name(), what));
    }
    for (column, change) in &start.columns {
        let what = match change {
            ColumnChange::Gone => "it is removed",
            ColumnChange::Type => "its type changes",
            ColumnChange::Values if start.rows => continue,
            ColumnChange::Values => "its values change",
        };
        found.push(one(format!("{}.{column}", part.name()), what));
    }
    found.extend(start.notes.iter().map(|note| ChangedNode {
        name: note.name.clone(),
        id: part.id(),
        what: note.what.clone(),
        grade: note.grade,
        reason: Some(note.reason.clone()),
    }));
    found
}

fn effect(
    graph: &Graph<'_>,
    steps: &mut Steps<'_>,
    part: &GraphPart<'_>,
    state: &NodeState,
    place: usize,
    status: &BTreeMap<String, String>,
    of_tests: &BTreeMap<usize, String>,
) -> Effect {
    let columns = if state.rows.is_some() { Vec::new() } else { state.columns.keys().cloned().collect() };
    // dbt lists exposures in its results, and does nothing with them.
    let own = part.node.and_then(|node| status.get(&*node.unique_id)).filter(|status| *status != "no-op").cloned();
    Effect {
        name: part.name(),
        id: part.id(),
        kind: part.kind().name().to_owned(),
        columns,
        path: steps.path(place, state),
        via: state.via.as_ref().and_then(|(at, _)| Some(graph.parts.get(*at)?.id())),
        grade: state.grade,
        reason: state.reason.clone(),
        whole: state.whole.clone(),
        gaps: state.gaps.clone(),
        owner: part.node.and_then(|node| owner(graph, node)),
        status: of_tests.get(&place).cloned().or(own),
        file: part.node.map(|node| node.original_file_path.to_string()).or_else(|| Some(part.spec?.path.clone())),
    }
}

/// The column of a step where one is known, and what the step is called.
type PathStep = (Option<String>, Arc<str>);

/// The names of steps, each made once: many ways lead through the same.
pub(super) struct Steps<'s> {
    graph: &'s Graph<'s>,
    spread: &'s Spread,
    /// By place.
    named: FxHashMap<usize, Vec<PathStep>>,
}

impl<'s> Steps<'s> {
    fn new(graph: &'s Graph<'s>, spread: &'s Spread) -> Self {
        Self { graph, spread, named: FxHashMap::default() }
    }

    fn step(&mut self, place: usize, column: Option<&str>) -> Arc<str> {
        let of_place = self.named.entry(place).or_default();
        if let Some((_, name)) = of_place.iter().find(|(known, _)| known.as_deref() == column) {
            return Arc::clone(name);
        }
        let name = self.graph.parts.get(place).map(GraphPart::name).unwrap_or_default();
        let name: Arc<str> = column.map_or_else(|| Arc::from(&*name), |column| format!("{name}.{column}").into());
        of_place.push((column.map(str::to_owned), Arc::clone(&name)));
        name
    }

    /// The way from the change to a node, each step with its column where one is known.
    pub fn path(&mut self, place: usize, state: &NodeState) -> Vec<Arc<str>> {
        let mut steps = vec![self.step(place, None)];
        let mut via: Option<(usize, Option<&str>)> = reached(&state.via);
        let mut seen = BTreeSet::from([place]);
        while let Some((at, column)) = via {
            steps.push(self.step(at, column));
            if !seen.insert(at) {
                break;
            }
            let Some(before) = self.spread.states.get(&at) else { break };
            let of_column = column.and_then(|column| before.columns.get(column)).and_then(|(_, via)| reached(via));
            let of_rows = || before.rows.as_ref().and_then(reached);
            via = of_column.or_else(of_rows).or_else(|| reached(&before.via));
        }
        steps.reverse();
        steps
    }
}

fn reached(via: &Via) -> Option<(usize, Option<&str>)> {
    via.as_ref().map(|(at, column)| (*at, column.as_deref()))
}

/// Who answers for a node: what its meta says, else its group.
fn owner(graph: &Graph<'_>, node: &ManifestNode) -> Option<String> {
    if let NodeDetail::Exposure(exposure) = &node.detail {
        return named(&exposure.owner);
    }
    if let Some(owner) = node.meta.get("owner") {
        let said = owner.scalar().map(str::to_owned);
        let part = |key: &str| owner.as_map()?.get(key).and_then(MetaValue::scalar).map(str::to_owned);
        return said.or_else(|| part("email")).or_else(|| part("name"));
    }
    let group = node.group.as_deref()?;
    let group = graph.sources.manifest.groups.iter().find(|known| &*known.name == group)?;
    named(&group.owner).or_else(|| Some(group.name.to_string()))
}

fn named(owner: &Owner) -> Option<String> {
    match (&owner.name, &owner.email) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_string()),
        (None, None) => None,
    }
}

/// The worst of the last results of each node's tests.
fn test_status(graph: &Graph<'_>, status: &BTreeMap<String, String>) -> BTreeMap<usize, String> {
    let mut all: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for test in graph.sources.manifest.data_tests() {
        let (Some(on), Some(status)) = (test.on, status.get(&*test.node.unique_id)) else { continue };
        if let Some(place) = graph.index_of(&on.unique_id) {
            all.entry(place).or_default().push(status);
        }
    }
    let shown = |of: &[&str]| {
        let passed = of.iter().filter(|status| **status == "pass").count();
        let count = of.len();
        let tests = if count == 1 { "test" } else { "tests" };
        match of.iter().find(|status| **status != "pass") {
            None => format!("{count} {tests} pass"),
            Some(worst) => format!("{passed} of {count} {tests} pass, {worst}"),
        }
    };
    all.into_iter().map(|(place, of)| (place, shown(&of))).collect()
}
