//! Graph around a node or column: its upstream and downstream lineage.

use std::collections::{BTreeSet, VecDeque};

use super::graph::Graph;
use super::names::ImpactTarget;
use super::show::{DrawnNode, GraphDrawing};
use super::summary::display_kind_name;
use crate::lineage;

/// Node, or column of a node.
type NodeOrColumn = (usize, Option<String>);

impl Graph<'_> {
    /// Returns the graph around a target, up to a number of steps. The result contains the target's id, the upstream
    /// and downstream graphs, and notes on models whose columns could not be traced.
    #[must_use]
    pub fn lineage_graphs_of_target(
        &self,
        target: &ImpactTarget,
        depth: usize,
        up: bool,
        down: bool,
    ) -> (String, Option<GraphDrawing>, Option<GraphDrawing>, Vec<String>) {
        lineage::with_large_stack(|| self.draw_neighborhood(target, depth, up, down)).unwrap_or_default()
    }

    fn draw_neighborhood(
        &self,
        target: &ImpactTarget,
        depth: usize,
        up: bool,
        down: bool,
    ) -> (String, Option<GraphDrawing>, Option<GraphDrawing>, Vec<String>) {
        let root: NodeOrColumn = (
            target.node_index,
            target
                .column
                .clone()
                .or(target.definition.as_ref().map(|d| d.to_lowercase())),
        );
        let mut notes = BTreeSet::new();
        let mut walked = |is_up: bool| {
            let mut drawing = GraphDrawing::default();
            let mut seen = BTreeSet::from([root.clone()]);
            let mut queue = VecDeque::from([(root.clone(), 0)]);
            drawing.nodes.push(DrawnNode::new(
                self.node_or_column_id(&root),
                self.node_or_column_name(&root),
                "changed",
            ));
            while let Some((node_or_column, steps)) = queue.pop_front() {
                if steps == depth {
                    continue;
                }
                let next = if is_up {
                    self.upstream_neighbors(&node_or_column, &mut notes)
                } else {
                    self.downstream_neighbors(&node_or_column, &mut notes)
                };
                for other in next {
                    let (from, to) = if is_up {
                        (&other, &node_or_column)
                    } else {
                        (&node_or_column, &other)
                    };
                    drawing
                        .edges
                        .push((self.node_or_column_id(from), self.node_or_column_id(to)));
                    if seen.insert(other.clone()) {
                        drawing.nodes.push(DrawnNode::new(
                            self.node_or_column_id(&other),
                            self.node_or_column_name(&other),
                            "",
                        ));
                        queue.push_back((other, steps + 1));
                    }
                }
            }
            drawing
        };
        let (up, down) = (up.then(|| walked(true)), down.then(|| walked(false)));
        (self.node_or_column_id(&root), up, down, notes.into_iter().collect())
    }

    fn node_or_column_id(&self, (index, column): &NodeOrColumn) -> String {
        let id = self
            .nodes
            .get(*index)
            .map(super::ImpactGraphNode::id)
            .unwrap_or_default();
        column
            .as_ref()
            .map_or_else(|| id.clone(), |column| format!("{id}.{column}"))
    }

    fn node_or_column_name(&self, (index, column): &NodeOrColumn) -> String {
        let Some(part) = self.nodes.get(*index) else {
            return String::new();
        };
        match column {
            Some(column) => format!("{}.{column}", part.name()),
            None => format!("{} ({})", part.name(), display_kind_name(part.kind().name())),
        }
    }

    /// Returns the nodes and columns one step upstream: the columns from which a column is computed, or the nodes that
    /// a node reads.
    fn upstream_neighbors(&self, (index, column): &NodeOrColumn, notes: &mut BTreeSet<String>) -> Vec<NodeOrColumn> {
        let upstream_nodes = || {
            self.parents
                .get(*index)
                .into_iter()
                .flatten()
                .map(|parent| (*parent, None))
                .collect()
        };
        let Some(column) = column else { return upstream_nodes() };
        match self.lineage(*index) {
            Some(Ok(sql_lineage)) => {
                let Some(lineage_column) = sql_lineage.column(column) else {
                    return Vec::new();
                };
                let column_sources = lineage_column
                    .source_columns
                    .into_iter()
                    .chain(lineage_column.window_columns);
                let sources = column_sources
                    .filter_map(|source| Some((self.find_relation(*index, &source.relation)?, Some(source.column))));
                sources.filter(|(source_index, _)| source_index != index).collect()
            }
            _ if self.parents.get(*index).is_none_or(Vec::is_empty) => Vec::new(),
            other => {
                self.add_note(*index, other, notes);
                upstream_nodes()
            }
        }
    }

    /// Returns the nodes and columns one step downstream: for a column, the columns computed from it and the models
    /// whose rows depend on it. For a node, the nodes that read it.
    fn downstream_neighbors(&self, (index, column): &NodeOrColumn, notes: &mut BTreeSet<String>) -> Vec<NodeOrColumn> {
        let mut neighbors = Vec::new();
        for child in self.children.get(*index).into_iter().flatten() {
            let is_relation = self.nodes.get(*child).is_some_and(super::ImpactGraphNode::is_relation);
            let (Some(column), true) = (column, is_relation) else {
                // Tests and exposures do not read individual columns.
                if column.is_none() {
                    neighbors.push((*child, None));
                }
                continue;
            };
            match self.lineage(*child) {
                Some(Ok(lineage)) => {
                    let changed = |parts: &[String], source_column: Option<&str>| {
                        let is_it =
                            source_column == Some(column.as_str()) && self.find_relation(*child, parts) == Some(*index);
                        is_it.then_some(lineage::ColumnChange::Values)
                    };
                    let affected = lineage.affected_columns(changed);
                    let before = neighbors.len();
                    neighbors.extend(affected.columns.into_iter().map(|(name, ..)| (*child, Some(name))));
                    let passes = |parts: &&Vec<String>| {
                        self.find_relation(*child, parts) == Some(*index)
                            && lineage.outputs_column_unchanged(parts, column)
                    };
                    if lineage.relations().iter().any(|parts| passes(&parts)) {
                        neighbors.push((*child, Some(column.clone())));
                    }
                    if affected.rows.is_some() && neighbors.len() == before {
                        neighbors.push((*child, None));
                    }
                }
                other => {
                    self.add_note(*child, other, notes);
                    neighbors.push((*child, None));
                }
            }
        }
        neighbors
    }

    fn add_note(
        &self,
        index: usize,
        lineage: Option<Result<&lineage::SqlLineage, &lineage::LineageError>>,
        notes: &mut BTreeSet<String>,
    ) {
        if let (Some(part), Some(Err(why))) = (self.nodes.get(index), lineage) {
            notes.insert(format!("`{}` has no column-level lineage: {why}", part.name()));
        }
    }
}
