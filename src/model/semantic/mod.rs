//! Semantic models for dbt's semantic layer: entities, dimensions, and metrics for the columns that can be aggregated.
//!
//! There are two YAML formats. The legacy format has separate lists of semantic models and metrics next to the list of
//! models. In dbt 1.12 and later, keys of the model and its columns define the semantic models and metrics. Earlier
//! versions silently ignore these keys.

mod metrics;
mod names;
mod writer;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::additivity::{Additivity, NonAdditiveReason};
use crate::compile::SpecCompilation;
use crate::config::config_text;
use crate::data_tests::{is_unconditional, test_entries};
use crate::dbt::ModelDoc;
use crate::diag::{Code, Diagnostic};
use crate::schema::Column;
use crate::yaml::{Node, YamlValue};
use metrics::build_metrics;
pub use names::SemanticNameKind;
pub(crate) use names::SemanticNames;
use names::replacement_name;
use writer::SemanticWriter;

/// Setting that determines whether models have a semantic model, and in which YAML format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SemanticModels {
    /// No semantic models.
    #[default]
    Off,
    /// Format that is suitable for the project's version of dbt.
    ByVersion,
    /// `semantic_models:` and `metrics:` next to the models, for all versions before 1.12.
    Legacy,
    /// Keys of the model and its columns, for dbt 1.12 and later.
    Latest,
}

impl SemanticModels {
    /// Parses the value of `semantic_model:`.
    pub(crate) fn from_node(node: &Node) -> Option<Self> {
        match (node.boolean(), node.text()) {
            (Some(true), _) => Some(Self::ByVersion),
            (Some(false), _) => Some(Self::Off),
            (None, Some("legacy")) => Some(Self::Legacy),
            (None, Some("latest")) => Some(Self::Latest),
            _ => None,
        }
    }
}

/// Reason why a column is omitted.
const TIME_NAME_CONFLICT_REASON: &str = "the semantic model of another spec has a date with this name";

/// Semantic model of a spec.
///
/// ```
/// let spec = "
/// model: sales
/// from: orders
/// semantic_model: legacy
/// group_by: ordered_on[month]
/// definitions: |
///   revenue = SUM(amount)
///   average = AVERAGE(amount)
/// ";
/// let compiled = formulac_model::Compiler::default().compile_spec(spec);
/// let semantic = compiled.semantic_model().unwrap();
/// assert_eq!(semantic.metrics(), ["sales_revenue"]);
/// assert_eq!(semantic.left_out()[0].0, "average");
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SemanticModel {
    pub(crate) form: SemanticModels,
    pub(crate) metrics: Vec<String>,
    pub(crate) left_out: Vec<(String, String)>,
    /// Names of the entities and dimensions.
    names: Vec<(String, SemanticNameKind)>,
}

impl SemanticModel {
    /// Returns the YAML format: legacy or latest.
    #[must_use]
    pub fn form(&self) -> SemanticModels {
        self.form
    }

    /// Returns the names of the semantic model's metrics.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// Returns the names of the entities and dimensions, each with its kind.
    #[must_use]
    pub fn element_kinds(&self) -> &[(String, SemanticNameKind)] {
        &self.names
    }

    /// Returns the omitted columns, each with the reason.
    #[must_use]
    pub fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }
}

