//! Runs many statements in the project's warehouse, with few dbt calls.

use formulac::dbt::{READY_MESSAGE, STATEMENTS_VARIABLE_PREFIX, statements_query};
use serde_json::{Value, json};

use super::dbt::{DbtRun, call_dbt_show, engine_name_and_version, value_text};
use crate::cli::exit::{Exit, Failure};

/// Maximum length of the statements of one call. Linux accepts 2 MB of arguments and environment variables.
const MAX_CALL_BYTES: usize = 900_000;

/// Maximum length of an environment variable. Windows accepts 32,767 characters.
const MAX_VARIABLE_BYTES: usize = 30_000;

/// Number of consecutive failures after which the remaining statements are not sent.
const MAX_CONSECUTIVE_FAILURES: usize = 25;

/// Statement to run in the warehouse.
#[derive(Clone, Debug)]
pub struct Statement {
    pub kind: StatementKind,
    pub sql: String,
}

impl Statement {
    pub fn from_query(sql: impl Into<String>) -> Self {
        Self {
            kind: StatementKind::Query,
            sql: sql.into(),
        }
    }

    pub fn from_change(sql: impl Into<String>) -> Self {
        Self {
            kind: StatementKind::Change,
            sql: sql.into(),
        }
    }
}

/// Kind of a statement, which determines how dbt runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    Query,
    /// A query with the placeholders `{database}` and `{schema}`.
    Tables,
    /// A statement that changes the warehouse and is committed.
    Change,
    /// Creates the environment's schema, if it does not exist.
    Schema,
}

impl StatementKind {
    fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Tables => "tables",
            Self::Change => "change",
            Self::Schema => "schema",
        }
    }
}

/// Rows of a statement, or the warehouse's message if the statement failed.
pub type StatementResult = Result<Vec<Vec<Option<String>>>, String>;

/// Results of statements.
#[derive(Debug, Default)]
pub struct StatementResults {
    /// Results of the statements, in order. The list is shorter than the list of statements if too many consecutive
    /// statements failed.
    pub results: Vec<StatementResult>,
    /// Versions of dbt and the adapter, for messages.
    pub engine: String,
}

/// Runs statements in order. A failed statement ends a dbt call, so the next call begins with the next statement.
/// `table` replaces the placeholder for a table in the environment's schema.
///
/// # Errors
///
/// Returns a failure if dbt or the warehouse cannot be reached.
pub fn run_statements(
    run: &DbtRun,
    table: &str,
    statements: &[Statement],
    subject: &str,
) -> Result<StatementResults, Failure> {
    let mut statement_run = StatementResults::default();
    let mut failed_in_a_row = 0;
    while statement_run.results.len() < statements.len() && failed_in_a_row < MAX_CONSECUTIVE_FAILURES {
        let rest = statements.get(statement_run.results.len()..).unwrap_or_default();
        let group = next_statement_batch(rest);
        let before = statement_run.results.len();
        let message = run_batch(run, table, group, subject, &mut statement_run)?;
        let completed_count = statement_run.results.len() - before;
        if completed_count > 0 {
            failed_in_a_row = 0;
        }
        if completed_count < group.len() {
            statement_run.results.push(Err(message));
            failed_in_a_row += 1;
        }
    }
    Ok(statement_run)
}

/// Returns the first statements that fit in one call.
fn next_statement_batch(rest: &[Statement]) -> &[Statement] {
    let mut size = 0;
    let fits = |statement: &&Statement| {
        size += statement.sql.len() + statement.sql.len() / 8 + 20;
        size < MAX_CALL_BYTES
    };
    let count = rest.iter().take_while(fits).count().max(1);
    rest.get(..count).unwrap_or(rest)
}

/// Runs statements in one call, and adds the results of the statements before the first failed statement. Returns the
/// message of the failed statement.
fn run_batch(
    run: &DbtRun,
    table: &str,
    group: &[Statement],
    subject: &str,
    statement_run: &mut StatementResults,
) -> Result<String, Failure> {
    let pairs: Vec<Value> = group
        .iter()
        .map(|statement| json!([statement.kind.name(), statement.sql]))
        .collect();
    // ASCII text can be split at any position.
    let text = to_ascii(&Value::from(pairs).to_string());
    let parts: Vec<&str> = (0..text.len())
        .step_by(MAX_VARIABLE_BYTES)
        .filter_map(|start| text.get(start..text.len().min(start + MAX_VARIABLE_BYTES)))
        .collect();
    let variables = parts.iter().enumerate();
    let variables = variables.map(|(number, part)| (format!("{STATEMENTS_VARIABLE_PREFIX}{number}"), *part));
    // Turn off dbt's log file, because writing all statements to it takes longer than running them.
    let without_log = ("DBT_LOG_LEVEL_FILE".to_owned(), "none");
    let variables: Vec<(String, &str)> = variables.chain([without_log]).collect();
    let sql = statements_query(parts.len(), table);
    let output = call_dbt_show(run, None, 1, &sql, subject, &variables)?;
    let mut messages = output.messages();
    if messages.next().is_none_or(|first| first != READY_MESSAGE) {
        let message = output.message();
        let reason = message.lines().find(|line| !line.trim().is_empty());
        let text = format!("dbt failed: {}", reason.unwrap_or("no reason was reported").trim());
        return Err(
            Failure::new(Exit::Failed, text).with_help("`dbt debug` shows whether the warehouse can be reached")
        );
    }
    statement_run.engine = engine_name_and_version(&output).0;
    let rows = messages.map(|rows| Ok(read_rows(&rows))).take(group.len());
    statement_run.results.extend(rows);
    Ok(output.message())
}

fn read_rows(rows: &Value) -> Vec<Vec<Option<String>>> {
    let values = |row: &Value| row.as_array().map(|row| row.iter().map(value_text).collect());
    rows.as_array()
        .map(|rows| rows.iter().filter_map(values).collect())
        .unwrap_or_default()
}

/// Escapes all non-ASCII characters in JSON.
fn to_ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let units = c.encode_utf16(&mut units).iter();
            units.for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}
