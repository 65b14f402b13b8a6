//! `formulac env`: manages the environments of the project.

mod check;
mod diff;
mod rows;
mod show;

use serde_json::json;

use crate::cli::args::{EnvArgs, EnvCommand, EnvUseArgs};
use crate::cli::atomic_write::{Planned, write_all};
use crate::cli::commands::sync::Lock;
use crate::cli::environment::{self, Reason, USED};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

pub fn run(session: &Session, args: &EnvArgs) -> Result<Exit, Failure> {
    let place = Workspace::find(session)?;
    match &args.command {
        EnvCommand::List(args) => show::list(session, &place, args.json),
        EnvCommand::Show(args) => show::print_environment(session, &place, args),
        EnvCommand::Use(args) => choose(session, &place, args),
        EnvCommand::Diff(args) => diff::run(session, &place, args),
        EnvCommand::Check(args) => check::run(session, &place, args),
    }
}

/// `env use`: writes one file in this work tree and changes nothing in any environment.
fn choose(session: &Session, place: &Workspace, args: &EnvUseArgs) -> Result<Exit, Failure> {
    let chosen = environment::find(&place.project, &args.name, Reason::Option)?;
    let _lock = Lock::acquire(session, place)?;
    write_all(
        &place.bounds()?,
        &[Planned {
            path: place.root.join(USED),
            text: format!("{}\n", chosen.name),
        }],
    )?;
    session.note(&format!("using {} in this work tree", chosen.name));
    let now = environment::chosen_as_written(&session.global, &place.project)?;
    if args.json {
        let in_use = now.as_ref().map_or(&chosen.name, |(now, _)| &now.name);
        session.json(&json!({"chosen": chosen.name, "in_use": in_use, "protected": chosen.protected}))?;
    }
    if let Some((now, reason)) = now
        && now.name != chosen.name
    {
        session.warn(&format!(
            "warning: {} sets `{}`, which takes precedence",
            reason.description(),
            now.name
        ));
    }
    if chosen.protected {
        session.note("it is protected: a push creates a separate branch, which people merge");
    }
    Ok(Exit::Done)
}
