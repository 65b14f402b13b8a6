//! Version and session parameters of the warehouse. `doctor` and `prove` compare them with the values that generated
//! SQL requires.

use std::collections::BTreeMap;

use formulac::Dialect;
use formulac::diag::lists::join_words;

use super::dbt::DbtRun;
use super::statements::{Statement, StatementResult, run_statements};
use crate::cli::exit::Failure;
use crate::cli::lowest_versions::outdated_version_message;

/// Version and session parameters that a warehouse reports.
#[derive(Debug, Default)]
pub struct WarehouseState {
    /// Version of the warehouse. Empty if the warehouse has no versions or does not report its version.
    pub version: String,
    /// Session parameters that could change values.
    pub parameters: BTreeMap<String, String>,
}

impl WarehouseState {
    /// Returns the statements whose results [`WarehouseState::from_results`] reads.
    pub fn statements(dialect: Dialect) -> Vec<Statement> {
        queries(dialect).map(|(sql, _)| Statement::from_query(sql)).collect()
    }

    pub fn from_results(dialect: Dialect, results: &[StatementResult]) -> Self {
        let mut state = Self::default();
        for ((_, is_version), rows) in queries(dialect).zip(results) {
            let rows = rows.iter().flatten();
            let mut cells = rows.map(|row| row.iter().map(|cell| cell.clone().unwrap_or_default()));
            if is_version {
                state.version = cells.next().and_then(|mut row| row.next()).unwrap_or_default();
            } else {
                let pairs = cells.filter_map(|mut row| Some((row.next()?, row.next()?)));
                state.parameters = pairs
                    .filter(|(name, _)| is_documented_parameter(dialect, name))
                    .collect();
            }
        }
        state
    }

    /// Reads the state through dbt.
    ///
    /// # Errors
    ///
    /// Returns a failure if dbt or the warehouse cannot be reached.
    pub fn read(run: &DbtRun, dialect: Dialect) -> Result<Self, Failure> {
        let statements = Self::statements(dialect);
        let subject = "the warehouse's version and session parameters";
        let statement_run = run_statements(run, "formulac_doctor", &statements, subject)?;
        Ok(Self::from_results(dialect, &statement_run.results))
    }

    /// Returns a sentence if the version is too old, and a sentence for each parameter that does not have the value
    /// that generated SQL requires.
    pub fn faults(&self, dialect: Dialect) -> Vec<String> {
        let outdated = outdated_version_message(dialect.facts().lowest_version, &self.version);
        let required = dialect.facts().session_required.split_whitespace();
        let wrong = required.filter_map(|text| self.find_wrong_parameter(text));
        outdated.into_iter().chain(wrong).collect()
    }

    /// `required` has the form `name=value` or `name=one|other`.
    fn find_wrong_parameter(&self, required: &str) -> Option<String> {
        let (name, values) = required.split_once('=')?;
        let (_, setting) = self
            .parameters
            .iter()
            .find(|(known_name, _)| known_name.eq_ignore_ascii_case(name))?;
        let display_value = |value: &str| {
            if value.is_empty() {
                "empty".to_owned()
            } else {
                format!("`{value}`")
            }
        };
        if values.split('|').any(|value| setting.eq_ignore_ascii_case(value)) {
            return None;
        }
        let required_values: Vec<String> = values.split('|').map(display_value).collect();
        let (own_text, needed_text) = (display_value(setting), join_words(&required_values, "or"));
        Some(format!(
            "the session parameter `{name}` is {own_text}, and generated SQL requires {needed_text}"
        ))
    }
}

/// Returns whether `dialects/facts` lists a parameter. A session has many more parameters. Some of them, such as
/// `QUERY_TAG`, contain text from users.
fn is_documented_parameter(dialect: Dialect, name: &str) -> bool {
    let mut facts = dialect.support_of_constructs().iter();
    facts.any(|fact| fact.section == "parameters" && fact.text.eq_ignore_ascii_case(name))
}

/// Returns the dialect's queries, each with a flag that is true if the query reads the version.
fn queries(dialect: Dialect) -> impl Iterator<Item = (&'static str, bool)> {
    let facts = dialect.facts();
    let all_queries = [(facts.version_query, true), (facts.session_query, false)];
    all_queries.into_iter().filter(|(sql, _)| !sql.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn parameters_with_other_values_and_old_versions_are_reported() {
        let duckdb: Dialect = "duckdb".parse().unwrap();
        let parameters = [
            row(&["default_null_order", "NULLS_FIRST"]),
            row(&["default_order", "ASCENDING"]),
            row(&["integer_division", "false"]),
            row(&["default_collation", ""]),
        ];
        let results = [Ok(vec![row(&["v1.3.2"])]), Ok(parameters.to_vec())];
        let state = WarehouseState::from_results(duckdb, &results);
        assert_eq!(
            state.faults(duckdb),
            [
                "version 1.3.2 is too old: version 1.4 or newer is needed",
                "the session parameter `default_null_order` is `NULLS_FIRST`, and generated SQL requires `NULLS_LAST`"
            ]
        );
    }

    #[test]
    fn parameters_that_matter_are_kept() {
        let snowflake: Dialect = "snowflake".parse().unwrap();
        let parameters = [row(&["QUERY_TAG", "ann's query"]), row(&["TIMEZONE", "UTC"])];
        let state = WarehouseState::from_results(snowflake, &[Ok(Vec::new()), Ok(parameters.to_vec())]);
        assert_eq!(state.parameters, [("TIMEZONE".to_owned(), "UTC".to_owned())].into());
    }

    #[test]
    fn the_docs_list_the_parameters_and_their_facts_are_known() {
        let docs = include_str!("../../../docs/warehouses.md");
        for dialect in Dialect::all() {
            for required in dialect.facts().session_required.split_whitespace() {
                let (name, _) = required.split_once('=').unwrap();
                assert!(
                    docs.contains(&format!("`{name}`")) && is_documented_parameter(dialect, name),
                    "{dialect}: {name}"
                );
            }
        }
    }

    #[test]
    fn a_warehouse_without_versions_has_no_fault() {
        let bigquery: Dialect = "bigquery".parse().unwrap();
        let state = WarehouseState::from_results(bigquery, &[Ok(vec![row(&["time_zone", "UTC"])])]);
        assert_eq!(state.parameters["time_zone"], "UTC");
        assert!(state.faults(bigquery).is_empty());
    }
}
