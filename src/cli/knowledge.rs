//! Loads the facts about the data and the dbt project that a command needs. All commands share this loader.
//!
//! For each fact, the first source that contains it takes precedence: `--schema`, the models of other specs,
//! `known.yml`, `catalog.json`, `manifest.json`. Commands that generate models update `known.yml`, so for these
//! commands, artifacts take precedence over `known.yml`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use formulac::diag::{Code, Diagnostic};
use formulac::{Builder, CompiledSpec, Compiler, Dialect, KnownFacts, Project, Schema, SpecText, Type, UndecidedType};

use jiff::Zoned;

use super::args::{Settings, TargetOptions};
use super::artifacts::TargetFolder;
use super::atomic_write::PlannedFile;
use super::exit::{Failure, FileDiagnostics};
use super::models;
use super::plurals::format_count;
use super::project;
use super::schema;
use super::session::Session;
use super::settings;
use super::source::{SourceText, read_text, spec_texts};
use super::spec::{self, Spec};
use super::workspace::{FETCHED, Workspace};
use crate::cli::commands::compile::CompileOutcome;

pub use formulac::sync::KNOWN;
use formulac::sync::{PropertiesFiles, unread_descriptions};

/// Maximum number of specs in a project for which types are probed. The limit keeps `generate` fast.
const MAX_PROBED_SPECS: usize = 500;

/// Maximum number of columns that a note names. The remaining columns are only counted.
const MAX_LISTED_COLUMNS: usize = 6;

/// Selects the source of facts that takes precedence: `known.yml` or dbt's artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactPrecedence {
    /// `known.yml` takes precedence, so that the SQL is the same as when it was committed.
    Committed,
    /// dbt's artifacts take precedence, for commands that update `known.yml`.
    Artifacts,
}

impl Workspace {
    /// Returns the facts that are known about the project's relations.
    pub fn known_relations(&self, first: FactPrecedence, dialect: Dialect) -> Result<KnownFacts, Failure> {
        let committed = self.committed_facts()?;
        let Some(facts) = self.find_known_facts(dialect, &committed)? else {
            return Ok(committed);
        };
        Ok(match first {
            FactPrecedence::Committed => committed.merged_with(&facts),
            FactPrecedence::Artifacts => facts.with_missing_facts_from(&committed),
        })
    }

