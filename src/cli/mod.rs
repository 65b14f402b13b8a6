//! The command line: all code that handles arguments, files, the terminal and the exit status.

mod apply;
mod args;
mod artifacts;
mod atomic_write;
mod branch_names;
mod cache;
mod commands;
mod complete;
mod context;
mod dbt_defaults;
mod dbt_folders;
mod dbt_jinja;
mod dbt_project;
mod dbt_run;
mod dbt_setup;
mod diagnostic_page;
mod duplicate_properties;
mod engine;
mod environment;
mod exit;
mod folder;
mod formula_parts;
mod generation;
mod git;
mod git_objects;
mod grouped_warnings;
mod health;
mod human;
mod identity;
mod json;
mod last_run;
mod lowest_versions;
#[cfg(feature = "man")]
mod man;
mod metric_name;
mod metrics_query;
mod missing_versions;
mod models;
mod moved_files;
mod name_clashes;
mod omni_files;
mod orphans;
mod permissions;
mod phrase;
mod program;
mod progress;
mod project;
mod project_of_files;
mod repeated_diagnostics;
mod schema;
mod schema_fetch;
mod selection;
mod sentence;
mod session;
mod settings;
mod snippet;
mod source;
mod spec;
mod specs_at_commit;
mod time_spine;
mod unit_tests;
mod usage;
mod validate;
mod watch;
mod workspace;
mod writable_folders;

use std::path::PathBuf;
use std::process::ExitCode;

use args::Command;
use exit::{Exit, Failure};
use session::Session;

/// Runs the command given by the process's arguments.
pub fn main() -> ExitCode {
    complete::answer_completion_request();
    #[cfg(feature = "man")]
    if let Some(code) = man::write_man_pages() {
        return code;
    }
    let (cli, as_json) = match args::parse() {
        Ok(parsed) => parsed,
        Err(fault) => return usage::report(&fault).into(),
    };
    let mut session = Session::new(cli.global, as_json);
    project_of_files::use_project_of_files(&mut session.global, &cli.command)
        .and_then(|()| run(&session, &cli.command))
        .unwrap_or_else(|failure| session.report_failure(&failure))
        .into()
}

fn run(session: &Session, command: &Command) -> Result<Exit, Failure> {
    // These commands either do not read the project or report the environment themselves.
    let is_type_independent = matches!(
        command,
        Command::Init(_) | Command::Functions(_) | Command::Schema(_) | Command::Env(_)
    );
    if !is_type_independent {
        environment::check_requested_environment(&session.global)?;
    }
    permissions::check_permission(session, command)?;
    match command {
        Command::Init(args) => commands::init::run(session, args),
        Command::Compile(args) => commands::compile::run(session, args),
        Command::Query(args) => commands::query::run(session, args),
        Command::Model(args) => commands::model::run(session, args),
        Command::Generate(args) if args.watch => {
            let schema = args.target.schema.as_slice();
            watch::run_on_changes(session, schema, || commands::generate::run(session, args))
        }
        Command::Generate(args) => commands::generate::run(session, args),
        Command::Pull(args) => commands::pull::run(session, args),
        Command::Promote(args) => commands::promote::run(session, args),
        Command::Status(args) => commands::status::run(session, args),
        Command::Doctor(args) => commands::doctor::run(session, args),
        Command::Plan(args) => commands::sync::plan(session, args),
        Command::Push(args) => commands::sync::push(session, args),
        Command::Resolve(args) => commands::sync::resolve(session, args),
        Command::Adopt(args) => commands::sync::adopt(session, args),
        Command::Log(args) => commands::sync::log(session, args),
        Command::Rollback(args) => commands::sync::rollback(session, args),
        Command::Env(args) => commands::env::run(session, args),
        Command::Change(args) => commands::change::run(session, args),
        Command::Authorize(args) => commands::authorize::run(session, args),
        Command::Release(args) => commands::release::run(session, args),
        Command::Preview(args) => commands::preview::run(session, args),
        Command::Verify(args) => commands::verify::run(session, args),
        Command::Prove(args) => commands::prove::run(session, args),
        Command::Check(args) if args.watch => {
            let schema = args.settings.target.schema.iter();
            let files: Vec<PathBuf> = args.files.iter().chain(schema).cloned().collect();
            let sessions = commands::check::FormulaSessions::default();
            watch::run_on_changes(session, &files, || commands::check::run(session, args, Some(&sessions)))
        }
        Command::Check(args) => commands::check::run(session, args, None),
        Command::Extract(args) => commands::extract::run(session, args),
        Command::Explain(args) => commands::explain::run(session, args),
        Command::Functions(args) => commands::functions::run(session, args),
        Command::Impact(args) => commands::impact::run(session, args),
        Command::Lineage(args) => commands::lineage::run(session, args),
        Command::Schema(args) => commands::json_schema::run(session, args),
    }
}
