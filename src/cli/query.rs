//! `formulac query`: a spec to plain SQL.

use formulac::{Builder, Compiler};
use serde_json::json;

use super::args::{QueryArgs, Target};
use super::exit::{Exit, Failure};
use super::schema::Known;
use super::session::{Session, reports};
use super::source::Source;
use super::{project, settings, spec};
use formulac::diag::render;

pub fn run(session: &Session, args: &QueryArgs) -> Result<Exit, Failure> {
    let source = Source::file(&args.spec);
    let (dialect, name, query, found) = match compiler(session, &args.target) {
        Ok(compiler) => {
            let spec = spec::compile(&compiler, source, None);
            (compiler.dialect(), spec.name, spec.query, vec![spec.found])
        }
        Err(Failure::Found(found)) => (args.target.dialect.unwrap_or_default(), None, None, found),
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
    Ok(Exit::of_all(&found))
}

/// The compiler of a spec, which says itself where its rows come from.
pub fn compiler(session: &Session, target: &Target) -> Result<Compiler, Failure> {
    Ok(builder(session, target, target.known(session)?.as_ref())?.build())
}

/// The same of what is known of the data, still to be told more.
pub fn builder(session: &Session, target: &Target, known: Option<&Known>) -> Result<Builder, Failure> {
    let project = project::read(session.global.project_dir.as_deref())?;
    settings::builder(&project, target.dialect(&project), known)
}
