//! Session parameters of the warehouse that generated SQL depends on.

use std::collections::BTreeMap;

use formulac::Dialect;

use super::dbt::DbtRun;
use super::statements::{Statement, StatementResult, run_statements};
use crate::cli::exit::Failure;

/// Returns the statement that reads the session parameters, or `None` if the dialect has none.
pub fn session_statement(dialect: Dialect) -> Option<Statement> {
    let sql = dialect.facts().session_query;
    (!sql.is_empty()).then(|| Statement::query(sql))
}

/// Returns the parameters in an answer to [`session_statement`]: names and values.
pub fn session_parameters(answer: &StatementResult) -> BTreeMap<String, String> {
    let rows = answer.iter().flatten();
    let pair = |row: &Vec<Option<String>>| {
        let mut cells = row.iter().map(|cell| cell.clone().unwrap_or_default());
        Some((cells.next()?, cells.next()?))
    };
    rows.filter_map(pair).collect()
}

/// Returns a sentence for each parameter with another value than generated SQL requires.
pub fn wrong_parameters(dialect: Dialect, parameters: &BTreeMap<String, String>) -> Vec<String> {
    let required = dialect.facts().session_required.split_whitespace();
    let wrong = |text: &str| {
        let (name, values) = text.split_once('=')?;
        let (_, own) = parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        let shown = |value: &str| {
            if value.is_empty() {
                "empty".to_owned()
            } else {
                format!("`{value}`")
            }
        };
        if values.split('|').any(|value| own.eq_ignore_ascii_case(value)) {
            return None;
        }
        let needed: Vec<String> = values.split('|').map(shown).collect();
        let (own, needed) = (shown(own), needed.join(" or "));
        Some(format!(
            "the session parameter `{name}` is {own}, and generated SQL requires {needed}"
        ))
    };
    required.filter_map(wrong).collect()
}

/// Reads the session parameters through dbt. Returns `None` if the dialect has none.
///
/// # Errors
///
/// Returns a failure if dbt or the warehouse cannot be reached, or if the parameters cannot be read.
pub fn read_session_parameters(run: &DbtRun, dialect: Dialect) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let Some(statement) = session_statement(dialect) else {
        return Ok(None);
    };
    let done = run_statements(run, "formulac", &[statement], "the session's parameters")?;
    Ok(done
        .results
        .first()
        .filter(|answer| answer.is_ok())
        .map(session_parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_with_other_values_are_reported() {
        let duckdb: Dialect = "duckdb".parse().unwrap();
        let row = |name: &str, value: &str| vec![Some(name.to_owned()), Some(value.to_owned())];
        let answer = Ok(vec![
            row("default_null_order", "NULLS_FIRST"),
            row("default_order", "ASCENDING"),
            row("integer_division", "false"),
            row("default_collation", ""),
        ]);
        let told = wrong_parameters(duckdb, &session_parameters(&answer));
        assert_eq!(
            told,
            ["the session parameter `default_null_order` is `NULLS_FIRST`, and generated SQL requires `NULLS_LAST`"]
        );
    }
}
