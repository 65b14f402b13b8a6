//! Reports the changes made by a pull and the state of the tables, as text, as Markdown and as JSON.

use std::time::SystemTime;

use formulac::artifacts::Status;
use formulac::diag::lists::{join_words_up_to, remaining_count_text};
use formulac::markdown::escape_markdown;
use formulac::omni::{ChangeKind, ExcludedViews, OmniModel, Pull, PullChange, RunTrend, StaleSource};
use formulac::yaml_edit::YamlMergeConflict;
use formulac_syntax::text::{collapse_whitespace, format_count};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::artifacts::format_age;

/// Maximum number of names in a list. The other names are only counted.
const MAX_LISTED_NAMES: usize = 10;

/// Returns the changes and the state of the tables as one JSON object.
pub fn report_json(model: &OmniModel, pull: &Pull, now: Timestamp) -> Value {
    let (keys, joins) = pull.count_constraints_from_tests(model);
    let text = |value: &Option<formulac::yaml_edit::YamlValue>| value.as_ref().map(ToString::to_string);
    let kept_values = pull.kept_edits.iter().map(|(file, kept_value)| {
        json!({"file": file, "place": kept_value.path.to_string(), "yours": text(&kept_value.file), "dbt": text(&kept_value.new)})
    });
    json!({
        "changes": pull.changes,
        "written": pull.written_omni_files().collect::<Vec<_>>(),
        "removed": pull.removed_omni_files().collect::<Vec<_>>(),
        "kept": kept_values.collect::<Vec<_>>(),
        "left_out": pull.files_left_out,
        "excluded": pull.excluded_views.iter().map(|excluded| json!({"key": excluded.key, "views": excluded.views})).collect::<Vec<_>>(),
        "marked": pull.marked_items.iter().map(|(file, location)| json!({"file": file, "place": location})).collect::<Vec<_>>(),
        "unseen_by_omni": {"keys": keys, "joins": joins},
        "runs": model.health.runs.iter().map(run_trend_json).collect::<Vec<_>>(),
        "stale": model.health.stale.iter().map(|source| stale_source_json(source, now)).collect::<Vec<_>>(),
        "still_used": pull.removed_dimensions.iter().map(|removed| {
            json!({"file": removed.file, "dimension": removed.name, "readers": removed.readers})
        }).collect::<Vec<_>>(),
        "looker_tables": model.looker_dimensions.iter().map(|(file, dimension)| {
            json!({"file": file, "dimension": dimension})
        }).collect::<Vec<_>>(),
        "gaps": model.gaps.iter().map(|gap| json!({"name": gap.name, "reason": gap.reason})).collect::<Vec<_>>(),
    })
}

fn run_trend_json(run: &RunTrend) -> Value {
    let trend = if run.is_slower() { "slower" } else { "faster" };
    let ratio = (run.ratio() * 100.0).round() / 100.0;
    json!({"view": run.view, "trend": trend, "seconds": run.seconds, "median": run.median, "runs": run.runs, "ratio": ratio})
}

fn stale_source_json(source: &StaleSource, now: Timestamp) -> Value {
    let time = |time: Option<SystemTime>| Timestamp::try_from(time?).ok();
    let loaded = time(source.loaded_at);
    let age = loaded.map(|timestamp| now.as_second().saturating_sub(timestamp.as_second()).max(0));
    json!({
        "source": source.source,
        "status": source.status,
        "loaded_at": loaded.map(|at| at.to_string()),
        "checked_at": time(source.checked_at).map(|at| at.to_string()),
        "age_in_seconds": age,
        "readers": source.readers,
        "reached": source.reached,
    })
}

/// Returns the changes and the state of the tables as aligned columns of text. The text is empty if there is nothing to
/// report.
pub fn report_table(model: &OmniModel, pull: &Pull, now: Timestamp) -> String {
    let rows = report_rows(model, pull, now);
    let width = |texts: fn(&[String; 3]) -> &String| {
        let widths = rows.iter().map(|row| texts(row).chars().count());
        widths.max().unwrap_or_default()
    };
    let (first, second) = (width(|[kind, ..]| kind), width(|[_, view, _]| view));
    rows.iter()
        .map(|[kind, view, description]| {
            format!("{kind:first$}  {view:second$}  {description}")
                .trim_end()
                .to_owned()
                + "\n"
        })
        .collect()
}

