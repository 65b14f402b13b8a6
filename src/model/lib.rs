//! Model specs: compiles one YAML file to one query or dbt model.
//!
//! ```text
//! YAML ─ load (keys, shapes) ─ steps ─ formulas (formulac-core) ─ query ─ write (SQL, properties, tests, docs)
//! ```
//!
//! [`Compiler::compile_spec`] returns a [`CompiledSpec`] with the query, the files of the dbt model and all
//! diagnostics. [`Project`] holds the settings of `formulac.yml`. [`verify`] compares built models with their formulas.
//!
//! ```
//! let spec = "model: revenue\nfrom: orders\ngroup_by: region\ndefinitions: |\n  revenue = SUM(amount)\n";
//! let compiled = formulac_model::Compiler::default().compile_spec(spec);
//! assert_eq!(compiled.name(), Some("revenue"));
//! assert!(compiled.query().unwrap().starts_with("select\n    region,\n    coalesce(sum(amount), 0) as revenue"));
//! ```
//!
//! The crate uses no files, clock, environment or network. It does not panic on any input and always returns what could
//! be compiled. Items that are hidden in these pages are for the formulac crates that depend on this one.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod access;
mod additivity;
mod averaged_rates;
mod batch;
mod cardinality;
mod catalog_lookup;
mod checks;
mod column_sql;
mod compile;
pub mod compiler;
mod config;
mod contract;
mod dbt_names;
mod dbt_tests;
mod environments;
mod exposures;
mod fan_out;
mod file;
mod formulas;
mod grain;
mod graph;
mod incremental;
mod incremental_predicate;
#[cfg(feature = "interpreter")]
pub mod interpreter_input;
mod join_scope;
mod join_tests;
mod joins;
pub mod json_schema;
mod keys;
mod lineage;
mod load;
mod local_config;
mod long_names;
mod lookback;
mod missing_periods;
pub mod outline;
mod partitions;
mod people;
mod pivot;
mod project;
mod properties;
mod reads;
mod relation_ref;
mod role;
mod selector_facts;
mod semantic;
mod sources;
mod tabs;
mod team;
mod time_range;
mod today;
mod totals;
pub mod verify;
mod worksheet;
mod write;

pub use additivity::{Additivity, ColumnFormula, Lost};
pub use batch::SpecText;
pub use compiler::{Builder, Compiler};
pub use dbt_names::Declared;
pub use dbt_tests::{COMBINATION, RANGE};
pub use environments::{Environment, Placeholder, USER};
pub use lineage::{ColumnLineage, SourceColumn};
pub use people::{People, address};
pub use project::Project;
pub use role::{Right, Rights, Role, UnknownRole};
pub use semantic::{SemanticModel, SemanticModels};

use formulac_catalog::{Level, Type, catalog, dialect};
use formulac_core::{UndecidedType, calendar};
use formulac_core::{check, emit, ir, plan, schema, scratch, sql};
use formulac_dbt as dbt;
use formulac_grammar as parse;
#[cfg(feature = "interpreter")]
use formulac_interpret as interpret;
use formulac_runtime::parallel;
use formulac_syntax::{ast, diag, lex, limits, span, yaml};

use rustc_hash::FxHashSet;

use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::ir::ColumnUse;
use crate::schema::{Access, Column, Relation};
use crate::span::Span;
use crate::verify::NamedColumns;

/// Compiled spec: its query and dbt files if there is no error, and all diagnostics.
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
#[derive(Clone, Debug)]
pub struct CompiledSpec {
    pub(crate) dialect: Dialect,
    pub(crate) name: Option<String>,
    pub(crate) name_span: Span,
    pub(crate) query: Option<String>,
    pub(crate) model: Option<Model>,
    pub(crate) model_fault: Option<Diagnostic>,
    pub(crate) model_warnings: Vec<Diagnostic>,
    pub(crate) columns: Vec<Column>,
    pub(crate) reads: Vec<dbt::From>,
    pub(crate) tables: Vec<String>,
    /// Key columns, as far as known.
    pub(crate) key: Vec<String>,
    /// Whether the model has at most one row.
    pub(crate) single: bool,
    /// Whether the model may have unknown columns.
    pub(crate) open: bool,
    /// Lower-case columns that a test or constraint of the spec declares NOT NULL.
    pub(crate) never_null: FxHashSet<String>,
    /// Access to the model, and its group.
    pub(crate) access: Option<(Access, Option<String>)>,
    /// Columns of relations that formulas read.
    #[doc(hidden)]
    pub columns_read: Vec<ColumnUse>,
    /// Relations of the schema that it reads, with the columns read.
    pub(crate) known_relations: Vec<Relation>,
    pub(crate) undecided_types: Vec<UndecidedType>,
    pub(crate) definitions: Vec<SpecDefinition>,
    pub(crate) tags: Vec<String>,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) budget: Option<String>,
    /// Tags of columns in the spec.
    pub(crate) column_tags: Vec<(String, Vec<String>)>,
    pub(crate) lineage: lineage::Lineage,
    pub(crate) additivity: Vec<(String, Additivity)>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Parts of a model's files.
