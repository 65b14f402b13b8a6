//! `formulac generate`: generates dbt models, tests and docs from all specs of the project, in the work tree.

use std::path::Path;

use formulac::Dialect;
use formulac::diag::render;
use formulac::sync::{ModelPlan, TextChange};
use serde_json::{Value, json};

use crate::cli::apply::PendingFileChanges;
use crate::cli::args::GenerateArgs;
use crate::cli::atomic_write::PlannedFile;
use crate::cli::commands::sync;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::Generation;
use crate::cli::knowledge::{FactPrecedence, KNOWN, report_undecided_types};
use crate::cli::models::{self, CompiledModel};
use crate::cli::progress;
use crate::cli::selection::SelectedModels;
use crate::cli::session::{Session, to_reports};
use crate::cli::source::read_text;
use crate::cli::validate;
use crate::cli::workspace::Workspace;

/// Maximum number of files to list by name. The remaining files are only counted.
const MAX_LISTED_FILES: usize = 20;
/// Maximum number of changes in `known.yml` to list. The remaining changes are only counted.
const MAX_LISTED_CHANGES: usize = 5;
/// Maximum number of columns without a metric to list. The remaining columns are only counted.
const NO_METRICS: usize = 5;

pub fn run(session: &Session, args: &GenerateArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let bounds = workspace.writable_folders()?;
    workspace.check_folders()?;
    workspace.warn_of_unsearched_folders(session, None);
    let artifacts = workspace.artifacts()?;
    if let Some(artifacts) = artifacts {
        artifacts.report_age(session, workspace.dbt.as_ref());
    }
    let dialect = workspace.dialect(&args.target)?;
    // With `--check`, compile the specs with the committed facts, because no file is updated.
    let first = if args.check {
        FactPrecedence::Committed
    } else {
        FactPrecedence::Artifacts
    };
    let compiler = workspace.compiler_with(session, &args.target, dialect, first)?;
    let sources = models::read_sources(&workspace.specs()?, Some(&workspace.root));
    let bar = progress::start_bar(session, sources.len(), "compiling");
    let mut generation = Generation::new(&workspace, &compiler, sources, || bar.inc(1))?;
    bar.finish_and_clear();
    let selected_models = generation.select_models(session, &args.selection)?;
    let left_out = generation.omission_reasons();
    generation.drop_other_diagnostics(&selected_models);
    let mut exit = Exit::from_failures(&generation.diagnostics);
    let goes_on = exit == Exit::Done || args.keep_going;
    report_undecided_types(session, generation.undecided_types());
    let mut renewed = Vec::new();
    let mut delivery = if goes_on {
        let is_made =
            |index: usize| selected_models.has_model(index) && left_out.get(index).is_some_and(Option::is_none);
        let everything =
            args.selection.selects_all_models() && selected_models.specs.iter().all(|is_chosen| *is_chosen);
        let mut delivery = generation.plan_file_changes(is_made, everything)?;
        merge_into_edited_files(session, &workspace, &mut delivery)?;
        delivery
    } else {
        PendingFileChanges::default()
    };
    if goes_on
        && !args.check
        && let Some((planned_file, changes)) = generation.plan_known_file()?
    {
        renewed = changes;
        delivery.add(planned_file)?;
    }
    let Generation {
        mut models,
        mut diagnostics,
        ..
    } = generation;
    let mut notes = Vec::new();
    if args.check {
        exit = exit.most_severe(delivery.report(session));
    } else if goes_on {
        diagnostics.extend(delivery.conflicts());
        if delivery.by_hand.is_empty() {
            if !delivery.is_empty() {
                sync::create_local_folder(&bounds, &workspace.root)?;
            }
            sync::save_lost_comments(session, &workspace, &text_changes(&workspace, &delivery))?;
            let changed = delivery.write(&bounds)?;
            let refused = match validate_files(session, args, &workspace, &models, &diagnostics) {
                Ok(refused) => refused,
                Err(failure) => {
                    changed.undo();
                    return Err(failure);
                }
            };
            if refused.is_empty() {
                notes = summarize_fact_changes(&renewed);
                notes.extend(change_summary(&delivery));
            } else {
                changed.undo();
                diagnostics.extend(refused);
                notes.push("no file is written, because dbt rejects the models".to_owned());
            }
        } else {
            notes.push("no file is written".to_owned());
        }
        exit = Exit::from_failures(&diagnostics);
    } else {
        notes.push(errors_note(&diagnostics));
    }
    let generated = models
        .iter()
        .zip(&left_out)
        .filter(|(model, _)| selected_models.has_spec(model.spec) && goes_on);
    notes.extend(generated.filter_map(|(model, why)| Some(format!("skipped {}: {}", model.name, why.as_ref()?))));
    if goes_on {
        notes.extend(missing_metric_notes(&models, &selected_models));
        notes.extend(unverified_dialect_note(dialect));
    }
    if args.json {
        models.retain(|model| selected_models.has_spec(model.spec));
        session.print_json(&result_json(dialect, &models, &delivery, &diagnostics))?;
    } else {
        session.report_grouped(&diagnostics);
    }
    notes.iter().for_each(|note| session.report_action(note));
    Ok(exit)
}

