//! Names in dbt's semantic layer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{SemanticElement, SemanticModel};

/// Names reserved by `MetricFlow`.
const RESERVED: &[&str] = &[
    "metric_time",
    "mf_internal_uuid",
    "nanosecond",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];

/// Returns a name that `MetricFlow` accepts in place of a reserved name.
pub fn replacement_name(name: &str) -> Option<String> {
    let mut good = String::with_capacity(name.len());
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if !(c == '_' && (good.ends_with('_') || good.is_empty())) {
            good.push(c);
        }
    }
    let good = good
        .trim_start_matches(|c: char| !c.is_ascii_lowercase())
        .trim_end_matches('_');
    if good == name && good.len() > 1 && !RESERVED.contains(&good) {
        return None;
    }
    Some(if good.len() < 2 || RESERVED.contains(&good) {
        format!("{}_value", if good.is_empty() { "the" } else { good })
    } else {
        good.to_owned()
    })
}

/// Kind of a name in semantic models. dbt requires that a name has the same kind in all semantic models of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SemanticNameKind {
    /// Entity.
    Entity,
    /// Dimension with dates or times.
    TimeDimension,
    /// Other dimension.
    Categorical,
}

impl SemanticNameKind {
    /// Returns the noun for messages, with its article.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Entity => "an entity",
            Self::TimeDimension => "a time dimension",
            Self::Categorical => "a categorical dimension",
        }
    }
}

impl SemanticElement {
    /// Returns the name of the entity or dimension for a column, and its kind.
    pub(super) fn name_and_kind(&self, column: &str) -> (String, SemanticNameKind) {
        match self {
            Self::Entity { name, .. } => (name.clone(), SemanticNameKind::Entity),
            Self::Time { .. } => (column.to_owned(), SemanticNameKind::TimeDimension),
            Self::Categorical => (column.to_owned(), SemanticNameKind::Categorical),
        }
    }
}

/// Names of entities and time dimensions in the semantic models of all specs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SemanticNames {
    times: BTreeSet<String>,
    entities: BTreeSet<String>,
}

impl SemanticNames {
    /// Collects the names from semantic models that were compiled independently of each other.
    pub(crate) fn from_models<'m>(models: impl Iterator<Item = &'m SemanticModel>) -> Self {
        let mut names = Self::default();
        for (name, kind) in models.flat_map(|model| &model.names) {
            match kind {
                SemanticNameKind::TimeDimension => names.times.insert(name.clone()),
                SemanticNameKind::Entity => names.entities.insert(name.clone()),
                SemanticNameKind::Categorical => false,
            };
        }
        names
    }

    /// Returns whether another semantic model uses one of the model's names for an element of a different kind, which
    /// takes precedence.
    pub(crate) fn contradicts(&self, model: &SemanticModel) -> bool {
        model
            .names
            .iter()
            .any(|(name, kind)| self.conflicts_with_time(name, *kind) || self.conflicts_with_entity(name, *kind))
    }

    /// Returns whether `kind` is not a time dimension and any semantic model uses the name for a time dimension.
    pub(super) fn conflicts_with_time(&self, name: &str, kind: SemanticNameKind) -> bool {
        kind != SemanticNameKind::TimeDimension && self.times.contains(name)
    }

    /// Returns whether `kind` is a categorical dimension and any semantic model uses the name for an entity.
    pub(super) fn conflicts_with_entity(&self, name: &str, kind: SemanticNameKind) -> bool {
        kind == SemanticNameKind::Categorical && self.entities.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::replacement_name;

    #[test]
    fn reserved_names_are_replaced() {
        for (name, other) in [
            ("revenue", None),
            ("mrr_2024", None),
            ("Net Revenue", Some("net_revenue")),
            ("a__b", Some("a_b")),
            ("_a1_", Some("a1")),
            ("x", Some("x_value")),
            ("month", Some("month_value")),
            ("2nd_half", Some("nd_half")),
            ("__", Some("the_value")),
        ] {
            assert_eq!(replacement_name(name).as_deref(), other, "{name}");
        }
    }

    #[test]
    fn names_have_the_same_kind_in_all_models() {
        let spec = |model: &str, from: &str, key: &str| {
            format!(
                "model: {model}\nfrom: {from}\nsemantic_model: legacy\ngroup_by: {key}\ndefinitions: revenue = SUM(amount)\n"
            )
        };
        let relations = "relations: {orders: {columns: {customer: text, period: text, start: date, amount: integer}}, \
            shifts: {columns: {period: date, amount: integer}}}";
        let schema = crate::schema::Schema::from_text(relations, crate::dialect::Dialect::default()).0;
        let compiler = crate::Compiler::builder().schema(schema).build();
        let specs = [
            spec("by_customer_and_start", "orders", "[customer, start]"),
            spec("by_customer", "orders", "customer"),
            spec("by_period", "orders", "period"),
            spec("shifts_by_period", "shifts", "period"),
        ];
        let texts: Vec<_> = specs.iter().map(|text| crate::SpecText { text, path: None }).collect();
        for count in 1..=texts.len() {
            let compiled = compiler.compile_specs_with_dependencies(&texts, count, || {});
            let yml: Vec<&str> = compiled.iter().map(|spec| spec.model_yml().unwrap()).collect();
            assert!(yml[0].contains("name: customer\n        type: foreign"), "{}", yml[0]);
            if let Some(yml) = yml.get(1) {
                assert!(yml.contains("name: customer\n        type: primary"), "{yml}");
            }
            // In another model, the column with this name contains dates.
            if let Some(spec) = compiled.get(2) {
                let left_out = spec.semantic_model().unwrap().left_out();
                assert!(left_out.iter().any(|(column, _)| column == "period"), "{left_out:?}");
                assert!(yml[2].contains("primary_entity: by_period_row"), "{}", yml[2]);
            }
        }
    }
}
