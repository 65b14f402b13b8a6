//! Formulas for dbt's metrics, as definitions in the metric sets for semantic models.

use std::collections::{BTreeMap, HashMap, HashSet};

use formulac::artifacts::{DbtSemanticModel, ManifestNode, Measure, MetaValue, Metric, NodeDetail, ValueFields};
use formulac_syntax::lex::is_name;
use formulac_syntax::text::is_word_char;

/// Metrics that use the measures of a semantic model.
#[derive(Debug, Default)]
pub struct ModelMetrics {
    pub definitions: Vec<MetricDefinition>,
    /// Properties of metrics that have the same name as their measure, by name.
    pub properties_by_measure: BTreeMap<String, MetricProperties>,
    /// Messages about omitted metrics.
    pub omissions: Vec<String>,
}

/// Definition of a metric in a metric set.
#[derive(Debug)]
pub struct MetricDefinition {
    pub name: String,
    pub formula: String,
    pub properties: MetricProperties,
}

/// Description and label of a metric.
#[derive(Debug)]
pub struct MetricProperties {
    pub description: String,
    pub label: Option<String>,
}

/// Reason why a metric has no formula yet.
enum MissingFormulaReason {
    /// An input is a metric that has not been read yet.
    UnreadInput(String),
    Final(String),
}

/// Adds each measure that a metric defines itself to the semantic model that the metric names. Skips the measure if the
/// metric has no formula anyway.
pub fn add_measures_of_metrics<'n>(
    models: &mut [(&ManifestNode, DbtSemanticModel)],
    metrics: impl Iterator<Item = &'n ManifestNode>,
) {
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    for (index, (node, _)) in models.iter().enumerate() {
        indexes.entry(&node.name).or_insert(index);
    }
    for node in metrics {
        let NodeDetail::Metric(metric) = &node.detail else {
            continue;
        };
        let Some((model, measure)) = metric.inline_measure(&node.name) else {
            continue;
        };
        if is_non_empty_value(&metric.filter) || has_null_replacement(&metric.type_params) {
            continue;
        }
        if let Some((_, model)) = indexes.get(model).and_then(|index| models.get_mut(*index)) {
            model.measures.push(measure);
        }
    }
}

/// Returns a map from the name of a semantic model to the metrics that use its measures. Metrics without a known
/// measure are listed under the empty name.
pub fn metrics_by_semantic_model<'n>(
    models: &'n [(&'n ManifestNode, DbtSemanticModel)],
    metrics: impl Iterator<Item = &'n ManifestNode>,
) -> BTreeMap<String, ModelMetrics> {
    let mut reader = MetricConverter::default();
    for (node, model) in models {
        for measure in &model.measures {
            reader.measures.insert(&measure.name, (&node.name, measure));
            reader.measure_names.insert(measure.name.to_ascii_lowercase());
        }
    }
    let mut metrics_by_model: BTreeMap<String, ModelMetrics> = BTreeMap::new();
    let metric = |node: &'n ManifestNode| match &node.detail {
        NodeDetail::Metric(metric) => Some((node, &**metric)),
        _ => None,
    };
    let mut pending: Vec<(&ManifestNode, &Metric)> = metrics.filter_map(metric).collect();
    let mut left_out: Vec<(&ManifestNode, &Metric, String)> = Vec::new();
    while !pending.is_empty() {
        let mut waiting = Vec::new();
        let count = pending.len();
        for (node, metric) in pending {
            let name = node.name.to_string();
            match reader.formula(&name, metric) {
                Ok((model, formula)) => {
                    reader.models.insert(name.clone(), model.clone());
                    let properties = MetricProperties {
                        description: node.description.to_string(),
                        label: metric.label.as_deref().map(str::to_owned),
                    };
                    let model_metrics = metrics_by_model.entry(model).or_default();
                    if formula != name {
                        model_metrics.definitions.push(MetricDefinition {
                            name,
                            formula,
                            properties,
                        });
                    } else if !reader.creates_metric(&name) {
                        // A metric with the same name as its measure needs no definition, because the metric is the
                        // measure itself.
                        model_metrics.properties_by_measure.insert(name, properties);
                    }
                }
                Err(MissingFormulaReason::UnreadInput(input)) => waiting.push((node, metric, input)),
                Err(MissingFormulaReason::Final(reason)) => left_out.push((node, metric, reason)),
            }
        }
        if waiting.len() == count {
            let unknown = |(node, metric, input): (_, _, String)| (node, metric, omitted_input_reason(&input));
            left_out.extend(waiting.drain(..).map(unknown));
        }
        pending = waiting.into_iter().map(|(node, metric, _)| (node, metric)).collect();
    }
    for (node, metric, reason) in left_out {
        let notes = &mut metrics_by_model
            .entry(reader.first_semantic_model_name(metric))
            .or_default()
            .omissions;
        notes.push(format!("the metric {} is skipped: {reason}", node.name));
    }
    metrics_by_model
}

