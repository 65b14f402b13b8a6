//! Converts dbt's semantic models and metrics to Omni dimensions and measures, where possible.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::OmniOptions;
use super::expression;
use super::meta::plain_text;
use super::names::{UsedOmniNames, to_omni_name};
use super::semantic::TableSemanticModel;
use super::table::DbtTable;
use crate::artifacts::{Manifest, ManifestNode, Measure, MetaValue, Metric, NodeDetail, ResourceType, ValueFields};
use crate::dialect::Dialect;
use crate::model::MetricSource;
use crate::yaml::YamlValue;

/// Item of the semantic layer that has no equivalent in Omni.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedElement {
    /// Name of the item in dbt.
    pub name: String,
    /// Reason why the item has no equivalent.
    pub reason: String,
}

/// Dimensions and measures that the semantic layer adds to a view.
#[derive(Debug, Default)]
pub(super) struct TableMeasures {
    /// Computed dimensions, each with its name and keys.
    pub dimensions: Vec<(String, Vec<(String, YamlValue)>)>,
    pub measures: Vec<(String, Vec<(String, YamlValue)>)>,
    /// Granularity of time dimensions, by field name.
    pub granularity: BTreeMap<String, String>,
}

/// Aggregate function that is applied to an expression.
struct MeasureAggregate<'a> {
    table: usize,
    name: &'a str,
    agg: &'a str,
    expr: Option<&'a str>,
    percentile: Option<f64>,
    non_additive: bool,
    label: Option<&'a str>,
    description: &'a str,
    /// Path of the properties file, if formulac generated the semantic model.
    generated_in: Option<&'a str>,
}

impl<'a> MeasureAggregate<'a> {
    fn new(measure: &'a Measure, table: usize, generated_in: Option<&'a str>) -> Self {
        Self {
            table,
            name: &measure.name,
            agg: &measure.agg,
            expr: measure.expr.as_deref(),
            percentile: measure.agg_params.get("percentile").and_then(MetaValue::as_f64),
            non_additive: !measure.non_additive_dimension.is_empty(),
            label: measure.label.as_deref(),
            description: &measure.description,
            generated_in,
        }
    }
}

struct MeasureConverter<'a> {
    tables: &'a [DbtTable<'a>],
    semantic: &'a [TableSemanticModel<'a>],
    /// Names that are already used, for each table that gets new fields.
    taken: FxHashMap<usize, UsedOmniNames>,
    made: Vec<TableMeasures>,
    /// Table and field for each metric and measure, by dbt name.
    known: FxHashMap<&'a str, (usize, String)>,
    gaps: Vec<UnsupportedElement>,
    /// Source of measures that are defined by both a metric and a generated semantic model.
    source: Option<MetricSource>,
    dialect: Dialect,
}

/// Maximum nesting depth of metrics that are composed of other metrics.
const MAX_DEPTH: usize = 16;

/// Returns the dimensions and measures to add to each table, and the items that have no equivalent.
pub(super) fn build_measures<'a>(
    tables: &'a [DbtTable<'a>],
    semantic: &'a [TableSemanticModel<'a>],
    manifest: &'a Manifest,
    omni_options: &OmniOptions,
) -> (Vec<TableMeasures>, Vec<UnsupportedElement>) {
    let mut pass = MeasureConverter {
        tables,
        semantic,
        taken: FxHashMap::default(),
        made: tables.iter().map(|_| TableMeasures::default()).collect(),
        known: FxHashMap::default(),
        gaps: Vec::new(),
        source: omni_options.metric_source,
        dialect: omni_options.dialect,
    };
    pass.add_dimensions();
    let aggregates = pass.collect_aggregates();
    let mut waiting: Vec<(&ManifestNode, &Metric)> = manifest
        .with_type(ResourceType::Metric)
        .filter_map(|node| {
            if let NodeDetail::Metric(metric) = &node.detail {
                Some((node, &**metric))
            } else {
                None
            }
        })
        .collect();
    // A metric replaces a measure with the same name.
    waiting.retain(|(node, metric)| {
        let simple = &*metric.kind == "simple";
        if simple {
            pass.convert_simple_metric(node, metric, &aggregates);
        }
        !simple
    });
    for aggregate in &aggregates {
        if !pass.known.contains_key(aggregate.name) && !pass.gaps.iter().any(|gap| gap.name == aggregate.name) {
            match pass.measure_keys(aggregate) {
                Ok(keys) => pass.add(aggregate.name, aggregate.table, keys),
                Err(reason) => pass.add_unsupported_element(aggregate.name, reason),
            }
        }
    }
    for last in (0..MAX_DEPTH).rev() {
        waiting.retain(|(node, metric)| !pass.convert_composed_metric(node, metric, &aggregates, last == 0));
        if waiting.is_empty() {
            break;
        }
    }
    (pass.made, pass.gaps)
}

