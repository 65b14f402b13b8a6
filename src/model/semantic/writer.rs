//! Writes both YAML formats of a semantic model.

use rustc_hash::{FxHashMap, FxHashSet};

use super::SemanticElement;
use super::metrics::ModelMetric;
use crate::additivity::{Additivity, ColumnFormula};
use crate::dbt::{ModelDoc, escaped_text, needs_docs_block};
use crate::schema::Column;
use crate::yaml::YamlValue;

/// Writer for both formats of a semantic model.
pub struct SemanticWriter<'s> {
    elements: Vec<(&'s Column, SemanticElement)>,
    /// Default time dimension of the metrics.
    time: Option<String>,
    primary: Option<String>,
    metrics: Vec<ModelMetric>,
    /// Names of the metrics, by lower-case column name.
    by_column: FxHashMap<String, String>,
    /// Columns of the model.
    columns: FxHashSet<String>,
}

fn text_pair(key: &str, text: impl AsRef<str>) -> (String, YamlValue) {
    (key.to_owned(), escaped_text(text))
}

fn metric_aggregation(additivity: &Additivity) -> Option<&'static str> {
    match additivity {
        Additivity::Sum => Some("sum"),
        Additivity::Min => Some("min"),
        Additivity::Max => Some("max"),
        _ => None,
    }
}

