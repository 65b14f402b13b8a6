//! Engines that run SQL: DuckDB on files, a Postgres server, or the project's own dbt.

mod data;
mod dbt;
mod decimals;
mod duckdb;
mod fault;
mod postgres;
mod query_result;
mod statements;
mod typed_columns;
mod warehouse;

use formulac::dbt::RelationReference;
use formulac::{Column, Dialect, Project, Schema};

use super::args::{DbtArgs, EngineArgs};
use super::dbt_project;
use super::environment;
use super::environment::Environment;
use super::exit::{Exit, Failure};
use super::progress::ProgressIndicator;
use super::project as project_file;
use super::session::Session;
use data::DataFile;
pub use dbt::{DbtRun, RelationLookup, WarehouseRelation};
pub use duckdb::PROGRAM as DUCKDB;
pub use fault::first_paragraph;
use formulac::diag::suggest;
pub use postgres::PROGRAM as PSQL;
use postgres::PostgresServer;
pub use query_result::{QueryResult, ResultColumn};
pub use statements::{Statement, StatementKind, StatementResult, run_statements};
pub use warehouse::WarehouseState;

/// A query to run.
#[derive(Clone, Copy, Debug)]
pub struct EngineRequest<'q> {
    pub sql: &'q str,
    /// Description of the requested rows, for messages.
    pub what: &'q str,
    /// Columns that the query returns, for engines that do not report column types.
    pub columns: &'q [Column],
    /// Tables that the query reads, as written in the query.
    pub tables: &'q [String],
    /// Row limit that the spec sets. Engines whose SQL does not contain this limit must apply it.
    pub own_limit: Option<u64>,
    /// Maximum number of rows to return.
    pub limit: u32,
    /// Additional query whose duration is to be measured.
    pub timed: Option<&'q str>,
}

/// Result of looking up a relation.
#[derive(Debug)]
pub enum RelationPresence {
    /// The relation exists and has these columns. Only dbt reports its full name.
    There(Vec<Column>, Option<String>),
    Missing,
    /// The lookup failed for this reason.
    Unknown(String),
}

/// Engine that runs SQL, and the data that it reads.
#[derive(Debug)]
pub enum Engine {
    Duckdb(Vec<DataFile>),
    Postgres(PostgresServer, Vec<DataFile>),
    Dbt(Box<DbtRun>),
}

impl Engine {
    /// Returns the engine that the arguments specify. If they specify none, returns DuckDB if there are data files,
    /// otherwise the project's dbt.
    pub fn select(session: &Session, args: &EngineArgs, project: &Project) -> Result<Self, Failure> {
        let global = &session.global;
        let data = args.data.as_deref();
        match (args.engine.as_deref(), data) {
            (Some("duckdb") | None, Some(folder)) => Ok(Self::Duckdb(data::find_data_files(folder)?)),
            (Some("duckdb"), None) => Err(no_data_failure("DuckDB has no tables without data files")),
            (Some("postgres" | "postgresql"), _) => Self::postgres(PostgresServer::from_environment(), args),
            (Some(url), _) if PostgresServer::is_url(url) => Self::postgres(PostgresServer::from_url(url), args),
            (Some("dbt"), Some(_)) => {
                let failure = Failure::new(Exit::Usage, "dbt runs on its warehouse and does not read `--data`");
                Err(failure.with_help("remove `--data`, or choose `--engine duckdb`"))
            }
            (Some("dbt") | None, None) => match dbt_project::find(global.project_dir.as_deref())? {
                Some(mut dbt_project) => {
                    dbt_project.profiles_dir.clone_from(&args.dbt.profiles_dir);
                    let environment = environment::selected_environment(global, project)?;
                    let target = dbt_project.target_folder();
                    let root = project_file::project_folder(global.project_dir.as_deref())?.unwrap_or_default();
                    let folder_of = |environment: &Environment| {
                        environment::deferral_artifacts(project, &root, &target, environment)
                    };
                    let deferred = environment.as_ref().and_then(folder_of);
                    let (args, waiting) = (args.dbt.clone(), ProgressIndicator::new(session));
                    Ok(Self::Dbt(Box::new(DbtRun {
                        environment,
                        project: dbt_project,
                        args,
                        deferred,
                        waiting,
                        time_limit: None,
                    })))
                }
                None if args.engine.is_some() => Err(no_dbt_project_failure()),
                None => Err(no_data_failure("there is no data and no dbt project")),
            },
            (Some(name), _) => Err(unknown_engine(name)),
        }
    }

