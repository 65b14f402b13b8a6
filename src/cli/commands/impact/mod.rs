//! `formulac impact`: shows what a change affects.

mod compiled_files;
mod impact_context;
mod omni;
mod since;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem::ManuallyDrop;
use std::path::Path;

use formulac::diag::lists::join_words_up_to;
use formulac::impact::{
    ChangeSeverity, ColumnChange, Graph, Impact, ImpactTarget, NodeChanges, RevisionDifference, show,
};
use formulac_syntax::text::collapse_whitespace;

use crate::cli::args::{FailOn, GraphFormat, ImpactArgs, Selection};
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::exit::{Exit, Failure};
use crate::cli::generation::CompiledProject;
use crate::cli::json;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::writable_folders::WritableFolders;

use impact_context::unresolved_name_failure;

pub use impact_context::{ImpactContext, NamedTarget, ResolvedMetric};

/// Number of specs with uncommitted changes that a message lists.
const MAX_LISTED_SPECS: usize = 3;

pub fn run(session: &Session, args: &ImpactArgs) -> Result<Exit, Failure> {
    let format = output_format(args);
    // Read the code of models for `--since` and for HTML pages, because `--since` compares the code and the pages show
    // it.
    let reads_code = args.since.is_some() || format == GraphFormat::Html;
    // Do not free the memory: the process ends after this command, and freeing all strings of a large manifest would
    // take time.
    let context = ManuallyDrop::new(ImpactContext::read(session, reads_code)?);
    let graph = ManuallyDrop::new(context.graph());
    let change = match (args.removed, args.type_changed) {
        (true, _) => ColumnChange::Removed,
        (_, true) => ColumnChange::Type,
        _ => ColumnChange::Values,
    };
    let mut is_of_metric = false;
    let (initial_changes, differences) = match &args.since {
        Some(revision) => since::compare_with_revision(&context, &graph, revision)?,
        None => {
            let mut names = args.names.clone();
            let selection = without_unread_metrics(session, &context, &args.selection);
            if let Some(selection) = selection.filter(|selection| !selection.selects_all_models()) {
                names.extend(CompiledProject::selected_model_names(session, &selection)?);
            }
            let targets;
            (targets, is_of_metric) = resolve_targets(session, &context, &graph, names, change)?;
            let initial_changes = node_changes_from_targets(&graph, &targets);
            if change == ColumnChange::Values {
                report_uncommitted_specs(session, &since::uncommitted_specs(&context, &graph, &initial_changes));
            }
            (initial_changes, Vec::new())
        }
    };
    let impact = formulac::impact::compute_impact(&graph, &initial_changes, &context.status_by_node)
        .with_differences(&differences)
        .with_changed_metric(is_of_metric);
    let impact = ManuallyDrop::new(impact);
    context.cache_lineage(&graph);
    let text = match format {
        GraphFormat::Tree => {
            let mut text = show::tree(&impact);
            for difference in &differences {
                text.push_str(&formulac::diag::render::escape_hidden(&difference_line(difference)));
            }
            text
        }
        GraphFormat::Json => json::to_text(&show::json(&impact, &differences)),
        GraphFormat::Markdown => show::impact_markdown(&impact),
        GraphFormat::Mermaid => show::from_impact(&impact).to_mermaid(),
        GraphFormat::Dot => show::from_impact(&impact).to_dot(),
        GraphFormat::Html => show::html_page(
            &impact,
            &graph,
            &context.status_by_node,
            &context.base_revision_messages(args.since.as_deref()),
        ),
    };
    match &args.output {
        Some(path) => write_report(session, path, &text)?,
        None => session.print_data(&text)?,
    }
    Ok(exit_status(session, args.fail_on, &impact))
}

/// Reports that uncommitted changes to specs may also change types or columns, which the report does not assume.
fn report_uncommitted_specs(session: &Session, specs: &[String]) {
    let subject = match specs {
        [] => return,
        [spec] => format!("{spec} has"),
        specs => format!("{} have", join_words_up_to(specs, MAX_LISTED_SPECS)),
    };
    session.report_action(&format!(
        "the report assumes that only values change, but {subject} uncommitted changes; run `formulac impact --since \
         HEAD` or `formulac plan` to see the effects of these changes"
    ));
}

