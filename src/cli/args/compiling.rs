//! Arguments of what compiles formulas and specs, and says what they mean.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use formulac::Dialect;

use super::settings::{Settings, Target, dialects};

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder of the dbt project [default: found from the working directory upwards]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, required_if_eq("example", "true"))]
    pub folder: Option<PathBuf>,
    /// Write an example project, with dbt's files and data, to a new or empty DIR
    #[arg(long)]
    pub example: bool,
    /// SQL dialect [default: that of the dbt adapter]
    #[arg(long, value_name = "DIALECT", value_parser = dialects(), conflicts_with = "example")]
    pub dialect: Option<Dialect>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct CompileArgs {
    /// Formula or definitions; `-` is standard input
    #[arg(allow_hyphen_values = true, required_unless_present = "file", conflicts_with = "file")]
    pub formula: Option<OsString>,
    /// File of definitions
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct QueryArgs {
    /// Model spec; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub spec: PathBuf,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Model specs; `-` is standard input
    #[arg(value_name = "SPEC", required = true, value_hint = ValueHint::FilePath)]
    pub specs: Vec<PathBuf>,
    /// Folder to write the .sql and .yml files to
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Write nothing; fail when files in DIR differ
    #[arg(long, requires = "out")]
    pub check: bool,
    /// Draft unit tests: `examples:` to look through. With --out they are written to the end of the specs
    #[arg(long, conflicts_with = "check")]
    pub unit_tests: bool,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Selections are dbt's: names, `+revenue+`, `tag:finance`, `path:metrics/sales`, `config.materialized:table`, \
                        joined by blanks (either) or commas (both). FORMULAC_DBT names another path of dbt."
)]
pub struct GenerateArgs {
    /// Only models that these match
    #[arg(long, short, value_name = "SELECTION", num_args = 1..)]
    pub select: Vec<String>,
    /// No models that these match
    #[arg(long, value_name = "SELECTION", num_args = 1..)]
    pub exclude: Vec<String>,
    /// Leave out specs with errors, and what reads their models; write the others
    #[arg(long)]
    pub keep_going: bool,
    /// Write nothing; fail when a file differs from what its spec makes
    #[arg(long, conflicts_with = "validate")]
    pub check: bool,
    /// Let `dbt parse` judge what is written; what it refuses is taken back
    #[arg(long)]
    pub validate: bool,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Formula files and specs (.yml, .yaml), `-` for standard input [default: the project's specs]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Make the changes that are sure to be right
    #[arg(long)]
    pub fix: bool,
    #[command(flatten)]
    pub settings: Settings,
    /// The same as --output-format json
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Formula or definitions, `-` for standard input, or a diagnostic's code such as F0301
    #[arg(value_name = "FORMULA|CODE", allow_hyphen_values = true)]
    pub subject: OsString,
    #[command(flatten)]
    pub settings: Settings,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct FunctionsArgs {
    /// Function to show
    pub name: Option<String>,
    /// List those with this text in name, summary or notes
    #[arg(long, value_name = "TEXT", conflicts_with = "name")]
    pub search: Option<String>,
    /// SQL dialect to show [default: all]
    #[arg(long, value_name = "DIALECT", value_parser = dialects())]
    pub dialect: Option<Dialect>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// What the schema describes
    pub of: SchemaOf,
}

/// What a JSON Schema describes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaOf {
    /// A model spec
    Spec,
    /// The project file, formulac.yml
    Project,
    /// Values of one person, formulac.local.yml
    Local,
}