/// Returns the changes to files with their contents.
fn text_changes(workspace: &Workspace, delivery: &PendingFileChanges) -> Vec<TextChange> {
    let change = |path: &Path, after: Option<&String>| {
        let before = read_text(path).ok();
        TextChange::new(&workspace.relative_path(path), before, after.cloned())
    };
    let written = delivery.created.iter().chain(&delivery.updated);
    let written = written.map(|file| change(&file.path, Some(&file.text)));
    let removed = delivery.removed.iter().map(|path| change(path, None));
    written.chain(removed).collect()
}

/// Returns the note that errors in specs prevent the files from being written.
fn errors_note(file_diagnostics: &[FileDiagnostics]) -> String {
    let has_errors =
        |file_diagnostics: &&FileDiagnostics| Exit::from_diagnostics(&file_diagnostics.diagnostics) != Exit::Done;
    let count = file_diagnostics.iter().filter(has_errors).count();
    format!(
        "no file is written, because {count} of {} specs have errors",
        file_diagnostics.len()
    )
}

/// Returns a note if no engine in formulac's tests runs the SQL of the dialect.
fn unverified_dialect_note(dialect: Dialect) -> Option<String> {
    let reason = dialect.unverified()?;
    Some(format!(
        "the SQL for {} is unverified: {reason}; `formulac prove` runs the test cases on your warehouse",
        dialect.title()
    ))
}

/// Returns dbt's errors in the written files. Empty without `--validate`.
fn validate_files(
    session: &Session,
    args: &GenerateArgs,
    workspace: &Workspace,
    models: &[CompiledModel],
    file_diagnostics: &[FileDiagnostics],
) -> Result<Vec<FileDiagnostics>, Failure> {
    if !args.validate {
        return Ok(Vec::new());
    }
    validate::run(session, &args.dbt, workspace, models, file_diagnostics)
}

/// Merges the specs' changes into files with hand edits, as a push does, if the edits exist only in the files. Returns
/// an error if a push would report a conflict or copy an edit to a spec.
fn merge_into_edited_files(
    session: &Session,
    workspace: &Workspace,
    delivery: &mut PendingFileChanges,
) -> Result<(), Failure> {
    if delivery.by_hand.is_empty() || !sync::was_pushed(workspace) {
        return Ok(());
    }
    let planned_models = sync::plan_models(session, workspace)?;
    let keeps_spec = |model: &&ModelPlan| !model.files.iter().any(|file| file.path == model.spec);
    let models = planned_models
        .plan
        .models
        .iter()
        .filter(|model| model.conflicts.is_empty());
    let models: Vec<&ModelPlan> = models.filter(keeps_spec).collect();
    for path in std::mem::take(&mut delivery.by_hand) {
        let name = workspace.relative_path(&path);
        let has_file =
            |model: &&&ModelPlan| model.paths.contains(&name) || model.kept.iter().any(|edit| edit.file == name);
        let Some(model) = models.iter().find(has_file) else {
            delivery.by_hand.push(path);
            continue;
        };
        delivery.updated.retain(|file| file.path != path);
        // Only a push moves files.
        let new_path = model
            .moved
            .iter()
            .find(|(_, old)| **old == name)
            .map_or(&name, |(new, _)| new);
        let planned = model.files.iter().find(|file| file.path == *new_path);
        match planned.and_then(|file| file.after.clone()) {
            Some(text) => delivery.add(PlannedFile { path, text })?,
            None => delivery.unchanged.push(path),
        }
    }
    Ok(())
}

