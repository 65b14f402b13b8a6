//! Arguments of the commands that keep specs, dbt and Omni in sync.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::dbt::{DbtArgs, Selection};
use super::settings::TargetOptions;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac status
  formulac status --select tag:finance")]
pub struct StatusArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
`pull` reads manifest.json, catalog.json, run_results.json and sources.json from dbt's target folder, and writes to \
the folder `omni:` of formulac.yml. `pull` keeps the edits that people made there.

Examples:
  # Show what would change
  formulac pull --dry-run

  # In CI: exit with status 1 if Omni's files are out of date
  formulac pull --check

  # The artifacts of production
  formulac pull --target-path prod-artifacts --prune")]
pub struct PullArgs {
    /// Folder with dbt's artifacts [default: the project's target folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub target_path: Option<PathBuf>,
    /// Write nothing; exit with status 1 if a pull would change files
    #[arg(long)]
    pub check: bool,
    /// Show the changes without writing them
    #[arg(long)]
    pub dry_run: bool,
    /// Delete views and fields that were removed from dbt, instead of hiding them
    #[arg(long)]
    pub prune: bool,
    /// Omit test results
    #[arg(long)]
    pub strip_status: bool,
    /// Keep running, and pull whenever dbt's artifacts change
    #[arg(long, conflicts_with_all = ["check", "dry_run", "json"])]
    pub watch: bool,
    /// Print the changes as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac plan

  # Save the plan, and push exactly this plan
  formulac plan -o plan.json
  formulac push plan.json

  # Only one model and what reads it
  formulac plan --select revenue+")]
pub struct PlanArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Write the plan to this file, which `push FILE` applies
    #[arg(short, long, alias = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Print the description of a merge request as Markdown instead of the plan
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "A push is one commit on the environment's branch. If the environment is protected, `push` creates a branch to merge instead. If a push is interrupted, the next push completes it. Set FORMULAC_GIT to use another git.

Examples:
  formulac push -m 'Net revenue without refunds'

  # In CI, without asking for confirmation
  formulac push --yes

  # Exactly the plan that was reviewed
  formulac push plan.json"
)]
pub struct PushArgs {
    /// Plan file to apply; if the plan no longer matches the project, `push` applies nothing
    #[arg(value_name = "PLAN", value_hint = ValueHint::FilePath, conflicts_with_all = ["select", "exclude"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub selection: Selection,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Commit only the models that change solely because formulac was upgraded
    #[arg(long, conflicts_with = "plan")]
    pub upgrade: bool,
    /// Do not parse the project with dbt before writing
    #[arg(long)]
    pub no_parse: bool,
    /// Subject line of the commit message
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    #[command(flatten)]
    pub dbt: DbtArgs,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("side").required(true))]
#[command(after_long_help = "\
Examples:
  # Keep the formula of the spec, and discard the manual edit
  formulac resolve revenue.net --ours

  # Apply the manual edit to the spec
  formulac resolve revenue.net --theirs

  # Apply the manual edit to the metric set that defines the metric
  formulac resolve revenue_by_month.revenue --to-set")]
pub struct ResolveArgs {
    /// Conflict to resolve: `model.definition`, `model.definition:property`, or a model, to resolve all its conflicts
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Keep the spec, and remove the manual edit from the file
    #[arg(long, group = "side")]
    pub ours: bool,
    /// Keep the edited file, and copy the edit to the spec; if no formula expresses the edit, restore the formula of
    /// the last push in the spec
    #[arg(long, group = "side")]
    pub theirs: bool,
    /// Keep the version in the spec: the same as --ours or --theirs, depending on the conflict
    #[arg(long, group = "side")]
    pub spec: bool,
    /// Keep the version in dbt's file: the same as --ours or --theirs, depending on the conflict
    #[arg(long, group = "side")]
    pub dbt: bool,
    /// Keep the version in Omni's file: the same as --ours or --theirs, depending on the conflict
    #[arg(long, group = "side")]
    pub omni: bool,
    /// Change the definition in the metric set, and with it all models that use the metric
    #[arg(long, group = "side")]
    pub to_set: bool,
    /// Override the metric in the model only, and keep the metric set
    #[arg(long, group = "side")]
    pub to_model: bool,
    /// Write the formula yourself, in the editor that VISUAL or EDITOR specifies
    #[arg(long, group = "side")]
    pub edit: bool,
    /// Keep neither side: restore the state of the last push
    #[arg(long, group = "side")]
    pub base: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

/// Side of a conflict to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictSide {
    Ours,
    Theirs,
    Edit,
    Base,
    ToSet,
    ToModel,
}

impl ConflictSide {
    /// All sides, in the order in which messages list them.
    pub const ALL: [Self; 6] = [
        Self::Ours,
        Self::Theirs,
        Self::Edit,
        Self::Base,
        Self::ToSet,
        Self::ToModel,
    ];

    /// Returns the option of `resolve` that chooses the side.
    pub fn option(self) -> &'static str {
        match self {
            Self::Ours => "--ours",
            Self::Theirs => "--theirs",
            Self::Edit => "--edit",
            Self::Base => "--base",
            Self::ToSet => "--to-set",
            Self::ToModel => "--to-model",
        }
    }
}

