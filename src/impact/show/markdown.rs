//! Writes the report as Markdown for a merge request.

use std::fmt::Write as _;

use super::graph_drawing::from_impact;
use crate::Impact;
use crate::markdown::{escape_sentence, inline_code};
use crate::summary::display_kind_name;

/// Maximum number of nodes in a graph. A larger graph is omitted because it would be unreadable.
const MAX_NODES: usize = 40;

/// Returns the report as Markdown.
#[must_use]
pub fn impact_markdown(impact: &Impact) -> String {
    let mut out = format!("### {}\n\n", escape_sentence(&impact.summary_sentence()));
    for changed in &impact.changed {
        let reason = changed
            .reason
            .as_ref()
            .map(|reason| format!(" ({}: {})", changed.severity.name(), escape_sentence(reason)));
        let _ = writeln!(
            out,
            "- {}: {}{}",
            inline_code(&changed.name),
            changed.description,
            reason.unwrap_or_default()
        );
    }
    for (name, why) in &impact.untraced {
        let _ = writeln!(
            out,
            "- {}: no column-level lineage: {}",
            inline_code(name),
            escape_sentence(why)
        );
    }
    if !impact.effects.is_empty() {
        out.push_str("\n| what | reached by | severity | owner | last status |\n|---|---|---|---|---|\n");
    }
    for effect in &impact.effects {
        let path: Vec<String> = effect.path.iter().map(|step| inline_code(step)).collect();
        let mut reason = format!("**{}**: {}", effect.severity.name(), escape_sentence(&effect.reason));
        if let Some(why) = &effect.reason_for_whole_node {
            let _ = write!(reason, "; no column-level lineage: {}", escape_sentence(why));
        }
        let text_or_dash = |text_of: &Option<String>| text_of.as_deref().map(escape_sentence).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} ({}) | {} | {reason} | {} | {} |",
            inline_code(&effect.name),
            escape_sentence(&display_kind_name(&effect.kind)),
            path.join(" → "),
            text_or_dash(&effect.owner),
            text_or_dash(&effect.status)
        );
    }
    if !impact.unaffected.is_empty() {
        let _ = writeln!(out, "\n{} downstream not affected.", impact.unaffected.len());
    }
    let drawing = from_impact(impact);
    if !drawing.edges.is_empty() && drawing.nodes.len() <= MAX_NODES {
        let _ = write!(out, "\n```mermaid\n{}```\n", drawing.to_mermaid());
    }
    out
}
