//! Table that a run creates and drops. A file in the project records the names of the tables that have not been
//! dropped, so that the next run can drop a table that a killed run left behind.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use formulac::Dialect;
use jiff::Timestamp;

use super::compare_results::is_permission_error;
use super::report::RowSource;
use super::rows::drop_stored_rows_statement;
use crate::cli::commands::sync::create_local_folder;
use crate::cli::engine::{DbtRun, Statement, StatementKind, first_paragraph, run_statements};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// File with the names of the tables that have not been dropped yet, one per line. Each run locks this file.
const TABLE_RECORD_FILE: &str = ".formulac/local/prove";

/// Prefix of the names of all tables that runs create.
const TABLE_NAME_PREFIX: &str = "formulac_prove_";

/// Age in seconds after which a table from another project or machine is dropped.
const MAX_TABLE_AGE: i64 = 86_400;

/// Table of a run.
pub struct ProofTable {
    pub id: String,
    pub name: String,
    is_made: bool,
    record: File,
    /// Tables of earlier runs that could not be dropped.
    leftover_tables: Vec<String>,
}

impl ProofTable {
    /// Drops tables that killed runs left behind, and creates the table for this run. No table is created if the role
    /// is not permitted to create tables. `tables` contains the tables in the environment's schema.
    pub fn create(
        session: &Session,
        workspace: &Workspace,
        dbt: &DbtRun,
        tables: &[String],
        statements: Vec<Statement>,
    ) -> Result<Self, Failure> {
        let (record, leftover_tables) = open_table_record(workspace)?;
        let now = Timestamp::now().as_second();
        let id = format!("{now:x}{:x}", std::process::id());
        let name = format!("{TABLE_NAME_PREFIX}{id}_rows");
        let remaining_tables = drop_leftover_tables(session, dbt, tables, &leftover_tables, now)?;
        let recorded = remaining_tables.iter().chain([&name]);
        write_table_record(&record, recorded)?;
        let schema = Statement {
            kind: StatementKind::Schema,
            sql: String::new(),
        };
        let mut inserts = statements.into_iter();
        let begin: Vec<Statement> = [schema].into_iter().chain(inserts.next()).collect();
        let statement_results = run_statements(dbt, &name, &begin, "a table")?;
        let mut table = Self {
            id,
            name,
            is_made: statement_results.results.iter().all(Result::is_ok),
            record,
            leftover_tables: remaining_tables,
        };
        let mut results = statement_results.results;
        if table.is_made {
            let inserts: Vec<Statement> = inserts.collect();
            results.extend(run_statements(dbt, &table.name, &inserts, "the rows of the cases")?.results);
        }
        let Some(message) = results.into_iter().find_map(Result::err) else {
            return Ok(table);
        };
        table.drop(session, dbt)?;
        table.is_made = false;
        let reason = first_paragraph(&message);
        if !is_permission_error(&message) {
            let text = format!("the table for the rows of the cases cannot be created: {reason}");
            return Err(Failure::new(Exit::Failed, text));
        }
        session.warn(&format!(
            "the role is not permitted to create a table ({reason}), so each statement contains its rows"
        ));
        Ok(table)
    }

    /// Returns the source of the rows for queries.
    pub fn row_source(&self) -> RowSource {
        if self.is_made {
            RowSource::Table
        } else {
            RowSource::Literals
        }
    }

    /// Drops the table. If this fails, the record keeps the table's name for the next run.
    pub fn drop(&self, session: &Session, dbt: &DbtRun) -> Result<(), Failure> {
        if self.is_made && drop_table(session, dbt, &self.name)? {
            write_table_record(&self.record, &self.leftover_tables)?;
        }
        Ok(())
    }
}

/// Opens and locks the record. Returns the tables of earlier runs that have not been dropped yet.
fn open_table_record(workspace: &Workspace) -> Result<(File, Vec<String>), Failure> {
    let failed = |error: &std::io::Error| Failure::from_io("write", TABLE_RECORD_FILE, error);
    let bounds = workspace.writable_folders()?;
    let path = workspace.root.join(TABLE_RECORD_FILE);
    bounds.resolve_path(&path)?;
    create_local_folder(&bounds, &workspace.root)?;
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let mut file = file.map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(
                Failure::new(Exit::Failed, "another `formulac prove` is running in this project")
                    .with_help("wait until the other run has finished"),
            );
        }
        Err(TryLockError::Error(error)) => return Err(failed(&error)),
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| failed(&error))?;
    Ok((file, text.lines().map(|name| name.trim().to_owned()).collect()))
}

fn write_table_record<'n>(mut record: &File, names: impl IntoIterator<Item = &'n String>) -> Result<(), Failure> {
    let lines: String = names.into_iter().map(|name| format!("{name}\n")).collect();
    let outcome = record
        .rewind()
        .and_then(|()| record.set_len(0))
        .and_then(|()| record.write_all(lines.as_bytes()))
        .and_then(|()| record.flush());
    outcome.map_err(|error| Failure::from_io("write", TABLE_RECORD_FILE, &error))
}

/// Returns the query for the tables in the environment's schema.
pub fn list_tables_statement(dialect: Dialect) -> Statement {
    Statement {
        kind: StatementKind::Tables,
        sql: dialect.facts().tables_query.to_owned(),
    }
}

/// Drops the tables that the record contains, and old tables of other projects and machines. Returns the tables of the
/// record that could not be dropped.
fn drop_leftover_tables(
    session: &Session,
    dbt: &DbtRun,
    tables: &[String],
    leftover_tables: &[String],
    now: i64,
) -> Result<Vec<String>, Failure> {
    let mut remaining = Vec::new();
    let is_old = |name: &String| {
        let id = name.strip_prefix(TABLE_NAME_PREFIX).and_then(|rest| rest.get(..8));
        let created = id.and_then(|id| i64::from_str_radix(id, 16).ok());
        leftover_tables.contains(name) || created.is_some_and(|created| now - created > MAX_TABLE_AGE)
    };
    for name in tables.iter().map(|name| name.to_lowercase()).filter(is_old) {
        session.report_action("dropping the table that an interrupted run left behind");
        if !drop_table(session, dbt, &name)? && leftover_tables.contains(&name) {
            remaining.push(name);
        }
    }
    Ok(remaining)
}

/// Drops a table and returns `true`. If this fails, prints a warning and returns `false`.
fn drop_table(session: &Session, dbt: &DbtRun, name: &str) -> Result<bool, Failure> {
    let drop = Statement::from_change(drop_stored_rows_statement());
    let statement_run = run_statements(dbt, name, &[drop], "the removal of a table")?;
    let Some(message) = statement_run.results.into_iter().find_map(Result::err) else {
        return Ok(true);
    };
    session.warn(&format!(
        "the table {name} was not dropped: {}",
        first_paragraph(&message)
    ));
    Ok(false)
}
