//! Loads the facts that a command needs: the columns of the relations with their types, keys and nullability, the SQL
//! dialect, and the dbt version. All commands share this loader.
//!
//! For each fact, the first source that contains it takes precedence: `--schema`, the models of other specs,
//! `known.yml`, `catalog.json`, `manifest.json`. Commands that generate models update `known.yml`, so for these
//! commands, artifacts take precedence over `known.yml`.

mod command;
mod notes;

use std::path::{Path, PathBuf};

use formulac::diag::{Code, Diagnostic};
use formulac::sync::{PropertiesFiles, descriptions_missing_from_manifest};
use formulac::{Builder, CompiledSpec, Compiler, Dialect, KnownFacts, Project};
use formulac_syntax::text::format_count;
use jiff::Zoned;

use super::args::TargetOptions;
use super::artifacts::TargetArtifacts;
use super::atomic_write::PlannedFile;
use super::exit::{Failure, FileDiagnostics};
use super::schema;
use super::session::Session;
use super::settings;
use super::source::{SourceText, read_text};
use super::workspace::{FETCHED_CATALOG_FILE, Workspace};

pub use command::{CommandContext, DataFileContext, FormulaSettings};
pub use formulac::sync::KNOWN_FACTS_PATH;
pub use notes::report_assumptions;

/// Maximum number of specs in a project for which the compiler finds the columns whose unknown type affects the SQL.
/// The limit keeps `generate` fast.
const MAX_SPECS_FOR_TYPE_SEARCH: usize = 500;

/// Source of facts that takes precedence: `known.yml` or dbt's artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownFactsPrecedence {
    /// `known.yml` takes precedence, so that the SQL is the same as when it was committed.
    Committed,
    /// dbt's artifacts take precedence, for commands that update `known.yml`.
    Artifacts,
}

impl Workspace {
    /// Returns all known facts about the project's relations.
    pub fn known_relations(&self, first: KnownFactsPrecedence, dialect: Dialect) -> Result<KnownFacts, Failure> {
        let committed = self.read_known_yml()?;
        let Some(facts) = self.find_known_facts(dialect, &committed)? else {
            return Ok(committed);
        };
        Ok(match first {
            KnownFactsPrecedence::Committed => committed.merged_with(&facts),
            KnownFactsPrecedence::Artifacts => facts.with_missing_facts_from(&committed),
        })
    }

    /// Returns the facts in dbt's artifacts and from `schema fetch`, or `None` if there is no manifest. Descriptions
    /// that dbt has not read yet come from the properties files.
    fn find_known_facts(&self, dialect: Dialect, committed: &KnownFacts) -> Result<Option<KnownFacts>, Failure> {
        let Some(artifacts) = self.artifacts()? else {
            return Ok(None);
        };
        let manifest = &artifacts.manifest;
        let facts = match self
            .known_facts
            .get()
            .filter(|(cached_dialect, _)| *cached_dialect == dialect)
        {
            Some((_, known_facts)) => known_facts.clone(),
            None => {
                let known = artifacts.known_relations(dialect, self.fetched_catalog()?.as_ref())?;
                let files = PropertiesFiles::new(manifest, |path| read_text(self.root.join(path)).ok());
                let unread = descriptions_missing_from_manifest(manifest, (&known, committed), &files);
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
        let catalog = self.artifacts()?.map(TargetArtifacts::catalog).transpose()?.flatten();
        Ok(catalog.is_some() || self.fetched_catalog()?.is_some())
    }

    /// Returns the facts in `known.yml` that dbt's artifacts contradict, one line per fact.
    pub fn contradictions(&self, dialect: Dialect) -> Result<Vec<String>, Failure> {
        let committed = self.read_known_yml()?;
        let facts = self.find_known_facts(dialect, &committed)?;
        Ok(facts
            .map(|facts| facts.describe_contradicted_facts(&committed))
            .unwrap_or_default())
    }

    /// Returns warnings about facts in `known.yml` that dbt's artifacts contradict, unless the project silences them.
    pub fn report_contradictions(&self, dialect: Dialect) -> Result<Option<FileDiagnostics>, Failure> {
        let path = self.root.join(KNOWN_FACTS_PATH);
        if !path.is_file() || self.project.silenced().contains(&Code::OutdatedFact) {
            return Ok(None);
        }
        let Some(facts) = self.find_known_facts(dialect, &self.read_known_yml()?)? else {
            return Ok(None);
        };
        let source = SourceText::from_file(&path);
        let diagnostics = facts.report_contradictions(&source.text);
        Ok((!diagnostics.is_empty()).then(|| source.with_diagnostics(diagnostics)))
    }

    /// Returns the paths of the files from which facts are loaded. Some of the files may be missing.
    pub fn known_facts_files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.root.join(KNOWN_FACTS_PATH), self.root.join(FETCHED_CATALOG_FILE)];
        if let Some(dbt) = &self.dbt {
            files.extend([dbt.manifest_path(), dbt.target_folder().join("catalog.json")]);
            files.extend(dbt.profiles_paths(None));
        }
        files
    }

