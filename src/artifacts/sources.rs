//! `sources.json`: how fresh the sources are.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::MapAccess;

use super::error::ArtifactError;
use super::freshness::Criteria;
use super::intern::Interner;
use super::lenient::{Json, LenientList, LenientPart, LenientText};
use super::metadata::{self, ArtifactKind, Metadata, Sections};
use super::run_results::Status;
use super::time;

/// What `dbt source freshness` found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceResults {
    /// What it says of itself.
    pub metadata: Metadata,
    /// The sources, in the order they were looked at.
    pub results: Vec<SourceResult>,
    places: FxHashMap<Arc<str>, usize>,
}

/// How fresh a source is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceResult {
    /// The source's id.
    pub unique_id: Arc<str>,
    /// What was found then.
    pub status: Status,
    /// The time of its newest row; `None` if it could not be found out.
    pub max_loaded_at: Option<SystemTime>,
    /// When it was looked at.
    pub snapshotted_at: Option<SystemTime>,
    /// When it is stale.
    pub criteria: Criteria,
    /// Why its age could not be found out.
    pub error: Option<Arc<str>>,
}

impl SourceResult {
    /// How old its newest row is; zero where that is of the future.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use formulac::artifacts::{SourceResults, Status};
    /// let text = r#"{"results": [{"unique_id": "source.shop.raw.orders", "status": "pass",
    ///     "max_loaded_at": "1970-01-01T00:00:00Z", "criteria": {"warn_after": {"count": 12, "period": "hour"}}}]}"#;
    /// let sources = SourceResults::from_text(text).unwrap();
    /// let orders = sources.source("source.shop.raw.orders").unwrap();
    /// let age = orders.age(SystemTime::UNIX_EPOCH + Duration::from_secs(50_000)).unwrap();
    /// assert_eq!((age.as_secs(), orders.criteria.status(age)), (50_000, Status::Warn));
    /// ```
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        Some(now.duration_since(self.max_loaded_at?).unwrap_or_default())
    }
}

impl SourceResults {
    /// Reads what was found.
    ///
    /// # Errors
    ///
    /// The text is no JSON, another artifact, older, or a section has another shape than in any version.
    pub fn from_text(text: &str) -> Result<Self, ArtifactError> {
        let mut sources = Self::default();
        sources.metadata = metadata::read(text, ArtifactKind::Sources, &mut sources)?;
        let places = sources.results.iter().enumerate();
        sources.places = places.map(|(place, result)| (Arc::clone(&result.unique_id), place)).collect();
        Ok(sources)
    }

    /// The source of this id.
    #[must_use]
    pub fn source(&self, unique_id: &str) -> Option<&SourceResult> {
        self.results.get(*self.places.get(unique_id)?)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawFreshness<'a> {
    unique_id: LenientText<'a>,
    status: LenientText<'a>,
    max_loaded_at: LenientText<'a>,
    snapshotted_at: LenientText<'a>,
    criteria: Json<'a>,
    error: LenientText<'a>,
}

impl<'de> Sections<'de> for SourceResults {
    const TELLING: &'static str = "results";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        if name != "results" {
            return Ok(false);
        }
        let raw: LenientList<LenientPart<RawFreshness<'de>>> = map.next_value()?;
        let result = |LenientPart(raw): LenientPart<RawFreshness<'_>>| SourceResult {
            unique_id: interner.or_empty(&raw.unique_id),
            status: Status::from_name(raw.status.as_str().unwrap_or_default()),
            max_loaded_at: raw.max_loaded_at.as_str().and_then(time::instant),
            snapshotted_at: raw.snapshotted_at.as_str().and_then(time::instant),
            criteria: Criteria::read(raw.criteria, interner),
            error: interner.intern_text(&raw.error),
        };
        self.results = raw.0.into_iter().map(result).collect();
        Ok(true)
    }
}
