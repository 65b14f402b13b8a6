//! Writes release notes: all models if this is the first release, otherwise the changes to the models since the
//! previous release. Changes that were pushed and rolled back since the last release are not listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use formulac::sync::{CurrentSpec, ModelAction};
use formulac_syntax::text::{collapse_whitespace, format_count};

use super::tags::Release;
use crate::cli::commands::sync::{PlannedModels, Repository};
use crate::cli::exit::Failure;
use crate::cli::specs_at_commit::SpecsAtCommit;
use crate::cli::workspace::Workspace;

/// Returns the notes that follow the release's name.
pub fn write_notes(
    workspace: &Workspace,
    repository: &Repository,
    last: Option<&Release>,
    planned_models: &PlannedModels,
) -> Result<String, Failure> {
    let Some(last) = last else {
        return Ok(first_release_notes(&planned_models.ours));
    };
    let mut text = format!("Since {}:\n", last.name);
    if !planned_models.has_no_errors() {
        text.push_str("  unknown, because the specs have errors\n");
        return Ok(text);
    }
    let before = models_at_commit(workspace, repository, &last.commit, planned_models)?;
    let differing = repository.files_differing_between(&last.commit, "HEAD")?;
    let differing: BTreeSet<&str> = differing.iter().map(|file| file.path.as_str()).collect();
    let names: BTreeSet<&String> = before.keys().chain(planned_models.ours.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        match (before.get(name), planned_models.ours.get(name)) {
            (None, Some(ours)) => {
                lines.push(format!("{} {name}", ModelAction::Create.name()));
                lines.extend(
                    ours.compiled
                        .definitions()
                        .iter()
                        .map(|definition| indented_line(&format!("{}: {}", definition.name(), definition.formula()))),
                );
            }
            (Some(_), None) => lines.push(format!("{} {name}", ModelAction::Delete.name())),
            (Some(before), Some(ours)) => {
                let changes = before
                    .as_ref()
                    .map(|before| ours.changes_since(name, before))
                    .unwrap_or_default();
                if changes.is_empty() && !ours.files.keys().any(|path| differing.contains(path.as_str())) {
                    continue;
                }
                lines.push(format!("{} {name}", ModelAction::Update.name()));
                lines.extend(changes.iter().map(|change| indented_line(&change.to_string())));
                if changes.is_empty() {
                    lines.push(indented_line("only files changed, no definitions"));
                }
            }
            (None, None) => {}
        }
    }
    if lines.is_empty() {
        lines.push("no model of a spec changed".to_owned());
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    Ok(text)
}

/// Formats a formula or a sentence on one indented line.
fn indented_line(text: &str) -> String {
    format!("  {}", collapse_whitespace(text))
}

fn first_release_notes(ours: &BTreeMap<String, CurrentSpec>) -> String {
    let mut text = format!(
        "The first release, of {}:\n",
        format_count(ours.len(), "model", "models")
    );
    for name in ours.keys() {
        let _ = writeln!(text, "  {name}");
    }
    text
}

/// Returns the models of the specs in a commit, by name. The value is `None` if the spec does not compile.
fn models_at_commit(
    workspace: &Workspace,
    repository: &Repository,
    commit: &str,
    planned_models: &PlannedModels,
) -> Result<BTreeMap<String, Option<CurrentSpec>>, Failure> {
    let specs = SpecsAtCommit::read(repository, commit)?;
    let ours = planned_models.ours.iter();
    let now: BTreeMap<&str, (&String, &CurrentSpec)> =
        ours.map(|(name, spec)| (spec.spec.as_str(), (name, spec))).collect();
    let unchanged = specs.texts().iter().map(|(path, text)| {
        let (name, ours) = now.get(path.as_str())?;
        (ours.source == *text).then_some((*name, *ours))
    });
    let unchanged: Vec<Option<(&String, &CurrentSpec)>> = unchanged.collect();
    let models = unchanged.iter().flatten();
    let mut models: BTreeMap<_, _> = models
        .map(|(name, ours)| ((*name).clone(), Some((*ours).clone())))
        .collect();
    // If all models are unchanged, nothing is compiled again. Older specs are compiled with the same schema as the
    // plan, so that only changes to the specs count.
    let is_changed = |unchanged: &Option<_>| unchanged.is_none();
    if let Some(tools) = planned_models
        .tools
        .as_ref()
        .filter(|_| unchanged.iter().any(is_changed))
    {
        let compiled = specs.compile_with(tools.compiler_without_models());
        let (folder, tests) = workspace.output_folders();
        let compiled = specs.texts().iter().zip(compiled).zip(&unchanged);
        for (((path, text), compiled), _) in compiled.filter(|(_, unchanged)| is_changed(unchanged)) {
            if let Some(name) = compiled.name().map(str::to_owned) {
                models.insert(name, CurrentSpec::new(path, text, compiled, &folder, &tests));
            }
        }
    }
    Ok(models)
}