/// Returns the reason to omit a metric that uses an omitted metric or measure.
pub fn omitted_input_reason(name: &str) -> String {
    format!("the metric reads {name}, which is skipped")
}

/// Maps measures, and the metrics read so far, to their semantic models.
#[derive(Default)]
struct MetricConverter<'n> {
    measures: HashMap<&'n str, (&'n str, &'n Measure)>,
    /// Names of the measures, in lower case.
    measure_names: HashSet<String>,
    models: HashMap<String, String>,
}

impl MetricConverter<'_> {
    /// Returns the semantic model of a metric and its formula.
    fn formula(&self, name: &str, metric: &Metric) -> Result<(String, String), MissingFormulaReason> {
        let refuse = |reason: &str| Err(MissingFormulaReason::Final(reason.to_owned()));
        if !is_name(name) {
            return refuse("the name is not valid in formulas");
        }
        if is_non_empty_value(&metric.filter) {
            return refuse("the metric has a filter; write the filter with SUMIF, COUNTIF or IF");
        }
        let (model, formula) = match &*metric.kind {
            "simple" => {
                let measure = self.measure(name, metric)?;
                (self.model_of_measure(&measure)?, measure)
            }
            "ratio" => {
                let [numerator_key, other] = ["numerator", "denominator"];
                let (numerator_input, other) = (
                    read_input_name(&metric.type_params, numerator_key)?,
                    read_input_name(&metric.type_params, other)?,
                );
                (
                    self.common_semantic_model(&[numerator_input.clone(), other.clone()])?,
                    format!("{numerator_input} / {other}"),
                )
            }
            "derived" => self.derived_metric_formula(metric)?,
            "cumulative" => {
                return refuse("the metric is cumulative; write a formula over a range, such as `SUM(FIRST(x):x)`");
            }
            "conversion" => return refuse("formulas cannot express conversion metrics"),
            other => {
                return Err(MissingFormulaReason::Final(format!(
                    "formulas cannot express `type: {other}`"
                )));
            }
        };
        if self.measure_names.contains(&name.to_ascii_lowercase()) && formula != name {
            return refuse("a measure has the same name");
        }
        Ok((model, formula))
    }

    /// Returns the formula of a derived metric if the metric's expression is arithmetic over metrics.
    fn derived_metric_formula(&self, metric: &Metric) -> Result<(String, String), MissingFormulaReason> {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let inputs = metric.type_params.get("metrics").and_then(MetaValue::as_list);
        for part in inputs.unwrap_or_default() {
            let name = unmodified_input_name(part)?;
            let alias = part.as_map().and_then(|part| part.get("alias")?.as_str());
            names.insert(alias.unwrap_or(&name).to_owned(), name);
        }
        let expr = metric
            .type_params
            .get("expr")
            .and_then(MetaValue::as_str)
            .unwrap_or_default();
        let formula = arithmetic_formula(expr, &names);
        let formula =
            formula.ok_or_else(|| MissingFormulaReason::Final(format!("`{expr}` is SQL; write it as a formula")))?;
        let names: Vec<String> = names.into_values().collect();
        Ok((self.common_semantic_model(&names)?, formula))
    }

    /// Returns the name of a simple metric's measure, which is the metric's own name if the metric defines its measure.
    fn measure(&self, name: &str, metric: &Metric) -> Result<String, MissingFormulaReason> {
        let part = metric.type_params.get("measure").and_then(MetaValue::as_map);
        if has_null_replacement(&metric.type_params) || part.is_some_and(has_null_replacement) {
            return Err(MissingFormulaReason::Final(
                "the metric has `fill_nulls_with`; use COALESCE in a formula instead".to_owned(),
            ));
        }
        match metric.inline_measure(name) {
            Some(_) => Ok(name.to_owned()),
            None => read_input_name(&metric.type_params, "measure"),
        }
    }

    /// Returns whether dbt creates a metric for a measure. The label and description of such a metric are those of the
    /// measure, or the measure's name.
    fn creates_metric(&self, measure: &str) -> bool {
        self.measures
            .get(measure)
            .is_some_and(|(_, measure)| measure.create_metric)
    }

    fn model_of_measure(&self, measure: &str) -> Result<String, MissingFormulaReason> {
        let model = self.measures.get(measure).map(|(model, _)| (*model).to_owned());
        model.ok_or_else(|| {
            MissingFormulaReason::Final(format!("no semantic model of the project has the measure {measure}"))
        })
    }

    /// Returns the semantic model to which all metrics belong.
    fn common_semantic_model(&self, metrics: &[String]) -> Result<String, MissingFormulaReason> {
        let mut models: Vec<&String> = Vec::new();
        for metric in metrics {
            let model = self
                .models
                .get(metric)
                .ok_or_else(|| MissingFormulaReason::UnreadInput(metric.clone()))?;
            if !models.contains(&model) {
                models.push(model);
            }
        }
        match models.as_slice() {
            [] => Err(MissingFormulaReason::Final(
                "the metric reads no other metric".to_owned(),
            )),
            [model] => Ok((*model).clone()),
            several => {
                let mut several: Vec<&str> = several.iter().map(|model| model.as_str()).collect();
                several.sort_unstable();
                Err(MissingFormulaReason::Final(format!(
                    "the metric reads several semantic models; define the metric in a set with `sets: [{}]`",
                    several.join(", ")
                )))
            }
        }
    }

    /// Returns the first semantic model that a metric uses. Empty if no semantic model is known.
    fn first_semantic_model_name(&self, metric: &Metric) -> String {
        let keys = ["measure", "numerator", "denominator", "metrics"];
        let parts = keys.iter().filter_map(|key| metric.type_params.get(key));
        let parts = parts.flat_map(|part| part.as_list().unwrap_or(std::slice::from_ref(part)));
        let mut names = parts.filter_map(|part| part.as_str().or_else(|| part.as_map()?.get("name")?.as_str()));
        let find_name = |name: &str| {
            let measure = self.measures.get(name).map(|(model, _)| (*model).to_owned());
            measure.or_else(|| self.models.get(name).cloned())
        };
        let own_model = metric.inline_measure("").map(|(model, _)| model.to_owned());
        own_model.or_else(|| names.find_map(find_name)).unwrap_or_default()
    }
}