/// Returns the rows of the report: the kind of change, its subject, and details.
fn report_rows(model: &OmniModel, pull: &Pull, now: Timestamp) -> Vec<[String; 3]> {
    let changes = pull.changes.iter().map(pull_change_row);
    let runs = model
        .health
        .runs
        .iter()
        .filter(|run| run.is_slower())
        .map(slower_run_row);
    changes
        .chain(runs)
        .chain(model.health.stale.iter().map(|source| stale_source_row(source, now)))
        .collect()
}

fn slower_run_row(run: &RunTrend) -> [String; 3] {
    let description = format!(
        "took {:.1} times as long as the median of the last {}: {} s instead of {} s",
        run.ratio(),
        format_count(run.runs, "run", "runs"),
        round_seconds(run.seconds),
        round_seconds(run.median)
    );
    ["slower run".to_owned(), run.view.clone(), description]
}

/// Rounds seconds to a precision that is useful in a report.
fn round_seconds(seconds: f64) -> f64 {
    if seconds < 10.0 {
        (seconds * 100.0).round() / 100.0
    } else {
        seconds.round()
    }
}

fn stale_source_row(source: &StaleSource, now: Timestamp) -> [String; 3] {
    let loaded = source.loaded_at.and_then(|time| Timestamp::try_from(time).ok());
    let loaded = loaded.map_or_else(
        || "of unknown age".to_owned(),
        |timestamp| format!("loaded {} ago", format_age(now, timestamp)),
    );
    let read_by = match source.readers.as_slice() {
        [] => "read by no model".to_owned(),
        readers => format!("read by {}", join_words_up_to(readers, MAX_LISTED_NAMES)),
    };
    let reached = source.reached.saturating_sub(source.readers.len());
    let further = match reached {
        0 => String::new(),
        more => format!(", and {} built from these", format_count(more, "table", "tables")),
    };
    let kind = if source.status == Status::Warn.name() {
        "late source"
    } else {
        "stale source"
    };
    [
        kind.to_owned(),
        source.source.clone(),
        format!("{}, {loaded}; {read_by}{further}", source.status),
    ]
}

fn pull_change_row(change: &PullChange) -> [String; 3] {
    let kind = format!("{} {}", change.kind.name(), change.of.name());
    [kind, change.view.clone(), pull_change_detail(change)]
}

fn pull_change_detail(change: &PullChange) -> String {
    let name = change.name.clone().unwrap_or_default();
    let arrow = match (&change.before, &change.after) {
        (None, None) => return name,
        (before, after) => {
            let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
            format!("{} → {}", text(before), text(after))
        }
    };
    if name.is_empty() {
        arrow
    } else {
        format!("{name}: {arrow}")
    }
}

/// Returns the report as a Markdown table.
pub fn report_markdown(model: &OmniModel, pull: &Pull, now: Timestamp) -> String {
    let rows = report_rows(model, pull, now);
    if rows.is_empty() {
        return "Nothing changed in dbt since the last pull.\n".to_owned();
    }
    let mut out = "| change | of | what |\n|---|---|---|\n".to_owned();
    for row in rows {
        out.push_str(&format!("| {} |\n", row.map(|cell| escape_markdown(&cell)).join(" | ")));
    }
    out
}

