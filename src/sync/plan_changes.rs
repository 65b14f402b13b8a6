//! Changes to the properties, clauses and definitions of a model, as a plan lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use formulac_syntax::text::collapse_whitespace;

use super::current_spec::CurrentSpec;
use super::manual_edits::Property;
use super::model_properties::{ModelProperties, specified_properties_of_versions};
use super::properties::LocatedPropertyValue;
use super::reconcile::ModelVersions;
use super::state::PushState;
use crate::CompiledSpec;
use crate::yaml_edit::{YamlValue, parse_value};

/// Change to a property of a model or definition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedChange {
    /// Name of the definition or column. `None` if the change concerns the model.
    pub definition: Option<String>,
    /// Changed property.
    pub property: Property,
    /// Old value. `None` if the property is new.
    pub before: Option<String>,
    /// New value. `None` if the property is removed.
    pub after: Option<String>,
    /// Metric or dimension whose formula changes in a metric set, such as `orders.revenue`, or `orders.where` for the
    /// metric set's condition. `None` for definitions of the spec.
    pub metric: Option<String>,
}

impl fmt::Display for PlannedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.definition.as_deref().unwrap_or("the model");
        match self.property {
            Property::Formula => write!(f, "{name}")?,
            Property::Clause(key) if self.definition.is_none() => write!(f, "{key}")?,
            property => write!(f, "{name}, {property}")?,
        }
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, ": {after}"),
            (Some(before), None) => write!(f, ": {before} → removed"),
            (Some(before), Some(after)) => write!(f, ": {before} → {after}"),
            (None, None) => Ok(()),
        }
    }
}

impl CurrentSpec {
    /// Returns the changes to a model since an earlier version of its spec.
    #[must_use]
    pub fn changes_since(&self, model: &str, earlier: &Self) -> Vec<PlannedChange> {
        let base = [PushState::from_pushed(model, earlier)];
        let sides = ModelVersions {
            model,
            bases: &base,
            ours: Some(self),
            files: &BTreeMap::new(),
        };
        let properties = specified_properties_of_versions(model, [&earlier.files, &self.files]);
        changes(sides, Some(&earlier.compiled), false, &properties)
    }
}

/// Returns the changes to a model. Formulas are compared in the specs, everything else in the properties. `properties`
/// contains the properties of the base and of the spec.
pub(super) fn changes(
    sides: ModelVersions<'_>,
    base: Option<&CompiledSpec>,
    is_new: bool,
    properties: &[ModelProperties; 2],
) -> Vec<PlannedChange> {
    if base.is_none() && !is_new {
        return Vec::new();
    }
    let formulas = |compiled: Option<&CompiledSpec>| -> Vec<((Option<String>, String), String)> {
        let all = compiled.map(CompiledSpec::definitions).unwrap_or_default();
        let one = |definition: &crate::model::SpecDefinition| {
            let formula = collapse_whitespace(definition.formula());
            (
                (definition.step().map(str::to_owned), definition.name().to_owned()),
                formula,
            )
        };
        all.iter().map(one).collect()
    };
    let (before, after) = (formulas(base), formulas(sides.ours.map(|ours| &ours.compiled)));
    let find = |all: &[((Option<String>, String), String)], key: &(Option<String>, String)| {
        all.iter()
            .find(|(other, _)| other == key)
            .map(|(_, formula)| formula.clone())
    };
    let mut changes: Vec<PlannedChange> = Vec::new();
    if let (false, [base, ..], Some(ours)) = (is_new, sides.bases, sides.ours) {
        changes.extend(changed_spec_clauses(&base.source, &ours.source));
    }
    let mut say = |name: &str, before: Option<String>, after: Option<String>| {
        if before != after {
            changes.push(PlannedChange {
                definition: Some(name.to_owned()),
                property: Property::Formula,
                before,
                after,
                metric: None,
            });
        }
    };
    for (key, formula) in &after {
        say(&key.1, find(&before, key), Some(formula.clone()));
    }
    for (key, formula) in before.iter().filter(|(key, _)| find(&after, key).is_none()) {
        say(&key.1, Some(formula.clone()), None);
    }
    if let (Some(base), Some(ours)) = (base, sides.ours) {
        add_metric_changes(base, &ours.compiled, &mut changes);
    }
    // For a new or removed model, only its definitions are listed, because `properties` is empty.
    let [before, after] = properties;
    let abouts: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for about in abouts.into_iter().filter(|about| about.property != Property::Text) {
        let (was, is) = (
            before.get(about).map(LocatedPropertyValue::text),
            after.get(about).map(LocatedPropertyValue::text),
        );
        // If a column has no description, its formula serves as the description, so the change may already be listed as
        // a change to the formula.
        let is_reported = changes.iter().any(|planned_change| {
            let of_set = planned_change
                .metric
                .as_deref()
                .and_then(|metric| metric.split_once('.'));
            let is_of_set = of_set.is_some_and(|(_, name)| about.column.as_deref() == Some(name));
            let is_column = planned_change.definition == about.column || is_of_set;
            is_column && (&planned_change.before, &planned_change.after) == (&was, &is)
        });
        if was != is && !is_reported {
            let (definition, property) = (about.column.clone(), about.property);
            changes.push(PlannedChange {
                definition,
                property,
                before: was,
                after: is,
                metric: None,
            });
        }
    }
    changes
}

