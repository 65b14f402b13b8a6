//! `formulac model`: specs to dbt models, on standard output or as files.

use std::collections::BTreeMap;
use std::path::Path;

use formulac::dbt::is_as_written;
use serde_json::{Value, json};

use super::args::ModelArgs;
use super::exit::{Exit, Failure, Found};
use super::project;
use super::session::{Session, reports};
use super::source::Source;
use super::spec::{self, Spec};
use super::write::{Planned, Present, write_all};
use formulac::diag::render;

/// A compiled model.
struct Model {
    name: String,
    sql: String,
    yml: String,
}

pub fn run(session: &Session, args: &ModelArgs) -> Result<Exit, Failure> {
    let dialect = args.target.dialect(session)?;
    let sources = args.specs.iter().map(|path| Ok((path, Source::file(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    let mut models = Vec::new();
    let mut found = Vec::new();
    match args.target.builder(dialect) {
        Ok(builder) => {
            let compiler = builder.build();
            let folder = session.global.project_dir.as_deref();
            for (path, source) in sources {
                let shown = project::path_in_project(path, folder);
                let Spec { name, sql, yml, found: it, .. } = spec::compile(&compiler, source, shown.as_deref());
                if let (Some(name), Some(sql), Some(yml)) = (name, sql, yml) {
                    models.push(Model { name, sql, yml });
                }
                found.push(it);
            }
        }
        Err(Failure::Found(it)) => found = it,
        Err(failure) => return Err(failure),
    }
    refuse_doubles(&models)?;
    let mut exit = Exit::of(found.iter().flat_map(|f| &f.diagnostics));
    if args.json {
        session.json(&json!({
            "dialect": dialect.name(),
            "models": models.iter().map(object).collect::<Vec<Value>>(),
            "diagnostics": render::filed_objects(&reports(&found)),
        }))?;
    } else {
        if args.out.is_none() {
            session.data(&text(&models))?;
        }
        session.report(&found);
    }
    if let Some(folder) = &args.out {
        exit = if exit == Exit::Done {
            deliver(session, folder, models, args.check)?
        } else {
            nothing_written(session, &found)
        };
    }
    Ok(exit)
}

fn nothing_written(session: &Session, found: &[Found]) -> Exit {
    let files = found.iter().filter(|f| f.diagnostics.iter().any(|d| d.is_error())).count();
    session.note(&format!("nothing is written: {files} of {} specs have errors", found.len()));
    Exit::Faulty
}

/// Two specs that make the same file.
fn refuse_doubles(models: &[Model]) -> Result<(), Failure> {
    let mut seen = BTreeMap::new();
    for model in models {
        // File systems that ignore case would take them for one.
        if seen.insert(model.name.to_lowercase(), ()).is_some() {
            return Err(Failure::new(Exit::Faulty, format!("two specs make the model `{}`", model.name))
                .with_help("a model's name is given once in a project"));
        }
    }
    Ok(())
}

/// Each file under a line that names it, a comment in the language of the file.
fn text(models: &[Model]) -> String {
    let part = |model: &Model| format!("-- {0}.sql\n{1}\n# {0}.yml\n{2}", model.name, model.sql, model.yml);
    models.iter().map(part).collect::<Vec<_>>().join("\n")
}

fn object(model: &Model) -> Value {
    json!({"name": model.name, "sql": model.sql, "yml": model.yml})
}

/// Writes the files, or only compares them with those on disk.
fn deliver(session: &Session, folder: &Path, models: Vec<Model>, check: bool) -> Result<Exit, Failure> {
    let mut differing = Vec::new();
    let mut by_hand = Vec::new();
    let files =
        models.into_iter().flat_map(|m| [(format!("{}.sql", m.name), m.sql), (format!("{}.yml", m.name), m.yml)]);
    for (name, text) in files {
        let planned = Planned { path: folder.join(name), text };
        match planned.present()? {
            Present::Same => {}
            Present::Other(bytes) if !std::str::from_utf8(&bytes).is_ok_and(is_as_written) => by_hand.push(planned),
            _ => differing.push(planned),
        }
    }
    if check {
        differing.extend(by_hand);
        return Ok(compared(session, &differing));
    }
    if !by_hand.is_empty() {
        let paths: Vec<String> = by_hand.iter().map(|p| format!("`{}`", p.path.display())).collect();
        let verb = if paths.len() == 1 { "is" } else { "are" };
        return Err(Failure::new(
            Exit::Conflict,
            format!("{} {verb} not as formulac wrote it; nothing is written", paths.join(", ")),
        )
        .with_help("put the change into the spec and remove the file, or write to another folder"));
    }
    write_all(&differing)?;
    for planned in &differing {
        session.note(&format!("wrote {}", planned.path.display()));
    }
    if differing.is_empty() {
        session.note("everything is up to date");
    }
    Ok(Exit::Done)
}

fn compared(session: &Session, differing: &[Planned]) -> Exit {
    for planned in differing {
        let what = if planned.path.exists() { "differs from its spec" } else { "is missing" };
        session.warn(&format!("{} {what}", planned.path.display()));
    }
    if differing.is_empty() { Exit::Done } else { Exit::Faulty }
}
