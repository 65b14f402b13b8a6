//! Effects of a change on semantic models and metrics.

use std::cmp::Reverse;

use super::graph::Graph;
use super::metric_filters::filter_references;
use super::propagate::{ChangeSeverity, NodeState, NodeStates};
use crate::artifacts::{DbtSemanticModel, Measure, MetaValue, Metric, NodeDetail};
use crate::dialect::Dialect;
use crate::lineage::{self, ColumnChange};

/// Returns the elements of a semantic model, each with the columns that it reads. The elements include measures that
/// are defined inside metrics (`inline_measures`). The columns are `None` if the SQL of the element cannot be traced.
fn semantic_elements_with_columns(
    model: &DbtSemanticModel,
    inline_measures: &[Measure],
    dialect: Option<Dialect>,
) -> Vec<(String, Option<Vec<String>>)> {
    let columns = |name: &str, expr: Option<&str>| match expr {
        None => Some(vec![name.to_lowercase()]),
        Some(expr) => lineage::columns_of_expression(expr, dialect),
    };
    let entities = model.entities.iter().map(|entity| (&entity.name, &entity.expr));
    let dimensions = model
        .dimensions
        .iter()
        .map(|dimension| (&dimension.name, &dimension.expr));
    let plain = entities
        .chain(dimensions)
        .map(|(name, expr)| (name.to_string(), columns(name, expr.as_deref())));
    let measures = model.measures.iter().chain(inline_measures).map(|measure| {
        let mut read_columns = columns(&measure.name, measure.expr.as_deref());
        // A measure depends on its time dimension.
        let time = measure
            .agg_time_dimension
            .as_ref()
            .or(model.agg_time_dimension.as_ref());
        let time = time.and_then(|time| model.dimensions.iter().find(|dimension| dimension.name == *time));
        if let (Some(measure_columns), Some(time)) = (&mut read_columns, time) {
            measure_columns.extend(columns(&time.name, time.expr.as_deref()).unwrap_or_default());
        }
        (measure.name.to_string(), read_columns)
    });
    plain.chain(measures).collect()
}

/// Grades a semantic model based on its elements that read changed columns.
pub(super) fn assess_effect_on_semantic_model(
    graph: &Graph<'_>,
    index: usize,
    states: &NodeStates,
    state: &mut NodeState,
) {
    let Some(NodeDetail::SemanticModel(model)) = graph
        .nodes
        .get(index)
        .and_then(|part| part.node)
        .map(|node| &node.detail)
    else {
        return;
    };
    let children = graph.children.get(index).into_iter().flatten();
    let inline_measures: Vec<Measure> = children.filter_map(|child| inline_measure(graph, *child)).collect();
    let elements = semantic_elements_with_columns(model, &inline_measures, graph.sources.dialect);
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent) else { continue };
        let name = graph.node_name(*parent);
        if before.fails.is_some() {
            state.fails = Some(Some((*parent, None)));
            state.raise_severity(
                ChangeSeverity::Breaking,
                format!("the input `{name}` fails or was removed"),
                Some((*parent, None)),
            );
        }
        for (element, columns) in &elements {
            let Some(columns) = columns else {
                if before.is_affected() {
                    let via = Some((*parent, None));
                    state
                        .columns
                        .insert(element.to_lowercase(), (ColumnChange::Values, via.clone()));
                    state.raise_severity(
                        ChangeSeverity::Changing,
                        format!("`{element}` may depend on the changes in `{name}`"),
                        via,
                    );
                    state.reason_for_whole_node = Some(format!("the SQL of `{element}` cannot be analyzed"));
                }
                continue;
            };
            let changed = columns
                .iter()
                .filter_map(|column| Some((column, before.column_change(Some(column))?)));
            let worst = changed.max_by_key(|(_, change)| *change);
            let worst = worst.map(|(column, change)| (Some(column.clone()), change));
            let Some((column, change)) = worst.or_else(|| before.column_change(None).map(|change| (None, change)))
            else {
                continue;
            };
            let via = Some((*parent, column.clone()));
            let source_name = column.map_or_else(|| name.clone(), |column| format!("{name}.{column}"));
            let (severity, reason) = match change {
                ColumnChange::Removed => (
                    ChangeSeverity::Breaking,
                    format!("`{element}` reads `{source_name}`, which was removed"),
                ),
                ColumnChange::Type => (
                    ChangeSeverity::Breaking,
                    format!("`{element}` reads `{source_name}`, whose type changes"),
                ),
                ColumnChange::Values => (
                    ChangeSeverity::Changing,
                    format!("`{element}` is derived from `{source_name}`"),
                ),
            };
            state.columns.insert(element.to_lowercase(), (change, via.clone()));
            state.raise_severity(severity, reason, via);
        }
    }
}

