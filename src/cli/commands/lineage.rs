//! `formulac lineage`: shows the upstream and downstream lineage of a model, a column or a metric.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;

use formulac::impact::{MetricNeighbors, show};

use crate::cli::args::LineageArgs;
use crate::cli::commands::impact::{ImpactContext, NamedTarget, ResolvedMetric};
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::session::Session;

pub fn run(session: &Session, args: &LineageArgs) -> Result<Exit, Failure> {
    // Do not free the memory, because the process ends after this command. The `impact` command does the same.
    let context = ManuallyDrop::new(ImpactContext::read(session, false)?);
    let graph = ManuallyDrop::new(context.graph());
    let depth = args.depth.map_or(usize::MAX, |depth| depth as usize);
    let (name, root, up, down, notes) = match context.resolve_name(session, &graph, &args.name)? {
        NamedTarget::Target(target) => {
            let (root, up, down, notes) = graph.lineage_graphs_of_target(&target, depth, !args.down, !args.up);
            (graph.display_target(&target), root, up, down, notes)
        }
        NamedTarget::Metric(metric) => {
            let metric = metric_neighbors(&context, &metric);
            let (up, down, notes) = graph.lineage_graphs_of_metric(&metric, depth, !args.down, !args.up);
            (metric.label, metric.id, up, down, notes)
        }
    };
    context.cache_lineage(&graph);
    let format = if args.json { "json" } else { args.format.as_str() };
    let text = match format {
        "json" => {
            let pictures: Vec<_> = [&up, &down].into_iter().flatten().collect();
            json::to_text(&show::lineage_json(&name, &root, &pictures, &notes))
        }
        "tree" => show::lineage_tree(&name, up.as_ref(), down.as_ref(), &root, &notes),
        other => {
            let mut drawing = up.unwrap_or_default();
            let downstream = down.unwrap_or_default();
            drawing
                .nodes
                .extend(downstream.nodes.into_iter().filter(|dot| dot.id != root));
            if drawing.nodes.is_empty() {
                drawing.nodes.push(show::DrawnNode::new(root.clone(), name, "changed"));
            }
            drawing.edges.extend(downstream.edges);
            if other == "dot" {
                drawing.to_dot()
            } else {
                drawing.to_mermaid()
            }
        }
    };
    session.print_data(&text)?;
    Ok(Exit::Done)
}

/// Returns the columns from which a metric, or each metric of a metric set, is computed, and the models and columns
/// that use the metrics.
fn metric_neighbors(context: &ImpactContext, metric: &ResolvedMetric<'_>) -> MetricNeighbors {
    let lineage = metric.set.lineage().into_iter();
    let is_own = |column: &str| {
        metric
            .metrics
            .iter()
            .any(|metric_name| metric_name.eq_ignore_ascii_case(column))
    };
    let columns: BTreeSet<String> = lineage
        .filter(|column_lineage| is_own(column_lineage.column()))
        .flat_map(|column_lineage| {
            let sources = column_lineage.sources().iter();
            let names = sources.map(|source| format!("{}.{}", source.relation(), source.column()));
            names.collect::<Vec<_>>()
        })
        .collect();
    let (prefix, kind) = match metric.name.contains('.') {
        true => ("metric", "metric"),
        false => ("metric_set", "metric set"),
    };
    MetricNeighbors {
        id: format!("{prefix}:{}", metric.name),
        label: format!("{} ({kind})", metric.name),
        columns_read: columns.into_iter().collect(),
        used_by: context.readers_of_metric(metric),
    }
}
