//! `run_results.json`: the results of one dbt command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::MapAccess;

use super::error::ArtifactError;
use super::intern::Interner;
use super::lenient::{Json, LenientList, LenientMapping, LenientText};
use super::metadata::{self, ArtifactKind, ArtifactSections, Metadata};
use super::time;

/// Commands that run nodes. Other commands, such as `docs generate`, also write results but only compile nodes.
const RUN_COMMANDS: &[&str] = &["build", "test", "run", "seed", "snapshot", "retry"];

/// Results of one dbt command.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunResults {
    /// Metadata of the results.
    pub metadata: Metadata,
    /// Command: `build`, `test`, `generate`. The command's other arguments are not read, because they may contain
    /// secrets.
    pub which: Option<String>,
    /// Duration of the command in seconds.
    pub elapsed_time: Option<f64>,
    /// Results of the nodes, in the order in which the nodes finished.
    pub results: Vec<RunResult>,
}

/// Result of a node.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunResult {
    /// Unique id of the node.
    pub unique_id: Arc<str>,
    /// Status of the node at the end of the command.
    pub status: Status,
    /// Number of failing rows that a test found; `None` if the test did not run.
    pub failures: Option<u64>,
    /// Message from dbt or the warehouse.
    pub message: Option<Arc<str>>,
    /// Duration in seconds, including compilation.
    pub execution_time: Option<f64>,
    /// Time span of the compilation.
    pub compile: Option<TimeSpan>,
    /// Time span of the execution in the warehouse.
    pub execute: Option<TimeSpan>,
    /// Numbers in the adapter's response: `rows_affected`, `bytes_processed`, `slot_ms`.
    pub adapter_response: Vec<AdapterResponseNumber>,
}

/// Number in the adapter's response.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdapterResponseNumber {
    /// Name of the value, such as `rows_affected`.
    pub name: Arc<str>,
    /// Numeric value.
    pub value: f64,
}

/// Time span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeSpan {
    /// Start time.
    pub started_at: SystemTime,
    /// End time.
    pub completed_at: SystemTime,
}

impl TimeSpan {
    /// Returns the duration of the time span.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.completed_at.duration_since(self.started_at).unwrap_or_default()
    }
}

/// Final status of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// dbt built the model, seed or snapshot.
    Success,
    /// dbt built a part of the model.
    PartialSuccess,
    /// The test passed, or the source is fresh.
    Pass,
    /// The test failed with severity `warn`, or the source is older than `warn_after`.
    Warn,
    /// The test failed.
    Fail,
    /// The node could not be built or tested, or the source is older than `error_after`.
    Error,
    /// dbt could not determine the age of the source.
    RuntimeError,
    /// The node did not run because one of its inputs failed.
    Skipped,
    /// There was nothing to do.
    NoOp,
    /// Unknown status, as dbt writes it.
    Other(Arc<str>),
    /// No status.
    #[default]
    Unknown,
}

impl Status {
    const KNOWN_STATUSES: [(&'static str, Self); 9] = [
        ("success", Self::Success),
        ("partial success", Self::PartialSuccess),
        ("pass", Self::Pass),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
        ("error", Self::Error),
        ("runtime error", Self::RuntimeError),
        ("skipped", Self::Skipped),
        ("no-op", Self::NoOp),
    ];

    /// Parses the status of a node. Unknown words become [`Status::Other`].
    pub fn from_name(name: &str) -> Self {
        let status_pair = Self::KNOWN_STATUSES
            .iter()
            .find(|(status_name, _)| status_name.eq_ignore_ascii_case(name));
        match status_pair {
            Some((_, status)) => status.clone(),
            None if name.is_empty() => Self::Unknown,
            None => Self::Other(Arc::from(name)),
        }
    }

    /// Returns dbt's name for the status.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Self::Other(name) = self {
            return name;
        }
        Self::KNOWN_STATUSES
            .iter()
            .find(|(_, status)| status == self)
            .map_or("", |(name, _)| name)
    }
}

impl RunResults {
    /// Parses the results of a command.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON or is another kind of artifact, if its version is too old, or if a
    /// section does not match the schema of any version.
    pub fn from_text(text: &str) -> Result<Self, ArtifactError> {
        let mut results = Self::default();
        results.metadata = metadata::read(text, ArtifactKind::RunResults, &mut results)?;
        Ok(results)
    }

    /// Returns whether the command ran nodes instead of only compiling them. If the file does not name a command, the
    /// function returns `true`.
    #[must_use]
    pub fn is_run_command(&self) -> bool {
        self.which.as_deref().is_none_or(|which| RUN_COMMANDS.contains(&which))
    }
}

