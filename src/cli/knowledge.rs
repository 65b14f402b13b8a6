//! What a command knows of the data and of dbt: one loader for all commands.
//!
//! The first of these that knows a fact decides: `--schema`, the models of other specs, `known.yml`, `catalog.json`,
//! `manifest.json`. Commands that generate models renew `known.yml`, so for them artifacts come before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use formulac::diag::Diagnostic;
use formulac::{Builder, CompiledSpec, Compiler, Dialect, Known, Project, Schema, SpecText, Type, UndecidedType};

use super::args::{Settings, TargetOptions};
use super::artifacts::TargetFolder;
use super::atomic_write::Planned;
use super::compile::CompileOutcome;
use super::exit::Failure;
use super::plurals::count;
use super::schema;
use super::session::Session;
use super::settings;
use super::source::SourceText;
use super::spec::{self, Spec};
use super::workspace::Workspace;
use super::{models, project};

pub use formulac::sync::KNOWN;

/// Specs of a project in which types are tried out, so that `generate` stays fast.
const PROBED: usize = 500;

/// Columns that a note names before it counts the others.
const NAMED: usize = 6;

/// Which facts come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Those of `known.yml`: the SQL is that of the commit.
    Committed,
    /// Those of dbt's artifacts, for commands that renew `known.yml`.
    Artifacts,
}

impl Workspace {
    /// What the project knows.
    pub fn known_relations(&self, first: First, dialect: Dialect) -> Result<Known, Failure> {
        let committed = self.committed()?;
        let Some(found) = self.find_known(dialect)? else { return Ok(committed) };
        Ok(match first {
            First::Committed => committed.or(&found),
            First::Artifacts => found.renewing(&committed),
        })
    }

    /// Facts of dbt's artifacts, and of `schema fetch`. `None` without a manifest.
    fn find_known(&self, dialect: Dialect) -> Result<Option<Known>, Failure> {
        let Some(artifacts) = self.artifacts()? else { return Ok(None) };
        if let Some((_, known)) = self.found.get().filter(|(of, _)| *of == dialect) {
            return Ok(Some(known.clone()));
        }
        let known = artifacts.known_relations(dialect, self.fetched()?.as_ref())?;
        let _ = self.found.set((dialect, known.clone()));
        Ok(Some(known))
    }

    /// Whether dbt's catalog or `schema fetch` tells all columns of what dbt has built.
    pub fn has_catalog(&self) -> Result<bool, Failure> {
        let catalog = self.artifacts()?.map(TargetFolder::catalog).transpose()?.flatten();
        Ok(catalog.is_some() || self.fetched()?.is_some())
    }

    /// Facts in `known.yml` that dbt's artifacts contradict, one line per fact.
    pub fn contradictions(&self, dialect: Dialect) -> Result<Vec<String>, Failure> {
        let Some(found) = self.find_known(dialect)? else { return Ok(Vec::new()) };
        Ok(found.contradicting(&self.committed()?))
    }

    /// Warns of facts in `known.yml` of which artifacts say otherwise.
    pub fn warn_of_contradictions(&self, session: &Session, dialect: Dialect) -> Result<(), Failure> {
        let lines = self.contradictions(dialect)?;
        if let Some(first) = lines.first() {
            let more = lines.len() - 1;
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            session
                .warn(&format!("warning: dbt contradicts {KNOWN}: {first}{more}; `formulac generate` renews the file"));
        }
        Ok(())
    }

    /// What `known.yml` says.
    pub fn committed(&self) -> Result<Known, Failure> {
        committed(&self.root)
    }

    /// A compiler that knows `--schema` and what the project knows.
    pub fn compiler(&self, session: &Session, target: &TargetOptions, dialect: Dialect) -> Result<Compiler, Failure> {
        self.compiler_with(session, target, dialect, First::Committed)
    }

    /// The same, with the facts that come first.
    pub fn compiler_with(
        &self,
        session: &Session,
        target: &TargetOptions,
        dialect: Dialect,
        first: First,
    ) -> Result<Compiler, Failure> {
        let known = self.facts(given_schema(session, target, dialect)?, first, dialect)?;
        let is_small = || self.specs().is_ok_and(|specs| specs.len() <= PROBED);
        Ok(self.builder(dialect, known).probe_types(is_small()).build())
    }