/// Returns the measure that is defined inside a metric.
fn inline_measure(graph: &Graph<'_>, index: usize) -> Option<Measure> {
    let node = graph.nodes.get(index)?.node?;
    match &node.detail {
        NodeDetail::Metric(metric) => Some(metric.inline_measure(&node.name)?.1),
        _ => None,
    }
}

/// Grades a metric based on its measures and input metrics.
pub(super) fn assess_effect_on_metric(graph: &Graph<'_>, index: usize, states: &NodeStates, state: &mut NodeState) {
    let Some(node) = graph.nodes.get(index).and_then(|part| part.node) else {
        return;
    };
    let NodeDetail::Metric(metric) = &node.detail else {
        return;
    };
    let inline_measure = metric.inline_measure(&node.name);
    let measured_model = inline_measure.as_ref().map(|(model, _)| *model);
    let inline_name = inline_measure.as_ref().map(|(_, measure)| &*measure.name);
    let measures: Vec<&str> = measures_of_metric(metric).into_iter().chain(inline_name).collect();
    let filters = filter_references(metric);
    // The other kinds of metrics are computed from metrics, which are nodes of the graph.
    let has_known_inputs = !measures.is_empty() || matches!(&*metric.kind, "derived" | "ratio");
    for parent in graph.parents.get(index).into_iter().flatten() {
        let Some(before) = states.get(parent).filter(|before| before.is_affected()) else {
            continue;
        };
        let Some(part) = graph.nodes.get(*parent) else { continue };
        let name = part.name();
        let semantic_model = part.node.and_then(|node| match &node.detail {
            NodeDetail::SemanticModel(model) => Some(model),
            _ => None,
        });
        let filter_elements = semantic_model.map(|model| {
            let is_measured = measured_model == Some(name.as_str())
                || model.measures.iter().any(|measure| measures.contains(&&*measure.name));
            let references = filters.iter().flatten();
            let elements = references.flat_map(|reference| reference.elements_of(model, is_measured));
            elements.collect()
        });
        let filter_elements: Vec<&str> = filter_elements.unwrap_or_default();
        let elements = measures.iter().map(|measure| (*measure, "the metric is derived from"));
        let elements = elements.chain(
            filter_elements
                .iter()
                .map(|element| (*element, "a filter of the metric reads")),
        );
        let changes = elements.filter_map(|(element, relationship)| {
            Some((element, relationship, before.columns.get(&element.to_lowercase())?.0))
        });
        // Of equal changes, report the first.
        let worst = changes.min_by_key(|(.., change)| Reverse(*change));
        match worst {
            Some((element, relationship, change)) => {
                let severity = if change == ColumnChange::Values {
                    ChangeSeverity::Changing
                } else {
                    ChangeSeverity::Breaking
                };
                state.raise_severity(
                    severity,
                    format!("{relationship} `{name}.{element}`"),
                    Some((*parent, Some(element.to_owned()))),
                );
            }
            None if before.fails.is_some() => {
                state.raise_severity(
                    ChangeSeverity::Breaking,
                    format!("`{name}` fails or was removed"),
                    Some((*parent, None)),
                );
            }
            // The metric is unaffected, because all of its measures and filters are known and none of them change.
            None if semantic_model.is_some() && has_known_inputs && filters.is_some() => continue,
            None => {
                state.raise_severity(
                    before.severity.max(ChangeSeverity::Changing),
                    format!("the metric is derived from `{name}`"),
                    Some((*parent, None)),
                );
                if semantic_model.is_some() {
                    state.reason_for_whole_node =
                        Some("the measures or dimensions of the metric are unknown".to_owned());
                }
            }
        }
        state.rows.get_or_insert(Some((*parent, None)));
    }
}

fn measures_of_metric(metric: &Metric) -> Vec<&str> {
    let listed = metric
        .type_params
        .get("input_measures")
        .and_then(MetaValue::as_list)
        .unwrap_or_default();
    let listed_measures = listed
        .iter()
        .filter_map(|part| part.as_str().or_else(|| part.as_map()?.get("name")?.as_str()));
    listed_measures.chain(metric.type_parameter("measure")).collect()
}
