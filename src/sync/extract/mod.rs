//! Extracts metric sets from definitions that several specs contain.
//!
//! Specs form a group if they read the same relation with the same filter. If two specs of a group contain the same
//! formula, the group gets a metric set that contains the formula, and the specs read the metric set. If the project
//! already has a metric set with the same rows, the group's definitions are added to it, and models that read it share
//! their formulas with the group. A spec is changed only if compiling the project again proves that its SQL remains the
//! same.

mod candidates;
mod comments;
mod draft;
mod names;
mod proposals;
mod set_text;
mod spec_text;

use crate::model::shared_definitions::is_identifier;

pub use proposals::extract;

/// Returns whether the name is valid for a metric set.
#[must_use]
pub fn is_valid_metric_set_name(name: &str) -> bool {
    is_identifier(name)
}

/// Input of an extraction: the specs of a project, and options.
#[derive(Clone, Copy, Debug)]
pub struct ExtractRequest<'t> {
    /// All specs of the project.
    pub specs: &'t [formulac_model::SpecText<'t>],
    /// Whether each spec may be changed.
    pub may_change: &'t [bool],
    /// Name of the metric set. By default, definitions are added to the existing metric set with the same rows. If
    /// there is none, the new metric set has the name of its relation.
    pub name: Option<&'t str>,
    /// Folder for the files of metric sets, relative to the project's folder.
    pub folder: &'t str,
}

/// Proposed metric sets, and the specs that read them.
#[derive(Clone, Debug, Default)]
pub struct Extraction {
    /// Metric sets to write, and existing metric sets that specs read.
    pub sets: Vec<ExtractedMetricSet>,
    /// Specs to change.
    pub specs: Vec<RewrittenSpec>,
    /// Specs that remain unchanged although they could share definitions with a metric set.
    pub left_out: Vec<SkippedSpec>,
    /// Names that have different formulas in specs with the same relation.
    pub differing: Vec<NameConflict>,
}

impl Extraction {
    /// Returns the number of specs that read a metric set.
    #[must_use]
    pub fn specs_of(&self, set: &ExtractedMetricSet) -> usize {
        self.specs.iter().filter(|spec| spec.set == set.name).count()
    }
}

/// Metric set to write.
#[derive(Clone, Debug)]
pub struct ExtractedMetricSet {
    /// Name of the metric set.
    pub name: String,
    /// Path of the metric set's file, relative to the project's folder.
    pub path: String,
    /// Text of the file.
    pub text: String,
    /// Names of the definitions that occur in several specs, or in a spec and the existing metric set.
    pub shared: Vec<String>,
    /// Number of other definitions that the specs need in the metric set.
    pub others: usize,
    /// Index of the metric set's file among the specs. `None` if the metric set is new.
    pub spec: Option<usize>,
    /// Names of the definitions that the metric set does not have yet.
    pub added: Vec<String>,
    /// Names of the project's other metric sets with the same relation, if the metric set is new.
    pub other_sets: Vec<String>,
}

/// Spec to change.
#[derive(Clone, Debug)]
pub struct RewrittenSpec {
    /// Index of the spec.
    pub spec: usize,
    /// New text of the spec.
    pub text: String,
    /// Name of the metric set that the spec reads.
    pub set: String,
    /// `true` if the model's properties or test files change. They can change because descriptions and tests come from
    /// the metric set.
    pub changes_properties: bool,
}

/// Spec that remains unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedSpec {
    /// Index of the spec.
    pub spec: usize,
    /// Reason why the spec remains unchanged, as a clause without a full stop.
    pub reason: String,
}

/// Name with different formulas in several specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConflict {
    /// Defined name.
    pub name: String,
    /// Name of the relation that the specs read.
    pub relation: String,
    /// Each formula, with the indexes of the specs that contain it.
    pub formulas: Vec<(String, Vec<usize>)>,
}
