//! What proved itself in Omni as a model spec: measures, dimensions, saved queries and their calculations.
//!
//! Everything is pure: texts of Omni's files in, the text of a spec out, and [`PromoteGap`]s for what no spec says. References
//! are followed through fields and joins, and each field becomes a definition of its own name. The spec is compiled at
//! once; a definition that would not compile is a gap as well.
//!
//! ```
//! use formulac::promote::{Request, promote};
//!
//! let view = "measures:\n  revenue: {sql: '${amount}', aggregate_type: sum, filters: {status: {is: paid}}}\n";
//! let files = [("omni/orders.view.yaml".to_owned(), view.to_owned())];
//! let mut request = Request::from_file("omni/orders.view.yaml");
//! request.grain = vec!["ordered_at[month]".to_owned()];
//! let promotion = promote(&files, &request, &formulac::Compiler::default()).unwrap();
//! assert!(promotion.spec.contains("  revenue = SUMIF(status = \"paid\", amount)\n"));
//! assert!(promotion.gaps.is_empty());
//! ```

mod build;
mod calculations;
mod fields;
mod filters;
mod from_sql;
mod joins;
mod measures;
mod names;
mod omni_model;
mod patterns;
mod provenance;
mod relative_dates;
mod request;
mod retarget;
mod spec_text;
mod sql_functions;
mod term;

pub use provenance::twice;
pub use retarget::{Repoint, Repointed, TargetModel, repoint};

use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::lineage::with_large_stack;
use crate::span::Span;

/// What is to be promoted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Request {
    /// The path of the file, one of those that are given.
    pub file: String,
    /// Fields of its view, or saved queries; none named is all that make sense.
    pub fields: Vec<String>,
    /// What rows are grouped by: dimensions, `orders.created_at[month]`.
    pub grain: Vec<String>,
    /// The model's name; none said is made of what it holds.
    pub name: Option<String>,
    /// Tables that are sources of dbt: their schema, their name there, and the source's.
    pub sources: Vec<(String, String, String)>,
}

impl Request {
    /// All of a file.
    #[must_use]
    pub fn from_file(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }
}

/// Something that the spec does not say, or not for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromoteGap {
    /// Omni's file.
    pub file: String,
    /// The line there, from 1.
    pub line: usize,
    /// What it is: `orders.revenue`.
    pub what: String,
    /// What stands there.
    pub original: String,
    /// Why it is no formula, or what may differ.
    pub reason: String,
    /// Whether the spec has it, and something of it is to be looked at.
    pub is_carried: bool,
}

impl PromoteGap {
    fn comment(&self) -> String {
        let Self { file, line, what, original, reason, is_carried } = self;
        let how = if *is_carried { "to look at" } else { "not carried" };
        format!("{what}, {file}:{line}, {how}: {reason} [{original}]")
    }
}

/// A field that the spec has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// `orders.revenue`.
    pub field: String,
    /// Its column.
    pub column: String,
    /// Its formula.
    pub formula: String,
}

/// A spec made of Omni's fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Promotion {
    /// The model's name.
    pub name: String,
    /// The text of the spec.
    pub spec: String,
    /// The columns that rows are grouped by; none for one row, or for rows as they are.
    pub grain: Vec<String>,
    /// The fields that it has.
    pub carried: Vec<Carried>,
    /// What it does not say.
    pub gaps: Vec<PromoteGap>,
    /// What was chosen, for people.
    pub notes: Vec<String>,
    /// What `check` says of it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A fault of an Omni file that keeps anything from being promoted: the number of the file, and what is the matter.
pub type PromoteFault = (usize, Diagnostic);

/// Makes a spec of fields of Omni's files, each with its path.
///
/// # Errors
///
/// The file cannot be read, or has nothing of what is asked for.
pub fn promote(files: &[(String, String)], request: &Request, compiler: &Compiler) -> Result<Promotion, PromoteFault> {
    let no_thread = || (0, Diagnostic::new(Code::Internal, Span::default(), "no thread could be started"));
    with_large_stack(|| build::promote(files, request, compiler)).unwrap_or_else(|| Err(no_thread()))
}
