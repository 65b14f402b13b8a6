//! Names of metrics and metric sets on the command line.

use super::exit::{Exit, Failure};

/// Name of a metric or of a metric set: `metric:orders.revenue`, `metric_set:orders`, or the same without a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricName<'n> {
    /// `metric` or `metric_set`, if the name has a prefix.
    pub prefix: Option<&'n str>,
    pub set: &'n str,
    /// `None` if the name refers to the metric set.
    pub metric: Option<&'n str>,
}

impl<'n> MetricName<'n> {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// Returns a failure if the prefix contradicts the rest of the name, as in `metric:orders`.
    pub fn read(name: &'n str) -> Result<Self, Failure> {
        let (prefix, bare) = match name.split_once(':') {
            Some((prefix @ ("metric" | "metric_set"), bare)) => (Some(prefix), bare),
            _ => (None, name),
        };
        let (set, metric) = match bare.split_once('.') {
            Some((set, metric)) => (set, Some(metric)),
            None => (bare, None),
        };
        let refused =
            |problem: &str, help: String| Failure::new(Exit::Usage, format!("`{bare}` {problem}")).with_help(help);
        match (prefix, metric) {
            (Some("metric"), None) => {
                let help = format!("write `metric:{bare}.NAME`, or `metric_set:{bare}` for all metrics of a set");
                Err(refused("does not name a metric", help))
            }
            (Some("metric_set"), Some(_)) => {
                let help = format!("write `metric:{bare}`, or `metric_set:{set}` for all metrics of the set");
                Err(refused("names a metric, not a metric set", help))
            }
            _ => Ok(Self { prefix, set, metric }),
        }
    }
}
