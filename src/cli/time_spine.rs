//! Time spine: a model with one row per day, which dbt requires for semantic models.

use formulac::artifacts::{Manifest, ManifestNode};
use formulac::diag::{Code, Diagnostic};

use formulac::CompiledSpec;

use super::dbt_project::DbtProject;
use super::exit::FileDiagnostics;

/// Help for a project without a time spine: the content of a model to add, and its properties.
const TIME_SPINE_HELP: &str = "with `{{ config(materialized='table') }} select cast(date_day as date) as date_day from ({{ dbt.date_spine('day', \"cast('2015-01-01' as date)\", \"cast('2035-01-01' as date)\") }}) as days`, and to a properties file `models: [{name: time_spine, time_spine: {standard_granularity_column: date_day}, columns: [{name: date_day, granularity: day}]}]`";

/// Returns whether the project has a manifest but no time spine.
pub fn lacks_time_spine(manifest: &Manifest) -> bool {
    manifest.metadata.dbt_version.is_some() && !manifest.nodes.iter().any(ManifestNode::is_time_spine)
}

/// Adds one warning about the missing time spine if a spec has a semantic model. Each model has the index of its spec.
pub fn warn_if_time_spine_missing<'m>(
    dbt: Option<&DbtProject>,
    mut models: impl Iterator<Item = (usize, &'m CompiledSpec)>,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let Some((spec, compiled)) = models.find(|(_, compiled)| compiled.semantic_model().is_some()) else {
        return;
    };
    let message = "dbt needs a time spine, but the project has none".to_owned();
    let folder = dbt.and_then(|dbt| dbt.model_paths.first());
    let folder = folder.map_or("models", |folder| folder.trim_end_matches('/'));
    let help = format!("add `{folder}/time_spine.sql` {TIME_SPINE_HELP}");
    let warning = Diagnostic::new(Code::NoTimeSpine, compiled.name_span(), message).with_help(help);
    file_diagnostics
        .iter_mut()
        .skip(spec)
        .take(1)
        .for_each(|file_diagnostics| file_diagnostics.diagnostics.push(warning.clone()));
}
