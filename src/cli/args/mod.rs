//! The arguments of the command.

mod compiling;
mod engine;
mod impact;
mod settings;
mod sync;
mod team;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use compiling::{
    CheckArgs, CompileArgs, ExplainArgs, FunctionsArgs, GenerateArgs, InitArgs, ModelArgs, QueryArgs, SchemaArgs,
    SchemaOf,
};
pub use engine::{EngineArgs, PreviewArgs, VerifyArgs};
pub use impact::{FailOn, GraphFormat, ImpactArgs, LineageArgs};
pub use settings::{ContextName, Settings, Target};
pub use sync::{
    AdoptArgs, LogArgs, PlanArgs, PromoteArgs, PullArgs, PushArgs, ResolveArgs, RollbackArgs, Side, StatusArgs,
};
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