impl<'a> MeasureConverter<'a> {
    fn add_unsupported_element(&mut self, name: &str, reason: impl Into<String>) {
        self.gaps.push(UnsupportedElement {
            name: name.to_owned(),
            reason: reason.into(),
        });
    }

    fn add(&mut self, name: &'a str, table: usize, keys: Vec<(String, YamlValue)>) {
        let field = self.reserve_name(table, [to_omni_name(name), format!("{}_measure", to_omni_name(name))]);
        self.known.insert(name, (table, field.clone()));
        let Some(table_measures) = self.made.get_mut(table) else {
            return;
        };
        table_measures.measures.push((field, keys));
    }

    /// Replaces a measure with the same dbt name. Returns `false` if the table has no such measure.
    fn replace(&mut self, name: &str, table: usize, keys: &[(String, YamlValue)]) -> bool {
        let Some((_, field)) = self.known.get(name).filter(|(home, _)| *home == table) else {
            return false;
        };
        let measures = self
            .made
            .get_mut(table)
            .map(|table_measures| &mut table_measures.measures);
        let measure = measures.and_then(|table_measures| table_measures.iter_mut().find(|(name, _)| name == field));
        measure.is_some_and(|(_, measure)| {
            *measure = keys.to_vec();
            true
        })
    }

    /// Reserves and returns the first of the given names that is not yet used in the table.
    fn reserve_name(&mut self, table: usize, candidates: impl IntoIterator<Item = String>) -> String {
        let fields = self.tables.get(table).map_or(&[][..], |table| table.fields.as_slice());
        let omni_names = self.taken.entry(table).or_insert_with(|| {
            let mut used_names = UsedOmniNames::default();
            fields
                .iter()
                .for_each(|field| drop(used_names.reserve([field.name.clone()])));
            used_names
        });
        omni_names.reserve(candidates)
    }

    fn add_dimensions(&mut self) {
        for &TableSemanticModel {
            model, table: index, ..
        } in self.semantic
        {
            let Some(table) = self.tables.get(index) else { continue };
            for dimension in &model.dimensions {
                let expr = dimension.expr.as_deref().unwrap_or(&dimension.name);
                if let (Some(field), Some(granularity), Some(table_measures)) = (
                    table.field(expr.trim()),
                    &dimension.granularity,
                    self.made.get_mut(index),
                ) {
                    table_measures
                        .granularity
                        .insert(field.name.clone(), granularity.to_string());
                }
                if table.field(expr.trim()).is_some() {
                    continue;
                }
                let Some(sql) = expression::to_omni_expression(expr, table, self.dialect) else {
                    self.add_unsupported_element(
                        &dimension.name,
                        "the `expr` contains Jinja, and only dbt can evaluate Jinja",
                    );
                    continue;
                };
                let name = self.reserve_name(index, [to_omni_name(&dimension.name)]);
                let mut keys = vec![("sql".to_owned(), plain_text(&sql))];
                keys.extend(
                    dimension
                        .label
                        .as_deref()
                        .map(|label| ("label".to_owned(), plain_text(label))),
                );
                keys.extend(description_entry(&dimension.description));
                if let Some(measures) = self.made.get_mut(index) {
                    measures.dimensions.push((name, keys));
                }
            }
        }
    }