/// Returns whether a value is neither null nor empty.
fn is_non_empty_value(value: &MetaValue) -> bool {
    match value {
        MetaValue::Null => false,
        MetaValue::Text(text) => !text.trim().is_empty(),
        MetaValue::List(items) => items.iter().any(is_non_empty_value),
        MetaValue::Map(fields) => fields.iter().any(|(_, value)| is_non_empty_value(value)),
        MetaValue::Bool(_) | MetaValue::Number(_) => true,
    }
}

/// Returns whether the parameters of a metric or measure replace nulls.
fn has_null_replacement(parameters: &ValueFields) -> bool {
    parameters.get("fill_nulls_with").is_some_and(is_non_empty_value)
}

/// Returns the name of an input in a type-specific parameter.
fn read_input_name(parameters: &ValueFields, key: &str) -> Result<String, MissingFormulaReason> {
    let part = parameters.get(key);
    unmodified_input_name(part.ok_or_else(|| MissingFormulaReason::Final(format!("the metric has no `{key}`")))?)
}

/// Returns the name of an input that is neither filtered nor shifted in time.
fn unmodified_input_name(part: &MetaValue) -> Result<String, MissingFormulaReason> {
    let field = |key: &str| part.as_map().and_then(|part| part.get(key));
    for key in ["filter", "offset_window", "offset_to_grain"] {
        if field(key).is_some_and(is_non_empty_value) {
            let help = match key {
                "filter" => "write the filtered metric as a formula",
                _ => "use PERIODOFFSET",
            };
            return Err(MissingFormulaReason::Final(format!("an input has `{key}`; {help}")));
        }
    }
    let name = part.as_str().or_else(|| field("name")?.as_str());
    name.map(str::to_owned)
        .ok_or_else(|| MissingFormulaReason::Final("an input has no name".to_owned()))
}

/// Returns an expression in which metric names replace their aliases. `None` if the expression is not arithmetic over
/// the inputs.
fn arithmetic_formula(expr: &str, names: &BTreeMap<String, String>) -> Option<String> {
    let mut formula = String::new();
    let mut rest = expr.trim();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| is_word_char(c) || c == '.';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at_checked(length)?;
        match word {
            "+" | "-" | "*" | "/" | "(" | ")" => formula.push_str(word),
            _ if first.is_ascii_digit() => formula.push_str(word.parse::<f64>().ok().map(|_| word)?),
            _ if first.is_whitespace() => formula.push(' '),
            _ => formula.push_str(names.get(word)?),
        }
        rest = after;
    }
    // `--` and `//` start comments in formulas.
    (!formula.is_empty() && !formula.contains("--") && !formula.contains("//")).then_some(formula)
}
