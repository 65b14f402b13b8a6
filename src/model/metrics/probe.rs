//! Model with all metrics and dimensions of a set, which is compiled to check the set.

use super::keys::period_unit;
use super::set::{MetricSet, MetricSets};
use super::spelled::quote_formula_name;
use crate::yaml;

/// Returns the shortest period that is available in all sets with rows on which a set is built. `None` if one of these
/// sets has no time.
fn shortest_common_period(set: &MetricSet, sets: &MetricSets) -> Option<String> {
    let mut all = vec![set];
    let mut next = 0;
    while let Some(set) = all.get(next).copied() {
        for name in &set.sets {
            let used = &**sets.get(name)?;
            if !all.iter().any(|known| known.name.eq_ignore_ascii_case(&used.name)) {
                all.push(used);
            }
        }
        next += 1;
    }
    let mut periods = Vec::new();
    for set in all.iter().filter(|set| set.sets.is_empty()) {
        let grain = set.time.as_ref()?.grain.as_deref();
        periods.push(grain.filter(|grain| period_unit(grain).is_some()).unwrap_or("day"));
    }
    periods
        .into_iter()
        .max_by_key(|period| period_unit(period))
        .map(str::to_owned)
}

/// Returns the text of a model that uses all metrics and dimensions of a set, to check the set.
pub fn write_set_check_model(set: &MetricSet, sets: &MetricSets) -> String {
    let mut keys: Vec<String> = shortest_common_period(set, sets).into_iter().collect();
    let dimensions = set.definitions.iter().filter(|formula| !set.is_metric(formula));
    keys.extend(dimensions.map(|formula| yaml::flow_text(&quote_formula_name(&formula.name))));
    format!(
        "model: {}_metrics\nmetrics: [{}.*]\ngroup_by: [{}]\n",
        set.name,
        set.name,
        keys.join(", ")
    )
}
