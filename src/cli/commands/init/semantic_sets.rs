//! Proposes metric sets for dbt's semantic models.

use std::collections::{BTreeMap, BTreeSet};

use formulac::artifacts::{DbtSemanticModel, ManifestNode, Measure, NodeDetail, ResourceType};
use formulac::dbt::RelationReference;
use formulac::yaml_edit::YamlValue;
use formulac::{Compiler, Dialect};

use super::dbt_metrics::{self, ModelMetrics};
use super::first_spec;
use crate::cli::dbt_project::DbtProject;
use crate::cli::exit::Failure;

/// Maximum number of times that a set is compiled again without the measures that have errors.
const ROUNDS: usize = 4;

/// Metric set for a semantic model.
#[derive(Debug)]
pub struct SemanticSet {
    pub name: String,
    pub text: String,
    /// Messages about measures that are left out.
    pub left_out: Vec<String>,
    /// Reason why the text is not a metric set, if there is one.
    pub fault: Option<String>,
}

/// Returns a metric set for each semantic model of the project that has measures and that formulac did not generate
/// in the folder `generated`.
pub fn find(dbt: &DbtProject, dialect: Dialect, generated: &str) -> Result<Vec<SemanticSet>, Failure> {
    let mut found = Vec::new();
    let Some(artifacts) = dbt.artifacts()? else {
        return Ok(found);
    };
    let schema = artifacts.known_relations(dialect, None)?.schema;
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let own = artifacts.manifest.metadata.project_name.as_deref();
    let is_written = |node: &&ManifestNode| {
        let is_foreign = own.is_some_and(|own| own != &*node.package);
        !is_foreign && !node.original_file_path.replace('\\', "/").starts_with(generated)
    };
    let nodes = |kind| artifacts.manifest.with_type(kind).filter(is_written);
    let models: Vec<(&ManifestNode, &DbtSemanticModel)> =
        nodes(ResourceType::SemanticModel).filter_map(with_measures).collect();
    let mut metrics = dbt_metrics::by_model(&models, nodes(ResourceType::Metric));
    let mut unknown = metrics.remove("").unwrap_or_default().left_out;
    for (node, model) in models {
        let metrics = metrics.remove(&*node.name).unwrap_or_default();
        let mut refused = BTreeMap::new();
        let mut set = build_set((node, model), &metrics, &refused);
        // Measures with errors are left out. A measure that reads them may then have an error, too.
        for _ in 0..ROUNDS {
            let compiled = compiler.compile_spec(&set.text);
            let mut faults = compiled
                .diagnostics()
                .iter()
                .filter(|fault| fault.is_error())
                .peekable();
            set.fault = faults.peek().map(|fault| fault.message().to_owned());
            let known = refused.len();
            for fault in faults {
                let line = set
                    .text
                    .get(..fault.span().start as usize)
                    .map(|before| before.matches('\n').count());
                let line = line.and_then(|line| set.text.lines().nth(line));
                let name = line
                    .and_then(|line| line.trim().split_once(" = "))
                    .map(|(name, _)| name.to_owned());
                refused.extend(name.map(|name| (name, fault.message().to_owned())));
            }
            if refused.len() == known {
                break;
            }
            set = build_set((node, model), &metrics, &refused);
        }
        if set.text.ends_with("definitions: |\n") {
            set.fault = Some("no measure has a formula".to_owned());
        }
        set.left_out.append(&mut unknown);
        found.push(set);
    }
    Ok(found)
}

/// Returns a semantic model if it has measures.
fn with_measures(node: &ManifestNode) -> Option<(&ManifestNode, &DbtSemanticModel)> {
    match &node.detail {
        NodeDetail::SemanticModel(model) if !model.measures.is_empty() => Some((node, model)),
        _ => None,
    }
}

