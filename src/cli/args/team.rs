//! Arguments of the commands for teams: environments, changes, authorization and releases.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::dbt::{DbtArgs, Selection};

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  formulac env list\n  formulac env diff production")]
pub struct EnvArgs {
    #[command(subcommand)]
    pub command: EnvCommand,
}

/// Subcommands of `env`.
#[derive(Debug, Subcommand)]
pub enum EnvCommand {
    /// List the environments, and mark the current one
    #[command(after_long_help = "Examples:\n  formulac env list")]
    List(JsonArgs),
    /// Show an environment: connection, schema, branch, variables, artifacts, dbt's command line
    #[command(after_long_help = "Examples:\n  formulac env show production")]
    Show(EnvNameArgs),
    /// Select the current environment of this work tree
    #[command(after_long_help = "Examples:\n  formulac env use development")]
    Use(EnvUseArgs),
    /// Show the models and SQL that differ between this work tree and an environment
    Diff(EnvDiffArgs),
    /// Find errors in environments: unknown connections, branches, shared schemas, wrong artifacts
    #[command(after_long_help = "Examples:\n  formulac env check\n  formulac env check production --json")]
    Check(EnvNameArgs),
}

#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EnvNameArgs {
    /// Name of the environment [default: the current environment; for `check`, all environments]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EnvUseArgs {
    /// Name of the environment
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
formulac reads the models of the other environment from the environment's branch, and the names of the tables from its dbt artifacts, in the folder `artifacts:` of formulac.yml or, by default, in target/NAME.

Examples:
  formulac env diff production

  # Also compare the rows of one model
  formulac env diff production revenue --rows --limit 20")]
pub struct EnvDiffArgs {
    /// Environment to compare with
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Compare only these models
    #[arg(value_name = "MODEL", conflicts_with_all = ["select", "exclude"])]
    pub models: Vec<String>,
    #[command(flatten)]
    pub selection: Selection,
    /// Also compare the built tables: row counts, column sums and a sample of the differences
    #[arg(long)]
    pub rows: bool,
    /// Engine that reads the rows: `dbt`, `postgres` or a `postgres://` URL [default: dbt]
    #[arg(long, value_name = "ENGINE", requires = "rows")]
    pub engine: Option<String>,
    /// Maximum number of differing rows to show
    #[arg(long, value_name = "N", default_value_t = 10, requires = "rows")]
    pub limit: u32,
    #[command(flatten)]
    pub dbt: DbtArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  formulac change propose 'Net revenue'\n  formulac change approve 3")]
pub struct ChangeArgs {
    #[command(subcommand)]
    pub command: ChangeCommand,
}

/// Subcommands of `change`.
#[derive(Debug, Subcommand)]
pub enum ChangeCommand {
    /// Request approval of the changes on this branch
    #[command(
        after_long_help = "Examples:\n  formulac change propose 'Net revenue without refunds' -m 'Finance asked'"
    )]
    Propose(ProposeArgs),
    /// Comment on a change
    #[command(after_long_help = "Examples:\n  formulac change comment 3 'Why not by day?'")]
    Comment(CommentArgs),
    /// Approve a change, exactly as it is on this branch
    #[command(after_long_help = "Examples:\n  formulac change approve 3 -m 'Checked with the ledger'")]
    Approve(DecideArgs),
    /// Reject a change
    #[command(after_long_help = "Examples:\n  formulac change reject 3 -m 'Refunds count twice'")]
    Reject(RejectArgs),
    /// List the changes and the approvals that they still need
    #[command(after_long_help = "Examples:\n  formulac change list --json")]
    List(JsonArgs),
    /// Show a change: its content, comments and missing approvals
    #[command(after_long_help = "Examples:\n  formulac change show 3")]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// Title of the change, on one line
    #[arg(value_name = "TITLE")]
    pub title: String,
    /// Description: the reason for the change
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Revision to compare with [default: branch of the environment]
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    pub base: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CommentArgs {
    /// Identifier of the change, or its first characters
    #[arg(value_name = "ID")]
    pub id: String,
    /// Text of the comment
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Identifier of the change, or its first characters
    #[arg(value_name = "ID")]
    pub id: String,
    /// Comment to record with the approval
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RejectArgs {
    /// Identifier of the change, or its first characters
    #[arg(value_name = "ID")]
    pub id: String,
    /// Reason for the rejection
    #[arg(long, short, value_name = "TEXT")]
    pub message: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Identifier of the change, or its first characters
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Run `authorize` in CI on the branch to merge. `authorize` reads the roles and rules from REV, so a branch cannot grant itself a permission. The exit status is 4 if a commit is not permitted or an approval is missing.

Examples:
  formulac authorize --base origin/main

  # Write the owners of all files for GitHub
  formulac authorize --codeowners")]
pub struct AuthorizeArgs {
    /// Branch or commit to merge into, such as `origin/main`
    #[arg(
        long,
        value_name = "REV",
        required_unless_present = "codeowners",
        allow_hyphen_values = true
    )]
    pub base: Option<String>,
    /// Write the owners of all files to this file, in the CODEOWNERS format of GitHub and GitLab
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath, num_args = 0..=1,
        default_missing_value = ".github/CODEOWNERS"
    )]
    pub codeowners: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Show the release notes
  formulac release --dry-run

  formulac release v1.4 -m 'Net revenue' --yes")]
pub struct ReleaseArgs {
    /// Name of the release, such as `v1.4` [default: the name of the latest release with the last number increased by
    /// 1]
    #[arg(value_name = "VERSION")]
    pub version: Option<String>,
    /// Summary of the release, on one line
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Show the release without tagging it
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
