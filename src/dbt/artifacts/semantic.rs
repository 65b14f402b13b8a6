//! Semantic models and metrics of dbt's semantic layer.

use std::sync::Arc;

use super::value::{MetaValue, ValueFields};

/// Properties of a semantic model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DbtSemanticModel {
    /// Title of the semantic model.
    pub label: Option<Arc<str>>,
    /// Reference to the model, as written in the file: `ref('orders')`.
    pub model: Arc<str>,
    /// Relation as quoted by the adapter.
    pub relation_name: Option<Arc<str>>,
    /// Default time dimension of the measures.
    pub agg_time_dimension: Option<Arc<str>>,
    /// Name of the primary entity, if none of `entities` is primary.
    pub primary_entity: Option<Arc<str>>,
    /// Entities: the row keys, and references to other semantic models.
    pub entities: Vec<Entity>,
    /// Dimensions of the semantic model.
    pub dimensions: Vec<Dimension>,
    /// Measures of the semantic model.
    pub measures: Vec<Measure>,
}

/// Entity of a semantic model: a key that joins semantic models.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Entity {
    /// Name of the entity.
    pub name: Arc<str>,
    /// Type of the entity: `primary`, `foreign`, `unique`, `natural`.
    pub kind: Arc<str>,
    /// Description of the entity.
    pub description: Arc<str>,
    /// Title of the entity.
    pub label: Option<Arc<str>>,
    /// Column or SQL expression; `None` if the entity is the column of the same name.
    pub expr: Option<Arc<str>>,
}

/// Dimension of a semantic model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Dimension {
    /// Name of the dimension.
    pub name: Arc<str>,
    /// Type of the dimension: `categorical`, `time`.
    pub kind: Arc<str>,
    /// Description of the dimension.
    pub description: Arc<str>,
    /// Title of the dimension.
    pub label: Option<Arc<str>>,
    /// Column or SQL expression; `None` if the dimension is the column of the same name.
    pub expr: Option<Arc<str>>,
    /// Granularity of a time dimension.
    pub granularity: Option<Arc<str>>,
}

/// Measure of a semantic model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Measure {
    /// Name of the measure.
    pub name: Arc<str>,
    /// Aggregation: `sum`, `count_distinct`, `average`, …
    pub agg: Arc<str>,
    /// Description of the measure.
    pub description: Arc<str>,
    /// Title of the measure.
    pub label: Option<Arc<str>>,
    /// Column or SQL expression; `None` if the measure aggregates the column of the same name.
    pub expr: Option<Arc<str>>,
    /// Time dimension of the measure, if it differs from the default of the semantic model.
    pub agg_time_dimension: Option<Arc<str>>,
    /// Parameters of the aggregation, such as the percentile.
    pub agg_params: ValueFields,
    /// Dimension over which the measure is not additive.
    pub non_additive_dimension: ValueFields,
    /// Whether dbt creates a metric with the measure's name.
    pub create_metric: bool,
}

/// Properties of a metric.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metric {
    /// Title of the metric.
    pub label: Option<Arc<str>>,
    /// Type of the metric: `simple`, `ratio`, `derived`, `cumulative`, `conversion`.
    pub kind: Arc<str>,
    /// Type-specific parameters, such as the measure, without nulls and empty values at any depth.
    pub type_params: ValueFields,
    /// Filter on the rows.
    pub filter: MetaValue,
    /// Default granularity for displaying the metric.
    pub time_granularity: Option<Arc<str>>,
}

impl Metric {
    /// Returns the name of the input in a type-specific parameter: `measure`, `numerator`, `denominator`.
    #[must_use]
    pub fn type_parameter(&self, key: &str) -> Option<&str> {
        let part = self.type_params.get(key)?;
        part.as_str().or_else(|| part.as_map()?.get("name")?.as_str())
    }

    /// If a simple metric defines its own aggregation, returns the aggregation as a measure with the metric's name,
    /// together with the name of the semantic model. `None` if the metric refers to a measure of a semantic model.
    ///
    /// In dbt's newer format, metrics are nested under models, and semantic models have no measures.
    #[must_use]
    pub fn inline_measure(&self, name: &str) -> Option<(&str, Measure)> {
        let aggregation_params = self.type_params.get("metric_aggregation_params")?.as_map()?;
        let text = |key: &str| aggregation_params.get(key).and_then(MetaValue::as_str);
        let fields = |key: &str| {
            aggregation_params
                .get(key)
                .and_then(MetaValue::as_map)
                .cloned()
                .unwrap_or_default()
        };
        // dbt writes the expression next to the aggregation.
        let expr = self.type_params.get("expr").or_else(|| aggregation_params.get("expr"));
        let measure = Measure {
            name: name.into(),
            agg: text("agg")?.into(),
            expr: expr.and_then(MetaValue::scalar).map(Arc::from),
            agg_time_dimension: text("agg_time_dimension").map(Arc::from),
            agg_params: fields("agg_params"),
            non_additive_dimension: fields("non_additive_dimension"),
            ..Measure::default()
        };
        Some((text("semantic_model").unwrap_or_default(), measure))
    }

    /// Returns the names of the input metrics of a derived metric.
    #[must_use]
    pub fn metrics(&self) -> Vec<&str> {
        let metric_names = self
            .type_params
            .get("metrics")
            .and_then(MetaValue::as_list)
            .unwrap_or_default();
        metric_names
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part.as_map()?.get("name")?.as_str()))
            .collect()
    }
}
