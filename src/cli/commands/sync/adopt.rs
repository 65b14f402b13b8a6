//! `formulac adopt`: copies users' edits from generated files to the specs, in the work tree.

use std::path::Path;

use formulac::sync::{CurrentSpec, ManualEdit, ModelPlan, STATE_FOLDER, TextChange};
use serde_json::{Value, json};

use super::lock::ProjectLock;
use super::planner::PlannedModels;
use super::{apply, conflict, planner};
use crate::cli::args::AdoptArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::project;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::workspace::Workspace;
use formulac::diag::suggest::{nearest_name, similar_name_help};

pub fn run(session: &Session, args: &AdoptArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    workspace.check_folders()?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let planned_models = planner::plan_push_of_selected_models(session, &workspace, &args.selection)?;
    if !planned_models.has_no_errors() {
        if args.json {
            session.print_json(&adoption_json(&planned_models, &[], &[], 0, &[]))?;
        } else {
            session.report(&planned_models.diagnostics);
        }
        return Ok(planned_models.exit());
    }
    let names: Vec<String> = args
        .names
        .iter()
        .map(|name| name_in_project(&workspace, name))
        .collect();
    let is_named = |model: &ModelPlan, name: &String| {
        let mut files = model.paths.iter().chain(model.kept.iter().map(|edit| &edit.file));
        *name == model.model || *name == model.spec || files.any(|file| file == name)
    };
    let model_plans = &planned_models.plan.models;
    let is_unchanged = |name: &String| {
        let is_file = |spec: &CurrentSpec| *name == spec.spec || spec.files.contains_key(name);
        planned_models
            .ours
            .iter()
            .any(|(model, spec)| name == model || is_file(spec))
    };
    let is_known = |name: &String| is_unchanged(name) || model_plans.iter().any(|model| is_named(model, name));
    if let Some((unknown, _)) = args.names.iter().zip(&names).find(|(_, name)| !is_known(name)) {
        return Err(unknown_name_failure(unknown, planned_models.ours.keys()));
    }
    let is_meant = |model: &&ModelPlan| names.is_empty() || names.iter().any(|name| is_named(model, name));
    let models: Vec<&ModelPlan> = model_plans.iter().filter(is_meant).collect();
    let conflicts: usize = models.iter().map(|model| model.conflicts.len()).sum();
    let adopted = |model: &&ModelPlan| model.conflicts.is_empty() && !model.carried.is_empty();
    let adopted_models: Vec<&ModelPlan> = models.iter().copied().filter(adopted).collect();
    let changes: Vec<TextChange> = adopted_models
        .iter()
        .flat_map(|model| &model.files)
        .filter(|file| !file.path.starts_with(STATE_FOLDER))
        .cloned()
        .collect();
    let written_paths: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
    if !args.dry_run {
        apply::apply_without_commit(&workspace, changes)?;
    }
    if args.json {
        session.print_json(&adoption_json(
            &planned_models,
            &models,
            &adopted_models,
            conflicts,
            &written_paths,
        ))?;
    } else {
        report(session, &workspace, &planned_models, &models, &adopted_models);
        let verb = if args.dry_run { "would write" } else { "wrote" };
        written_paths
            .iter()
            .for_each(|path| session.report_action(&format!("{verb} {}", workspace.display_path(path))));
    }
    Ok(if conflicts > 0 { Exit::Conflict } else { Exit::Done })
}

/// Returns the path relative to the project if the name is a file in the working directory. Other names do not change.
fn name_in_project(workspace: &Workspace, name: &str) -> String {
    let file = Some(Path::new(name)).filter(|path| path.is_file());
    file.and_then(|path| project::path_in_project(path, Some(&workspace.root)))
        .unwrap_or_else(|| name.to_owned())
}

/// Returns the error for a name that does not match any model, spec or generated file.
fn unknown_name_failure<'m>(name: &str, models: impl Iterator<Item = &'m String>) -> Failure {
    let failure = Failure::new(
        Exit::Usage,
        format!("`{name}` is neither a model, a spec nor a generated file"),
    );
    match nearest_name(name, models.map(String::as_str)) {
        Some(near) => failure.with_help(similar_name_help(near)),
        None => failure,
    }
}

fn adoption_json(
    planned_models: &PlannedModels,
    models: &[&ModelPlan],
    adopted_models: &[&ModelPlan],
    conflicts: usize,
    written_paths: &[String],
) -> Value {
    let edits = |edits_of: &dyn Fn(&ModelPlan) -> &Vec<ManualEdit>, models: &[&ModelPlan]| -> Vec<Value> {
        let edit_json = |model: &str, edit: &ManualEdit| {
            json!({
                "model": model, "definition": edit.definition, "property": edit.property.name(), "file": edit.file,
                "line": edit.line, "before": edit.before, "after": edit.after, "why": edit.why,
                "rewritten": edit.rewritten.as_ref().map(|rewritten_sql| json!({"sql": rewritten_sql.sql, "adds": rewritten_sql.describe()})),
            })
        };
        models
            .iter()
            .flat_map(|model| edits_of(model).iter().map(|edit| edit_json(&model.model, edit)))
            .collect()
    };
    json!({
        "adopted": edits(&|model| &model.carried, adopted_models),
        "kept": edits(&|model| &model.kept, models),
        "conflicts": conflicts,
        "files": written_paths,
        "diagnostics": diagnostics_json(&planned_models.diagnostics),
    })
}

fn report(
    session: &Session,
    workspace: &Workspace,
    planned_models: &PlannedModels,
    models: &[&ModelPlan],
    adopted_models: &[&ModelPlan],
) {
    let edit_label = |model: &ModelPlan, edit: &ManualEdit| match (&edit.definition, edit.describe_text_edit_location())
    {
        (Some(name), _) => format!("{} of {}.{name}", edit.property, model.model),
        (None, Some(part)) if edit.is_removal() => format!("removal of {part} of {}", model.model),
        (None, Some(part)) => format!("{} of {}", part.trim_start_matches("the "), model.model),
        (None, None) => format!("{} of {}", edit.property, model.model),
    };
    for model in adopted_models {
        for edit in &model.carried {
            let change = model
                .changes
                .iter()
                .find(|change| change.definition == edit.definition && change.property == edit.property);
            let change = change.map_or_else(String::new, |change| {
                format!(": {}", change.after.as_deref().unwrap_or("removed"))
            });
            session.report_action(&format!("adopted the {}{change}", edit_label(model, edit)));
            if let Some(rewritten) = edit.describe_rewritten_sql() {
                session.note(&rewritten);
            }
        }
    }
    for model in models {
        for edit in &model.kept {
            let why = edit.reason_to_keep().map_or_else(String::new, |why| format!(": {why}"));
            let part = edit.describe_part(&model.model);
            session.note(&format!(
                "{}:{}: {part} remains a manual edit{why}",
                workspace.display_path(&edit.file),
                edit.line
            ));
        }
        let mut out = String::new();
        for (number, conflict) in model.conflicts.iter().enumerate() {
            conflict::write_conflict(
                &mut out,
                workspace,
                planned_models,
                model,
                conflict,
                number + 1,
                model.conflicts.len(),
            );
        }
        if !out.is_empty() {
            session.note(out.trim_end());
        }
    }
    if models
        .iter()
        .all(|model| model.carried.is_empty() && model.kept.is_empty() && model.conflicts.is_empty())
    {
        session.report_action("no generated file was edited manually");
    }
}