/// Lists the columns that are not part of dbt's semantic layer: the first few by name, then the number of
/// remaining columns.
fn missing_metric_notes(models: &[CompiledModel], selected_models: &SelectedModels) -> Vec<String> {
    let of_chosen = models
        .iter()
        .zip(&selected_models.models)
        .filter(|(_, is_chosen)| **is_chosen);
    let built = of_chosen.filter_map(|(model, _)| Some((model, model.built.as_ref()?)));
    let mut notes: Vec<String> = built
        .flat_map(|(model, built)| built.semantic_omissions(&model.name))
        .collect();
    let more = notes.len().saturating_sub(NO_METRICS);
    notes.truncate(NO_METRICS);
    if more > 0 {
        notes.push(format!(
            "and {more} more columns that are not metrics; `--json` lists all"
        ));
    }
    notes
}

/// Lists the changes in `known.yml`: the first few in full, then the number of remaining changes.
pub fn summarize_fact_changes(changes: &[String]) -> Vec<String> {
    let mut notes: Vec<String> = changes
        .iter()
        .take(MAX_LISTED_CHANGES)
        .map(|change| format!("known: {change}"))
        .collect();
    if changes.len() > MAX_LISTED_CHANGES {
        notes.push(format!(
            "known: {} more changes, see {KNOWN}",
            changes.len() - MAX_LISTED_CHANGES
        ));
    }
    notes
}

/// Lists the written and removed files: the first few by name, then the number of remaining files.
fn change_summary(delivery: &PendingFileChanges) -> Vec<String> {
    let mut notes = delivery.notes();
    if delivery.is_empty() {
        return notes;
    }
    let more = notes.len().saturating_sub(MAX_LISTED_FILES);
    notes.truncate(MAX_LISTED_FILES);
    if more > 0 {
        notes.push(format!("and {more} more"));
    }
    notes.push(format!(
        "{} created, {} changed, {} removed, {} unchanged",
        delivery.created.len(),
        delivery.updated.len(),
        delivery.removed.len(),
        delivery.unchanged.len()
    ));
    notes
}

fn result_json(
    dialect: Dialect,
    models: &[CompiledModel],
    delivery: &PendingFileChanges,
    file_diagnostics: &[FileDiagnostics],
) -> Value {
    let mut files: Vec<(&Path, &str)> = delivery.created.iter().map(|file| (&*file.path, "created")).collect();
    files.extend(delivery.updated.iter().map(|file| (&*file.path, "updated")));
    files.extend(delivery.unchanged.iter().map(|path| (&**path, "unchanged")));
    files.extend(delivery.removed.iter().map(|path| (&**path, "removed")));
    files.sort();
    let file = |(path, change): &(&Path, &str)| json!({"path": path.to_string_lossy(), "change": change});
    let model = |model: &CompiledModel| {
        let mut object = json!({"name": model.name, "spec": model.path});
        let built = model.built.as_ref().filter(|built| built.semantic.is_some());
        if let (Some(built), Value::Object(fields)) = (built, &mut object) {
            fields.insert("semantic_model".to_owned(), built.semantics_json());
        }
        object
    };
    json!({
        "dialect": dialect.name(),
        "models": models.iter().map(model).collect::<Vec<_>>(),
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "diagnostics": render::reports_json(&to_reports(file_diagnostics)),
    })
}
