//! `formulac model`: specs to dbt models, on standard output or as files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formulac::Compiler;
use formulac::dbt::is_as_written;
use serde_json::{Value, json};

use super::args::ModelArgs;
use super::exit::{Exit, Failure, Found};
use super::session::{Session, reports};
use super::source::Source;
use super::unit_tests::Drafted;
use super::write::{Planned, Present, write_all};
use super::{dbt_project, left_over, project, query, spec};
use formulac::diag::render;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// A compiled model.
struct Model {
    name: String,
    sql: String,
    yml: String,
    /// What its files name as their spec.
    path: String,
    /// Tests that are files of their own: name and text.
    tests: Vec<(String, String)>,
    /// The number of its spec.
    spec: usize,
    /// Where the spec says its name.
    name_span: Span,
    /// The unit tests that are drafted for it, where they are asked for.
    drafted: Option<Drafted>,
}

pub fn run(session: &Session, args: &ModelArgs) -> Result<Exit, Failure> {
    let (dialect, mut models, mut found) = match query::builder(session, &args.target) {
        Ok(builder) => {
            let compiler = dbt_version(session, args)
                .into_iter()
                .fold(builder, |builder, version| builder.dbt_version(&version))
                .build();
            let (models, found) = compiled(session, &compiler, args);
            (compiler.dialect(), models, found)
        }
        Err(Failure::Found(found)) => (args.target.dialect.unwrap_or_default(), Vec::new(), found),
        Err(failure) => return Err(failure),
    };
    refuse_doubles(&mut models, &mut found);
    let mut notes = Vec::new();
    let mut exit = Exit::of_all(&found);
    if let Some(folder) = &args.out {
        if exit == Exit::Done {
            let tests = tests_folder(session, folder)?;
            let files = compared(folder, &tests, &models)?;
            let specs = models.iter().filter_map(|model| model.drafted.as_ref()?.planned());
            let left = left_over(&tests, &models, &files);
            if args.check {
                exit = not_equal(&files, &left, session);
            } else {
                notes = deliver(files, specs.collect(), &left, &mut found)?;
                exit = Exit::of_all(&found);
            }
        }
        if exit != Exit::Done && !args.check {
            notes.push(nothing_written(&found));
        }
    }
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
    for drafted in models.iter().filter_map(|model| model.drafted.as_ref()) {
        drafted.note(args.out.is_some()).iter().for_each(|note| session.warn(note));
    }
    for note in notes {
        session.note(&note);
    }
    Ok(exit)
}

/// The version of dbt that made the manifest: the one that was given, else the project's.
fn dbt_version(session: &Session, args: &ModelArgs) -> Option<String> {
    let given = args.target.schema.as_deref().and_then(dbt_project::version_in);
    // What is wrong with the project is dbt's to say; nothing else of it matters here.
    let project = || dbt_project::find(session.global.project_dir.as_deref()).ok()??.dbt_version();
    given.or_else(project)
}

/// The models that the specs make, and what was found in each.
fn compiled(session: &Session, compiler: &Compiler, args: &ModelArgs) -> (Vec<Model>, Vec<Found>) {
    let folder = session.global.project_dir.as_deref();
    let mut models = Vec::new();
    let mut found = Vec::new();
    for path in &args.specs {
        let shown = project::path_in_project(path, folder);
        let mut source = Source::file(path);
        let is_sound = source.fault.is_none();
        let drafted = (args.unit_tests && is_sound).then(|| Drafted::of(compiler, &source, path, args.out.is_some()));
        if let Some(text) = drafted.as_ref().and_then(|drafted| drafted.with_draft.clone()) {
            source.text = text;
        }
        let mut spec = spec::compile(compiler, source, shown.as_deref());
        spec.found.diagnostics.extend(spec.model_fault.into_iter().chain(spec.model_warnings));
        // A model has a test for it.
        spec.found.diagnostics.retain(|d| d.kind() != Code::JoinMayMultiply);
        if let (Some(name), Some(sql), Some(yml)) = (spec.name, spec.sql, spec.yml) {
            let path = formulac::dbt::spec_of(&sql).unwrap_or_default().to_owned();
            let (tests, name_span) = (spec.tests, spec.name_span);
            models.push(Model { name, sql, yml, path, tests, spec: found.len(), name_span, drafted });
        }
        found.push(spec.found);
    }
    (models, found)
}

fn nothing_written(found: &[Found]) -> String {
    let count = |exit: Exit| found.iter().filter(|f| Exit::of(&f.diagnostics) == exit).count();
    match (count(Exit::Conflict), count(Exit::Faulty) + count(Exit::Failed)) {
        (0, faulty) => format!("nothing is written: {faulty} of {} files have errors", found.len()),
        _ => "nothing is written".to_owned(),
    }
}

/// Reports specs that make the files of another one.
fn refuse_doubles(models: &mut Vec<Model>, found: &mut [Found]) {
    let mut seen = BTreeMap::new();
    models.retain(|model| {
        // File systems that ignore case would take them for one.
        let Some(first) = seen.insert(model.name.to_lowercase(), model.spec) else { return true };
        let message = format!("another spec makes the model `{}` as well", model.name);
        let first = found.get(first).map_or_else(String::new, |f| format!("; the other is in `{}`", f.file));
        let fault = Diagnostic::new(Code::SameModelTwice, model.name_span, message)
            .with_help(format!("give one of them another name{first}"));
        found.iter_mut().skip(model.spec).take(1).for_each(|f| f.diagnostics.push(fault.clone()));
        false
    });
}