#[derive(Clone, Debug)]
pub struct Model {
    /// Reference to the model in its own tests.
    pub(crate) own: dbt::From,
    pub(crate) sql: String,
    /// Offset of the query, after header and configuration.
    pub(crate) body_at: usize,
    /// Plain query with every column cast to its type, if a contract is enforced.
    pub(crate) under_contract: Option<String>,
    /// Relations in `compare:`.
    pub(crate) compared: Vec<NamedColumns>,
    /// Query in its order, without limit and configuration; `None` if it equals the model's query.
    pub(crate) ordered: Option<String>,
    pub(crate) limit: Option<u64>,
    pub(crate) yml: String,
    pub(crate) md: Option<String>,
    pub(crate) tests: Vec<ModelTest>,
    pub(crate) declared: Vec<Declared>,
    pub(crate) semantic: Option<SemanticModel>,
}

/// Test of a model in a file of its own.
///
/// ```
/// let spec = "
/// model: orders_with_country
/// from: orders
/// joins:
///   - {to: customers, using: customer_id}
/// definitions: country = customers.country
/// ";
/// let compiled = formulac_model::Compiler::default().compile_spec(spec);
/// let test = &compiled.model_tests()[0];
/// assert_eq!(test.name(), "assert_orders_with_country_finds_one_of_customers");
/// assert!(test.sql().contains("having count(*) > 1"));
/// ```
#[derive(Clone, Debug)]
pub struct ModelTest {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl ModelTest {
    /// Returns the name of its file, without `.sql`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text of its file: a dbt query that returns one row per violation.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

impl CompiledSpec {
    fn new(dialect: Dialect, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            dialect,
            name: None,
            name_span: Span::default(),
            query: None,
            model: None,
            model_fault: None,
            model_warnings: Vec::new(),
            columns: Vec::new(),
            reads: Vec::new(),
            tables: Vec::new(),
            key: Vec::new(),
            single: false,
            open: false,
            never_null: FxHashSet::default(),
            access: None,
            columns_read: Vec::new(),
            known_relations: Vec::new(),
            undecided_types: Vec::new(),
            definitions: Vec::new(),
            tags: Vec::new(),
            config: Vec::new(),
            budget: None,
            column_tags: Vec::new(),
            lineage: lineage::Lineage::default(),
            additivity: Vec::new(),
            diagnostics,
        }
    }

    /// Returns the dialect of the SQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the model's name, if the spec has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the span of the model's name.
    #[must_use]
    pub fn name_span(&self) -> Span {
        self.name_span
    }

    /// Returns the relations of the schema that the spec reads, each with its key and the columns read.
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

    /// Returns the columns of unknown type that change the SQL, if the compiler was built to find them
    /// ([`Builder::probe_types`](crate::Builder::probe_types)).
    #[must_use]
    pub fn undecided_types(&self) -> &[UndecidedType] {
        &self.undecided_types
    }

    /// Returns plain SQL that reads the table directly, or `None` if there is an error.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Returns the text of the dbt model's `.sql` file, or `None` if there is an error.
    #[must_use]
    pub fn model_sql(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.sql.as_str())
    }

