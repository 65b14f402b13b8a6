//! Checks a metric set with a generated model that contains all its metrics and dimensions. The help of the model's
//! diagnostics is adapted to metric sets.

use formulac_syntax::lex::quote_formula_name;

use super::keys::period_unit;
use super::metric_set::{MetricSet, MetricSetTime, MetricSets};
use crate::yaml;

/// Returns a key for the shortest period that is available in all metric sets that provide the rows. These are the
/// metric set itself or the metric sets on which it is built. `None` if one of them has no `time`. The key names the
/// columns, because a metric set may have a column with the name of a period, such as `month`.
fn shortest_period_key(set: &MetricSet, sets: &MetricSets) -> Option<String> {
    let mut metric_sets = vec![set];
    let mut next = 0;
    while let Some(set) = metric_sets.get(next).copied() {
        for name in &set.sets {
            let base_set = &**sets.get(name)?;
            if !metric_sets
                .iter()
                .any(|set| set.name.eq_ignore_ascii_case(&base_set.name))
            {
                metric_sets.push(base_set);
            }
        }
        next += 1;
    }
    metric_sets.retain(|set| set.sets.is_empty());
    let times: Vec<(&str, &MetricSetTime)> = metric_sets
        .iter()
        .map(|set| Some((set.name.as_str(), set.time.as_ref()?)))
        .collect::<Option<_>>()?;
    let grain = |time: &MetricSetTime| time.grain.clone().filter(|grain| period_unit(grain).is_some());
    let grains = times
        .iter()
        .map(|(_, time)| grain(time).unwrap_or_else(|| "day".to_owned()));
    let period = grains.max_by_key(|period| period_unit(period))?;
    let part = |time: &MetricSetTime| yaml::format_flow_scalar(&time.period(&period));
    match times.as_slice() {
        [(_, time)] if set.sets.is_empty() => Some(part(time)),
        times => {
            let parts: Vec<String> = times
                .iter()
                .map(|(set, time)| format!("{set}: {}", part(time)))
                .collect();
            // A key must not have the name of a metric set's time column.
            let mut name = period.clone();
            while times.iter().any(|(_, time)| time.column.eq_ignore_ascii_case(&name)) {
                name.push_str("_of_sets");
            }
            Some(format!("{{{name}: {{{}}}}}", parts.join(", ")))
        }
    }
}

/// Suffix of the name of the model that checks a metric set.
pub const CHECK_MODEL_SUFFIX: &str = "_metrics";

/// Returns the text of the model that checks a metric set by using all its metrics and dimensions.
pub fn write_check_model(set: &MetricSet, sets: &MetricSets) -> String {
    let mut keys: Vec<String> = shortest_period_key(set, sets).into_iter().collect();
    let dimensions = set.definitions.iter().filter(|formula| !set.is_metric(formula));
    keys.extend(dimensions.map(|formula| yaml::format_flow_scalar(&quote_formula_name(&formula.name))));
    format!(
        "model: {}{CHECK_MODEL_SUFFIX}\nmetrics: [{}.*]\ngroup_by: [{}]\n",
        set.name,
        set.name,
        keys.join(", ")
    )
}

/// Parts of help text about steps, each with the corresponding text for a metric set, which has no steps.
const STEP_HELP_REPLACEMENTS: [(&str, &str); 7] = [
    (" and `partition_by: []`", ""),
    (
        " in an earlier step with `group_by`",
        " with `group_by` in a model that the set reads",
    ),
    (
        " in a step with `group_by`",
        " with `group_by` in a model that the set reads",
    ),
    ("in an earlier step", "in a model that the set reads"),
    ("in this step", "in a model that the set reads"),
    ("the next step", "the set"),
    ("a later step", "the set"),
];

/// Rewrites help text about steps for the formulas of a metric set.
pub fn rewrite_help_for_set(help: &str) -> String {
    let replace = |text: String, (steps, set): &(&str, &str)| text.replace(steps, set);
    STEP_HELP_REPLACEMENTS.iter().fold(help.to_owned(), replace)
}
