//! `formulac lineage`: shows the upstream and downstream lineage of a model, a column or a metric.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;

use formulac::CompiledSpec;
use formulac::diag::suggest;
use formulac::impact::{MetricNeighbors, show};

use crate::cli::args::LineageArgs;
use crate::cli::commands::impact::{ImpactContext, name_failure};
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::session::Session;

pub fn run(session: &Session, args: &LineageArgs) -> Result<Exit, Failure> {
    // Do not free the memory, because the process ends after this command. The `impact` command does the same.
    let known = ManuallyDrop::new(ImpactContext::read(session, false)?);
    let graph = ManuallyDrop::new(known.graph());
    let depth = args.depth.map_or(usize::MAX, |depth| depth as usize);
    let (name, root, up, down, notes) = match graph.resolve_target(&args.name) {
        Ok(target) => {
            let (root, up, down, notes) = graph.graph_around(&target, depth, !args.down, !args.up);
            (graph.display_target(&target), root, up, down, notes)
        }
        // A model or column takes precedence over a metric of the same name.
        Err(fault) => {
            let metric = find_metric(&known, &args.name).unwrap_or_else(|| Err(name_failure(fault)))?;
            let (up, down, notes) = graph.graph_around_metric(&metric, depth, !args.down, !args.up);
            (metric.label, metric.id, up, down, notes)
        }
    };
    known.cache_lineage(&graph);
    let format = if args.json { "json" } else { args.format.as_str() };
    let text = match format {
        "json" => {
            let pictures: Vec<_> = [&up, &down].into_iter().flatten().collect();
            json::to_text(&show::lineage_json(&name, &root, &pictures, &notes))
        }
        "tree" => show::lineage_tree(&name, up.as_ref(), down.as_ref(), &root, &notes),
        other => {
            let mut all = up.unwrap_or_default();
            let below = down.unwrap_or_default();
            all.nodes.extend(below.nodes.into_iter().filter(|dot| dot.id != root));
            if all.nodes.is_empty() {
                all.nodes.push(show::DrawnNode::new(root.clone(), name, "changed"));
            }
            all.edges.extend(below.edges);
            if other == "dot" { all.to_dot() } else { all.to_mermaid() }
        }
    };
    session.print_data(&text)?;
    Ok(Exit::Done)
}

/// Returns the metric or metric set to which a name refers: `metric:orders.revenue`, `metric_set:orders`, or the same
/// without a prefix. `None` if the name has no prefix and does not begin with the name of a metric set.
fn find_metric(known: &ImpactContext, name: &str) -> Option<Result<MetricNeighbors, Failure>> {
    let prefixes = ["metric:", "metric_set:"];
    let bare = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
    let (set_name, metric) = match bare.unwrap_or(name).split_once('.') {
        Some((set, metric)) => (set, Some(metric)),
        None => (bare.unwrap_or(name), None),
    };
    let is_named = |set: &&CompiledSpec| set.metric_set().is_some_and(|of| of.eq_ignore_ascii_case(set_name));
    let Some(set) = known.sets.iter().find(is_named) else {
        let names: Vec<&str> = known.sets.iter().filter_map(CompiledSpec::metric_set).collect();
        return bare.map(|_| {
            Err(unknown_name(
                format!("there is no metric set `{set_name}`"),
                set_name,
                &names,
            ))
        });
    };
    let metrics: Vec<&str> = set.metrics_of_set().map(|(metric, _)| metric).collect();
    let set_name = set.metric_set().unwrap_or(set_name);
    let Some(metric) = metric else {
        return Some(Ok(neighbors(
            known,
            set,
            (set_name, "metric_set", "metric set"),
            &metrics,
        )));
    };
    let found = metrics.iter().find(|known| known.eq_ignore_ascii_case(metric));
    Some(match found {
        Some(found) => {
            let name = format!("{set_name}.{found}");
            Ok(neighbors(known, set, (&name, "metric", "metric"), &[*found]))
        }
        None => {
            let message = format!("the metric set `{set_name}` has no metric `{metric}`");
            Err(unknown_name(message, metric, &metrics))
        }
    })
}

/// Returns the columns that metrics of a set read, and the models and columns that use the metrics.
fn neighbors(
    known: &ImpactContext,
    set: &CompiledSpec,
    (name, prefix, kind): (&str, &str, &str),
    metrics: &[&str],
) -> MetricNeighbors {
    let lineage = set.lineage().into_iter();
    let own = lineage.filter(|of| metrics.iter().any(|metric| metric.eq_ignore_ascii_case(of.column())));
    let columns: BTreeSet<String> = own
        .flat_map(|of| {
            let sources = of.sources().iter();
            let names = sources.map(|source| format!("{}.{}", source.relation(), source.column()));
            names.collect::<Vec<_>>()
        })
        .collect();
    let mut metric = MetricNeighbors {
        id: format!("{prefix}:{name}"),
        label: format!("{name} ({kind})"),
        columns_read: columns.into_iter().collect(),
        used_by: Vec::new(),
    };
    for spec in &known.specs {
        let columns = spec.compiled.columns_of_metric(name);
        let before = metric.used_by.len();
        metric
            .used_by
            .extend(columns.map(|column| format!("{}.{column}", spec.name)));
        // A condition such as `having` can read a metric that no column shows.
        let mut read = spec.compiled.metrics_read().iter();
        let is_read = |read: &String| read == name || read.split_once('.').is_some_and(|(set, _)| set == name);
        if metric.used_by.len() == before && read.any(is_read) {
            metric.used_by.push(spec.name.clone());
        }
    }
    metric
}

fn unknown_name(message: String, name: &str, names: &[&str]) -> Failure {
    let failure = Failure::new(Exit::Faulty, message);
    match suggest::nearest_name(name, names.iter().copied()) {
        Some(near) => failure.with_help(suggest::similar_name_help(near)),
        None if names.is_empty() => failure,
        None => failure.with_help(format!("specify one of {}", names.join(", "))),
    }
}
