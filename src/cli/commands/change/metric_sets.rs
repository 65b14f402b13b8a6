//! Finds the models whose SQL changes because of a change to a metric set.

use std::collections::BTreeMap;

use formulac::CompiledSpec;

use crate::cli::commands::sync::Repository;
use crate::cli::exit::Failure;
use crate::cli::specs_at_commit::{SpecsAtCommit, model_and_test_sql, read_known_facts_at_commit};
use crate::cli::workspace::Workspace;

/// Compiles the specs of two commits, and returns the paths of the models that are built on metric sets and whose SQL
/// differs. `changed` contains the spec files that differ. Specs are compiled only if these files include a metric set.
pub fn models_changed_by_metric_sets(
    workspace: &Workspace,
    repository: &Repository,
    (before, now): (&str, &str),
    changed: &[String],
) -> Result<Vec<String>, Failure> {
    let texts = |commit: &str| repository.file_contents_at_commit(commit, changed);
    let (old, new) = (texts(before)?, texts(now)?);
    let mut texts = old.iter().chain(&new).flatten();
    if !texts.any(|text| text.contains("metric_set")) {
        return Ok(Vec::new());
    }
    let (earlier, later) = (
        compile_commit(workspace, repository, before)?,
        compile_commit(workspace, repository, now)?,
    );
    let is_changed = |(path, spec): &(&String, &CompiledSpec)| {
        let old = earlier.get(*path).map(model_and_test_sql);
        spec.is_over_sets() && old.is_some_and(|old| old != model_and_test_sql(spec))
    };
    Ok(later.iter().filter(is_changed).map(|(path, _)| path.clone()).collect())
}

/// Compiles the specs of a commit with the `known.yml` of that commit. Returns the results by path.
fn compile_commit(
    workspace: &Workspace,
    repository: &Repository,
    commit: &str,
) -> Result<BTreeMap<String, CompiledSpec>, Failure> {
    let specs = SpecsAtCommit::read(repository, commit)?;
    let compiled = specs.compile(workspace, &read_known_facts_at_commit(repository, commit)?, None);
    Ok(specs.paths().cloned().zip(compiled).collect())
}