/// Returns the targets with these names and their changes. A metric is replaced by the columns and models that use the
/// metric. Also returns whether any name is a metric.
fn resolve_targets(
    session: &Session,
    context: &ImpactContext,
    graph: &Graph<'_>,
    names: Vec<String>,
    change: ColumnChange,
) -> Result<(Vec<(ImpactTarget, ColumnChange)>, bool), Failure> {
    let (mut targets, mut has_metric) = (Vec::new(), false);
    for name in names {
        let metric = match context.resolve_name(session, graph, &name)? {
            NamedTarget::Metric(metric) => metric,
            NamedTarget::Target(target) => {
                targets.push((target, change));
                continue;
            }
        };
        has_metric = true;
        let readers = context.readers_of_metric(&metric);
        if readers.is_empty() {
            session.report_action(&format!("no model reads `{}`", metric.name));
        }
        // A condition that uses the metric determines which rows the model has.
        let change_of = |reader: &str| match reader.contains('.') {
            true => change,
            false => ColumnChange::Values,
        };
        for reader in readers {
            let target = graph.resolve_target(&reader).map_err(unresolved_name_failure)?;
            targets.push((target, change_of(&reader)));
        }
    }
    Ok((targets, has_metric))
}

/// Returns a selection without the metrics and metric sets that no model reads, and reports the removed metrics and
/// metric sets. `None` if no part of `--select` remains, because an empty `--select` would select all models.
fn without_unread_metrics(session: &Session, context: &ImpactContext, selection: &Selection) -> Option<Selection> {
    let parts = selection.select.iter().flat_map(|text| text.split_whitespace());
    let is_read = |part: &&str| {
        let metric = context.find_metric(part).filter(|_| part.contains(':'));
        let Some(Ok(metric)) = metric else { return true };
        let is_unread = context.readers_of_metric(&metric).is_empty();
        if is_unread {
            session.report_action(&format!("no model reads `{}`", metric.name));
        }
        !is_unread
    };
    let select: Vec<String> = parts.filter(is_read).map(str::to_owned).collect();
    (selection.select.is_empty() || !select.is_empty()).then(|| Selection {
        select,
        ..selection.clone()
    })
}

/// Returns the format that an option specifies. Without an option, the file extension determines the format.
fn output_format(args: &ImpactArgs) -> GraphFormat {
    if args.json {
        return GraphFormat::Json;
    }
    let end = args
        .output
        .as_deref()
        .and_then(Path::extension)
        .map(|end| end.to_string_lossy().to_lowercase());
    match (args.format, end.as_deref()) {
        (GraphFormat::Tree, Some("html" | "htm")) => GraphFormat::Html,
        (GraphFormat::Tree, Some("json")) => GraphFormat::Json,
        (GraphFormat::Tree, Some("md")) => GraphFormat::Markdown,
        (GraphFormat::Tree, Some("mmd")) => GraphFormat::Mermaid,
        (GraphFormat::Tree, Some("dot" | "gv")) => GraphFormat::Dot,
        (format, _) => format,
    }
}

fn node_changes_from_targets(graph: &Graph<'_>, targets: &[(ImpactTarget, ColumnChange)]) -> Vec<NodeChanges> {
    // Combine several columns of a model into one change.
    let mut initial_changes: BTreeMap<usize, NodeChanges> = BTreeMap::new();
    for (target, change) in targets {
        let start = graph.initial_changes_of_target(target, *change);
        match initial_changes.entry(start.node_index) {
            Entry::Vacant(entry) => {
                entry.insert(start);
            }
            Entry::Occupied(mut occupied_entry) => occupied_entry.get_mut().merge(start),
        }
    }
    initial_changes.into_values().collect()
}

