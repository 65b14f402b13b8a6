//! `sources.json`: the freshness of the sources.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::MapAccess;

use super::error::ArtifactError;
use super::freshness::FreshnessCriteria;
use super::intern::Interner;
use super::lenient::{Json, LenientList, LenientMapping, LenientText};
use super::metadata::{self, ArtifactKind, ArtifactSections, Metadata};
use super::run_results::Status;
use super::time;

/// Results of `dbt source freshness`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceResults {
    /// Metadata of the results.
    pub metadata: Metadata,
    /// Results of the sources, in the order in which dbt checked them.
    pub results: Vec<SourceResult>,
    places: FxHashMap<Arc<str>, usize>,
}

/// Freshness result of a source.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceResult {
    /// Unique id of the source.
    pub unique_id: Arc<str>,
    /// Status at the time of the check.
    pub status: Status,
    /// Time of the newest row; `None` if dbt could not determine it.
    pub max_loaded_at: Option<SystemTime>,
    /// Time of the check.
    pub snapshotted_at: Option<SystemTime>,
    /// Freshness criteria of the source.
    pub criteria: FreshnessCriteria,
    /// Reason why dbt could not determine the age.
    pub error: Option<Arc<str>>,
}

impl SourceResult {
    /// Returns the age of the newest row at the time `now`. The age is zero if the row's time is later than `now`.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use formulac_dbt::artifacts::{SourceResults, Status};
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
    /// Parses the results of `dbt source freshness`.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON or is another kind of artifact, if its version is too old, or if a
    /// section does not match the schema of any version.
    pub fn from_text(text: &str) -> Result<Self, ArtifactError> {
        let mut sources = Self::default();
        sources.metadata = metadata::read(text, ArtifactKind::Sources, &mut sources)?;
        let places = sources.results.iter().enumerate();
        sources.places = places
            .map(|(index, result)| (Arc::clone(&result.unique_id), index))
            .collect();
        Ok(sources)
    }

    /// Returns the result of the source with this id.
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

impl<'de> ArtifactSections<'de> for SourceResults {
    const IDENTIFYING_SECTION: &'static str = "results";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        if name != "results" {
            return Ok(false);
        }
        let raw: LenientList<LenientMapping<RawFreshness<'de>>> = map.next_value()?;
        let result = |LenientMapping(raw): LenientMapping<RawFreshness<'_>>| SourceResult {
            unique_id: interner.intern_or_empty(&raw.unique_id),
            status: Status::from_name(raw.status.as_str().unwrap_or_default()),
            max_loaded_at: raw.max_loaded_at.as_str().and_then(time::parse_instant),
            snapshotted_at: raw.snapshotted_at.as_str().and_then(time::parse_instant),
            criteria: FreshnessCriteria::read(raw.criteria, interner),
            error: interner.intern_text(&raw.error),
        };
        self.results = raw.0.into_iter().map(result).collect();
        Ok(true)
    }
}