    /// Returns the facts in dbt's artifacts and from `schema fetch`, or `None` if there is no manifest. Descriptions
    /// that dbt has not read yet come from the properties files.
    fn find_known_facts(&self, dialect: Dialect, committed: &KnownFacts) -> Result<Option<KnownFacts>, Failure> {
        let Some(artifacts) = self.artifacts()? else {
            return Ok(None);
        };
        let manifest = &artifacts.manifest;
        let facts = match self.known_facts.get().filter(|(of, _)| *of == dialect) {
            Some((_, known_facts)) => known_facts.clone(),
            None => {
                let known = artifacts.known_relations(dialect, self.fetched_catalog()?.as_ref())?;
                let files = PropertiesFiles::new(manifest, |path| read_text(self.root.join(path)).ok());
                let unread = unread_descriptions(manifest, (&known, committed), &files);
                let known = known.with_descriptions(manifest, &unread);
                let _ = self.known_facts.set((dialect, known.clone()));
                known
            }
        };
        let described = self.described.get().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(facts.with_descriptions(manifest, described)))
    }

    /// Returns whether dbt's catalog or `schema fetch` lists all columns of the relations that dbt has built.
    pub fn has_catalog(&self) -> Result<bool, Failure> {
        let catalog = self.artifacts()?.map(TargetFolder::catalog).transpose()?.flatten();
        Ok(catalog.is_some() || self.fetched_catalog()?.is_some())
    }

    /// Returns the facts in `known.yml` that dbt's artifacts contradict, one line per fact.
    pub fn contradictions(&self, dialect: Dialect) -> Result<Vec<String>, Failure> {
        let committed = self.committed_facts()?;
        let facts = self.find_known_facts(dialect, &committed)?;
        Ok(facts
            .map(|facts| facts.contradicted_facts(&committed))
            .unwrap_or_default())
    }

    /// Returns warnings about facts in `known.yml` that dbt's artifacts contradict, unless the project silences them.
    pub fn report_contradictions(&self, dialect: Dialect) -> Result<Option<FileDiagnostics>, Failure> {
        let path = self.root.join(KNOWN);
        if !path.is_file() || self.project.silenced().contains(&Code::OutdatedFact) {
            return Ok(None);
        }
        let Some(facts) = self.find_known_facts(dialect, &self.committed_facts()?)? else {
            return Ok(None);
        };
        let source = SourceText::from_file(&path);
        let diagnostics = facts.report_contradictions(&source.text);
        Ok((!diagnostics.is_empty()).then(|| source.with_diagnostics(diagnostics)))
    }

    /// Returns the paths of the files from which facts are loaded. Some of the files may be missing.
    pub fn fact_files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.root.join(KNOWN), self.root.join(FETCHED)];
        if let Some(dbt) = &self.dbt {
            files.extend([dbt.manifest_path(), dbt.target_folder().join("catalog.json")]);
            files.extend(dbt.profiles_paths(None));
        }
        files
    }

    /// Returns the facts in `known.yml`.
    pub fn committed_facts(&self) -> Result<KnownFacts, Failure> {
        read_committed_facts(&self.root)
    }

    /// Returns a compiler that uses the facts from `--schema` and from the project.
    pub fn compiler(&self, session: &Session, target: &TargetOptions, dialect: Dialect) -> Result<Compiler, Failure> {
        self.compiler_with(session, target, dialect, FactPrecedence::Committed)
    }

    /// Like [`Self::compiler`], but `first` selects the facts that take precedence.
    pub fn compiler_with(
        &self,
        session: &Session,
        target: &TargetOptions,
        dialect: Dialect,
        first: FactPrecedence,
    ) -> Result<Compiler, Failure> {
        let facts = self.combine_facts(schema_option_facts(session, target, dialect)?, first, dialect)?;
        let is_small = || self.specs().is_ok_and(|specs| specs.len() <= MAX_PROBED_SPECS);
        Ok(self.builder(dialect, facts).probe_types(is_small()).build())
    }

    /// Combines the facts from `--schema` with the project's facts. If they differ, `--schema` takes precedence.
    pub fn combine_facts(
        &self,
        given: Option<KnownFacts>,
        first: FactPrecedence,
        dialect: Dialect,
    ) -> Result<KnownFacts, Failure> {
        let facts = self.known_relations(first, dialect)?;
        Ok(match given {
            Some(given) => given.completed_with(&facts),
            None => facts,
        })
    }

    /// Returns a builder for the project's compiler.
    pub fn builder(&self, dialect: Dialect, facts: KnownFacts) -> Builder {
        builder_with_known(&self.project, dialect, facts).contracts(self.enforces_contracts())
    }

    pub fn enforces_contracts(&self) -> bool {
        let (models, _) = self.output_folders();
        self.dbt
            .as_ref()
            .is_some_and(|dbt| dbt.enforces_contracts(Path::new(&models)))
    }

    /// Returns the new `known.yml` and the changes in it, or `None` if there is nothing to record. `is_whole` is `true`
    /// if `specs` contains all specs of the project. Otherwise, the facts that other specs read are preserved.
    pub fn update_known_facts<'s>(
        &self,
        specs: impl Iterator<Item = &'s CompiledSpec>,
        is_whole: bool,
    ) -> Result<Option<(PlannedFile, Vec<String>)>, Failure> {
        let path = self.root.join(KNOWN);
        let committed = self.committed_facts()?;
        let dbt = self.artifacts()?.map(TargetFolder::dbt_facts).unwrap_or_default();
        let now = dbt
            .with_missing_facts_from(&committed)
            .with_relations(specs.flat_map(CompiledSpec::known_relations));
        let now = if is_whole { now } else { now.merged_with(&committed) };
        let is_new = !path.is_file();
        if is_new && now.schema.is_empty() {
            return Ok(None);
        }
        let changes = describe_fact_changes(&now, (!is_new).then_some(&committed));
        // The file keeps its layout and line endings if the facts are the same.
        let is_same = !is_new && now.text() == committed.text();
        let source_text = is_same
            .then(|| SourceText::from_file(&path))
            .filter(|source| source.fault.is_none());
        let text = source_text.map_or_else(|| now.text(), |source| source.text);
        Ok(Some((PlannedFile { path, text }, changes)))
    }
}

