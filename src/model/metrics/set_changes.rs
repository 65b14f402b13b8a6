//! Differences between two versions of a model that come from its metric sets.

use super::expanded_model::{SetFilter, SetFormula};
use crate::CompiledSpec;

/// Metric whose formula differs between two versions of its set. Formulas are on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricChange {
    /// The metric with its set, such as `orders.revenue`.
    pub metric: String,
    /// Formula in the earlier version.
    pub before: String,
    /// Formula in the later version.
    pub after: String,
}

impl CompiledSpec {
    /// Returns a definition of a metric set that the model reads.
    #[doc(hidden)]
    #[must_use]
    pub fn set_definition(&self, set: &str, name: &str) -> Option<SetFormula<'_>> {
        let set = self.sets.iter().find(|of| of.name.eq_ignore_ascii_case(set))?;
        SetFormula::new(set, name)
    }

    /// Returns the condition of a metric set that the model reads.
    #[doc(hidden)]
    #[must_use]
    pub fn set_filter(&self, set: &str) -> Option<SetFilter<'_>> {
        SetFilter::new(self.sets.iter().find(|of| of.name.eq_ignore_ascii_case(set))?)
    }

    /// Returns the metrics that the model reads in both versions, and whose formulas differ. `self` is the later version.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let compile = |formula| {
    ///     let set = format!("metric_set: o\nfrom: t\ndefinitions: n = {formula}\n");
    ///     let texts = [set.as_str(), "model: m\nmetrics: [o.n]\n"].map(|text| SpecText { text, path: None });
    ///     Compiler::default().compile_specs(&texts).swap_remove(1)
    /// };
    /// let changes = compile("SUM(x)").metric_changes_since(&compile("COUNT(x)"));
    /// assert_eq!((changes[0].metric.as_str(), changes[0].after.as_str()), ("o.n", "SUM(x)"));
    /// ```
    #[must_use]
    pub fn metric_changes_since(&self, earlier: &Self) -> Vec<MetricChange> {
        let both = self.metrics_read.iter();
        let both = both.filter(|metric| earlier.metrics_read.contains(metric));
        let change = |metric: &String| {
            let (set, name) = metric.split_once('.')?;
            let formula = |spec: &Self| {
                let text = crate::write::strip_comments(spec.set_definition(set, name)?.text());
                Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
            };
            let (before, after) = (formula(earlier)?, formula(self)?);
            (before != after).then(|| MetricChange {
                metric: metric.clone(),
                before,
                after,
            })
        };
        both.filter_map(change).collect()
    }
}
