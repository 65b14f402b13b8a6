//! Arguments of what runs SQL.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

/// What runs SQL, and over what.
#[derive(Debug, Default, Args)]
pub struct EngineArgs {
    /// Folder with one CSV, Parquet or JSON file a relation, named like it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// `dbt`, `duckdb`, `postgres` or a `postgres://` URL [default: duckdb with --data, else the project's dbt]
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<String>,
    /// Schema file, dbt manifest or properties file, or folder of Omni views [default: what the data shows]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub schema: Option<PathBuf>,
}

/// Below the help of commands that run SQL.
const ENGINES: &str = "DuckDB is the program `duckdb` (`pip install duckdb-cli`), Postgres is asked with `psql`, dbt with \
                       `dbt show`; FORMULAC_DUCKDB, FORMULAC_PSQL and FORMULAC_DBT name other paths.";

#[derive(Debug, Args)]
#[command(after_help = ENGINES)]
pub struct PreviewArgs {
    /// Model spec; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub spec: PathBuf,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Rows to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = ENGINES)]
pub struct VerifyArgs {
    /// Specs or models [default: all of the project]
    #[arg(value_name = "SPEC|MODEL", value_hint = ValueHint::FilePath)]
    pub specs: Vec<OsString>,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// How far two numbers may lie apart where `compare:` does not say it [default: floats by a 10^-9th part, others not]
    #[arg(long, value_name = "T", value_parser = not_negative)]
    pub tolerance: Option<String>,
    /// Rows to show of those that differ
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: u32,
    /// Seconds that a formula's query, and a build, may take [default: `budget` in the spec's `meta: {formulac: …}`]
    #[arg(long, value_name = "SECONDS", value_parser = not_negative)]
    pub budget: Option<String>,
    /// Leave `.formulac/evidence/` as it is
    #[arg(long)]
    pub no_evidence: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
    /// Print Markdown, as for a merge request
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// A number as SQL reads it, which is not negative.
fn not_negative(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.len() <= 30;
    match text.parse::<f64>() {
        Ok(number) if is_plain && number.is_finite() && text.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(text.to_owned())
        }
        _ => Err("a number such as 0.01 is expected".to_owned()),
    }
}