/// Returns the facts that differ between two versions of `known.yml`, one line per fact.
pub fn changed_facts(text: &str, before: Option<&str>) -> Vec<String> {
    let read = |text: &str| KnownFacts::from_text(text).0;
    describe_fact_changes(&read(text), before.map(read).as_ref())
}

fn describe_fact_changes(now: &KnownFacts, before: Option<&KnownFacts>) -> Vec<String> {
    let relations = now.schema.relations();
    let columns = relations.iter().map(|relation| relation.columns().len()).sum();
    match before {
        Some(before) => now.changes_since(before),
        None => vec![format!(
            "{} of {} that specs read; known.yml records their types",
            format_count(columns, "column", "columns"),
            format_count(relations.len(), "relation", "relations")
        )],
    }
}

/// Returns the facts in the `known.yml` of a project. Empty if the file does not exist.
pub fn read_committed_facts(root: &Path) -> Result<KnownFacts, Failure> {
    let path = root.join(KNOWN);
    if !path.is_file() {
        return Ok(KnownFacts::default().as_partial_list());
    }
    let source = SourceText::from_file(&path);
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let (facts, faults) = KnownFacts::from_text(&source.text);
    if faults.iter().any(Diagnostic::is_error) {
        return Err(Failure::Found(vec![source.with_diagnostics(faults)]));
    }
    Ok(facts)
}

/// Returns the facts in the `--schema` file or folder.
pub fn schema_option_facts(
    session: &Session,
    target: &TargetOptions,
    dialect: Dialect,
) -> Result<Option<KnownFacts>, Failure> {
    target
        .schema
        .as_deref()
        .map(|path| schema::read(session, path)?.known_relations(dialect))
        .transpose()
}

/// Returns a compiler builder for a project with these facts.
pub fn builder_with_known(project: &Project, dialect: Dialect, facts: KnownFacts) -> Builder {
    let builder = settings::with_schema(project, dialect, facts.schema).generic_tests(facts.generic_tests);
    let builder = builder.current_date(Zoned::now().date().to_string());
    match facts.dbt_version {
        Some(version) => builder.dbt_version(&version),
        None => builder,
    }
}

/// Facts for a command that can run with or without a project.
pub struct CommandKnowledge {
    /// The project, which may be a dbt project without `formulac.yml`.
    pub workspace: Option<Workspace>,
    pub project: Project,
    pub dialect: Dialect,
    /// Schema given with `--schema`.
    given: Option<Schema>,
    facts: KnownFacts,
}

/// Compiler for formulas, and its settings.
pub struct FormulaSettings {
    pub compiler: Compiler,
    /// Whether the note about unknown columns has already been printed.
    pub is_noted: bool,
}

impl FormulaSettings {
    /// Reports columns of unknown type on which the SQL depends, unless a note has already reported unknown columns.
    pub fn report_undecided_types(&self, session: &Session, outcome: &CompileOutcome) {
        if !self.is_noted {
            report_undecided_types(session, &outcome.undecided_types(&self.compiler));
        }
    }
}

/// Facts about data files. Column types of the project take precedence over types inferred from the files.
pub struct DataFileKnowledge {
    pub compiler: Compiler,
    /// Types to which columns are cast, if they are known.
    pub typed: Option<Schema>,
}

