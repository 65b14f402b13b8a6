//! `formulac query`: compiles a spec to plain SQL.

use formulac::Dialect;
use serde_json::json;

use crate::cli::args::QueryArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::generation::Generation;
use crate::cli::knowledge::{Knowledge, note_undecided};
use crate::cli::session::{Session, reports};
use crate::cli::spec::Spec;
use formulac::diag::render;

pub fn run(session: &Session, args: &QueryArgs) -> Result<Exit, Failure> {
    let (dialect, spec, found) = match compiled(session, args) {
        Ok((dialect, mut spec)) => {
            let found = vec![std::mem::take(&mut spec.found)];
            (dialect, spec, found)
        }
        Err(Failure::Found(found)) => (args.target.dialect.unwrap_or_default(), Spec::default(), found),
        Err(failure) => return Err(failure),
    };
    note_undecided(session, spec.undecided_types());
    let Spec { name, query, .. } = spec;
    if args.json {
        session.json(&json!({
            "dialect": dialect.name(),
            "name": name,
            "sql": query,
            "diagnostics": render::filed_objects(&reports(&found)),
        }))?;
    } else {
        session.data(query.as_deref().unwrap_or_default())?;
        session.report(&found);
    }
    Ok(Exit::from_all(&found))
}

fn compiled(session: &Session, args: &QueryArgs) -> Result<(Dialect, Spec), Failure> {
    let file = Generation::one_spec(session, &args.target, args.spec.as_deref(), &args.selection, "query")?;
    let knowledge = Knowledge::new(session, &args.target)?;
    let sources = knowledge.sources(&[file]);
    let mut spec = knowledge
        .compile_specs(&knowledge.compiler(), sources)?
        .pop()
        .unwrap_or_default();
    if knowledge.place.is_some() {
        spec.take_model_warnings();
    }
    Ok((knowledge.dialect, spec))
}
