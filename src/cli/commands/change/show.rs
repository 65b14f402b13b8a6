//! Prints changes as text and as JSON.

use std::fmt::Write as _;

use formulac::team::{ApprovalState, ProposedChange, ReviewAction};
use serde_json::{Value, json};

use super::{ChangeContext, event_json};
use crate::cli::exit::{Exit, Failure};

/// Returns the approval state of a change on this branch, and the files that an approval covers. `None` if the
/// change is merged or belongs to another branch.
fn change_state(change_context: &ChangeContext<'_>, change: &ProposedChange) -> Option<(ApprovalState, Vec<String>)> {
    let branch_differences = change_context.branch_differences(change).ok()?;
    let is_open = branch_differences.content.is_some() && branch_differences.belongs_to_change(change);
    is_open.then(|| {
        (
            branch_differences.state_of_changes([change]),
            branch_differences.approved_paths().map(str::to_owned).collect(),
        )
    })
}

fn approval_state_label(state: Option<&ApprovalState>) -> String {
    match state {
        None => "not open on this branch".to_owned(),
        Some(state) if !state.rejected.is_empty() => format!("rejected by {}", state.rejected.join(", ")),
        Some(state) if state.lacks.is_empty() => "approved".to_owned(),
        Some(state) => format!("needs {}", state.lacks.join(", ")),
    }
}

pub(super) fn print_changes(change_context: &ChangeContext<'_>, as_json: bool) -> Result<Exit, Failure> {
    let mut text = String::new();
    let mut objects = Vec::new();
    for change in &change_context.all {
        let state = change_state(change_context, change);
        let state = state.as_ref().map(|(state, _)| state);
        let title = change.proposal().map(|event| event.text.as_str()).unwrap_or_default();
        let _ = writeln!(text, "{}  {title}\n    {}", change.id, approval_state_label(state));
        objects.push(json!({"id": change.id, "title": title, "standing": state.map(approval_state_json)}));
    }
    if as_json {
        change_context.session.print_json(&json!({"changes": objects}))?;
    } else {
        change_context.session.print_escaped(&text)?;
        if change_context.all.is_empty() {
            change_context
                .session
                .report_action("no change is proposed on this branch; run `formulac change propose TITLE`");
        }
    }
    Ok(Exit::Done)
}

pub(super) fn print_change(change_context: &ChangeContext<'_>, id: &str, as_json: bool) -> Result<Exit, Failure> {
    let change = change_context.find_change(id)?;
    let state = change_state(change_context, change);
    if as_json {
        let events: Vec<Value> = change.events.iter().map(event_json).collect();
        let title = change.proposal().map(|event| event.text.as_str());
        let files = state.as_ref().map(|(_, files)| files.clone());
        let state = state.as_ref().map(|(state, _)| approval_state_json(state));
        change_context.session.print_json(&json!({
            "id": change.id, "title": title, "files": files, "events": events, "standing": state,
        }))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for event in &change.events {
        let verb = match event.action {
            ReviewAction::Proposed if event.environment.is_empty() => format!("to be merged into {}", event.base),
            ReviewAction::Proposed => format!("for {}, to be merged into {}", event.environment, event.base),
            _ => String::new(),
        };
        // Omit fractions of a second, because they serve only to order the events.
        let timestamp = event.timestamp.split('.').next().unwrap_or_default().replace('T', " ");
        let _ = writeln!(
            text,
            "{}  {} {}  {verb}",
            timestamp.trim_end_matches('Z'),
            event.author,
            event.action
        );
        for line in event.text.lines().chain(event.additional_text.lines()) {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some((state, files)) = &state {
        let _ = writeln!(text, "changes");
        files.iter().for_each(|path| {
            let _ = writeln!(text, "    {path}");
        });
        for (approver, why) in &state.void {
            let _ = writeln!(text, "the approval by {approver} does not count: {why}");
        }
    }
    let _ = writeln!(text, "{}", approval_state_label(state.as_ref().map(|(state, _)| state)));
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    change_context
        .session
        .print_escaped(&format!("{}\n", lines.join("\n")))?;
    Ok(Exit::Done)
}

pub fn approval_state_json(state: &ApprovalState) -> Value {
    let void: Vec<Value> = state
        .void
        .iter()
        .map(|(approver, why)| json!({"by": approver, "why": why}))
        .collect();
    json!({
        "approved": state.approved, "rejected": state.rejected, "void": void, "lacks": state.lacks,
        "is_approved": state.is_approved(),
    })
}
