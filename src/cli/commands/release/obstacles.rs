//! Finds the obstacles to a release: files that are out of sync, failing tests, and missing approvals. All obstacles
//! are reported at once.

use std::path::Path;

use formulac::Environment;
use formulac::artifacts::last_results;
use formulac::diag::lists::join_words_up_to;
use formulac_syntax::text::format_count;

use super::tags::Release;
use crate::cli::artifacts::TargetArtifacts;
use crate::cli::commands::change::{self, BranchDifferences};
use crate::cli::commands::pull::{self, PendingPull};
use crate::cli::commands::sync::{OmniRepository, PlannedModels, Repository};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::last_run::{self, failed_nodes};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Maximum number of names listed.
const MAX_LISTED_NAMES: usize = 5;

/// An obstacle to a release, and the command that removes it.
pub struct ReleaseObstacle {
    pub exit: Exit,
    pub what: String,
    pub fix: String,
}

fn release_obstacle(exit: Exit, description: impl Into<String>, fix: &str) -> ReleaseObstacle {
    ReleaseObstacle {
        exit,
        what: description.into(),
        fix: fix.to_owned(),
    }
}

pub fn find_release_obstacles(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    environment: Option<&Environment>,
    last: Option<&Release>,
    planned_models: &PlannedModels,
) -> Result<Vec<ReleaseObstacle>, Failure> {
    let mut obstacles = Vec::new();
    obstacles.extend(check_generated_files(planned_models));
    obstacles.extend(check_omni_repository(workspace, planned_models)?);
    if workspace.dbt.is_some() {
        obstacles.extend(check_omni(session, workspace)?);
        obstacles.extend(check_tests(workspace, environment)?);
    }
    obstacles.extend(check_approvals(session, workspace, repository, last)?);
    Ok(obstacles)
}

/// Checks that specs and dbt's files are in sync.
fn check_generated_files(planned_models: &PlannedModels) -> Option<ReleaseObstacle> {
    if !planned_models.has_no_errors() {
        return Some(release_obstacle(
            Exit::Faulty,
            "the specs have errors",
            "formulac check",
        ));
    }
    if planned_models.plan.conflicts() > 0 {
        return Some(release_obstacle(
            Exit::Conflict,
            "specs conflict with dbt's files",
            "formulac plan",
        ));
    }
    let names: Vec<String> = planned_models
        .plan
        .changed_models()
        .map(|model| model.model.clone())
        .collect();
    match &planned_models.plan.known {
        None if names.is_empty() => return None,
        Some(facts_change) if names.is_empty() => {
            let description = format!(
                "{} is out of date: {}",
                facts_change.file.path,
                join_words_up_to(&facts_change.facts, MAX_LISTED_NAMES)
            );
            return Some(release_obstacle(Exit::Faulty, description, "formulac push"));
        }
        _ => {}
    }
    let description = format!(
        "specs and dbt's files differ: {}",
        join_words_up_to(&names, MAX_LISTED_NAMES)
    );
    Some(release_obstacle(Exit::Faulty, description, "formulac push"))
}

/// Checks that the files of the Omni model are committed in its own repository, if it has one.
fn check_omni_repository(
    workspace: &Workspace,
    planned_models: &PlannedModels,
) -> Result<Option<ReleaseObstacle>, Failure> {
    let Some(omni) = OmniRepository::find(workspace)? else {
        return Ok(None);
    };
    if let Some(missing) = &planned_models.missing_in_omni {
        return Ok(Some(release_obstacle(
            Exit::Faulty,
            missing.message.clone(),
            &missing.fix,
        )));
    }
    let description = match &planned_models.plan.omni {
        Some(change) => format!(
            "{} has uncommitted files: {}",
            omni.folder,
            join_words_up_to(&change.files, MAX_LISTED_NAMES)
        ),
        None if omni.repository.head_commit()?.is_none() => format!("{} has no commit yet", omni.folder),
        None => return Ok(None),
    };
    Ok(Some(release_obstacle(Exit::Faulty, description, "formulac push")))
}

/// Checks Omni's files if the project has been pulled at least once.
fn check_omni(session: &Session, workspace: &Workspace) -> Result<Option<ReleaseObstacle>, Failure> {
    let (Some(dbt), Some(target_folder)) = (&workspace.dbt, workspace.artifacts()?) else {
        return Ok(None);
    };
    let artifacts = last_run::read_last_run(&workspace.root, dbt, &dbt.target_folder())?;
    let pending = pull::pending_pull(session, target_folder, &artifacts)?;
    let Some(PendingPull { pull, .. }) = pending.filter(|pending| pending.was_pulled) else {
        return Ok(None);
    };
    let files: Vec<String> = pull.omni_files().map(str::to_owned).collect();
    let description = format!(
        "Omni's files do not match dbt: {}",
        join_words_up_to(&files, MAX_LISTED_NAMES)
    );
    Ok((!files.is_empty()).then(|| release_obstacle(Exit::Faulty, description, "formulac pull")))
}

