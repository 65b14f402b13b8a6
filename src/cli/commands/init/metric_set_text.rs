//! Builds the text of the metric set for a semantic model.

use std::collections::{BTreeMap, BTreeSet};

use formulac::artifacts::{DbtSemanticModel, Dimension, ManifestNode, Measure, MetaValue};
use formulac::dbt::RelationReference;
use formulac::yaml_edit::YamlValue;
use formulac_syntax::lex::{is_name, looks_like_cell};
use formulac_syntax::text::split_words;

use super::dbt_metrics::{self, MetricProperties, ModelMetrics};
use super::semantic_sets::SemanticMetricSet;

/// Builds the metric set for a semantic model. `omitted` contains the dimensions, measures and metrics with errors.
pub fn build_metric_set(
    (node, model): (&ManifestNode, &DbtSemanticModel),
    metrics: &ModelMetrics,
    omitted: &BTreeMap<String, String>,
) -> SemanticMetricSet {
    let mut builder = MetricSetBuilder {
        node,
        model,
        metrics,
        omitted,
        names: definition_names(model, metrics),
        definitions: String::new(),
        properties: String::new(),
        missing: BTreeSet::new(),
        omissions: Vec::new(),
    };
    let mut text = format!(
        "# The measures of dbt's semantic model {}.\nmetric_set: {}\n",
        node.name,
        flow_scalar(&node.name)
    );
    if !node.description.trim().is_empty() {
        text.push_str(&format!("description: {}\n", flow_scalar(node.description.trim())));
    }
    text.push_str(&format!("from: {}\n", flow_scalar(&model.model)));
    text.push_str(&builder.time_yaml());
    builder.add_dimensions();
    builder.add_measures();
    let missing = &builder.missing;
    let has_measures = model.measures.iter().any(|measure| !missing.contains(&*measure.name));
    builder.add_metrics();
    text.push_str(&format!("definitions: |\n{}", builder.definitions));
    if !builder.properties.is_empty() {
        text.push_str(&format!("columns:\n{}", builder.properties));
    }
    SemanticMetricSet {
        name: node.name.to_string(),
        text,
        omissions: builder.omissions,
        fault: (!has_measures).then(|| "no measure can be written as a formula".to_owned()),
    }
}

/// Builder of the definitions and properties in a metric set.
struct MetricSetBuilder<'m> {
    node: &'m ManifestNode,
    model: &'m DbtSemanticModel,
    metrics: &'m ModelMetrics,
    /// Errors by the name of the dimension, measure or metric.
    omitted: &'m BTreeMap<String, String>,
    /// Names of all definitions.
    names: Vec<&'m str>,
    definitions: String,
    properties: String,
    /// Omitted measures and metrics.
    missing: BTreeSet<&'m str>,
    /// Messages about omitted dimensions, measures and metrics.
    omissions: Vec<String>,
}

