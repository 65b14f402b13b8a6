//! Metric sets, and models built on them.
//!
//! A metric set defines metrics and dimensions once, without a grain. A model built on metric sets lists metrics and
//! keys. The model is expanded to an ordinary spec with the definitions of the metric sets written out, and the
//! expanded spec is compiled. A step with `fill`, `since` or `until` is expanded like a model built on a metric set
//! that consists of the step's definitions. The expansion of a filled model over one metric set keeps these keys, so
//! that it is a spec that an author could have written. This spec is then expanded as well.
//!
//! ```text
//! spec with `metrics` ─ request ─ graph, keys ─ columns ─ stages ─ step_text ─ spec with `from` and `definitions`
//! ```
//!
//! [`SourceMappedText`] maps each byte of the expanded spec to the byte of the file from which it comes, so that
//! diagnostics refer to the original files.

mod aggregates;
mod check_model;
mod checks;
mod columns;
mod compile;
mod expand;
mod expanded_model;
mod fill;
mod filter_names;
mod formulas;
mod graph;
mod inlining;
mod inputs;
mod key_columns;
mod key_periods;
mod keys;
mod metric_set;
mod model_on_metric_sets;
mod non_additive;
mod outdated_names;
mod period_columns;
mod period_range;
mod period_steps;
mod rows;
mod set_changes;
mod set_checks;
mod set_extract;
mod set_names;
mod stages;
mod step_names;
mod step_text;
#[cfg(test)]
mod tests;
mod text_with_origins;
mod total_source;
mod union;
mod window_checks;
mod write_spec;

pub use check_model::CHECK_MODEL_SUFFIX;
pub use compile::UncompiledModelOnMetricSets;
#[cfg(feature = "interpreter")]
pub use expand::expand_periods;
pub use expanded_model::{ExpandedModel, MetricSetFilter, MetricSetFormula, MetricSetPosition, MetricSetRelation};
pub use formulas::{MetricFormula, analyze, let_variable_names};
pub use keys::period_unit;
pub use metric_set::{INHERITED_SETTINGS, MetricSet, MetricSetWithErrors, MetricSets, is_metric_set};
pub use model_on_metric_sets::{find_step_over_metric_sets, listed_metrics};
pub use period_steps::period_steps;
pub use set_changes::MetricChange;
pub use step_text::format_node_inline;
pub use total_source::AggregatingStep;