    fn collect_aggregates(&self) -> Vec<MeasureAggregate<'a>> {
        let of_model = |&TableSemanticModel { model, table, node }: &TableSemanticModel<'a>| {
            let nodes = self.tables.get(table).into_iter().flat_map(DbtTable::nodes);
            let is_generated = nodes.into_iter().any(|(_, node)| node.meta.get("formulac").is_some());
            let generated_in = is_generated.then_some(&*node.original_file_path);
            let of_measure = move |measure| MeasureAggregate::new(measure, table, generated_in);
            model.measures.iter().map(of_measure)
        };
        self.semantic.iter().flat_map(of_model).collect()
    }

    /// Returns whether a generated semantic model of the same table defines a measure with the name of a metric. The
    /// metrics that formulac generates for its own measures are not counted.
    fn is_defined_by_generated_model(
        &self,
        metric: &ManifestNode,
        table: usize,
        aggregates: &[MeasureAggregate<'_>],
    ) -> bool {
        aggregates.iter().any(|measure| {
            let is_other_file = |file: &str| *metric.original_file_path != *file;
            measure.table == table
                && measure.generated_in.is_some_and(is_other_file)
                && to_omni_name(measure.name) == to_omni_name(&metric.name)
        })
    }

    /// Converts a simple metric. The metric's aggregate is a measure or, in the newer format, part of the metric
    /// itself.
    fn convert_simple_metric(
        &mut self,
        node: &'a ManifestNode,
        metric: &'a Metric,
        aggregates: &[MeasureAggregate<'a>],
    ) {
        let inline_measure = metric.inline_measure(&node.name);
        let of_measure = metric
            .type_parameter("measure")
            .and_then(|name| aggregates.iter().find(|aggregate| aggregate.name == name));
        let metric_aggregate = match (of_measure, &inline_measure) {
            (Some(measure_aggregate), _) => MeasureAggregate { ..*measure_aggregate },
            (None, Some((model, measure))) => {
                let semantic_model = self.semantic.iter().find(|semantic_model| {
                    [&*semantic_model.node.name, &*semantic_model.node.unique_id].contains(model)
                });
                let Some(table) = semantic_model
                    .or_else(|| self.metric_semantic_model(node))
                    .map(|semantic_model| semantic_model.table)
                else {
                    return self.add_unsupported_element(&node.name, "the semantic model has no table");
                };
                MeasureAggregate::new(measure, table, None)
            }
            (None, None) => return self.add_unsupported_element(&node.name, "the measure is unknown"),
        };
        if self.source == Some(MetricSource::Formulac)
            && self.is_defined_by_generated_model(node, metric_aggregate.table, aggregates)
        {
            return;
        }
        let params = metric.type_params.get("measure").and_then(MetaValue::as_map);
        let setting = |key: &str| {
            params
                .and_then(|params| params.get(key))
                .or_else(|| metric.type_params.get(key))
        };
        if setting("fill_nulls_with").is_some()
            || setting("join_to_timespine").and_then(MetaValue::as_bool) == Some(true)
        {
            return self.add_unsupported_element(
                &node.name,
                "the metric returns values for days without rows, but Omni does not",
            );
        }
        let label = metric.label.as_deref().or(metric_aggregate.label);
        let description = if node.description.is_empty() {
            metric_aggregate.description
        } else {
            &node.description
        };
        let aggregate = MeasureAggregate {
            label,
            description,
            ..metric_aggregate
        };
        let mut keys = match self.measure_keys(&aggregate) {
            Ok(keys) => keys,
            Err(reason) => return self.add_unsupported_element(&node.name, reason),
        };
        let inner = params
            .and_then(|params| params.get("filter"))
            .unwrap_or(&MetaValue::Null);
        let mut filters = Vec::new();
        for template in filter_templates(inner).chain(filter_templates(&metric.filter)) {
            match self.convert_filter(template, aggregate.table) {
                Some(filter) => filters.push(filter),
                None => {
                    return self.add_unsupported_element(
                        &node.name,
                        format!("the filter has no equivalent in a view: {template}"),
                    );
                }
            }
        }
        if !filters.is_empty() {
            keys.push(("filters".to_owned(), YamlValue::map(filters)));
        }
        self.add(&node.name, aggregate.table, keys);
    }

    /// Returns the semantic model on which a metric depends, directly or through its table.
    fn metric_semantic_model(&self, node: &ManifestNode) -> Option<&'a TableSemanticModel<'a>> {
        let is_table = |id: &str, semantic_model: &TableSemanticModel<'_>| {
            self.tables
                .get(semantic_model.table)
                .is_some_and(|table| *table.node.unique_id == *id)
        };
        let reads = |id: &str| {
            self.semantic
                .iter()
                .find(|semantic_model| *semantic_model.node.unique_id == *id || is_table(id, semantic_model))
        };
        node.depends_on.iter().find_map(|id| reads(id))
    }

    /// Returns the keys of a measure in the view file.
    fn measure_keys(&self, aggregate: &MeasureAggregate<'_>) -> Result<Vec<(String, YamlValue)>, String> {
        if aggregate.non_additive {
            return Err("Omni cannot express a measure that excludes one of its dimensions from the sum".to_owned());
        }
        let kind = match aggregate.agg {
            "sum" | "count" | "count_distinct" | "min" | "max" | "median" | "percentile" => aggregate.agg,
            "average" | "avg" => "average",
            other => return Err(format!("Omni has no aggregate `{other}`")),
        };
        let Some(table) = self.tables.get(aggregate.table) else {
            return Err("the semantic model has no table".to_owned());
        };
        let expr = aggregate.expr.unwrap_or(aggregate.name).trim();
        let counts_rows = matches!(kind, "sum" | "count") && matches!(expr, "1" | "*");
        let mut keys = Vec::new();
        if !counts_rows {
            let sql = expression::to_omni_expression(expr, table, self.dialect)
                .ok_or("the `expr` contains Jinja, and only dbt can evaluate Jinja")?;
            keys.push(("sql".to_owned(), plain_text(&sql)));
        }
        keys.push((
            "aggregate_type".to_owned(),
            plain_text(if counts_rows { "count" } else { kind }),
        ));
        if kind == "percentile" {
            let share = aggregate
                .percentile
                .ok_or("the measure does not specify the percentile")?;
            keys.push((
                "percentile".to_owned(),
                YamlValue::Bare(format!("{}", (share * 100.0).round())),
            ));
        }
        keys.extend(aggregate.label.map(|label| ("label".to_owned(), plain_text(label))));
        keys.extend(description_entry(aggregate.description));
        Ok(keys)
    }

    /// Converts a filter on a single dimension of the metric's table.
    fn convert_filter(&self, template: &str, table: usize) -> Option<(String, YamlValue)> {
        let (dimension, rest) = expression::split_dimension_filter(template)?;
        let model = self
            .semantic
            .iter()
            .find(|semantic_model| semantic_model.table == table)
            .map(|semantic_model| semantic_model.model);
        let column =
            match model.and_then(|model| model.dimensions.iter().find(|candidate| &*candidate.name == dimension)) {
                Some(model_dimension) => model_dimension.expr.as_deref().unwrap_or(&model_dimension.name),
                None => dimension,
            };
        let field = self.tables.get(table)?.field(column)?;
        let (operator, values) = expression::parse_filter_condition(rest, self.dialect)?;
        let values = match values.as_slice() {
            [literal] => plain_text(literal),
            several => YamlValue::short_list(several.iter().map(|value| plain_text(value)).collect()),
        };
        Some((field.name.clone(), YamlValue::map([(operator, values)])))
    }

    /// Converts a metric that is composed of other metrics. Returns whether the metric is complete and needs no further
    /// pass. In the last pass (`last`), a missing input is reported as a gap.
    fn convert_composed_metric(
        &mut self,
        node: &'a ManifestNode,
        metric: &'a Metric,
        aggregates: &[MeasureAggregate<'a>],
        last: bool,
    ) -> bool {
        if let Some(reason) = unsupported_composition(metric) {
            self.add_unsupported_element(&node.name, reason);
            return true;
        }
        let parts = input_metrics(metric);
        let places: Option<Vec<(usize, String)>> =
            parts.iter().map(|(name, _)| self.known.get(name).cloned()).collect();
        let Some((home, places)) = places.and_then(|places| Some((places.first()?.0, places))) else {
            if last {
                self.add_unsupported_element(&node.name, "one of its input metrics does not exist in Omni");
            }
            return last;
        };
        let competes = self.source.is_some() && self.is_defined_by_generated_model(node, home, aggregates);
        if competes && self.source == Some(MetricSource::Formulac) {
            return true;
        }
        let field = |(table, name): &(usize, String)| match self.tables.get(*table) {
            Some(other) if *table != home => format!("${{{}.{name}}}", other.view_name()),
            _ => format!("${{{name}}}"),
        };
        let fields: Vec<String> = places.iter().map(field).collect();
        let sql = match (&*metric.kind, fields.as_slice()) {
            ("ratio", [denominator, numerator]) => format!("{numerator} / NULLIF({denominator}, 0)"),
            _ => {
                let expr = metric
                    .type_params
                    .get("expr")
                    .and_then(MetaValue::as_str)
                    .unwrap_or_default();
                let names = parts
                    .iter()
                    .map(|(_, alias)| *alias)
                    .zip(fields.iter().map(String::as_str))
                    .collect();
                expression::replace_names(expr, &names, self.dialect)
            }
        };
        let mut keys = vec![("sql".to_owned(), plain_text(&sql))];
        keys.extend(
            metric
                .label
                .as_deref()
                .map(|label| ("label".to_owned(), plain_text(label))),
        );
        keys.extend(description_entry(&node.description));
        if !(competes && self.replace(&node.name, home, &keys)) {
            self.add(&node.name, home, keys);
        }
        true
    }
}

fn description_entry(description: &str) -> Option<(String, YamlValue)> {
    (!description.trim().is_empty()).then(|| ("description".to_owned(), plain_text(description)))
}

/// Returns the conditions of a filter in dbt's format.
fn filter_templates(filter: &MetaValue) -> impl Iterator<Item = &str> {
    let filters = filter
        .as_map()
        .and_then(|value_fields| value_fields.get("where_filters"))
        .and_then(MetaValue::as_list)
        .unwrap_or_default();
    let of_list = filters
        .iter()
        .filter_map(|meta_value| meta_value.as_map()?.get("where_sql_template")?.as_str());
    of_list.chain(filter.as_str())
}

/// Returns the reason why Omni has no measure for a metric that is computed from other metrics. `None` if Omni has one.
fn unsupported_composition(metric: &Metric) -> Option<&'static str> {
    let inputs: Vec<&ValueFields> = metric
        .type_params
        .iter()
        .filter_map(|(_, value)| value.as_map())
        .collect();
    let metric_inputs = listed_metrics(metric);
    let all_inputs = inputs
        .into_iter()
        .chain(metric_inputs.iter().filter_map(MetaValue::as_map));
    let moved = all_inputs.clone().any(|input| {
        ["offset_window", "offset_to_grain"]
            .iter()
            .any(|key| input.get(key).is_some_and(|meta_value| !meta_value.is_empty_value()))
    });
    let filtered = all_inputs.clone().any(|input| {
        filter_templates(input.get("filter").unwrap_or(&MetaValue::Null))
            .next()
            .is_some()
    });
    match &*metric.kind {
        "ratio" | "derived" if moved => {
            Some("the metric reads values from another period, but a measure in Omni cannot")
        }
        "ratio" | "derived" if filtered || filter_templates(&metric.filter).next().is_some() => {
            Some("the metric filters its inputs, but a measure in Omni can only filter its own values")
        }
        "ratio" | "derived" => None,
        "cumulative" => Some("the metric accumulates over time, but a measure in Omni cannot"),
        _ => Some("Omni has no metric of this type"),
    }
}

fn listed_metrics(metric: &Metric) -> &[MetaValue] {
    metric
        .type_params
        .get("metrics")
        .and_then(MetaValue::as_list)
        .unwrap_or_default()
}

/// Returns the metrics from which a metric is computed, each with the name that the metric's expression uses for it.
fn input_metrics<'m>(metric: &'m Metric) -> Vec<(&'m str, &'m str)> {
    match &*metric.kind {
        "ratio" => ["denominator", "numerator"]
            .iter()
            .filter_map(|key| metric.type_parameter(key).map(|name| (name, name)))
            .collect(),
        _ => {
            let alias = |part: &'m MetaValue| {
                let name = part.as_str().or_else(|| part.as_map()?.get("name")?.as_str())?;
                let alias = part
                    .as_map()
                    .and_then(|part| part.get("alias"))
                    .and_then(MetaValue::as_str);
                Some((name, alias.unwrap_or(name)))
            };
            listed_metrics(metric).iter().filter_map(alias).collect()
        }
    }
}
