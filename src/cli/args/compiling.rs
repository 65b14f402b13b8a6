//! Arguments of the commands that compile and explain formulas and specs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use formulac::Dialect;

use super::dbt::{DbtArgs, Selection};
use super::settings::{Settings, TargetOptions, dialect_parser};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # In the folder of a dbt project
  formulac init

  # An example project with data, in a new folder
  formulac init --example shop")]
pub struct InitArgs {
    /// Folder of the dbt project [default: the working directory or the nearest parent that contains one]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, required_if_eq("example", "true"))]
    pub folder: Option<PathBuf>,
    /// Write an example project, including dbt files and data, to a new or empty DIR
    #[arg(long)]
    pub example: bool,
    /// SQL dialect [default: the dialect of the dbt adapter]
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser(), conflicts_with = "example")]
    pub dialect: Option<Dialect>,
    /// Show the files without writing them
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # A formula
  formulac compile 'SUM(amount) / COUNT()'

  # A file of definitions, for another warehouse
  formulac compile --file metrics.fx --dialect snowflake

  # With the types of the columns, from a dbt manifest
  formulac compile 'SUM(amount)' --schema target/manifest.json --from orders")]
pub struct CompileArgs {
    /// Formula or definitions; use `-` for standard input, and `--` before a formula that is also an option, such as
    /// `-v`
    #[arg(
        allow_hyphen_values = true,
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub formula: Option<OsString>,
    /// File that contains the definitions
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

/// Arguments that cannot be combined with the options for metrics.
const METRICS_CONFLICTING_ARGS: [&str; 3] = ["spec", "select", "exclude"];

/// Options for querying metrics without a spec.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Metrics to query: `orders.revenue`, `orders.*`, or `refunds.amount as refunded`
    #[arg(long, value_name = "METRIC,…", conflicts_with_all = ["select", "exclude"])]
    pub metrics: Vec<String>,
    /// Keys to group by: columns, dimensions, or periods such as `month`
    #[arg(long, value_name = "KEY,…", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub by: Vec<String>,
    /// Condition that selects the rows of each metric set
    #[arg(long = "where", value_name = "FORMULA", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub filter: Option<String>,
    /// Condition that selects the groups
    #[arg(long, value_name = "FORMULA", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub having: Option<String>,
    /// First day to show: YYYY-MM-DD or a constant formula
    #[arg(long, value_name = "DATE", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub since: Option<String>,
    /// Last day to show
    #[arg(long, value_name = "DATE", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub until: Option<String>,
    /// Column computed from the metrics, for example `--define 'share = revenue / SUM(revenue:revenue)'`; repeatable
    #[arg(long, value_name = "NAME=FORMULA", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub define: Vec<String>,
    /// Period for which missing rows are added, like `fill` in a spec: `month`, or `{by: month, from: 2024-01-01, to:
    /// TODAY()}`
    #[arg(long, value_name = "PERIOD", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub fill: Option<String>,
    /// Sort order of the rows: names, each optionally followed by `asc` or `desc`
    #[arg(long, value_name = "NAME,…", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub order_by: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac query metrics/revenue.yml
  formulac query revenue
  formulac query metrics/revenue.yml --dialect bigquery

  # Metrics grouped by keys, without a spec
  formulac query --metrics orders.revenue,orders.aov --by month,customers.region --since 2024-01-01")]
pub struct QueryArgs {
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
    /// Maximum number of rows
    #[arg(long, value_name = "N", requires = "metrics", conflicts_with_all = METRICS_CONFLICTING_ARGS)]
    pub limit: Option<u32>,
    #[command(flatten)]
    pub target: TargetOptions,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Show the .sql and .yml of a model
  formulac model metrics/revenue.yml

  # Write the models to a folder
  formulac model metrics/revenue.yml metrics/churn.yml --out models/formulac

  # Add drafts of unit tests to the spec
  formulac model metrics/revenue.yml --unit-tests --out models/formulac")]
pub struct ModelArgs {
    /// Model specs; use `-` for standard input
    #[arg(
        value_name = "SPEC", value_hint = ValueHint::FilePath,
        required_unless_present_any = ["select", "exclude"], conflicts_with_all = ["select", "exclude"]
    )]
    pub specs: Vec<PathBuf>,
    #[command(flatten)]
    pub selection: Selection,
    /// Folder to write the .sql and .yml files to
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Write nothing; exit with status 1 if files in DIR differ
    #[arg(long, requires = "out")]
    pub check: bool,
    /// Draft unit tests as `examples:` for review; with --out, append them to the specs
    #[arg(long, conflicts_with = "check")]
    pub unit_tests: bool,
    #[command(flatten)]
    pub target: TargetOptions,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac generate

  # Only two models and everything that reads them
  formulac generate --select revenue+ churn+

  # In CI: exit with status 1 if a committed file is out of date
  formulac generate --check