impl DataFileKnowledge {
    /// Creates the facts about data files. `schema` is the schema that is inferred from the files, or `None` if the
    /// engine reads its own relations.
    pub fn new(builder: Builder, facts: &KnownFacts, schema: Option<Schema>) -> Self {
        let builder = match schema {
            // If relations are read from files, a relation without a file counts as missing, even if the project
            // describes it.
            Some(shown) => builder.schema(shown.with_properties_of(&facts.schema)),
            None => builder,
        };
        Self {
            compiler: builder.build(),
            typed: Some(facts.schema.clone()),
        }
    }
}

impl CommandKnowledge {
    /// Loads the facts from the project and from `--schema`.
    pub fn new(session: &Session, target: &TargetOptions) -> Result<Self, Failure> {
        let workspace = Workspace::find_workspace_or_dbt_project(session)?;
        let project = workspace
            .as_ref()
            .map(|workspace| workspace.project.clone())
            .unwrap_or_default();
        // Ignore the error, because formulas can be compiled even if dbt's adapter is unknown.
        let of_place = || workspace.as_ref().and_then(|workspace| workspace.dialect(target).ok());
        let dialect = target.dialect.or_else(of_place).unwrap_or_default();
        let given = schema_option_facts(session, target, dialect)?;
        let schema = given.as_ref().map(|given| given.schema.clone());
        let facts = match &workspace {
            Some(workspace) => workspace.combine_facts(given, FactPrecedence::Committed, dialect)?,
            None => given.unwrap_or_default(),
        };
        Ok(Self {
            workspace,
            project,
            dialect,
            given: schema,
            facts,
        })
    }

    /// Returns the project if `formulac.yml` exists.
    pub fn configured_workspace(&self) -> Option<&Workspace> {
        self.workspace.as_ref().filter(|workspace| workspace.has_project_file())
    }

    /// Returns a compiler builder with all these facts. The caller can add settings.
    pub fn builder(&self) -> Builder {
        let facts = self.facts.clone();
        let builder = match &self.workspace {
            Some(workspace) => workspace.builder(self.dialect, facts),
            None => builder_with_known(&self.project, self.dialect, facts),
        };
        builder.probe_types(true)
    }

    /// Returns a compiler builder that also contains the columns that relations had at an earlier pull.
    pub fn builder_with_past_columns(&self, columns: Vec<(String, Vec<String>)>) -> Builder {
        let schema = self.facts.schema.clone();
        let schema = columns.into_iter().fold(schema, |schema, (relation, columns)| {
            schema.with_past_columns(&relation, columns)
        });
        self.builder().schema(schema)
    }

    pub fn compiler(&self) -> Compiler {
        self.builder().build()
    }

