//! Formats a conflict as text: the common base, both sides, and the commands that resolve the conflict.

use std::fmt::Write as _;

use formulac::sync::{
    Conflict, MetricSetConflict, MetricSetPartKind, ModelPlan, Property, RewrittenSql, describe_rewritten_sql,
    diff_lines,
};
use formulac_syntax::text::collapse_whitespace;

use super::planner::PlannedModels;
use super::repository::Repository;
use super::resolve::{is_omni_file, manual_resolution_instruction, possible_resolutions, quoted_list};
use super::show::write_diff;
use crate::cli::args::ConflictSide;
use crate::cli::environment::quote_for_shell;
use crate::cli::workspace::Workspace;

/// Maximum length of a value on one line, in characters.
const MAX_VALUE_LENGTH: usize = 100;

/// Number of characters shown before the first difference between long values.
const CONTEXT_LENGTH: usize = 30;

/// Maximum number of differing parts shown per file.
const MAX_SHOWN_PARTS: usize = 10;

/// Maximum number of lines shown per diff.
const MAX_DIFF_LINES: usize = 20;

/// Describes the part of the model or metric set that the conflict is about.
fn describe_conflict(conflict: &Conflict) -> String {
    let step = conflict
        .step
        .as_ref()
        .map_or_else(String::new, |step| format!(" in step {step}"));
    match &conflict.set {
        Some(set) => match set.part {
            MetricSetPartKind::Definition => format!("{} of {} in a metric set", Property::Formula, set.full_name()),
            MetricSetPartKind::Filter | MetricSetPartKind::Relation => {
                format!("{} of the metric set {}", set.name, set.set)
            }
        },
        None => format!("{}{step}", conflict.property_name()),
    }
}

/// Prints one conflict, headed by its number and the total number of conflicts.
pub fn write_conflict(
    out: &mut String,
    workspace: &Workspace,
    planned_models: &PlannedModels,
    model: &ModelPlan,
    conflict: &Conflict,
    number: usize,
    total: usize,
) {
    let repository = Repository::find(&workspace.root).ok();
    let who = |path: &str, line: Option<usize>, text: &Option<String>| {
        let lines = text
            .as_ref()
            .filter(|_| conflict.edit.is_some() && conflict.clashes.is_empty())
            .map_or(1, |text| text.lines().count());
        // The Omni model may have its own repository.
        let of_omni = is_omni_file(workspace, path).then(|| workspace.root.join(path));
        let own_repository = of_omni
            .as_deref()
            .and_then(|file| Some((file.parent()?, file.file_name()?.to_str()?)));
        let (other, path) = match own_repository {
            Some((folder, name)) => (Repository::find(folder).ok(), name),
            None => (None, path),
        };
        let blame_text = other
            .as_ref()
            .or(repository.as_ref())
            .and_then(|repository| match line {
                Some(line) => repository.blame_lines(path, line, lines),
                None => last_change(repository, path),
            });
        blame_text.unwrap_or_else(|| "not committed".to_owned())
    };
    let about = describe_conflict(conflict);
    let name = conflict_name(workspace, model, conflict);
    let _ = writeln!(out, "conflict {number} of {total}: {name} ({about})");
    let ours = match conflict.spec_line {
        Some(line) => format!("{}:{line}", conflict.spec),
        None => conflict.spec.clone(),
    };
    // A removed part has no line in the file, and a conflict about a whole file has no specific line.
    let is_whole_file = conflict.edit.is_none() && conflict.clashes.is_empty() && !conflict.is_omni_conflict();
    let is_removed = conflict.theirs.as_deref().is_none_or(str::is_empty);
    let theirs = match is_whole_file {
        true => conflict.file.clone(),
        false => format!("{}:{}", conflict.file, conflict.line),
    };
    let author_line = Some(conflict.line).filter(|_| !is_whole_file && !is_removed);
    // Pulls and pushes record the descriptions on which Omni and dbt agree.
    let base = match (conflict.is_omni_conflict(), &conflict.base) {
        (true, _) => "the last pull or push",
        (false, None) if conflict.edit.is_none() && conflict.ours.is_some() => "not known",
        (false, _) => "the last push",
    };
    let sides = [
        ("base", base.to_owned(), &conflict.base, String::new()),
        (
            "ours",
            ours,
            &conflict.ours,
            who(&conflict.spec, conflict.spec_line, &conflict.ours),
        ),
        (
            "theirs",
            theirs,
            &conflict.theirs,
            who(&conflict.file, author_line, &conflict.theirs),
        ),
    ];
    let texts = sides
        .each_ref()
        .map(|(_, _, text, _)| text.as_deref().unwrap_or("nothing"));
    // For a conflict between whole files, show only the parts that differ.
    let is_file = !conflict.clashes.is_empty() || (conflict.edit.is_none() && !conflict.is_omni_conflict());
    let excerpts = if is_file {
        Default::default()
    } else {
        shorten_around_difference(texts)
    };
    let mut line = |head: &str, side: &str, text: &str, author: &str| {
        let head = format!("  {head:6}  {side}");
        let text = if text.is_empty() {
            author.to_owned()
        } else {
            format!("{text}   {author}")
        };
        let _ = writeln!(out, "{}", format!("{head:60}  {text}").trim_end());
    };
    for ((side, location, _, author), text) in sides.iter().zip(&excerpts) {
        line(side, location, text, author);
    }
    if let Some(formula) = &conflict.theirs_formula {
        line("theirs", "as a formula", &excerpt(formula, 0), "");
    }
    if is_file {
        write_file_clashes(out, conflict);
    }
    write_affected_readers(out, conflict);
    let sides = possible_resolutions(workspace, planned_models, model, conflict);
    match &conflict.set {
        Some(set) => write_metric_set_resolutions(out, workspace, model, conflict, set, &sides),
        None => write_resolutions(out, workspace, model, conflict, &sides),
    }
}

