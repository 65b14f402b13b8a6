//! `run_results.json`: how the nodes of a command went.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::MapAccess;

use super::error::ArtifactError;
use super::intern::Interner;
use super::lenient::{Json, LenientList, LenientPart, LenientText};
use super::metadata::{self, ArtifactKind, Metadata, Sections};
use super::time;

/// Commands that run nodes. Others, such as `docs generate`, only compile them, and write results all the same.
const RUNS: &[&str] = &["build", "test", "run", "seed", "snapshot", "retry"];

/// How the nodes of a command went.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunResults {
    /// What it says of itself.
    pub metadata: Metadata,
    /// The command: `build`, `test`, `generate`. Of its other arguments nothing is read, since they may be secret.
    pub which: Option<String>,
    /// The seconds that it took.
    pub elapsed_time: Option<f64>,
    /// The nodes, in the order they ended.
    pub results: Vec<RunResult>,
}

/// How a node went.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunResult {
    /// The node's id.
    pub unique_id: Arc<str>,
    /// How it ended.
    pub status: Status,
    /// The rows that a test found; `None` if it did not run.
    pub failures: Option<u64>,
    /// What dbt or the warehouse says.
    pub message: Option<Arc<str>>,
    /// The seconds that it took, compiling included.
    pub execution_time: Option<f64>,
    /// When it was compiled.
    pub compile: Option<TimeSpan>,
    /// When the warehouse was at work.
    pub execute: Option<TimeSpan>,
    /// Figures of the adapter: `rows_affected`, `bytes_processed`, `slot_ms`.
    pub adapter_response: Vec<AdapterNumber>,
}

/// A figure of the adapter.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdapterNumber {
    /// Its name.
    pub name: Arc<str>,
    /// The figure.
    pub value: f64,
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeSpan {
    /// When it began.
    pub started_at: SystemTime,
    /// When it ended.
    pub completed_at: SystemTime,
}

impl TimeSpan {
    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.completed_at.duration_since(self.started_at).unwrap_or_default()
    }
}

/// How a node ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// A model, seed or snapshot was built.
    Success,
    /// A part of a model was built.
    PartialSuccess,
    /// A test holds, or a source is fresh.
    Pass,
    /// A test fails by little, or a source is rather old.
    Warn,
    /// A test fails.
    Fail,
    /// It could not be built or tested; a source is too old.
    Error,
    /// The age of a source could not be found out.
    RuntimeError,
    /// It did not run, since what it reads failed.
    Skipped,
    /// There was nothing to do.
    NoOp,
    /// Another, as dbt writes it.
    Other(Arc<str>),
    /// None is said.
    #[default]
    Unknown,
}

impl Status {
    const KNOWN: [(&'static str, Self); 9] = [
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

    pub(crate) fn from_name(name: &str) -> Self {
        let known = Self::KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match known {
            Some((_, status)) => status.clone(),
            None if name.is_empty() => Self::Unknown,
            None => Self::Other(Arc::from(name)),
        }
    }

    /// dbt's word for it.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Self::Other(name) = self {
            return name;
        }
        Self::KNOWN.iter().find(|(_, known)| known == self).map_or("", |(name, _)| name)
    }
}

impl RunResults {
    /// Reads the results of a command.
    ///
    /// # Errors
    ///
    /// The text is no JSON, another artifact, older, or a section has another shape than in any version.
    pub fn from_text(text: &str) -> Result<Self, ArtifactError> {
        let mut results = Self::default();
        results.metadata = metadata::read(text, ArtifactKind::RunResults, &mut results)?;
        Ok(results)
    }

    /// Whether nodes ran, and were not only compiled; a file that does not say its command is believed.
    #[must_use]
    pub fn is_of_run(&self) -> bool {
        self.which.as_deref().is_none_or(|which| RUNS.contains(&which))
    }
}

/// The last result of a node, with the file that it is of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LastResult<'r> {
    /// The result.
    pub result: &'r RunResult,
    /// The results of its command.
    pub run: &'r RunResults,
    /// When the node ended, else when the file was written.
    pub at: Option<SystemTime>,
}

/// The last result of each node that ran, by its id. A node that a command did not select keeps its older one.
///
/// ```
/// use formulac::artifacts::{RunResults, last_results};
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
    for run in runs.iter().filter(|run| run.is_of_run()) {
        let written = run.metadata.generated();
        for result in &run.results {
            let at = result.execute.or(result.compile).map(|span| span.completed_at).or(written);
            let new = LastResult { result, run, at };
            // Of two of the same time the one given later.
            let known = last.entry(&result.unique_id).or_insert(new);
            if known.at <= at {
                *known = new;
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
    timing: LenientList<LenientPart<RawTiming<'a>>>,
    adapter_response: Json<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawTiming<'a> {
    name: LenientText<'a>,
    started_at: LenientText<'a>,
    completed_at: LenientText<'a>,
}

impl<'de> Sections<'de> for RunResults {
    const TELLING: &'static str = "results";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        match name {
            "args" => {
                self.which = map.next_value::<LenientPart<RawArgs<'de>>>()?.0.which.into_string();
                return Ok(true);
            }
            "elapsed_time" => {
                self.elapsed_time = number(&map.next_value()?);
                return Ok(true);
            }
            "results" => {}
            _ => return Ok(false),
        }
        let raw: LenientList<LenientPart<RawResult<'de>>> = map.next_value()?;
        self.results = raw.0.into_iter().map(|raw| raw.0.result(interner)).collect();
        Ok(true)
    }
}

/// A number that is one: `NaN` may stand in a text.
fn number(text: &LenientText<'_>) -> Option<f64> {
    text.as_str()?.parse::<f64>().ok().filter(|number| number.is_finite())
}

impl RawTiming<'_> {
    fn span(&self) -> Option<TimeSpan> {
        let at = |text: &LenientText<'_>| time::instant(text.as_str()?);
        Some(TimeSpan { started_at: at(&self.started_at)?, completed_at: at(&self.completed_at)? })
    }
}

impl RawResult<'_> {
    fn result(self, interner: &mut Interner) -> RunResult {
        let timing = |name: &str| {
            let named = self.timing.0.iter().find(|timing| timing.0.name.as_str() == Some(name));
            named.and_then(|timing| timing.0.span())
        };
        let figures = match self.adapter_response {
            Json::Map(fields) => fields,
            _ => Vec::new(),
        };
        let figures = figures.into_iter().filter_map(|(name, value)| match value {
            Json::Number(text) => Some(AdapterNumber { name: interner.text(&name), value: text.parse().ok()? }),
            _ => None,
        });
        let adapter_response = figures.collect();
        RunResult {
            unique_id: interner.or_empty(&self.unique_id),
            status: Status::from_name(self.status.as_str().unwrap_or_default()),
            failures: self.failures.as_str().and_then(|text| text.parse().ok()),
            message: interner.intern_text(&self.message),
            execution_time: number(&self.execution_time),
            compile: timing("compile"),
            execute: timing("execute"),
            adapter_response,
        }
    }
}
