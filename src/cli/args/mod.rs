//! The arguments of the command.

mod team;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use formulac::{Context, Dialect};

pub use team::{
    AuthorizeArgs, ChangeArgs, ChangeCommand, EnvArgs, EnvCommand, EnvDiffArgs, EnvNameArgs, EnvUseArgs, ProposeArgs,
    ReleaseArgs,
};

/// Compiles spreadsheet-style formulas to SQL and dbt models
#[derive(Debug, Parser)]
#[command(name = "formulac", version, max_term_width = 100)]
#[command(after_help = "Exit status: 0 done, 1 the input has errors, 2 wrong usage, 3 conflict, 4 not allowed, \
                        5 a file, engine or dbt failed.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Show errors only
    #[arg(long, global = true)]
    pub quiet: bool,
    /// When to color messages
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    pub color: When,
    /// Never ask; fail where an answer is needed
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Folder of the project [default: found from the working directory upwards]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub project_dir: Option<PathBuf>,
    /// Environment of the project
    #[arg(long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Shape of diagnostics
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human", hide_default_value = true)]
    pub output_format: Format,
}

/// When to color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, with the line and help
    Human,
    /// A line each
    Concise,
    /// A JSON object
    Json,
    /// Annotations of GitHub workflows
    Github,
    /// SARIF 2.1.0
    Sarif,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin in a dbt project, or write an example project
    Init(InitArgs),
    /// Compile a formula or definitions to SQL expressions
    Compile(CompileArgs),
    /// Compile a model spec to a plain SQL query
    Query(QueryArgs),
    /// Compile model specs to dbt models
    Model(ModelArgs),
    /// Compile all specs of the project to dbt models, tests and docs
    Generate(GenerateArgs),
    /// Bring what dbt knows into the Omni model: views, keys, joins, the state of the tests
    Pull(PullArgs),
    /// Make a model spec of measures, dimensions and saved queries of Omni
    Promote(PromoteArgs),
    /// Show on one screen what is out of step, stale or failing, and what mends it
    Status(StatusArgs),
    /// Show what a push would do: what is created, updated, deleted, kept, and what conflicts
    Plan(PlanArgs),
    /// Bring specs to dbt's files: shown, asked about, written and committed, wholly or not at all
    Push(PushArgs),
    /// Decide a conflict that a plan shows, for the spec or for the file
    Resolve(ResolveArgs),
    /// Bring hand edits of generated files into the specs, as formulas where they are SQL
    Adopt(AdoptArgs),
    /// Show who pushed what, and when
    Log(LogArgs),
    /// Bring everything back to what it was after an entry of the log, as a new commit
    Rollback(RollbackArgs),
    /// List, show, use, compare and check environments
    Env(EnvArgs),
    /// Propose a change, comment on it, approve or reject it
    Change(ChangeArgs),
    /// In CI: whether a branch's commits were allowed to their authors, and carry the approvals they need
    Authorize(AuthorizeArgs),
    /// Tag specs, dbt's files and Omni's together, with what changed since the last release
    Release(ReleaseArgs),
    /// Run a model spec and show its rows
    Preview(PreviewArgs),
    /// Compare built models with their formulas and with what `compare:` names, row by row
    Verify(VerifyArgs),
    /// Find faults in formulas and specs, and mend them
    Check(CheckArgs),
    /// Show how a formula is read, or what a diagnostic means
    Explain(ExplainArgs),
    /// List the functions, or show one
    Functions(FunctionsArgs),
    /// Show what a change touches downstream: models, tests, exposures, metrics, specs, Omni fields
    Impact(ImpactArgs),
    /// Show what a model or a column is made of, and what is made of it
    Lineage(LineageArgs),
    /// Print the JSON Schema of specs or of formulac.yml, for editors
    Schema(SchemaArgs),
}

