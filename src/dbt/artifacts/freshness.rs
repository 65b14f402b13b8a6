//! Freshness criteria of sources.

use std::sync::Arc;
use std::time::Duration;

use super::intern::Interner;
use super::lenient::Json;
use super::run_results::Status;

/// Freshness criteria of a source, and a filter for the rows to which they apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreshnessCriteria {
    /// Age above which a source gets a warning.
    pub warn_after: Option<AgeThreshold>,
    /// Age above which a source gets an error.
    pub error_after: Option<AgeThreshold>,
    /// SQL condition that selects the rows to check.
    pub filter: Option<Arc<str>>,
}

/// Maximum age, such as `12 hour`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgeThreshold {
    /// Number of periods.
    pub count: u32,
    /// Unit of time: `minute`, `hour` or `day`.
    pub period: Arc<str>,
}

impl AgeThreshold {
    /// Returns the duration of the threshold. `None` if the unit is unknown.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let seconds = match &*self.period {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(u64::from(self.count) * seconds))
    }
}

impl FreshnessCriteria {
    /// Returns the status that corresponds to the age of the newest row: pass, warn or error.
    #[must_use]
    pub fn status(&self, age: Duration) -> Status {
        let is_past = |threshold: &Option<AgeThreshold>| {
            threshold
                .as_ref()
                .and_then(AgeThreshold::duration)
                .is_some_and(|longest| age > longest)
        };
        match () {
            () if is_past(&self.error_after) => Status::Error,
            () if is_past(&self.warn_after) => Status::Warn,
            () => Status::Pass,
        }
    }

    /// Returns whether there is neither a warning threshold nor an error threshold.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.warn_after.is_none() && self.error_after.is_none()
    }

    pub(super) fn read(mut json: Json<'_>, interner: &mut Interner) -> Self {
        let mut threshold = |key: &str| {
            let mut threshold = json.take_key(key);
            let count = threshold.take_key("count").into_text().as_str()?.parse().ok()?;
            Some(AgeThreshold {
                count,
                period: interner.intern_text(&threshold.take_key("period").into_text())?,
            })
        };
        let (warn_after, error_after) = (threshold("warn_after"), threshold("error_after"));
        Self {
            warn_after,
            error_after,
            filter: interner.intern_text(&json.take_key("filter").into_text()),
        }
    }
}
