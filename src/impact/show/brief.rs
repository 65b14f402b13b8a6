//! Writes the impact as one Markdown paragraph for the description of a merge request.

use std::collections::BTreeMap;

use formulac_syntax::diag::lists::join_words_up_to;

use crate::markdown::{escape_markdown, inline_code};
use crate::summary::{display_kind_name, pluralize_kind};
use crate::{ChangeSeverity, Effect, Impact};

/// Maximum number of names that are listed per kind.
const MAX_LISTED_NAMES: usize = 8;

/// Lists the effects, highest severity first. Within each severity, exposures and Omni fields come first, with their
/// owners. Models and the number of tests follow.
#[must_use]
pub fn format_brief(impact: &Impact) -> String {
    let mut by_severity: BTreeMap<ChangeSeverity, Vec<&Effect>> = BTreeMap::new();
    for effect in &impact.effects {
        by_severity.entry(effect.severity).or_default().push(effect);
    }
    let counts: Vec<String> = by_severity
        .iter()
        .rev()
        .map(|(severity, effects)| format!("{}: {}", severity.name(), format_kinds(effects)))
        .collect();
    if counts.is_empty() {
        "no known effects".to_owned()
    } else {
        counts.join("; ")
    }
}

/// Returns the sort rank of a kind. Kinds that users see directly come first.
fn kind_sort_rank(kind: &str) -> usize {
    match kind {
        "exposure" => 0,
        kind if kind.starts_with("omni ") => 1,
        kind if is_test(kind) => 3,
        _ => 2,
    }
}

/// Returns whether a kind is a test. Tests are counted instead of listed by name.
fn is_test(kind: &str) -> bool {
    matches!(kind, "test" | "unit_test")
}

fn format_kinds(effects: &[&Effect]) -> String {
    let mut by_kind: BTreeMap<(usize, &str), Vec<&Effect>> = BTreeMap::new();
    for effect in effects {
        by_kind
            .entry((kind_sort_rank(&effect.kind), &effect.kind))
            .or_default()
            .push(effect);
    }
    let parts = by_kind.into_iter().map(|((_, kind), effects)| {
        let label = escape_markdown(&pluralize_kind(&display_kind_name(kind), effects.len()));
        if is_test(kind) {
            return format!("{} {label}", effects.len());
        }
        let names = effects.iter().map(|effect| {
            let owner = effect.owner.as_deref().map(escape_markdown);
            let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
            format!("{}{owner}", inline_code(&effect.name))
        });
        format!(
            "{label} {}",
            join_words_up_to(&names.collect::<Vec<_>>(), MAX_LISTED_NAMES)
        )
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::format_brief;
    use crate::{ChangeSeverity, Effect, Impact};

    #[test]
    fn kinds_have_the_names_of_messages() {
        let effect = |kind: &str, name: &str| Effect {
            kind: kind.to_owned(),
            name: name.to_owned(),
            severity: ChangeSeverity::Changing,
            ..Effect::default()
        };
        let effects = vec![
            effect("saved_query", "weekly"),
            effect("saved_query", "daily"),
            effect("semantic_model", "sales"),
            effect("unit_test", "small"),
            effect("unit_test", "large"),
            effect("omni measure", "orders.total"),
        ];
        let impact = Impact {
            effects,
            ..Impact::default()
        };
        assert_eq!(
            format_brief(&impact),
            "changing values: Omni measure `orders.total`, saved queries `weekly`, `daily`, semantic model `sales`, 2 unit tests"
        );
    }
}
