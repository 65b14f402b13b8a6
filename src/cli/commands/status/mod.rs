//! `formulac status`: shows what is out of date, stale or failing, and the command that fixes each problem.

mod repositories;
mod specs;

pub use specs::spec_health;

use std::path::PathBuf;

use formulac::artifacts::{RunResults, SourceResults, Status, last_results};
use formulac_syntax::text::format_count;

use crate::cli::args::StatusArgs;
use crate::cli::artifacts::TargetArtifacts;
use crate::cli::commands::pull::{self, PendingPull};
use crate::cli::dbt_project;
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::health::{HealthCheck, print_health, summarize_names};
use crate::cli::last_run::{self, failed_nodes, node_name_from_id};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

pub fn run(session: &Session, args: &StatusArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find_workspace_or_dbt_project(session)?;
    let Some((workspace, dbt)) = workspace
        .as_ref()
        .and_then(|workspace| Some((workspace, workspace.dbt.as_ref()?)))
    else {
        let help = "run `formulac status` in the dbt project, or specify the project's folder with `--project-dir`";
        let given_folder = session.global.project_dir.as_deref();
        return Err(dbt_project::missing_project_failure(
            given_folder,
            "formulac status --project-dir",
            help,
        ));
    };
    let mut parts = Vec::new();
    let mut exit = Exit::Done;
    if workspace.has_project_file() {
        match workspace.check_folders() {
            Err(Failure::Found(diagnostics)) => {
                session.report(&diagnostics);
                exit = Exit::from_failures(&diagnostics);
            }
            other => other?,
        }
        workspace.warn_of_unsearched_folders(session, None);
        parts.extend(specs::spec_health(session, workspace, &args.selection)?);
        parts.extend(repositories::repository_health(workspace)?);
    }
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    let target = dbt.target_folder();
    let folder = environment::last_run_folder(&workspace.root, &target, environment.as_ref());
    let own_target = match folder == target {
        true => None,
        false => Some(TargetArtifacts::read_folder(&folder)?),
    };
    let options = match own_target {
        Some(_) => environment::dbt_options(environment.as_ref(), &target, &folder),
        None => String::new(),
    };
    let found_artifacts = own_target
        .as_ref()
        .map_or_else(|| workspace.artifacts(), |own_artifacts| Ok(own_artifacts.as_ref()))?;
    let Some(target_folder) = found_artifacts else {
        let problems = vec![format!("there is no {}", folder.join("manifest.json").display())];
        parts.push(HealthCheck {
            name: "dbt artifacts",
            problems,
            fix: format!("dbt build{options}, then dbt docs generate{options}"),
            ..HealthCheck::default()
        });
        print_health(session, args.json, &parts)?;
        return Ok(exit);
    };
    let age = target_folder
        .age()
        .map_or_else(|| "of unknown age".to_owned(), |age| format!("{age} old"));
    let newer = target_folder.files_newer_than_manifest(dbt);
    let mut problems = Vec::new();
    if !newer.is_empty() {
        problems.push(format!(
            "{age}; {} newer: {}",
            format_count(newer.len(), "file is", "files are"),
            summarize_names(&display_paths(&newer))
        ));
    }
    parts.push(HealthCheck {
        name: "dbt artifacts",
        problems,
        success_message: age,
        fix: format!("dbt parse{options}"),
        ..HealthCheck::default()
    });
    if !workspace.has_catalog()? {
        let problems = vec!["catalog.json is missing: only columns in properties files are known".to_owned()];
        let fix = "dbt docs generate, or formulac schema fetch".to_owned();
        parts.push(HealthCheck {
            name: "dbt catalog",
            problems,
            fix,
            ..HealthCheck::default()
        });
    }
    // Use the artifacts in dbt's target folder, because `pull` reads them in every environment.
    if let Some(pulled) = workspace.artifacts()? {
        let artifacts = last_run::read_last_run(&workspace.root, dbt, &target)?;
        parts.extend(
            pull::pending_pull(session, pulled, &artifacts)?
                .as_ref()
                .map(omni_health),
        );
    }
    let artifacts = last_run::read_last_run(&workspace.root, dbt, &folder)?;
    parts.push(tests_health(&artifacts.runs, &options));
    parts.extend(artifacts.freshness.as_ref().map(sources_health));
    print_health(session, args.json, &parts)?;
    Ok(exit)
}

/// Reports the sources that were stale when dbt last checked their freshness.
fn sources_health(freshness: &SourceResults) -> HealthCheck {
    let stale = freshness.results.iter().filter(|source| source.status != Status::Pass);
    let stale: Vec<String> = stale
        .map(|result| format!("{} ({})", node_name_from_id(&result.unique_id), result.status.name()))
        .collect();
    let problems = if stale.is_empty() {
        Vec::new()
    } else {
        vec![format!(
            "{}: {}",
            format_count(stale.len(), "is stale", "are stale"),
            summarize_names(&stale)
        )]
    };
    let success_message = format!(
        "{} when dbt last checked",
        format_count(freshness.results.len(), "is fresh", "are fresh")
    );
    HealthCheck {
        name: "sources",
        problems,
        success_message,
        fix: "load the sources, then run dbt source freshness".to_owned(),
        ..HealthCheck::default()
    }
}

/// Compares Omni's files with dbt's artifacts.
fn omni_health(PendingPull { pull, was_pulled }: &PendingPull) -> HealthCheck {
    let files: Vec<String> = pull.omni_files().map(str::to_owned).collect();
    let mut problems = Vec::new();
    if !*was_pulled {
        problems.push("nothing was pulled yet".to_owned());
    } else if !files.is_empty() {
        let count_text = format_count(files.len(), "file differs", "files differ");
        problems.push(format!(
            "{count_text} from dbt's current state: {}",
            summarize_names(&files)
        ));
    }
    let uneditable: Vec<String> = pull.uneditable_files.iter().map(|(file, _)| file.clone()).collect();
    if !uneditable.is_empty() {
        problems.push(format!(
            "{} be changed in place: {}",
            format_count(uneditable.len(), "file cannot", "files cannot"),
            summarize_names(&uneditable)
        ));
    }
    HealthCheck {
        name: "dbt and Omni",
        problems,
        success_message: "in step".to_owned(),
        fix: "formulac pull".to_owned(),
        ..HealthCheck::default()
    }
}

/// Reports the tests that failed in their last run.
fn tests_health(runs: &[RunResults], options: &str) -> HealthCheck {
    let last = last_results(runs);
    let failed: Vec<String> = failed_nodes(&last)
        .map(|(name, rows)| match rows {
            Some(rows) => format!("{name} ({})", format_count(rows as usize, "row", "rows")),
            None => name.to_owned(),
        })
        .collect();
    let problems = match (failed.is_empty(), last.is_empty()) {
        (true, true) => vec!["no run is known".to_owned()],
        (true, false) => Vec::new(),
        _ => vec![format!(
            "{} last: {}",
            format_count(failed.len(), "node failed", "nodes failed"),
            summarize_names(&failed)
        )],
    };
    let success_message = format!("{} no failures", format_count(last.len(), "node ran,", "nodes ran,"));
    // A project that was never built has no last run, and is not out of date.
    let is_optional = last.is_empty();
    HealthCheck {
        name: "last run of dbt",
        problems,
        success_message,
        fix: format!("dbt build{options}"),
        is_optional,
    }
}

fn display_paths(paths: &[PathBuf]) -> Vec<String> {
    paths
        .iter()
        .map(|path| path.strip_prefix("./").unwrap_or(path).display().to_string())
        .collect()
}
