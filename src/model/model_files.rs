//! Files that dbt needs for a model.

use serde::{Deserialize, Serialize};

use crate::dbt;
use crate::dbt_names::Declared;
use crate::semantic::SemanticModel;
use crate::verify::ComparedColumnNames;

/// Contents of the files that dbt needs for a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DbtModelFiles {
    /// Reference to the model in its own tests.
    pub(crate) own_reference: dbt::RelationReference,
    pub(crate) sql: String,
    /// Offset of the query in `sql`, after the header and the configuration.
    pub(crate) body_at: usize,
    /// Plain query that casts every column to its type. `None` unless a contract is enforced.
    pub(crate) contract_query: Option<String>,
    /// Whether dbt enforces the model's contract.
    pub(crate) is_contract_enforced: bool,
    /// Relations in `compare:`.
    pub(crate) compared_relations: Vec<ComparedColumnNames>,
    /// Model's query with `order by` but without limit and configuration. `None` if this query equals the query in
    /// `sql`.
    pub(crate) ordered_query: Option<String>,
    pub(crate) limit: Option<u64>,
    pub(crate) yml: String,
    pub(crate) md: Option<String>,
    pub(crate) tests: Vec<ModelTest>,
    pub(crate) declared: Vec<Declared>,
    pub(crate) semantic: Option<SemanticModel>,
}

/// Test of a model in a separate file.
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelTest {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl ModelTest {
    /// Returns the name of the test's file, without `.sql`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text of the test's file: a query for dbt that returns one row per violation.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }
}
