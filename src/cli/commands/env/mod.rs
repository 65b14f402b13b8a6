//! `formulac env`: manages the environments of the project.

mod check;
mod diff;
mod rows;
mod show;

use serde_json::json;

use crate::cli::args::{EnvArgs, EnvCommand, EnvUseArgs};
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::commands::sync::ProjectLock;
use crate::cli::environment::{self, EnvironmentSelectionReason, SELECTED_ENVIRONMENT_FILE};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

pub fn run(session: &Session, args: &EnvArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    match &args.command {
        EnvCommand::List(args) => show::print_environment_list(session, &workspace, args.json),
        EnvCommand::Show(args) => show::print_environment(session, &workspace, args),
        EnvCommand::Use(args) => use_environment(session, &workspace, args),
        EnvCommand::Diff(args) => diff::run(session, &workspace, args),
        EnvCommand::Check(args) => check::run(session, &workspace, args),
    }
}

/// `env use`: writes one file in this work tree and changes nothing in any environment.
fn use_environment(session: &Session, workspace: &Workspace, args: &EnvUseArgs) -> Result<Exit, Failure> {
    let chosen_environment =
        environment::find_environment_template(&workspace.project, &args.name, EnvironmentSelectionReason::Option)?;
    let _lock = ProjectLock::acquire(session, workspace)?;
    write_all(
        &workspace.writable_folders()?,
        &[PlannedFile {
            path: workspace.root.join(SELECTED_ENVIRONMENT_FILE),
            text: format!("{}\n", chosen_environment.name),
        }],
    )?;
    session.report_action(&format!("using {} in this work tree", chosen_environment.name));
    let now = environment::selected_environment_template(&session.global, &workspace.project)?;
    if args.json {
        let in_use = now.as_ref().map_or(&chosen_environment.name, |(now, _)| &now.name);
        session.print_json(
            &json!({"chosen": chosen_environment.name, "in_use": in_use, "protected": chosen_environment.protected}),
        )?;
    }
    if let Some((now, reason)) = now
        && now.name != chosen_environment.name
    {
        session.warn(&format!(
            "{} sets `{}`, which takes precedence",
            reason.description(),
            now.name
        ));
    }
    if chosen_environment.protected {
        session.report_action(
            "the environment is protected: a push creates a separate branch, which a person has to merge",
        );
    }
    Ok(Exit::Done)
}