/// Returns notes that are printed in addition to the changes.
pub fn pull_notes(model: &OmniModel, pull: &Pull, has_catalog: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let mut push_lines = |noun: &str, lines: Vec<String>| {
        let more = remaining_count_text(lines.len(), MAX_LISTED_NAMES);
        notes.extend(lines.into_iter().take(MAX_LISTED_NAMES));
        notes.extend(more.map(|more| format!("{more} {noun}")));
    };
    push_lines(
        "edits that pull kept",
        pull.kept_edits.iter().map(preserved_value_line).collect(),
    );
    push_lines(
        "files that stay removed",
        pull.files_left_out
            .iter()
            .map(|file| format!("{file} was removed or edited by a user, so `pull` leaves it as it is"))
            .collect(),
    );
    let marked = pull.marked_items.iter().map(|(file, location)| {
        let description = match location.as_str() {
            "" if file.ends_with(".topic.yaml") => "the topic is no longer requested".to_owned(),
            "" => "the view no longer exists in dbt".to_owned(),
            location => format!("`{location}` no longer exists in dbt"),
        };
        format!("{file}: {description}; `pull` marked this item, and `pull --prune` removes the item unless a person wrote it")
    });
    push_lines("marks", marked.collect());
    let read = pull.removed_dimensions.iter().map(|dimension| {
        format!(
            "{}: `{}` has no column in dbt any more, but is still used in {}; change these places",
            dimension.file,
            dimension.name,
            join_words_up_to(&dimension.readers, MAX_LISTED_NAMES)
        )
    });
    push_lines("dimensions without a column that are still used", read.collect());
    push_lines(
        "excluded views",
        pull.excluded_views.iter().map(excluded_views_line).collect(),
    );
    push_lines("gaps", unsupported_item_lines(model));
    let looker = model.looker_dimensions.iter().map(|(file, dimension)| {
        format!(
            "{file}: the SQL of `{dimension}` contains Looker's `${{TABLE}}`, which Omni does not support; write only the \
             name of the column"
        )
    });
    push_lines("dimensions with `${TABLE}`", looker.collect());
    let (keys, joins) = pull.count_constraints_from_tests(model);
    if keys + joins > 0 && pull.changes.iter().any(|change| change.kind == ChangeKind::New) {
        notes.push(format!(
            "derived {} and {} from dbt's tests; Omni cannot find these keys and joins without formulac",
            format_count(keys, "key", "keys"),
            format_count(joins, "join", "joins")
        ));
    }
    if !has_catalog {
        notes.push(
            "there is no catalog.json, so types and undocumented columns are unknown, and formulac assumes that all \
             documented columns exist; run `dbt docs generate` to write catalog.json"
                .to_owned(),
        );
    }
    notes
}

fn excluded_views_line(excluded: &ExcludedViews) -> String {
    let key = excluded.key;
    let list = format!(
        "{}: {}",
        format_count(excluded.views.len(), "view", "views"),
        join_words_up_to(&excluded.views, MAX_LISTED_NAMES)
    );
    format!("Omni does not show {list}, because of `{key}` in the Omni model file; change `{key}` to show them")
}

/// Returns one line per reason why items of the semantic layer have no equivalent in Omni.
fn unsupported_item_lines(model: &OmniModel) -> Vec<String> {
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for gap in &model.gaps {
        let name = format!("`{}`", gap.name);
        match by_reason.iter_mut().find(|(reason, _)| *reason == gap.reason) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((&gap.reason, vec![name])),
        }
    }
    let line = |(reason, names): (&str, Vec<String>)| {
        let has = if names.len() == 1 { "has" } else { "have" };
        format!(
            "{} of the semantic layer {has} no equivalent in Omni: {reason}",
            join_words_up_to(&names, MAX_LISTED_NAMES)
        )
    };
    by_reason.into_iter().map(line).collect()
}

fn preserved_value_line((file, kept_value): &(String, YamlMergeConflict)) -> String {
    format!(
        "{file}: `{}` keeps your value {}; dbt now has {}",
        kept_value.path,
        display_value(kept_value.file.as_ref()),
        display_value(kept_value.new.as_ref())
    )
}

/// Formats a value on one line, shortened if it is long.
fn display_value(value: Option<&formulac::yaml_edit::YamlValue>) -> String {
    let Some(value) = value else {
        return "(no value)".to_owned();
    };
    let text = collapse_whitespace(&value.to_string());
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// State of the files: written or only planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteState {
    Already,
    NotYet,
}

/// Returns the number of files written and removed, and the folder if it is not specified in the project file.
pub fn pull_summary(pull: &Pull, state: WriteState, folder: Option<&str>) -> String {
    let (written_count, removed) = (pull.written_omni_files().count(), pull.removed_omni_files().count());
    let (wrote, took) = if state == WriteState::Already {
        ("wrote", "removed")
    } else {
        ("would write", "would remove")
    };
    let parts = [(wrote, written_count), (took, removed)]
        .into_iter()
        .filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(verb, number)| format!("{verb} {}", format_count(number, "file", "files")))
        .collect();
    if parts.is_empty() {
        "everything is up to date".to_owned()
    } else {
        let folder = folder.map_or_else(String::new, |folder| format!(" in {folder}/"));
        format!("{}{folder}", parts.join(", "))
    }
}
