//! Arguments of what looks at the graph of a project.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

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