    /// Facts of `--schema`, then those of the project.
    pub fn facts(&self, given: Option<Known>, first: First, dialect: Dialect) -> Result<Known, Failure> {
        let known = self.known_relations(first, dialect)?;
        Ok(match given {
            Some(given) => given.or(&known),
            None => known,
        })
    }

    /// A compiler of the project that is being built.
    pub fn builder(&self, dialect: Dialect, known: Known) -> Builder {
        with_known(&self.project, dialect, known).contracts(self.enforces_contracts())
    }

    pub fn enforces_contracts(&self) -> bool {
        let (models, _) = self.folders();
        self.dbt.as_ref().is_some_and(|dbt| dbt.enforces_contracts(Path::new(&models)))
    }

    /// `known.yml` as it should be, and what changes in it; `None` if there is nothing to write down. `is_whole` says that
    /// these are all specs of the project; else what others read stays.
    pub fn renewed<'s>(
        &self,
        specs: impl Iterator<Item = &'s CompiledSpec>,
        is_whole: bool,
    ) -> Result<Option<(Planned, Vec<String>)>, Failure> {
        let path = self.root.join(KNOWN);
        let committed = self.committed()?;
        let dbt = self.artifacts()?.map(TargetFolder::dbt).unwrap_or_default();
        let now = dbt.renewing(&committed).with_relations(specs.flat_map(CompiledSpec::known_relations));
        let now = if is_whole { now } else { now.or(&committed) };
        let is_new = !path.is_file();
        if is_new && now.schema.is_empty() {
            return Ok(None);
        }
        let changes = changes(&now, (!is_new).then_some(&committed));
        Ok(Some((Planned { path, text: now.text() }, changes)))
    }
}

/// The facts in which a text of `known.yml` differs from the one before it, a line each.
pub fn changed_facts(text: &str, before: Option<&str>) -> Vec<String> {
    let read = |text: &str| Known::from_text(text).0;
    changes(&read(text), before.map(read).as_ref())
}

fn changes(now: &Known, before: Option<&Known>) -> Vec<String> {
    let relations = now.schema.relations();
    let columns = relations.iter().map(|relation| relation.columns().len()).sum();
    match before {
        Some(before) => now.changes_since(before),
        None => vec![format!(
            "{} of {} that specs read; known.yml keeps their types",
            count(columns, "column", "columns"),
            count(relations.len(), "relation", "relations")
        )],
    }
}

/// What the `known.yml` of a project says; nothing if there is none.
pub fn committed(root: &Path) -> Result<Known, Failure> {
    let path = root.join(KNOWN);
    if !path.is_file() {
        return Ok(Known::default().listing_some());
    }
    let source = SourceText::file(&path);
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let (known, faults) = Known::from_text(&source.text);
    if faults.iter().any(Diagnostic::is_error) {
        return Err(Failure::Found(vec![source.with_diagnostics(faults)]));
    }
    Ok(known)
}

/// Facts of `--schema`.
pub fn given_schema(session: &Session, target: &TargetOptions, dialect: Dialect) -> Result<Option<Known>, Failure> {
    target.schema.as_deref().map(|path| schema::read(session, path)?.known_relations(dialect)).transpose()
}

/// A compiler of a project that knows these facts.
pub fn with_known(project: &Project, dialect: Dialect, known: Known) -> Builder {
    let builder = settings::with_schema(project, dialect, known.schema).generic_tests(known.generic_tests);
    match known.dbt_version {
        Some(version) => builder.dbt_version(&version),
        None => builder,
    }
}

/// What a command knows that works with and without a project.
pub struct Knowledge {
    /// The project, or a dbt project without `formulac.yml`.
    pub place: Option<Workspace>,
    pub project: Project,
    pub dialect: Dialect,
    /// The schema of `--schema`.
    given: Option<Schema>,
    known: Known,
}

/// The compiler of formulas.
pub struct FormulaSettings {
    pub compiler: Compiler,
    /// A note said that nothing is known of the columns.
    pub is_noted: bool,
}

impl FormulaSettings {
    /// Reports columns of unknown type that decide the SQL, unless a note said so.
    pub fn note_undecided(&self, session: &Session, outcome: &CompileOutcome) {
        if !self.is_noted {
            note_undecided(session, &outcome.undecided(&self.compiler));
        }
    }
}