    /// Returns the project's dbt, for commands that run on no other engine.
    pub fn new_dbt_run(session: &Session, args: &DbtArgs, project: &Project) -> Result<Box<DbtRun>, Failure> {
        let args = EngineArgs {
            engine: Some("dbt".to_owned()),
            dbt: args.clone(),
            ..EngineArgs::default()
        };
        match Self::select(session, &args, project)? {
            Self::Dbt(run) => Ok(run),
            Self::Duckdb(_) | Self::Postgres(..) => Err(no_dbt_project_failure()),
        }
    }

    fn postgres(server: PostgresServer, args: &EngineArgs) -> Result<Self, Failure> {
        let files = args
            .data
            .as_deref()
            .map(data::find_data_files)
            .transpose()?
            .unwrap_or_default();
        postgres::check_files(&files, args.schema.is_some())?;
        Ok(Self::Postgres(server, files))
    }

    /// Disables deferral, so that relations of another environment never replace relations that this environment has
    /// not built.
    pub fn without_deferral(mut self) -> Self {
        if let Self::Dbt(run) = &mut self {
            run.deferred = None;
        }
        self
    }

    /// Keeps only the files that contain these tables. If a table has no file, all files are kept so that the error
    /// message can list them.
    pub fn retain_tables(&mut self, tables: &[String]) {
        let (Self::Duckdb(files) | Self::Postgres(_, files)) = self else {
            return;
        };
        let is_of = |file: &DataFile, table: &String| {
            let last = table.rsplit('.').next().unwrap_or(table);
            file.relation.eq_ignore_ascii_case(table) || file.relation.eq_ignore_ascii_case(last)
        };
        if !tables.is_empty() && tables.iter().all(|table| files.iter().any(|file| is_of(file, table))) {
            files.retain(|file| tables.iter().any(|table| is_of(file, table)));
        }
    }

