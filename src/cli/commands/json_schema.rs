//! `formulac schema`: prints the JSON Schemas of YAML files, for editors, and of the output of commands with `--json`.

use formulac::json_schema;

use crate::cli::args::{SchemaArgs, SchemaOf};
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::schema_fetch;
use crate::cli::session::Session;

pub fn run(session: &Session, args: &SchemaArgs) -> Result<Exit, Failure> {
    session.data(&match &args.of {
        SchemaOf::Spec => json_schema::spec(),
        SchemaOf::Project => json_schema::project(),
        SchemaOf::Local => json_schema::local_settings_schema(),
        SchemaOf::Fetch(args) => return schema_fetch::run(session, args),
        SchemaOf::Json(args) => json::schema(&args.command.join(" "))?,
    })?;
    Ok(Exit::Done)
}
