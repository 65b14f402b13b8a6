//! `formulac check`: diagnostics of formula files and specs; they are its data.

use std::path::{Path, PathBuf};

use formulac::{Compiler, Project, Schema, SpecText};

use super::args::CheckArgs;
use super::exit::{Exit, Failure, Found};
use super::place::Place;
use super::session::{Session, Stream, reports};
use super::source::Source;
use super::write::{Planned, write_all};
use super::{compile, fix, project, promote, pull, spec};
use formulac::diag::render;
use formulac::diag::{Code, Diagnostic};

/// A fix may bring to light another; nobody's file needs more rounds.
const ROUNDS: usize = 10;

pub fn run(session: &Session, args: &CheckArgs) -> Result<Exit, Failure> {
    if args.fix && args.files.iter().any(|f| f.as_os_str() == "-") {
        return Err(Failure::new(Exit::Usage, "`--fix` changes files, and standard input is none"));
    }
    let (found, mended) = match setup(session, args) {
        Ok(setup) => {
            let (mut found, mended) = setup.check(args)?;
            if let Some(place) = &setup.place {
                beside_omni(place, &setup.files, &mut found);
            }
            (found, mended)
        }
        Err(Failure::Found(found)) => (found, Vec::new()),
        Err(failure) => return Err(failure),
    };
    write_all(&mended)?;
    let reports = reports(&found);
    if args.json {
        session.json(&render::json(&reports))?;
    } else {
        session.styled(&session.diagnostics(&reports, Stream::Data))?;
    }
    for file in &mended {
        session.note(&format!("mended {}", file.path.display()));
    }
    summary(session, &found);
    Ok(Exit::of_all(&found))
}

/// What is checked, and with what.
struct Setup {
    compiler: Compiler,
    /// Specs say where their names come from: what dbt left tells of those, where no schema is given.
    of_dbt: Option<Compiler>,
    files: Vec<PathBuf>,
    place: Option<Place>,
}

impl Setup {
    fn check(&self, args: &CheckArgs) -> Result<(Vec<Found>, Vec<Planned>), Failure> {
        let sources: Vec<Source> = self.files.iter().map(|path| Source::file(path)).collect();
        let (Some(compiler), Some(place)) = (&self.of_dbt, &self.place) else {
            return Ok(check(&self.compiler, &self.compiler, args.fix, &self.files, sources));
        };
        let done = check(&self.compiler, compiler, args.fix, &self.files, sources.clone());
        let misses_names = done.0.iter().flat_map(|found| &found.diagnostics).any(|it| it.kind() == Code::UnknownName);
        let had = if misses_names { pull::pulled_columns(&place.root) } else { Vec::new() };
        // Who is told of a name that it was there once need not look for a slip of the pen.
        match if had.is_empty() { None } else { of_dbt(args, place, had)? } {
            Some(compiler) => Ok(check(&self.compiler, &compiler, args.fix, &self.files, sources)),
            None => Ok(done),
        }
    }
}

/// The compiler, and the files to check: those that are named, else the project's specs.
fn setup(session: &Session, args: &CheckArgs) -> Result<Setup, Failure> {
    let place = Place::find_any(session)?;
    let project = place.as_ref().map(|place| place.project.clone()).unwrap_or_default();
    let files = match &place {
        _ if !args.files.is_empty() => args.files.clone(),
        Some(place) => place.specs()?,
        None => {
            return Err(Failure::new(Exit::Usage, "no file is given, and there is no project whose specs to check")
                .with_help("name files, or `-` for standard input"));
        }
    };
    let known = args.settings.target.known(session)?;
    let compiler = args.settings.compiler(&project, args.settings.target.dialect(&project), known.as_ref())?;
    let of_dbt = match &place {
        // Only specs say where their names come from.
        Some(place) if known.is_none() && files.iter().any(|path| project::is_yaml(path)) => {
            place.artifacts()?.into_iter().for_each(|artifacts| artifacts.tell(session, place.dbt.as_ref()));
            of_dbt(args, place, Vec::new())?
        }
        _ => None,
    };
    Ok(Setup { compiler, of_dbt, files, place })
}

/// A compiler for what dbt left, where it left something, and for columns that relations had once.
fn of_dbt(args: &CheckArgs, place: &Place, had: Vec<(String, Vec<String>)>) -> Result<Option<Compiler>, Failure> {
    let Some(artifacts) = place.artifacts()? else { return Ok(None) };
    // What is of no dialect that is known can be checked all the same.
    let target = &args.settings.target;
    let dialect = place.dialect(target).unwrap_or_else(|_| target.dialect(&place.project));
    let schema = artifacts.schema(dialect)?;
    let schema = had.into_iter().fold(schema, |schema, (relation, columns)| schema.had(&relation, columns));
    Ok(Some(args.settings.said(place.builder(dialect, schema)?)?.build()))
}

