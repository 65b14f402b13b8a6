//! Which engine runs the SQL.

use formulac::{Dialect, Project, Schema};

use super::answer::Answer;
use super::data::{self, DataFile};
use super::dbt::{self, DbtRun};
use super::duckdb;
use super::postgres::{self, Server};
use crate::cli::args::{Global, PreviewArgs};
use crate::cli::dbt_project;
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::spec::Spec;
use formulac::diag::suggest;

/// What runs the SQL, and over what.
#[derive(Debug)]
pub enum Engine {
    Duckdb(Vec<DataFile>),
    Postgres(Server, Vec<DataFile>),
    Dbt(Box<DbtRun>),
}

impl Engine {
    /// The engine that is asked for, else DuckDB over the data, else the project's own dbt.
    pub fn chosen(global: &Global, args: &PreviewArgs, project: &Project) -> Result<Self, Failure> {
        let data = args.data.as_deref();
        match (args.engine.as_deref(), data) {
            (Some("duckdb"), Some(folder)) | (None, Some(folder)) => Ok(Self::Duckdb(data::files(folder)?)),
            (Some("duckdb"), None) => Err(no_data("DuckDB has no tables of its own here")),
            (Some("postgres" | "postgresql"), _) => Self::postgres(Server::of_environment(), args),
            (Some(url), _) if Server::is_url(url) => Self::postgres(Server::of_url(url), args),
            (Some("dbt"), Some(_)) => {
                let failure = Failure::new(Exit::Usage, "dbt runs on its warehouse and reads no `--data`");
                Err(failure.with_help("leave out `--data`, or choose `--engine duckdb`"))
            }
            (Some("dbt") | None, None) => match dbt_project::find(global.project_dir.as_deref())? {
                Some(found) => {
                    let environment = environment::chosen(global, project)?;
                    Ok(Self::Dbt(Box::new(DbtRun { environment, project: found })))
                }
                None if args.engine.is_some() => Err(Failure::new(Exit::Usage, "there is no dbt project here")
                    .with_help("run it in the folder of a `dbt_project.yml`, or name that with `--project-dir`")),
                None => Err(no_data("there is neither data nor a dbt project")),
            },
            (Some(name), _) => Err(unknown(name)),
        }
    }

    fn postgres(server: Server, args: &PreviewArgs) -> Result<Self, Failure> {
        let files = args.data.as_deref().map(data::files).transpose()?.unwrap_or_default();
        postgres::accept(&files, args.schema.is_some())?;
        Ok(Self::Postgres(server, files))
    }

    /// Keeps the files of these tables only. Where one has no file all are kept, for whoever looks for its name.
    pub fn read_only(&mut self, tables: &[String]) {
        let (Self::Duckdb(files) | Self::Postgres(_, files)) = self else { return };
        let is_of = |file: &DataFile, table: &String| {
            let last = table.rsplit('.').next().unwrap_or(table);
            file.relation.eq_ignore_ascii_case(table) || file.relation.eq_ignore_ascii_case(last)
        };
        if !tables.is_empty() && tables.iter().all(|table| files.iter().any(|file| is_of(file, table))) {
            files.retain(|file| tables.iter().any(|table| is_of(file, table)));
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Duckdb(_) => "duckdb",
            Self::Postgres(..) => "postgres",
            Self::Dbt(_) => "dbt",
        }
    }

    /// The dialect that it reads.
    pub fn dialect(&self, project: &Project) -> Result<Dialect, Failure> {
        match self {
            // Engine and dialect have one name.
            Self::Duckdb(_) | Self::Postgres(..) => Ok(self.name().parse().unwrap_or_default()),
            Self::Dbt(run) => run.dialect(project),
        }
    }

    /// Whether it takes a model, with its `ref`s, and no plain query.
    pub fn runs_models(&self) -> bool {
        matches!(self, Self::Dbt(_))
    }

    /// A schema file's text with the columns that the data shows, where the engine can tell.
    pub fn schema_text(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Self::Duckdb(files) => duckdb::schema_text(files).map(Some),
            Self::Postgres(..) | Self::Dbt(_) => Ok(None),
        }
    }

    /// Runs the SQL of a spec. `typed` is the schema that was given.
    pub fn answer(&self, sql: &str, spec: &Spec, typed: Option<&Schema>, limit: u32) -> Result<Answer, Failure> {
        match self {
            Self::Duckdb(files) => duckdb::query(sql, files, typed, &spec.tables, limit),
            Self::Postgres(server, files) => postgres::query(sql, server, files, typed, limit),
            Self::Dbt(run) => dbt::show(sql, run, spec, limit),
        }
    }
}

fn no_data(text: &str) -> Failure {
    Failure::new(Exit::Usage, text).with_help("name a folder of CSV, Parquet or JSON files with `--data`")
}

fn unknown(name: &str) -> Failure {
    let name = postgres::hidden_password(name);
    let near = suggest::nearest(&name, ["dbt", "duckdb", "postgres"]);
    let help = near.map_or_else(|| "write dbt, duckdb, postgres or a `postgres://` URL".to_owned(), suggest::similar);
    Failure::new(Exit::Usage, format!("there is no engine `{name}`")).with_help(help)
}
