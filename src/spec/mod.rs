//! Model specs: one YAML file to one query or dbt model.

mod calendar;
mod cardinality;
mod checks;
mod compile;
mod fan_out;
mod formulas;
mod from;
mod gaps;
mod grain;
#[cfg(feature = "drafts")]
pub(crate) mod interpreted;
mod joined;
mod joins;
#[cfg(feature = "cli")]
pub mod json_schema;
mod keys;
mod load;
mod long_names;
mod partitions;
mod pivot;
mod project;
mod proofs;
mod properties;
mod rates;
mod sources;
mod tabs;
mod totals;
mod uniqueness;
mod worksheet;
mod write;
mod written;

pub use project::{Environment, Project};

use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::ir::ColumnUse;
use crate::schema::Column;
use crate::span::Span;
use crate::types::{Level, Type};

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
    pub(crate) tables: Vec<String>,
    /// The columns that formulas read of relations.
    pub(crate) columns_read: Vec<ColumnUse>,
    pub(crate) definitions: Vec<SpecDefinition>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What a model's files are made of.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub sql: String,
    /// The rows in the query's order, and without the limit; none where they are the model's as they are.
    pub ordered: Option<String>,
    pub limit: Option<u64>,
    pub yml: String,
    pub tests: Vec<ModelTest>,
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

    /// Plain SQL that reads the table itself; none when there is an error.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The text of the dbt model's `.sql` file; none when there is an error.
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

    /// How many rows its last step keeps; none when it keeps all, or when there is an error.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.model.as_ref()?.limit
    }

    /// The text of the `.yml` beside it; none when there is an error.
    #[must_use]
    pub fn model_yml(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.yml.as_str())
    }

    /// The model's tests that are files of their own, for one of the project's `test-paths`; none when there is an
    /// error. Each join that is said to find one row at most, and that no known key proves, has one.
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
