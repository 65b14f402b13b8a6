//! `formulac resolve`: resolves a conflict in the work tree in favor of the side that the user chooses. The next push
//! then includes the result.

mod editor;
mod resolver;

use formulac::sync::{Conflict, ManualEdit, MetricSetPartKind, ModelPlan, Property};
use serde_json::json;

use super::conflict::{conflict_name, conflict_subject};
use super::lock::ProjectLock;
use super::planner::{self, PlannedModels};
use crate::cli::args::{ConflictSide, PreferredFile, ResolveArgs};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::workspace::Workspace;

use editor::edit_conflict_in_editor;
use resolver::ConflictResolver;

pub fn run(session: &Session, args: &ResolveArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    workspace.check_folders()?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let planned_models = planner::plan_push(session, &workspace)?;
    if !planned_models.has_no_errors() {
        match args.json {
            true => session.print_json(&json!({
                "resolved": [], "files": [], "diagnostics": diagnostics_json(&planned_models.diagnostics),
            }))?,
            false => session.report(&planned_models.diagnostics),
        }
        return Ok(planned_models.exit());
    }
    let conflicts: Vec<(&ModelPlan, &Conflict)> = planned_models
        .plan
        .models
        .iter()
        .flat_map(|model| model.conflicts.iter().map(move |one| (model, one)))
        .collect();
    let mut selected_conflicts: Vec<&(&ModelPlan, &Conflict)> = conflicts
        .iter()
        .filter(|(model, one)| is_named_conflict(&workspace, &args.name, model, one))
        .collect();
    if selected_conflicts.is_empty() {
        selected_conflicts = conflicts
            .iter()
            .filter(|(model, one)| is_conflict_with_metric(&args.name, model, one))
            .collect();
    }
    if selected_conflicts.is_empty() {
        let mut names: Vec<String> = conflicts
            .iter()
            .map(|(model, one)| conflict_subject(model, one))
            .collect();
        names.dedup();
        let help = match names.is_empty() {
            true => "`formulac plan` reports no conflicts".to_owned(),
            false => format!("the conflicts are {}", names.join(", ")),
        };
        return Err(Failure::new(Exit::Usage, format!("there is no conflict `{}`", args.name)).with_help(help));
    }
    let chosen_sides = choose_resolutions(&workspace, args, &selected_conflicts)?;
    let mut resolver = ConflictResolver::new(&workspace, &planned_models, edit_conflict_in_editor);
    let mut resolved = Vec::new();
    for (model, conflict, side) in chosen_sides {
        resolver.resolve_conflict(model, conflict, side)?;
        if let Some(kept) = args.preferred_file() {
            let others = edits_of_same_description(model, conflict);
            let others = others.filter(|edit| file_kind(&workspace, &edit.file) != kept);
            others.for_each(|edit| resolver.undo_edit(model, edit));
        }
        resolved.push(json!({
            "model": model.model, "definition": conflict.definition, "property": conflict.property_name(),
        }));
    }
    let files = resolver.write(session)?;
    if args.json {
        let diagnostics = diagnostics_json(&planned_models.diagnostics);
        session.print_json(&json!({"resolved": resolved, "files": files, "diagnostics": diagnostics}))?;
    }
    Ok(Exit::Done)
}

/// Returns the resolutions that `resolve` accepts for a conflict. No file is written.
pub fn possible_resolutions(
    workspace: &Workspace,
    planned_models: &PlannedModels,
    model: &ModelPlan,
    conflict: &Conflict,
) -> Vec<ConflictSide> {
    // The result of the edit is not known yet, so try the current formula.
    let edited = |conflict: &Conflict| Ok(conflict.ours.clone().unwrap_or_default());
    let is_possible = |side: &ConflictSide| {
        let mut resolver = ConflictResolver::new(workspace, planned_models, edited);
        resolver.resolve_conflict(model, conflict, *side).is_ok() && resolver.restore_files().is_ok()
    };
    ConflictSide::ALL.into_iter().filter(is_possible).collect()
}

/// Returns an instruction for conflicts that `resolve` cannot resolve as the user wishes.
pub fn manual_resolution_instruction(conflict: &Conflict) -> String {
    match conflict.spec.as_str() {
        _ if conflict.is_unreadable() => format!("correct line {} of {}", conflict.line, conflict.file),
        "" => format!("restore the spec that generated {}", conflict.file),
        spec if let (Some(name), [_, ..]) = (&conflict.definition, conflict.readers.as_slice()) => {
            let readers = quoted_list(&conflict.readers);
            format!("refer to `{name}` in {readers} in {spec} to use the edited SQL there")
        }
        spec => format!(
            "edit {spec} and {} so that they agree, then run `formulac plan` again",
            conflict.file
        ),
    }
}

