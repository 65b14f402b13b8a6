//! `formulac schema`: the JSON Schemas that editors complete and check YAML with.

use formulac::json_schema;

use super::args::{SchemaArgs, SchemaOf};
use super::exit::{Exit, Failure};
use super::session::Session;

pub fn run(session: &Session, args: &SchemaArgs) -> Result<Exit, Failure> {
    session.data(&match args.of {
        SchemaOf::Spec => json_schema::spec(),
        SchemaOf::Project => json_schema::project(),
        SchemaOf::Local => json_schema::local(),
    })?;
    Ok(Exit::Done)
}
