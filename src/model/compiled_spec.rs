//! Result of compiling a spec.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::TypeSensitiveColumn;
use crate::additivity::Additivity;
use crate::dbt;
use crate::dbt_names::Declared;
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::ir::ColumnUse;
use crate::lineage::{ColumnLineage, Lineage};
use crate::metrics::MetricSet;
use crate::model_files::{DbtModelFiles, ModelTest};
use crate::schema::{Access, Column, Relation};
use crate::semantic::SemanticModel;
use crate::span::Span;
use crate::spec_definition::SpecDefinition;
use crate::sql::QueryPlan;
use crate::versions::UngeneratedVersion;

/// Result of compiling a spec: all diagnostics, and the query and dbt files if there is no error.
///
/// ```
/// let spec = "
/// model: revenue_by_month
/// from: orders
/// group_by: ordered_on[month]
/// definitions: |
///   revenue = SUM(amount)
/// ";
/// let compiled = formulac_model::Compiler::default().compile_spec(spec);
/// assert_eq!(compiled.query().unwrap(), "\
/// select
///     cast(date_trunc('month', ordered_on) as date) as ordered_on_month,
///     coalesce(sum(amount), 0) as revenue
/// from orders
/// group by cast(date_trunc('month', ordered_on) as date)
/// ");
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CompiledSpec {
    pub(crate) dialect: Dialect,
    pub(crate) name: Option<String>,
    pub(crate) name_span: Span,
    pub(crate) query: Option<String>,
    pub(crate) model: Option<DbtModelFiles>,
    pub(crate) plan: Option<QueryPlan>,
    pub(crate) model_fault: Option<Diagnostic>,
    pub(crate) model_warnings: Vec<Diagnostic>,
    pub(crate) columns: Vec<Column>,
    pub(crate) reads: Vec<dbt::RelationReference>,
    pub(crate) tables: Vec<String>,
    /// Key columns. Empty if the key is unknown or the model has at most one row.
    pub(crate) key: Vec<String>,
    /// Whether the model has at most one row.
    pub(crate) single: bool,
    /// Whether the model may have columns that are unknown to the compiler.
    pub(crate) open: bool,
    /// Lower-case columns that a test or constraint of the spec declares NOT NULL.
    pub(crate) never_null: BTreeSet<String>,
    /// dbt access level of the model, and its group.
    pub(crate) access: Option<(Access, Option<String>)>,
    /// Columns of relations to which formulas refer.
    #[doc(hidden)]
    pub columns_read: Vec<ColumnUse>,
    /// Relations of the schema that the spec reads, each with only the columns that the spec reads.
    pub(crate) known_relations: Vec<Relation>,
    pub(crate) undecided_types: Vec<TypeSensitiveColumn>,
    pub(crate) definitions: Vec<SpecDefinition>,
    pub(crate) tags: Vec<String>,
    pub(crate) config: Vec<(String, String)>,
    /// Versions that the spec does not generate.
    #[doc(hidden)]
    pub ungenerated_versions: Vec<UngeneratedVersion>,
    pub(crate) budget: Option<String>,
    /// Tags that the spec sets on columns.
    pub(crate) column_tags: Vec<(String, Vec<String>)>,
    /// Labels and formats that the spec, or a metric set that it reads, sets on columns.
    pub(crate) column_formats: Vec<(String, ColumnFormat)>,
    pub(crate) lineage: Lineage,
    pub(crate) additivity: Vec<(String, Additivity)>,
    /// Spec with the definitions of its metric sets written out. `None` if the spec reads no metric sets.
    pub(crate) expanded: Option<String>,
    /// Whether the spec has `metrics`, even if the metrics could not be found.
    pub(crate) is_over_sets: bool,
    /// Metric sets that the model reads, and the metric sets on which those are built.
    #[serde(skip)]
    pub(crate) sets: Vec<Arc<MetricSet>>,
    /// Metrics that the model reads, as `set.metric`.
    pub(crate) metrics_read: Vec<String>,
    /// Dimensions that the model reads, as `set.dimension`.
    pub(crate) dimensions_read: Vec<String>,
    /// Columns that are computed from metrics, each with all metrics from which it is computed.
    pub(crate) metrics_of_columns: Vec<(String, Vec<String>)>,
    /// Metrics that determine which rows the model has, as `set.metric`.
    pub(crate) metrics_of_rows: Vec<String>,
    /// Keys that are periods because not all columns of the metric set's relation are known, each with the relation.
    pub(crate) assumed_periods: Vec<(String, String)>,
    /// Metric set that the file defines instead of a model.
    #[serde(skip)]
    pub(crate) metric_set: Option<Arc<MetricSet>>,
    /// Tests of the metric set's joins.
    pub(crate) set_tests: Vec<ModelTest>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Label and format with which a BI tool shows a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ColumnFormat {
    pub(crate) label: Option<String>,
    pub(crate) format: Option<String>,
}

impl CompiledSpec {
    pub(crate) fn new(dialect: Dialect, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            dialect,
            diagnostics,
            ..Self::default()
        }
    }

    /// Returns the dialect of the SQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the model's name, if the spec specifies one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the name of the metric set, if the file defines a metric set instead of a model.
    ///
    /// ```
    /// let set = "metric_set: orders\nfrom: orders\ndefinitions: revenue = SUM(amount)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(set).metric_set(), Some("orders"));
    /// ```
    #[must_use]
    pub fn metric_set(&self) -> Option<&str> {
        self.metric_set.as_ref().map(|set| set.name.as_str())
    }

    /// Returns the metrics of the set, each with its description, if the file defines a metric set.
    ///
    /// ```
    /// let set = "metric_set: orders\nfrom: orders\ndefinitions: |\n  /// Money\n  revenue = SUM(amount)\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(set);
    /// assert_eq!(compiled.metrics_of_set().collect::<Vec<_>>(), [("revenue", Some("Money"))]);
    /// ```
    pub fn metrics_of_set(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let sets = self.metric_set.iter();
        let metrics = sets.flat_map(|set| set.metrics());
        metrics.map(|metric| (metric.name.as_str(), metric.description.as_deref()))
    }

    /// Returns the dimensions of the set, each with its description, if the file defines a metric set.
    ///
    /// ```
    /// let set = "metric_set: orders\nfrom: orders\ndefinitions: |\n  is_large = amount > 100\n  n = COUNT()\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(set);
    /// assert_eq!(compiled.dimensions_of_set().collect::<Vec<_>>(), [("is_large", None)]);
    /// ```
    pub fn dimensions_of_set(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let sets = self.metric_set.iter();
        let dimensions = sets.flat_map(|set| set.definitions.iter().filter(|formula| !set.is_metric(formula)));
        dimensions.map(|formula| (formula.name.as_str(), formula.description.as_deref()))
    }

    /// Returns the spec in which the definitions of the metric sets are written out, for a model built on metric sets.
    /// Both specs compile to the same SQL.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: orders\nfrom: orders\ndefinitions: revenue = SUM(amount)\n";
    /// let model = "model: m\nmetrics: [orders.revenue]\ngroup_by: region\n";
    /// let texts = [set, model].map(|text| SpecText { text, path: None });
    /// let compiled = Compiler::default().compile_specs(&texts);
    /// assert!(compiled[1].expanded().unwrap().contains("revenue = SUM(amount)"));
    /// ```
    #[must_use]
    pub fn expanded(&self) -> Option<&str> {
        self.expanded.as_deref()
    }

    /// Returns whether the spec reads metric sets.
    #[must_use]
    pub fn is_over_sets(&self) -> bool {
        self.is_over_sets
    }

    /// Returns the names of the metric sets that the model reads, and of the metric sets on which those are built.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().map(|set| set.name.as_str())
    }

    /// Returns the files of the metric sets that `sets` returns, each with its path and text. Metric sets without a
    /// path are omitted.
    pub fn metric_set_files(&self) -> impl Iterator<Item = (&str, &str)> {
        let sets = self.sets.iter();
        sets.filter_map(|set| Some((set.path.as_deref()?, set.text.as_str())))
    }

    /// Returns whether dbt enforces the model's contract.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndefinitions: n = COUNT()\ncontract: {enforced: true}\n";
    /// assert!(formulac_model::Compiler::default().compile_spec(spec).enforces_contract());
    /// ```
    #[must_use]
    pub fn enforces_contract(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.is_contract_enforced)
    }

    /// Returns the metrics that the model reads, directly or through other metrics, as `set.metric`.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: o\nfrom: t\ndefinitions: |\n  n = COUNT()\n  twice = n * 2\n";
    /// let texts = [set, "model: m\nmetrics: [o.twice]\n"].map(|text| SpecText { text, path: None });
    /// assert_eq!(Compiler::default().compile_specs(&texts)[1].metrics_read(), ["o.n", "o.twice"]);
    /// ```
    #[must_use]
    pub fn metrics_read(&self) -> &[String] {
        &self.metrics_read
    }

    /// Returns the columns that are computed from a metric (`orders.revenue`) or from any metric of a metric set
    /// (`orders`), directly or through other metrics.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: o\nfrom: t\ndefinitions: |\n  n = COUNT()\n  twice = n * 2\n";
    /// let texts = [set, "model: m\nmetrics: [o.twice]\n"].map(|text| SpecText { text, path: None });
    /// let compiled = &Compiler::default().compile_specs(&texts)[1];
    /// assert_eq!(compiled.columns_of_metric("o.n").collect::<Vec<_>>(), ["twice"]);
    /// ```
    pub fn columns_of_metric<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let columns = self.metrics_of_columns.iter();
        columns
            .filter(move |(_, metrics)| metrics.iter().any(|metric| matches_metric_or_set(metric, name)))
            .map(|(column, _)| column.as_str())
    }

    /// Returns the metrics from which a column is computed, directly or through other metrics, as `set.metric`.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: o\nfrom: t\ndefinitions: |\n  n = COUNT()\n  twice = n * 2\n";
    /// let texts = [set, "model: m\nmetrics: [o.twice]\n"].map(|text| SpecText { text, path: None });
    /// let compiled = &Compiler::default().compile_specs(&texts)[1];
    /// assert_eq!(compiled.metrics_of_column("twice"), ["o.n", "o.twice"]);
    /// ```
    #[must_use]
    pub fn metrics_of_column(&self, column: &str) -> &[String] {
        let mut columns = self.metrics_of_columns.iter();
        let column_metrics = columns.find(|(name, _)| name.eq_ignore_ascii_case(column));
        column_metrics.map_or(&[], |(_, metrics)| metrics)
    }

    /// Returns whether a condition of the model reads a metric, such as `orders.revenue`, or any metric of a metric
    /// set, such as `orders`. Metrics in conditions determine which rows the model has.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let set = "metric_set: o\nfrom: t\ndefinitions: n = COUNT()\n";
    /// let texts = [set, "model: m\nmetrics: [o.n]\ngroup_by: a\nhaving: n > 1\n"];
    /// let texts = texts.map(|text| SpecText { text, path: None });
    /// assert!(Compiler::default().compile_specs(&texts)[1].has_rows_of_metric("o.n"));
    /// ```
    #[must_use]
    pub fn has_rows_of_metric(&self, name: &str) -> bool {
        self.metrics_of_rows
            .iter()
            .any(|metric| matches_metric_or_set(metric, name))
    }

    /// Returns the names of the metric sets on which this metric set is built. Empty for models.
    #[must_use]
    pub fn combined_sets(&self) -> &[String] {
        self.metric_set.as_ref().map_or(&[], |set| &set.sets)
    }

    /// Returns the span of the model's name.
    #[must_use]
    pub fn name_span(&self) -> Span {
        self.name_span
    }

    /// Returns the schema relations that the spec reads. Each relation has its key and only the columns that the spec
    /// reads.
    ///
    /// ```
    /// use formulac_core::{Column, Relation, Schema, Type};
    /// use formulac_model::Compiler;
    /// let orders = ["amount", "note"].map(|name| Column::new(name, Type::Decimal));
    /// let orders = orders.into_iter().fold(Relation::new("orders"), Relation::with);
    /// let compiler = Compiler::builder().schema(Schema::new().with(orders)).build();
    /// let spec = compiler.compile_spec("model: m\nfrom: orders\ndefinitions: total = SUM(amount)\n");
    /// assert_eq!(spec.known_relations()[0].columns()[0].name(), "amount");
    /// assert_eq!(spec.known_relations()[0].columns().len(), 1);
    /// ```
    #[must_use]
    pub fn known_relations(&self) -> &[Relation] {
        &self.known_relations
    }

    /// Returns the columns of unknown type whose type affects the SQL. Empty unless the compiler was built with
    /// [`Builder::probe_types`](crate::Builder::probe_types).
    #[must_use]
    pub fn undecided_types(&self) -> &[TypeSensitiveColumn] {
        &self.undecided_types
    }

    /// Returns the keys in `group_by`, such as `ordered_at[year]`, that were written as `year` and would be a column if
    /// the relation of the metric set had a column `year`. Not all columns of the relation, the second name, are known.
    #[doc(hidden)]
    pub fn assumed_periods(&self) -> &[(String, String)] {
        &self.assumed_periods
    }

    /// Returns plain SQL that reads tables directly, without dbt's Jinja, or `None` if there is an error.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Returns the text of the dbt model's `.sql` file, or `None` if there is an error.
    #[must_use]
    pub fn model_sql(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.sql.as_str())
    }

    /// Returns the relational operators of the model's query, or `None` if there is an error or the compiler was built
    /// without [`Builder::plans`](crate::Builder::plans).
    ///
    /// ```
    /// let spec = "model: sales\nfrom: orders\nwhere: paid\ngroup_by: region\ndefinitions: revenue = SUM(amount)\n";
    /// let compiled = formulac_model::Compiler::builder().plans(true).build().compile_spec(spec);
    /// let plan = compiled.plan().unwrap();
    /// assert_eq!(plan.parts[0].operators.last().unwrap().definitions, ["revenue"]);
    /// assert_eq!(plan.to_string(), "\
    /// sales
    ///   Aggregate by region, computes revenue
    ///     Filter paid
    ///       Scan ref('orders')
    /// ");
    /// ```
    #[must_use]
    pub fn plan(&self) -> Option<&QueryPlan> {
        self.plan.as_ref()
    }

    /// Returns the model's query for callers that display its rows and apply their own limit. The query is sorted like
    /// the plain query and has no limit. The model's own SQL is sorted only if `limit` needs it. `None` if there is an
    /// error.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: a\ndefinitions: n = COUNT()\norder_by: a\nlimit: 3\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert!(compiled.ordered_model_sql().unwrap().ends_with("order by a\n"));
    /// assert_eq!(compiled.limit(), Some(3));
    /// ```
    #[must_use]
    pub fn ordered_model_sql(&self) -> Option<&str> {
        self.model
            .as_ref()
            .map(|m| m.ordered_query.as_deref().unwrap_or(&m.sql))
    }

    /// Returns the limit of the last step, or `None` if the last step has no limit or there is an error.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.model.as_ref()?.limit
    }

    /// Returns the text of the model's `.yml` file, or `None` if there is an error.
    #[must_use]
    pub fn model_yml(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.yml.as_str())
    }

    /// Returns the text of the `.md` file, which contains long descriptions as docs blocks. `None` if the model has no
    /// such file or there is an error.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndescription: |-\n  One of\n  - these\n  - those\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert!(compiled.model_md().unwrap().ends_with("{% docs m__about %}\nOne of\n- these\n- those\n{% enddocs %}\n"));
    /// assert!(compiled.model_yml().unwrap().contains("description: \"{{ doc('m__about') }}\""));
    /// ```
    #[must_use]
    pub fn model_md(&self) -> Option<&str> {
        self.model.as_ref()?.md.as_deref()
    }

    /// Returns the declarations in the model's files whose names must be unique in a dbt project: docs blocks,
    /// exposures, metrics and the semantic model. Empty if there is an error.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        self.model.as_ref().map_or(&[], |m| &m.declared)
    }

    /// Returns the semantic model, or `None` if the spec does not request one or there is an error.
    #[must_use]
    pub fn semantic_model(&self) -> Option<&SemanticModel> {
        self.model.as_ref()?.semantic.as_ref()
    }

    /// Returns the additivity of each column of the result, in order.
    ///
    /// ```
    /// use formulac_model::Additivity;
    /// let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n  b = COUNT()\n  mean = a / b\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// let ratio = Additivity::Ratio { numerator: "a".into(), denominator: "b".into() };
    /// assert_eq!(compiled.additivity()[1..], [("a".into(), Additivity::Sum), ("b".into(), Additivity::Sum), ("mean".into(), ratio)]);
    /// ```
    #[must_use]
    pub fn additivity(&self) -> &[(String, Additivity)] {
        &self.additivity
    }

    /// Returns the model's tests that are separate files in one of the project's `test-paths`. These tests cover joins
    /// that are not proven to find at most one row, keys that dbt's own tests cannot check, rules without an equivalent
    /// dbt test, and comparisons. Empty if there is an error.
    #[must_use]
    pub fn model_tests(&self) -> &[ModelTest] {
        self.model.as_ref().map_or(&self.set_tests, |model| &model.tests)
    }

    /// Returns the reason why the spec has a query but no valid dbt model: the model would read itself, or another spec
    /// generates a model with the same name.
    #[must_use]
    pub fn model_fault(&self) -> Option<&Diagnostic> {
        self.model_fault.as_ref()
    }

    /// Returns warnings that apply only to the dbt model and not to the plain query, for example that `limit` hides
    /// rows from readers of the model.
    #[must_use]
    pub fn model_warnings(&self) -> &[Diagnostic] {
        &self.model_warnings
    }

    /// Returns the columns of the result, in order, with their types and descriptions.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the names of the tables that the query reads, including joined tables, as written in the spec: `orders`,
    /// `raw.orders`. For a `ref` or `source`, the name is the model or table in the call. If the query reads another
    /// table with the same name, the name includes the version (`orders_v2`) or the source (`raw.orders`).
    ///
    /// ```
    /// let spec = "model: m\nfrom: raw.orders\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(spec).tables(), ["raw.orders"]);
    /// ```
    #[must_use]
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// Returns the relations that the model reads, including joined relations. The relation in `from` comes first.
    ///
    /// ```
    /// use formulac_dbt::RelationReference;
    /// let spec = "model: m\nfrom: source('raw', 'orders')\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.reads(), [RelationReference::Source { group: "raw".into(), table: "orders".into() }]);
    /// ```
    #[must_use]
    pub fn reads(&self) -> &[dbt::RelationReference] {
        &self.reads
    }

    /// Returns the key columns. Empty if the key is unknown or the model has at most one row.
    ///
    /// ```
    /// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(spec).key(), ["country"]);
    /// ```
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// Returns the tags of the model, including the tags in `config`.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Returns the settings in the spec's `config` whose values are strings, numbers or booleans, as well as `access`
    /// and `group`.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\nconfig: {materialized: table, tags: nightly}\ntags: [pii]\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.config(), [("materialized".to_owned(), "table".to_owned())]);
    /// assert_eq!(compiled.tags(), ["nightly", "pii"]);
    /// ```
    #[must_use]
    pub fn config(&self) -> &[(String, String)] {
        &self.config
    }

    /// Returns the time limit in seconds from `meta: {formulac: {budget: …}}`, as written in the spec. `verify`
    /// enforces this limit.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\nmeta: {formulac: {budget: 30}}\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(spec).budget(), Some("30"));
    /// ```
    #[must_use]
    pub fn budget(&self) -> Option<&str> {
        self.budget.as_deref()
    }

    /// Returns the tags that the spec sets on columns, including tags that are not inherited.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: a\ncolumns: {a: {tags: [pii]}}\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.column_tags(), [("a".to_owned(), vec!["pii".to_owned()])]);
    /// ```
    #[must_use]
    pub fn column_tags(&self) -> &[(String, Vec<String>)] {
        &self.column_tags
    }

    /// Returns the label of a column, from the spec or from the metric set that defines the column.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: a\ncolumns: {a: {omni: {label: Area}}}\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert_eq!((compiled.column_label("a"), compiled.column_format("a")), (Some("Area"), None));
    /// ```
    #[must_use]
    pub fn column_label(&self, column: &str) -> Option<&str> {
        self.format_of(column)?.label.as_deref()
    }

    /// Returns the format of a column's values, such as `usdcurrency_0`.
    #[must_use]
    pub fn column_format(&self, column: &str) -> Option<&str> {
        self.format_of(column)?.format.as_deref()
    }

    fn format_of(&self, column: &str) -> Option<&ColumnFormat> {
        let mut formats = self.column_formats.iter();
        formats
            .find(|(name, _)| name.eq_ignore_ascii_case(column))
            .map(|(_, format)| format)
    }

    /// Returns the lineage of each column of the result, in order. For a metric set, returns the lineage of its metrics
    /// and dimensions. If the spec has errors, only the known part is returned.
    ///
    /// ```
    /// let spec = "model: m\nfrom: orders\ngroup_by: day\ndefinitions: net = SUM(amount) - SUM(fee)\n";
    /// let lineage = formulac_model::Compiler::default().compile_spec(spec).lineage();
    /// let net: Vec<&str> = lineage[1].sources().iter().map(|source| source.column()).collect();
    /// assert_eq!((lineage[1].column(), net), ("net", vec!["amount", "fee"]));
    /// ```
    #[must_use]
    pub fn lineage(&self) -> Vec<ColumnLineage> {
        self.lineage.column_lineages()
    }

    /// Returns the definitions of the spec's steps in source order. Steps with an error are omitted.
    #[must_use]
    pub fn definitions(&self) -> &[SpecDefinition] {
        &self.definitions
    }

    /// Returns all diagnostics. Their spans refer to the YAML text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the compiled spec if there is no error, otherwise all diagnostics.
    ///
    /// ```
    /// let compiler = formulac_model::Compiler::default();
    /// let compiled = compiler.compile_spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n").into_result().unwrap();
    /// assert_eq!(compiled.definitions()[0].formula(), "SUM(x)");
    /// let faults = compiler.compile_spec("model: m\nfrom: t\ndefinitions: a = SUMM(x)\n").into_result().unwrap_err();
    /// assert_eq!(faults[0].code(), "F0301");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns all diagnostics, including warnings, if at least one is an error.
    pub fn into_result(self) -> Result<Self, Vec<Diagnostic>> {
        if self.has_errors() {
            Err(self.diagnostics)
        } else {
            Ok(self)
        }
    }

    /// Returns whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Returns whether `name` is the metric itself (`set.metric`) or its metric set (`set`).
fn matches_metric_or_set(metric: &str, name: &str) -> bool {
    let set = metric.split_once('.').map_or(metric, |(set, _)| set);
    metric.eq_ignore_ascii_case(name) || set.eq_ignore_ascii_case(name)
}