/// Builds the set of a semantic model. `refused` are the measures and metrics with errors.
fn build_set(
    (node, model): (&ManifestNode, &DbtSemanticModel),
    metrics: &ModelMetrics,
    refused: &BTreeMap<String, String>,
) -> SemanticSet {
    let mut left_out = Vec::new();
    let mut text = format!(
        "# The measures of dbt's semantic model {}.\nmetric_set: {}\n",
        node.name,
        flow(&node.name)
    );
    if !node.description.trim().is_empty() {
        text.push_str(&format!("description: {}\n", flow(node.description.trim())));
    }
    text.push_str(&format!("from: {}\n", flow(&model.model)));
    let time = model.agg_time_dimension.as_deref();
    match time.and_then(|time| Some((time, column_of(model, time)?))) {
        Some((time, column)) => {
            let dimension = model.dimensions.iter().find(|dimension| &*dimension.name == time);
            let grain = dimension.and_then(|dimension| dimension.granularity.as_deref());
            let grain = grain.filter(|grain| ["week", "month", "quarter", "year"].contains(grain));
            text.push_str(&match grain {
                Some(grain) => format!("time: {{column: {column}, grain: {grain}}}\n"),
                None => format!("time: {column}\n"),
            });
        }
        None => left_out.extend(time.map(|time| {
            format!(
                "the time dimension {time} of {} is left out, because it is SQL",
                node.name
            )
        })),
    }
    text.push_str("definitions: |\n");
    let mut labels = String::new();
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    for measure in &model.measures {
        let formula = match refused.get(&*measure.name) {
            Some(fault) => Err(fault.clone()),
            None => formula(measure, model, time),
        };
        match formula {
            Err(reason) => {
                missing.insert(&*measure.name);
                left_out.push(format!(
                    "the measure {}.{} is left out: {reason}",
                    node.name, measure.name
                ));
            }
            Ok(formula) => {
                text.push_str(&definition_text(&measure.name, &formula, &measure.description));
                labels.extend(measure.label.as_deref().map(|label| label_text(&measure.name, label)));
            }
        }
    }
    left_out.extend(metrics.left_out.iter().cloned());
    for metric in &metrics.definitions {
        let mut words = metric.formula.split(|c: char| !c.is_alphanumeric() && c != '_');
        let reads_missing = words
            .find(|word| missing.contains(word))
            .map(dbt_metrics::reads_left_out);
        if let Some(reason) = reads_missing.as_ref().or_else(|| refused.get(&metric.name)) {
            left_out.push(format!("the metric {} is left out: {reason}", metric.name));
            missing.insert(&metric.name);
            continue;
        }
        text.push_str(&definition_text(&metric.name, &metric.formula, &metric.description));
        labels.extend(metric.label.as_deref().map(|label| label_text(&metric.name, label)));
    }
    if !labels.is_empty() {
        text.push_str(&format!("columns:\n{labels}"));
    }
    SemanticSet {
        name: node.name.to_string(),
        text,
        left_out,
        fault: None,
    }
}

/// Returns the lines of a definition, with its description above it.
fn definition_text(name: &str, formula: &str, description: &str) -> String {
    let lines = description.trim().lines();
    let description: String = lines
        .map(|line| format!("{}\n", format!("  /// {}", line.trim()).trim_end()))
        .collect();
    format!("{description}  {name} = {formula}\n")
}

fn label_text(name: &str, label: &str) -> String {
    format!("  {name}: {{label: {}}}\n", flow(label))
}

/// Formats a string as YAML on one line.
fn flow(text: &str) -> String {
    YamlValue::text(text).to_string()
}

/// Returns the formula of a measure, or the reason why it has none.
fn formula(measure: &Measure, model: &DbtSemanticModel, time: Option<&str>) -> Result<String, String> {
    if !first_spec::is_plain(&measure.name) {
        return Err("its name is not a name in formulas".to_owned());
    }
    if !measure.non_additive_dimension.is_empty() {
        return Err("write its `non_additive_dimension` as `non_additive`".to_owned());
    }
    if measure
        .agg_time_dimension
        .as_deref()
        .is_some_and(|own| Some(own) != time)
    {
        return Err("its time dimension is not that of the semantic model".to_owned());
    }
    let column = measure.expr.as_deref().unwrap_or(&measure.name).trim();
    let counts_rows = matches!((&*measure.agg, column), ("sum", "1") | ("count", "1" | "*"));
    if counts_rows {
        return Ok("COUNT()".to_owned());
    }
    if !first_spec::is_plain(column) {
        return Err(format!("`{column}` is SQL; write it as a formula"));
    }
    // The name of another measure would refer to that measure.
    let is_measure = |other: &Measure| other.name != measure.name && other.name.eq_ignore_ascii_case(column);
    let relation = RelationReference::read(&model.model).filter(|_| model.measures.iter().any(is_measure));
    let column = match relation {
        Some(relation) => format!("{}.{column}", relation.name()),
        None => column.to_owned(),
    };
    Ok(match &*measure.agg {
        "sum" => format!("SUM({column})"),
        "count" => format!("COUNT({column})"),
        "count_distinct" => format!("COUNT(DISTINCT({column}))"),
        "average" => format!("AVERAGE({column})"),
        "min" => format!("MIN({column})"),
        "max" => format!("MAX({column})"),
        "median" => format!("MEDIAN({column})"),
        other => return Err(format!("no formula for `agg: {other}`")),
    })
}

/// Returns the column of a dimension. `None` if the dimension is SQL or does not exist.
fn column_of<'m>(model: &'m DbtSemanticModel, name: &'m str) -> Option<&'m str> {
    let dimension = model.dimensions.iter().find(|dimension| &*dimension.name == name)?;
    let column = dimension.expr.as_deref().unwrap_or(name).trim();
    first_spec::is_plain(column).then_some(column)
}
