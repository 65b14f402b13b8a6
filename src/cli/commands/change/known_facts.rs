//! Finds the models whose SQL changes because of a change to `known.yml`.

use std::collections::BTreeSet;

use crate::cli::commands::sync::Repository;
use crate::cli::exit::Failure;
use crate::cli::specs_at_commit::{SpecsAtCommit, model_and_test_sql, read_known_facts_at_commit};
use crate::cli::workspace::Workspace;

/// A model whose SQL changes because of a change to `known.yml`, with the path of its spec.
pub struct ModelChangeFromKnownFacts {
    pub model: String,
    pub spec: String,
}

/// Compiles the specs of a commit twice: with the `known.yml` of an earlier commit and with the `known.yml` of the
/// commit itself. Returns the models whose SQL differs. Models that were not generated before are skipped, because
/// their first push adds the entries that they need. dbt's artifacts are not read, so the result is the same on every
/// machine.
pub fn find_models_changed_by_known_facts(
    workspace: &Workspace,
    repository: &Repository,
    before: &str,
    now: &str,
) -> Result<Vec<ModelChangeFromKnownFacts>, Failure> {
    let (facts_before, facts_now) = (
        read_known_facts_at_commit(repository, before)?,
        read_known_facts_at_commit(repository, now)?,
    );
    let specs = SpecsAtCommit::read(repository, now)?;
    let earlier = specs.compile(workspace, &facts_before, facts_now.dialect);
    let later = specs.compile(workspace, &facts_now, facts_before.dialect);
    let generated = repository.files_in_commit(before, &[".".to_owned()])?;
    let generated: BTreeSet<&str> = generated
        .iter()
        .filter_map(|path| path.rsplit('/').next()?.strip_suffix(".sql"))
        .collect();
    let pairs = earlier
        .iter()
        .zip(&later)
        .zip(specs.paths())
        .filter(|((compiled, other), _)| model_and_test_sql(compiled) != model_and_test_sql(other));
    let changes = pairs.filter_map(|((compiled, _), spec)| {
        Some(ModelChangeFromKnownFacts {
            model: compiled.name()?.to_owned(),
            spec: spec.clone(),
        })
    });
    Ok(changes
        .filter(|change| generated.contains(change.model.as_str()))
        .collect())
}