    /// Returns the compiler for a formula or definitions. Without `--from`, the formula reads the relations of `--schema`
    /// if one of them has all columns named in the formula. Otherwise it reads the only project relation that has all
    /// these columns. If no relation or several relations have them, the formula reads the relations of `--schema`;
    /// without `--schema`, the types are unknown, and a note lists the candidates.
    pub fn formula_compiler(
        &self,
        session: &Session,
        settings: &Settings,
        text: &str,
    ) -> Result<FormulaSettings, Failure> {
        let formulas = |compiler| FormulaSettings {
            compiler,
            is_noted: false,
        };
        let builder = settings.apply_to(self.builder())?;
        if settings.from.is_some() {
            let compiler = builder.build();
            let mut models = self.compile_models()?;
            // `--schema` takes precedence over the specs.
            let is_given = |name: &str| self.given.as_ref().is_some_and(|given| given.relation(name).is_some());
            models.retain(|model| !model.name().is_some_and(is_given));
            return Ok(formulas(compiler.with_models(&models)));
        }
        let given = self.given.as_ref();
        let given = given.map(|given| builder.clone().schema(given.clone()).build());
        if self.workspace.is_none() {
            return Ok(formulas(given.unwrap_or_else(|| builder.build())));
        }
        let unknowing = settings
            .apply_to(builder_with_known(&self.project, self.dialect, KnownFacts::default()))?
            .build();
        let names = columns_read(&unknowing, settings, text);
        let is_given = |given: &Compiler| names.is_empty() || !given.relations_with(&names).is_empty();
        if let Some(given) = given.as_ref().filter(|given| is_given(given)) {
            return Ok(formulas(given.clone()));
        }
        if names.is_empty() {
            return Ok(formulas(unknowing));
        }
        let compiler = builder.clone().build();
        let models = self.compile_models()?;
        let compiler = compiler.with_models(&models);
        if !compiler.has_relations() {
            return Ok(formulas(unknowing));
        }
        let candidates = compiler.relations_with(&names);
        if let [one] = candidates.as_slice() {
            return Ok(formulas(builder.from(one).build().with_models(&models)));
        }
        if let Some(given) = given {
            return Ok(formulas(given));
        }
        let is_whole = self.workspace.as_ref().map_or(Ok(true), Workspace::has_catalog)?;
        report_unknown_relation(session, &names, &candidates, is_whole);
        Ok(FormulaSettings {
            compiler: unknowing,
            is_noted: true,
        })
    }

    /// Returns the contents of all other specs in the project. Empty if there is no project or no specs folder.
    fn other_specs(
        &self,
        sources: &[(SourceText, Option<String>)],
    ) -> Result<Vec<(SourceText, Option<String>)>, Failure> {
        let Some(workspace) = &self.workspace else {
            return Ok(Vec::new());
        };
        let paths: BTreeSet<&str> = sources.iter().filter_map(|(_, path)| path.as_deref()).collect();
        let mut others = workspace.sources()?;
        others.retain(|(source, path)| {
            source.fault.is_none() && path.as_deref().is_none_or(|path| !paths.contains(path))
        });
        Ok(others)
    }

    /// Compiles specs. A spec may read the models of the other given specs and of the project's other specs.
    pub fn compile_specs(
        &self,
        compiler: &Compiler,
        sources: Vec<(SourceText, Option<String>)>,
    ) -> Result<Vec<Spec>, Failure> {
        let count = sources.len();
        let others = self.other_specs(&sources)?;
        Ok(spec::compile_first(
            compiler,
            self.workspace.as_ref().map(|workspace| &*workspace.root),
            sources.into_iter().chain(others).collect(),
            count,
            || {},
        ))
    }

    /// Returns the facts about relations whose rows are in data files. `schema` is the schema inferred from the files.
    pub fn with_data_schema(&self, schema: Option<Schema>) -> DataFileKnowledge {
        DataFileKnowledge::new(self.builder(), &self.facts, schema)
    }

    /// Reads the sources of specs. Each source comes with its path relative to the project.
    pub fn read_sources(&self, paths: &[PathBuf]) -> Vec<(SourceText, Option<String>)> {
        models::read_sources(paths, self.workspace.as_ref().map(|workspace| workspace.root.as_path()))
    }

    /// Returns the paths, relative to the project.
    pub fn project_paths(&self, paths: &[PathBuf]) -> Vec<Option<String>> {
        project::paths_in_project(paths, self.workspace.as_ref().map(|workspace| workspace.root.as_path()))
    }

    /// Returns a compiler that also uses the models of the project's specs.
    pub fn with_project_models(&self, compiler: &Compiler) -> Result<Compiler, Failure> {
        Ok(compiler.with_models(&self.compile_models()?))
    }

