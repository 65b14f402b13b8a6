//! Reads models that are built on a metric set. Their formulas may repeat metrics of the set, or formulas of other
//! models.

use super::FormulaTrees;
use super::first_step::{FirstStep, FirstStepDefinition, FirstStepDefinitionSource, read_definitions};
use crate::Level;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::load::{StepDefinitions, load_steps};
use crate::metrics::{MetricFormula, analyze, find_step_over_metric_sets, listed_metrics};
use crate::yaml::{self, Node};

/// Reads the first step of a model that is built on a single metric set. `set` returns the step that represents the
/// metric set with a given name. Returns `None` for other files, for models that list all metrics of a metric set with
/// `*`, and for models with `overrides`.
pub fn read_step_over_metric_set<'s>(
    compiler: &Compiler,
    trees: &mut FormulaTrees,
    text: &str,
    set: impl Fn(&str) -> Option<&'s FirstStep>,
) -> Option<FirstStep> {
    let root = yaml::parse_root(text)?;
    let node = find_step_over_metric_sets(&root)?;
    if node.get("overrides").is_some() {
        return None;
    }
    let metrics = listed_metrics(node, text);
    let (_, first) = metrics.first()?;
    let set = set(first.split_once('.')?.0.trim())?;
    let mut definitions = Arena::new();
    for (name, metric) in &metrics {
        let (set_name, metric) = metric.split_once('.')?;
        if !set_name.trim().eq_ignore_ascii_case(&set.model) {
            return None;
        }
        let name = name.as_deref().unwrap_or(metric).trim();
        definitions.push(metric_as_definition(
            set,
            metric.trim(),
            (name, FirstStepDefinitionSource::Listed),
        )?);
    }
    let steps = load_steps(&root, text);
    let step = steps.first()?;
    let (formulas, _) = analyze(compiler, step, text);
    add_used_metrics(set, &formulas, &mut definitions);
    let source = (text, set.relation_name.as_str());
    let mut definitions = read_definitions(compiler, trees, step, source, &formulas, definitions).ok()?;
    // The formulas were analyzed without the metric set, so metrics were treated like columns of single rows. Set the
    // correct level, such as row or group.
    for definition in &mut definitions {
        definition.level = definition.level.max(Level::Aggregate);
        definition.has_aggregates = false;
    }
    Some(FirstStep {
        model: root.text_at("model")?.to_owned(),
        is_at_top: root.get("steps").and_then(Node::items).is_none(),
        is_last: steps.len() == 1,
        metric_set: Some(set.model.clone()),
        joins: Vec::new(),
        keys: Vec::new(),
        order_by: None,
        partition_by: None,
        definitions,
        block: step.definitions.iter().find_map(|definitions| match definitions {
            StepDefinitions::Block(text) => Some(text.text.to_owned()),
            StepDefinitions::Named { .. } => None,
        }),
        ..set.clone()
    })
}

/// Adds to `definitions` the metrics of the metric set that the model's formulas use but the model does not list.
fn add_used_metrics(set: &FirstStep, formulas: &[MetricFormula], definitions: &mut Arena<FirstStepDefinition>) {
    let is_own_name = |name: &str| {
        let of_model = |formula: &MetricFormula| {
            formula.role == DefinitionRole::Definitions && formula.name.eq_ignore_ascii_case(name)
        };
        formulas.iter().any(of_model)
    };
    let names = formulas.iter().flat_map(|formula| &formula.names);
    for used_name in names.filter(|name_occurrence| name_occurrence.qualifier.is_none()) {
        let is_known = definitions
            .iter()
            .any(|step_definition| step_definition.name.eq_ignore_ascii_case(&used_name.name));
        if !is_known && !is_own_name(&used_name.name) {
            let origin = (used_name.name.as_str(), FirstStepDefinitionSource::Used);
            definitions.extend(metric_as_definition(set, &used_name.name, origin));
        }
    }
}

/// Returns a metric of a metric set under the name that a model assigns to it.
fn metric_as_definition(
    set: &FirstStep,
    metric: &str,
    (name, origin): (&str, FirstStepDefinitionSource),
) -> Option<FirstStepDefinition> {
    let of_set = set.definitions.iter();
    let mut of_set =
        of_set.filter(|definition| definition.level > Level::Row && definition.name.eq_ignore_ascii_case(metric));
    Some(FirstStepDefinition {
        name: name.to_owned(),
        origin,
        uses: Vec::new(),
        comments: Vec::new(),
        yaml_comments: 0..0,
        note: String::new(),
        description: None,
        keys: Vec::new(),
        segment: None,
        ..of_set.next()?.clone()
    })
}
