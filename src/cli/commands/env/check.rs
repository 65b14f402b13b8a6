//! `env check`: finds errors in the environments' settings before they cause a push or build to fail.

use std::collections::BTreeMap;

use formulac::diag::lists::join_words;
use formulac::secrets::secret_names;
use formulac::{Environment, USER};
use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use super::show;
use crate::cli::args::EnvNameArgs;
use crate::cli::commands::sync::Repository;
use crate::cli::environment::{self, EnvironmentSelectionReason};
use crate::cli::exit::{Exit, Failure};
use crate::cli::identity;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// A problem found in one environment or in the project itself.
struct EnvironmentFinding {
    environment: String,
    is_fault: bool,
    text: String,
}

pub fn run(session: &Session, workspace: &Workspace, args: &EnvNameArgs) -> Result<Exit, Failure> {
    let environment_list = environment::all_environments(&workspace.project, &workspace.root);
    if let Some(name) = &args.name {
        environment::find_environment_template(&workspace.project, name, EnvironmentSelectionReason::Option)?;
    }
    let mut findings = Vec::new();
    let repository = Repository::find(&workspace.root).ok();
    let is_meant = |entry: &&(Environment, Vec<String>)| args.name.as_ref().is_none_or(|name| *name == entry.0.name);
    for (environment, missing) in environment_list.iter().filter(is_meant) {
        let mut report_check = |is_fault: bool, text: String| {
            findings.push(EnvironmentFinding {
                environment: environment.name.clone(),
                is_fault,
                text,
            });
        };
        for placeholder in missing {
            report_check(
                false,
                format!("`{placeholder}` has no value here, so no query can run in this environment"),
            );
        }
        check_connection(workspace, environment, &mut report_check);
        check_branch(workspace, repository.as_deref(), environment, &mut report_check)?;
        check_approvals(workspace, environment, &mut report_check);
        for name in secret_names(environment.vars.as_deref().unwrap_or_default()) {
            let text = format!(
                "the variable `{name}` looks like a secret: let dbt read it with `env_var('DBT_ENV_SECRET_…')` instead"
            );
            report_check(false, text);
        }
        if let Some(schema) =
            show::find_artifacts(workspace, environment)?.filter(|artifacts| artifacts.is_own == Some(false))
        {
            let schema_name = schema.schema.unwrap_or_default();
            let text = format!(
                "dbt's artifacts in {} belong to the schema {schema_name}",
                schema.folder.display()
            );
            report_check(false, text);
        }
    }
    check_shared_schemas(&environment_list, args.name.as_deref(), &mut findings);
    check_personal_settings(workspace, repository.as_deref(), &mut findings)?;
    let exit = if findings.iter().any(|finding| finding.is_fault) {
        Exit::Faulty
    } else {
        Exit::Done
    };
    if args.json {
        let finding_json = |finding: &EnvironmentFinding| json!({"environment": finding.environment, "fault": finding.is_fault, "text": finding.text});
        session.print_json(&json!({"found": findings.iter().map(finding_json).collect::<Vec<Value>>()}))?;
        return Ok(exit);
    }
    let line = |finding: &EnvironmentFinding| {
        let kind = if finding.is_fault { "error" } else { "warning" };
        let prefix = if finding.environment.is_empty() {
            String::new()
        } else {
            format!("{}: ", finding.environment)
        };
        format!("{kind}: {prefix}{}\n", finding.text)
    };
    session.print_escaped(&findings.iter().map(line).collect::<String>())?;
    if findings.is_empty() {
        session.report_action("no problems found in the environments");
    }
    Ok(exit)
}

/// Checks the environment's output in the dbt profile. Only the output's name and adapter type are read.
fn check_connection(workspace: &Workspace, environment: &Environment, report_check: &mut impl FnMut(bool, String)) {
    let Some(dbt) = &workspace.dbt else { return };
    let Some(connection) = &environment.connection else {
        report_check(
            false,
            "the environment specifies no connection, so dbt uses the profile's default target".to_owned(),
        );
        return;
    };
    let profile = match dbt.profile() {
        Ok(profile) => profile,
        Err(why) => return report_check(false, format!("the connection was not checked: {why}")),
    };
    let Some(output) = profile.outputs.iter().find(|output| output.name == *connection) else {
        return report_check(true, format!("the dbt profile has no output `{connection}`"));
    };
    let dialect = environment.dialect.or(workspace.project.dialect());
    if let (Some(expected_dialect), Some(adapter)) = (dialect, &output.adapter)
        && *adapter != expected_dialect.name()
    {
        let has_dialect = environment.dialect.is_some();
        let subject = if has_dialect {
            "the environment's dialect"
        } else {
            "the project's dialect"
        };
        report_check(
            environment.protected || has_dialect,
            format!("`{connection}` is {adapter}, but {subject} is {expected_dialect}"),
        );
    }
}

