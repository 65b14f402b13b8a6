//! Semantic models that the filters of metrics read.

use super::ImpactGraphNode;
use crate::artifacts::NodeDetail;
use crate::metric_filters::filter_references;

/// Adds the semantic models whose dimensions the filters of a metric read to the metric's parents. dbt lists only the
/// semantic models of the measures.
pub(super) fn add_parents_of_metric_filters(parts: &[ImpactGraphNode<'_>], parents: &mut [Vec<usize>]) {
    let details = || parts.iter().map(|part| part.node.map(|node| &node.detail)).enumerate();
    let semantic_models: Vec<_> = details()
        .filter_map(|(index, detail)| match detail? {
            NodeDetail::SemanticModel(model) => Some((index, model)),
            _ => None,
        })
        .collect();
    for ((_, detail), read) in details().zip(parents) {
        let Some(NodeDetail::Metric(metric)) = detail else {
            continue;
        };
        for reference in filter_references(metric).into_iter().flatten() {
            let models = semantic_models
                .iter()
                .filter(|(_, model)| reference.is_element_of(model));
            read.extend(models.map(|(index, _)| *index));
        }
        read.sort_unstable();
        read.dedup();
    }
}
