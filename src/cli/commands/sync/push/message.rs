//! Message of the commit that a push creates.

use formulac::diag::lists::remaining_count_text;
use formulac::sync::{ModelAction, ModelPlan, Plan};
use formulac_syntax::text::collapse_whitespace;

use super::super::apply::ENTRY_TRAILER;
use crate::cli::health::summarize_names;

/// Maximum number of changes that a commit message lists.
const MAX_LISTED_CHANGES: usize = 100;

/// Prefix of the log line for the file of a metric set that a push commits.
pub const METRIC_SET_PREFIX: &str = "metric set: ";

/// Formats the changes: one line per model and per definition. Omits models for which the push only keeps manual edits.
pub fn change_lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for model in plan.changed_models() {
        lines.push(format!("{} {}", model.action.name(), model.model));
        lines.extend(model.changes.iter().map(|change| {
            let text = change.to_string();
            format!("  {}", collapse_whitespace(&text))
        }));
    }
    lines.extend(
        plan.known
            .iter()
            .map(|facts_change| match facts_change.facts.as_slice() {
                [one] => format!("known: {one}"),
                facts => format!("known: {} changes", facts.len()),
            }),
    );
    lines.extend(plan.metric_sets.iter().map(|path| format!("{METRIC_SET_PREFIX}{path}")));
    lines
}

/// Returns the title of a commit, such as `Update monthly_revenue`. If several models change, the title contains their
/// number. Models for which the push only keeps manual edits are not counted.
pub fn push_title(plan: &Plan) -> String {
    let models: Vec<&ModelPlan> = plan.changed_models().collect();
    match models.as_slice() {
        [] if !plan.metric_sets.is_empty() => format!("Update {}", summarize_names(&plan.metric_sets)),
        [] if plan.known.is_none() => "Files of the Omni model".to_owned(),
        [] => "Update known.yml".to_owned(),
        models
            if models
                .iter()
                .all(|model| matches!(model.action, ModelAction::Commit | ModelAction::Keep)) =>
        {
            let names: Vec<String> = models.iter().map(|model| model.model.clone()).collect();
            let has_edits = |model: &&ModelPlan| !(model.kept.is_empty() && model.uncommitted.is_empty());
            let contents = if models.iter().any(has_edits) {
                "Manual edits to"
            } else {
                "Files of"
            };
            format!("{contents} {}", summarize_names(&names))
        }
        models if models.iter().all(|model| model.pushed_by.is_some()) => {
            let names: Vec<String> = models.iter().map(|model| model.model.clone()).collect();
            format!(
                "Upgrade to formulac {}: {}",
                env!("CARGO_PKG_VERSION"),
                summarize_names(&names)
            )
        }
        [one] => format!(
            "{}{} {}",
            one.action.name()[..1].to_uppercase(),
            &one.action.name()[1..],
            one.model
        ),
        _ => {
            let counts: Vec<String> = [ModelAction::Create, ModelAction::Update, ModelAction::Delete]
                .iter()
                .map(|action| (plan.count(*action), action.name()))
                .filter(|(count, _)| *count > 0)
                .map(|(count, name)| format!("{name} {count}"))
                .collect();
            format!("Metrics: {}", counts.join(", "))
        }
    }
}

pub fn commit_message(title: &str, lines: &[String], entry: &str) -> String {
    let mut listed: Vec<String> = lines.iter().take(MAX_LISTED_CHANGES).cloned().collect();
    listed.extend(remaining_count_text(lines.len(), MAX_LISTED_CHANGES));
    format!("{title}\n\n{}\n\n{ENTRY_TRAILER}: {entry}\n", listed.join("\n"))
}
