//! Impact report, which consists of the changes, their effects (worst first) and the graph.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formulac_syntax::text::format_count;
use rustc_hash::{FxHashMap, FxHashSet};

use super::definitions;
use super::graph::{DBT_COMPILE_HINT, Graph, ImpactGraphNode};
use super::names::ImpactTarget;
use super::omni_effects;
use super::propagate::{ChangeOrigin, ChangeSeverity, NodeChanges, NodeState, Propagation, propagate};
use super::since::RevisionDifference;
use super::summary::kind_report_position;
use crate::artifacts::{ManifestNode, MetaValue, NodeDetail, Owner, ResourceType};
use crate::lineage::{self, ColumnChange};

/// Changed node or column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedNode {
    /// Name of the changed object, such as `orders.amount` or `orders`.
    pub name: String,
    /// Id of the node.
    pub id: String,
    /// Description of the change, such as `the values change` or `the column is removed`.
    pub description: String,
    /// Severity of the change's effect on the node itself.
    pub severity: ChangeSeverity,
    /// Reason for the severity, or cause of the change. `None` if neither is known.
    pub reason: Option<String>,
}

/// Effect of a change on a dbt node, or on a field, topic or join in Omni.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effect {
    /// Name of the affected object, such as `quarterly_growth_rate`, or `orders.revenue` for an Omni field.
    pub name: String,
    /// Id of the node, or kind and name of the Omni object.
    pub id: String,
    /// Resource type in dbt's terms, or `omni dimension`, `omni topic` and so on.
    pub kind: String,
    /// Columns that change. Empty if all columns change or if the columns are unknown.
    pub columns: Vec<String>,
    /// Path from the change to this node.
    pub path: Vec<Arc<str>>,
    /// Id of the previous node on the path.
    pub via: Option<String>,
    /// Severity of the effect.
    pub severity: ChangeSeverity,
    /// Reason for the severity.
    pub reason: String,
    /// Reason why lineage is known only for the whole node. `None` if the columns are known.
    pub reason_for_whole_node: Option<String>,
    /// Reasons why the effect may be smaller than reported.
    pub gaps: Vec<String>,
    /// Owner of the node.
    pub owner: Option<String>,
    /// Last status of the node, or a summary of its latest test results.
    pub status: Option<String>,
    /// File that defines the node.
    pub file: Option<String>,
}

/// Dependency between two nodes, given by their ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct GraphEdge {
    /// Id of the node that is read.
    pub from: String,
    /// Id of the node that reads `from`.
    pub to: String,
}

/// Report on the impact of one or more changes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Impact {
    /// Changed nodes and columns.
    pub changed: Vec<ChangedNode>,
    /// Effects of the changes, worst first.
    pub effects: Vec<Effect>,
    /// Ids and names of downstream nodes that the changes do not affect.
    pub unaffected: Vec<(String, String)>,
    /// Dependencies between the changed, affected and unaffected nodes.
    pub edges: Vec<GraphEdge>,
    /// Changed models whose SQL cannot be compared column by column, each with the reason. Their removed and renamed
    /// columns are unknown.
    pub untraced: Vec<(String, String)>,
    /// Whether the last dbt run compiled only some models, so that effects are reported for whole models instead of
    /// columns.
    pub is_partly_compiled: bool,
    /// Whether the changes are those of the models that read a changed metric.
    pub is_of_metric: bool,
    /// Number of differences between two revisions.
    pub differences: usize,
    /// Number of these differences that only add something, such as a model.
    pub additions: usize,
}

impl Impact {
    /// Adds the differences between two revisions, with the changed models whose SQL cannot be compared column by
    /// column.
    #[must_use]
    pub fn with_differences(mut self, differences: &[RevisionDifference]) -> Self {
        self.differences = differences.len();
        self.additions = differences
            .iter()
            .filter(|difference| difference.what == "added")
            .count();
        let sql = differences.iter().filter(|difference| difference.what == "sql");
        self.untraced = sql
            .filter_map(|difference| {
                Some((
                    difference.name.clone(),
                    difference.reason_for_unknown_difference.clone()?,
                ))
            })
            .collect();
        self
    }

    /// States whether the changes are those of the models that read a changed metric.
    #[must_use]
    pub fn with_changed_metric(mut self, is_of_metric: bool) -> Self {
        self.is_of_metric = is_of_metric;
        self
    }

