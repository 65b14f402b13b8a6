//! Duration and timestamp of a verification. These values differ in each run, so they are stored separately from the
//! evidence and are not committed.

use crate::yaml::{self, YamlValue, write_value};

/// Folder of the timing files, relative to the project's folder. Git ignores this folder.
const TIMINGS_FOLDER: &str = ".formulac/local/timings";

/// Durations and timestamp of a verification.
///
/// ```
/// use formulac_sync::VerificationTiming;
///
/// let mut timing = VerificationTiming::default();
/// (timing.engine, timing.formula_seconds) = ("DuckDB 1.5".to_owned(), Some(0.1234));
/// assert_eq!(VerificationTiming::from_text(&timing.text()).unwrap().formula_seconds, Some(0.123));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct VerificationTiming {
    /// Name of the environment. Empty if the project has no environments.
    pub environment: String,
    /// Engine that ran the comparison, with its version.
    pub engine: String,
    /// Timestamp, such as `2026-11-20T10:00:00Z`.
    pub timestamp: String,
    /// Duration of the formula's query, in seconds.
    pub formula_seconds: Option<f64>,
    /// Duration of the model's build in dbt, in seconds.
    pub build_seconds: Option<f64>,
}

impl VerificationTiming {
    /// Returns the path of a model's timing file, relative to the project's folder.
    #[must_use]
    pub fn timing_path(model: &str) -> String {
        format!("{TIMINGS_FOLDER}/{model}.yml")
    }

    /// Returns the contents of the timing file.
    #[must_use]
    pub fn text(&self) -> String {
        let words = [
            ("environment", &self.environment),
            ("engine", &self.engine),
            ("at", &self.timestamp),
        ];
        let words = words
            .into_iter()
            .map(|(key, text)| (key, YamlValue::Text(text.clone())));
        let seconds = [
            ("formula_seconds", self.formula_seconds),
            ("build_seconds", self.build_seconds),
        ];
        let seconds = seconds.into_iter().filter_map(|(key, seconds)| {
            let rounded = (seconds? * 1000.0).round() / 1000.0;
            Some((key, YamlValue::Bare(rounded.to_string())))
        });
        let pairs = words.chain(seconds);
        write_value(&YamlValue::map(pairs))
    }

    /// Reads the contents of a timing file. Returns `None` if the text is not a timing file.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let root = yaml::parse_root(text)?;
        let seconds = |key: &str| root.text_at(key).and_then(|text| text.parse().ok());
        Some(Self {
            environment: root.string_at("environment")?,
            engine: root.string_at("engine")?,
            timestamp: root.string_at("at")?,
            formula_seconds: seconds("formula_seconds"),
            build_seconds: seconds("build_seconds"),
        })
    }
}