impl<'s> SemanticWriter<'s> {
    pub fn new(
        elements: Vec<(&'s Column, SemanticElement)>,
        time: Option<String>,
        primary: Option<String>,
        metrics: Vec<ModelMetric>,
        columns: &[Column],
    ) -> Self {
        let by_column = metrics
            .iter()
            .map(|metric| (metric.column.to_lowercase(), metric.name.clone()))
            .collect();
        Self {
            elements,
            time,
            primary,
            metrics,
            by_column,
            columns: columns.iter().map(|column| column.name().to_lowercase()).collect(),
        }
    }

    fn column_metric_name(&self, column: &str) -> String {
        self.by_column.get(&column.to_lowercase()).cloned().unwrap_or_default()
    }

    /// Returns the name of a column's metric in formulas. A metric with the same name as a column gets an alias,
    /// because `MetricFlow` would otherwise read the column.
    fn metric_name_in_formula(&self, column: &str) -> String {
        let name = self.column_metric_name(column);
        if self.columns.contains(&name) {
            format!("{name}_of_all")
        } else {
            name
        }
    }

    /// Returns the metrics that a formula reads, with their aliases if they have any.
    fn formula_inputs(&self, columns: &[String]) -> YamlValue {
        let input = |column: &String| {
            let (name, alias) = (self.column_metric_name(column), self.metric_name_in_formula(column));
            let alias = (name != alias).then(|| text_pair("alias", alias));
            YamlValue::map(std::iter::once(text_pair("name", name)).chain(alias))
        };
        YamlValue::list(columns.iter().map(input).collect())
    }

    fn metric_formula(&self, formula: &ColumnFormula) -> (String, YamlValue) {
        text_pair(
            "expr",
            formula.sql_with_names(|column| self.metric_name_in_formula(column)),
        )
    }

    /// Writes the latest format: keys of the model and its columns.
    pub fn write_latest_format(&self, doc: &mut ModelDoc) {
        let by_name: FxHashMap<&str, &(&Column, SemanticElement)> = self
            .elements
            .iter()
            .map(|element| (element.0.name(), element))
            .collect();
        for column in &mut doc.columns {
            column.semantic = match by_name.get(column.name.as_str()) {
                Some((_, SemanticElement::Time { unit })) => {
                    vec![
                        text_pair("granularity", *unit),
                        ("dimension".to_owned(), YamlValue::map([text_pair("type", "time")])),
                    ]
                }
                Some((_, SemanticElement::Categorical)) => {
                    vec![(
                        "dimension".to_owned(),
                        YamlValue::map([text_pair("type", "categorical")]),
                    )]
                }
                Some((column, SemanticElement::Entity { kind, name })) => {
                    let mut entity = vec![text_pair("type", *kind)];
                    entity.extend((name != column.name()).then(|| text_pair("name", name)));
                    vec![("entity".to_owned(), YamlValue::map(entity))]
                }
                None => Vec::new(),
            };
        }
        doc.semantic
            .push(("semantic_model".to_owned(), YamlValue::Bare("true".to_owned())));
        doc.semantic
            .extend(self.time.iter().map(|time| text_pair("agg_time_dimension", time)));
        doc.semantic
            .extend(self.primary.iter().map(|name| text_pair("primary_entity", name)));
        let metric = |metric: &ModelMetric| {
            let mut out = vec![
                text_pair("name", &metric.name),
                text_pair("label", to_label(&metric.name)),
            ];
            out.extend(metric.description.iter().map(|text| text_pair("description", text)));
            match &metric.additivity {
                Additivity::Ratio { numerator, denominator } => out.extend([
                    text_pair("type", "ratio"),
                    text_pair("numerator", self.column_metric_name(numerator)),
                    text_pair("denominator", self.column_metric_name(denominator)),
                ]),
                Additivity::Formula(formula) => out.extend([
                    text_pair("type", "derived"),
                    self.metric_formula(formula),
                    ("input_metrics".to_owned(), self.formula_inputs(formula.columns())),
                ]),
                additivity => {
                    out.push(text_pair("type", "simple"));
                    out.extend(metric_aggregation(additivity).map(|agg| text_pair("agg", agg)));
                    out.push(text_pair("expr", &metric.column));
                }
            }
            YamlValue::map(out)
        };
        let metrics: Vec<YamlValue> = self.metrics.iter().map(metric).collect();
        if !metrics.is_empty() {
            doc.semantic.push(("metrics".to_owned(), YamlValue::list(metrics)));
        }
    }

    /// Writes the legacy format: lists next to the model.
    pub fn write_legacy_format(&self, model: &str, own_ref: Option<String>, group: Option<String>, doc: &mut ModelDoc) {
        let mut out = vec![text_pair("name", model)];
        out.extend(own_ref.map(|call| ("model".to_owned(), YamlValue::Text(call))));
        out.extend(group.map(|group| ("config".to_owned(), YamlValue::map([text_pair("group", group)]))));
        out.extend(
            doc.description
                .iter()
                .filter(|text| !needs_docs_block(text))
                .map(|text| text_pair("description", text)),
        );
        out.extend(self.time.iter().map(|time| {
            (
                "defaults".to_owned(),
                YamlValue::map([text_pair("agg_time_dimension", time)]),
            )
        }));
        out.extend(self.primary.iter().map(|name| text_pair("primary_entity", name)));
        let mut entities = Vec::new();
        let mut dimensions = Vec::new();
        for (column, element) in &self.elements {
            match element {
                SemanticElement::Entity { kind, name } => {
                    let mut entity = vec![text_pair("name", name), text_pair("type", *kind)];
                    entity.extend((name != column.name()).then(|| text_pair("expr", column.name())));
                    entities.push(YamlValue::map(entity));
                }
                SemanticElement::Time { unit } => dimensions.push(YamlValue::map([
                    text_pair("name", column.name()),
                    text_pair("type", "time"),
                    (
                        "type_params".to_owned(),
                        YamlValue::map([text_pair("time_granularity", *unit)]),
                    ),
                ])),
                SemanticElement::Categorical => {
                    dimensions.push(YamlValue::map([
                        text_pair("name", column.name()),
                        text_pair("type", "categorical"),
                    ]));
                }
            }
        }
        let measure = |metric: &ModelMetric| {
            let agg = metric_aggregation(&metric.additivity)?;
            let mut measure = vec![text_pair("name", &metric.name), text_pair("agg", agg)];
            measure.extend((metric.name != metric.column).then(|| text_pair("expr", &metric.column)));
            Some(YamlValue::map(measure))
        };
        let measures: Vec<YamlValue> = self.metrics.iter().filter_map(measure).collect();
        for (key, items) in [
            ("entities", entities),
            ("dimensions", dimensions),
            ("measures", measures),
        ] {
            out.extend((!items.is_empty()).then(|| (key.to_owned(), YamlValue::list(items))));
        }
        doc.other_lists
            .push(("semantic_models".to_owned(), vec![YamlValue::map(out)]));
        let metric = |metric: &ModelMetric| {
            let mut out = vec![
                text_pair("name", &metric.name),
                text_pair("label", to_label(&metric.name)),
            ];
            out.extend(metric.description.iter().map(|text| text_pair("description", text)));
            let (kind, params) = match &metric.additivity {
                Additivity::Ratio { numerator, denominator } => (
                    "ratio",
                    vec![
                        text_pair("numerator", self.column_metric_name(numerator)),
                        text_pair("denominator", self.column_metric_name(denominator)),
                    ],
                ),
                Additivity::Formula(formula) => (
                    "derived",
                    vec![
                        self.metric_formula(formula),
                        ("metrics".to_owned(), self.formula_inputs(formula.columns())),
                    ],
                ),
                _ => ("simple", vec![text_pair("measure", &metric.name)]),
            };
            out.extend([
                text_pair("type", kind),
                ("type_params".to_owned(), YamlValue::map(params)),
            ]);
            YamlValue::map(out)
        };
        doc.other_lists
            .push(("metrics".to_owned(), self.metrics.iter().map(metric).collect()));
    }
}

/// Returns a label such as `Monthly recurring revenue`.
fn to_label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut chars = words.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
