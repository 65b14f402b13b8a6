//! Differences between two versions of a model that come from its metric sets.

use formulac_syntax::text::collapse_whitespace;

use super::expanded_model::{MetricSetFilter, MetricSetFormula};
use crate::{CompiledSpec, write};

/// Formula of a metric or dimension, or condition of a metric set, that differs between two versions. Formulas are on
/// one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricChange {
    /// Qualified name of the metric or dimension, such as `orders.revenue`, or `orders.where` for the condition.
    pub metric: String,
    /// Formula in the earlier version. `None` if the metric set had no condition.
    pub before: Option<String>,
    /// Formula in the later version. `None` if the metric set has no condition.
    pub after: Option<String>,
}

impl MetricChange {
    /// Returns whether a column of the model already shows the change. This is the case if the column's formula changes
    /// in the same way.
    #[must_use]
    pub fn is_reflected_in(&self, spec: &CompiledSpec, column: &str, [before, after]: [Option<&str>; 2]) -> bool {
        let is_same = |formula: Option<&str>, column_formula: &Option<String>| {
            formula.map(collapse_whitespace) == *column_formula
        };
        is_same(before, &self.before)
            && is_same(after, &self.after)
            && spec
                .columns_of_metric(&self.metric)
                .any(|column_name| column_name.eq_ignore_ascii_case(column))
    }
}

impl CompiledSpec {
    /// Returns a definition of a metric set that the model reads.
    #[doc(hidden)]
    #[must_use]
    pub fn metric_set_definition(&self, set: &str, name: &str) -> Option<MetricSetFormula<'_>> {
        let set = self
            .sets
            .iter()
            .find(|metric_set| metric_set.name.eq_ignore_ascii_case(set))?;
        MetricSetFormula::new(set, name)
    }

    /// Returns the condition of a metric set that the model reads.
    #[doc(hidden)]
    #[must_use]
    pub fn metric_set_filter(&self, set: &str) -> Option<MetricSetFilter<'_>> {
        MetricSetFilter::new(
            self.sets
                .iter()
                .find(|metric_set| metric_set.name.eq_ignore_ascii_case(set))?,
        )
    }

    /// Returns the changes to the metrics, dimensions and conditions of metric sets that the model reads in both
    /// versions. `self` is the later version.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let compile = |formula, condition| {
    ///     let set = format!("metric_set: o\nfrom: t\nwhere: {condition}\ndefinitions: n = {formula}\n");
    ///     let texts = [set.as_str(), "model: m\nmetrics: [o.n]\n"].map(|text| SpecText { text, path: None });
    ///     Compiler::default().compile_specs(&texts).swap_remove(1)
    /// };
    /// let changes = compile("SUM(x)", "x > 1").metric_changes_since(&compile("COUNT(x)", "x > 0"));
    /// assert_eq!((changes[0].metric.as_str(), changes[0].after.as_deref()), ("o.n", Some("SUM(x)")));
    /// assert_eq!((changes[1].metric.as_str(), changes[1].after.as_deref()), ("o.where", Some("x > 1")));
    /// ```
    #[must_use]
    pub fn metric_changes_since(&self, earlier: &Self) -> Vec<MetricChange> {
        let text = |formula: &str| collapse_whitespace(&write::strip_comments(formula));
        let names = |spec: &Self| {
            spec.metrics_read
                .iter()
                .chain(&spec.dimensions_read)
                .cloned()
                .collect::<Vec<_>>()
        };
        let in_earlier = names(earlier);
        let common_names = names(self).into_iter().filter(|name| in_earlier.contains(name));
        let definitions = common_names.filter_map(|metric| {
            let (set, name) = metric.split_once('.')?;
            let formula = |spec: &Self| Some(text(spec.metric_set_definition(set, name)?.text()));
            let (before, after) = (Some(formula(earlier)?), Some(formula(self)?));
            Some(MetricChange { metric, before, after })
        });
        let in_both = |name: &str| earlier.sets.iter().any(|set| set.name.eq_ignore_ascii_case(name));
        let sets = self.sets.iter().filter(|set| in_both(&set.name));
        let conditions = sets.map(|set| {
            let condition = |spec: &Self| spec.metric_set_filter(&set.name).map(|filter| text(filter.text()));
            MetricChange {
                metric: format!("{}.where", set.name),
                before: condition(earlier),
                after: condition(self),
            }
        });
        let changes = definitions.chain(conditions);
        changes.filter(|change| change.before != change.after).collect()
    }
}
