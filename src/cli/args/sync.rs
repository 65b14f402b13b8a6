//! Arguments of what brings specs, dbt and Omni together.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::settings::Target;

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
