//! `formulac check`: diagnostics of formula files and specs; they are its data.

use std::path::{Path, PathBuf};

use formulac::{Compiler, Project, Schema, SpecText};

use super::args::CheckArgs;
use super::exit::{Exit, Failure, Found};
use super::session::{Session, Stream, reports};
use super::source::Source;
use super::write::{Planned, write_all};
use super::{compile, fix, project, promote, spec};
use formulac::diag::render;
use formulac::diag::{Code, Diagnostic};

/// A fix may bring to light another; nobody's file needs more rounds.
const ROUNDS: usize = 10;

pub fn run(session: &Session, args: &CheckArgs) -> Result<Exit, Failure> {
    if args.fix && args.files.iter().any(|f| f.as_os_str() == "-") {
        return Err(Failure::new(Exit::Usage, "`--fix` changes files, and standard input is none"));
    }
    let (found, mended) = match setup(session, args) {
        Ok(Setup { compiler, files, place }) => {
            let (mut found, mended) = check(&compiler, args.fix, &files);
            if let Some((project, root)) = &place {
                beside_omni(project, root, &files, &mut found);
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
    files: Vec<PathBuf>,
    /// The project with its folder.
    place: Option<(Project, PathBuf)>,
}

/// The compiler, and the files to check: those that are named, else the project's specs.
fn setup(session: &Session, args: &CheckArgs) -> Result<Setup, Failure> {
    let place = project::read_with_place(session.global.project_dir.as_deref())?;
    let project = place.as_ref().map(|(project, _)| project.clone()).unwrap_or_default();
    let files = match &place {
        _ if !args.files.is_empty() => args.files.clone(),
        Some((_, folder)) => project::specs(&folder.join(project.specs().unwrap_or(project::SPECS)))?,
        None => {
            return Err(Failure::new(Exit::Usage, "no file is given, and there is no project whose specs to check")
                .with_help("name files, or `-` for standard input"));
        }
    };
    let known = args.settings.target.known(session)?;
    let compiler = args.settings.compiler(&project, args.settings.target.dialect(&project), known.as_ref())?;
    Ok(Setup { compiler, files, place })
}

/// Warns of what a spec and the Omni model of the project both define.
fn beside_omni(project: &Project, root: &Path, files: &[PathBuf], found: &mut [Found]) {
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

fn check(compiler: &Compiler, fix: bool, files: &[PathBuf]) -> (Vec<Found>, Vec<Planned>) {
    let mut found = Vec::new();
    let mut mended = Vec::new();
    let sources: Vec<Source> = files.iter().map(|path| Source::file(path)).collect();
    // Files are mended all or none.
    let fix = fix && !sources.iter().any(|s| s.fault.as_ref().is_some_and(|f| f.kind() == Code::UnreadableFile));
    let kinds: Vec<Kind> = files.iter().zip(&sources).map(|(path, source)| Kind::of(path, source)).collect();
    // Specs may read each other's models.
    let is_spec = |(kind, source): &(&Kind, &Source)| **kind == Kind::Spec && source.fault.is_none();
    let specs = kinds.iter().zip(&sources).filter(is_spec);
    let texts: Vec<SpecText<'_>> = specs.map(|(_, source)| SpecText { text: &source.text, path: None }).collect();
    let compiled = compiler.compile_specs(&texts);
    let knowing = compiler.knowing(&compiled);
    let mut compiled = compiled.into_iter();
    for ((path, kind), source) in files.iter().zip(kinds).zip(sources) {
        let of_spec = if is_spec(&(&kind, &source)) { compiled.next() } else { None };
        let mut it = match of_spec {
            Some(compiled) => source.found(compiled.diagnostics().to_vec()),
            None => diagnose(compiler, kind, source),
        };
        if fix && mend(&knowing, kind, &mut it) {
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
