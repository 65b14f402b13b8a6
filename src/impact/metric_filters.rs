//! Dimensions and entities in the filters of a metric.

use crate::artifacts::{DbtSemanticModel, Entity, MetaValue, Metric};
use crate::dbt::{JinjaKind, jinja_parts};

/// Reference in a filter, such as `order_id__status`: the entities that lead to the dimension, and the dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilterReference {
    entities: Vec<String>,
    name: String,
}

impl FilterReference {
    fn from_path(path: &str) -> Self {
        let mut entities: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        let name = entities.pop().unwrap_or_default();
        Self { entities, name }
    }

    /// Returns whether the reference leads to a dimension or an entity of this semantic model.
    pub fn is_element_of(&self, model: &DbtSemanticModel) -> bool {
        let is_named = |name: &str| name.eq_ignore_ascii_case(&self.name);
        let is_element = model.dimensions.iter().any(|dimension| is_named(&dimension.name))
            || model.entities.iter().any(|entity| is_named(&entity.name));
        is_element && self.entities.last().is_none_or(|entity| is_key_of(model, entity))
    }

    /// Returns the names of the elements of a semantic model that the reference reads. `is_measured` specifies whether
    /// the semantic model contains the metric's measures, so that its own dimensions require no join.
    pub fn elements_of(&self, model: &DbtSemanticModel, is_measured: bool) -> Vec<&str> {
        let requires_join = !is_measured || self.entities.len() > 1 || !self.is_element_of(model);
        let is_read =
            |entity: &&String| requires_join && model.entities.iter().any(|e| e.name.eq_ignore_ascii_case(entity));
        let mut elements: Vec<&str> = self.entities.iter().filter(is_read).map(String::as_str).collect();
        if self.is_element_of(model) {
            elements.push(&self.name);
        }
        elements
    }
}

/// Returns whether other semantic models use this entity to join the semantic model.
fn is_key_of(model: &DbtSemanticModel, name: &str) -> bool {
    let is_named = |entity: &Entity| &*entity.kind != "foreign" && entity.name.eq_ignore_ascii_case(name);
    let primary = model.primary_entity.as_deref();
    primary.is_some_and(|primary| primary.eq_ignore_ascii_case(name)) || model.entities.iter().any(is_named)
}

/// Returns the dimensions and entities that the filters of a metric and of its inputs read. `None` if a filter contains
/// other Jinja, or none at all.
pub(super) fn filter_references(metric: &Metric) -> Option<Vec<FilterReference>> {
    let mut references = Vec::new();
    let parameters = metric.type_params.iter().map(|(key, value)| (value, key == "filter"));
    let mut values: Vec<(&MetaValue, bool)> = parameters.chain([(&metric.filter, true)]).collect();
    while let Some((value, is_filter)) = values.pop() {
        match value {
            MetaValue::Text(template) if is_filter => add_references(template, &mut references)?,
            MetaValue::List(items) => values.extend(items.iter().map(|item| (item, is_filter))),
            MetaValue::Map(fields) => {
                values.extend(fields.iter().map(|(key, value)| (value, is_filter || key == "filter")));
            }
            _ => {}
        }
    }
    Some(references)
}

fn add_references(template: &str, references: &mut Vec<FilterReference>) -> Option<()> {
    let count = references.len();
    for part in jinja_parts(template) {
        match part.kind {
            JinjaKind::Text | JinjaKind::Comment => {}
            JinjaKind::Expression => {
                let (function, arguments) = part.code.split_once('(')?;
                if !matches!(function.trim_end(), "Dimension" | "TimeDimension" | "Entity") {
                    return None;
                }
                // Some strings are grains, such as `day`. They only rarely are the names of elements.
                let strings = arguments.split(['\'', '"']).skip(1).step_by(2);
                references.extend(strings.map(FilterReference::from_path));
            }
            JinjaKind::Statement => return None,
        }
    }
    (references.len() > count).then_some(())
}
