//! `formulac doctor`: checks whether dbt, the engines, git and the project are ready, and shows how to fix problems.

use std::path::Path;
use std::time::Duration;

use formulac::sync::LOG_FOLDER;
use formulac::{Dialect, Project};

use crate::cli::args::{DbtArgs, DoctorArgs, Selection, TargetOptions};
use crate::cli::commands::status;
use crate::cli::dbt_project::DbtProject;
use crate::cli::dbt_run;
use crate::cli::dbt_setup::{self, DbtSetupProblem};
use crate::cli::engine::{DUCKDB, Engine, PSQL, WarehouseState};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder::current_folder_if_empty;
use crate::cli::git::{GIT, run_git_in};
use crate::cli::health::{HealthCheck, OPTIONAL_SYMBOL, format_health_checks, longest_check_name, print_health};
use crate::cli::identity;
use crate::cli::lowest_versions::{self, first_version_number, outdated_version_message};
use crate::cli::program::ExternalProgram;
use crate::cli::progress::ProgressIndicator;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Maximum time to wait for the warehouse. Some adapters retry for many minutes if there is no network.
const WAREHOUSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum number of characters of the reason why the warehouse cannot be reached.
const MAX_REASON_LENGTH: usize = 300;

pub fn run(session: &Session, args: &DoctorArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find_workspace_or_dbt_project(session)?;
    let mut parts = vec![passed_check("formulac", env!("CARGO_PKG_VERSION").to_owned())];
    let mut exit = Exit::Done;
    let mut add = |mut part: HealthCheck, fault: Exit| {
        if !part.problems.is_empty() {
            exit = exit.most_severe(fault);
            part.is_optional = fault == Exit::Done;
        }
        parts.push(part);
    };
    let dbt_project = workspace.as_ref().and_then(|workspace| workspace.dbt.as_ref());
    let dialect = workspace
        .as_ref()
        .and_then(|workspace| workspace.dialect(&TargetOptions::default()).ok());
    // Show a wait indicator, because some versions of dbt take seconds to print their version.
    let health_check = ProgressIndicator::new(session)
        .show_progress_during("asking dbt for its version", || check_dbt(dbt_project, dialect));
    let is_dbt_healthy = health_check.problems.is_empty();
    add(health_check, Exit::Failed);
    let profile = workspace.as_ref().zip(dbt_project);
    let profile = profile.and_then(|(workspace, project)| check_dbt_profile(session, workspace, project));
    // Without the profile, without dbt, or with an outdated dbt, the warehouse cannot be queried.
    let asks_warehouse = profile.is_none() && dbt_project.is_some() && is_dbt_healthy;
    if let Some(profile) = profile {
        add(profile, Exit::Failed);
    }
    let duckdb: Option<Dialect> = "duckdb".parse().ok();
    let lowest_duckdb = duckdb.map_or("", |duckdb| duckdb.facts().lowest_version);
    add(
        check_optional_program(&DUCKDB, "DuckDB", lowest_duckdb, "`preview --data` and `verify --data`"),
        Exit::Failed,
    );
    add(
        check_optional_program(&PSQL, "psql", "", "`preview --engine postgres`"),
        Exit::Done,
    );
    add(
        check_repository(workspace.as_ref().map(|workspace| workspace.root.as_path())),
        Exit::Failed,
    );
    add(check_project(workspace.as_ref()), Exit::Done);
    if let Some(workspace) = workspace.as_ref().filter(|workspace| workspace.has_project_file()) {
        for part in status::spec_health(session, workspace, &Selection::default())? {
            let fault = if part.fix.starts_with("formulac check") {
                Exit::Faulty
            } else {
                Exit::Done
            };
            add(part, fault);
        }
    }
    if let (Some(workspace), Some(dbt)) = (&workspace, dbt_project) {
        add(check_artifacts(workspace, dbt)?, Exit::Done);
    }
    // Print the other results before querying the warehouse, because a warehouse may not answer.
    let (width, count) = (longest_check_name(&parts), parts.len());
    if !args.json {
        session.print_escaped(&format_health_checks(&parts, width))?;
    }
    if asks_warehouse {
        let part = check_warehouse(session, workspace.as_ref());
        if !part.problems.is_empty() {
            exit = exit.most_severe(Exit::Faulty);
        }
        parts.push(part);
    }
    if args.json {
        print_health(session, true, &parts)?;
        return Ok(exit);
    }
    session.print_escaped(&format_health_checks(parts.get(count..).unwrap_or_default(), width))?;
    if parts.iter().any(|part| part.is_optional) {
        session.print_data(&format!(
            "{OPTIONAL_SYMBOL} marks checks that are optional or not done yet; `doctor` does not fail because of \
             these checks\n"
        ))?;
    }
    Ok(exit)
}