/// Warns of what a spec and the Omni model of the project both define.
fn beside_omni(place: &Place, files: &[PathBuf], found: &mut [Found]) {
    let Place { project, root, .. } = place;
    let texts: Vec<(String, String)> = found
        .iter()
        .zip(files)
        .map(|(found, path)| {
            let is_spec = project::is_yaml(path) && !project::is_project_file(path);
            (found.file.clone(), if is_spec { found.text.clone() } else { String::new() })
        })
        .collect();
    for (number, fault) in promote::twice(project, root, &texts) {
        if let Some(found) = found.get_mut(number).filter(|_| !project.silenced().contains(&fault.kind())) {
            found.diagnostics.push(fault);
            found.diagnostics.sort_by_key(|fault| (fault.span().start, fault.span().end));
        }
    }
}

/// `of_specs` compiles specs, the other all else.
fn check(
    compiler: &Compiler,
    of_specs: &Compiler,
    fix: bool,
    files: &[PathBuf],
    sources: Vec<Source>,
) -> (Vec<Found>, Vec<Planned>) {
    let mut found = Vec::new();
    let mut mended = Vec::new();
    // Files are mended all or none.
    let fix = fix && !sources.iter().any(|s| s.fault.as_ref().is_some_and(|f| f.kind() == Code::UnreadableFile));
    let kinds: Vec<Kind> = files.iter().zip(&sources).map(|(path, source)| Kind::of(path, source)).collect();
    // Specs may read each other's models.
    let is_spec = |(kind, source): &(&Kind, &Source)| **kind == Kind::Spec && source.fault.is_none();
    let specs = kinds.iter().zip(&sources).filter(is_spec);
    let texts: Vec<SpecText<'_>> = specs.map(|(_, source)| SpecText { text: &source.text, path: None }).collect();
    let compiled = of_specs.compile_specs(&texts);
    let knowing = of_specs.knowing(&compiled);
    let mut compiled = compiled.into_iter();
    for ((path, kind), source) in files.iter().zip(kinds).zip(sources) {
        let of_spec = if is_spec(&(&kind, &source)) { compiled.next() } else { None };
        let mut it = match of_spec {
            Some(compiled) => source.found(compiled.diagnostics().to_vec()),
            None => diagnose(compiler, kind, source),
        };
        if fix && mend(if kind == Kind::Spec { &knowing } else { compiler }, kind, &mut it) {
            mended.push(Planned { path: path.clone(), text: it.text.clone() });
        }
        found.push(it);
    }
    (found, mended)
}

/// Applies fixes until there are none, or they mend nothing.
fn mend(compiler: &Compiler, kind: Kind, found: &mut Found) -> bool {
    let mut changed = false;
    for _ in 0..ROUNDS {
        let (text, count) = fix::apply(&found.text, &found.diagnostics);
        if count == 0 {
            break;
        }
        let after = diagnose(compiler, kind, Source { name: found.file.clone(), text, fault: None });
        if weight(&after.diagnostics) >= weight(&found.diagnostics) {
            break;
        }
        *found = after;
        changed = true;
    }
    changed
}

/// Errors first, then warnings.
fn weight(diagnostics: &[Diagnostic]) -> (usize, usize) {
    (diagnostics.iter().filter(|d| d.is_error()).count(), diagnostics.len())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Formulas,
    Spec,
    Project,
    Schema,
}

impl Kind {
    /// By the file's name, and a schema by its first key; standard input by a first key that every spec has.
    fn of(path: &Path, source: &Source) -> Self {
        let yaml = project::is_yaml(path);
        let unnamed = path.as_os_str() == "-";
        if project::is_project_file(path) {
            return Self::Project;
        }
        if yaml && source.text.lines().any(|l| l.starts_with("relations:")) {
            return Self::Schema;
        }
        let keyed = || source.text.lines().any(|l| l.starts_with("model:") || l.starts_with("from:"));
        if yaml || (unnamed && keyed()) { Self::Spec } else { Self::Formulas }
    }
}

fn diagnose(compiler: &Compiler, kind: Kind, source: Source) -> Found {
    match kind {
        Kind::Formulas => compile::compile(compiler, source).found,
        Kind::Spec => spec::compile(compiler, source, None).found,
        Kind::Project | Kind::Schema => {
            let faults = match source.fault.clone() {
                Some(fault) => vec![fault],
                None if kind == Kind::Project => Project::from_text(&source.text).1,
                None => Schema::from_text(&source.text, compiler.dialect()).1,
            };
            source.found(faults)
        }
    }
}

fn summary(session: &Session, found: &[Found]) {
    let all = found.iter().flat_map(|f| &f.diagnostics);
    let (errors, count) = all.fold((0, 0), |(e, n), d| (e + usize::from(d.is_error()), n + 1));
    let of = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let files = of(found.len(), "file");
    session.note(&match (errors, count - errors) {
        (0, 0) => format!("{files} checked: no faults"),
        (e, 0) => format!("{files} checked: {}", of(e, "error")),
        (0, w) => format!("{files} checked: {}", of(w, "warning")),
        (e, w) => format!("{files} checked: {}, {}", of(e, "error"), of(w, "warning")),
    });
}
