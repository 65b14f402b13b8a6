//! `formulac env`: manages the environments of the project.

mod check;
mod diff;
mod rows;
mod show;

use serde_json::json;

use crate::cli::args::{EnvArgs, EnvCommand, EnvUseArgs};
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::commands::sync::ProjectLock;
use crate::cli::environment::{self, EnvironmentReason, USED};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

pub fn run(session: &Session, args: &EnvArgs) -> Result<Exit, Failure> {
    let place = Workspace::find(session)?;
    match &args.command {
        EnvCommand::List(args) => show::print_environments(session, &place, args.json),
        EnvCommand::Show(args) => show::print_environment(session, &place, args),
        EnvCommand::Use(args) => choose(session, &place, args),
        EnvCommand::Diff(args) => diff::run(session, &place, args),
        EnvCommand::Check(args) => check::run(session, &place, args),
    }
}

/// `env use`: writes one file in this work tree and changes nothing in any environment.
fn choose(session: &Session, place: &Workspace, args: &EnvUseArgs) -> Result<Exit, Failure> {
    let chosen = environment::find_in_project(&place.project, &args.name, EnvironmentReason::Option)?;
    let _lock = ProjectLock::acquire(session, place)?;
    write_all(
        &place.writable_folders()?,
        &[PlannedFile {
            path: place.root.join(USED),
            text: format!("{}\n", chosen.name),
        }],
    )?;
    session.report_action(&format!("using {} in this work tree", chosen.name));
    let now = environment::selected_with_placeholders(&session.global, &place.project)?;
    if args.json {
        let in_use = now.as_ref().map_or(&chosen.name, |(now, _)| &now.name);
        session.print_json(&json!({"chosen": chosen.name, "in_use": in_use, "protected": chosen.protected}))?;
    }
    if let Some((now, reason)) = now
        && now.name != chosen.name
    {
        session.warn(&format!(
            "{} sets `{}`, which takes precedence",
            reason.description(),
            now.name
        ));
    }
    if chosen.protected {
        session.report_action(
            "the environment is protected: a push creates a separate branch, which a person has to merge",
        );
    }
    Ok(Exit::Done)
}
