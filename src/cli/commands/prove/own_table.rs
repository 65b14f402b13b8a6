//! The table that a run makes and drops. A file in the project names the table of the current run, so that the next run
//! drops what a killed one left.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use formulac::Dialect;
use formulac::dbt::STATEMENTS_TABLE;
use jiff::Timestamp;

use super::judge::{first_lines, is_not_allowed};
use super::report::RowSource;
use super::rows::StoredRows;
use crate::cli::commands::sync::create_local_folder;
use crate::cli::engine::{DbtRun, Statement, StatementKind, run_statements};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// File with the name of the current run's table. A run locks it.
const RECORD: &str = ".formulac/local/prove";

/// First part of the names of all tables that runs make.
const PREFIX: &str = "formulac_prove_";

/// Age in seconds after which a table of another project or machine is dropped.
const OLD: i64 = 86_400;

/// Table of a run.
pub struct OwnTable {
    pub id: String,
    pub name: String,
    is_made: bool,
    record: File,
}

impl OwnTable {
    /// Drops tables that killed runs left, and makes the table of this run. If the role may not create tables, none is
    /// made.
    pub fn create(
        session: &Session,
        place: &Workspace,
        dbt: &DbtRun,
        dialect: Dialect,
        rows: &StoredRows<'_>,
    ) -> Result<Self, Failure> {
        let (record, left) = open_record(place)?;
        let now = Timestamp::now().as_second();
        let id = format!("{now:x}{:x}", std::process::id());
        let name = format!("{PREFIX}{id}_rows");
        drop_left(session, dbt, dialect, &left, now)?;
        write_record(&record, &name)?;
        let schema = Statement {
            kind: StatementKind::Schema,
            sql: String::new(),
        };
        let mut inserts = rows.statements(dialect).into_iter();
        let begin: Vec<Statement> = [schema].into_iter().chain(inserts.next()).collect();
        let made = run_statements(dbt, &name, &begin, "a table")?;
        let mut table = Self {
            id,
            name,
            is_made: made.results.iter().all(Result::is_ok),
            record,
        };
        let mut results = made.results;
        if table.is_made {
            let inserts: Vec<Statement> = inserts.collect();
            results.extend(run_statements(dbt, &table.name, &inserts, "the rows of the cases")?.results);
        }
        let Some(message) = results.into_iter().find_map(Result::err) else {
            return Ok(table);
        };
        table.drop(session, dbt)?;
        table.is_made = false;
        let message = first_lines(&message);
        if !is_not_allowed(&message) {
            let text = format!("the table for the rows of the cases cannot be made: {message}");
            return Err(Failure::new(Exit::Failed, text));
        }
        session.warn(&format!(
            "warning: the role may not make a table ({message}), so each statement contains its rows"
        ));
        Ok(table)
    }

    /// Returns where queries find their rows.
    pub fn row_source(&self) -> RowSource {
        if self.is_made {
            RowSource::Table
        } else {
            RowSource::Literals
        }
    }

    /// Drops the table.
    pub fn drop(&self, session: &Session, dbt: &DbtRun) -> Result<(), Failure> {
        if self.is_made {
            self.drop_made(session, dbt)
        } else {
            Ok(())
        }
    }

    fn drop_made(&self, session: &Session, dbt: &DbtRun) -> Result<(), Failure> {
        drop_tables(session, dbt, std::slice::from_ref(&self.name))?;
        write_record(&self.record, "")
    }
}

/// Opens and locks the record. Returns the table of an earlier run that was killed; empty if there is none.
fn open_record(place: &Workspace) -> Result<(File, String), Failure> {
    let failed = |error: &std::io::Error| Failure::io_failure("write", RECORD, error);
    let bounds = place.writable_folders()?;
    let path = place.root.join(RECORD);
    bounds.resolve_path(&path)?;
    create_local_folder(&bounds, &place.root)?;
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
                    .with_help("wait until it has finished"),
            );
        }
        Err(TryLockError::Error(error)) => return Err(failed(&error)),
    }
    let mut left = String::new();
    file.read_to_string(&mut left).map_err(|error| failed(&error))?;
    Ok((file, left.trim().to_owned()))
}

fn write_record(mut record: &File, name: &str) -> Result<(), Failure> {
    let written = record
        .rewind()
        .and_then(|()| record.set_len(0))
        .and_then(|()| record.write_all(name.as_bytes()))
        .and_then(|()| record.flush());
    written.map_err(|error| Failure::io_failure("write", RECORD, &error))
}

/// Drops the table that the record names, and old tables of other projects and machines.
fn drop_left(session: &Session, dbt: &DbtRun, dialect: Dialect, left: &str, now: i64) -> Result<(), Failure> {
    let found = run_statements(
        dbt,
        PREFIX,
        &[Statement {
            kind: StatementKind::Tables,
            sql: dialect.facts().tables_query.to_owned(),
        }],
        "the tables of earlier runs",
    )?;
    // If the role may not list the tables, or there is no schema yet, only the table that the record names is dropped.
    let rows = found
        .results
        .into_iter()
        .next()
        .and_then(Result::ok)
        .unwrap_or_default();
    let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    let is_old = |name: &String| {
        let id = name.strip_prefix(PREFIX).and_then(|rest| rest.get(..8));
        let made = id.and_then(|id| i64::from_str_radix(id, 16).ok());
        name == left || made.is_some_and(|made| now - made > OLD)
    };
    let names: Vec<String> = names.map(|name| name.to_lowercase()).filter(is_old).collect();
    if names.is_empty() {
        return Ok(());
    }
    session.report_action("dropping the table that an interrupted run left");
    drop_tables(session, dbt, &names)
}

fn drop_tables(session: &Session, dbt: &DbtRun, names: &[String]) -> Result<(), Failure> {
    for name in names {
        let drop = Statement {
            kind: StatementKind::Change,
            sql: format!("drop table if exists {STATEMENTS_TABLE}"),
        };
        let done = run_statements(dbt, name, &[drop], "the removal of a table")?;
        if let Some(message) = done.results.into_iter().find_map(Result::err) {
            session.warn(&format!(
                "warning: the table {name} is not dropped: {}",
                first_lines(&message)
            ));
        }
    }
    Ok(())
}