    /// Returns the highest severity of all changes and effects.
    #[must_use]
    pub fn worst_severity(&self) -> ChangeSeverity {
        let changed = self.changed.iter().map(|changed| changed.severity);
        changed
            .chain(self.effects.iter().map(|effect| effect.severity))
            .max()
            .unwrap_or_default()
    }
}

/// Computes the impact of changes. `status` maps each node id to the status of the node's last run.
#[must_use]
pub fn compute_impact(graph: &Graph<'_>, initial_changes: &[NodeChanges], status: &BTreeMap<String, String>) -> Impact {
    lineage::with_large_stack(|| build_impact_report(graph, initial_changes, status)).unwrap_or_default()
}

impl Graph<'_> {
    /// Returns the starting point for propagating a change to a target. If the target is a definition, its values
    /// change, and `change` is ignored.
    #[must_use]
    pub fn initial_changes_of_target(&self, target: &ImpactTarget, change: ColumnChange) -> NodeChanges {
        let mut start = NodeChanges {
            node_index: target.node_index,
            ..NodeChanges::default()
        };
        let spec = self.nodes.get(target.node_index).and_then(|part| part.spec);
        if let (Some(definition), Some(spec)) = (&target.definition, spec) {
            // A change to a definition that is not a column affects the columns that depend on the definition.
            let reached = definitions::definition_columns(spec, definition);
            start.redefined = true;
            start.rows = reached.is_empty();
            start.columns = reached
                .into_iter()
                .map(|column| (column, ColumnChange::Values))
                .collect();
            return start;
        }
        match &target.column {
            Some(column) => {
                // If a formula defines the column, other columns of the model may depend on it.
                if let Some(spec) = spec.filter(|spec| {
                    spec.compiled
                        .definitions()
                        .iter()
                        .any(|d| d.name().eq_ignore_ascii_case(column))
                }) {
                    start.redefined = true;
                    let changes = definitions::definition_columns(spec, column)
                        .into_iter()
                        .map(|column| (column, ColumnChange::Values));
                    start.columns = changes.collect();
                }
                start.columns.insert(column.clone(), change);
            }
            None => match change {
                ColumnChange::Removed => start.is_removed = true,
                ColumnChange::Type => {
                    let columns = self.columns_from_metadata(target.node_index).columns.into_iter();
                    start.columns = columns
                        .map(|column| (column.to_lowercase(), ColumnChange::Type))
                        .collect();
                    start.rows = true;
                }
                ColumnChange::Values => start.rows = true,
            },
        }
        start
    }
}

fn build_impact_report(
    graph: &Graph<'_>,
    initial_changes: &[NodeChanges],
    status: &BTreeMap<String, String>,
) -> Impact {
    let spread = propagate(graph, initial_changes);
    let mut impact = Impact::default();
    for start in initial_changes {
        impact
            .changed
            .extend(changed_nodes(graph, start, spread.states.get(&start.node_index)));
    }
    let start_nodes: BTreeSet<usize> = initial_changes.iter().map(|start| start.node_index).collect();
    let of_tests = test_status_by_node(graph, status);
    let mut steps = PathStepNames::new(graph, &spread);
    for index in &spread.order {
        let Some(part) = graph.nodes.get(*index) else { continue };
        match spread.states.get(index) {
            Some(_) if start_nodes.contains(index) => {}
            Some(state) => impact
                .effects
                .push(build_effect(graph, &mut steps, part, state, *index, status, &of_tests)),
            None if part.kind() != ResourceType::Test => impact.unaffected.push((part.id(), part.name())),
            None => {}
        }
    }
    let listed_nodes: FxHashSet<usize> = spread.order.iter().copied().chain(start_nodes).collect();
    for index in &spread.order {
        let Some(part) = graph.nodes.get(*index) else { continue };
        if part.kind() == ResourceType::Test && spread.states.get(index).is_none() {
            continue;
        }
        for parent in graph
            .parents
            .get(*index)
            .into_iter()
            .flatten()
            .filter(|parent| listed_nodes.contains(parent))
        {
            if let Some(parent) = graph.nodes.get(*parent) {
                impact.edges.push(GraphEdge {
                    from: parent.id(),
                    to: part.id(),
                });
            }
        }
    }
    omni_effects::add_omni_effects(graph, &spread, &mut steps, &mut impact);
    impact.effects.sort_by_cached_key(|effect| {
        let position = kind_report_position(&effect.kind);
        (Reverse(effect.severity), effect.path.len(), position, effect.id.clone())
    });
    impact.edges.sort();
    impact.edges.dedup();
    let mut nodes = graph.nodes.iter().filter_map(|part| part.node);
    let needs_compile = |effect: &Effect| {
        let why = effect.reason_for_whole_node.as_deref();
        effect.kind == ResourceType::Model.name() && why.is_some_and(|why| why.ends_with(DBT_COMPILE_HINT))
    };
    impact.is_partly_compiled =
        impact.effects.iter().any(needs_compile) && nodes.any(|node| node.compiled_code.is_some());
    impact
}

