//! Model specs: one YAML file to one query or dbt model.

mod access;
mod additivity;
mod averaged_rates;
mod batch;
mod calendar;
mod cardinality;
mod catalog_lookup;
mod checks;
mod column_sql;
mod compile;
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
#[cfg(feature = "drafts")]
pub(crate) mod interpreter_input;
mod join_scope;
mod join_tests;
mod joins;
#[cfg(feature = "cli")]
pub mod json_schema;
mod keys;
mod lineage;
mod load;
mod local_config;
mod long_names;
mod lookback;
mod missing_periods;
#[cfg(feature = "sync")]
pub(crate) mod outline;
mod partitions;
mod pivot;
mod project;
mod properties;
mod reads;
mod relation_ref;
mod selector_facts;
mod semantic;
mod sources;
mod tabs;
mod team;
mod time_range;
mod totals;
mod worksheet;
mod write;

pub use additivity::{Additivity, ColumnFormula, Lost};
pub use batch::SpecText;
pub use dbt_names::Declared;
#[cfg(feature = "cli")]
pub(crate) use dbt_tests::{COMBINATION, RANGE};
pub use environments::{Environment, Placeholder, USER};
pub use lineage::{ColumnLineage, SourceColumn};
pub use project::Project;
pub use semantic::{SemanticModel, SemanticModels};

use rustc_hash::FxHashSet;

use crate::UndecidedType;
use crate::dbt;
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::ir::ColumnUse;
use crate::schema::{Access, Column, Relation};
use crate::span::Span;
use crate::verify::NamedColumns;
use crate::{Level, Type};

/// A compiled spec: its query and its dbt files where there is no error, and all diagnostics.
///
/// ```
/// let spec = "
/// model: revenue_by_month
/// from: orders
/// group_by: ordered_on[month]
/// definitions: |
///   revenue = SUM(amount)
/// ";
/// let compiled = formulac::Compiler::default().compile_spec(spec);
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
    /// The columns that tell its rows apart, as far as known.
    pub(crate) key: Vec<String>,
    /// It has one row at most.
    pub(crate) single: bool,
    /// It may have columns that nobody knows.
    pub(crate) open: bool,
    /// Columns, in small letters, that a test or a constraint of the spec says are never NULL.
    pub(crate) never_null: FxHashSet<String>,
    /// Who may read it, and its group.
    pub(crate) access: Option<(Access, Option<String>)>,
    /// The columns that formulas read of relations.
    pub(crate) columns_read: Vec<ColumnUse>,
    /// The relations of the schema that it reads, with the columns that it reads of them.
    pub(crate) known_relations: Vec<Relation>,
    pub(crate) undecided_types: Vec<UndecidedType>,
    pub(crate) definitions: Vec<SpecDefinition>,
    pub(crate) tags: Vec<String>,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) budget: Option<String>,
    /// The tags that the spec says of its columns.
    pub(crate) column_tags: Vec<(String, Vec<String>)>,
    pub(crate) lineage: lineage::Lineage,
    pub(crate) additivity: Vec<(String, Additivity)>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What a model's files are made of.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// As its own tests call it.
    pub own: dbt::From,
    pub sql: String,
    /// Where in it the query begins, behind header and configuration.
    pub body_at: usize,
    /// The plain query with every column cast to its type, where a contract is enforced.
    pub under_contract: Option<String>,
    /// What `compare:` names.
    pub compared: Vec<NamedColumns>,
    /// The rows in the query's order, without the limit and without configuration; `None` if they are the model's as
    /// they are.
    pub ordered: Option<String>,
    pub limit: Option<u64>,
    pub yml: String,
    pub md: Option<String>,
    pub tests: Vec<ModelTest>,
    pub declared: Vec<Declared>,
    pub semantic: Option<SemanticModel>,
}