/// Returns names as a list for a sentence.
pub fn quoted_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Returns the side to keep in each conflict. Omits conflicts that do not involve the chosen file, and returns an
/// error if two files would overwrite each other.
fn choose_resolutions<'p>(
    workspace: &Workspace,
    args: &ResolveArgs,
    conflicts: &[&(&'p ModelPlan, &'p Conflict)],
) -> Result<Vec<(&'p ModelPlan, &'p Conflict, ConflictSide)>, Failure> {
    let side = |model: &ModelPlan, conflict: &Conflict| match args.preferred_file() {
        None => Some(args.chosen_side()),
        Some(kept) => {
            let files = files_in_conflict(workspace, conflict);
            if let Some(at) = files.iter().position(|file| *file == kept) {
                return [ConflictSide::Ours, ConflictSide::Theirs].get(at).copied();
            }
            // The chosen file contains another edit to the same description. That edit takes precedence over the edit
            // in this conflict's file.
            let is_edited =
                edits_of_same_description(model, conflict).any(|edit| file_kind(workspace, &edit.file) == kept);
            is_edited.then_some(ConflictSide::Ours)
        }
    };
    let chosen = conflicts
        .iter()
        .filter_map(|(model, conflict)| Some((*model, *conflict, side(model, conflict)?)));
    let chosen: Vec<_> = chosen.collect();
    if let (Some(kept), Some((model, conflict)), []) = (args.preferred_file(), conflicts.first(), chosen.as_slice()) {
        let [ours, theirs] = files_in_conflict(workspace, conflict).map(PreferredFile::option);
        let target = conflict_subject(model, conflict);
        let message = format!(
            "`{target}` is a conflict between {} and {}",
            conflict.spec, conflict.file
        );
        let help = format!("use {ours} or {theirs} instead of {}", kept.option());
        return Err(Failure::new(Exit::Usage, message).with_help(help));
    }
    for (number, (model, conflict, side)) in chosen.iter().enumerate() {
        let is_same = |(other_model, other, other_side): &(&ModelPlan, &Conflict, ConflictSide)| {
            let target = |one: &Conflict| {
                (
                    one.definition.clone(),
                    one.step.clone(),
                    one.property,
                    one.detail.clone(),
                )
            };
            other_model.model == model.model && target(other) == target(conflict) && other_side == side
        };
        if *side == ConflictSide::Theirs
            && let Some((_, other, _)) = chosen.iter().skip(number + 1).find(|other| is_same(other))
        {
            let names = [*conflict, *other].map(|one| conflict_name(workspace, model, one));
            let message = format!("{} and {} have different content", conflict.file, other.file);
            let help = format!("choose `{}` or `{}`, or keep the spec with --ours", names[0], names[1]);
            return Err(Failure::new(Exit::Usage, message).with_help(help));
        }
    }
    Ok(chosen)
}

/// Returns the files on both sides of a conflict, `ours` first.
fn files_in_conflict(workspace: &Workspace, conflict: &Conflict) -> [PreferredFile; 2] {
    match conflict.is_omni_conflict() {
        true => [PreferredFile::Omni, PreferredFile::Dbt],
        false => [PreferredFile::Spec, file_kind(workspace, &conflict.file)],
    }
}

fn file_kind(workspace: &Workspace, file: &str) -> PreferredFile {
    match is_omni_file(workspace, file) {
        true => PreferredFile::Omni,
        false => PreferredFile::Dbt,
    }
}

/// Returns the edits that other files contain to the description in a conflict. Only descriptions appear in several
/// files. The plan transfers these edits to the spec, or reports other conflicts.
fn edits_of_same_description<'p>(model: &'p ModelPlan, conflict: &'p Conflict) -> impl Iterator<Item = &'p ManualEdit> {
    let in_conflict = model.conflicts.iter().filter_map(|other| other.edit.as_ref());
    let is_same_part = |edit: &&ManualEdit| {
        let target = (&edit.definition, edit.property, &edit.detail);
        let is_other = conflict.property == Property::Description && edit.file != conflict.file;
        is_other && target == (&conflict.definition, conflict.property, &conflict.detail)
    };
    model.carried.iter().chain(in_conflict).filter(is_same_part)
}

/// Returns whether a file belongs to the Omni model.
pub fn is_omni_file(workspace: &Workspace, file: &str) -> bool {
    let rest = file.strip_prefix(&workspace.omni_folder());
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Returns whether a name refers to a conflict by its model, its definition or a property of the definition.
fn is_named_conflict(workspace: &Workspace, name: &str, model: &ModelPlan, conflict: &Conflict) -> bool {
    let target = conflict_subject(model, conflict);
    let property = format!("{target}:{}", conflict.property);
    let full = conflict_name(workspace, model, conflict);
    [target, property, full].iter().any(|other| other == name) || model.model == name
}

/// Returns whether a name consists of the conflict's model and metric, such as `revenue.orders.amount`. The name of the
/// edited column can differ from the metric's name.
fn is_conflict_with_metric(name: &str, model: &ModelPlan, conflict: &Conflict) -> bool {
    let Some(metric) = name.strip_prefix(&model.model).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    let set = conflict
        .set
        .as_ref()
        .filter(|set| set.part == MetricSetPartKind::Definition);
    set.is_some_and(|set| metric == set.name || metric == set.full_name())
}