impl MetricSetBuilder<'_> {
    /// Returns the line with the key `time`. Empty if the semantic model has no time dimension, or if the time
    /// dimension is defined by SQL.
    fn time_yaml(&mut self) -> String {
        let model = self.model;
        let Some(time) = model.agg_time_dimension.as_deref() else {
            return String::new();
        };
        let Some(dimension) = model.dimensions.iter().find(|dimension| &*dimension.name == time) else {
            let name = &self.node.name;
            let message = format!("{name} has no time dimension {time}, so its metric set has no `time`");
            self.omissions.push(message);
            return String::new();
        };
        // A dimension that is defined by SQL is reported with the other dimensions.
        let Some(column) = column_of_dimension(model, time) else {
            return String::new();
        };
        match coarse_granularity(dimension) {
            Some(grain) => format!("time: {{column: {column}, grain: {grain}}}\n"),
            None => format!("time: {column}\n"),
        }
    }

    fn add_dimensions(&mut self) {
        for dimension in &self.model.dimensions {
            let formula = match self.omitted.get(&*dimension.name) {
                Some(fault) => Err(fault.clone()),
                None => dimension_formula(dimension, self.model, &self.names),
            };
            match formula {
                Ok(None) => {}
                Ok(Some(formula)) => {
                    let definition = definition_yaml(&dimension.name, &formula, &dimension.description);
                    self.definitions.push_str(&definition);
                }
                Err(reason) => {
                    let is_time = self.model.agg_time_dimension.as_ref() == Some(&dimension.name);
                    let kind = if is_time { "time dimension" } else { "dimension" };
                    let message = format!("the {kind} {}.{} is skipped: {reason}", self.node.name, dimension.name);
                    self.omissions.push(message);
                }
            }
        }
    }

    fn add_measures(&mut self) {
        let (model, names) = (self.model, &self.names);
        for measure in &model.measures {
            let formula = match self.omitted.get(&*measure.name) {
                Some(fault) => Err(fault.clone()),
                None => formula(measure, model, names, model.agg_time_dimension.as_deref()),
            };
            let formula = formula.and_then(|formula| Ok((formula, non_additive_key(measure, model, names)?)));
            let (formula, non_additive) = match formula {
                Ok(formula) => formula,
                Err(reason) => {
                    self.missing.insert(&*measure.name);
                    self.omissions.push(format!(
                        "the measure {}.{} is skipped: {reason}",
                        self.node.name, measure.name
                    ));
                    continue;
                }
            };
            // Users know the metric rather than the measure, so the metric's properties take precedence.
            let metric = self.metrics.properties_by_measure.get(&*measure.name);
            let description = metric.map(|metric| metric.description.as_str());
            let description = description.filter(|text| !text.trim().is_empty());
            let description = description.unwrap_or(&measure.description);
            self.definitions
                .push_str(&definition_yaml(&measure.name, &formula, description));
            let label = metric
                .and_then(|metric| metric.label.as_deref())
                .or(measure.label.as_deref());
            self.properties
                .push_str(&properties_yaml(&measure.name, label, non_additive));
        }
    }

    fn add_metrics(&mut self) {
        self.omissions.extend(self.metrics.omissions.iter().cloned());
        for metric in &self.metrics.definitions {
            let mut words = split_words(&metric.formula);
            let reads_missing = words
                .find(|word| self.missing.contains(word))
                .map(dbt_metrics::omitted_input_reason);
            if let Some(reason) = reads_missing.as_ref().or_else(|| self.omitted.get(&metric.name)) {
                self.omissions
                    .push(format!("the metric {} is skipped: {reason}", metric.name));
                self.missing.insert(&metric.name);
                continue;
            }
            let MetricProperties { description, label } = &metric.properties;
            self.definitions
                .push_str(&definition_yaml(&metric.name, &metric.formula, description));
            self.properties
                .push_str(&properties_yaml(&metric.name, label.as_deref(), None));
        }
    }
}

/// Returns the lines of a definition, preceded by its description.
fn definition_yaml(name: &str, formula: &str, description: &str) -> String {
    let lines = description.trim().lines();
    let description: String = lines
        .map(|line| format!("{}\n", format!("  /// {}", line.trim()).trim_end()))
        .collect();
    format!("{description}  {name} = {formula}\n")
}

/// Returns the line of a metric in `columns`. Empty if the metric has no properties.
fn properties_yaml(name: &str, label: Option<&str>, non_additive: Option<String>) -> String {
    let label = label.map(|label| format!("label: {}", flow_scalar(label)));
    let properties: Vec<String> = label.into_iter().chain(non_additive).collect();
    match properties.is_empty() {
        true => String::new(),
        false => format!("  {name}: {{{}}}\n", properties.join(", ")),
    }
}

/// Formats a string as YAML on one line.
fn flow_scalar(text: &str) -> String {
    YamlValue::text(text).to_string()
}

