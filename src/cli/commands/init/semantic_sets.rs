//! Proposes metric sets for dbt's semantic models.

use std::collections::BTreeMap;

use formulac::artifacts::{DbtSemanticModel, ManifestNode, NodeDetail, ResourceType};
use formulac::{Compiler, Dialect};

use super::dbt_metrics;
use super::metric_set_text::build_metric_set;
use crate::cli::dbt_project::DbtProject;
use crate::cli::exit::Failure;

/// Maximum number of times that a metric set is built again without the measures that have errors.
const MAX_BUILD_ATTEMPTS: usize = 4;

/// Metric set for a semantic model.
#[derive(Debug)]
pub struct SemanticMetricSet {
    pub name: String,
    pub text: String,
    /// Messages about omitted measures.
    pub omissions: Vec<String>,
    /// Reason, if any, why the text is not a metric set.
    pub fault: Option<String>,
}

/// Returns a metric set for each of the project's semantic models that has measures. Skips the semantic models that
/// formulac generated in the folder `generated`. Also returns messages about metrics whose semantic model has no
/// measures.
pub fn find(
    dbt: &DbtProject,
    dialect: Dialect,
    generated: &str,
) -> Result<(Vec<SemanticMetricSet>, Vec<String>), Failure> {
    let mut metric_sets = Vec::new();
    let Some(artifacts) = dbt.artifacts()? else {
        return Ok((metric_sets, Vec::new()));
    };
    let schema = artifacts.known_relations(dialect, None)?.schema;
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let project_package = artifacts.manifest.metadata.project_name.as_deref();
    let is_written = |node: &&ManifestNode| {
        let is_foreign = project_package.is_some_and(|own_package| own_package != &*node.package);
        !is_foreign && !node.original_file_path.replace('\\', "/").starts_with(generated)
    };
    let nodes = |kind| artifacts.manifest.with_type(kind).filter(is_written);
    let mut models: Vec<(&ManifestNode, DbtSemanticModel)> = nodes(ResourceType::SemanticModel)
        .filter_map(|node| match &node.detail {
            NodeDetail::SemanticModel(model) => Some((node, (**model).clone())),
            _ => None,
        })
        .collect();
    dbt_metrics::add_measures_of_metrics(&mut models, nodes(ResourceType::Metric));
    models.retain(|(_, model)| !model.measures.is_empty());
    let mut metrics = dbt_metrics::metrics_by_semantic_model(&models, nodes(ResourceType::Metric));
    for &(node, ref model) in &models {
        let metrics = metrics.remove(&*node.name).unwrap_or_default();
        let mut omitted = BTreeMap::new();
        let mut set = build_metric_set((node, model), &metrics, &omitted);
        // Measures with errors are omitted. A measure that uses an omitted measure may then have an error too.
        for attempt in 0..=MAX_BUILD_ATTEMPTS {
            let compiled = compiler.compile_spec(&set.text);
            let mut faults = compiled
                .diagnostics()
                .iter()
                .filter(|fault| fault.is_error())
                .peekable();
            if let Some(fault) = faults.peek() {
                set.fault = Some(fault.message().to_owned());
            }
            let omitted_count = omitted.len();
            for fault in faults {
                let line = set
                    .text
                    .get(..fault.span().start as usize)
                    .map(|before| before.matches('\n').count());
                let line = line.and_then(|line| set.text.lines().nth(line));
                let name = line
                    .and_then(|line| line.trim().split_once(" = "))
                    .map(|(name, _)| name.to_owned());
                omitted.extend(name.map(|name| (name, fault.message().to_owned())));
            }
            if omitted.len() == omitted_count || attempt == MAX_BUILD_ATTEMPTS {
                break;
            }
            set = build_metric_set((node, model), &metrics, &omitted);
        }
        metric_sets.push(set);
    }
    Ok((
        metric_sets,
        metrics.into_values().flat_map(|unknown| unknown.omissions).collect(),
    ))
}