/// Prints the definitions and conditions whose SQL would use an edited column although their formulas do not refer to
/// the column.
fn write_affected_readers(out: &mut String, conflict: &Conflict) {
    if conflict.readers.is_empty() {
        return;
    }
    let column = match &conflict.definition {
        Some(name) => format!("column `{name}`"),
        None => conflict.detail.clone(),
    };
    let readers = quoted_list(&conflict.readers);
    let _ = writeln!(
        out,
        "  the SQL of {readers} would use the edited {column}, although the spec does not refer to it in {readers}"
    );
}

/// Prints the command that resolves a conflict with a spec, and the other possible resolutions.
fn write_resolutions(
    out: &mut String,
    workspace: &Workspace,
    model: &ModelPlan,
    conflict: &Conflict,
    sides: &[ConflictSide],
) {
    let edit = manual_resolution_instruction(conflict);
    if conflict.has_conflict_marker() && sides.contains(&ConflictSide::Ours) {
        let command = resolve_command(workspace, model, conflict, ConflictSide::Ours);
        let _ = writeln!(out, "  next    {edit}");
        let _ = writeln!(
            out,
            "          or {command}, which writes the file from the spec and saves a copy of the edited file\n"
        );
        return;
    }
    // Do not show the commands for other unreadable files, because they would discard all edits to the file.
    let sides = if conflict.is_unreadable() { &[] } else { sides };
    let Some((first, others)) = sides.split_first() else {
        let _ = writeln!(out, "  next    {edit}\n");
        return;
    };
    let _ = writeln!(out, "  next    {}", resolve_command(workspace, model, conflict, *first));
    if !others.is_empty() {
        let _ = writeln!(
            out,
            "          or {} instead of {}",
            list_resolve_options(others),
            first.option()
        );
    }
    if !sides.contains(&ConflictSide::Theirs) {
        let _ = writeln!(out, "          or {edit}");
    }
    out.push('\n');
}

/// Prints the conflicting parts of a file or, if they are not known, the difference between the file and the spec.
fn write_file_clashes(out: &mut String, conflict: &Conflict) {
    for clash in conflict.clashes.iter().take(MAX_SHOWN_PARTS) {
        let _ = writeln!(out, "  {}, {}:{}", clash.description, conflict.file, clash.line);
        // Without a base and a generated version, print only the text in the file.
        if clash.base.is_empty() && clash.ours.is_empty() {
            let _ = writeln!(out, "    {}", excerpt(clash.theirs.trim(), 0));
            continue;
        }
        let nothing = |text: &str| {
            if text.trim().is_empty() {
                "nothing".to_owned()
            } else {
                text.to_owned()
            }
        };
        let texts = [&clash.base, &clash.ours, &clash.theirs].map(|text| nothing(text));
        for (side, text) in ["base", "ours", "theirs"].iter().zip(excerpts_of_differences(&texts)) {
            let _ = writeln!(out, "    {side:6}  {text}");
        }
    }
    let more = conflict.clashes.len().saturating_sub(MAX_SHOWN_PARTS);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more");
    }
    if conflict.clashes.is_empty() {
        let why = match conflict.ours {
            Some(_) => "the file was edited, and there is no record of the generated content",
            None => "the file was edited, and no spec generates this file anymore",
        };
        let _ = writeln!(out, "  {}: {why}", conflict.file);
        if let (Some(ours), Some(theirs)) = (&conflict.ours, &conflict.theirs) {
            let _ = writeln!(out, "- marks lines of the file, + lines that the spec generates");
            write_diff(out, &diff_lines(theirs, ours), MAX_DIFF_LINES);
        }
    }
}