/// Keys of a spec or step that determine its rows or check them.
const SPEC_CLAUSE_KEYS: [&str; 6] = ["joins", "where", "group_by", "having", "limit", "rules"];

/// Returns the changes to the keys in [`SPEC_CLAUSE_KEYS`]. Changes to the last step and to the spec itself have no
/// name.
pub(super) fn changed_spec_clauses(before: &str, after: &str) -> Vec<PlannedChange> {
    let (Some(before), Some(after)) = (parse_value(before), parse_value(after)) else {
        return Vec::new();
    };
    let (before, after) = (steps_with_names(&before), steps_with_names(&after));
    let text = |steps: &[(Option<&str>, &YamlValue)], name: Option<&str>, key: &str| {
        let mut own = steps.iter().filter(|(other, _)| *other == name);
        own.find_map(|(_, step)| step.get(key)).map(format_clause)
    };
    let mut names: Vec<Option<&str>> = after.iter().map(|(name, _)| *name).collect();
    names.dedup();
    let keys = names.iter().flat_map(|name| SPEC_CLAUSE_KEYS.map(|key| (*name, key)));
    let change = |(name, key): (Option<&str>, &'static str)| {
        let (before, after) = (text(&before, name, key), text(&after, name, key));
        (before != after).then(|| PlannedChange {
            definition: name.map(str::to_owned),
            property: Property::Clause(key),
            before,
            after,
            metric: None,
        })
    };
    keys.filter_map(change).collect()
}

/// Returns the steps of a spec with their names, then the spec itself. The last step and the spec have no name.
fn steps_with_names(root: &YamlValue) -> Vec<(Option<&str>, &YamlValue)> {
    let steps: &[YamlValue] = match root.get("steps") {
        Some(YamlValue::List(steps, _)) => steps,
        _ => &[],
    };
    let name = |(number, step): (usize, _)| {
        let name = YamlValue::get(step, "name").and_then(YamlValue::as_text);
        (name.filter(|_| number + 1 < steps.len()), step)
    };
    steps.iter().enumerate().map(name).chain([(None, root)]).collect()
}

/// Formats the value of a key on one line.
fn format_clause(value: &YamlValue) -> String {
    let text = |value: &YamlValue| match value.as_text() {
        Some(text) => collapse_whitespace(text),
        None => collapse_whitespace(&value.to_string()),
    };
    match value {
        YamlValue::List(items, _) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        value => text(value),
    }
}

/// Adds to `changes` the changed formulas of the metric sets that the model reads. A change to a metric that is a
/// column of the model is already listed under the name of the column.
fn add_metric_changes(base: &CompiledSpec, ours: &CompiledSpec, changes: &mut Vec<PlannedChange>) {
    for metric in ours.metric_changes_since(base) {
        let is_shown = |change: &&mut PlannedChange| {
            let formulas = [change.before.as_deref(), change.after.as_deref()];
            let column = change.definition.as_deref().unwrap_or_default();
            change.property == Property::Formula && metric.is_reflected_in(ours, column, formulas)
        };
        match changes.iter_mut().find(is_shown) {
            Some(change) => change.metric = Some(metric.metric),
            None => changes.push(PlannedChange {
                definition: Some(metric.metric.clone()),
                property: Property::Formula,
                before: metric.before,
                after: metric.after,
                metric: Some(metric.metric),
            }),
        }
    }
}
