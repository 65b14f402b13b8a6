//! Compares specs with the files that are generated from them and with Omni's fields.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use formulac::diag::{Code, Diagnostic};
use formulac::sync::{ModelAction, ModelPlan, Plan};
use formulac::{CompiledSpec, Dialect};
use formulac_syntax::text::format_count;

use super::display_paths;
use crate::cli::args::{Selection, TargetOptions};
use crate::cli::atomic_write::PlannedFile;
use crate::cli::commands::sync;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::CompiledProject;
use crate::cli::health::{HealthCheck, summarize_names};
use crate::cli::omni_files;
use crate::cli::session::Session;
use crate::cli::source::SourceText;
use crate::cli::spec::{self, Spec};
use crate::cli::workspace::Workspace;

/// Phrases for one spec and for several specs with errors.
const SPECS_WITH_ERRORS: [&str; 2] = ["spec has errors", "specs have errors"];

/// Reports the state of the project's specs.
pub fn spec_health(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<Vec<HealthCheck>, Failure> {
    let sources = workspace.sources()?;
    let of_files = match sync::has_been_pushed(workspace) {
        true => pending_push_health(session, workspace, selection)?,
        false => generated_files_health(session, workspace, selection, sources.clone())?,
    };
    let mut parts = vec![of_files];
    let target = TargetOptions::default();
    let dialect = workspace.dialect(&target)?;
    let compiler = workspace.compiler(session, &target, dialect)?;
    let compiled = spec::compile_all(&compiler, &workspace.root, sources.clone(), || {});
    parts.extend(known_facts_health(workspace, &compiled, dialect)?);
    parts.extend(duplicates_health(workspace, &compiled, sources));
    Ok(parts)
}

/// Reports columns that specs read but whose existence or type is unknown, and entries of `known.yml` that dbt's
/// artifacts contradict.
fn known_facts_health(workspace: &Workspace, specs: &[Spec], dialect: Dialect) -> Result<Option<HealthCheck>, Failure> {
    let warnings = specs
        .iter()
        .flat_map(|spec| &spec.file_diagnostics.diagnostics)
        .filter(|diagnostic| diagnostic.kind() == Code::UnlistedColumn);
    let unlisted: BTreeSet<String> = warnings.map(|diagnostic| diagnostic.message().to_owned()).collect();
    let untyped: BTreeSet<String> = specs
        .iter()
        .filter_map(|spec| spec.compiled.as_ref())
        .flat_map(CompiledSpec::undecided_types)
        .map(|undecided| undecided.column.clone())
        .collect();
    let otherwise = workspace.contradictions(dialect)?;
    let mut problems = Vec::new();
    let join_names = |names: &BTreeSet<String>| summarize_names(&names.iter().cloned().collect::<Vec<_>>());
    if !unlisted.is_empty() {
        problems.push(format!(
            "{}: {}",
            format_count(unlisted.len(), "column is not listed", "columns are not listed"),
            join_names(&unlisted)
        ));
    }
    if !untyped.is_empty() {
        problems.push(format!(
            "{}: {}",
            format_count(untyped.len(), "type is unknown", "types are unknown"),
            join_names(&untyped)
        ));
    }
    let fix = match problems.is_empty() {
        false => "dbt docs generate, or formulac schema fetch",
        true => "formulac generate",
    };
    if !otherwise.is_empty() {
        problems.push(format!("dbt contradicts known.yml: {}", summarize_names(&otherwise)));
    }
    let fix = fix.to_owned();
    Ok((!problems.is_empty()).then(|| HealthCheck {
        name: "columns",
        problems,
        fix,
        ..HealthCheck::default()
    }))
}

/// Reports what a push would change. `known.yml` takes precedence over dbt's artifacts, as in `check`, so that both
/// commands show the same errors. Contradictions between `known.yml` and the artifacts are reported separately.
fn pending_push_health(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<HealthCheck, Failure> {
    let planned_models = sync::plan_with_known_yml_precedence(session, workspace, selection)?;
    if !planned_models.has_no_errors() {
        let omni = format!("{}/", workspace.root.join(workspace.omni_folder()).to_string_lossy());
        let is_omni = |file_diagnostics: &FileDiagnostics| file_diagnostics.file.starts_with(&omni);
        let (nouns, fix) = match planned_models.diagnostics.iter().any(is_omni) {
            true => (["file has errors", "files have errors"], "formulac plan"),
            false => (SPECS_WITH_ERRORS, "formulac check"),
        };
        let faults = diagnostic_summary(&planned_models.diagnostics, nouns).unwrap_or_default();
        return Ok(health_check_from_problems(vec![faults], String::new(), fix));
    }
    let conflicts: Vec<&ModelPlan> = planned_models
        .plan
        .models
        .iter()
        .filter(|model| !model.conflicts.is_empty())
        .collect();
    let mut problems = Vec::new();
    for (action, phrase) in [
        (ModelAction::Create, "to be created"),
        (ModelAction::Update, "to be changed"),
        (ModelAction::Delete, "to be deleted"),
    ] {
        let models = planned_models
            .plan
            .models
            .iter()
            .filter(|model| model.action == action && model.conflicts.is_empty());
        let names: Vec<String> = models.map(|model| model.model.clone()).collect();
        if !names.is_empty() {
            problems.push(format!(
                "{} {phrase}: {}",
                format_count(names.len(), "model is", "models are"),
                summarize_names(&names)
            ));
        }
    }
    problems.extend(uncommitted_file_problems(&planned_models.plan));
    if !conflicts.is_empty() {
        let mut places: Vec<String> = conflicts
            .iter()
            .flat_map(|model| {
                model.conflicts.iter().map(|conflict| {
                    conflict
                        .definition
                        .as_ref()
                        .map_or_else(|| model.model.clone(), |name| format!("{}.{name}", model.model))
                })
            })
            .collect();
        let count_text = format_count(places.len(), "conflict is", "conflicts are");
        places.dedup();
        problems.push(format!("{count_text} to resolve: {}", summarize_names(&places)));
    }
    let kept_count: usize = planned_models.plan.models.iter().map(|model| model.kept.len()).sum();
    let success_message = match kept_count {
        0 => "as pushed".to_owned(),
        count => format!("as pushed, with {}", format_count(count, "manual edit", "manual edits")),
    };
    let first = conflicts
        .first()
        .and_then(|model| Some((model, model.conflicts.first()?)));
    let fix = match first {
        Some((model, conflict)) => {
            let hint = sync::conflict_resolution_hint(workspace, &planned_models, model, conflict);
            format!("formulac plan shows the conflicts; {hint}")
        }
        None => "formulac plan, then formulac push".to_owned(),
    };
    Ok(health_check_from_problems(problems, success_message, &fix))
}

/// Returns one line per kind of uncommitted files.
fn uncommitted_file_problems(plan: &Plan) -> Vec<String> {
    // If the plan keeps no edit in a file, only comments or the layout differ.
    let edited = |has_edits: bool| {
        let models = plan.models.iter().filter(|model| model.kept.is_empty() != has_edits);
        models.flat_map(|model| model.uncommitted.clone()).collect()
    };
    let written: Vec<String> = plan.models.iter().flat_map(|model| model.written.clone()).collect();
    let kinds: [(Vec<String>, [&str; 2], &str); 3] = [
        (
            edited(true),
            ["file is", "files are"],
            "edited manually and not committed",
        ),
        (
            edited(false),
            ["file has", "files have"],
            "uncommitted changes of comments or layout",
        ),
        (
            written,
            ["file of an earlier push is", "files of an earlier push are"],
            "not committed",
        ),
    ];
    let kinds = kinds.into_iter().filter(|(files, ..)| !files.is_empty());
    let problem = |(files, [one, many], what): (Vec<String>, [&str; 2], &str)| {
        format!(
            "{} {what}: {}",
            format_count(files.len(), one, many),
            summarize_names(&files)
        )
    };
    kinds.map(problem).collect()
}

/// Reports the changes that `generate` would make, for a project that was never pushed.
fn generated_files_health(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
    sources: Vec<(SourceText, Option<String>)>,
) -> Result<HealthCheck, Failure> {
    let target = TargetOptions::default();
    let compiler = workspace.compiler(session, &target, workspace.dialect(&target)?)?;
    let mut generation = CompiledProject::new(workspace, &compiler, sources, || {})?;
    let selected_models = generation.select_models(session, selection)?;
    for (file_diagnostics, _) in generation
        .diagnostics
        .iter_mut()
        .zip(&selected_models.specs)
        .filter(|(_, is_needed)| !**is_needed)
    {
        file_diagnostics.diagnostics.clear();
    }
    let left_out = generation.omission_reasons();
    let pending_changes = generation.plan_file_changes(
        |index| selected_models.is_model_selected(index) && left_out.get(index).is_some_and(Option::is_none),
        selection.selects_all_models(),
    )?;
    let faulty = diagnostic_summary(&generation.diagnostics, SPECS_WITH_ERRORS);
    let of_files = |files: Vec<PathBuf>, singular: &str, many: &str| {
        (!files.is_empty()).then(|| {
            format!(
                "{}: {}",
                format_count(files.len(), singular, many),
                summarize_names(&display_paths(&files))
            )
        })
    };
    let planned = |files: &[PlannedFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let updated = planned(&pending_changes.updated)
        .into_iter()
        .filter(|path| !pending_changes.by_hand.contains(path))
        .collect();
    let mut problems: Vec<String> = faulty.iter().cloned().collect();
    problems.extend(of_files(
        planned(&pending_changes.created),
        "file is missing",
        "files are missing",
    ));
    problems.extend(of_files(
        updated,
        "file differs from its spec",
        "files differ from their specs",
    ));
    problems.extend(of_files(
        pending_changes.by_hand.clone(),
        "file was edited manually",
        "files were edited manually",
    ));
    problems.extend(of_files(
        pending_changes.removed.clone(),
        "file is no longer needed",
        "files are no longer needed",
    ));
    let fix = match (faulty.is_none(), pending_changes.by_hand.is_empty()) {
        (false, _) => "formulac check, then formulac generate",
        (true, false) => "formulac adopt (applies the edits to the specs), then formulac generate",
        (true, true) => "formulac generate",
    };
    let success_message = match pending_changes.unchanged.len() {
        0 => "there are no specs".to_owned(),
        files => format!("{} as generated", format_count(files, "file is", "files are")),
    };
    Ok(health_check_from_problems(problems, success_message, fix))
}

fn health_check_from_problems(problems: Vec<String>, success_message: String, fix: &str) -> HealthCheck {
    HealthCheck {
        name: "specs and dbt",
        problems,
        success_message,
        fix: fix.to_owned(),
        ..HealthCheck::default()
    }
}

fn diagnostic_summary(file_diagnostics: &[FileDiagnostics], [singular, many]: [&str; 2]) -> Option<String> {
    let faulty: Vec<String> = file_diagnostics
        .iter()
        .filter(|file_diagnostics| Exit::from_diagnostics(&file_diagnostics.diagnostics) != Exit::Done)
        .map(|file_diagnostics| file_diagnostics.file.clone())
        .collect();
    let count_text = format_count(faulty.len(), singular, many);
    (!faulty.is_empty()).then(|| format!("{count_text}: {}", summarize_names(&faulty)))
}

/// Reports definitions that exist both in a spec and in Omni. `None` if there are no such definitions.
fn duplicates_health(
    workspace: &Workspace,
    compiled: &[Spec],
    sources: Vec<(SourceText, Option<String>)>,
) -> Option<HealthCheck> {
    let specs: Vec<(String, String)> = sources
        .into_iter()
        .map(|(source, path)| (path.unwrap_or_else(|| source.name.clone()), source.text))
        .collect();
    let compile = |number: usize| {
        let compiled = compiled.get(number)?.compiled.as_ref();
        compiled.filter(|compiled| !compiled.has_errors()).cloned()
    };
    let faults = omni_files::find_omni_duplicates(&workspace.project, &workspace.root, &specs, compile);
    let duplicates: Vec<_> = faults
        .iter()
        .filter(|(_, fault)| !workspace.project.silenced().contains(&fault.kind()))
        .collect();
    let spec = |number: usize| specs.get(number).map(|(path, _)| path.as_str()).unwrap_or_default();
    let mut by_spec: BTreeMap<usize, Vec<&Diagnostic>> = BTreeMap::new();
    for (number, fault) in &duplicates {
        by_spec.entry(*number).or_default().push(fault);
    }
    let problem = |(number, faults): (&usize, &Vec<&Diagnostic>)| {
        let first = faults.first().map_or("", |fault| fault.message());
        let more = match faults.len() - 1 {
            0 => String::new(),
            more => format!(", and {}", format_count(more, "similar warning", "similar warnings")),
        };
        format!("{}: {first}{more}", spec(*number))
    };
    let problems: Vec<String> = by_spec.iter().map(problem).collect();
    // Each field needs different instructions, and `check` prints them.
    let fix = match duplicates.as_slice() {
        [(_, fault)] => fault.help().unwrap_or("formulac check").to_owned(),
        _ => "formulac check --verbose shows the fix for each field".to_owned(),
    };
    (!problems.is_empty()).then(|| HealthCheck {
        name: "specs and Omni",
        problems,
        fix,
        ..HealthCheck::default()
    })
}