/// A test of a model that is a file of its own.
///
/// ```
/// let spec = "
/// model: orders_with_country
/// from: orders
/// joins:
///   - {to: customers, using: customer_id}
/// definitions: country = customers.country
/// ";
/// let compiled = formulac::Compiler::default().compile_spec(spec);
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
    /// The name of its file, without `.sql`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of that file: a query for dbt that gives a row for each fault.
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

    /// The dialect of the SQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The model's name, where the spec says one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the spec says the model's name.
    #[must_use]
    pub fn name_span(&self) -> Span {
        self.name_span
    }

    /// The relations of the schema that the spec reads, each with the columns that it reads, and with its key.
    ///
    /// ```
    /// use formulac::{Column, Compiler, Relation, Schema, Type};
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

    /// The columns of unknown type whose type decides the SQL, if the compiler was built to find them
    /// ([`Builder::probe_types`](crate::Builder::probe_types)).
    #[must_use]
    pub fn undecided_types(&self) -> &[UndecidedType] {
        &self.undecided_types
    }

    /// Plain SQL that reads the table itself; `None` if there is an error.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The text of the dbt model's `.sql` file; `None` if there is an error.
    #[must_use]
    pub fn model_sql(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.sql.as_str())
    }

    /// The model's query for whoever shows its rows and adds a limit of their own: in the order of the plain query, which
    /// a model has only where `limit` needs it, and without that limit. None when there is an error.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: a\ndefinitions: n = COUNT()\norder_by: a\nlimit: 3\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// assert!(compiled.ordered_model_sql().unwrap().ends_with("order by a\n"));
    /// assert_eq!(compiled.limit(), Some(3));
    /// ```
    #[must_use]
    pub fn ordered_model_sql(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.ordered.as_deref().unwrap_or(&m.sql))
    }

    /// How many rows its last step keeps; `None` if it keeps all, or when there is an error.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.model.as_ref()?.limit
    }

    /// The text of the `.yml` beside it; `None` if there is an error.
    #[must_use]
    pub fn model_yml(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.yml.as_str())
    }

    /// The text of the `.md` beside it, which holds long descriptions as docs blocks; `None` if there is no such, or an
    /// error.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ndescription: |-\n  One of\n  - these\n  - those\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// assert!(compiled.model_md().unwrap().ends_with("{% docs m__about %}\nOne of\n- these\n- those\n{% enddocs %}\n"));
    /// assert!(compiled.model_yml().unwrap().contains("description: \"{{ doc('m__about') }}\""));
    /// ```
    #[must_use]
    pub fn model_md(&self) -> Option<&str> {
        self.model.as_ref()?.md.as_deref()
    }

    /// What the model's files declare under names that are unique in a dbt project: docs blocks, exposures, metrics, the
    /// semantic model. None when there is an error.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        self.model.as_ref().map_or(&[], |m| &m.declared)
    }

    /// What dbt's semantic layer is told of the model; `None` if it is not asked for, or when there is an error.
    #[must_use]
    pub fn semantic_model(&self) -> Option<&SemanticModel> {
        self.model.as_ref()?.semantic.as_ref()
    }

    /// How each column of the result behaves where rows are taken together, in order.
    ///
    /// ```
    /// use formulac::Additivity;
    /// let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = SUM(x)\n  b = COUNT()\n  mean = a / b\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// let ratio = Additivity::Ratio { numerator: "a".into(), denominator: "b".into() };
    /// assert_eq!(compiled.additivity()[1..], [("a".into(), Additivity::Sum), ("b".into(), Additivity::Sum), ("mean".into(), ratio)]);
    /// ```
    #[must_use]
    pub fn additivity(&self) -> &[(String, Additivity)] {
        &self.additivity
    }

    /// The model's tests that are files of their own, for one of the project's `test-paths`; empty if there is an
    /// error. There is one for each join that is said to find one row at most, and that no known key proves; for a key
    /// that dbt's own tests cannot test; for rules that say what no test of dbt says; and for comparisons.
    #[must_use]
    pub fn model_tests(&self) -> &[ModelTest] {
        self.model.as_ref().map_or(&[], |m| &m.tests)
    }

    /// Why there is no dbt model though there is a query: it would read itself.
    #[must_use]
    pub fn model_fault(&self) -> Option<&Diagnostic> {
        self.model_fault.as_ref()
    }

    /// What is to be said of the spec as a dbt model, and not of its query: that others miss the rows behind `limit`.
    #[must_use]
    pub fn model_warnings(&self) -> &[Diagnostic] {
        &self.model_warnings
    }

    /// The columns of the result, in order, with their types and descriptions.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The tables that the query reads, joined ones too, as the spec spells them: `orders`, `raw.orders`, and of a `ref` or `source` the
    /// last name.
    ///
    /// ```
    /// let spec = "model: m\nfrom: raw.orders\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac::Compiler::default().compile_spec(spec).tables(), ["raw.orders"]);
    /// ```
    #[must_use]
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// The relations that the model reads, joined ones too, that of `from` first.
    ///
    /// ```
    /// use formulac::dbt::From;
    /// let spec = "model: m\nfrom: source('raw', 'orders')\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.reads(), [From::Source { group: "raw".into(), table: "orders".into() }]);
    /// ```
    #[must_use]
    pub fn reads(&self) -> &[dbt::From] {
        &self.reads
    }

    /// The columns that tell the rows apart, as far as they are known; none for a model of one row.
    ///
    /// ```
    /// let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac::Compiler::default().compile_spec(spec).key(), ["country"]);
    /// ```
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// The tags of the model, those of `config` among them.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// What the spec says of the model's configuration, as far as it is texts, numbers and truth values; `access` and
    /// `group` too.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\nconfig: {materialized: table, tags: nightly}\ntags: [pii]\ndefinitions: a = SUM(x)\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.config(), [("materialized".to_owned(), "table".to_owned())]);
    /// assert_eq!(compiled.tags(), ["nightly", "pii"]);
    /// ```
    #[must_use]
    pub fn config(&self) -> &[(String, String)] {
        &self.config
    }

    /// The seconds that the model may take by `meta: {formulac: {budget: …}}`, as written there; `verify` holds it to them.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\nmeta: {formulac: {budget: 30}}\ndefinitions: a = SUM(x)\n";
    /// assert_eq!(formulac::Compiler::default().compile_spec(spec).budget(), Some("30"));
    /// ```
    #[must_use]
    pub fn budget(&self) -> Option<&str> {
        self.budget.as_deref()
    }

    /// The tags that the spec says of its columns, inherited by others or not.
    ///
    /// ```
    /// let spec = "model: m\nfrom: t\ngroup_by: a\ncolumns: {a: {tags: [pii]}}\n";
    /// let compiled = formulac::Compiler::default().compile_spec(spec);
    /// assert_eq!(compiled.column_tags(), [("a".to_owned(), vec!["pii".to_owned()])]);
    /// ```
    #[must_use]
    pub fn column_tags(&self) -> &[(String, Vec<String>)] {
        &self.column_tags
    }

    /// What each column of the result is made of, in order; of a spec with an error what is known.
    ///
    /// ```
    /// let spec = "model: m\nfrom: orders\ngroup_by: day\ndefinitions: net = SUM(amount) - SUM(fee)\n";
    /// let lineage = formulac::Compiler::default().compile_spec(spec).lineage();
    /// let net: Vec<&str> = lineage[1].sources().iter().map(|source| source.column()).collect();
    /// assert_eq!((lineage[1].column(), net), ("net", vec!["amount", "fee"]));
    /// ```
    #[must_use]
    pub fn lineage(&self) -> Vec<ColumnLineage> {
        self.lineage.column_lineages()
    }

    /// The definitions of its steps, in the order written; those of a step with an error are left out.
    #[must_use]
    pub fn definitions(&self) -> &[SpecDefinition] {
        &self.definitions
    }

    /// Everything that was found; spans are of the YAML text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// This, when there is no error, else the diagnostics.
    ///
    /// ```
    /// let compiler = formulac::Compiler::default();
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
        if self.has_errors() { Err(self.diagnostics) } else { Ok(self) }
    }

    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// A definition of a spec. Its SQL is a part of the query's, which computes it where its level asks for.
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
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The step that it stands in, where that has a name.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// What is written behind its name, without comments.
    #[must_use]
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// The type of its values.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Where it is computed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it may be NULL.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// What the analyst says of it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Where it stands in the YAML text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }
}