    /// Returns the model's query for callers that show its rows with a limit of their own: in the order of the plain
    /// query, which a model has only if `limit` needs it, and without the limit. `None` if there is an error.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: a\ndefinitions: n = COUNT()\norder_by: a\nlimit: 3\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert!(compiled.ordered_model_sql().unwrap().ends_with("order by a\n"));
    /// assert_eq!(compiled.limit(), Some(3));
    /// ```
    #[must_use]
    pub fn ordered_model_sql(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.ordered.as_deref().unwrap_or(&m.sql))
    }

    /// Returns the limit of its last step, or `None` if it has none or there is an error.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.model.as_ref()?.limit
    }

    /// Returns the text of the `.yml` file, or `None` if there is an error.
    #[must_use]
    pub fn model_yml(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.yml.as_str())
    }

    /// Returns the text of the `.md` file with long descriptions as docs blocks, or `None` if there is no such file or
    /// an error.
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

    /// Returns the names that the model's files declare and that are unique in a dbt project: docs blocks, exposures,
    /// metrics, the semantic model. Empty if there is an error.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        self.model.as_ref().map_or(&[], |m| &m.declared)
    }

    /// Returns the model in dbt's semantic layer, or `None` if it is not requested or there is an error.
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

    /// Returns the model's tests that are separate files in one of the project's `test-paths`; empty if there is an
    /// error. There is one for each join without a proof of at most one row; for a key that dbt's own tests cannot
    /// test; for rules that no dbt test expresses; and for comparisons.
    #[must_use]
    pub fn model_tests(&self) -> &[ModelTest] {
        self.model.as_ref().map_or(&[], |m| &m.tests)
    }

    /// Returns why there is a query but no dbt model: the model would read itself.
    #[must_use]
    pub fn model_fault(&self) -> Option<&Diagnostic> {
        self.model_fault.as_ref()
    }

    /// Returns diagnostics of the spec as a dbt model that do not concern its query: `limit` hides rows from readers
    /// of the model.
    #[must_use]
    pub fn model_warnings(&self) -> &[Diagnostic] {
        &self.model_warnings
    }

    /// Returns the columns of the result, in order, with their types and descriptions.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the tables that the query reads, joined ones too, as the spec writes them: `orders`, `raw.orders`, and
    /// for a `ref` or `source` the last name.
    ///
    /// ```
    /// let spec = "model: m\nfrom: raw.orders\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(spec).tables(), ["raw.orders"]);
    /// ```
    #[must_use]
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// Returns the relations that the model reads, joined ones too, that of `from` first.
    ///
    /// ```
    /// use formulac_dbt::From;
    /// let spec = "model: m\nfrom: source('raw', 'orders')\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac_model::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.reads(), [From::Source { group: "raw".into(), table: "orders".into() }]);
    /// ```
    #[must_use]
    pub fn reads(&self) -> &[dbt::From] {
        &self.reads
    }

    /// Returns the key columns, as far as known; empty for a model of one row.
    ///
    /// ```
    /// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(spec).key(), ["country"]);
    /// ```
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// Returns the tags of the model, including those in `config`.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Returns the model's configuration in the spec: strings, numbers and booleans, with `access` and `group`.
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

    /// Returns the time limit in seconds from `meta: {formulac: {budget: …}}`, as written; `verify` enforces it.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\nmeta: {formulac: {budget: 30}}\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac_model::Compiler::default().compile_spec(spec).budget(), Some("30"));
    /// ```
    #[must_use]
    pub fn budget(&self) -> Option<&str> {
        self.budget.as_deref()
    }

    /// Returns the tags of columns in the spec, inherited or not.
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

    /// Returns the lineage of each column of the result, in order; of a spec with an error, the known part.
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

    /// Returns the definitions of its steps in source order, without those of steps with an error.
    #[must_use]
    pub fn definitions(&self) -> &[SpecDefinition] {
        &self.definitions
    }

    /// Returns all diagnostics; spans refer to the YAML text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the compiled spec if there is no error, otherwise the diagnostics.
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
    /// The diagnostics, warnings among them, when at least one is an error.
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

/// Definition of a spec. Its SQL is part of the query, at the place that its level requires.
#[derive(Clone, Debug)]
pub struct SpecDefinition {
    pub(crate) name: String,
    pub(crate) step: Option<String>,
    pub(crate) formula: String,
    pub(crate) ty: Type,
    pub(crate) level: Level,
    pub(crate) nullable: bool,
    pub(crate) description: Option<String>,
    pub(crate) span: Span,
}

impl SpecDefinition {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the step, if the step has a name.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// Returns the formula without comments.
    #[must_use]
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// Returns the type of the values.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Returns the level at which it is computed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns whether the value may be NULL.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// Returns the description by the analyst.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the span in the YAML text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }
}