/// What is known of files of data: types are the project's, and where it knows none those that the files show.
pub struct OfData {
    pub compiler: Compiler,
    /// The types that columns are cast to, where they are known.
    pub typed: Option<Schema>,
}

impl OfData {
    /// `shown` is what the files show; `None` if the engine reads relations of its own.
    pub fn new(builder: Builder, known: &Known, shown: Option<Schema>) -> Self {
        let builder = match shown {
            // A relation without a file is missing, whatever the project knows of it.
            Some(shown) => builder.schema(shown.described_by(&known.schema)),
            None => builder,
        };
        Self { compiler: builder.build(), typed: Some(known.schema.clone()) }
    }
}

impl Knowledge {
    /// What is known here, and from `--schema`.
    pub fn new(session: &Session, target: &TargetOptions) -> Result<Self, Failure> {
        let place = Workspace::around(session)?;
        let project = place.as_ref().map(|place| place.project.clone()).unwrap_or_default();
        // Formulas can be compiled though dbt's adapter is not known.
        let of_place = || place.as_ref().and_then(|place| place.dialect(target).ok());
        let dialect = target.dialect.or_else(of_place).unwrap_or_default();
        let given = given_schema(session, target, dialect)?;
        let schema = given.as_ref().map(|given| given.schema.clone());
        let known = match &place {
            Some(place) => place.facts(given, First::Committed, dialect)?,
            None => given.unwrap_or_default(),
        };
        Ok(Self { place, project, dialect, given: schema, known })
    }

    /// The project, if it has a `formulac.yml`.
    pub fn set_up(&self) -> Option<&Workspace> {
        self.place.as_ref().filter(|place| place.is_set_up())
    }

    /// A compiler of it all, still to be specified further.
    pub fn builder(&self) -> Builder {
        let known = self.known.clone();
        let builder = match &self.place {
            Some(place) => place.builder(self.dialect, known),
            None => with_known(&self.project, self.dialect, known),
        };
        builder.probe_types(true)
    }

    /// The same with columns that relations had at an earlier pull.
    pub fn builder_with_former(&self, columns: Vec<(String, Vec<String>)>) -> Builder {
        let schema = self.known.schema.clone();
        let schema = columns.into_iter().fold(schema, |schema, (relation, columns)| schema.had(&relation, columns));
        self.builder().schema(schema)
    }

    pub fn compiler(&self) -> Compiler {
        self.builder().build()
    }

    /// The compiler of a formula or definitions. Without `--from` and `--schema` they read the one relation of the project
    /// that has all their names; if none or several have, nothing is known of their columns, and the candidates are noted.
    pub fn formula_compiler(
        &self,
        session: &Session,
        settings: &Settings,
        text: &str,
    ) -> Result<FormulaSettings, Failure> {
        let formulas = |compiler| FormulaSettings { compiler, is_noted: false };
        let builder = settings.apply_to(self.builder())?;
        if settings.from.is_some() {
            return self.with_models(&builder.build()).map(formulas);
        }
        if let Some(given) = &self.given {
            return Ok(formulas(builder.schema(given.clone()).build()));
        }
        if self.place.is_none() {
            return Ok(formulas(builder.build()));
        }
        let unknowing = settings.apply_to(with_known(&self.project, self.dialect, Known::default()))?.build();
        let names = names_of(&unknowing, settings, text);
        if names.is_empty() {
            return Ok(formulas(unknowing));
        }
        let compiler = builder.clone().build();
        let models = self.models(&compiler)?;
        let compiler = compiler.knowing(&models);
        if !compiler.knows_relations() {
            return Ok(formulas(unknowing));
        }
        let candidates = compiler.relations_with(&names);
        if let [one] = candidates.as_slice() {
            return Ok(formulas(builder.from(one).build().knowing(&models)));
        }
        let is_whole = self.place.as_ref().map_or(Ok(true), Workspace::has_catalog)?;
        note_candidates(session, &names, &candidates, is_whole);
        Ok(FormulaSettings { compiler: unknowing, is_noted: true })
    }

    /// The texts of the project's specs but these; `None` if there is no folder of them.
    fn others(&self, sources: &[(SourceText, Option<String>)]) -> Result<Vec<(SourceText, Option<String>)>, Failure> {
        let Some(place) = &self.place else { return Ok(Vec::new()) };
        let named: BTreeSet<&str> = sources.iter().filter_map(|(_, path)| path.as_deref()).collect();
        let mut others = place.sources()?;
        others.retain(|(source, path)| {
            source.fault.is_none() && path.as_deref().is_none_or(|path| !named.contains(path))
        });
        Ok(others)
    }

