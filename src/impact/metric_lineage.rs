//! Graph around a metric of a metric set: the columns that the metric reads, and the models that use the metric.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::show::{DrawnNode, GraphDrawing};

/// Metric, or all metrics of a metric set, with the names of the neighbors in the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricNeighbors {
    /// Id of the metric, such as `metric:orders.revenue`.
    pub id: String,
    /// Label of the metric, such as `orders.revenue (metric)`.
    pub label: String,
    /// Columns that the metric reads, such as `stg_orders.amount`.
    pub columns_read: Vec<String>,
    /// Models and columns that are computed from the metric.
    pub used_by: Vec<String>,
}

impl Graph<'_> {
    /// Returns the graph around a metric, up to a number of steps: the upstream and downstream graphs, and notes on
    /// models whose columns could not be traced.
    #[must_use]
    pub fn lineage_graphs_of_metric(
        &self,
        metric: &MetricNeighbors,
        depth: usize,
        up: bool,
        down: bool,
    ) -> (Option<GraphDrawing>, Option<GraphDrawing>, Vec<String>) {
        let mut notes = BTreeSet::new();
        let upstream = up.then(|| self.draw_neighbors(metric, depth, true, &mut notes));
        let downstream = down.then(|| self.draw_neighbors(metric, depth, false, &mut notes));
        (upstream, downstream, notes.into_iter().collect())
    }

    fn draw_neighbors(
        &self,
        metric: &MetricNeighbors,
        depth: usize,
        is_up: bool,
        notes: &mut BTreeSet<String>,
    ) -> GraphDrawing {
        let mut drawing = GraphDrawing::default();
        let root = DrawnNode::new(metric.id.clone(), metric.label.clone(), "changed");
        drawing.nodes.push(root);
        let Some(depth) = depth.checked_sub(1) else {
            return drawing;
        };
        let names = if is_up { &metric.columns_read } else { &metric.used_by };
        for name in names {
            let (id, around) = match self.resolve_target(name) {
                Ok(target) => {
                    let (id, upstream, downstream, more) = self.lineage_graphs_of_target(&target, depth, is_up, !is_up);
                    notes.extend(more);
                    (id, upstream.or(downstream).unwrap_or_default())
                }
                // No artifact lists the columns of the relation, so draw the column alone.
                Err(_) => {
                    let mut alone = GraphDrawing::default();
                    alone.nodes.push(DrawnNode::new(name.clone(), name.clone(), ""));
                    (name.clone(), alone)
                }
            };
            drawing.edges.push(match is_up {
                true => (id, metric.id.clone()),
                false => (metric.id.clone(), id),
            });
            drawing.add_unstyled(around);
        }
        drawing.remove_duplicates();
        drawing
    }
}
