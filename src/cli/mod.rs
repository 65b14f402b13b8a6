//! The command line: all code that handles arguments, files, the terminal and the exit status.

mod apply;
mod args;
mod artifacts;
mod atomic_write;
mod authorize;
mod bounds;
mod cache;
mod change;
mod check;
mod compile;
mod complete;
mod dbt_defaults;
mod dbt_folders;
mod dbt_jinja;
mod dbt_project;
mod dbt_run;
mod diagnostic_page;
mod doctor;
mod engine;
mod env;
mod environment;
mod exit;
mod explain;
mod folder;
mod formula_parts;
mod functions;
mod generate;
mod generation;
mod git;
mod grouped_warnings;
mod health;
mod human;
mod identity;
mod impact;
mod init;
mod json;
mod json_schema;
mod knowledge;
mod last_run;
mod lineage;
#[cfg(feature = "man")]
mod man;
mod model;
mod models;
mod moved_files;
mod name_clashes;
mod orphans;
mod permissions;
mod phrase;
mod plurals;
mod preview;
mod program;
mod progress;
mod project;
mod promote;
mod pull;
mod pull_report;
mod query;
mod release;
mod safe_fixes;
mod schema;
mod schema_fetch;
mod selection;
mod sentence;
mod session;
mod settings;
mod snippet;
mod source;
mod spec;
mod status;
mod sync;
mod time_spine;
mod unit_tests;
mod usage;
mod validate;
mod verify;
mod workspace;

use std::process::ExitCode;

use args::Command;
use exit::{Exit, Failure};
use session::Session;

/// Runs the command given by the process's arguments.
pub fn main() -> ExitCode {
    complete::answer_shell();
    #[cfg(feature = "man")]
    if let Some(code) = man::write_pages() {
        return code;
    }
    let (cli, as_json) = match args::parse() {
        Ok(parsed) => parsed,
        Err(fault) => return usage::report(&fault).into(),
    };
    let session = Session::new(cli.global, as_json);
    run(&session, &cli.command)
        .unwrap_or_else(|failure| session.fail(&failure))
        .into()
}

fn run(session: &Session, command: &Command) -> Result<Exit, Failure> {
    permissions::check(session, command)?;
    match command {
        Command::Init(args) => init::run(session, args),
        Command::Compile(args) => compile::run(session, args),
        Command::Query(args) => query::run(session, args),
        Command::Model(args) => model::run(session, args),
        Command::Generate(args) => generate::run(session, args),
        Command::Pull(args) => pull::run(session, args),
        Command::Promote(args) => promote::run(session, args),
        Command::Status(args) => status::run(session, args),
        Command::Doctor(args) => doctor::run(session, args),
        Command::Plan(args) => sync::plan(session, args),
        Command::Push(args) => sync::push(session, args),
        Command::Resolve(args) => sync::resolve(session, args),
        Command::Adopt(args) => sync::adopt(session, args),
        Command::Log(args) => sync::show_log(session, args),
        Command::Rollback(args) => sync::rollback(session, args),
        Command::Env(args) => env::run(session, args),
        Command::Change(args) => change::run(session, args),
        Command::Authorize(args) => authorize::run(session, args),
        Command::Release(args) => release::run(session, args),
        Command::Preview(args) => preview::run(session, args),
        Command::Verify(args) => verify::run(session, args),
        Command::Check(args) => check::run(session, args),
        Command::Explain(args) => explain::run(session, args),
        Command::Functions(args) => functions::run(session, args),
        Command::Impact(args) => impact::run(session, args),
        Command::Lineage(args) => lineage::run(session, args),
        Command::Schema(args) => json_schema::run(session, args),
    }
}
