//! `formulac lineage`: shows the upstream and downstream lineage of a model or column.

use std::mem::ManuallyDrop;

use formulac::impact::show;

use crate::cli::args::LineageArgs;
use crate::cli::commands::impact::{ImpactContext, name_failure};
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::session::Session;

pub fn run(session: &Session, args: &LineageArgs) -> Result<Exit, Failure> {
    // Do not free the memory, because the process ends after this command. The `impact` command does the same.
    let known = ManuallyDrop::new(ImpactContext::read(session, false)?);
    let graph = ManuallyDrop::new(known.graph());
    let target = match (graph.resolve_target(&args.name), known.columns_of_metric(&args.name)) {
        (Err(_), Some(columns)) if columns.len() == 1 => graph.resolve_target(&columns[0]),
        (Err(_), Some(columns)) => {
            let message = format!("`{}` matches {} columns", args.name, columns.len());
            return Err(Failure::new(Exit::Faulty, message).with_help(format!("specify one of {}", columns.join(", "))));
        }
        (target, _) => target,
    };
    let target = target.map_err(name_failure)?;
    let depth = args.depth.map_or(usize::MAX, |depth| depth as usize);
    let (root, up, down, notes) = graph.graph_around(&target, depth, !args.down, !args.up);
    known.cache_lineage(&graph);
    let name = graph.display_target(&target);
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
