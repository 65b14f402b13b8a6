//! Status of the tables: test results, last runs, and source freshness.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Artifacts;
use super::run_trends;
use super::table::DbtTable;
use super::table_tests::{ExecutedTest, TestsByNode};
use crate::artifacts::{ManifestNode, ResourceType, Status, format_instant};

/// Test status of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableTestStatus {
    /// All tests with severity `error` passed in their last run.
    Pass,
    /// At least one test with severity `error` failed.
    Fail,
    /// Either there are no tests with severity `error`, or some of these tests did not run.
    Unproven,
}

impl TableTestStatus {
    /// Returns the tag for views with this status.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Pass => "dbt_tests_pass",
            Self::Fail => "dbt_tests_fail",
            Self::Unproven => "dbt_tests_unproven",
        }
    }
}

/// Returns the test status of a table.
pub(super) fn table_test_status(tests: &[ExecutedTest<'_>]) -> TableTestStatus {
    let severity = |test: &ExecutedTest<'_>| test.node.config_text("severity").map(str::to_lowercase);
    let strict: Vec<Option<&Status>> = tests
        .iter()
        .filter(|test| severity(test).as_deref() != Some("warn"))
        .map(|test| test.status.as_ref())
        .collect();
    if strict
        .iter()
        .any(|status| matches!(status, Some(Status::Fail | Status::Error)))
    {
        TableTestStatus::Fail
    } else if !strict.is_empty()
        && strict
            .iter()
            .all(|status| matches!(status, Some(Status::Pass | Status::Warn | Status::Success)))
    {
        TableTestStatus::Pass
    } else {
        TableTestStatus::Unproven
    }
}

/// Freshness of the stalest source on which a node depends.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Freshness {
    status: String,
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    #[serde(skip)]
    rank: (u8, Option<std::cmp::Reverse<SystemTime>>),
}

/// Returns the freshness of each node, by node index. The freshness of a source applies to all descendants of the
/// source.
pub(super) fn node_freshness(artifacts: Artifacts<'_>, children: &[Vec<usize>]) -> Vec<Option<Freshness>> {
    let manifest = artifacts.manifest;
    let mut freshness: Vec<Option<Freshness>> = vec![None; manifest.nodes.len()];
    let Some(results) = artifacts.freshness else {
        return freshness;
    };
    let mut waiting = Vec::new();
    for source in manifest.with_type(ResourceType::Source) {
        let (Some(index), Some(result)) = (manifest.index_of(&source.unique_id), results.source(&source.unique_id))
        else {
            continue;
        };
        let rank = match result.status {
            Status::Pass => 0,
            Status::Warn => 1,
            _ => 2,
        };
        waiting.push((
            index,
            Freshness {
                status: result.status.name().to_owned(),
                source: source_name(source),
                loaded_at: result.max_loaded_at.map(format_instant),
                checked_at: result.snapshotted_at.map(format_instant),
                rank: (rank, result.max_loaded_at.map(std::cmp::Reverse)),
            },
        ));
    }
    // Start with the stalest source, because each node reports only the first source that reaches it.
    waiting.sort_by(|(_, entry), (_, other)| {
        other
            .rank
            .cmp(&entry.rank)
            .then_with(|| entry.source.cmp(&other.source))
    });
    for (index, fresh) in waiting {
        let mut reached = vec![index];
        while let Some(index) = reached.pop() {
            let Some(slot) = freshness.get_mut(index).filter(|slot| slot.is_none()) else {
                continue;
            };
            *slot = Some(fresh.clone());
            reached.extend(children.get(index).into_iter().flatten());
        }
    }
    freshness
}

/// Returns the name of a source table, such as `raw.orders`.
pub(super) fn source_name(node: &ManifestNode) -> String {
    let schema = node.source().map(|source| &*source.source_name).unwrap_or_default();
    format!("{schema}.{}", node.name)
}

/// Maximum number of run times in the status file.
const MAX_RUN_TIMES: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StatusFile {
    version: u32,
    pub views: BTreeMap<String, ViewStatus>,
}

/// Content of the previous status file.
#[derive(Debug, Default)]
pub(super) struct PreviousStatusFile {
    file: StatusFile,
    /// Status of each test, by name.
    statuses: FxHashMap<String, Status>,
}

