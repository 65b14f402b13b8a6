//! Arguments of what teams need: environments, changes that are approved, authorization, releases.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

#[derive(Debug, Args)]
pub struct EnvArgs {
    #[command(subcommand)]
    pub command: EnvCommand,
}

/// What is done with environments.
#[derive(Debug, Subcommand)]
pub enum EnvCommand {
    /// List the environments, and which one is used
    List(JsonArgs),
    /// Show one: connection, schema, branch, variables, artifacts, and how dbt is run in it
    Show(EnvNameArgs),
    /// Use one from now on, in this work tree
    Use(EnvUseArgs),
    /// Show models and SQL that differ between this work tree and an environment
    Diff(EnvDiffArgs),
    /// Look for what is wrong with them: connections, branches, schemas of two, artifacts of another
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
    /// Environment [default: the one that is used; `check`: all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EnvUseArgs {
    /// Environment
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Models of another environment are those of its branch. What is built there is found by the names \
                       in the artifacts that dbt left of it: `artifacts:` in formulac.yml, else target/NAME."
)]
pub struct EnvDiffArgs {
    /// Environment to compare with
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Only these models
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,
    /// Compare what is built, too: rows, sums of columns, a sample of what differs
    #[arg(long)]
    pub rows: bool,
    /// What reads them: `dbt`, `postgres` or a `postgres://` URL [default: dbt]
    #[arg(long, value_name = "ENGINE", requires = "rows")]
    pub engine: Option<String>,
    /// Rows to show of those that differ
    #[arg(long, value_name = "N", default_value_t = 10, requires = "rows")]
    pub limit: u32,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ChangeArgs {
    #[command(subcommand)]
    pub command: ChangeCommand,
}

/// What is done with changes.
#[derive(Debug, Subcommand)]
pub enum ChangeCommand {
    /// Ask for approval of what this branch changes
    Propose(ProposeArgs),
    /// Say something about a change
    Comment(CommentArgs),
    /// Approve a change, exactly as it stands here
    Approve(DecideArgs),
    /// Reject a change
    Reject(RejectArgs),
    /// List the changes, and what each still needs
    List(JsonArgs),
    /// Show one: what it changes, who said what, what it still needs
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// What it is about, in a line
    #[arg(value_name = "TITLE")]
    pub title: String,
    /// Why, in more words
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Revision that the change is compared with [default: the branch of the environment it is for]
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    pub base: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CommentArgs {
    /// Change
    #[arg(value_name = "ID")]
    pub id: String,
    /// What is said
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Change
    #[arg(value_name = "ID")]
    pub id: String,
    /// What is said with it
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RejectArgs {
    /// Change
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    pub message: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Change
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "For CI, on the branch that is to be merged: roles and rules are those of REV, so that no branch allows \
                        itself anything. Exit status 4 when something is not allowed or an approval lacks."
)]
pub struct AuthorizeArgs {
    /// Revision that is merged into, such as `origin/main`
    #[arg(long, value_name = "REV", required_unless_present = "codeowners", allow_hyphen_values = true)]
    pub base: Option<String>,
    /// Write who owns what, as forges read it, to this file
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
pub struct ReleaseArgs {
    /// Its name, such as `v1.4` [default: the number after the last]
    #[arg(value_name = "VERSION")]
    pub version: Option<String>,
    /// What it brings, in a line
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Show what would be released, and release nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
