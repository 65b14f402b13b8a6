//! Model specs: one YAML file to one query or dbt model.

mod checks;
mod compile;
mod formulas;
mod load;
mod project;
mod write;

pub use project::Project;

use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::schema::Column;
use crate::span::Span;

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
    pub(crate) columns: Vec<Column>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What a model's files are made of.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub sql: String,
    pub yml: String,
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

    /// The text of the `.yml` beside it; none when there is an error.
    #[must_use]
    pub fn model_yml(&self) -> Option<&str> {
        self.model.as_ref().map(|m| m.yml.as_str())
    }

    /// Why there is no dbt model though there is a query: it would read itself.
    #[must_use]
    pub fn model_fault(&self) -> Option<&Diagnostic> {
        self.model_fault.as_ref()
    }

    /// The columns of the result, in order, with their types and descriptions.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Everything that was found; spans are of the YAML text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}