fn difference_line(difference: &RevisionDifference) -> String {
    let RevisionDifference {
        name,
        what: aspect,
        before,
        now,
        models,
        reason_for_unknown_difference: reason,
        ..
    } = difference;
    let is_added_or_removed = matches!(*aspect, "added" | "removed");
    let [before, now] = changed_words(&collapse_whitespace(before), &collapse_whitespace(now));
    let change = match (before.as_str(), now.as_str()) {
        ("", "") => String::new(),
        ("", now) => format!(": {now}"),
        (before, "") if is_added_or_removed => format!(": {before}"),
        (before, "") => format!(": was {before}"),
        (before, now) => format!(": {before} → {now}"),
    };
    let label = if *aspect == "sql" {
        "no column-level lineage"
    } else {
        "uncertain effect"
    };
    let suffix = reason
        .as_ref()
        .map(|why| format!(" [{label}: {why}]"))
        .unwrap_or_default();
    let of_models = match models.as_slice() {
        [] => String::new(),
        models => format!(" (in {})", models.join(", ")),
    };
    if is_added_or_removed {
        format!("{aspect}: {name}{change}{of_models}{suffix}\n")
    } else {
        format!("differs: {name} {aspect}{change}{of_models}{suffix}\n")
    }
}

/// Maximum length of a value that is shown completely, in bytes.
const MAX_VALUE_LENGTH: usize = 200;
/// Number of unchanged words to show before and after the changed words of a long value.
const CONTEXT_WORDS: usize = 2;

/// Returns two values. If one of them is long, replaces the words with which both begin or end by `…`.
fn changed_words(before: &str, now: &str) -> [String; 2] {
    if before.len().max(now.len()) <= MAX_VALUE_LENGTH {
        return [before.to_owned(), now.to_owned()];
    }
    let values = [before, now].map(|value| value.split(' ').collect::<Vec<&str>>());
    let [old, new] = &values;
    let is_same = |(one, other): &(&&str, &&str)| one == other;
    let start = old.iter().zip(new).take_while(is_same).count();
    let rest = old.len().min(new.len()) - start;
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(is_same)
        .count();
    let [skipped, dropped] = [start, end].map(|count| count.saturating_sub(CONTEXT_WORDS));
    values.map(|words| {
        let shown = words.iter().skip(skipped).take(words.len() - skipped - dropped);
        let marks = [skipped, dropped].map(|count| (count > 0).then_some("…"));
        let words = marks[0].into_iter().chain(shown.copied()).chain(marks[1]);
        words.collect::<Vec<_>>().join(" ")
    })
}

fn write_report(session: &Session, path: &Path, text: &str) -> Result<(), Failure> {
    let root = project::project_folder(session.global.project_dir.as_deref())?;
    let bounds = WritableFolders::from_optional_project(root.as_deref())?.allow_named_file(path);
    write_all(
        &bounds,
        &[PlannedFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }],
    )?;
    session.report_action(&format!("wrote {}", path.display()));
    Ok(())
}

/// Returns the exit status for `--fail-on`. A change that cannot be compared may be breaking, so the status is a
/// failure in that case too.
fn exit_status(session: &Session, fail_on: Option<FailOn>, impact: &Impact) -> Exit {
    let limit = match fail_on {
        None => return Exit::Done,
        Some(FailOn::Breaking) => ChangeSeverity::Breaking,
        Some(FailOn::Changing) => ChangeSeverity::Changing,
    };
    if impact.worst_severity() >= limit {
        return Exit::Faulty;
    }
    for (name, why) in &impact.untraced {
        session.warn(&format!(
            "the change to `{name}` may be breaking, because its columns cannot be compared: {why}"
        ));
    }
    match impact.untraced.is_empty() {
        true => Exit::Done,
        false => Exit::Faulty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened_to_their_changed_words() {
        let value = |measure: &str| {
            format!(
                "{}measures: [{{expr: {measure}, agg: sum}}] {}",
                "a: 1 ".repeat(50),
                "z ".repeat(9)
            )
        };
        assert_eq!(
            changed_words(&value("amount"), &value("amount - tax")),
            ["amount", "amount - tax"].map(|measure| format!("… measures: [{{expr: {measure}, agg: sum}}] …"))
        );
        assert_eq!(changed_words("a b", "a c"), ["a b", "a c"].map(str::to_owned));
        let long = "a ".repeat(200);
        assert_eq!(changed_words("", &long), [String::new(), long.clone()]);
    }
}