    /// Returns the name of the engine.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Duckdb(_) => "duckdb",
            Self::Postgres(..) => "postgres",
            Self::Dbt(_) => "dbt",
        }
    }

    /// Returns the engine's SQL dialect.
    pub fn dialect(&self, project: &Project) -> Result<Dialect, Failure> {
        match self {
            // The engine and its dialect have the same name.
            Self::Duckdb(_) | Self::Postgres(..) => Ok(self.name().parse().unwrap_or_default()),
            Self::Dbt(run) => run.dialect(project),
        }
    }

    /// Returns whether the engine runs models with `ref`s instead of plain queries.
    pub fn runs_models(&self) -> bool {
        matches!(self, Self::Dbt(_))
    }

    /// Returns the contents of a schema file with the columns found in the data, if the engine can determine them.
    pub fn schema_text(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Self::Duckdb(files) => duckdb::schema_text(files).map(Some),
            Self::Postgres(..) | Self::Dbt(_) => Ok(None),
        }
    }

    /// Returns the schema that the engine infers from the files in the `--data` folder. Returns `None` if the engine
    /// cannot infer types.
    pub fn infer_data_schema(&mut self, dialect: Dialect) -> Result<Option<Schema>, Failure> {
        Ok(self.schema_text()?.map(|text| Schema::from_text(&text, dialect).0))
    }

    /// Runs a query. `typed` is the schema that the user provided.
    pub fn answer(&self, request: EngineRequest<'_>, typed: Option<&Schema>) -> Result<QueryResult, Failure> {
        match self {
            Self::Duckdb(files) => duckdb::query(request, files, typed),
            Self::Postgres(server, files) => postgres::query(request, server, files, typed),
            Self::Dbt(run) => dbt::run_query(request, run),
        }
    }

    /// Runs several queries and calls `on_progress` after each. Returns a result or an error for each query.
    pub fn answers(
        &self,
        requests: &[EngineRequest<'_>],
        typed: Option<&Schema>,
        on_progress: impl Fn(),
    ) -> Result<Vec<Result<QueryResult, Failure>>, Failure> {
        if let Self::Dbt(run) = self {
            return dbt::run_queries(requests, run, &on_progress);
        }
        let answer_of = |request: &EngineRequest<'_>| {
            let answer = self.answer(*request, typed);
            on_progress();
            answer
        };
        Ok(requests.iter().map(answer_of).collect())
    }

    /// Looks up each relation and its columns.
    pub fn check_relations(
        &self,
        relations: &[RelationReference],
        typed: Option<&Schema>,
    ) -> Result<Vec<RelationPresence>, Failure> {
        match self {
            Self::Dbt(run) => dbt::check_relations(relations, run),
            Self::Duckdb(files) => {
                let file = |relation: &RelationReference| {
                    files
                        .iter()
                        .find(|file| file.relation.eq_ignore_ascii_case(relation.name()))
                };
                let presence_of = |relation: &RelationReference| match file(relation) {
                    None => Ok(RelationPresence::Missing),
                    Some(file) => self.find_relation_presence(&duckdb::view_name(file), typed),
                };
                relations.iter().map(presence_of).collect()
            }
            Self::Postgres(..) => relations
                .iter()
                .map(|relation| self.find_relation_presence(&relation.relation_sql(Dialect::default()), typed))
                .collect(),
        }
    }

    /// Returns the columns of each relation, with the warehouse's names for their types. Only dbt supports this lookup.
    pub fn look_up_relations(&self, relations: &[RelationReference]) -> Result<Vec<RelationLookup>, Failure> {
        match self {
            Self::Dbt(run) => dbt::look_up_relations(relations, run, run.deferred.as_deref()),
            _ => Ok(Vec::new()),
        }
    }

    /// Looks up whether each relation is built in this environment, even if queries read the relation from another
    /// environment. Returns `None` if queries never read from another environment.
    pub fn find_built_relations(
        &self,
        relations: &[RelationReference],
    ) -> Result<Option<Vec<RelationPresence>>, Failure> {
        match self {
            Self::Dbt(run) if run.deferred.is_some() => dbt::find_built_relations(relations, run).map(Some),
            _ => Ok(None),
        }
    }

    /// Looks up a relation with a query for zero rows, because even an empty result lists the columns. `name` is in SQL
    /// syntax.
    fn find_relation_presence(&self, name: &str, typed: Option<&Schema>) -> Result<RelationPresence, Failure> {
        let sql = format!("select * from {name}\n");
        let request = EngineRequest {
            sql: &sql,
            what: "the columns of a table",
            columns: &[],
            tables: &[],
            own_limit: None,
            limit: 0,
            timed: None,
        };
        match self.answer(request, typed) {
            Ok(answer) => {
                let to_column = |column: ResultColumn| Column::new(column.name, column.ty);
                Ok(RelationPresence::There(
                    answer.columns.into_iter().map(to_column).collect(),
                    None,
                ))
            }
            Err(Failure::Found(diagnostics)) => {
                let mut messages = diagnostics
                    .iter()
                    .flat_map(|file_diagnostics| &file_diagnostics.diagnostics)
                    .map(|diagnostic| diagnostic.message().to_owned());
                let message = messages.next().unwrap_or_default();
                Ok(if fault::is_missing_table_error(&message) {
                    RelationPresence::Missing
                } else {
                    RelationPresence::Unknown(message)
                })
            }
            Err(failure) => Err(failure),
        }
    }
}

fn no_dbt_project_failure() -> Failure {
    Failure::new(Exit::Usage, "there is no dbt project here")
        .with_help("run the command in the folder with `dbt_project.yml`, or specify that folder with `--project-dir`")
}

fn no_data_failure(text: &str) -> Failure {
    Failure::new(Exit::Usage, text).with_help("specify a folder of CSV, Parquet or JSON files with `--data`")
}

fn unknown_engine(name: &str) -> Failure {
    let name = postgres::mask_password(name);
    if let Ok(dialect) = name.parse::<Dialect>() {
        let failure = Failure::new(
            Exit::Usage,
            format!("formulac cannot connect to {} itself", dialect.title()),
        );
        return failure.with_help("choose `--engine dbt` in a dbt project; dbt then runs the queries");
    }
    let help = suggest::similar_name_help_or(&name, ["dbt", "duckdb", "postgres"], || {
        "write dbt, duckdb, postgres or a `postgres://` URL".to_owned()
    });
    Failure::new(Exit::Usage, format!("there is no engine `{name}`")).with_help(help)
}
