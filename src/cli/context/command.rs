//! Loads the schema, the models and the settings for a command that can run with or without a project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use formulac::{Builder, CompiledSpec, Compiler, Dialect, KnownFacts, Project, Schema, SpecText};

use super::notes::{report_undecided_types, report_unknown_relation};
use super::{KnownFactsPrecedence, builder_with_known_facts, known_facts_from_schema_option};
use crate::cli::args::{Settings, TargetOptions};
use crate::cli::commands::compile::CompileOutcome;
use crate::cli::exit::Failure;
use crate::cli::models;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::{SourceText, spec_texts};
use crate::cli::spec::{self, Spec, SpecPaths};
use crate::cli::workspace::Workspace;

/// Schema, models and settings for a command that can run with or without a project.
pub struct CommandContext {
    /// The project, which may be a dbt project without `formulac.yml`.
    pub workspace: Option<Workspace>,
    pub project: Project,
    pub dialect: Dialect,
    /// Schema given with `--schema`.
    given: Option<Schema>,
    facts: KnownFacts,
}

impl CommandContext {
    /// Loads the schema, the models and the settings from the project and from `--schema`.
    pub fn new(session: &Session, target: &TargetOptions) -> Result<Self, Failure> {
        let workspace = Workspace::find_workspace_or_dbt_project(session)?;
        let project = workspace
            .as_ref()
            .map(|workspace| workspace.project.clone())
            .unwrap_or_default();
        // Ignore the error, because formulas can be compiled even if dbt's adapter is unknown.
        let project_dialect = || workspace.as_ref().and_then(|workspace| workspace.dialect(target).ok());
        let dialect = target.dialect.or_else(project_dialect).unwrap_or_default();
        let given = known_facts_from_schema_option(session, target, dialect)?;
        let schema = given.as_ref().map(|given| given.schema.clone());
        let facts = match &workspace {
            Some(workspace) => workspace.combine_known_facts(given, KnownFactsPrecedence::Committed, dialect)?,
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

    /// Returns a compiler builder with this schema and these settings. The caller can add settings.
    pub fn builder(&self) -> Builder {
        let facts = self.facts.clone();
        let builder = match &self.workspace {
            Some(workspace) => workspace.builder(self.dialect, facts),
            None => builder_with_known_facts(&self.project, self.dialect, facts),
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

    /// Returns the known relations.
    pub fn schema(&self) -> &Schema {
        &self.facts.schema
    }

    pub fn compiler(&self) -> Compiler {
        self.builder().build()
    }

    /// Returns the compiler for a formula or definitions. Without `--from`, the formula reads the relations of
    /// `--schema` if one of them has all columns named in the formula. Otherwise, the formula reads the project's
    /// relation with all these columns, if there is exactly one. If there is none or more than one, the formula reads
    /// the relations of `--schema`. Without `--schema`, the types are unknown, and a note lists the candidates.
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
        let builder = settings.apply_to(self.builder(), self.schema())?;
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
            .apply_to(
                builder_with_known_facts(&self.project, self.dialect, KnownFacts::default()),
                self.schema(),
            )?
            .build();
        let names = find_columns_read(&unknowing, settings, text);
        let is_given = |given: &Compiler| names.is_empty() || !given.relations_with_columns(&names).is_empty();
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
        let candidates = compiler.relations_with_columns(&names);
        if let [one] = candidates.as_slice() {
            return Ok(formulas(builder.from(one).build().with_models(&models)));
        }
        if let Some(given) = given {
            return Ok(formulas(given));
        }
        let has_all_columns = self.workspace.as_ref().map_or(Ok(true), Workspace::has_catalog)?;
        report_unknown_relation(session, &names, &candidates, has_all_columns);
        Ok(FormulaSettings {
            compiler: unknowing,
            is_noted: true,
        })
    }

    /// Reads all specs of the project except `sources`, even if the paths of `sources` are spelled differently. Returns
    /// an empty list if there is no project or no folder with specs.
    fn remaining_project_specs(
        &self,
        sources: &[(SourceText, Option<String>)],
    ) -> Result<Vec<(SourceText, Option<String>)>, Failure> {
        let Some(workspace) = &self.workspace else {
            return Ok(Vec::new());
        };
        let given = SpecPaths::new(sources.iter().map(|(source, _)| source.name.as_str()));
        let mut paths = workspace.existing_specs()?;
        paths.retain(|path| given.index_of(path).is_none());
        let mut others = self.read_sources(&paths);
        others.retain(|(source, _)| source.fault.is_none());
        Ok(others)
    }

    /// Compiles specs. A spec may read the models of the other given specs and of the project's other specs.
    pub fn compile_specs(
        &self,
        compiler: &Compiler,
        sources: Vec<(SourceText, Option<String>)>,
    ) -> Result<Vec<Spec>, Failure> {
        let count = sources.len();
        let others = self.remaining_project_specs(&sources)?;
        Ok(spec::compile_with_context_specs(
            compiler,
            self.root(),
            sources.into_iter().chain(others).collect(),
            count,
            || {},
        ))
    }

    /// Returns the compiler and the column types for relations whose rows are in data files. `schema` is the schema
    /// inferred from the files.
    pub fn data_file_context(&self, schema: Option<Schema>) -> DataFileContext {
        DataFileContext::new(self.builder(), &self.facts, schema)
    }

    /// Reads the sources of specs. Each source comes with its path relative to the project.
    pub fn read_sources(&self, paths: &[PathBuf]) -> Vec<(SourceText, Option<String>)> {
        models::read_sources(paths, self.root())
    }

    /// Returns the path of a spec relative to the project. Standard input has no path.
    pub fn project_path(&self, path: &Path) -> Option<String> {
        project::path_in_project(path, self.root())
    }

    /// Returns the paths of several specs, in the same form as [`Self::project_path`].
    pub fn project_paths(&self, paths: &[PathBuf]) -> Vec<Option<String>> {
        project::paths_in_project(paths, self.root())
    }

    fn root(&self) -> Option<&Path> {
        self.workspace.as_ref().map(|workspace| workspace.root.as_path())
    }

    /// Returns a compiler that also uses the models of the project's specs.
    pub fn with_project_models(&self, compiler: &Compiler) -> Result<Compiler, Failure> {
        Ok(compiler.with_models(&self.compile_models()?))
    }

    /// Returns a compiler that also has the metric sets among the given specs and the project's other specs.
    pub fn with_metric_sets(
        &self,
        compiler: &Compiler,
        sources: &[(SourceText, Option<String>)],
    ) -> Result<Compiler, Failure> {
        let others = self.remaining_project_specs(sources)?;
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
        let sources = self.remaining_project_specs(&[])?;
        Ok(spec::compile_texts(
            &self.compiler(),
            self.root(),
            &spec_texts(&sources),
            sources.len(),
            || {},
        ))
    }
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

/// Compiler and column types for data files. Column types of the project take precedence over types inferred from the
/// files.
pub struct DataFileContext {
    pub compiler: Compiler,
    /// Types to which columns are cast.
    pub typed: Schema,
}

impl DataFileContext {
    /// Combines the project's schema with the schema of data files. `schema` is the schema that is inferred from the
    /// files, or `None` if the engine reads its own relations.
    pub fn new(builder: Builder, facts: &KnownFacts, schema: Option<Schema>) -> Self {
        let builder = match schema {
            // If relations are read from files, a relation without a file counts as missing, even if the project
            // describes it.
            Some(schema) => builder.schema(schema.with_properties_of(&facts.schema)),
            None => builder,
        };
        Self {
            compiler: builder.build(),
            typed: facts.schema.clone(),
        }
    }
}

/// Returns the columns that a formula uses. A column is written as `relation.column` if the formula specifies the
/// relation.
fn find_columns_read(unknowing: &Compiler, settings: &Settings, text: &str) -> BTreeSet<String> {
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
