//! Arguments of the commands that run SQL.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::compiling::MetricsArgs;
use super::dbt::{DbtArgs, Selection};

/// Engine and data of a command that runs SQL.
#[derive(Debug, Default, Args)]
pub struct EngineArgs {
    /// Folder with one CSV, Parquet or JSON file per relation, named after the relation
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Engine to use: `dbt`, `duckdb`, `postgres` or a `postgres://` URL [default: `duckdb` with --data, otherwise
    /// `dbt`]
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<String>,
    /// Schema file, dbt manifest or properties file, or folder of Omni views [default: the columns of the data]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub schema: Option<PathBuf>,
    #[command(flatten)]
    pub dbt: DbtArgs,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "DuckDB is queried with the program `duckdb` (`pip install duckdb-cli`), Postgres with `psql`, and dbt with `dbt show`. Set FORMULAC_DUCKDB, FORMULAC_PSQL or FORMULAC_DBT to use a program at another path.

Examples:
  # With the project's dbt
  formulac preview metrics/revenue.yml --target dev

  # On files, without dbt
  formulac preview metrics/revenue.yml --data seeds --limit 50"
)]
pub struct PreviewArgs {
    /// Model spec, or the name of its model in a project; use `-` for standard input
    #[arg(
        value_hint = ValueHint::FilePath,
        required_unless_present_any = ["select", "exclude", "metrics"],
        conflicts_with_all = ["select", "exclude", "metrics"]
    )]
    pub spec: Option<PathBuf>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Maximum number of rows to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = super::settings::parse_positive)]
    pub limit: u32,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "DuckDB is queried with the program `duckdb` (`pip install duckdb-cli`), Postgres with `psql`, and dbt with `dbt show`. Set FORMULAC_DUCKDB, FORMULAC_PSQL or FORMULAC_DBT to use a program at another path.

Examples:
  formulac verify
  formulac verify --select revenue --limit 20

  # The text of a merge request
  formulac verify --markdown --no-evidence"
)]
pub struct VerifyArgs {
    /// Specs or models to verify [default: all models of the project]
    #[arg(value_name = "SPEC|MODEL", value_hint = ValueHint::FilePath, conflicts_with_all = ["select", "exclude"])]
    pub specs: Vec<OsString>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Largest allowed difference between two numbers, unless `compare:` sets one [default: a relative difference of
    /// 1e-9 for floats, 0 for other numbers]
    #[arg(long, value_name = "T", value_parser = parse_non_negative)]
    pub tolerance: Option<String>,
    /// Maximum number of differing rows to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: u32,
    /// Time limit for a formula's query and for building a model [default: `budget` in the spec's `meta:
    /// {formulac: …}`]
    #[arg(long, value_name = "SECONDS", value_parser = parse_non_negative)]
    pub budget: Option<String>,
    /// Do not update `.formulac/evidence/`
    #[arg(long)]
    pub no_evidence: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
    /// Print a Markdown report for a merge request
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "The cases are formulac's own test cases for each function and each form of its arguments, with NULLs and edge cases. In addition, the project's models are run on generated rows. The rows are in one table `formulac_prove_…` in the environment's schema, which is dropped at the end. If a run is interrupted, the next run drops the table. The command does not read your data. If the role is not permitted to create tables, each statement contains the rows that it needs.

The report is written to .formulac/proofs/ and contains versions, session parameters and the cases with different values, but no names or data of the project. `formulac functions NAME` then shows what is proven.

Examples:
  formulac prove --env dev

  # Only two functions
  formulac prove ROUND TEXT

  # Let the warehouse plan the statements without running them
  formulac prove --dry-run"
)]
pub struct ProveArgs {
    /// Prove only these functions, such as ROUND, and do not write a report [default: all functions and the project's
    /// models]
    #[arg(value_name = "FUNCTION")]
    pub functions: Vec<String>,
    #[command(flatten)]
    pub dbt: DbtArgs,
    /// Let the warehouse plan the statements without running them or creating tables
    #[arg(long)]
    pub dry_run: bool,
    /// Send the statements without asking for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

/// Accepts a non-negative number in SQL notation.
fn parse_non_negative(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.len() <= 30;
    match text.parse::<f64>() {
        Ok(number) if is_plain && number.is_finite() && text.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(text.to_owned())
        }
        _ => Err("expected a number such as 0.01".to_owned()),
    }
}
