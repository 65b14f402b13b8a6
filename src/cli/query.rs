//! `formulac query`: a spec to plain SQL.

use serde_json::json;

use super::args::QueryArgs;
use super::exit::{Exit, Failure};
use super::session::{Session, reports};
use super::source::Source;
use super::spec;
use formulac::diag::render;

pub fn run(session: &Session, args: &QueryArgs) -> Result<Exit, Failure> {
    let dialect = args.target.dialect(session)?;
    let source = Source::file(&args.spec)?;
    let (name, query, found) = match args.target.builder(dialect) {
        Ok(builder) => {
            let spec = spec::compile(&builder.build(), source, None);
            (spec.name, spec.query, vec![spec.found])
        }
        Err(Failure::Found(found)) => (None, None, found),
        Err(failure) => return Err(failure),
    };
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
    Ok(Exit::of(found.iter().flat_map(|f| &f.diagnostics)))
}
