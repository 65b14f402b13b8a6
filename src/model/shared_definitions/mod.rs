//! First steps of specs, as data for finding the definitions that several specs contain.
//!
//! [`FirstStep`] contains the parts of a spec that can be moved to a metric set. [`FormulaTrees`] determines which
//! formulas are the same.

mod first_step;
mod formula_trees;
mod over_metric_set;

pub use crate::checks::is_identifier;
pub use first_step::{
    FirstStep, FirstStepDefinition, FirstStepDefinitionSource, FirstStepFilter, FirstStepGroupKey, FirstStepJoin,
    read_first_step, read_metric_set_as_step, relation_identity,
};
pub use formula_trees::FormulaTrees;
pub use over_metric_set::read_step_over_metric_set;