    /// Returns the facts in `known.yml`.
    pub fn read_known_yml(&self) -> Result<KnownFacts, Failure> {
        let text = read_text(self.root.join(KNOWN_FACTS_PATH)).unwrap_or_default();
        if let Some((_, facts)) = self.committed.get().filter(|(parsed, _)| *parsed == text) {
            return Ok(facts.clone());
        }
        let facts = read_known_yml_in(&self.root)?;
        let _ = self.committed.set((text, facts.clone()));
        Ok(facts)
    }

    /// Returns a compiler that uses the facts from `--schema` and from the project.
    pub fn compiler(&self, session: &Session, target: &TargetOptions, dialect: Dialect) -> Result<Compiler, Failure> {
        self.compiler_with_precedence(session, target, dialect, KnownFactsPrecedence::Committed)
    }

    /// Like [`Self::compiler`], but `first` specifies whether `known.yml` or dbt's artifacts take precedence.
    pub fn compiler_with_precedence(
        &self,
        session: &Session,
        target: &TargetOptions,
        dialect: Dialect,
        first: KnownFactsPrecedence,
    ) -> Result<Compiler, Failure> {
        let facts = self.combine_known_facts(
            known_facts_from_schema_option(session, target, dialect)?,
            first,
            dialect,
        )?;
        let is_small = || self.specs().is_ok_and(|specs| specs.len() <= MAX_SPECS_FOR_TYPE_SEARCH);
        Ok(self.builder(dialect, facts).probe_types(is_small()).build())
    }

    /// Combines the facts from `--schema` with the project's facts. If they differ, `--schema` takes precedence.
    pub fn combine_known_facts(
        &self,
        given: Option<KnownFacts>,
        first: KnownFactsPrecedence,
        dialect: Dialect,
    ) -> Result<KnownFacts, Failure> {
        let facts = self.known_relations(first, dialect)?;
        Ok(match given {
            Some(given) => given.merged_with_missing_columns(&facts),
            None => facts,
        })
    }

    /// Returns a builder for the project's compiler.
    pub fn builder(&self, dialect: Dialect, facts: KnownFacts) -> Builder {
        self.builder_for_project(&self.project, dialect, facts)
    }

    /// Returns a compiler builder with the settings of the dbt project and of another version of the project file.
    pub fn builder_for_project(&self, project: &Project, dialect: Dialect, mut facts: KnownFacts) -> Builder {
        let Some(dbt) = &self.dbt else {
            return builder_with_known_facts(project, dialect, facts);
        };
        facts.dbt_version = facts.dbt_version.or_else(|| dbt.newest_permitted_dbt_version());
        builder_with_known_facts(project, dialect, facts)
            .contracts(self.enforces_contracts())
            .variables(dbt.variables())
            .forbid_test_arguments(dbt.forbids_test_arguments())
            .inline_long_descriptions(!dbt.searches_for_docs_blocks(&self.root.join(self.output_folders().0)))
    }

    pub fn enforces_contracts(&self) -> bool {
        let (models, _) = self.output_folders();
        self.dbt
            .as_ref()
            .is_some_and(|dbt| dbt.enforces_contracts(Path::new(&models)))
    }

    /// Returns the new `known.yml` and the changes in it, or `None` if there is nothing to record. `has_all_specs` is
    /// `true` if `specs` contains all specs of the project. Otherwise, the facts that other specs need are preserved.
    pub fn update_known_facts<'s>(
        &self,
        specs: impl Iterator<Item = &'s CompiledSpec>,
        has_all_specs: bool,
    ) -> Result<Option<(PlannedFile, Vec<String>)>, Failure> {
        let path = self.root.join(KNOWN_FACTS_PATH);
        let committed = self.read_known_yml()?;
        let dbt = self
            .artifacts()?
            .map(TargetArtifacts::known_facts_from_manifest)
            .unwrap_or_default();
        let now = dbt
            .with_missing_facts_from(&committed)
            .with_relations(specs.flat_map(CompiledSpec::known_relations));
        let now = if has_all_specs {
            now
        } else {
            now.merged_with(&committed)
        };
        let is_new = !path.is_file();
        if is_new && now.schema.is_empty() {
            return Ok(None);
        }
        let changes = describe_known_facts_changes(&now, (!is_new).then_some(&committed));
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
pub fn known_facts_changes(text: &str, before: Option<&str>) -> Vec<String> {
    let parse = |text: &str| KnownFacts::from_text(text).0;
    describe_known_facts_changes(&parse(text), before.map(parse).as_ref())
}

fn describe_known_facts_changes(now: &KnownFacts, before: Option<&KnownFacts>) -> Vec<String> {
    let relations = now.schema.relations();
    let columns: usize = relations.iter().map(|relation| relation.columns().len()).sum();
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
pub fn read_known_yml_in(root: &Path) -> Result<KnownFacts, Failure> {
    let path = root.join(KNOWN_FACTS_PATH);
    if !path.is_file() {
        return Ok(KnownFacts::default().mark_as_incomplete());
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
pub fn known_facts_from_schema_option(
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
pub fn builder_with_known_facts(project: &Project, dialect: Dialect, facts: KnownFacts) -> Builder {
    let builder = settings::builder_with_schema(project, dialect, facts.schema).generic_tests(facts.generic_tests);
    let builder = builder.current_date(Zoned::now().date().to_string());
    let builder = match facts.groups {
        Some(groups) => builder.groups(groups),
        None => builder,
    };
    match facts.dbt_version {
        Some(version) => builder.dbt_version(&version),
        None => builder,
    }
}