/// Returns the formula of a measure, or the reason why the measure has no formula.
fn formula(measure: &Measure, model: &DbtSemanticModel, names: &[&str], time: Option<&str>) -> Result<String, String> {
    if !is_name(&measure.name) {
        return Err("the name is not valid in formulas".to_owned());
    }
    if measure
        .agg_time_dimension
        .as_deref()
        .is_some_and(|own_time| Some(own_time) != time)
    {
        return Err(
            "the time dimension of the measure differs from the time dimension of the semantic model".to_owned(),
        );
    }
    let column = measure.expr.as_deref().unwrap_or(&measure.name).trim();
    let counts_rows = matches!((&*measure.agg, column), ("sum", "1") | ("count", "1" | "*"));
    if counts_rows {
        return Ok("COUNT()".to_owned());
    }
    if !is_name(column) {
        return Err(format!("`{column}` is SQL; write it as a formula"));
    }
    let column = column_reference(model, names, &measure.name, column);
    Ok(match &*measure.agg {
        "sum" => format!("SUM({column})"),
        "count" => format!("COUNT({column})"),
        "count_distinct" => format!("COUNT(DISTINCT({column}))"),
        "average" => format!("AVERAGE({column})"),
        "min" => format!("MIN({column})"),
        "max" => format!("MAX({column})"),
        "median" => format!("MEDIAN({column})"),
        "sum_boolean" => format!("COUNT(IF({column}, 1))"),
        "percentile" => {
            let parameter = |name: &str| measure.agg_params.get(name);
            if parameter("use_discrete_percentile").and_then(MetaValue::as_bool) == Some(true) {
                return Err("formulas have no discrete percentiles".to_owned());
            }
            let share = parameter("percentile").and_then(MetaValue::as_f64);
            let share = share.ok_or("the measure does not specify the percentile")?;
            format!("PERCENTILE({column}, {share})")
        }
        other => return Err(format!("formulas cannot express `agg: {other}`")),
    })
}

/// Returns the names of the definitions in the metric set for a semantic model.
fn definition_names<'m>(model: &'m DbtSemanticModel, metrics: &'m ModelMetrics) -> Vec<&'m str> {
    let measures = model.measures.iter().map(|measure| &*measure.name);
    let renamed = model
        .dimensions
        .iter()
        .filter(|dimension| differs_from_column(dimension));
    let metrics = metrics.definitions.iter().map(|metric| metric.name.as_str());
    measures
        .chain(renamed.map(|dimension| &*dimension.name))
        .chain(metrics)
        .collect()
}

/// Returns the reference with which the formula of `definition` refers to a column of the semantic model's relation.
/// The reference includes the name of the relation if another definition in `names` has the same name as the column, or
/// if the column's name looks like a cell.
fn column_reference(model: &DbtSemanticModel, names: &[&str], definition: &str, column: &str) -> String {
    let is_other = |name: &&str| *name != definition && name.eq_ignore_ascii_case(column);
    let relation = RelationReference::read(&model.model);
    match relation.filter(|_| names.iter().any(is_other) || looks_like_cell(column)) {
        Some(relation) => format!("{}.{column}", relation.name()),
        None => column.to_owned(),
    }
}

/// Returns whether a dimension differs from the column with the same name. A cast to a date is a definition, because
/// dbt groups by the date.
fn differs_from_column(dimension: &Dimension) -> bool {
    let column = dimension.expr.as_deref();
    column.is_some_and(|column| !column.trim().eq_ignore_ascii_case(&dimension.name))
}

/// Returns the formula of a dimension that differs from the column with the same name, or the reason why the dimension
/// has no formula.
fn dimension_formula(
    dimension: &Dimension,
    model: &DbtSemanticModel,
    names: &[&str],
) -> Result<Option<String>, String> {
    if !differs_from_column(dimension) {
        return Ok(None);
    }
    if let Some(column) = column_cast_to_date(dimension) {
        let column = column_reference(model, names, &dimension.name, column);
        return Ok(Some(format!(
            "{column}[{}]",
            coarse_granularity(dimension).unwrap_or("day")
        )));
    }
    match expression_column_name(dimension.expr.as_deref(), &dimension.name) {
        Some(column) => Ok(Some(column_reference(model, names, &dimension.name, column))),
        None => Err(format!(
            "`{}` is SQL; write it as a formula",
            dimension.expr.as_deref().unwrap_or_default()
        )),
    }
}

