//! `formulac generate`: generates dbt models, tests and docs from all specs of the project, in the work tree.

use std::path::Path;

use formulac::Dialect;
use formulac::diag::lists::remaining_count_text;
use formulac::sync::{ModelPlan, TextChange};
use serde_json::{Value, json};

use crate::cli::apply::PendingFileChanges;
use crate::cli::args::GenerateArgs;
use crate::cli::atomic_write::PlannedFile;
use crate::cli::commands::sync;
use crate::cli::context::{KNOWN_FACTS_PATH, KnownFactsPrecedence, report_assumptions};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::CompiledProject;
use crate::cli::models::{self, CompiledModel};
use crate::cli::progress;
use crate::cli::selection::SelectedModels;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::source::read_text;
use crate::cli::validate;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;

/// Maximum number of files to list by name. The remaining files are only counted.
const MAX_LISTED_FILES: usize = 20;
/// Maximum number of changes in `known.yml` to list. The remaining changes are only counted.
const MAX_LISTED_CHANGES: usize = 5;
/// Maximum number of columns without a metric that are listed. The remaining columns are only counted.
const MAX_LISTED_COLUMNS: usize = 5;

/// Compiled models of the selected specs, and the planned changes to their files.
struct GenerationPlan {
    models: Vec<CompiledModel>,
    selected_models: SelectedModels,
    /// For each model, the reason why it is omitted, if any.
    omission_reasons: Vec<Option<String>>,
    diagnostics: Vec<FileDiagnostics>,
    pending_changes: PendingFileChanges,
    /// Changes in `known.yml`.
    fact_changes: Vec<String>,
    /// Whether files can be written: the specs have no errors, or `--keep-going` is set.
    can_write: bool,
}

pub fn run(session: &Session, args: &GenerateArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let bounds = workspace.writable_folders()?;
    workspace.check_folders()?;
    workspace.warn_of_unsearched_folders(session, None);
    if let Some(artifacts) = workspace.artifacts()? {
        artifacts.report_manifest_age(session, workspace.dbt.as_ref());
    }
    let dialect = workspace.dialect(&args.target)?;
    let mut planned = compile_selected(session, args, &workspace, dialect)?;
    let (exit, notes) = if args.check {
        let changes = planned.pending_changes.report(session);
        (
            Exit::from_failures(&planned.diagnostics).most_severe(changes),
            Vec::new(),
        )
    } else if planned.can_write {
        let notes = write_files(session, args, (&workspace, &bounds), &mut planned)?;
        (Exit::from_failures(&planned.diagnostics), notes)
    } else {
        let notes = vec![errors_prevent_writing_note(&planned.diagnostics)];
        (Exit::from_failures(&planned.diagnostics), notes)
    };
    report(session, args, dialect, planned, notes)?;
    Ok(exit)
}

/// Compiles all specs, and plans the files of the selected models.
fn compile_selected(
    session: &Session,
    args: &GenerateArgs,
    workspace: &Workspace,
    dialect: Dialect,
) -> Result<GenerationPlan, Failure> {
    // With `--check`, `known.yml` takes precedence over dbt's artifacts, because the command does not update
    // `known.yml`.
    let first = if args.check {
        KnownFactsPrecedence::Committed
    } else {
        KnownFactsPrecedence::Artifacts
    };
    let compiler = workspace.compiler_with_precedence(session, &args.target, dialect, first)?;
    let sources = models::read_sources(&workspace.specs()?, Some(&workspace.root));
    let bar = progress::start_progress_bar(session, sources.len(), "compiling");
    let mut generation = CompiledProject::new(workspace, &compiler, sources, || bar.inc(1))?;
    bar.finish_and_clear();
    let has_spec = |name: &str| generation.models.iter().any(|model| model.name == name);
    sync::require_specs_of_pushed_models(workspace, has_spec)?;
    let selected_models = generation.select_models(session, &args.selection)?;
    let omission_reasons = generation.omission_reasons();
    generation.retain_selected_diagnostics(&selected_models);
    let can_write = Exit::from_failures(&generation.diagnostics) == Exit::Done || args.keep_going;
    let compiled = models::compiled_model_specs(&generation.models).map(|(_, compiled)| compiled);
    report_assumptions(session, Some(workspace), compiled);
    let (mut pending_changes, mut fact_changes) = (PendingFileChanges::default(), Vec::new());
    if can_write {
        let is_made = |index: usize| {
            selected_models.is_model_selected(index) && omission_reasons.get(index).is_some_and(Option::is_none)
        };
        let everything =
            args.selection.selects_all_models() && selected_models.specs.iter().all(|is_chosen| *is_chosen);
        pending_changes = generation.plan_file_changes(is_made, everything)?;
        merge_into_edited_files(session, workspace, &mut pending_changes)?;
        if !args.check
            && let Some((planned_file, changes)) = generation.plan_known_yml()?
        {
            fact_changes = changes;
            pending_changes.add(planned_file)?;
        }
    }
    Ok(GenerationPlan {
        models: generation.models,
        selected_models,
        omission_reasons,
        diagnostics: generation.diagnostics,
        pending_changes,
        fact_changes,
        can_write,
    })
}

