//! What a pull changed, for people, for merge requests and for programs.

use formulac::impact::show::plain;
use formulac::omni::{Change, ChangeKind, OmniModel, Place, Pull};
use formulac::yaml_edit::Kept;
use serde_json::{Value, json};

use super::words::count;

/// Places that are named before the others are counted.
const NAMED: usize = 10;

/// One JSON object.
pub fn data(model: &OmniModel, pull: &Pull) -> Value {
    let (keys, joins) = model.unseen();
    let written = |places: &mut dyn Iterator<Item = &Place>| -> Vec<String> {
        places.filter_map(|place| if let Place::Omni(path) = place { Some(path.clone()) } else { None }).collect()
    };
    let text = |value: &Option<formulac::yaml_edit::Value>| value.as_ref().map(ToString::to_string);
    let kept = pull.kept.iter().map(|(file, kept)| {
        json!({"file": file, "place": kept.path.to_string(), "yours": text(&kept.file), "dbt": text(&kept.new)})
    });
    json!({
        "changes": pull.changes,
        "written": written(&mut pull.writes.iter().map(|(place, _)| place)),
        "removed": written(&mut pull.removes.iter()),
        "kept": kept.collect::<Vec<_>>(),
        "left_out": pull.left_out,
        "marked": pull.marked.iter().map(|(file, place)| json!({"file": file, "place": place})).collect::<Vec<_>>(),
        "unseen_by_omni": {"keys": keys, "joins": joins},
        "gaps": model.gaps.iter().map(|gap| json!({"name": gap.name, "reason": gap.reason})).collect::<Vec<_>>(),
    })
}

/// The changes as lines of columns; nothing where there are none.
pub fn table(pull: &Pull) -> String {
    let rows: Vec<[String; 3]> = pull.changes.iter().map(row).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    rows.iter()
        .map(|[kind, view, what]| format!("{kind:first$}  {view:second$}  {what}").trim_end().to_owned() + "\n")
        .collect()
}

fn row(change: &Change) -> [String; 3] {
    let kind = format!("{} {}", change.kind.name(), change.of.name());
    [kind, change.view.clone(), detail(change)]
}

fn detail(change: &Change) -> String {
    let name = change.name.clone().unwrap_or_default();
    let arrow = match (&change.before, &change.after) {
        (None, None) => return name,
        (before, after) => {
            let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
            format!("{} → {}", text(before), text(after))
        }
    };
    if name.is_empty() { arrow } else { format!("{name}: {arrow}") }
}

/// The changes as a table of Markdown.
pub fn markdown(pull: &Pull) -> String {
    if pull.changes.is_empty() {
        return "Nothing changed in dbt since the last pull.\n".to_owned();
    }
    let mut out = "| change | view | what |\n|---|---|---|\n".to_owned();
    for change in &pull.changes {
        let cells = row(change).map(|cell| plain(&cell));
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

/// What people should know beside the changes.
pub fn notes(model: &OmniModel, pull: &Pull, has_catalog: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let mut listed = |what: &str, lines: Vec<String>| {
        let more = lines.len().saturating_sub(NAMED);
        notes.extend(lines.into_iter().take(NAMED));
        if more > 0 {
            notes.push(format!("and {more} more {what}"));
        }
    };
    listed("edits that were kept", pull.kept.iter().map(kept).collect());
    listed(
        "files that stay removed",
        pull.left_out.iter().map(|file| format!("{file} was removed by somebody, and stays so")).collect(),
    );
    let marked = pull.marked.iter().map(|(file, place)| {
        let what = if place.is_empty() { "the view".to_owned() } else { format!("`{place}`") };
        format!("{file}: dbt has {what} no more; it is marked, and `--prune` removes it")
    });
    listed("marks", marked.collect());
    listed(
        "gaps",
        model
            .gaps
            .iter()
            .map(|gap| format!("`{}` of the semantic layer has no like in Omni: {}", gap.name, gap.reason))
            .collect(),
    );
    let (keys, joins) = model.unseen();
    if keys + joins > 0 && pull.changes.iter().any(|change| change.kind == ChangeKind::New) {
        notes.push(format!(
            "{} and {} that Omni cannot see by itself",
            count(keys, "key", "keys"),
            count(joins, "join", "joins")
        ));
    }
    if !has_catalog {
        notes.push("there is no catalog.json, so types and columns that nobody described are not known; `dbt docs generate` writes it".to_owned());
    }
    notes
}

fn kept((file, kept): &(String, Kept)) -> String {
    format!("{file}: `{}` stays {} as you wrote it; dbt has {} now", kept.path, shown(&kept.file), shown(&kept.new))
}

/// A value in one line, not all of a long one.
fn shown(value: &Option<formulac::yaml_edit::Value>) -> String {
    let Some(value) = value else { return "left out".to_owned() };
    let text = value.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("`{}…`", text.get(..at).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// Whether files were written, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Already,
    NotYet,
}

/// How many files were written and removed.
pub fn summary(pull: &Pull, done: Done) -> String {
    let is_omni = |place: &&Place| matches!(place, Place::Omni(_));
    let written = pull.writes.iter().map(|(place, _)| place).filter(is_omni).count();
    let removed = pull.removes.iter().filter(is_omni).count();
    let (wrote, took) = if done == Done::Already { ("wrote", "removed") } else { ("would write", "would remove") };
    let parts = [(wrote, written), (took, removed)].into_iter().filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts.map(|(done, number)| format!("{done} {}", count(number, "file", "files"))).collect();
    if parts.is_empty() { "everything is up to date".to_owned() } else { parts.join(", ") }
}
