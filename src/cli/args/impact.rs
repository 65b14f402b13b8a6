//! Arguments of the commands that read the dependency graph of a project.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::dbt::Selection;

#[derive(Debug, Args)]
#[command(
    after_long_help = "Follows columns through specs and through the SQL that dbt compiled. Run `dbt compile` first, and `dbt docs generate` for the column names. Set FORMULAC_GIT to use another git.

Examples:
  # A column that will be removed
  formulac impact orders.amount --removed

  # A metric of a metric set, or all of its metrics
  formulac impact metric:orders.revenue
  formulac impact metric_set:orders

  # All models with a tag
  formulac impact --select tag:finance

  # The changes of this branch, as a page
  formulac impact --since main -o impact.html

  # In CI: exit with status 1 if something breaks
  formulac impact --since origin/main --fail-on breaking"
)]
pub struct ImpactArgs {
    /// Column, model, source or definition: `orders.amount`, `orders`, `raw.orders`, or a unique id. Also a metric of a
    /// metric set, `metric:orders.revenue`, or all of its metrics, `metric_set:orders`
    #[arg(value_name = "NAME", required_unless_present_any = ["since", "select", "exclude"])]
    pub names: Vec<String>,
    #[command(flatten)]
    pub selection: Selection,
    /// Analyze the specs and dbt files that changed since this git revision
    #[arg(long, value_name = "REV", conflicts_with_all = ["names", "select", "exclude"], allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Assume that NAME is removed or renamed [default: its values change]
    #[arg(long, visible_alias = "renamed", conflicts_with = "since")]
    pub removed: bool,
    /// Assume that the type of NAME changes
    #[arg(long, conflicts_with_all = ["removed", "since"])]
    pub type_changed: bool,
    /// Exit with status 1 if the impact reaches this severity, or if a changed model cannot be compared
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<FailOn>,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "tree", hide_default_value = true)]
    pub format: GraphFormat,
    /// Write the report to this file; its extension (.html, .json, .md, .mmd, .dot) sets the format
    #[arg(short, long, alias = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// Values of `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A model, test or field fails
    Breaking,
    /// A model, test or field fails, or values change
    Changing,
}

/// Format of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Indented list, for a terminal
    Tree,
    /// A JSON object: `--json`
    #[value(skip)]
    Json,
    /// Markdown, for a merge request
    Markdown,
    /// A Mermaid flowchart
    Mermaid,
    /// A Graphviz graph
    Dot,
    /// HTML page in a single file
    Html,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  formulac lineage revenue
  formulac lineage orders.amount --down --depth 2
  formulac lineage metric:orders.revenue
  formulac lineage revenue --format mermaid")]
pub struct LineageArgs {
    /// Column, model, source or other node of the project: `orders.amount`, `orders`, or a unique id. Also a metric of
    /// a metric set, `metric:orders.revenue`, or all of its metrics, `metric_set:orders`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Show only the upstream lineage
    #[arg(long, conflicts_with = "down")]
    pub up: bool,
    /// Show only the downstream lineage
    #[arg(long)]
    pub down: bool,
    /// Maximum number of steps from NAME [default: all]
    #[arg(long, value_name = "N", value_parser = super::settings::parse_positive)]
    pub depth: Option<u32>,
    /// Format of the graph
    #[arg(long, value_name = "FORMAT", default_value = "tree", hide_default_value = true, value_parser = ["tree", "mermaid", "dot"])]
    pub format: String,
    /// Print one JSON object
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}
