//! Options for compiling formulas.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use formulac::{Context, Dialect};

/// SQL dialect, and schema of the data.
#[derive(Debug, Default, Args)]
pub struct TargetOptions {
    /// SQL dialect [default: the project's dialect, else postgres]
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser())]
    pub dialect: Option<Dialect>,
    /// Schema file, dbt manifest or properties file, or folder of Omni views
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub schema: Option<PathBuf>,
}

/// Context in which formulas are compiled.
#[derive(Debug, Default, Args)]
pub struct Settings {
    #[command(flatten)]
    pub target: TargetOptions,
    /// Relation that unqualified names refer to
    #[arg(long, value_name = "RELATION")]
    pub from: Option<String>,
    /// Context in which the formulas are used [default: measure]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<ContextName>,
    /// Names of the columns to group by
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// Names of the worksheet's columns A, B, C …
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Worksheet row for which the formulas are written [default: 1]
    #[arg(long, value_name = "ROW", value_parser = parse_positive)]
    pub row: Option<u32>,
    /// Sort order of the rows: `name` or `name desc`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub order_by: Vec<String>,
    /// Names of the columns by which window functions are partitioned
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub partition_by: Vec<String>,
    /// Time zone used to convert instants to dates
    #[arg(long, value_name = "ZONE", value_parser = formulac::parse_time_zone)]
    pub timezone: Option<String>,
    /// Treat blanks as zero in `+ - *` and in numerators
    #[arg(long, value_name = "HOW")]
    pub blanks: Option<BlankHandling>,
}

/// Values of `--context`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ContextName {
    /// A dimension: one value per row
    Row,
    /// A measure: aggregates compute one value per group
    Measure,
    /// A calculation over the rows of the result
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

/// Values of `--blanks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BlankHandling {
    /// Blanks count as zero, as in Omni's engine
    Zero,
}

/// Accepts a whole number from 1.
pub(super) fn parse_positive(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("expected a whole number from 1 to {}", u32::MAX))
}

pub(super) fn dialect_parser() -> impl TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(Dialect::all().map(Dialect::name)).try_map(|name| name.parse::<Dialect>())
}