impl SpecCompilation<'_> {
    /// Returns the requested format, or the legacy format if the latest format cannot express the model.
    fn choose_semantic_format(&self) -> SemanticModels {
        let options = &self.compiler.specs;
        let semantic_models = self.spec.semantic.unwrap_or(options.semantic_models);
        let form = match semantic_models {
            SemanticModels::ByVersion if options.supports_new_semantic_models() => SemanticModels::Latest,
            SemanticModels::ByVersion => SemanticModels::Legacy,
            other => other,
        };
        // If the model has versions, the semantic model needs a `ref` call. If the model is private, the semantic model
        // needs a group. Only the legacy format supports `ref` calls and groups.
        let needs_legacy = self.spec.dbt.versions.is_some() || self.group_of_private_model().is_some();
        if form == SemanticModels::Latest && needs_legacy {
            SemanticModels::Legacy
        } else {
            form
        }
    }

    /// Adds the semantic layer to the properties of the model.
    pub(crate) fn add_semantic_layer(
        &self,
        columns: &[Column],
        additivity: &[(String, Additivity)],
        grain: &[String],
        doc: &mut ModelDoc,
        warnings: &mut Vec<Diagnostic>,
    ) -> Option<SemanticModel> {
        let form = self.choose_semantic_format();
        if form == SemanticModels::Off {
            return None;
        }
        let model = self.spec.model;
        if config_text(&self.spec.dbt, "materialized") == Some("ephemeral") {
            let reason = "an ephemeral model is not a table that can be queried";
            let left_out = columns.iter().map(|c| (c.name().to_owned(), reason.to_owned()));
            return Some(SemanticModel {
                form,
                left_out: left_out.collect(),
                ..SemanticModel::default()
            });
        }
        if let Some(other) = replacement_name(model.text) {
            let message = format!("`{}` is not a valid name for a semantic model", model.text);
            warnings.push(
                Diagnostic::new(Code::NotASemanticName, model.node.span, message).with_help(format!(
                    "use another name, such as `{other}`, for the model, or write `semantic_model: false`"
                )),
            );
            return None;
        }
        let foreign = self.foreign_keys();
        let classified = self.classify_columns(columns.iter().zip(additivity), grain, &foreign, warnings);
        let mut left_out = classified.left_out;
        let time = default_time_dimension(&classified.elements, grain);
        let metrics = build_metrics(model.text, classified.totals, time.is_some(), &mut left_out);
        let primary = primary_entity(model.text, &classified.elements, columns);
        let semantic = SemanticModel {
            form,
            metrics: metrics.iter().map(|metric| metric.name.clone()).collect(),
            left_out,
            names: classified
                .elements
                .iter()
                .map(|(column, element)| element.name_and_kind(column.name()))
                .collect(),
        };
        let writer = SemanticWriter::new(classified.elements, time, primary, metrics, columns);
        match form {
            SemanticModels::Latest => writer.write_latest_format(doc),
            _ => {
                let own_ref = self.own_reference().ref_call();
                writer.write_legacy_format(model.text, own_ref, self.group_of_private_model(), doc);
            }
        }
        Some(semantic)
    }

    /// Classifies the columns of a model by their use. Warns about columns whose names are invalid.
    fn classify_columns<'c>(
        &self,
        columns: impl Iterator<Item = (&'c Column, &'c (String, Additivity))>,
        grain: &[String],
        foreign: &FxHashMap<String, String>,
        warnings: &mut Vec<Diagnostic>,
    ) -> ClassifiedColumns<'c> {
        let mut classified_columns = ClassifiedColumns::default();
        for (column, (name, additivity)) in columns {
            // Foreign keys are not aggregated, even if they are numbers.
            let is_foreign = *additivity == Additivity::NonAdditive(NonAdditiveReason::SingleRows)
                && foreign.contains_key(&name.to_lowercase());
            let element = match additivity {
                _ if is_foreign => Some(column_element(column, None, grain, foreign)),
                Additivity::Dimension { unit } => Some(column_element(column, *unit, grain, foreign)),
                _ => None,
            };
            let element = element.map(|element| self.unify_element_kind(column.name(), element));
            let lost = match additivity {
                _ if matches!(element, Some(None)) => Some(TIME_NAME_CONFLICT_REASON.to_owned()),
                _ if element.is_some() => None,
                Additivity::NonAdditive(lost) => Some(lost.to_string()),
                _ if !column.ty().is_number() => Some("the column is not a number".to_owned()),
                _ => None,
            };
            if let Some(lost) = lost {
                classified_columns.left_out.push((name.clone(), lost));
            } else if let Some(fault) = self.semantic_name_diagnostic(column) {
                warnings.push(fault);
                let reason = "MetricFlow does not accept the name of the column";
                classified_columns.left_out.push((name.clone(), reason.to_owned()));
            } else if let Some(Some(element)) = element {
                classified_columns.elements.push((column, element));
            } else {
                classified_columns.totals.push((column, additivity));
            }
        }
        classified_columns
    }

    /// Changes the element for a column so that a name has the same kind in all semantic models of the project. A
    /// dimension becomes an entity if another model has an entity with the same name. Returns `None` if another model
    /// has a time dimension with the same name.
    fn unify_element_kind(&self, column: &str, element: SemanticElement) -> Option<SemanticElement> {
        let project = &self.compiler.specs.semantic_names;
        let (name, kind) = element.name_and_kind(column);
        if project.conflicts_with_time(&name, kind) {
            return None;
        }
        Some(match project.conflicts_with_entity(&name, kind) {
            true => SemanticElement::Entity { kind: "foreign", name },
            false => element,
        })
    }

    /// Returns a diagnostic if `MetricFlow` rejects the name of a column, or if the name must be quoted in SQL.
    fn semantic_name_diagnostic(&self, column: &Column) -> Option<Diagnostic> {
        let name = column.name();
        let is_quoted = self.compiler.options.dialect.requires_quotes(name, !column.is_quoted());
        let other = replacement_name(name).or_else(|| is_quoted.then(|| format!("{name}_value")))?;
        let span = self
            .definitions
            .iter()
            .rev()
            .find(|d| d.name.eq_ignore_ascii_case(name))
            .map(|d| d.span);
        let message = format!(
            "`{name}` is not a valid name in dbt's semantic layer, so the semantic model does not \
            include the column"
        );
        let help = format!(
            "use a name like `{other}`: at least two lower-case letters, digits or single `_`, and \
            not a unit of time"
        );
        Some(
            Diagnostic::new(
                Code::NotASemanticName,
                span.unwrap_or(self.spec.model.node.span),
                message,
            )
            .with_help(help),
        )
    }

    /// Returns the fields to which foreign keys refer, by lower-case column name. Only keys with a test on all rows are
    /// included.
    fn foreign_keys(&self) -> FxHashMap<String, String> {
        const TEST: &str = "relationships";
        let mut fields = FxHashMap::default();
        for column in &self.spec.columns {
            for test in test_entries(column.data_tests)
                .iter()
                .filter(|test| is_unconditional(test, TEST))
            {
                let arguments = test.get(TEST).and_then(|test| test.get("arguments"));
                let field = arguments
                    .and_then(|arguments| arguments.get("field"))
                    .and_then(YamlValue::as_text);
                if let Some(field) = field.filter(|field| replacement_name(field).is_none()) {
                    fields.insert(column.name.text.to_lowercase(), field.to_owned());
                }
            }
        }
        fields
    }
}

