//! Checks whether dbt parses the project with a plan's changes, before any file is written.

use std::collections::BTreeSet;
use std::path::PathBuf;

use formulac::sync::{ModelAction, ModelPlan, TextChange};

use super::apply;
use super::planner::PlannedModels;
use super::project_copy::{CopyChanges, ProjectCopy};
use crate::cli::args::PushArgs;
use crate::cli::artifacts::TargetArtifacts;
use crate::cli::exit::{Failure, FileDiagnostics};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use crate::cli::{dbt_run, validate};

/// Result of parsing a planned project with dbt.
pub enum ParsedProject {
    Yes,
    /// Errors from dbt, and the copy of the project that dbt parsed.
    Refused(Vec<FileDiagnostics>, PathBuf),
    /// Reason why dbt was not run.
    No(&'static str),
}

/// Runs `dbt parse` on a copy of the project with the plan's changes. If dbt is missing or the check is turned off,
/// prints a note instead.
pub fn check(
    session: &Session,
    args: &PushArgs,
    workspace: &Workspace,
    planned_models: &PlannedModels,
) -> Result<ParsedProject, Failure> {
    let Some(dbt) = &workspace.dbt else {
        return Ok(ParsedProject::No("no dbt project"));
    };
    if args.no_parse {
        session.note("not parsed by dbt, because of `--no-parse`");
        return Ok(ParsedProject::No("`--no-parse`"));
    }
    if !dbt_run::is_dbt_installed() {
        session.note(
            "not parsed by dbt, because the program `dbt` was not found (set FORMULAC_DBT if dbt is \
                      installed elsewhere)",
        );
        return Ok(ParsedProject::No("`dbt` was not found"));
    }
    let changes: Vec<TextChange> = planned_models
        .plan
        .models
        .iter()
        .flat_map(|model| model.files.iter().cloned())
        .collect();
    let changes = apply::resolve_paths(workspace, changes)?;
    let texts = changes.iter().filter(|change| !change.path.starts_with(".formulac/"));
    let texts = texts.map(|change| {
        let text = change
            .after
            .as_deref()
            .map(|text| std::str::from_utf8(text).unwrap_or_default());
        (PathBuf::from(&change.path), text)
    });
    let copy = ProjectCopy::create_copy(&workspace.root, dbt, &texts.collect::<CopyChanges<'_>>())
        .map_err(|error| Failure::from_io("write", &std::env::temp_dir().to_string_lossy(), &error))?;
    let environment = planned_models.environment.as_ref();
    let mut refused = validate::parse_with_dbt(
        session,
        &args.dbt,
        environment,
        workspace,
        Some(&copy.root),
        &planned_models.models,
        &planned_models.diagnostics,
    )
    .map_err(add_no_parse_help)?;
    let manifest = TargetArtifacts::read(copy.root.join("target/manifest.json"))
        .ok()
        .flatten();
    if let Some(target_folder) = manifest.filter(|_| refused.is_empty()) {
        let is_pushed = |plan: &&ModelPlan| matches!(plan.action, ModelAction::Create | ModelAction::Update);
        let written_models: BTreeSet<&str> = planned_models
            .plan
            .models
            .iter()
            .filter(is_pushed)
            .map(|plan| plan.model.as_str())
            .collect();
        let models = planned_models
            .models
            .iter()
            .filter(|model| written_models.contains(model.name.as_str()));
        refused = validate::missing_node_failures(&target_folder.manifest, models, &planned_models.diagnostics);
    }
    Ok(if refused.is_empty() {
        ParsedProject::Yes
    } else {
        ParsedProject::Refused(refused, copy.into_persisted_path())
    })
}

/// Adds to the help that `push` can skip dbt, because a computer without the warehouse's settings cannot run dbt.
fn add_no_parse_help(failure: Failure) -> Failure {
    failure.map_message(|message| {
        let advice = message
            .help
            .as_deref()
            .map_or(String::new(), |help| format!("{help}; or "));
        message.help = Some(format!(
            "{advice}add `--no-parse` to push without parsing the project with dbt"
        ));
    })
}
