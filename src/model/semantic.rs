//! Semantic models for dbt's semantic layer: entities, dimensions, and metrics for the columns that can be aggregated.
//!
//! There are two YAML formats. The legacy format has separate lists of semantic models and metrics next to the list of
//! models. From dbt 1.12 on, keys of the model and its columns define the semantic models and metrics. Earlier versions
//! silently ignore these keys.

use rustc_hash::{FxHashMap, FxHashSet};

use super::additivity::{Additivity, ColumnFormula, Lost};
use super::compile::SpecCompilation;
use super::config::config_text;
use super::properties::{holds_always, test_entries};
use crate::dbt::{ModelDoc, YamlOutput, is_long};
use crate::diag::{Code, Diagnostic};
use crate::schema::Column;
use crate::yaml::Node;

/// Setting that determines whether models have a semantic model, and in which YAML format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SemanticModels {
    /// No semantic models.
    #[default]
    Off,
    /// Format that is suitable for the project's version of dbt.
    ByVersion,
    /// `semantic_models:` and `metrics:` next to the models, for all versions before 1.12.
    Legacy,
    /// Keys of the model and its columns, from dbt 1.12 on.
    Latest,
}

impl SemanticModels {
    /// Parses the value of `semantic_model:`.
    pub(super) fn from_node(node: &Node) -> Option<Self> {
        match (node.boolean(), node.text()) {
            (Some(true), _) => Some(Self::ByVersion),
            (Some(false), _) => Some(Self::Off),
            (None, Some("legacy")) => Some(Self::Legacy),
            (None, Some("latest")) => Some(Self::Latest),
            _ => None,
        }
    }
}

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
#[derive(Clone, Debug, Default)]
pub struct SemanticModel {
    pub(crate) form: SemanticModels,
    pub(crate) metrics: Vec<String>,
    pub(crate) left_out: Vec<(String, String)>,
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

    /// Returns the omitted columns, each with the reason.
    #[must_use]
    pub fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }
}

/// Metric that is generated for a column.
struct ModelMetric {
    name: String,
    column: String,
    description: Option<String>,
    of: Additivity,
}

