//! Compiles the specs of a commit with the `known.yml` of the same commit or of another commit.

use formulac::sync::KNOWN_FACTS_PATH;
use formulac::{CompiledSpec, Compiler, Dialect, KnownFacts, Project, SpecText};

use crate::cli::commands::sync::Repository;
use crate::cli::exit::Failure;
use crate::cli::project;
use crate::cli::workspace::{Workspace, normalize_folder};

/// Specs of a commit, and the project file of that commit.
pub struct SpecsAtCommit {
    project: Project,
    /// Paths of the specs relative to the project, and their contents.
    specs: Vec<(String, String)>,
}

impl SpecsAtCommit {
    pub fn read(repository: &Repository, commit: &str) -> Result<Self, Failure> {
        let project = read_project_at(repository, commit)?;
        let folder = normalize_folder(project.specs().unwrap_or(project::DEFAULT_SPECS_FOLDER));
        let mut paths = repository.files_in_commit(commit, &[folder])?;
        paths.retain(|path| project::is_yaml(path.as_ref()));
        let texts = repository.file_contents_at_commit(commit, &paths)?;
        let specs = paths.into_iter().zip(texts);
        let specs = specs.filter_map(|(path, text)| Some((path, text?))).collect();
        Ok(Self { project, specs })
    }

    /// Returns the paths of the specs, relative to the project.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.specs.iter().map(|(path, _)| path)
    }

    /// Returns the specs' paths, relative to the project, and contents.
    pub fn texts(&self) -> &[(String, String)] {
        &self.specs
    }

    /// Compiles the specs in order. `other` is the dialect to use if neither the project nor `facts` specifies one.
    /// dbt's artifacts are not read, so the result is the same on every machine.
    pub fn compile(&self, workspace: &Workspace, facts: &KnownFacts, other: Option<Dialect>) -> Vec<CompiledSpec> {
        let dialect = self.project.dialect().or(facts.dialect).or(other).unwrap_or_default();
        let builder = workspace.builder_for_project(&self.project, dialect, facts.clone());
        self.compile_with(&builder.build())
    }

    /// Compiles the specs in order with the given compiler.
    pub fn compile_with(&self, compiler: &Compiler) -> Vec<CompiledSpec> {
        let specs = self.specs.iter();
        let texts: Vec<SpecText<'_>> = specs.map(|(path, text)| SpecText { text, path: Some(path) }).collect();
        compiler.compile_specs(&texts)
    }
}

/// Returns the project file of a commit.
pub fn read_project_at(repository: &Repository, commit: &str) -> Result<Project, Failure> {
    let text = repository
        .file_contents_at_commit(commit, &[project::PROJECT_FILE.to_owned()])?
        .pop()
        .flatten();
    Ok(text.map(|text| Project::from_text(&text).0).unwrap_or_default())
}

/// Returns the parsed `known.yml` of a commit.
pub fn read_known_facts_at_commit(repository: &Repository, commit: &str) -> Result<KnownFacts, Failure> {
    let text = repository
        .file_contents_at_commit(commit, &[KNOWN_FACTS_PATH.to_owned()])?
        .pop()
        .flatten();
    Ok(text.map_or_else(
        || KnownFacts::default().mark_as_incomplete(),
        |text| KnownFacts::from_text(&text).0,
    ))
}

/// Returns the SQL of a model and of its standalone test files.
pub fn model_and_test_sql(spec: &CompiledSpec) -> Vec<&str> {
    spec.model_sql()
        .into_iter()
        .chain(spec.model_tests().iter().map(formulac::ModelTest::sql))
        .collect()
}