fn changed_nodes(graph: &Graph<'_>, start: &NodeChanges, state: Option<&NodeState>) -> Vec<ChangedNode> {
    let Some(part) = graph.nodes.get(start.node_index) else {
        return Vec::new();
    };
    let severity = state.map(|state| state.severity).unwrap_or_default();
    // If something outside of the node's own file causes the possible change, the severity is at least `Changing`.
    let severity = if start.reason.is_some() {
        severity.max(ChangeSeverity::Changing)
    } else {
        severity
    };
    let reason = state
        .map(|state| state.reason.clone())
        .filter(|reason| !reason.is_empty())
        .or(start.reason.clone());
    let changed_node = |name: String, description: &str| ChangedNode {
        name,
        id: part.id(),
        description: description.to_owned(),
        severity,
        reason: reason.clone(),
    };
    let mut changed_nodes = Vec::new();
    if start.is_removed {
        changed_nodes.push(changed_node(part.name(), "the node is removed"));
    } else if start.rows {
        let description = if start.reason.is_some() {
            "the rows and values may change"
        } else {
            "the rows and values change"
        };
        changed_nodes.push(changed_node(part.name(), description));
    }
    for (column, change) in &start.columns {
        let description = match change {
            ColumnChange::Removed => "the column is removed",
            ColumnChange::Type => "the type changes",
            ColumnChange::Values if start.rows => continue,
            ColumnChange::Values => "the values change",
        };
        changed_nodes.push(changed_node(format!("{}.{column}", part.name()), description));
    }
    changed_nodes.extend(start.notes.iter().map(|note| ChangedNode {
        name: note.name.clone(),
        id: part.id(),
        description: note.description.clone(),
        severity: note.severity,
        reason: Some(note.reason.clone()),
    }));
    changed_nodes
}

fn build_effect(
    graph: &Graph<'_>,
    steps: &mut PathStepNames<'_>,
    part: &ImpactGraphNode<'_>,
    state: &NodeState,
    index: usize,
    status: &BTreeMap<String, String>,
    of_tests: &BTreeMap<usize, String>,
) -> Effect {
    let columns = if state.rows.is_some() {
        Vec::new()
    } else {
        state.columns.keys().cloned().collect()
    };
    // dbt includes exposures in its run results but does not run them.
    let node_status = part
        .node
        .and_then(|node| status.get(&*node.unique_id))
        .filter(|status| *status != "no-op")
        .cloned();
    Effect {
        name: part.name(),
        id: part.id(),
        kind: part.kind().name().to_owned(),
        columns,
        path: steps.path_to_affected_node(index, state),
        via: state
            .origin
            .as_ref()
            .and_then(|(source_index, _)| Some(graph.nodes.get(*source_index)?.id())),
        severity: state.severity,
        reason: state.reason.clone(),
        reason_for_whole_node: state.reason_for_whole_node.clone(),
        gaps: state.gaps.clone(),
        owner: part.node.and_then(|node| owner_of_node(graph, node)),
        status: of_tests.get(&index).cloned().or(node_status),
        file: part
            .node
            .map(|node| node.original_file_path.to_string())
            .or_else(|| Some(part.spec?.path.clone())),
    }
}

/// Column of a path step, if known, and the step's display name.
type PathStep = (Option<String>, Arc<str>);

/// Cache of step names, because many paths share steps.
pub(super) struct PathStepNames<'s> {
    graph: &'s Graph<'s>,
    spread: &'s Propagation,
    /// Cached columns and display names, by node index.
    names_by_node: FxHashMap<usize, Vec<PathStep>>,
}