  # Let dbt parse the result, and restore the previous files if dbt rejects it
  formulac generate --validate --target ci")]
pub struct GenerateArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Skip specs with errors and the specs that depend on them, and write all others
    #[arg(long)]
    pub keep_going: bool,
    /// Write nothing; exit with status 1 if a file is out of date
    #[arg(long, conflicts_with = "validate")]
    pub check: bool,
    /// Run `dbt parse` on the result, and restore the previous files if dbt rejects it
    #[arg(long)]
    pub validate: bool,
    /// Generate again after each change to a file that the command reads, such as a spec or dbt's manifest
    #[arg(long, conflicts_with_all = ["check", "json", "validate"])]
    pub watch: bool,
    #[command(flatten)]
    pub target: TargetOptions,
    #[command(flatten)]
    pub dbt: DbtArgs,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # All specs of the project
  formulac check

  # One file, with the safe fixes applied
  formulac check metrics/revenue.yml --fix

  # The specs that changed since production was built, with diagnostics as GitHub annotations
  formulac check --select state:modified --state prod-artifacts --output-format github")]
pub struct CheckArgs {
    /// Formula files and specs (.yml, .yaml), or `-` for standard input [default: the project's specs]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["select", "exclude"])]
    pub files: Vec<PathBuf>,
    /// Apply safe fixes
    #[arg(long)]
    pub fix: bool,
    /// Check again after each change to a file that the command reads, such as a spec or dbt's manifest
    #[arg(long, conflicts_with_all = ["fix", "json"])]
    pub watch: bool,
    /// Kind of diagnostics for which `check` also exits with status 1
    #[arg(long, value_name = "WHAT")]
    pub deny: Option<DenyLevel>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub settings: Settings,
    /// Print one JSON object, as --output-format json does
    #[arg(long)]
    pub json: bool,
}

/// Values of `--deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DenyLevel {
    /// Warnings
    Warnings,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac explain 'SUM(amount) / COUNT()'

  # The page of a diagnostic
  formulac explain F0301

  # The relational operators of a model's query
  formulac explain --plan revenue_by_month")]
pub struct ExplainArgs {
    /// Formula or definitions, a diagnostic code such as F0301, or a spec with `--expand` or `--plan`; use `-` for
    /// standard input, and `--` before a formula that looks like an option, such as `-v`
    #[arg(value_name = "FORMULA|CODE|SPEC", allow_hyphen_values = true)]
    pub subject: OsString,
    #[command(flatten)]
    pub settings: Settings,
    /// Print the spec with the definitions of its metric sets written out in full
    #[arg(long)]
    pub expand: bool,
    /// Print the relational operators of a model's query, with the definitions that each operator computes
    #[arg(long, conflicts_with = "expand")]
    pub plan: bool,
    /// Format of the plan that `--plan` prints
    #[arg(long, value_name = "FORMAT", requires = "plan", conflicts_with = "json", default_value = "tree", hide_default_value = true, value_parser = ["tree", "mermaid", "dot"])]
    pub format: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac functions
  formulac functions XLOOKUP
  formulac functions --search median --dialect bigquery")]
pub struct FunctionsArgs {
    /// Function to show
    pub name: Option<String>,
    /// List functions whose name, summary or notes contain TEXT
    #[arg(long, value_name = "TEXT", conflicts_with = "name")]
    pub search: Option<String>,
    /// SQL dialect to show [default: all]
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser())]
    pub dialect: Option<Dialect>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "Looks for dbt with the project's adapter, git, and the programs that `preview --data` and `preview --engine postgres` run. Checks the project: its settings, dbt's artifacts and missing columns. For each problem, the command shows a fix. Exit status: 0 if the project is ready, 1 if it has errors, 5 if a program that it needs is missing or too old.

Examples:
  formulac doctor
  formulac doctor --json"
)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  formulac schema fetch\n  formulac schema spec\n  formulac schema json plan")]
pub struct SchemaArgs {
    #[command(subcommand)]
    pub of: SchemaSubject,
}

/// Subcommands of `schema`.
#[derive(Clone, Debug, Subcommand)]
pub enum SchemaSubject {
    /// Print the JSON Schema of a model spec
    #[command(after_long_help = "Examples:\n  formulac schema spec > formulac-spec.schema.json")]
    Spec,
    /// Print the JSON Schema of the project file, formulac.yml
    #[command(after_long_help = "Examples:\n  formulac schema project > formulac-project.schema.json")]
    Project,
    /// Print the JSON Schema of the personal settings file, formulac.local.yml
    #[command(after_long_help = "Examples:\n  formulac schema local")]
    Local,
    /// Fetch the columns of all relations that specs read, by querying the warehouse through dbt
    #[command(
        after_long_help = "Examples:\n  formulac schema fetch\n  formulac schema fetch --select tag:finance --target prod"
    )]
    Fetch(SchemaFetchArgs),
    /// Print the JSON Schema of a command's `--json` output
    #[command(after_long_help = "Examples:\n  formulac schema json plan\n  formulac schema json env diff")]
    Json(SchemaJsonArgs),
}

#[derive(Clone, Debug, Args)]
pub struct SchemaFetchArgs {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub dbt: DbtArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct SchemaJsonArgs {
    /// Command that supports `--json`
    #[arg(value_name = "COMMAND", required = true, num_args = 1..=2)]
    pub command: Vec<String>,
}
