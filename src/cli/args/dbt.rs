//! Options that are passed to dbt, and model selection in dbt's syntax.

use std::path::PathBuf;

use clap::{Args, ValueHint};

const DBT_HELP_HEADING: &str = "Options that formulac passes on to dbt";
const SELECTION_HELP_HEADING: &str = "Selection of models, in dbt's syntax";

/// Options that are passed to dbt each time it runs.
#[derive(Clone, Debug, Default, Args)]
pub struct DbtArgs {
    /// Output of the dbt profile to use [default: the environment's `connection`]
    #[arg(long, help_heading = DBT_HELP_HEADING, value_name = "OUTPUT")]
    pub target: Option<String>,
    /// Folder that contains profiles.yml [default: `DBT_PROFILES_DIR`, else dbt's default folder]
    #[arg(long, help_heading = DBT_HELP_HEADING, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub profiles_dir: Option<PathBuf>,
    /// dbt variables as a YAML mapping [default: the environment's `vars`]
    #[arg(long, help_heading = DBT_HELP_HEADING, value_name = "YAML", allow_hyphen_values = true)]
    pub vars: Option<String>,
    /// Number of threads that dbt uses
    #[arg(long, help_heading = DBT_HELP_HEADING, value_name = "N", value_parser = super::settings::parse_positive)]
    pub threads: Option<u32>,
}

/// Models that a command applies to.
#[derive(Clone, Debug, Default, Args)]
pub struct Selection {
    /// Select only these models: `revenue+`, `tag:finance`, `path:metrics/sales`, `state:modified`
    #[arg(long, help_heading = SELECTION_HELP_HEADING, short, value_name = "SELECTION", num_args = 1..)]
    pub select: Vec<String>,
    /// Exclude these models
    #[arg(long, help_heading = SELECTION_HELP_HEADING, value_name = "SELECTION", num_args = 1..)]
    pub exclude: Vec<String>,
    /// Folder with the earlier manifest.json that `state:` compares with
    #[arg(long, help_heading = SELECTION_HELP_HEADING, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
}

impl Selection {
    /// Returns whether all models are selected.
    pub fn selects_all_models(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty()
    }
}