/// Prints the possible resolutions of a conflict with a metric set, each with its effect.
fn write_metric_set_resolutions(
    out: &mut String,
    workspace: &Workspace,
    model: &ModelPlan,
    conflict: &Conflict,
    set: &MetricSetConflict,
    sides: &[ConflictSide],
) {
    let Some(first) = sides.first() else {
        let _ = writeln!(
            out,
            "  next    undo the edit in {}, then run `formulac plan` again\n",
            conflict.file
        );
        return;
    };
    let _ = writeln!(out, "  next    {}", resolve_command(workspace, model, conflict, *first));
    let mut option = |side: ConflictSide, possible: Result<String, &String>, sql: &Option<RewrittenSql>| {
        let name = side.option();
        let _ = match possible {
            Ok(effect) if sides.contains(&side) => writeln!(out, "          {name:10}  {effect}"),
            Ok(_) => return,
            Err(reason) => writeln!(out, "          {name:10}  not possible: {reason}"),
        };
        if let Some(sql) = sql {
            let _ = writeln!(out, "          {:10}  {}", "", describe_rewritten_sql(sql));
        }
    };
    option(
        ConflictSide::Ours,
        Ok("removes the edit, so that a push writes the SQL of the set".to_owned()),
        &None,
    );
    let changed = match set.models.as_slice() {
        [] => String::new(),
        models => format!("; changes the SQL of {}", models.join(", ")),
    };
    let is = match set.part {
        MetricSetPartKind::Definition => " =",
        MetricSetPartKind::Filter | MetricSetPartKind::Relation => ":",
    };
    let to_set = set.to_set.as_ref();
    option(
        ConflictSide::ToSet,
        to_set.map(|formula| format!("{}: {}{is} {formula}{changed}", set.file, set.name)),
        &set.to_set_sql,
    );
    let name = set.listed_as.as_deref().unwrap_or(&set.name);
    let to_model = set.to_model.as_ref();
    option(
        ConflictSide::ToModel,
        to_model.map(|formula| format!("{}: {name} = {formula}; overrides the metric", model.spec)),
        &set.to_model_sql,
    );
    if let Some(note) = set
        .note_on_rows()
        .filter(|_| set.to_set.is_ok() || set.to_model.is_ok())
    {
        let _ = writeln!(out, "          {:10}  {note}", "note");
    }
    out.push('\n');
}

/// Returns the command that resolves the conflict in favor of a side, quoted for a shell.
fn resolve_command(workspace: &Workspace, model: &ModelPlan, conflict: &Conflict, side: ConflictSide) -> String {
    let name = conflict_name(workspace, model, conflict);
    format!("formulac resolve {} {}", quote_for_shell(&name), side.option())
}

/// Returns the part of a one-line message that explains how to resolve the conflict.
pub fn conflict_resolution_hint(
    workspace: &Workspace,
    planned_models: &PlannedModels,
    model: &ModelPlan,
    conflict: &Conflict,
) -> String {
    match possible_resolutions(workspace, planned_models, model, conflict).split_first() {
        Some((ConflictSide::Ours, _)) if conflict.has_conflict_marker() => {
            let command = resolve_command(workspace, model, conflict, ConflictSide::Ours);
            format!("{} (or {command})", manual_resolution_instruction(conflict))
        }
        _ if conflict.is_unreadable() => manual_resolution_instruction(conflict),
        None => manual_resolution_instruction(conflict),
        Some((first, [])) => resolve_command(workspace, model, conflict, *first),
        Some((first, others)) => {
            let command = resolve_command(workspace, model, conflict, *first);
            format!("{command} (or {})", list_resolve_options(others))
        }
    }
}

fn list_resolve_options(sides: &[ConflictSide]) -> String {
    let options: Vec<&str> = sides.iter().map(|side| side.option()).collect();
    options.join(", ")
}