/// Role of a column that is not a measure.
enum SemanticElement {
    Entity { kind: &'static str, name: String },
    Time { unit: &'static str },
    Categorical,
}

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
fn replacement_name(name: &str) -> Option<String> {
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

impl SpecCompilation<'_> {
    /// Returns the requested format, or the legacy format if the latest format cannot express the model.
    fn choose_semantic_format(&self) -> SemanticModels {
        let options = &self.compiler.specs;
        let asked = self.spec.semantic.unwrap_or(options.semantic_models);
        match asked {
            SemanticModels::ByVersion if options.supports_new_semantic_models() => SemanticModels::Latest,
            SemanticModels::ByVersion => SemanticModels::Legacy,
            // If the model has versions, the semantic model needs a `ref` call, which only the legacy format supports.
            SemanticModels::Latest if self.spec.dbt.versions.is_some() => SemanticModels::Legacy,
            other => other,
        }
    }

    /// Adds the semantic layer to the properties of the model.
    pub(super) fn add_semantic_layer(
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
        let mut semantic = SemanticModel {
            form,
            ..SemanticModel::default()
        };
        if config_text(&self.spec.dbt, "materialized") == Some("ephemeral") {
            let reason = "an ephemeral model is not a table that can be queried";
            semantic.left_out = columns
                .iter()
                .map(|c| (c.name().to_owned(), reason.to_owned()))
                .collect();
            return Some(semantic);
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
        let mut elements: Vec<(&Column, SemanticElement)> = Vec::new();
        let mut totals: Vec<(&Column, &Additivity)> = Vec::new();
        let foreign = self.foreign_keys();
        let dimension = Additivity::Dimension { unit: None };
        for (column, (name, of)) in columns.iter().zip(additivity) {
            // Foreign keys are not aggregated, even if they are numbers.
            let is_foreign = *of == Additivity::Lost(Lost::SingleRows) && foreign.contains_key(&name.to_lowercase());
            let of = if is_foreign { &dimension } else { of };
            let lost = match of {
                Additivity::Lost(lost) => Some(lost.to_string()),
                Additivity::Dimension { .. } => None,
                _ if !column.ty().is_number() => Some("the column is not a number".to_owned()),
                _ => None,
            };
            if let Some(lost) = lost {
                semantic.left_out.push((name.clone(), lost));
                continue;
            }
            if let Some(fault) = self.semantic_name_fault(column) {
                warnings.push(fault);
                semantic.left_out.push((
                    name.clone(),
                    "MetricFlow does not accept the name of the column".to_owned(),
                ));
                continue;
            }
            match of {
                Additivity::Dimension { unit } => {
                    elements.push((column, column_element(column, *unit, grain, &foreign)));
                }
                total => totals.push((column, total)),
            }
        }
        let is_key = |column: &Column| grain.iter().any(|key| key.eq_ignore_ascii_case(column.name()));
        let times = || {
            elements
                .iter()
                .filter(|(_, element)| matches!(element, SemanticElement::Time { .. }))
        };
        let time = times().find(|(column, _)| is_key(column)).or_else(|| times().next());
        let time = time.map(|(column, _)| column.name().to_owned());
        let metrics = build_metrics(model.text, totals, time.is_some(), &mut semantic.left_out);
        semantic.metrics = metrics.iter().map(|metric| metric.name.clone()).collect();
        // Name of the entity that represents the rows if no column is the primary entity.
        let has_primary = elements
            .iter()
            .any(|(_, e)| matches!(e, SemanticElement::Entity { kind: "primary", .. }));
        let mut primary = format!("{}_row", model.text);
        while columns
            .iter()
            .any(|column| column.name().eq_ignore_ascii_case(&primary))
        {
            primary.push_str("_of_it");
        }
        let primary = (!has_primary).then_some(primary);
        let names = columns.iter().map(|column| column.name().to_lowercase()).collect();
        let by_column = metrics
            .iter()
            .map(|metric| (metric.column.to_lowercase(), metric.name.clone()))
            .collect();
        let written = SemanticWriter {
            elements,
            time,
            primary,
            metrics,
            by_column,
            columns: names,
        };
        match form {
            SemanticModels::Latest => written.add_to_model(doc),
            _ => written.add_to_doc(model.text, self.own_reference().ref_call(), doc),
        }
        Some(semantic)
    }

    /// Returns a diagnostic if `MetricFlow` rejects the name of a column, or if the name must be quoted in SQL.
    fn semantic_name_fault(&self, column: &Column) -> Option<Diagnostic> {
        let name = column.name();
        let is_quoted = self
            .compiler
            .options
            .dialect
            .has_quotes_around(name, !column.is_quoted());
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
        let mut found = FxHashMap::default();
        for column in &self.spec.columns {
            for test in test_entries(column.data_tests)
                .iter()
                .filter(|test| holds_always(test, TEST))
            {
                let arguments = test.get(TEST).and_then(|test| test.get("arguments"));
                let field = arguments
                    .and_then(|arguments| arguments.get("field"))
                    .and_then(YamlOutput::as_text);
                if let Some(field) = field.filter(|field| replacement_name(field).is_none()) {
                    found.insert(column.name.text.to_lowercase(), field.to_owned());
                }
            }
        }
        found
    }
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

/// Returns the metrics for totals and for formulas over totals. Columns that cannot have a metric are added to
/// `left_out`.
fn build_metrics(
    model: &str,
    totals: Vec<(&Column, &Additivity)>,
    has_time: bool,
    left_out: &mut Vec<(String, String)>,
) -> Vec<ModelMetric> {
    if !has_time {
        let reason = "the model has no date by which to aggregate the column";
        left_out.extend(
            totals
                .iter()
                .map(|(column, _)| (column.name().to_owned(), reason.to_owned())),
        );
        return Vec::new();
    }
    let parts = |of: &Additivity| match of {
        Additivity::Ratio { numerator, denominator } => vec![numerator.to_lowercase(), denominator.to_lowercase()],
        Additivity::Formula(formula) => formula.columns().iter().map(|name| name.to_lowercase()).collect(),
        _ => Vec::new(),
    };
    let mut known: FxHashSet<String> = totals.iter().map(|(column, _)| column.name().to_lowercase()).collect();
    // Repeat this until nothing changes, because a removed metric may be part of another metric.
    loop {
        let before = known.len();
        let gone: Vec<String> = totals
            .iter()
            .filter(|(_, of)| parts(of).iter().any(|part| !known.contains(part)))
            .map(|(column, _)| column.name().to_lowercase())
            .collect();
        gone.iter().for_each(|name| {
            known.remove(name);
        });
        if known.len() == before {
            break;
        }
    }
    let mut metrics = Vec::new();
    for (column, of) in totals {
        let name = column.name();
        if known.contains(&name.to_lowercase()) {
            let description = column
                .description_text()
                .filter(|about| !is_long(about))
                .map(str::to_owned);
            metrics.push(ModelMetric {
                name: metric_name(model, name),
                column: name.to_owned(),
                description,
                of: of.clone(),
            });
        } else {
            let part = parts(of)
                .into_iter()
                .find(|part| !known.contains(part))
                .unwrap_or_default();
            left_out.push((name.to_owned(), Lost::Part(part).to_string()));
        }
    }
    metrics
}

/// Returns the name of a column's metric. The name usually contains the model's name, because the metrics of all models
/// share a namespace.
fn metric_name(model: &str, column: &str) -> String {
    if model.eq_ignore_ascii_case(column) {
        column.to_owned()
    } else {
        format!("{model}_{column}")
    }
}

/// Returns a label such as `Monthly recurring revenue`.
fn to_label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut chars = words.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// Writer for both formats of a semantic model.
struct SemanticWriter<'s> {
    elements: Vec<(&'s Column, SemanticElement)>,
    /// Default time dimension of the metrics.
    time: Option<String>,
    primary: Option<String>,
    metrics: Vec<ModelMetric>,
    /// Names of the metrics, by lower-case column name.
    by_column: FxHashMap<String, String>,
    /// Columns of the model.
    columns: FxHashSet<String>,
}

fn text_pair(key: &str, text: impl Into<String>) -> (String, YamlOutput) {
    (key.to_owned(), YamlOutput::text(text))
}

fn metric_aggregation(of: &Additivity) -> Option<&'static str> {
    match of {
        Additivity::Sum => Some("sum"),
        Additivity::Min => Some("min"),
        Additivity::Max => Some("max"),
        _ => None,
    }
}

impl SemanticWriter<'_> {
    fn column_metric_name(&self, column: &str) -> String {
        self.by_column.get(&column.to_lowercase()).cloned().unwrap_or_default()
    }

    /// Returns the name of a column's metric in formulas. A metric with the same name as a column gets an alias,
    /// because `MetricFlow` would read the column.
    fn name_in_formula(&self, column: &str) -> String {
        let name = self.column_metric_name(column);
        if self.columns.contains(&name) {
            format!("{name}_of_all")
        } else {
            name
        }
    }

    /// Returns the metrics that a formula reads, with their aliases if they have any.
    fn formula_inputs(&self, columns: &[String]) -> YamlOutput {
        let input = |column: &String| {
            let (name, alias) = (self.column_metric_name(column), self.name_in_formula(column));
            let alias = (name != alias).then(|| text_pair("alias", alias));
            YamlOutput::Map(std::iter::once(text_pair("name", name)).chain(alias).collect())
        };
        YamlOutput::List(columns.iter().map(input).collect())
    }

    fn metric_formula(&self, formula: &ColumnFormula) -> (String, YamlOutput) {
        text_pair("expr", formula.sql_with(|column| self.name_in_formula(column)))
    }

    /// Writes the latest format: keys of the model and its columns.
    fn add_to_model(&self, doc: &mut ModelDoc) {
        let by_name: FxHashMap<&str, &(&Column, SemanticElement)> =
            self.elements.iter().map(|of| (of.0.name(), of)).collect();
        for column in &mut doc.columns {
            column.semantic = match by_name.get(column.name.as_str()) {
                Some((_, SemanticElement::Time { unit })) => {
                    vec![
                        text_pair("granularity", *unit),
                        ("dimension".to_owned(), YamlOutput::Map(vec![text_pair("type", "time")])),
                    ]
                }
                Some((_, SemanticElement::Categorical)) => {
                    vec![(
                        "dimension".to_owned(),
                        YamlOutput::Map(vec![text_pair("type", "categorical")]),
                    )]
                }
                Some((of, SemanticElement::Entity { kind, name })) => {
                    let mut entity = vec![text_pair("type", *kind)];
                    entity.extend((name != of.name()).then(|| text_pair("name", name)));
                    vec![("entity".to_owned(), YamlOutput::Map(entity))]
                }
                None => Vec::new(),
            };
        }
        doc.semantic
            .push(("semantic_model".to_owned(), YamlOutput::Bare("true".to_owned())));
        doc.semantic
            .extend(self.time.iter().map(|time| text_pair("agg_time_dimension", time)));
        doc.semantic
            .extend(self.primary.iter().map(|name| text_pair("primary_entity", name)));
        let metric = |metric: &ModelMetric| {
            let mut out = vec![
                text_pair("name", &metric.name),
                text_pair("label", to_label(&metric.name)),
            ];
            out.extend(metric.description.iter().map(|text| text_pair("description", text)));
            match &metric.of {
                Additivity::Ratio { numerator, denominator } => out.extend([
                    text_pair("type", "ratio"),
                    text_pair("numerator", self.column_metric_name(numerator)),
                    text_pair("denominator", self.column_metric_name(denominator)),
                ]),
                Additivity::Formula(formula) => out.extend([
                    text_pair("type", "derived"),
                    self.metric_formula(formula),
                    ("input_metrics".to_owned(), self.formula_inputs(formula.columns())),
                ]),
                of => {
                    out.push(text_pair("type", "simple"));
                    out.extend(metric_aggregation(of).map(|agg| text_pair("agg", agg)));
                    out.push(text_pair("expr", &metric.column));
                }
            }
            YamlOutput::Map(out)
        };
        let metrics: Vec<YamlOutput> = self.metrics.iter().map(metric).collect();
        if !metrics.is_empty() {
            doc.semantic.push(("metrics".to_owned(), YamlOutput::List(metrics)));
        }
    }

    /// Writes the legacy format: lists next to the model.
    fn add_to_doc(&self, model: &str, own_ref: Option<String>, doc: &mut ModelDoc) {
        let mut out = vec![text_pair("name", model)];
        out.extend(own_ref.map(|call| ("model".to_owned(), YamlOutput::Dbt(call))));
        out.extend(
            doc.description
                .iter()
                .filter(|text| !is_long(text))
                .map(|text| text_pair("description", text)),
        );
        out.extend(self.time.iter().map(|time| {
            (
                "defaults".to_owned(),
                YamlOutput::Map(vec![text_pair("agg_time_dimension", time)]),
            )
        }));
        out.extend(self.primary.iter().map(|name| text_pair("primary_entity", name)));
        let mut entities = Vec::new();
        let mut dimensions = Vec::new();
        for (column, element) in &self.elements {
            match element {
                SemanticElement::Entity { kind, name } => {
                    let mut entity = vec![text_pair("name", name), text_pair("type", *kind)];
                    entity.extend((name != column.name()).then(|| text_pair("expr", column.name())));
                    entities.push(YamlOutput::Map(entity));
                }
                SemanticElement::Time { unit } => dimensions.push(YamlOutput::Map(vec![
                    text_pair("name", column.name()),
                    text_pair("type", "time"),
                    (
                        "type_params".to_owned(),
                        YamlOutput::Map(vec![text_pair("time_granularity", *unit)]),
                    ),
                ])),
                SemanticElement::Categorical => {
                    dimensions.push(YamlOutput::Map(vec![
                        text_pair("name", column.name()),
                        text_pair("type", "categorical"),
                    ]));
                }
            }
        }
        let measure = |metric: &ModelMetric| {
            let agg = metric_aggregation(&metric.of)?;
            let mut measure = vec![text_pair("name", &metric.name), text_pair("agg", agg)];
            measure.extend((metric.name != metric.column).then(|| text_pair("expr", &metric.column)));
            Some(YamlOutput::Map(measure))
        };
        let measures: Vec<YamlOutput> = self.metrics.iter().filter_map(measure).collect();
        for (key, items) in [
            ("entities", entities),
            ("dimensions", dimensions),
            ("measures", measures),
        ] {
            out.extend((!items.is_empty()).then(|| (key.to_owned(), YamlOutput::List(items))));
        }
        doc.beside
            .push(("semantic_models".to_owned(), vec![YamlOutput::Map(out)]));
        let metric = |metric: &ModelMetric| {
            let mut out = vec![
                text_pair("name", &metric.name),
                text_pair("label", to_label(&metric.name)),
            ];
            out.extend(metric.description.iter().map(|text| text_pair("description", text)));
            let (kind, params) = match &metric.of {
                Additivity::Ratio { numerator, denominator } => (
                    "ratio",
                    vec![
                        text_pair("numerator", self.column_metric_name(numerator)),
                        text_pair("denominator", self.column_metric_name(denominator)),
                    ],
                ),
                Additivity::Formula(formula) => (
                    "derived",
                    vec![
                        self.metric_formula(formula),
                        ("metrics".to_owned(), self.formula_inputs(formula.columns())),
                    ],
                ),
                _ => ("simple", vec![text_pair("measure", &metric.name)]),
            };
            out.extend([
                text_pair("type", kind),
                ("type_params".to_owned(), YamlOutput::Map(params)),
            ]);
            YamlOutput::Map(out)
        };
        doc.beside
            .push(("metrics".to_owned(), self.metrics.iter().map(metric).collect()));
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
}