fn passed_check(name: &'static str, success_message: String) -> HealthCheck {
    HealthCheck {
        name,
        success_message,
        ..HealthCheck::default()
    }
}

/// Returns the report line for a missing program that only some users need.
fn missing_optional_check(name: &'static str, success_message: String) -> HealthCheck {
    HealthCheck {
        name,
        success_message,
        is_optional: true,
        ..HealthCheck::default()
    }
}

fn failed_check(name: &'static str, problem: String, fix: impl Into<String>) -> HealthCheck {
    HealthCheck {
        name,
        problems: vec![problem],
        fix: fix.into(),
        ..HealthCheck::default()
    }
}

/// Checks dbt and its adapter for the warehouse. Without a dbt project, dbt and the adapter are optional.
fn check_dbt(project: Option<&DbtProject>, dialect: Option<Dialect>) -> HealthCheck {
    match (dbt_setup::check_program(dialect.filter(|_| project.is_some())), project) {
        (Ok(versions), _) => passed_check("dbt", versions),
        (Err(_), None) if !dbt_run::is_dbt_installed() => {
            missing_optional_check("dbt", "not installed; only needed in a dbt project".to_owned())
        }
        (Err(DbtSetupProblem { problem, fix }), _) => failed_check("dbt", problem, fix),
    }
}

/// Checks the profile that dbt uses in the selected environment. Returns `None` if there are no problems, because the
/// warehouse check uses the profile and reports the result.
fn check_dbt_profile(session: &Session, workspace: &Workspace, project: &DbtProject) -> Option<HealthCheck> {
    let environment = environment::selected_environment(&session.global, &workspace.project).ok()?;
    let checked = dbt_setup::check_profile(project, environment.as_ref(), &DbtArgs::default());
    let DbtSetupProblem { problem, fix } = checked.err()?;
    Some(failed_check("dbt profile", problem, fix))
}

/// Checks the version and the session parameters of the warehouse. A warehouse that cannot be reached is not an error.
fn check_warehouse(session: &Session, workspace: Option<&Workspace>) -> HealthCheck {
    let name = "warehouse";
    let none = Project::default();
    let project = workspace.map_or(&none, |workspace| &workspace.project);
    let read_state = || -> Result<_, Failure> {
        let mut dbt = Engine::new_dbt_run(session, &DbtArgs::default(), project)?;
        dbt.time_limit = Some(WAREHOUSE_TIMEOUT);
        let dialect = dbt.dialect(project)?;
        Ok((dialect, WarehouseState::read(&dbt, dialect)?))
    };
    let (dialect, state) = match read_state() {
        Ok(read) => read,
        Err(failure) => {
            let text = "the warehouse cannot be reached, so its version and its session parameters are unknown";
            return missing_optional_check(name, format!("{text}: {}", shorten(&failure.reason())));
        }
    };
    let problems = state.faults(dialect);
    if !problems.is_empty() {
        return HealthCheck {
            name,
            problems,
            fix: "upgrade the warehouse; set parameters in the dbt profile, or for the warehouse role".to_owned(),
            ..HealthCheck::default()
        };
    }
    let version = match first_version_number(&state.version) {
        "" => dialect.name().to_owned(),
        version => format!("{} {version}", dialect.name()),
    };
    if state.parameters.is_empty() {
        return missing_optional_check(name, format!("{version}; the session parameters cannot be read"));
    }
    passed_check(
        name,
        format!("{version}; the session parameters have the values that the generated SQL requires"),
    )
}

/// Returns the start of a message that is too long for one line, because dbt's messages may contain the whole query.
fn shorten(message: &str) -> String {
    let start: String = message.chars().take(MAX_REASON_LENGTH).collect();
    match start.len() < message.len() {
        true => format!("{start}…"),
        false => start,
    }
}

/// Checks a program that only some commands run. A missing program is not an error, but an outdated program is.
fn check_optional_program(program: &ExternalProgram, name: &'static str, lowest: &str, needed_by: &str) -> HealthCheck {
    match program.version() {
        None => missing_optional_check(
            name,
            format!("not installed; only needed for {needed_by}: {}", program.install),
        ),
        Some(version) => match outdated_version_message(lowest, &version) {
            Some(problem) => failed_check(name, problem, program.install),
            None => passed_check(name, version),
        },
    }
}

