//! Command-line arguments.

mod compiling;
mod dbt;
mod engine;
mod help;
mod impact;
mod settings;
mod sync;
mod team;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use compiling::{
    CheckArgs, CompileArgs, DoctorArgs, ExplainArgs, FunctionsArgs, GenerateArgs, InitArgs, MetricsArgs, ModelArgs,
    QueryArgs, SchemaArgs, SchemaFetchArgs, SchemaSubject,
};
pub use dbt::{DbtArgs, Selection};
pub use engine::{EngineArgs, PreviewArgs, ProveArgs, VerifyArgs};
pub use help::{command, parse};
pub use impact::{FailOn, GraphFormat, ImpactArgs, LineageArgs};
pub use settings::{ContextName, Settings, TargetOptions};
pub use sync::{
    AdoptArgs, ConflictSide, ExtractArgs, LogArgs, PlanArgs, PreferredFile, PromoteArgs, PullArgs, PushArgs,
    ResolveArgs, RollbackArgs, StatusArgs,
};
pub use team::{
    AuthorizeArgs, ChangeArgs, ChangeCommand, EnvArgs, EnvCommand, EnvDiffArgs, EnvNameArgs, EnvUseArgs, ProposeArgs,
    ReleaseArgs,
};

/// Compiles spreadsheet-style formulas to SQL and dbt models
#[derive(Debug, Parser)]
#[command(name = "formulac", version = version(), max_term_width = 100)]
#[command(
    after_help = "`formulac COMMAND --help` shows the options of a command, with examples.\n\
                        Exit status: 0 done, 1 the input has errors, 2 wrong usage, 3 conflict, 4 not allowed, \
                        5 a file, engine or dbt failed."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// Returns the version, with the commit in release builds.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit = option_env!("FORMULAC_COMMIT").map(|commit| format!(" ({commit})"));
        format!("{}{}", env!("CARGO_PKG_VERSION"), commit.unwrap_or_default())
    });
    &VERSION
}

/// Options that every command accepts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// Show errors only
    #[arg(long, global = true, hide_short_help = true)]
    pub quiet: bool,
    /// Show every warning with its position, and how formulas are interpreted
    #[arg(short, long, global = true, hide_short_help = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// When to color messages
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub color: ColorMode,
    /// Never prompt; exit with status 2 if an answer is needed
    #[arg(long, global = true, hide_short_help = true)]
    pub no_input: bool,
    /// Folder of the project [default: the project of the named files or the working directory]
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub project_dir: Option<PathBuf>,
    /// Ignore the project's settings and the facts known about its data
    #[arg(long, global = true, hide_short_help = true)]
    pub no_project: bool,
    /// Environment of the project to use
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Format of diagnostics
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FORMAT",
        default_value = "human",
        hide_default_value = true
    )]
    pub output_format: DiagnosticFormat,
}

/// Setting that controls when messages are colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorMode {
    /// Color on a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Format of diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiagnosticFormat {
    /// Text with the source line and the help
    Human,
    /// One line per diagnostic, including the help
    Concise,
    /// A JSON object
    Json,
    /// Annotations for GitHub workflows
    Github,
    /// SARIF 2.1.0
    Sarif,
}

/// Commands, in the order in which the help lists them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up formulac in a dbt project, or write an example project
    Init(InitArgs),
    /// Find errors in formulas and specs, and apply safe fixes
    Check(CheckArgs),
    /// Move definitions that several specs share to metric sets
    Extract(ExtractArgs),
    /// Explain a formula or a diagnostic
    Explain(ExplainArgs),
    /// List all functions, or show one function
    Functions(FunctionsArgs),
    /// Run a spec and show its rows
    Preview(PreviewArgs),
    /// Compile formulas to SQL expressions
    Compile(CompileArgs),
    /// Compile a spec to one SQL query
    Query(QueryArgs),
    /// Compile specs to dbt models, and print them or write them to a folder
    Model(ModelArgs),
    /// Write the dbt models, tests and docs of all specs
    Generate(GenerateArgs),
    /// Compare built models with their formulas, row by row
    Verify(VerifyArgs),
    /// Run test cases on the project's warehouse to prove that formulas return the right values
    Prove(ProveArgs),
    /// Show what is out of date or fails, and how to fix it
    Status(StatusArgs),
    /// Show what `push` would change, and the conflicts
    Plan(PlanArgs),
    /// Write the generated dbt files and commit them atomically, after confirmation
    Push(PushArgs),
    /// Apply manual edits in generated files to the specs
    Adopt(AdoptArgs),
    /// Resolve a conflict in favor of the spec or the edited file
    Resolve(ResolveArgs),
    /// Show the log of pushes
    Log(LogArgs),
    /// Undo all pushes after an entry of the log, in a new commit
    Rollback(RollbackArgs),
    /// Update the Omni model from dbt: views, keys, joins, test results
    Pull(PullArgs),
    /// Turn Omni fields or a saved query into a model spec
    Promote(PromoteArgs),
    /// List, show, use, compare and check environments
    Env(EnvArgs),
    /// Propose, review, approve or reject a change
    Change(ChangeArgs),
    /// CI gate: check that all commits on a branch are permitted
    Authorize(AuthorizeArgs),
    /// Tag the current specs, dbt files and Omni files as a release
    Release(ReleaseArgs),
    /// Show what a change affects downstream
    Impact(ImpactArgs),
    /// Show the upstream and downstream lineage of a model or column
    Lineage(LineageArgs),
    /// Print the JSON Schema of specs, project files or JSON output
    Schema(SchemaArgs),
    /// Check that dbt, engines, git and the project are ready for formulac
    Doctor(DoctorArgs),
}

impl Command {
    /// Returns the name of the command, including its subcommand.
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
            Self::Prove(_) => "prove",
            Self::Check(_) => "check",
            Self::Extract(_) => "extract",
            Self::Explain(_) => "explain",
            Self::Functions(_) => "functions",
            Self::Impact(_) => "impact",
            Self::Lineage(_) => "lineage",
            Self::Schema(_) => "schema",
            Self::Doctor(_) => "doctor",
        }
    }
}