/// Last result of a node, and all results of the command that produced the last result.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LastResult<'r> {
    /// Result of the node.
    pub result: &'r RunResult,
    /// All results of the same command.
    pub run: &'r RunResults,
    /// Time at which the node finished. If unknown, the time at which the file was written.
    pub finished_at: Option<SystemTime>,
}

/// Returns the last result of each node that ran, by node id. A node that a command did not select keeps its earlier
/// result.
///
/// ```
/// use formulac_dbt::artifacts::{RunResults, last_results};
/// let run = |day: u32, node: &str, status: &str| {
///     let text = format!(r#"{{"metadata": {{"generated_at": "2026-11-0{day}T10:00:00Z"}}, "args": {{"which": "test"}},
///         "results": [{{"unique_id": "{node}", "status": "{status}"}}]}}"#);
///     RunResults::from_text(&text).unwrap()
/// };
/// let runs = [run(2, "test.shop.a", "fail"), run(1, "test.shop.a", "pass"), run(1, "test.shop.b", "warn")];
/// let last: Vec<_> = last_results(&runs).into_values().map(|last| last.result.status.name()).collect();
/// assert_eq!(last, ["fail", "warn"]);
/// ```
#[must_use]
pub fn last_results(runs: &[RunResults]) -> BTreeMap<&str, LastResult<'_>> {
    let mut last: BTreeMap<&str, LastResult<'_>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.is_run_command()) {
        let generated_at = run.metadata.generated_at();
        for result in &run.results {
            let finished_at = result
                .execute
                .or(result.compile)
                .map(|span| span.completed_at)
                .or(generated_at);
            let new = LastResult {
                result,
                run,
                finished_at,
            };
            // If two results have the same time, use the result that comes later in the list.
            let last_result = last.entry(&result.unique_id).or_insert(new);
            if last_result.finished_at <= finished_at {
                *last_result = new;
            }
        }
    }
    last
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawArgs<'a> {
    which: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawResult<'a> {
    unique_id: LenientText<'a>,
    status: LenientText<'a>,
    failures: LenientText<'a>,
    message: LenientText<'a>,
    execution_time: LenientText<'a>,
    timing: LenientList<LenientMapping<RawTiming<'a>>>,
    adapter_response: Json<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawTiming<'a> {
    name: LenientText<'a>,
    started_at: LenientText<'a>,
    completed_at: LenientText<'a>,
}

impl<'de> ArtifactSections<'de> for RunResults {
    const IDENTIFYING_SECTION: &'static str = "results";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        match name {
            "args" => {
                self.which = map.next_value::<LenientMapping<RawArgs<'de>>>()?.0.which.into_string();
                return Ok(true);
            }
            "elapsed_time" => {
                self.elapsed_time = parse_number(&map.next_value()?);
                return Ok(true);
            }
            "results" => {}
            _ => return Ok(false),
        }
        let raw: LenientList<LenientMapping<RawResult<'de>>> = map.next_value()?;
        self.results = raw.0.into_iter().map(|raw| raw.0.result(interner)).collect();
        Ok(true)
    }
}

/// Parses a finite number. Returns `None` for `NaN`, which an artifact may contain as a string.
fn parse_number(text: &LenientText<'_>) -> Option<f64> {
    text.as_str()?.parse::<f64>().ok().filter(|number| number.is_finite())
}

impl RawTiming<'_> {
    fn span(&self) -> Option<TimeSpan> {
        let instant = |text: &LenientText<'_>| time::parse_instant(text.as_str()?);
        Some(TimeSpan {
            started_at: instant(&self.started_at)?,
            completed_at: instant(&self.completed_at)?,
        })
    }
}

impl RawResult<'_> {
    fn result(self, interner: &mut Interner) -> RunResult {
        let timing = |name: &str| {
            let timing = self.timing.0.iter().find(|timing| timing.0.name.as_str() == Some(name));
            timing.and_then(|timing| timing.0.span())
        };
        let figures = match self.adapter_response {
            Json::Map(fields) => fields,
            _ => Vec::new(),
        };
        let figures = figures.into_iter().filter_map(|(name, value)| match value {
            Json::Number(text) => Some(AdapterResponseNumber {
                name: interner.intern_str(&name),
                value: text.parse().ok()?,
            }),
            _ => None,
        });
        let adapter_response = figures.collect();
        RunResult {
            unique_id: interner.intern_or_empty(&self.unique_id),
            status: Status::from_name(self.status.as_str().unwrap_or_default()),
            failures: self.failures.as_str().and_then(|text| text.parse().ok()),
            message: interner.intern_text(&self.message),
            execution_time: parse_number(&self.execution_time),
            compile: timing("compile"),
            execute: timing("execute"),
            adapter_response,
        }
    }
}
