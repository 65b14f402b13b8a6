//! A conflict as people read it: what both sides had, what each has now, and what can be done.

use std::fmt::Write as _;

use formulac::sync::{Conflict, ModelPlan};

use super::repository::Repository;
use crate::cli::place::Place;

/// Most characters of a text that stands in one line.
const WIDTH: usize = 100;

/// One conflict of so many.
pub fn show(out: &mut String, place: &Place, model: &ModelPlan, conflict: &Conflict, number: usize, all: usize) {
    let repository = Repository::find(&place.root).ok();
    let who = |path: &str, line: usize| {
        let said = repository.as_ref().and_then(|repository| repository.blame(path, line));
        said.unwrap_or_else(|| "not committed".to_owned())
    };
    let name = named(model, conflict);
    let _ = writeln!(out, "conflict {number} of {all}: {name} in {} ({})", model.model, conflict.property);
    let ours = match conflict.spec_line {
        Some(line) => format!("{}:{line}", conflict.spec),
        None => conflict.spec.clone(),
    };
    let theirs = format!("{}:{}", conflict.file, conflict.line);
    let by_ours = who(&conflict.spec, conflict.spec_line.unwrap_or(1));
    let by_theirs = who(&conflict.file, conflict.line);
    let mut line = |side: &str, place: &str, text: &str, by: &str| {
        let head = format!("  {side:6}  {place}");
        let _ = writeln!(out, "{}", format!("{head:60}  {}   {by}", one_line(text)).trim_end());
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    // What people described in Omni and for dbt is of no push.
    line("base", if conflict.is_of_omni() { "the last pull" } else { "the last push" }, &text(&conflict.base), "");
    line("ours", &ours, &text(&conflict.ours), &by_ours);
    line("theirs", &theirs, &text(&conflict.theirs), &by_theirs);
    if let Some(formula) = &conflict.theirs_formula {
        line("theirs", "as a formula", formula, "");
    }
    let mut target = target(model, conflict);
    if model.conflicts.iter().filter(|other| other.definition == conflict.definition).count() > 1 {
        target.push_str(&format!(":{}", conflict.property));
    }
    let _ = writeln!(out, "  next    formulac resolve {target} --ours | --theirs | --edit\n");
}

/// What `resolve` calls it.
pub fn target(model: &ModelPlan, conflict: &Conflict) -> String {
    match &conflict.definition {
        Some(definition) => format!("{}.{definition}", model.model),
        None => model.model.clone(),
    }
}

fn named(model: &ModelPlan, conflict: &Conflict) -> String {
    match (&conflict.step, &conflict.definition) {
        (Some(step), Some(definition)) => format!("{step}.{definition}"),
        (None, Some(definition)) => definition.clone(),
        _ => model.model.clone(),
    }
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= WIDTH {
        return line;
    }
    line.chars().take(WIDTH).chain(['…']).collect()
}
