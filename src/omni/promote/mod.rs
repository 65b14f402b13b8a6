//! Promotes measures, dimensions, saved queries and calculations from Omni to a model spec.
//!
//! The conversion neither reads nor writes files. The contents of Omni's files are converted to the text of a spec, and
//! a [`PromotionIssue`] reports each part that a spec cannot express. References are resolved through fields and joins,
//! and each field becomes a definition with the same name. The spec is compiled immediately. Definitions that do not
//! compile are omitted and reported as gaps.
//!
//! ```
//! use formulac_omni::promote::{PromotionRequest, promote};
//!
//! let view = "measures:\n  revenue: {sql: '${amount}', aggregate_type: sum, filters: {status: {is: paid}}}\n";
//! let files = [("omni/orders.view.yaml".to_owned(), view.to_owned())];
//! let mut request = PromotionRequest::from_file("omni/orders.view.yaml");
//! request.grain = vec!["ordered_at[month]".to_owned()];
//! let promotion = promote(&files, &request, &formulac_model::Compiler::default()).unwrap();
//! assert!(promotion.spec.contains("  revenue = SUMIF(status = \"paid\", amount)\n"));
//! assert!(promotion.gaps.is_empty());
//! ```

mod access;
mod build;
mod calculations;
mod calendar;
mod display;
mod fields;
mod filters;
mod from_sql;
mod joins;
mod measures;
mod misspellings;
mod names;
mod omni_model;
mod patterns;
mod provenance;
mod relative_dates;
mod request;
mod retarget;
mod retarget_checks;
mod spec_text;
mod term;

pub use provenance::duplicate_field_warnings;
pub use retarget::{RetargetSource, RetargetedFile, TargetModel, repoint};
pub use retarget_checks::RetargetError;

use rustc_hash::FxHashMap;

use crate::artifacts::Manifest;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::lineage::with_large_stack;
use crate::span::Span;

/// Request to promote the contents of an Omni file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PromotionRequest<'a> {
    /// Path of the Omni file, which must be one of the given files.
    pub file: String,
    /// Names of the view's fields, or of saved queries. All suitable items are promoted if the list is empty.
    pub fields: Vec<String>,
    /// Dimensions to group by, such as `orders.created_at[month]`.
    pub grain: Vec<String>,
    /// Name of the model. By default, the name is derived from the promoted fields.
    pub name: Option<String>,
    /// Whether to omit the columns by which topics filter the rows of each user. By default, these columns are keys of
    /// a grouped model.
    pub drop_access: bool,
    /// dbt's manifest, which determines the relations that the views show. A view without a relation in the manifest
    /// reads the dbt model that has the name of the view's table.
    pub manifest: Option<&'a Manifest>,
    /// Maps the path of a file to its path in the Omni model's folder. If a file is not listed, both paths are the
    /// same.
    pub paths: FxHashMap<String, String>,
}

impl PromotionRequest<'_> {
    /// Creates a request for the whole content of a file.
    #[must_use]
    pub fn from_file(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            ..Self::default()
        }
    }
}

/// Part of an Omni file that is missing from the spec or may differ in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromotionIssue {
    /// Path of the Omni file.
    pub file: String,
    /// Line in the file, starting at 1.
    pub line: usize,
    /// Name of the item, such as `orders.revenue`.
    pub what: String,
    /// Original definition of the item in Omni.
    pub original: String,
    /// Reason why no formula exists, or description of the possible difference.
    pub reason: String,
    /// Whether the spec contains the item. If so, the user should review the item.
    pub is_carried: bool,
}

impl PromotionIssue {
    fn comment(&self) -> String {
        let Self {
            file,
            line,
            what: subject,
            original,
            reason,
            is_carried,
        } = self;
        let status = if *is_carried { "to check" } else { "not converted" };
        let original = match original.as_str() {
            "" => String::new(),
            original => format!(" [{original}]"),
        };
        format!("{subject}, {file}:{line}, {status}: {reason}{original}")
    }
}

/// Field that the spec contains.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromotedField {
    /// Name of the field in Omni, such as `orders.revenue`.
    pub field: String,
    /// Column that replaces the field.
    pub column: String,
    /// Formula that computes the field.
    pub formula: String,
}

/// Spec generated from Omni's fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Promotion {
    /// Whether no field could be converted, so that the spec would have no columns.
    pub is_empty: bool,
    /// Name of the model.
    pub name: String,
    /// Text of the spec.
    pub spec: String,
    /// Group columns. Empty if there is only one row, or if the rows are not grouped.
    pub grain: Vec<String>,
    /// Fields that the spec contains.
    pub carried: Vec<PromotedField>,
    /// Parts of the Omni files that are missing from the spec or may differ in the spec.
    pub gaps: Vec<PromotionIssue>,
    /// Notes for the user on choices that the request did not specify.
    pub notes: Vec<String>,
    /// Diagnostics for the spec, as reported by `check`.
    pub diagnostics: Vec<Diagnostic>,
}

/// Error that prevents the promotion: the index of the Omni file, and the diagnostic.
pub type PromotionError = (usize, Diagnostic);

/// Generates a spec from fields in Omni's files. Each file has a path and a text.
///
/// # Errors
///
/// Returns an error if the file cannot be read or does not contain the requested fields.
pub fn promote(
    files: &[(String, String)],
    request: &PromotionRequest<'_>,
    compiler: &Compiler,
) -> Result<Promotion, PromotionError> {
    let no_thread = || {
        (
            0,
            Diagnostic::new(Code::Internal, Span::default(), "no thread could be started"),
        )
    };
    with_large_stack(|| build::build_promotion(files, request, compiler)).unwrap_or_else(|| Err(no_thread()))
}
