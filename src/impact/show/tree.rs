//! Writes the report or lineage as text for a terminal. Control characters in names are replaced with visible
//! characters.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::graph_drawing::GraphDrawing;
use crate::diag::render::escape_hidden;
use crate::summary::display_kind_name;
use crate::{ChangeSeverity, Impact};
use formulac_syntax::diag::lists::join_words_up_to;
use formulac_syntax::text::collapse_whitespace;

/// Returns the report: the summary sentence, then each affected node below the node that affects it.
#[must_use]
pub fn impact_tree(impact: &Impact) -> String {
    let mut out = format!("{}\n", impact.summary_sentence());
    let mut children: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let ids: BTreeSet<&str> = impact.effects.iter().map(|effect| effect.id.as_str()).collect();
    for (effect_index, effect) in impact.effects.iter().enumerate() {
        children
            .entry(effect.via.as_deref().unwrap_or_default())
            .or_default()
            .push(effect_index);
    }
    let changed_ids = impact.changed.iter().map(|changed| changed.id.as_str());
    let last_index: BTreeMap<&str, usize> = changed_ids.zip(0..).collect();
    let mut roots: BTreeSet<&str> = BTreeSet::new();
    for (index, changed) in impact.changed.iter().enumerate() {
        let is_first = roots.insert(&changed.id);
        let blank = if is_first { "\n" } else { "" };
        let _ = write!(
            out,
            "{blank}{}: {}",
            collapse_whitespace(&changed.name),
            changed.description
        );
        if let Some(reason) = &changed.reason {
            let _ = write!(out, " ({}: {})", changed.severity.name(), collapse_whitespace(reason));
        }
        out.push('\n');
        if last_index.get(changed.id.as_str()) == Some(&index) {
            write_children(impact, &children, &changed.id, &mut out);
        }
    }
    // Also list the effects that come from a node that is not in the tree.
    for (via, places) in &children {
        if !roots.contains(via) && !ids.contains(via) {
            for effect_index in places {
                write_line(impact, *effect_index, "", &mut out);
            }
        }
    }
    if !impact.unaffected.is_empty() {
        let count = impact.unaffected.len();
        let names: Vec<String> = impact
            .unaffected
            .iter()
            .map(|(_, name)| collapse_whitespace(name))
            .collect();
        let _ = writeln!(
            out,
            "\n{count} downstream not affected: {}",
            join_words_up_to(&names, 5)
        );
    }
    match escape_hidden(&out) {
        Cow::Owned(text) => text,
        // The text is returned without a copy if no character has to be escaped, which is the usual case.
        Cow::Borrowed(_) => out,
    }
}

fn write_children(impact: &Impact, children: &BTreeMap<&str, Vec<usize>>, root: &str, output: &mut String) {
    let mut seen = BTreeSet::new();
    // Effect, prefix of its line, and whether the effect is the last of its siblings.
    let mut stack: Vec<(usize, String, bool)> = Vec::new();
    let push = |id: &str, before: &str, stack: &mut Vec<(usize, String, bool)>| {
        let places = children.get(id).map(Vec::as_slice).unwrap_or_default();
        for (number, effect_index) in places.iter().enumerate().rev() {
            stack.push((*effect_index, before.to_owned(), number + 1 == places.len()));
        }
    };
    push(root, "", &mut stack);
    while let Some((effect_index, before, is_last)) = stack.pop() {
        if !seen.insert(effect_index) {
            continue;
        }
        let Some(effect) = impact.effects.get(effect_index) else {
            continue;
        };
        let branch = if is_last { "└─ " } else { "├─ " };
        write_line(impact, effect_index, &format!("{before}{branch}"), output);
        // Limit the indentation, so that a long chain fits on the terminal.
        let deeper = if before.chars().count() > 60 {
            before.clone()
        } else {
            before + if is_last { "   " } else { "│  " }
        };
        push(&effect.id, &deeper, &mut stack);
    }
}

fn write_line(impact: &Impact, effect_index: usize, before: &str, output: &mut String) {
    let Some(effect) = impact.effects.get(effect_index) else {
        return;
    };
    let sign = match effect.severity {
        ChangeSeverity::Breaking => "breaking",
        ChangeSeverity::Changing => "changing",
        ChangeSeverity::Harmless => "harmless",
    };
    let _ = write!(
        output,
        "{before}{sign}  {} ({}): {}",
        collapse_whitespace(&effect.name),
        display_kind_name(&effect.kind),
        collapse_whitespace(&effect.reason)
    );
    if let Some(why) = &effect.reason_for_whole_node {
        let _ = write!(output, " [no column-level lineage: {}]", collapse_whitespace(why));
    } else if let Some(gap) = effect.gaps.first() {
        let _ = write!(output, " [perhaps: {}]", collapse_whitespace(gap));
    }
    let notes: Vec<String> = [&effect.owner, &effect.status]
        .into_iter()
        .flatten()
        .map(|text| collapse_whitespace(text))
        .collect();
    if !notes.is_empty() {
        let _ = write!(output, " · {}", notes.join(" · "));
    }
    output.push('\n');
}

/// Returns the lineage of a node, with the upstream nodes before the downstream nodes.
#[must_use]
pub fn lineage_tree(
    name: &str,
    up: Option<&GraphDrawing>,
    down: Option<&GraphDrawing>,
    root: &str,
    notes: &[String],
) -> String {
    let mut out = format!("{}\n", collapse_whitespace(name));
    for (title, drawing, is_up) in [("derived from", up, true), ("used by", down, false)] {
        let Some(drawing) = drawing else { continue };
        let _ = writeln!(out, "{title}:");
        let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in &drawing.edges {
            let (node_id, other) = if is_up { (to, from) } else { (from, to) };
            next.entry(node_id).or_default().push(other);
        }
        let labels: BTreeMap<&str, String> = drawing
            .nodes
            .iter()
            .map(|dot| (dot.id.as_str(), collapse_whitespace(&dot.label)))
            .collect();
        let mut seen = BTreeSet::new();
        let mut stack: Vec<(String, String, bool)> = Vec::new();
        let push = |id: &str, before: &str, stack: &mut Vec<(String, String, bool)>| {
            let neighbors = next.get(id).map(Vec::as_slice).unwrap_or_default();
            for (number, other) in neighbors.iter().enumerate().rev() {
                stack.push(((*other).to_owned(), before.to_owned(), number + 1 == neighbors.len()));
            }
        };
        push(root, "", &mut stack);
        if stack.is_empty() {
            out.push_str("└─ nothing\n");
        }
        while let Some((id, before, is_last)) = stack.pop() {
            let branch = if is_last { "└─ " } else { "├─ " };
            let label = labels.get(id.as_str()).map(String::as_str).unwrap_or_default();
            let is_new = seen.insert(id.clone());
            let again = if is_new || !next.contains_key(id.as_str()) {
                ""
            } else {
                " (see above)"
            };
            let _ = writeln!(out, "{before}{branch}{label}{again}");
            if is_new {
                let deeper = if before.chars().count() > 60 {
                    before.clone()
                } else {
                    before + if is_last { "   " } else { "│  " }
                };
                push(&id, &deeper, &mut stack);
            }
        }
    }
    for note in notes {
        let _ = writeln!(out, "note: {}", collapse_whitespace(note));
    }
    escape_hidden(&out).into_owned()
}