fn check_branch(
    workspace: &Workspace,
    repository: Option<&Repository>,
    environment: &Environment,
    report_check: &mut impl FnMut(bool, String),
) -> Result<(), Failure> {
    let Some(branch) = &environment.branch else {
        if environment.is_reviewed() {
            // In a new project, nobody has decided yet who reviews changes, so the missing branch is not an error.
            let is_set_up = workspace.project.people().has_roles() || !environment.approvals.is_empty();
            report_check(
                is_set_up && repository.is_some(),
                "pushes to the environment need a merge, but the environment has no `branch:` to merge into: add \
                 `branch:` to the environment in formulac.yml"
                    .to_owned(),
            );
        }
        return Ok(());
    };
    let who = identity::current_user(&workspace.root);
    if branch.contains(USER) && who.is_none() && workspace.project.user().is_none() {
        report_check(true, format!("no user is known for {USER} in `{branch}`"));
    }
    let name = environment::environment_branch(&workspace.project, &workspace.root, environment).unwrap_or_default();
    let Some(repository) = repository else { return Ok(()) };
    if !repository.is_branch_name(&name)? {
        report_check(true, format!("`{name}` is not a valid branch name"));
    } else if repository.head_commit()?.is_none() {
        report_check(
            false,
            "the repository has no commits, so its branches were not checked".to_owned(),
        );
    } else if environment.is_reviewed() && repository.find_branch(&name)?.is_none() {
        report_check(true, format!("there is no branch `{name}`, locally or on origin"));
    }
    Ok(())
}

/// Reports each role that must approve changes to the environment but has too few users.
fn check_approvals(workspace: &Workspace, environment: &Environment, report_check: &mut impl FnMut(bool, String)) {
    let people = workspace.project.people();
    for (role, count) in &environment.approvals {
        let user_count = people.with_role(*role).len();
        // The number of users with the default role is unknown, because all users without a listed role have it. In a
        // project without roles, every user is an engineer.
        let is_default = people.roles("").contains(role);
        if user_count < *count && !is_default {
            let have = format_count(user_count, "user has that role", "users have that role");
            report_check(
                true,
                format!("{count} users with the role {role} must approve, but {have}: nothing can be merged"),
            );
        }
    }
}

/// Reports environments that would overwrite each other because they build in the same schema.
fn check_shared_schemas(
    environments: &[(Environment, Vec<String>)],
    only: Option<&str>,
    findings: &mut Vec<EnvironmentFinding>,
) {
    let mut places: BTreeMap<(Option<&str>, String), Vec<&Environment>> = BTreeMap::new();
    for (environment, _) in environments {
        if let Some(schema) = &environment.schema {
            places
                .entry((environment.connection.as_deref(), schema.to_lowercase()))
                .or_default()
                .push(environment);
        }
    }
    for ((_, schema), sharers) in places {
        let names: Vec<&str> = sharers.iter().map(|environment| environment.name.as_str()).collect();
        if names.len() > 1 && only.is_none_or(|only| names.contains(&only)) {
            let text = format!(
                "{} build into the same schema, {schema}, and would overwrite each other",
                join_words(&names, "and")
            );
            findings.push(EnvironmentFinding {
                environment: String::new(),
                is_fault: true,
                text,
            });
        }
    }
}

/// Reports the file with personal settings if git does not ignore it. Personal settings must not be committed.
fn check_personal_settings(
    workspace: &Workspace,
    repository: Option<&Repository>,
    findings: &mut Vec<EnvironmentFinding>,
) -> Result<(), Failure> {
    let Some(repository) = repository.filter(|_| workspace.root.join(project::LOCAL_SETTINGS_FILE).is_file()) else {
        return Ok(());
    };
    let path = project::LOCAL_SETTINGS_FILE.to_owned();
    if repository.ignored_paths(std::slice::from_ref(&path))?.is_empty() {
        let text = format!("git does not ignore {path}; add it to .gitignore");
        findings.push(EnvironmentFinding {
            environment: String::new(),
            is_fault: true,
            text,
        });
    }
    Ok(())
}