    /// Returns a compiler that also knows the metric sets among the given specs and the project's other specs.
    pub fn with_metric_sets(
        &self,
        compiler: &Compiler,
        sources: &[(SourceText, Option<String>)],
    ) -> Result<Compiler, Failure> {
        let others = self.other_specs(sources)?;
        let texts = sources.iter().chain(&others).map(|(source, _)| source.text.as_str());
        let sets: Vec<SpecText<'_>> = texts
            // The key can be quoted or followed by a space.
            .filter(|text| text.contains("metric_set"))
            .map(|text| SpecText { text, path: None })
            .collect();
        let mut compiled = compiler.compile_specs(&sets);
        compiled.retain(|spec| spec.metric_set().is_some());
        Ok(compiler.with_models(&compiled))
    }

    /// Compiles the project's specs. Options for the formulas of a command have no effect on them.
    fn compile_models(&self) -> Result<Vec<CompiledSpec>, Failure> {
        let sources = self.other_specs(&[])?;
        let root = self.workspace.as_ref().map(|workspace| &*workspace.root);
        Ok(spec::compile_texts(
            &self.compiler(),
            root,
            &spec_texts(&sources),
            sources.len(),
            || {},
        ))
    }
}

/// Returns the columns that a formula reads. A column is written as `relation.column` if the formula specifies the
/// relation.
fn columns_read(unknowing: &Compiler, settings: &Settings, text: &str) -> BTreeSet<String> {
    let compiled = unknowing.compile(text);
    let columns = compiled.definitions().iter().flat_map(formulac::Definition::columns);
    let mut names: BTreeSet<String> = columns.map(formulac::ReadColumn::path).collect();
    let defined: BTreeSet<&str> = compiled
        .definitions()
        .iter()
        .filter_map(|definition| definition.name())
        .collect();
    let keys = [
        &settings.group_by,
        &settings.order_by,
        &settings.partition_by,
        &settings.columns,
    ];
    for key in keys.into_iter().flatten() {
        let name = key.split(['[', ' ']).next().unwrap_or_default().trim();
        if !name.is_empty() && !defined.iter().any(|defined| defined.eq_ignore_ascii_case(name)) {
            names.insert(name.to_owned());
        }
    }
    names
}

/// Reports that the relation of a formula is unknown, because no relation or more than one relation has all columns
/// that the formula refers to. `is_whole` is `true` if the columns of all relations are known.
fn report_unknown_relation(session: &Session, names: &BTreeSet<String>, candidates: &[String], is_whole: bool) {
    let names: Vec<String> = names
        .iter()
        .take(MAX_LISTED_COLUMNS)
        .map(|name| format!("`{name}`"))
        .collect();
    let all = if names.len() > 1 { "all of " } else { "" };
    let names = names.join(", ");
    if candidates.is_empty() {
        let advice = match is_whole {
            true => "specify the relation with `--from`",
            false => "run `dbt docs generate` or `formulac schema fetch` so that all columns are known",
        };
        return session.report_action(&format!(
            "note: no relation of the project has {all}{names}, so the columns are unknown; {advice}"
        ));
    }
    let shown: Vec<String> = candidates
        .iter()
        .take(MAX_LISTED_COLUMNS)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = candidates.len().saturating_sub(MAX_LISTED_COLUMNS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    session.report_action(&format!(
        "note: {}{more} have {names}, so the columns are unknown; choose one relation with `--from`",
        shown.join(", ")
    ));
}

/// Reports columns of unknown type on which the SQL depends, in a single note.
pub fn report_undecided_types<'u>(session: &Session, undecided: impl IntoIterator<Item = &'u UndecidedType>) {
    let mut names: Vec<String> = Vec::new();
    for undecided_type in undecided {
        let taken = match undecided_type.assumed {
            Type::Unknown => format!("`{}`", undecided_type.column),
            ty => format!("`{}` (assumed to be {})", undecided_type.column, ty.describe()),
        };
        if !names.contains(&taken) {
            names.push(taken);
        }
    }
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(MAX_LISTED_COLUMNS);
    names.truncate(MAX_LISTED_COLUMNS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    session.report_action(&format!(
        "note: the SQL depends on unknown types: {}{more}; `dbt docs generate`, `formulac schema fetch` or \
         `--schema` provides them",
        names.join(", ")
    ));
}