/// File of a conflict to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferredFile {
    Spec,
    Dbt,
    Omni,
}

impl PreferredFile {
    /// Returns the option of `resolve` that chooses the file.
    pub fn option(self) -> &'static str {
        match self {
            Self::Spec => "--spec",
            Self::Dbt => "--dbt",
            Self::Omni => "--omni",
        }
    }
}

impl ResolveArgs {
    /// Returns the file to keep. `None` if the user chose a side instead of a file.
    pub fn preferred_file(&self) -> Option<PreferredFile> {
        let files = [
            (self.spec, PreferredFile::Spec),
            (self.dbt, PreferredFile::Dbt),
            (self.omni, PreferredFile::Omni),
        ];
        files.into_iter().find_map(|(is_kept, file)| is_kept.then_some(file))
    }

    /// Returns the chosen side. The command-line parser requires exactly one side or file.
    pub fn chosen_side(&self) -> ConflictSide {
        let sides = [
            (self.theirs, ConflictSide::Theirs),
            (self.edit, ConflictSide::Edit),
            (self.base, ConflictSide::Base),
            (self.to_set, ConflictSide::ToSet),
            (self.to_model, ConflictSide::ToModel),
        ];
        let choice = sides.into_iter().find(|(is_chosen, _)| *is_chosen);
        choice.map_or(ConflictSide::Ours, |(_, side)| side)
    }
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # All manual edits, without writing them
  formulac adopt --dry-run

  formulac adopt revenue
  formulac adopt models/formulac/revenue.sql")]
pub struct AdoptArgs {
    /// Models, specs or generated files to adopt [default: all files with manual edits]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub selection: Selection,
    /// Show the changes without writing them
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac log --limit 5

  # The history of one definition
  formulac log revenue.net")]
pub struct LogArgs {
    /// Model, `model.definition`, `metric:set.name`, `metric_set:name`, or the number or hash of a log entry [default:
    /// all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Maximum number of entries to show, latest first
    #[arg(long, value_name = "N", value_parser = super::settings::parse_positive)]
    pub limit: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Undo the pushes after entry 12 of `formulac log`
  formulac rollback 12

  # Undo the pushes since a release
  formulac rollback v1.4 --yes")]
pub struct RollbackArgs {
    /// Last push to keep: the number of its log entry, the beginning of its hash, or the name of a release [default:
    /// list the latest entries]
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "Writes the spec to the folder `specs:` of formulac.yml and never overwrites a file. A comment `# gap:` with Omni's file and line marks each part that formulas cannot express. Joins come from the relationships in the folder `omni:`.

Examples:
  # Two measures by month
  formulac promote omni/orders.view.yaml:revenue,count --grain 'created_at[month]'

  # Show the spec without writing it
  formulac promote omni/orders.view.yaml:revenue --dry-run

  # After dbt has built the model: make Omni's field read the column
  formulac promote omni/orders.view.yaml:revenue --repoint"
)]
pub struct PromoteArgs {
    /// Omni view, query view or topic, with fields: `omni/orders.view.yaml:revenue,count`
    #[arg(value_name = "OMNI_FILE[:FIELD…]")]
    pub file: String,
    /// Additional fields: measures, dimensions, calculations, or a saved query
    #[arg(value_name = "FIELD")]
    pub fields: Vec<String>,
    /// Dimensions to group by, with timeframes such as `created_at[month]`
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub grain: Vec<String>,
    /// Name of the model [default: derived from the fields]
    #[arg(long, value_name = "MODEL")]
    pub name: Option<String>,
    /// Omit the columns with which Omni's topics restrict users to certain rows [default: keep these columns as keys]
    #[arg(long)]
    pub drop_access: bool,
    /// Folder to write the spec to [default: the project's specs]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Show the spec, or the changed Omni file, without writing it
    #[arg(long)]
    pub dry_run: bool,
    /// Make the Omni field read the model's column, if both return the same values
    #[arg(long, conflicts_with_all = ["grain", "name", "out", "drop_access"])]
    pub repoint: bool,
    #[command(flatten)]
    pub target: TargetOptions,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "Specs that read the same relation with the same filter can share a set. If the project already has a set over these rows, the definitions are added to it. A spec is changed only if its SQL remains the same. `extract` writes either all files or none.

Examples:
  # Show what would change
  formulac extract --dry-run

  # Two specs, and the name of their set
  formulac extract metrics/revenue_by_month.yml metrics/revenue_by_region.yml --name orders"
)]
pub struct ExtractArgs {
    /// Specs to search for shared definitions [default: all specs of the project]
    #[arg(value_name = "SPEC", value_hint = ValueHint::FilePath)]
    pub specs: Vec<PathBuf>,
    /// Name of a new or existing set [default: the existing set over the same rows or, if there is none, the name of
    /// the relation]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Show the changes without writing them
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    #[command(flatten)]
    pub target: TargetOptions,
    /// Print one JSON object, errors included
    #[arg(long)]
    pub json: bool,
}