/// Each file under a line that names it, a comment in the language of the file.
fn text(models: &[Model]) -> String {
    let part = |model: &Model| {
        let tests = model.tests.iter().map(|(name, sql)| format!("\n-- {name}.sql\n{sql}"));
        let tests: String = tests.collect();
        let drafted = model.drafted.as_ref().and_then(Drafted::text);
        let drafted = drafted.map_or_else(String::new, |text| format!("\n{text}"));
        format!("-- {0}.sql\n{1}\n# {0}.yml\n{2}{tests}{drafted}", model.name, model.sql, model.yml)
    };
    models.iter().map(part).collect::<Vec<_>>().join("\n")
}

fn object(model: &Model) -> Value {
    let tests = model.tests.iter().map(|(name, sql)| json!({"name": name, "sql": sql}));
    let mut object =
        json!({"name": model.name, "sql": model.sql, "yml": model.yml, "tests": tests.collect::<Vec<_>>()});
    if let (Some(drafted), Value::Object(fields)) = (&model.drafted, &mut object) {
        fields.insert("examples".to_owned(), json!(drafted.draft.as_ref().ok().map(formulac::Draft::text)));
    }
    object
}

/// The files of the models, and what stands in their places.
fn compared(folder: &Path, tests: &Path, models: &[Model]) -> Result<Vec<(Planned, Present)>, Failure> {
    let file = |folder: &Path, name: &str, end: &str, text: &str| Planned {
        path: folder.join(format!("{name}.{end}")),
        text: text.to_owned(),
    };
    let planned = models.iter().flat_map(|m| {
        let own = [file(folder, &m.name, "sql", &m.sql), file(folder, &m.name, "yml", &m.yml)];
        own.into_iter().chain(m.tests.iter().map(|(name, sql)| file(tests, name, "sql", sql)))
    });
    planned.map(|planned| planned.present().map(|present| (planned, present))).collect()
}

/// The tests that the specs made once and make no more.
fn left_over(tests: &Path, models: &[Model], files: &[(Planned, Present)]) -> Vec<PathBuf> {
    let made = |path: &Path| files.iter().any(|(planned, _)| planned.path == path);
    models.iter().flat_map(|model| left_over::tests(tests, &model.name, &model.path, made)).collect()
}

/// Where tests go that are files of their own: dbt would take them for models beside these.
fn tests_folder(session: &Session, models: &Path) -> Result<PathBuf, Failure> {
    const TESTS: &str = "tests/formulac";
    let given = session.global.project_dir.as_deref();
    if let Some((project, folder)) = project::read_with_place(given)? {
        return Ok(folder.join(project.tests().unwrap_or(TESTS)));
    }
    let folder = given.unwrap_or(Path::new(""));
    let in_project = folder.join("dbt_project.yml").is_file();
    Ok(if in_project { folder.join(TESTS) } else { models.join("tests") })
}

/// Says which files are not as the specs say.
fn not_equal(files: &[(Planned, Present)], left: &[PathBuf], session: &Session) -> Exit {
    let mut exit = if left.is_empty() { Exit::Done } else { Exit::Faulty };
    for path in left {
        session.warn(&format!("{} is no longer made by its spec", path.display()));
    }
    for (planned, present) in files {
        let what = match present {
            Present::Same => continue,
            Present::Nothing => "is missing",
            Present::Other(_) => "differs from its spec",
        };
        session.warn(&format!("{} {what}", planned.path.display()));
        exit = Exit::Faulty;
    }
    exit
}

/// Writes the files that differ, unless somebody has changed one, and removes what is left over; gives what was done.
fn deliver(
    files: Vec<(Planned, Present)>,
    specs: Vec<Planned>,
    left: &[PathBuf],
    found: &mut Vec<Found>,
) -> Result<Vec<String>, Failure> {
    let mut differing = specs;
    let before = found.len();
    for (planned, present) in files {
        match present {
            Present::Same => {}
            Present::Other(bytes) if !std::str::from_utf8(&bytes).is_ok_and(is_as_written) => {
                found.push(by_hand(&planned));
            }
            _ => differing.push(planned),
        }
    }
    if found.len() > before {
        return Ok(Vec::new());
    }
    write_all(&differing)?;
    left_over::remove(left)?;
    if differing.is_empty() && left.is_empty() {
        return Ok(vec!["everything is up to date".to_owned()]);
    }
    let wrote = differing.iter().map(|planned| format!("wrote {}", planned.path.display()));
    Ok(wrote.chain(left.iter().map(|path| format!("removed {}", path.display()))).collect())
}

fn by_hand(planned: &Planned) -> Found {
    let file = planned.path.to_string_lossy().into_owned();
    let message = format!("`{file}` is not as formulac wrote it");
    let fault = Diagnostic::new(Code::EditedByHand, Span::default(), message)
        .with_help("put the change into the spec and remove the file, or write to another folder");
    Found { file, text: String::new(), diagnostics: vec![fault] }
}