impl PreviousStatusFile {
    /// Parses the previous status file. A file that cannot be parsed is treated as missing.
    pub fn from_text(text: Option<&str>) -> Self {
        let file: StatusFile = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let tests = file
            .views
            .values()
            .flat_map(|view| &view.tests)
            .filter(|test| test.at.is_some());
        let statuses = tests
            .map(|test| (test.test.clone(), Status::from_name(&test.status)))
            .collect();
        Self { file, statuses }
    }

    /// Returns the recorded status of a test.
    pub fn status(&self, test: &str) -> Option<Status> {
        self.statuses.get(test).cloned()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ViewStatus {
    node: String,
    tests_state: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tests: Vec<TestRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRecord>,
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    freshness: Option<Freshness>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct TestRecord {
    test: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RunRecord {
    status: String,
    /// Run times, with the newest last.
    pub times: Vec<RunTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RunTime {
    pub at: String,
    pub seconds: f64,
}

/// Returns the new status file. Results that are missing from the current runs are copied from the previous status
/// file.
pub(super) fn status_file(
    tables: &[DbtTable<'_>],
    artifacts: Artifacts<'_>,
    tests: &TestsByNode<'_>,
    freshness: &[Option<Freshness>],
    before: PreviousStatusFile,
) -> Option<StatusFile> {
    let mut before = before.file;
    if artifacts.runs.is_empty() && artifacts.freshness.is_none() && before.views.is_empty() {
        return None;
    }
    let mut views = BTreeMap::new();
    for table in tables {
        let old = before.views.remove(&table.view_name()).unwrap_or_default();
        let mut of_tests: Vec<TestRecord> = tests.for_node(table.node_index).iter().map(test_record).collect();
        for test in of_tests.iter_mut().filter(|test| test.status.is_empty()) {
            // If a test did not run this time, keep its last result.
            match old.tests.iter().find(|old| old.test == test.test && old.at.is_some()) {
                Some(old) => {
                    *test = TestRecord {
                        test: old.test.clone(),
                        column: old.column.clone(),
                        status: old.status.clone(),
                        failures: old.failures,
                        at: old.at.clone(),
                    }
                }
                None => test.status = "not run".to_owned(),
            }
        }
        let last = tests.last.get(&*table.node.unique_id);
        let now = last.map(|last| {
            let seconds = last
                .result
                .execute
                .map(|span| span.duration().as_secs_f64())
                .or(last.result.execution_time);
            (
                last.result.status.name().to_owned(),
                last.finished_at.map(format_instant),
                seconds,
            )
        });
        let run = merge_run_result(old.run, now);
        let freshness = table
            .nodes()
            .find_map(|(index, _)| freshness.get(index).cloned().flatten());
        let node = table.node.unique_id.to_string();
        views.insert(
            table.view_name(),
            ViewStatus {
                node,
                tests_state: table.state.tag().to_owned(),
                tests: of_tests,
                run,
                freshness,
            },
        );
    }
    Some(StatusFile { version: 1, views })
}

impl StatusFile {
    /// Returns the contents of the status file as JSON.
    pub fn text(&self) -> Option<String> {
        let mut text = serde_json::to_string_pretty(self).ok()?;
        text.push('\n');
        Some(text)
    }
}

fn test_record(test: &ExecutedTest<'_>) -> TestRecord {
    let column = test
        .data
        .as_ref()
        .and_then(|data| data.column.as_ref())
        .map(std::string::ToString::to_string);
    let last = test.last.as_ref();
    TestRecord {
        test: test.node.name.to_string(),
        column,
        status: last.map_or_else(String::new, |last| last.result.status.name().to_owned()),
        failures: last.and_then(|last| last.result.failures),
        at: last.and_then(|last| last.finished_at).map(format_instant),
    }
}

fn merge_run_result(
    before: Option<RunRecord>,
    now: Option<(String, Option<String>, Option<f64>)>,
) -> Option<RunRecord> {
    let Some((status, run_instant, seconds)) = now else {
        return before;
    };
    let mut times = before.map(|run| run.times).unwrap_or_default();
    if let (Some(instant), Some(seconds)) = (run_instant, seconds)
        && !times.iter().any(|time| time.at == instant)
    {
        times.push(RunTime {
            at: instant,
            seconds: (seconds * 1_000.0).round() / 1_000.0,
        });
        times.sort_by(|run_time, other| run_time.at.cmp(&other.at));
        let surplus = times.len().saturating_sub(MAX_RUN_TIMES);
        times.drain(..surplus);
    }
    let trend = run_trends::run_trend("", &times).map(|trend| run_trends::trend_name(&trend).to_owned());
    Some(RunRecord { status, times, trend })
}