/// Writes the planned files, and returns notes about them. Changes no files if a file was edited manually or if dbt
/// rejects a model.
fn write_files(
    session: &Session,
    args: &GenerateArgs,
    (workspace, bounds): (&Workspace, &WritableFolders),
    planned: &mut GenerationPlan,
) -> Result<Vec<String>, Failure> {
    let GenerationPlan {
        pending_changes,
        diagnostics,
        ..
    } = planned;
    diagnostics.extend(pending_changes.conflicts());
    if !pending_changes.by_hand.is_empty() {
        return Ok(vec!["no file is written".to_owned()]);
    }
    if !pending_changes.is_empty() {
        sync::create_local_folder(bounds, &workspace.root)?;
    }
    sync::save_lost_comments(session, workspace, &pending_text_changes(workspace, pending_changes))?;
    let changed = pending_changes.write(bounds)?;
    let invalid = match validate_files(session, args, workspace, &planned.models, diagnostics) {
        Ok(invalid) => invalid,
        Err(failure) => {
            changed.undo();
            return Err(failure);
        }
    };
    if !invalid.is_empty() {
        changed.undo();
        diagnostics.extend(invalid);
        return Ok(vec!["no file is written, because dbt rejects the models".to_owned()]);
    }
    let mut notes = summarize_known_facts_changes(&planned.fact_changes);
    notes.extend(file_change_summary(pending_changes));
    Ok(notes)
}

/// Reports the diagnostics and notes, or prints the result as JSON.
fn report(
    session: &Session,
    args: &GenerateArgs,
    dialect: Dialect,
    mut planned: GenerationPlan,
    mut notes: Vec<String>,
) -> Result<(), Failure> {
    let selected_models = &planned.selected_models;
    if planned.can_write {
        let models = planned.models.iter().zip(&planned.omission_reasons);
        let generated = models.filter(|(model, _)| selected_models.is_spec_selected(model.spec));
        notes.extend(generated.filter_map(|(model, why)| Some(format!("skipped {}: {}", model.name, why.as_ref()?))));
        notes.extend(missing_metric_notes(&planned.models, selected_models));
        notes.extend(unverified_dialect_note(dialect));
    }
    if args.json {
        planned
            .models
            .retain(|model| selected_models.is_spec_selected(model.spec));
        session.print_json(&result_json(
            dialect,
            &planned.models,
            &planned.pending_changes,
            &planned.diagnostics,
        ))?;
    } else {
        session.report_grouped_warnings(&planned.diagnostics);
    }
    notes.iter().for_each(|note| session.report_action(note));
    Ok(())
}

/// Returns the files that change, each with its old and new contents.
fn pending_text_changes(workspace: &Workspace, pending_changes: &PendingFileChanges) -> Vec<TextChange> {
    let change = |path: &Path, after: Option<&String>| {
        let before = read_text(path).ok();
        TextChange::new(&workspace.relative_path(path), before, after.cloned())
    };
    let written = pending_changes.created.iter().chain(&pending_changes.updated);
    let written = written.map(|file| change(&file.path, Some(&file.text)));
    let removed = pending_changes.removed.iter().map(|path| change(path, None));
    written.chain(removed).collect()
}