impl Command {
    /// How it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Compile(_) => "compile",
            Self::Query(_) => "query",
            Self::Model(_) => "model",
            Self::Generate(_) => "generate",
            Self::Pull(_) => "pull",
            Self::Promote(_) => "promote",
            Self::Status(_) => "status",
            Self::Plan(_) => "plan",
            Self::Push(_) => "push",
            Self::Resolve(_) => "resolve",
            Self::Adopt(_) => "adopt",
            Self::Log(_) => "log",
            Self::Rollback(_) => "rollback",
            Self::Env(_) => "env",
            Self::Change(args) => match args.command {
                ChangeCommand::Propose(_) => "change propose",
                ChangeCommand::Comment(_) => "change comment",
                ChangeCommand::Approve(_) => "change approve",
                ChangeCommand::Reject(_) => "change reject",
                ChangeCommand::List(_) => "change list",
                ChangeCommand::Show(_) => "change show",
            },
            Self::Authorize(_) => "authorize",
            Self::Release(_) => "release",
            Self::Preview(_) => "preview",
            Self::Verify(_) => "verify",
            Self::Check(_) => "check",
            Self::Explain(_) => "explain",
            Self::Functions(_) => "functions",
            Self::Impact(_) => "impact",
            Self::Lineage(_) => "lineage",
            Self::Schema(_) => "schema",
        }
    }
}

/// The dialect and what is known of the data.
#[derive(Debug, Default, Args)]
pub struct Target {
    /// SQL dialect [default: the project's, else postgres]
    #[arg(long, value_name = "DIALECT", value_parser = dialects())]
    pub dialect: Option<Dialect>,
    /// Schema file, dbt manifest or properties file, or folder of Omni views
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub schema: Option<PathBuf>,
}

/// What formulas are written for.
#[derive(Debug, Default, Args)]
pub struct Settings {
    #[command(flatten)]
    pub target: Target,
    /// Relation that names come from
    #[arg(long, value_name = "RELATION")]
    pub from: Option<String>,
    /// What the formulas are written for [default: measure]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<ContextName>,
    /// Names that the query groups by
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// Columns of the worksheet: A, B, C …
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Row of the worksheet for which the formulas are written [default: 1]
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u32).range(1..))]
    pub row: Option<u32>,
    /// Order of rows, `name` or `name desc`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub order_by: Vec<String>,
    /// Where windows begin anew
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub partition_by: Vec<String>,
    /// Time zone in which instants become dates
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Take blanks for zero in `+ - *` and numerators
    #[arg(long, value_name = "HOW")]
    pub blanks: Option<Blanks>,
}

/// `--context`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ContextName {
    /// A dimension: one value a row
    Row,
    /// A measure: aggregates group
    Measure,
    /// A calculation over the rows of a result
    Worksheet,
}

impl From<ContextName> for Context {
    fn from(name: ContextName) -> Self {
        match name {
            ContextName::Row => Self::Row,
            ContextName::Measure => Self::Measure,
            ContextName::Worksheet => Self::Worksheet,
        }
    }
}

/// `--blanks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Blanks {
    /// As in Omni's engine
    Zero,
}

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
pub struct StatusArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Read are manifest.json, catalog.json, run_results.json and sources.json of dbt's target folder; written \
                        are files of the folder `omni:` of formulac.yml. What people edited there stays."
)]
pub struct PullArgs {
    /// Folder with dbt's artifacts [default: the project's target folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub target_path: Option<PathBuf>,
    /// Write nothing; fail when a pull would change something
    #[arg(long)]
    pub check: bool,
    /// Write nothing; show what a pull would do
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what dbt has no more, and do not mark it only
    #[arg(long)]
    pub prune: bool,
    /// Leave out the state of the tests
    #[arg(long)]
    pub strip_status: bool,
    /// Pull again whenever dbt's artifacts change
    #[arg(long, conflicts_with_all = ["check", "dry_run", "json"])]
    pub watch: bool,
    /// Show what changed as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Keep the plan in this file, for `push FILE`
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Print the text of a merge request instead, as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A push is one commit, on the environment's branch; where that is protected, on a new branch that \
                        people merge. What a push is killed in, the next finishes. FORMULAC_GIT names another path of git."
)]
pub struct PushArgs {
    /// Do what this plan says, or nothing
    #[arg(value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub plan: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// First line of the commit's message
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("side").required(true))]
pub struct ResolveArgs {
    /// The conflict: `model.definition`, `model.definition:property`, or a model with all of its conflicts
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Take what the spec says; the hand edit goes from the file
    #[arg(long, visible_aliases = ["spec", "omni"], group = "side")]
    pub ours: bool,
    /// Take what the file says, as a formula where it is one; else the spec goes back to its base
    #[arg(long, visible_alias = "dbt", group = "side")]
    pub theirs: bool,
    /// Write the formula yourself, in EDITOR
    #[arg(long, group = "side")]
    pub edit: bool,
    /// Take neither: both go back to what was pushed last
    #[arg(long, group = "side")]
    pub base: bool,
}

