//! Writes the impact as one Markdown paragraph for the description of a merge request.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::markdown::{escape_markdown, inline_code};
use crate::{ChangeSeverity, Effect, Impact};

/// Maximum number of names that are listed per kind.
const MAX_LISTED: usize = 8;

/// Lists the effects, highest severity first. The list for each severity starts with exposures and Omni fields and
/// their owners, followed by models and the number of tests.
#[must_use]
pub fn format_brief(impact: &Impact) -> String {
    let mut by_grade: BTreeMap<ChangeSeverity, Vec<&Effect>> = BTreeMap::new();
    for effect in &impact.effects {
        by_grade.entry(effect.grade).or_default().push(effect);
    }
    let counts: Vec<String> = by_grade
        .iter()
        .rev()
        .map(|(grade, effects)| format!("{}: {}", grade.name(), format_kinds(effects)))
        .collect();
    if counts.is_empty() {
        "no known effects".to_owned()
    } else {
        counts.join("; ")
    }
}

/// Returns the sort rank of a kind. Kinds that users see directly come first.
fn sort_rank(kind: &str) -> usize {
    match kind {
        "exposure" => 0,
        kind if kind.starts_with("omni ") => 1,
        "test" | "unit_test" | "unit test" => 3,
        _ => 2,
    }
}

fn format_kinds(effects: &[&Effect]) -> String {
    let mut by_kind: BTreeMap<(usize, &str), Vec<&Effect>> = BTreeMap::new();
    for effect in effects {
        by_kind
            .entry((sort_rank(&effect.kind), &effect.kind))
            .or_default()
            .push(effect);
    }
    let parts = by_kind.into_iter().map(|((rank, kind), effects)| {
        let kind = kind.replace("omni ", "Omni ");
        let many = if effects.len() == 1 { "" } else { "s" };
        if rank == 3 {
            return format!("{} {}{many}", effects.len(), escape_markdown(&kind));
        }
        let mut out = format!("{}{many} ", escape_markdown(&kind));
        for (number, effect) in effects.iter().take(MAX_LISTED).enumerate() {
            let owner = effect
                .owner
                .as_ref()
                .map(|owner| format!(" ({})", escape_markdown(owner)))
                .unwrap_or_default();
            let _ = write!(
                out,
                "{}{}{owner}",
                if number == 0 { "" } else { ", " },
                inline_code(&effect.name)
            );
        }
        if effects.len() > MAX_LISTED {
            let _ = write!(out, " and {} more", effects.len() - MAX_LISTED);
        }
        out
    });
    parts.collect::<Vec<_>>().join(", ")
}
