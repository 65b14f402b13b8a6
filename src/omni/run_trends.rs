//! Computes the health of the tables: changes in run times, and stale sources.

use std::time::SystemTime;

use super::Artifacts;
use super::test_status::{Freshness, RunTime, StatusFile, source_name};
use crate::artifacts::{ResourceType, Status};

/// Minimum ratio of the last run time to the median for a run to be considered slower. A run is considered faster if
/// the ratio is at most the inverse.
const MIN_SLOWDOWN_RATIO: f64 = 1.5;
/// Minimum number of earlier runs for a trend.
const MIN_EARLIER_RUNS: usize = 3;

/// Health of a project's tables.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TableHealth {
    /// Tables whose last run was much slower or faster than earlier runs, each identified by its view.
    pub runs: Vec<RunTrend>,
    /// Sources that were stale when dbt last checked them, worst first.
    pub stale: Vec<StaleSource>,
}

/// Duration of the last run, compared with earlier runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunTrend {
    /// Name of the table's view.
    pub view: String,
    /// Duration of the last run in seconds.
    pub seconds: f64,
    /// Median duration of the earlier runs in seconds.
    pub median: f64,
    /// Number of earlier runs.
    pub runs: usize,
}

impl RunTrend {
    /// Returns the ratio of the last duration to the median.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.seconds / self.median
    }

    /// Returns whether the last run was slower than the median.
    #[must_use]
    pub fn is_slower(&self) -> bool {
        self.seconds > self.median
    }
}

/// Source that was stale when dbt last checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleSource {
    /// Name of the source, such as `raw.orders`.
    pub source: String,
    /// Status in dbt, such as `warn`, `error` or `runtime error`.
    pub status: String,
    /// Time of the newest row. `None` if dbt could not determine it.
    pub loaded_at: Option<SystemTime>,
    /// Time of dbt's check.
    pub checked_at: Option<SystemTime>,
    /// Models and snapshots that read the source directly.
    pub readers: Vec<String>,
    /// Number of direct and indirect descendants whose stalest source is this source.
    pub reached: usize,
}

/// Compares the last run with the median of the earlier runs. `None` if there are too few earlier runs or if the
/// median is 0.
pub(super) fn run_trend(view: &str, times: &[RunTime]) -> Option<RunTrend> {
    let (last, before) = times
        .split_last()
        .filter(|(_, before)| before.len() >= MIN_EARLIER_RUNS)?;
    let mut seconds: Vec<f64> = before.iter().map(|time| time.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let (lower_middle, upper_middle) = (seconds.get((seconds.len() - 1) / 2)?, seconds.get(seconds.len() / 2)?);
    let median = (lower_middle + upper_middle) / 2.0;
    (median > 0.0).then(|| RunTrend {
        view: view.to_owned(),
        seconds: last.seconds,
        median,
        runs: before.len(),
    })
}

/// Returns the word for the trend.
pub(super) fn trend_name(trend: &RunTrend) -> &'static str {
    match trend.ratio() {
        ratio if ratio >= MIN_SLOWDOWN_RATIO => "slower",
        ratio if ratio <= 1.0 / MIN_SLOWDOWN_RATIO => "faster",
        _ => "steady",
    }
}

pub(super) fn run_trends(
    file: Option<&StatusFile>,
    artifacts: Artifacts<'_>,
    children: &[Vec<usize>],
    freshness: &[Option<Freshness>],
) -> TableHealth {
    let views = file.into_iter().flat_map(|file| &file.views);
    let trends =
        views.filter_map(|(view, view_status)| run_trend(view, view_status.run.as_ref().map_or(&[], |run| &run.times)));
    TableHealth {
        runs: trends.filter(|trend| trend_name(trend) != "steady").collect(),
        stale: stale_sources(artifacts, children, freshness),
    }
}

fn stale_sources(
    artifacts: Artifacts<'_>,
    children: &[Vec<usize>],
    freshness: &[Option<Freshness>],
) -> Vec<StaleSource> {
    let Some(results) = artifacts.freshness else {
        return Vec::new();
    };
    let manifest = artifacts.manifest;
    let has_table = |node: &&crate::artifacts::ManifestNode| node.resource_type.is_referenceable();
    let mut reached = std::collections::HashMap::new();
    for (node, fresh) in manifest.nodes.iter().zip(freshness) {
        if let (true, Some(fresh)) = (has_table(&node), fresh) {
            *reached.entry(fresh.source.as_str()).or_default() += 1;
        }
    }
    let sources = manifest.with_type(ResourceType::Source).filter_map(|node| {
        let result = results
            .source(&node.unique_id)
            .filter(|result| result.status != Status::Pass)?;
        let source = source_name(node);
        let read_by = manifest
            .index_of(&node.unique_id)
            .and_then(|index| children.get(index))
            .into_iter()
            .flatten();
        let readers = read_by.filter_map(|index| manifest.nodes.get(*index)).filter(has_table);
        Some(StaleSource {
            status: result.status.name().to_owned(),
            loaded_at: result.max_loaded_at,
            checked_at: result.snapshotted_at,
            readers: readers.map(|node| node.name.to_string()).collect(),
            reached: reached.get(source.as_str()).copied().unwrap_or_default(),
            source,
        })
    });
    let mut stale: Vec<StaleSource> = sources.collect();
    let rank = |stale_source: &StaleSource| (stale_source.status == Status::Warn.name(), stale_source.loaded_at);
    stale.sort_by(|source, other| {
        rank(source)
            .cmp(&rank(other))
            .then_with(|| source.source.cmp(&other.source))
    });
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_run_is_compared_with_the_median_of_earlier_runs() {
        let median_text = |seconds: &[f64]| {
            let times: Vec<RunTime> = seconds
                .iter()
                .map(|seconds| RunTime {
                    at: String::new(),
                    seconds: *seconds,
                })
                .collect();
            let trend = run_trend("v", &times)?;
            Some(format!("{} {:.1} of {}", trend_name(&trend), trend.ratio(), trend.runs))
        };
        for (seconds, expected) in [
            (&[1.0, 2.0, 9.0][..], None),
            (&[1.0, 2.0, 9.0, 6.2], Some("slower 3.1 of 3")),
            (&[1.0, 2.0, 4.0, 9.0, 4.4], Some("steady 1.5 of 4")),
            (&[2.0, 2.0, 2.0, 1.0], Some("faster 0.5 of 3")),
            (&[0.0, 0.0, 0.0, 1.0], None),
        ] {
            assert_eq!(median_text(seconds).as_deref(), expected, "{seconds:?}");
        }
    }
}