    /// Compiles specs, which may read the models of each other and of the project's other specs.
    pub fn compile_specs(
        &self,
        compiler: &Compiler,
        sources: Vec<(SourceText, Option<String>)>,
    ) -> Result<Vec<Spec>, Failure> {
        let count = sources.len();
        let others = self.others(&sources)?;
        Ok(spec::compile_first(compiler, sources.into_iter().chain(others).collect(), count, || {}))
    }

    /// What is known of the relations if they are files of data.
    pub fn with_data_schema(&self, shown: Option<Schema>) -> OfData {
        OfData::new(self.builder(), &self.known, shown)
    }

    /// The sources of specs, each with its path as seen from the project.
    pub fn sources(&self, paths: &[PathBuf]) -> Vec<(SourceText, Option<String>)> {
        models::sources(paths, self.place.as_ref().map(|place| place.root.as_path()))
    }

    /// Paths as seen from the project.
    pub fn paths(&self, paths: &[PathBuf]) -> Vec<Option<String>> {
        project::paths_in_project(paths, self.place.as_ref().map(|place| place.root.as_path()))
    }

    /// A compiler that also knows the models of the project's specs.
    pub fn with_models(&self, compiler: &Compiler) -> Result<Compiler, Failure> {
        Ok(compiler.knowing(&self.models(compiler)?))
    }

    /// The project's specs, compiled.
    fn models(&self, compiler: &Compiler) -> Result<Vec<CompiledSpec>, Failure> {
        let sources = self.others(&[])?;
        let texts: Vec<SpecText<'_>> =
            sources.iter().map(|(source, path)| SpecText { text: &source.text, path: path.as_deref() }).collect();
        Ok(compiler.compile_specs(&texts))
    }
}

/// The columns that a text reads, `relation.column` where it names the relation.
fn names_of(unknowing: &Compiler, settings: &Settings, text: &str) -> BTreeSet<String> {
    let compiled = unknowing.compile(text);
    let columns = compiled.definitions().iter().flat_map(|definition| definition.columns());
    let mut names: BTreeSet<String> = columns.map(formulac::ReadColumn::path).collect();
    let defined: BTreeSet<&str> = compiled.definitions().iter().filter_map(|definition| definition.name()).collect();
    let keys = [&settings.group_by, &settings.order_by, &settings.partition_by, &settings.columns];
    for key in keys.into_iter().flatten() {
        let name = key.split(['[', ' ']).next().unwrap_or_default().trim();
        if !name.is_empty() && !defined.iter().any(|defined| defined.eq_ignore_ascii_case(name)) {
            names.insert(name.to_owned());
        }
    }
    names
}

/// Reports that no relation, or several have the names of a formula. `is_whole` says that all columns are known.
fn note_candidates(session: &Session, names: &BTreeSet<String>, candidates: &[String], is_whole: bool) {
    let names: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let names = names.join(", ");
    if candidates.is_empty() {
        let advice = match is_whole {
            true => "`--from` names the relation",
            false => "all columns are known after `dbt docs generate` or `formulac schema fetch`",
        };
        return session.note(&format!(
            "note: no relation of the project has {names}, so nothing is known of the columns; {advice}"
        ));
    }
    let shown: Vec<String> = candidates.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = candidates.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    session.note(&format!(
        "note: {}{more} have {names}, so nothing is known of the columns; choose one with `--from`",
        shown.join(", ")
    ));
}

/// Reports columns of unknown type that decide the SQL: one note for all of them.
pub fn note_undecided<'u>(session: &Session, undecided: impl IntoIterator<Item = &'u UndecidedType>) {
    let mut names: Vec<String> = Vec::new();
    for it in undecided {
        let taken = match it.assumed {
            Type::Unknown => format!("`{}`", it.column),
            ty => format!("`{}` (taken for {})", it.column, ty.described()),
        };
        if !names.contains(&taken) {
            names.push(taken);
        }
    }
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    session.note(&format!(
        "note: the SQL depends on types that are not known: {}{more}; `dbt docs generate`, `formulac schema fetch` or \
         `--schema` provides them",
        names.join(", ")
    ));
}