/// Which side of a conflict is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Ours,
    Theirs,
    Edit,
    Base,
}

impl ResolveArgs {
    /// The side that was chosen; one of them has to be.
    pub fn side(&self) -> Side {
        match (self.theirs, self.edit, self.base) {
            (true, ..) => Side::Theirs,
            (_, true, _) => Side::Edit,
            (.., true) => Side::Base,
            _ => Side::Ours,
        }
    }
}

#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Models, specs or generated files [default: all that were edited by hand]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LogArgs {
    /// Model, `model.definition`, or number or hash of an entry [default: all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Entries to show, the last ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The entry to go back to: its number or the begin of its hash
    #[arg(value_name = "ID")]
    pub id: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The spec goes to the folder `specs:` of formulac.yml, and never over another file. What no formula says stands \
                        in it as `# gap:`, with Omni's file and line. Joins are found in the relationships of the folder `omni:`."
)]
pub struct PromoteArgs {
    /// View, query view or topic of Omni, and fields of it: `omni/orders.view.yaml:revenue,count`
    #[arg(value_name = "OMNI_FILE[:FIELD…]")]
    pub file: String,
    /// More fields: measures, dimensions, calculations, or a saved query
    #[arg(value_name = "FIELD")]
    pub fields: Vec<String>,
    /// What rows are grouped by: dimensions, with timeframes such as `created_at[month]`
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub grain: Vec<String>,
    /// The model's name [default: made of what it holds]
    #[arg(long, value_name = "MODEL")]
    pub name: Option<String>,
    /// Folder to write the spec to [default: the project's specs]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Show the spec, or the changed Omni file, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Once the model is in dbt's manifest: make the Omni field read the column, where that is exact
    #[arg(long, conflicts_with_all = ["grain", "name", "out"])]
    pub repoint: bool,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

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
#[command(
    after_help = "Columns are followed through the SQL that dbt compiled (`dbt compile`, and `dbt docs generate` for their \
                        names) and through specs. FORMULAC_GIT names another path of git."
)]
pub struct ImpactArgs {
    /// Column, model, source or definition: `orders.amount`, `orders`, `raw.orders`, or a unique id
    #[arg(value_name = "NAME", required_unless_present = "since")]
    pub names: Vec<String>,
    /// What changed in specs and dbt files since this git revision
    #[arg(long, value_name = "REV", conflicts_with = "names", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// They are to be removed or renamed [default: their values change]
    #[arg(long, visible_alias = "renamed", requires = "names")]
    pub removed: bool,
    /// They are to get another type
    #[arg(long, requires = "names", conflicts_with = "removed")]
    pub type_changed: bool,
    /// Exit with 1 where something is as bad as that
    #[arg(long, value_name = "GRADE")]
    pub fail_on: Option<FailOn>,
    /// Shape of the report
    #[arg(long, value_name = "FORMAT", default_value = "tree", hide_default_value = true)]
    pub format: GraphFormat,
    /// Write the report to this file; one that ends in .html is a page
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Something fails
    Breaking,
    /// Something fails, or values change
    Changing,
}

/// How a graph is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For people, in a terminal
    Tree,
    /// A JSON object
    Json,
    /// For a merge request
    Markdown,
    /// A Mermaid flowchart
    Mermaid,
    /// Graphviz
    Dot,
    /// One page, in one file
    Html,
}

#[derive(Debug, Args)]
pub struct LineageArgs {
    /// Column, model, source or anything else of the project: `orders.amount`, `orders`, or a unique id
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Only what it is made of
    #[arg(long, conflicts_with = "down")]
    pub up: bool,
    /// Only what is made of it
    #[arg(long)]
    pub down: bool,
    /// How many steps away [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,
    /// Shape of the graph
    #[arg(long, value_name = "FORMAT", default_value = "tree", hide_default_value = true, value_parser = ["tree", "json", "mermaid", "dot"])]
    pub format: String,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
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

fn dialects() -> impl TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(Dialect::all().map(Dialect::name)).try_map(|name| name.parse::<Dialect>())
}