/// Returns a note which says that errors in specs prevent the files from being written.
fn errors_prevent_writing_note(file_diagnostics: &[FileDiagnostics]) -> String {
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

/// Merges the specs' changes into files that were edited manually, as a push does, if the edits exist only in these
/// files. Returns an error if a push would report a conflict or copy an edit to a spec.
fn merge_into_edited_files(
    session: &Session,
    workspace: &Workspace,
    pending_changes: &mut PendingFileChanges,
) -> Result<(), Failure> {
    if pending_changes.by_hand.is_empty() || !sync::has_been_pushed(workspace) {
        return Ok(());
    }
    let planned_models = sync::plan_push(session, workspace)?;
    let keeps_spec = |model: &&ModelPlan| !model.files.iter().any(|file| file.path == model.spec);
    let models = planned_models
        .plan
        .models
        .iter()
        .filter(|model| model.conflicts.is_empty());
    let models: Vec<&ModelPlan> = models.filter(keeps_spec).collect();
    for path in std::mem::take(&mut pending_changes.by_hand) {
        let name = workspace.relative_path(&path);
        let has_file =
            |model: &&&ModelPlan| model.paths.contains(&name) || model.kept.iter().any(|edit| edit.file == name);
        let Some(model) = models.iter().find(has_file) else {
            pending_changes.by_hand.push(path);
            continue;
        };
        pending_changes.updated.retain(|file| file.path != path);
        // Write a moved file at its current path, because only a push moves files.
        let new_path = model
            .moved
            .iter()
            .find(|(_, old)| **old == name)
            .map_or(&name, |(new, _)| new);
        let planned = model.files.iter().find(|file| file.path == *new_path);
        match planned.and_then(|file| file.after.clone()) {
            Some(text) => pending_changes.add(PlannedFile { path, text })?,
            None => pending_changes.unchanged.push(path),
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
    let built = of_chosen.filter_map(|(model, _)| Some((model, model.files.as_ref()?)));
    let mut notes: Vec<String> = built
        .flat_map(|(model, built)| built.semantic_omissions(&model.name))
        .collect();
    let more = remaining_count_text(notes.len(), MAX_LISTED_COLUMNS);
    notes.truncate(MAX_LISTED_COLUMNS);
    notes.extend(more.map(|more| format!("{more} columns that are not metrics; `--json` lists all")));
    notes
}

/// Lists the changes in `known.yml`: the first few in full, then the number of remaining changes.
pub fn summarize_known_facts_changes(changes: &[String]) -> Vec<String> {
    let mut notes: Vec<String> = changes
        .iter()
        .take(MAX_LISTED_CHANGES)
        .map(|change| format!("known: {change}"))
        .collect();
    if changes.len() > MAX_LISTED_CHANGES {
        notes.push(format!(
            "known: {} more changes, see {KNOWN_FACTS_PATH}",
            changes.len() - MAX_LISTED_CHANGES
        ));
    }
    notes
}

/// Lists the written and removed files: the first few by name, then the number of remaining files.
fn file_change_summary(pending_changes: &PendingFileChanges) -> Vec<String> {
    let mut notes = pending_changes.notes();
    if pending_changes.is_empty() {
        return notes;
    }
    let more = remaining_count_text(notes.len(), MAX_LISTED_FILES);
    notes.truncate(MAX_LISTED_FILES);
    notes.extend(more);
    notes.push(format!(
        "{} created, {} changed, {} removed, {} unchanged",
        pending_changes.created.len(),
        pending_changes.updated.len(),
        pending_changes.removed.len(),
        pending_changes.unchanged.len()
    ));
    notes
}

fn result_json(
    dialect: Dialect,
    models: &[CompiledModel],
    pending_changes: &PendingFileChanges,
    file_diagnostics: &[FileDiagnostics],
) -> Value {
    let mut files: Vec<(&Path, &str)> = pending_changes
        .created
        .iter()
        .map(|file| (&*file.path, "created"))
        .collect();
    files.extend(pending_changes.updated.iter().map(|file| (&*file.path, "updated")));
    files.extend(pending_changes.unchanged.iter().map(|path| (&**path, "unchanged")));
    files.extend(pending_changes.removed.iter().map(|path| (&**path, "removed")));
    files.sort();
    let file = |(path, change): &(&Path, &str)| json!({"path": path.to_string_lossy(), "change": change});
    let model = |model: &CompiledModel| {
        let mut object = json!({"name": model.name, "spec": model.path});
        let built = model.files.as_ref().filter(|built| built.semantic.is_some());
        if let (Some(built), Value::Object(fields)) = (built, &mut object) {
            fields.insert("semantic_model".to_owned(), built.semantics_json());
        }
        object
    };
    json!({
        "dialect": dialect.name(),
        "models": models.iter().map(model).collect::<Vec<_>>(),
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "diagnostics": diagnostics_json(file_diagnostics),
    })
}
