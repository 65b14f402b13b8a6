//! A step as the planner takes it, and what it gives.

use crate::diag::Diagnostic;
use crate::schema::Relation;
use crate::sql::{Cte, Select};

/// What a step reads.
#[derive(Clone, Debug)]
pub(crate) struct StepInput<'a> {
    /// The name of what is read: the relation, or the step before.
    pub name: &'a str,
    /// It is what the whole query reads.
    pub first: bool,
    pub relation: Option<&'a Relation>,
    /// The columns that tell its rows apart, as far as known.
    pub grain: &'a [String],
}

/// A step as the planner takes it.
pub(crate) struct StepSpec<'a> {
    /// The name of its last select, when another step reads it.
    pub name: &'a str,
    pub last: bool,
    pub keep: KeepColumns<'a>,
    pub limit: Option<u64>,
    pub descending: &'a [bool],
    /// Nothing was said of partitions.
    pub default_partition: bool,
    /// Text of each definition's formula, for naming group keys.
    pub source: &'a str,
}

/// The columns of the input that a step passes on.
pub(crate) enum KeepColumns<'a> {
    Nothing,
    All,
    Some(Vec<&'a str>),
}

/// What a step gives.
pub(crate) struct StepOutput {
    pub ctes: Vec<Cte>,
    pub body: Select,
    pub relation: Relation,
    /// There are columns that no schema says.
    pub open: bool,
    pub grain: Vec<String>,
    /// A column for which `*` would have to leave one out, where no schema says which there are.
    pub in_the_way: Option<String>,
    pub diagnostics: Vec<Diagnostic>,
}