/// Role of a column that is not a measure.
enum SemanticElement {
    Entity { kind: &'static str, name: String },
    Time { unit: &'static str },
    Categorical,
}

/// Columns of a model by their use in the semantic model.
#[derive(Default)]
struct ClassifiedColumns<'c> {
    elements: Vec<(&'c Column, SemanticElement)>,
    /// Columns that can be aggregated.
    totals: Vec<(&'c Column, &'c Additivity)>,
    /// Omitted columns, each with the reason.
    left_out: Vec<(String, String)>,
}

/// Returns the default time dimension of the metrics: preferably a key column.
fn default_time_dimension(elements: &[(&Column, SemanticElement)], grain: &[String]) -> Option<String> {
    let is_key = |column: &Column| grain.iter().any(|key| key.eq_ignore_ascii_case(column.name()));
    let is_time = |element: &SemanticElement| matches!(element, SemanticElement::Time { .. });
    let times = || elements.iter().filter(|(_, element)| is_time(element));
    let time = times().find(|(column, _)| is_key(column)).or_else(|| times().next());
    time.map(|(column, _)| column.name().to_owned())
}

/// Returns the name of the entity that represents the rows. `None` if a column is the primary entity.
fn primary_entity(model: &str, elements: &[(&Column, SemanticElement)], columns: &[Column]) -> Option<String> {
    let is_primary = |element: &SemanticElement| matches!(element, SemanticElement::Entity { kind: "primary", .. });
    if elements.iter().any(|(_, element)| is_primary(element)) {
        return None;
    }
    let mut name = format!("{model}_row");
    while columns.iter().any(|column| column.name().eq_ignore_ascii_case(&name)) {
        name.push_str("_of_it");
    }
    Some(name)
}

fn column_element(
    column: &Column,
    unit: Option<&'static str>,
    grain: &[String],
    foreign: &FxHashMap<String, String>,
) -> SemanticElement {
    let name = column.name();
    if column.ty().is_temporal() {
        // Without a unit, the granularity is a day, because every time spine supports days.
        return SemanticElement::Time {
            unit: unit.unwrap_or("day"),
        };
    }
    match (grain, foreign.get(&name.to_lowercase())) {
        ([key], _) if key.eq_ignore_ascii_case(name) => SemanticElement::Entity {
            kind: "primary",
            name: name.to_owned(),
        },
        (_, Some(field)) => SemanticElement::Entity {
            kind: "foreign",
            name: field.clone(),
        },
        _ => SemanticElement::Categorical,
    }
}