/// Returns the name that makes `resolve` select only this conflict.
pub fn conflict_name(workspace: &Workspace, model: &ModelPlan, conflict: &Conflict) -> String {
    let target = conflict_subject(model, conflict);
    if metric_set_clause_conflict(conflict).is_some() || conflict.clause().is_some() {
        return target;
    }
    // If somebody changed the same property in dbt's file and in Omni, or in several files, the name also specifies the
    // side or the file.
    let target_of = |other_conflict: &Conflict| {
        (
            other_conflict.definition.clone(),
            other_conflict.step.clone(),
            other_conflict.property,
            other_conflict.detail.clone(),
        )
    };
    let is_same = |other: &&Conflict| target_of(other) == target_of(conflict);
    let same: Vec<&Conflict> = model.conflicts.iter().filter(is_same).collect();
    if same.len() > 1 {
        let is_omni = is_omni_file(workspace, &conflict.file);
        let of_same_side = same
            .iter()
            .filter(|other| is_omni_file(workspace, &other.file) == is_omni);
        return match (of_same_side.count(), is_omni) {
            (1, true) => format!("{target}:{}:omni", conflict.property),
            (1, false) => format!("{target}:{}:dbt", conflict.property),
            _ => format!("{target}:{}", conflict.file),
        };
    }
    // The name of the model selects all its conflicts.
    if conflict.definition.is_none() && model.conflicts.len() > 1 {
        return format!("{target}:{}", conflict.property);
    }
    match model
        .conflicts
        .iter()
        .filter(|other| other.definition == conflict.definition)
        .count()
    {
        0 | 1 => target,
        _ => format!("{target}:{}", conflict.property),
    }
}

/// Returns the name of the item in conflict: `model.definition`, a clause as `model:where`, `model:step.where` or
/// `model:set.where`, or the model.
pub fn conflict_subject(model: &ModelPlan, conflict: &Conflict) -> String {
    match (&conflict.definition, metric_set_clause_conflict(conflict)) {
        (_, Some(set)) => format!("{}:{}", model.model, set.full_name()),
        (Some(definition), None) => format!("{}.{definition}", model.model),
        (None, None) => match (conflict.clause(), &conflict.step) {
            (Some(clause), Some(step)) => format!("{}:{step}.{clause}", model.model),
            (Some(clause), None) => format!("{}:{clause}", model.model),
            (None, _) => model.model.clone(),
        },
    }
}

/// Returns the conflict with a metric set, if the conflict concerns a clause of the metric set.
fn metric_set_clause_conflict(conflict: &Conflict) -> Option<&MetricSetConflict> {
    conflict
        .set
        .as_ref()
        .filter(|set| set.part != MetricSetPartKind::Definition)
}

/// Returns the author, commit and subject of the last change to a file. Returns `None` if the file has uncommitted
/// changes.
fn last_change(repository: &Repository, path: &str) -> Option<String> {
    if !repository.uncommitted_paths(&[path.to_owned()]).ok()?.is_empty() {
        return None;
    }
    let output = repository
        .run_git(&["log", "-1", "--format=%an, %h, \"%s\"", "--", path])
        .ok()?;
    Some(output.trim().to_owned()).filter(|output| !output.is_empty())
}

fn excerpts_of_differences(texts: &[String; 3]) -> [String; 3] {
    shorten_around_difference(texts.each_ref().map(String::as_str))
}

/// Shortens each value to one line around the first difference.
fn shorten_around_difference(texts: [&str; 3]) -> [String; 3] {
    let lines = texts.map(collapse_whitespace);
    let [first, rest @ ..] = lines.each_ref().map(|line| line.chars().collect::<Vec<char>>());
    let common = |other: &Vec<char>| {
        first
            .iter()
            .zip(other)
            .take_while(|(left, other)| left == other)
            .count()
    };
    let from = rest.iter().map(common).min().unwrap_or_default();
    lines.map(|line| excerpt(&line, from))
}

/// Returns the part of a value around the character at an index.
fn excerpt(text: &str, index: usize) -> String {
    let line = collapse_whitespace(text);
    let count = line.chars().count();
    if count <= MAX_VALUE_LENGTH {
        return line;
    }
    let from = if index < MAX_VALUE_LENGTH - CONTEXT_LENGTH {
        0
    } else {
        index - CONTEXT_LENGTH
    };
    let part: String = line.chars().skip(from).take(MAX_VALUE_LENGTH).collect();
    let (head, tail) = (
        if from > 0 { "…" } else { "" },
        if from + MAX_VALUE_LENGTH < count { "…" } else { "" },
    );
    format!("{head}{part}{tail}")
}
