//! `formulac schema`: prints JSON Schemas: of YAML files, for use in editors, and of the `--json` output of commands.

use formulac::json_schema;

use crate::cli::args::{SchemaArgs, SchemaSubject};
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::schema_fetch;
use crate::cli::session::Session;

pub fn run(session: &Session, args: &SchemaArgs) -> Result<Exit, Failure> {
    session.print_data(&match &args.of {
        SchemaSubject::Spec => json_schema::spec_schema(),
        SchemaSubject::Project => json_schema::project_schema(),
        SchemaSubject::Local => json_schema::local_settings_schema(),
        SchemaSubject::Fetch(args) => return schema_fetch::run(session, args),
        SchemaSubject::Json(args) => json::command_schema(&args.command.join(" "))?,
    })?;
    Ok(Exit::Done)
}
