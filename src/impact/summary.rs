//! Summary sentence of the report.

use std::collections::BTreeSet;

use formulac_syntax::diag::lists::quote_names;
use formulac_syntax::text::format_count;

use super::propagate::ChangeSeverity;
use super::report::{Effect, Impact};

impl Impact {
    /// Returns a summary sentence: `1 change alters values in 2 models, 1 exposure; nothing breaks`.
    #[must_use]
    pub fn summary_sentence(&self) -> String {
        let hint = match self.is_partly_compiled {
            true => "; the last dbt run compiled only some models, so run `dbt compile` for a shorter list",
            false => "",
        };
        format!("{}{hint}", self.summary_of_effects())
    }

    fn summary_of_effects(&self) -> String {
        let count = self.changed.len();
        if count == 0 {
            return self.summary_of_differences();
        }
        let changes = format_count(count, "change", "changes");
        let breaking = format_kinds(
            self.effects
                .iter()
                .filter(|effect| effect.severity == ChangeSeverity::Breaking),
        );
        let changing = format_kinds(
            self.effects
                .iter()
                .filter(|effect| effect.severity == ChangeSeverity::Changing),
        );
        let has_own_change = self
            .changed
            .iter()
            .any(|changed| changed.severity == ChangeSeverity::Breaking);
        let s = change_verb_ending(count);
        match (breaking.as_str(), changing.as_str()) {
            ("", "") if has_own_change => {
                format!("{changes} break{s} the changed models themselves and affect{s} nothing else")
            }
            ("", "") if !self.untraced.is_empty() => self.no_breakage_clause(),
            ("", "") if self.is_of_metric => {
                let models: BTreeSet<&str> = self.changed.iter().map(|changed| changed.id.as_str()).collect();
                let models = format_count(models.len(), "model", "models");
                format!("{changes} in {models}; nothing else downstream is affected")
            }
            ("", "") => format!("{changes} affect{s} nothing downstream"),
            ("", changing) if has_own_change => {
                format!("{changes} alter{s} values in {changing}; the changed models themselves break")
            }
            ("", changing) => format!("{changes} alter{s} values in {changing}; {}", self.no_breakage_clause()),
            (breaking, "") => format!("{changes} break{s} {breaking}"),
            (breaking, changing) => format!("{changes} break{s} {breaking} and alter{s} values in {changing}"),
        }
    }

    /// Returns the summary if no node is known to change.
    fn summary_of_differences(&self) -> String {
        match self.differences {
            0 => "nothing changes".to_owned(),
            count if count == self.additions => {
                format!(
                    "{} nothing downstream",
                    format_count(count, "addition affects", "additions affect")
                )
            }
            count => format!(
                "{} no known effect",
                format_count(count, "difference has", "differences have")
            ),
        }
    }

    /// Returns the end of the summary if no effect is known to be breaking.
    fn no_breakage_clause(&self) -> String {
        let names = quote_names(self.untraced.iter().map(|(name, _)| name));
        match names.as_slice() {
            [] => "nothing breaks".to_owned(),
            names => format!(
                "whether columns were removed is unknown for {}, so queries that read {} may break",
                names.join(", "),
                if names.len() == 1 { "it" } else { "them" }
            ),
        }
    }
}

/// Returns the ending of the verb after a number of changes, as in `1 change breaks` and `2 changes break`.
fn change_verb_ending(change_count: usize) -> &'static str {
    if change_count == 1 { "s" } else { "" }
}

/// Formats the counts by kind: `2 models, 1 exposure, 3 Omni fields`.
fn format_kinds<'e>(effects: impl Iterator<Item = &'e Effect>) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for effect in effects {
        let kind = summary_kind_name(&effect.kind);
        match counts.iter_mut().find(|(counted_kind, _)| *counted_kind == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    counts.sort_by_key(|(kind, _)| kind_report_position(kind));
    let phrases = counts
        .iter()
        .map(|(kind, count)| format!("{count} {}", pluralize_kind(kind, *count)));
    phrases.collect::<Vec<_>>().join(", ")
}

/// Returns the name of a kind in the summary. All kinds of Omni fields have the same name in the summary.
fn summary_kind_name(kind: &str) -> String {
    match kind {
        "omni dimension" | "omni measure" | "omni filter" | "omni column" => "Omni field".to_owned(),
        other => display_kind_name(other),
    }
}

/// Returns the position of a kind in reports.
pub(super) fn kind_report_position(kind: &str) -> usize {
    let kind = summary_kind_name(kind);
    let position = KIND_ORDER.iter().position(|ordered_kind| *ordered_kind == kind);
    position.unwrap_or(KIND_ORDER.len())
}

/// Returns the name of a kind in messages, such as `saved query` or `Omni topic`.
pub(super) fn display_kind_name(kind: &str) -> String {
    kind.replace('_', " ").replace("omni ", "Omni ")
}

/// Returns the singular or the plural of a kind's name in messages.
pub(super) fn pluralize_kind(display_kind_name: &str, count: usize) -> String {
    if count == 1 {
        return display_kind_name.to_owned();
    }
    match (
        display_kind_name.strip_suffix("ry"),
        display_kind_name.strip_suffix("is"),
    ) {
        (Some(stem), _) => format!("{stem}ries"),
        (_, Some(stem)) => format!("{stem}es"),
        _ => format!("{display_kind_name}s"),
    }
}

/// Kinds of nodes in display order.
const KIND_ORDER: &[&str] = &[
    "model",
    "snapshot",
    "exposure",
    "metric",
    "semantic model",
    "saved query",
    "Omni field",
    "Omni join",
    "Omni topic",
    "test",
    "unit test",
];