/// Checks the results of dbt's last run in the environment.
fn check_tests(workspace: &Workspace, environment: Option<&Environment>) -> Result<Vec<ReleaseObstacle>, Failure> {
    let Some(dbt) = &workspace.dbt else {
        return Ok(Vec::new());
    };
    let target = dbt.target_folder();
    let folder = environment::last_run_folder(&workspace.root, &target, environment);
    let build = format!("dbt build{}", environment::dbt_options(environment, &target, &folder));
    let artifacts_folder = TargetArtifacts::read_folder(&folder)?;
    let artifacts = last_run::read_last_run(&workspace.root, dbt, &folder)?;
    let last = last_results(&artifacts.runs);
    let (Some(target_folder), false) = (artifacts_folder, last.is_empty()) else {
        let other = artifacts
            .runs
            .iter()
            .find(|run| !run.is_run_command())
            .and_then(|run| run.which.as_deref());
        return Ok(vec![missing_results_obstacle(&folder, other, &build)]);
    };
    let mut obstacles = Vec::new();
    let newer: Vec<String> = target_folder
        .files_newer_than_last_run(dbt, &artifacts.runs)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if !newer.is_empty() {
        let description = format!(
            "{} newer than dbt's last run: {}",
            format_count(newer.len(), "file is", "files are"),
            join_words_up_to(&newer, MAX_LISTED_NAMES)
        );
        obstacles.push(release_obstacle(Exit::Faulty, description, &build));
    }
    let bad: Vec<String> = failed_nodes(&last).map(|(name, _)| name.to_owned()).collect();
    if !bad.is_empty() {
        let description = format!(
            "{} failed in dbt's last run: {}",
            bad.len(),
            join_words_up_to(&bad, MAX_LISTED_NAMES)
        );
        obstacles.push(release_obstacle(Exit::Faulty, description, &build));
    }
    let is_test = |id: &&&str| id.starts_with("test.") || id.starts_with("unit_test.");
    if last.keys().filter(is_test).count() == 0 {
        obstacles.push(release_obstacle(Exit::Faulty, "no test ran in dbt's last run", &build));
    }
    Ok(obstacles)
}

/// Returns the obstacle for missing build results. `other` is the dbt command that overwrote the results.
fn missing_results_obstacle(folder: &Path, other: Option<&str>, build: &str) -> ReleaseObstacle {
    let folder = folder.display();
    let Some(other) = other else {
        let description = format!("no test results are known: {folder} contains no results of a dbt run");
        return release_obstacle(Exit::Faulty, description, build);
    };
    let other = if other == "generate" { "docs generate" } else { other };
    // Running the same command after the next build would overwrite the results again.
    let description = format!(
        "no test results are known: `dbt {other}` has overwritten the results of the last build in {folder}/run_results.json"
    );
    let fix = match other {
        // With `--no-compile`, `dbt docs generate` writes no results.
        "docs generate" => format!(
            "{build} && {}",
            build.replace("dbt build", "dbt docs generate --no-compile")
        ),
        _ => format!("{build}, after `dbt {other}`"),
    };
    release_obstacle(Exit::Faulty, description, &fix)
}

/// Checks the approvals of each commit on the branch since the last release, according to the rules in force before the
/// commit.
fn check_approvals(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    last: Option<&Release>,
) -> Result<Vec<ReleaseObstacle>, Failure> {
    let (changes, _) = change::read_changes(workspace);
    let mut obstacles = Vec::new();
    for (commit, parent, title) in repository.first_parent_commits(last.map(|last| last.commit.as_str()))? {
        let Some(parent) = parent else { continue };
        let branch_differences =
            BranchDifferences::from_commit(workspace, repository, &parent, &commit, session.global.env.as_deref())?;
        if !branch_differences.needs_approval() {
            continue;
        }
        let approval_state = branch_differences.state_of_changes(&changes);
        if !approval_state.is_approved() {
            let short = commit.get(..7).unwrap_or_default();
            let mut lacks = approval_state.lacks;
            lacks.extend(
                approval_state
                    .rejected
                    .iter()
                    .map(|approver| format!("the approval by {approver}, who rejected the change")),
            );
            let description = format!("{short} \"{title}\" lacks {}", lacks.join(", "));
            // A change consists of all commits between a base revision and its branch, so this single commit needs a
            // branch of its own.
            let fix = format!(
                "git switch -c approve-{short} {short} && formulac change propose TITLE --base {short}~1, then approve \
                 the change and merge the branch"
            );
            obstacles.push(release_obstacle(Exit::NotAllowed, description, &fix));
        }
    }
    Ok(obstacles)
}
