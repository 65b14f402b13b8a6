//! Finds the models whose SQL changes because of a change to `known.yml`.

use std::collections::BTreeSet;

use formulac::sync::KNOWN;
use formulac::{CompiledSpec, Known, Project, SpecText};

use super::open_changes::read_project_at;
use crate::cli::commands::sync::Repository;
use crate::cli::exit::Failure;
use crate::cli::knowledge::builder_with_known;
use crate::cli::project;
use crate::cli::workspace::{Workspace, normalize_folder};

/// A model whose SQL changes because of the facts in `known.yml`, with the path of its spec.
pub struct ModelChangedByFacts {
    pub model: String,
    pub spec: String,
}

/// Compiles the specs of a commit twice: with the facts of an earlier commit, and with the facts of the commit
/// itself. Returns the models whose SQL differs. Models that were not generated before are skipped, because their
/// first push adds the facts that they read. dbt's artifacts are not read, so the result is the same on every
/// machine.
pub fn models_changed_by_facts(
    place: &Workspace,
    repository: &Repository,
    before: &str,
    now: &str,
) -> Result<Vec<ModelChangedByFacts>, Failure> {
    let (facts_before, facts_now) = (known_at_commit(repository, before)?, known_at_commit(repository, now)?);
    let project = read_project_at(repository, now)?;
    let specs = specs_at_commit(repository, now, &project)?;
    let texts: Vec<SpecText<'_>> = specs
        .iter()
        .map(|(path, text)| SpecText {
            text,
            path: Some(path.as_str()),
        })
        .collect();
    let compiled = |own: &Known, other: &Known| {
        let dialect = project.dialect().or(own.dialect).or(other.dialect).unwrap_or_default();
        let builder = builder_with_known(&project, dialect, own.clone()).contracts(place.enforces_contracts());
        builder.build().compile_specs(&texts)
    };
    let earlier = compiled(&facts_before, &facts_now);
    let later = compiled(&facts_now, &facts_before);
    let generated = repository.files_in_commit(before, &[".".to_owned()])?;
    let generated: BTreeSet<&str> = generated
        .iter()
        .filter_map(|path| path.rsplit('/').next()?.strip_suffix(".sql"))
        .collect();
    let pairs = earlier
        .iter()
        .zip(&later)
        .zip(&specs)
        .filter(|((one, other), _)| model_and_test_sql(one) != model_and_test_sql(other));
    let named = pairs.filter_map(|((one, _), (spec, _))| {
        Some(ModelChangedByFacts {
            model: one.name()?.to_owned(),
            spec: spec.clone(),
        })
    });
    Ok(named.filter(|it| generated.contains(it.model.as_str())).collect())
}

/// Returns the facts in `known.yml` of a commit.
pub(super) fn known_at_commit(repository: &Repository, commit: &str) -> Result<Known, Failure> {
    let text = repository.file_texts(commit, &[KNOWN.to_owned()])?.pop().flatten();
    Ok(text.map_or_else(|| Known::default().as_partial_list(), |text| Known::from_text(&text).0))
}

/// Returns the SQL of a model and of its tests that are separate files.
pub(super) fn model_and_test_sql(spec: &CompiledSpec) -> Vec<&str> {
    spec.model_sql()
        .into_iter()
        .chain(spec.model_tests().iter().map(formulac::ModelTest::sql))
        .collect()
}

/// Returns the specs of a commit: their paths relative to the project, and their contents.
pub(super) fn specs_at_commit(
    repository: &Repository,
    commit: &str,
    project: &Project,
) -> Result<Vec<(String, String)>, Failure> {
    let folder = normalize_folder(project.specs().unwrap_or(project::SPECS));
    let mut paths = repository.files_in_commit(commit, &[folder])?;
    paths.retain(|path| project::is_yaml(path.as_ref()));
    let texts = repository.file_texts(commit, &paths)?;
    Ok(paths
        .into_iter()
        .zip(texts)
        .filter_map(|(path, text)| Some((path, text?)))
        .collect())
}
