//! dbt's semantic layer: semantic models and metrics.

use std::sync::Arc;

use super::value::{MetaValue, ValueFields};

/// What a semantic model has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DbtSemanticModel {
    /// Its title.
    pub label: Option<Arc<str>>,
    /// The model as it is written: `ref('orders')`.
    pub model: Arc<str>,
    /// The table, quoted as the adapter wants it.
    pub relation_name: Option<Arc<str>>,
    /// The time that measures go by.
    pub agg_time_dimension: Option<Arc<str>>,
    /// The entity that its rows are, where none of `entities` is primary.
    pub primary_entity: Option<Arc<str>>,
    /// What its rows are and refer to.
    pub entities: Vec<Entity>,
    /// By what it is looked at.
    pub dimensions: Vec<Dimension>,
    /// What is aggregated.
    pub measures: Vec<Measure>,
}

/// An entity: a key that joins semantic models.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Entity {
    /// Its name.
    pub name: Arc<str>,
    /// `primary`, `foreign`, `unique`, `natural`.
    pub kind: Arc<str>,
    /// What it is.
    pub description: Arc<str>,
    /// Its title.
    pub label: Option<Arc<str>>,
    /// The column or SQL; none for a column of its own name.
    pub expr: Option<Arc<str>>,
}

/// A dimension.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Dimension {
    /// Its name.
    pub name: Arc<str>,
    /// `categorical`, `time`.
    pub kind: Arc<str>,
    /// What it is.
    pub description: Arc<str>,
    /// Its title.
    pub label: Option<Arc<str>>,
    /// The column or SQL; none for a column of its own name.
    pub expr: Option<Arc<str>>,
    /// The granularity of a time.
    pub granularity: Option<Arc<str>>,
}

/// A measure.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Measure {
    /// Its name.
    pub name: Arc<str>,
    /// `sum`, `count_distinct`, `average`, …
    pub agg: Arc<str>,
    /// What it is.
    pub description: Arc<str>,
    /// Its title.
    pub label: Option<Arc<str>>,
    /// The column or SQL; none for a column of its own name.
    pub expr: Option<Arc<str>>,
    /// The time that it goes by, where that is not the model's.
    pub agg_time_dimension: Option<Arc<str>>,
    /// The parameters of a percentile.
    pub agg_params: ValueFields,
    /// The dimension that it is not added up over.
    pub non_additive_dimension: ValueFields,
    /// Whether a metric of its name is made of it.
    pub create_metric: bool,
}

/// What a metric has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metric {
    /// Its title.
    pub label: Option<Arc<str>>,
    /// `simple`, `ratio`, `derived`, `cumulative`, `conversion`.
    pub kind: Arc<str>,
    /// What it is made of, without what is nothing or empty.
    pub type_params: ValueFields,
    /// The rows that count.
    pub filter: MetaValue,
    /// The granularity that it is shown by.
    pub time_granularity: Option<Arc<str>>,
}

impl Metric {
    /// The name of a part: `measure`, `numerator`, `denominator`.
    #[must_use]
    pub fn type_parameter(&self, key: &str) -> Option<&str> {
        let part = self.type_params.get(key)?;
        part.as_str().or_else(|| part.as_map()?.get("name")?.as_str())
    }

    /// The names of the metrics that a derived one is made of.
    #[must_use]
    pub fn metrics(&self) -> Vec<&str> {
        let listed = self.type_params.get("metrics").and_then(MetaValue::as_list).unwrap_or_default();
        listed.iter().filter_map(|part| part.as_str().or_else(|| part.as_map()?.get("name")?.as_str())).collect()
    }
}