impl<'s> PathStepNames<'s> {
    fn new(graph: &'s Graph<'s>, spread: &'s Propagation) -> Self {
        Self {
            graph,
            spread,
            names_by_node: FxHashMap::default(),
        }
    }

    fn step_name(&mut self, index: usize, column: Option<&str>) -> Arc<str> {
        let of_place = self.names_by_node.entry(index).or_default();
        if let Some((_, name)) = of_place
            .iter()
            .find(|(column_name, _)| column_name.as_deref() == column)
        {
            return Arc::clone(name);
        }
        let name = self.graph.node_name(index);
        let name: Arc<str> = column.map_or_else(|| Arc::from(&*name), |column| format!("{name}.{column}").into());
        of_place.push((column.map(str::to_owned), Arc::clone(&name)));
        name
    }

    /// Returns the path from the change to a node. Each step includes its column, if known.
    pub fn path_to_affected_node(&mut self, index: usize, state: &NodeState) -> Vec<Arc<str>> {
        let mut steps = vec![self.step_name(index, None)];
        let mut via: Option<(usize, Option<&str>)> = change_origin_position(&state.origin);
        let mut seen = BTreeSet::from([index]);
        while let Some((node_index, column)) = via {
            steps.push(self.step_name(node_index, column));
            if !seen.insert(node_index) {
                break;
            }
            let Some(before) = self.spread.states.get(&node_index) else {
                break;
            };
            let of_column = column
                .and_then(|column| before.columns.get(column))
                .and_then(|(_, via)| change_origin_position(via));
            let of_rows = || before.rows.as_ref().and_then(change_origin_position);
            via = of_column
                .or_else(of_rows)
                .or_else(|| change_origin_position(&before.origin));
        }
        steps.reverse();
        steps
    }
}

fn change_origin_position(via: &ChangeOrigin) -> Option<(usize, Option<&str>)> {
    via.as_ref()
        .map(|(node_index, column)| (*node_index, column.as_deref()))
}

/// Returns the owner of a node, from its `meta` or its group.
fn owner_of_node(graph: &Graph<'_>, node: &ManifestNode) -> Option<String> {
    if let NodeDetail::Exposure(exposure) = &node.detail {
        return owner_name(&exposure.owner);
    }
    if let Some(owner) = node.meta.get("owner") {
        let scalar = owner.scalar().map(str::to_owned);
        let part = |key: &str| owner.as_map()?.get(key).and_then(MetaValue::scalar).map(str::to_owned);
        return scalar.or_else(|| part("email")).or_else(|| part("name"));
    }
    let group = node.group.as_deref()?;
    let group = graph
        .sources
        .manifest
        .groups
        .iter()
        .find(|dbt_group| &*dbt_group.name == group)?;
    owner_name(&group.owner).or_else(|| Some(group.name.to_string()))
}

fn owner_name(owner: &Owner) -> Option<String> {
    match (&owner.name, &owner.email) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (Some(contact), None) | (None, Some(contact)) => Some(contact.to_string()),
        (None, None) => None,
    }
}

/// Summarizes the latest test results of each node: the number of passing tests, and the status of one test that does
/// not pass.
fn test_status_by_node(graph: &Graph<'_>, status: &BTreeMap<String, String>) -> BTreeMap<usize, String> {
    let mut statuses_by_node: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for test in graph.sources.manifest.data_tests() {
        let (Some(tested_node), Some(status)) = (test.on, status.get(&*test.node.unique_id)) else {
            continue;
        };
        if let Some(index) = graph.index_of(&tested_node.unique_id) {
            statuses_by_node.entry(index).or_default().push(status);
        }
    }
    let list_names = |statuses: &[&str]| {
        let passed = statuses.iter().filter(|status| **status == "pass").count();
        let count = statuses.len();
        let tests = format_count(count, "test", "tests");
        match statuses.iter().find(|status| **status != "pass") {
            None => format!("{tests} pass"),
            Some(worst) => format!("{passed} of {tests} pass, {worst}"),
        }
    };
    statuses_by_node
        .into_iter()
        .map(|(index, statuses)| (index, list_names(&statuses)))
        .collect()
}
