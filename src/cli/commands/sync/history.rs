//! `formulac log`: shows who pushed which changes, and when.

use std::fmt::Write as _;

use formulac::Compiler;
use formulac::sync::{LOG_FOLDER, Log, NumberedEntry, REJECTED_COMMAND_ACTION, short_hash};
use serde_json::{Value, json};

use crate::cli::args::LogArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder;
use crate::cli::metric_name::MetricName;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

pub fn run(session: &Session, args: &LogArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let log = read_log(&workspace);
    let entries: Vec<&NumberedEntry> = match &args.name {
        Some(name) => {
            let names = expand_name_for_log(&workspace, name)?;
            let is_meant = |logged: &&NumberedEntry| names.iter().any(|name| has_change_to_name(logged, name));
            let numbered_entries: Vec<&NumberedEntry> = log.entries.iter().filter(is_meant).collect();
            if numbered_entries.is_empty() {
                log.find_entries(name)
            } else {
                numbered_entries
            }
        }
        None => log.entries.iter().collect(),
    };
    let shown_entries: Vec<&NumberedEntry> = entries
        .into_iter()
        .rev()
        .take(args.limit.unwrap_or(u32::MAX) as usize)
        .collect();
    if args.json {
        let entry = |logged: &&NumberedEntry| {
            let entry = &logged.entry;
            // A rejected command changes nothing, so it has no number of its own.
            let number = (entry.action != REJECTED_COMMAND_ACTION).then_some(logged.number);
            let version = Some(&entry.version).filter(|version| !version.is_empty());
            json!({
                "number": number, "id": logged.hash, "did": entry.action, "version": version, "at": entry.timestamp, "by": entry.author,
                "environment": entry.environment, "changes": entry.changes, "parents": entry.parents,
                "files": entry.files.iter().map(|(path, hash)| (path.clone(), json!(hash))).collect::<serde_json::Map<_, _>>(),
            })
        };
        let fault = |(file, reason): &(String, String)| json!({"file": file, "fault": reason});
        let faults: Vec<Value> = log.faults.iter().map(fault).collect();
        session
            .print_json(&json!({"entries": shown_entries.iter().map(entry).collect::<Vec<_>>(), "faults": faults}))?;
    } else {
        session.print_escaped(&format_entries(&shown_entries))?;
        for (file, reason) in &log.faults {
            session.note(&format!("{LOG_FOLDER}/{file}: {reason}"));
        }
        if log.entries.is_empty() {
            session.report_action("nothing was pushed yet");
        } else if let (Some(name), true) = (&args.name, shown_entries.is_empty()) {
            session.report_action(&format!("no entry of the log changes `{name}`"));
        }
    }
    Ok(if log.faults.is_empty() {
        Exit::Done
    } else {
        Exit::Faulty
    })
}

/// Folder of log entries for rejected commands. A rejected command changes no shared files, so git ignores its entry,
/// which remains in this work tree.
pub const REJECTED_COMMANDS_FOLDER: &str = ".formulac/local/log";

/// Returns the log of the project, including the rejected commands of this work tree.
pub fn read_log(workspace: &Workspace) -> Log {
    Log::from_files(
        [LOG_FOLDER, REJECTED_COMMANDS_FOLDER]
            .into_iter()
            .flat_map(|folder| folder::read_yaml_files(&workspace.root.join(folder))),
    )
}

/// Returns the name. If the name refers to a metric or a metric set, also returns the model columns for that metric, or
/// for all metrics of the metric set. These are the columns that specs list under `metrics`. Log entries record a
/// change to one of these metrics as a change to the model's column.
fn expand_name_for_log(workspace: &Workspace, name: &str) -> Result<Vec<String>, Failure> {
    let mut names = vec![name.to_owned()];
    let metric = MetricName::read(name)?;
    if metric.prefix.is_none() && metric.metric.is_none() {
        return Ok(names);
    }
    let sources = workspace.sources()?;
    let texts = sources.iter().map(|(source, _)| source.text.as_str());
    let compiler = Compiler::default().with_metric_sets(texts.clone().map(|text| ("", text)));
    for text in texts {
        let Some(expanded) = compiler.expand_model(text) else {
            continue;
        };
        let is_listed = |set: &str, listed_metric: &str| {
            let is_metric = metric
                .metric
                .is_none_or(|name| name.eq_ignore_ascii_case(listed_metric));
            set.eq_ignore_ascii_case(metric.set) && is_metric
        };
        let columns = expanded
            .listed_columns()
            .filter(|(_, set, listed_metric)| is_listed(set, listed_metric));
        let mut columns = columns.map(|(column, ..)| column).peekable();
        if columns.peek().is_some() {
            let compiled = compiler.compile_spec(text);
            names.extend(columns.filter_map(|column| Some(format!("{}.{column}", compiled.name()?))));
        }
    }
    Ok(names)
}

/// Returns whether an entry changed a model, a definition or a metric with this name.
fn has_change_to_name(logged: &NumberedEntry, name: &str) -> bool {
    let changed_name = |change: &str| change.split([':', ',']).next().unwrap_or_default().to_owned();
    let changes = logged.entry.changes.iter().filter_map(|line| line.strip_prefix("  "));
    let mut changed = changes.map(changed_name);
    match name.split_once(':') {
        Some(("metric", metric)) => return changed.any(|changed| changed.eq_ignore_ascii_case(metric)),
        Some(("metric_set", set)) => {
            let is_of_set = |changed: String| {
                let owner = changed.split_once('.').map(|(owner, _)| owner);
                owner.is_some_and(|owner| owner.eq_ignore_ascii_case(set))
            };
            return changed.any(is_of_set);
        }
        _ => {}
    }
    let (model, definition) = match name.split_once('.') {
        Some((model, definition)) => (model, Some(definition)),
        None => (name, None),
    };
    let mut in_model = false;
    for line in &logged.entry.changes {
        match line.strip_prefix("  ") {
            None => in_model = line.split(' ').nth(1) == Some(model),
            Some(change) => {
                let changed = changed_name(change);
                let is_of_model = changed == definition.unwrap_or(model) && (in_model || definition.is_none());
                if is_of_model || changed == name {
                    return true;
                }
            }
        }
        if in_model && definition.is_none() {
            return true;
        }
    }
    false
}

/// Formats the entries with their numbers, hashes and changes.
pub fn format_entries(entries: &[&NumberedEntry]) -> String {
    let mut out = String::new();
    for logged in entries {
        let entry = &logged.entry;
        let environment = if entry.environment.is_empty() {
            String::new()
        } else {
            format!(" to {}", entry.environment)
        };
        let number = if entry.action == REJECTED_COMMAND_ACTION {
            "-".to_owned()
        } else {
            logged.number.to_string()
        };
        let hash = short_hash(&logged.hash);
        let _ = writeln!(
            out,
            "{number:>4}  {hash}  {}{environment}  {}  {}",
            entry.action,
            entry.time(),
            entry.author
        );
        for line in &entry.changes {
            let _ = writeln!(out, "        {line}");
        }
    }
    out
}
