//! `formulac check`: diagnostics of formula files and specs; they are its data.

use std::path::Path;

use formulac::Compiler;

use super::args::{CheckArgs, Format};
use super::exit::{Exit, Failure, Found};
use super::session::{Session, Stream, reports};
use super::source::Source;
use super::write::{Planned, write_all};
use super::{compile, fix, spec};
use formulac::diag::Diagnostic;
use formulac::diag::render;

/// A fix may bring to light another; nobody's file needs more rounds.
const ROUNDS: usize = 10;

pub fn run(session: &Session, args: &CheckArgs) -> Result<Exit, Failure> {
    if args.fix && args.files.iter().any(|f| f.as_os_str() == "-") {
        return Err(Failure::new(Exit::Usage, "`--fix` changes files, and standard input is none"));
    }
    let dialect = args.settings.target.dialect(session)?;
    let sources = args.files.iter().map(|path| Source::file(path)).collect::<Result<Vec<_>, Failure>>()?;
    let (found, mended) = match args.settings.compiler(dialect) {
        Ok(compiler) => check(&compiler, args, sources),
        Err(Failure::Found(found)) => (found, Vec::new()),
        Err(failure) => return Err(failure),
    };
    write_all(&mended)?;
    let reports = reports(&found);
    if args.json && session.global.output_format == Format::Human {
        session.json(&render::json(&reports))?;
    } else {
        session.styled(&session.diagnostics(&reports, Stream::Data))?;
    }
    for file in &mended {
        session.note(&format!("mended {}", file.path.display()));
    }
    summary(session, &found);
    Ok(Exit::of(found.iter().flat_map(|f| &f.diagnostics)))
}

fn check(compiler: &Compiler, args: &CheckArgs, sources: Vec<Source>) -> (Vec<Found>, Vec<Planned>) {
    let mut found = Vec::new();
    let mut mended = Vec::new();
    for (path, source) in args.files.iter().zip(sources) {
        let kind = Kind::of(path, &source);
        let mut it = diagnose(compiler, kind, source);
        if args.fix && mend(compiler, kind, &mut it) {
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
}

impl Kind {
    /// By the file's name; standard input by a first key that every spec has.
    fn of(path: &Path, source: &Source) -> Self {
        let yaml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"));
        let unnamed = path.as_os_str() == "-";
        let keyed = || source.text.lines().any(|l| l.starts_with("model:") || l.starts_with("from:"));
        if yaml || (unnamed && keyed()) { Self::Spec } else { Self::Formulas }
    }
}

fn diagnose(compiler: &Compiler, kind: Kind, source: Source) -> Found {
    match kind {
        Kind::Formulas => compile::compile(compiler, source).found,
        Kind::Spec => spec::compile(compiler, source, None).found,
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