/// Returns the key `non_additive` for the `non_additive_dimension` of a measure, or the reason why it cannot be
/// expressed.
///
/// By default, dbt uses the first rows, and compares the dimension at its granularity:
/// <https://docs.getdbt.com/docs/build/measures#non-additive-dimensions>.
fn non_additive_key(measure: &Measure, model: &DbtSemanticModel, names: &[&str]) -> Result<Option<String>, String> {
    let parameters = &measure.non_additive_dimension;
    let Some(name) = parameters.get("name").and_then(MetaValue::as_str) else {
        return Ok(None);
    };
    let is_sql = |name: &str| format!("`{name}` in `non_additive_dimension` is SQL");
    let column = column_of_dimension(model, name).ok_or_else(|| is_sql(name))?;
    let column = column_reference(model, names, "", column);
    let dimension = model.dimensions.iter().find(|dimension| &*dimension.name == name);
    let grain = dimension.and_then(|dimension| dimension.granularity.as_deref());
    let over = match grain.unwrap_or("day") {
        grain @ ("day" | "week" | "month" | "quarter" | "year") => format!("{column}[{grain}]"),
        // The granularity is finer than a day.
        _ => column,
    };
    let take = match parameters.get("window_choice").and_then(MetaValue::as_str) {
        Some("max") => "last",
        _ => "first",
    };
    let groupings = parameters.get("window_groupings").and_then(MetaValue::as_list);
    let groupings = groupings.unwrap_or_default().iter().filter_map(MetaValue::as_str);
    let per = groupings.map(|name| {
        column_of_entity(model, name)
            .or_else(|| column_of_dimension(model, name))
            .map(|column| column_reference(model, names, "", column))
            .ok_or_else(|| is_sql(name))
    });
    let per: Vec<String> = per.collect::<Result<_, String>>()?;
    let per = match per.is_empty() {
        true => String::new(),
        false => format!(", per: [{}]", per.join(", ")),
    };
    Ok(Some(format!(
        "non_additive: {{over: {}, take: {take}{per}}}",
        flow_scalar(&over)
    )))
}

/// Returns the column of an entity. `None` if the entity is defined by SQL or does not exist.
fn column_of_entity<'m>(model: &'m DbtSemanticModel, name: &'m str) -> Option<&'m str> {
    let entity = model.entities.iter().find(|entity| &*entity.name == name)?;
    expression_column_name(entity.expr.as_deref(), name)
}

/// Returns the column of a dimension. `None` if the dimension is defined by SQL or does not exist.
fn column_of_dimension<'m>(model: &'m DbtSemanticModel, name: &'m str) -> Option<&'m str> {
    let dimension = model.dimensions.iter().find(|dimension| &*dimension.name == name)?;
    column_cast_to_date(dimension).or_else(|| expression_column_name(dimension.expr.as_deref(), name))
}

/// Returns the granularity of a time dimension if it is longer than a day.
fn coarse_granularity(dimension: &Dimension) -> Option<&str> {
    let grain = dimension.granularity.as_deref();
    grain.filter(|grain| ["week", "month", "quarter", "year"].contains(grain))
}

/// Returns the column of a time dimension such as `cast(ordered_at as date)`. Metric sets convert times to dates, so
/// the column itself is the time dimension of a metric set.
fn column_cast_to_date(dimension: &Dimension) -> Option<&str> {
    let expression = dimension.expr.as_deref().filter(|_| &*dimension.kind == "time")?;
    let is_cast = |words: [&str; 3]| words.join(" ").eq_ignore_ascii_case("cast as date");
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '(' | ')');
    let words: Vec<&str> = expression.split(is_separator).filter(|word| !word.is_empty()).collect();
    let column = match words.as_slice() {
        [cast, column, word, date] if is_cast([cast, word, date]) => column,
        [date, column] if date.eq_ignore_ascii_case("date") => column,
        [expression] => {
            expression
                .split_once("::")
                .filter(|(_, ty)| ty.eq_ignore_ascii_case("date"))?
                .0
        }
        _ => return None,
    };
    is_name(column).then_some(column)
}

/// Returns the column that an expression consists of, or `name` if there is no expression. `None` if the expression is
/// SQL.
fn expression_column_name<'m>(expression: Option<&'m str>, name: &'m str) -> Option<&'m str> {
    let column = expression.unwrap_or(name).trim();
    is_name(column).then_some(column)
}