fn check_repository(root: Option<&Path>) -> HealthCheck {
    let Some(version) = GIT.version() else {
        return failed_check("git", "the program `git` was not found".to_owned(), GIT.install);
    };
    if let Some(problem) = outdated_version_message(lowest_versions::MIN_GIT_VERSION, &version) {
        return failed_check("git", problem, GIT.install);
    }
    let Some(root) = root else {
        return passed_check("git", version);
    };
    let root = current_folder_if_empty(root);
    let answers = |args: &[&str]| run_git_in(root, args, "").is_ok_and(|output| output.succeeded);
    if !answers(&["rev-parse", "--git-dir"]) {
        return failed_check(
            "git",
            "the project is not in a repository, so `push` cannot commit".to_owned(),
            "git init",
        );
    }
    // The author and the committer may also be set in environment variables.
    if identity::current_user(root).is_none() || !answers(&["var", "GIT_COMMITTER_IDENT"]) {
        let problem = "no git user is configured, so `push` cannot commit".to_owned();
        return failed_check("git", problem, "git config user.email you@example.com");
    }
    let is_ignored = |path: &str| answers(&["check-ignore", "--quiet", path]);
    if is_ignored(&format!("{LOG_FOLDER}/entry.yml")) {
        // A `!` pattern in .gitignore has no effect on files in an ignored folder.
        let parent = LOG_FOLDER.split_once('/').map(|(parent, _)| parent);
        let folder = parent
            .filter(|parent| is_ignored(&format!("{parent}/")))
            .unwrap_or(LOG_FOLDER);
        let problem = format!("git ignores `{folder}/`, where `push` records each change");
        return failed_check("git", problem, format!("add `!{folder}/` at the end of .gitignore"));
    }
    passed_check("git", version)
}

fn check_project(workspace: Option<&Workspace>) -> HealthCheck {
    let fix = "formulac init";
    match workspace {
        None => failed_check(
            "project",
            "there is no dbt_project.yml or formulac.yml here or in a parent folder".to_owned(),
            fix,
        ),
        Some(workspace) if !workspace.has_project_file() => {
            failed_check("project", "there is no formulac.yml yet".to_owned(), fix)
        }
        Some(workspace) => {
            let root = current_folder_if_empty(&workspace.root);
            match workspace.dialect(&TargetOptions::default()) {
                Ok(dialect) => check_default_target(workspace, dialect).unwrap_or_else(|| {
                    passed_check("project", format!("{}, SQL for {}", root.display(), dialect.name()))
                }),
                Err(_) => failed_check(
                    "project",
                    "the dialect of the project is unknown".to_owned(),
                    "set `dialect: duckdb` in formulac.yml, or the dialect of your warehouse",
                ),
            }
        }
    }
}

/// Checks that dbt's default target can run the generated SQL. `None` if the target can run the SQL, if the target is
/// unknown, or if an environment with this target has its own dialect.
fn check_default_target(workspace: &Workspace, dialect: Dialect) -> Option<HealthCheck> {
    let (target, of_target) = workspace.dbt.as_ref()?.default_target()?;
    let mut environments = workspace.project.environments().iter();
    let is_known = environments
        .any(|environment| environment.dialect.is_some() && environment.connection.as_deref() == Some(target.as_str()));
    if of_target == dialect || is_known {
        return None;
    }
    let problem = format!("the generated SQL is for {dialect}, but dbt's default target `{target}` is {of_target}");
    let fix = format!(
        "write `dialect: {of_target}` in formulac.yml, or set `target:` of the dbt profile to an output for {dialect}"
    );
    Some(failed_check("project", problem, fix))
}

/// Checks the artifacts in which dbt describes its models and columns.
fn check_artifacts(workspace: &Workspace, dbt: &DbtProject) -> Result<HealthCheck, Failure> {
    let name = "dbt artifacts";
    if workspace.artifacts()?.is_none() {
        let problem = format!("there is no {}", dbt.manifest_path().display());
        return Ok(failed_check(name, problem, "dbt build, then dbt docs generate"));
    }
    if !workspace.has_catalog()? {
        let problem = "no catalog: only columns in properties files are known".to_owned();
        return Ok(failed_check(
            name,
            problem,
            "dbt docs generate, or formulac schema fetch",
        ));
    }
    Ok(passed_check(name, dbt.target_folder().display().to_string()))
}
