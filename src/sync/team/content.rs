//! What a change holds: the files that people wrote and the evidence beside them, so that an approval is of exactly these.

use super::change::CHANGES;
use crate::dbt::is_as_written;
use crate::{EVIDENCE, KNOWN, LOG, PushState, STATES, content_hash};

/// A file that differs between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DifferingContent {
    /// Its path, seen from the project's folder.
    pub path: String,
    /// What names its content now, and its mode; `None` if it is gone.
    pub now: Option<String>,
    /// The text now, else the one it had; `None` if nobody needs it.
    pub text: Option<String>,
    /// Whether it is a change of `known.yml` that alters the SQL of models, so that people answer for it.
    pub alters_sql: bool,
}

impl DifferingContent {
    /// A file that differs.
    #[must_use]
    pub fn new(path: &str, now: Option<String>, text: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            now,
            text,
            alters_sql: false,
        }
    }

    /// Whether people answer for it: it is neither a record that formulac judges in another way nor exactly the output of
    /// the generator. Facts of `known.yml` that alter SQL count as written by people, as specs do. Records of pulls count
    /// too, because no spec can make them again.
    #[must_use]
    pub fn is_written_by_people(&self) -> bool {
        self.alters_sql || !self.is_own_record() && !self.text.as_deref().is_some_and(is_as_written)
    }

    /// Whether it is `known.yml`, the state of a model, evidence, a change that is proposed, or an entry of the log.
    fn is_own_record(&self) -> bool {
        let is_below = |folder: &str| self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.is_known() || self.state_of().is_some() || [EVIDENCE, CHANGES, LOG].into_iter().any(is_below)
    }

    /// Whether it is `known.yml`. It decides the SQL as specs do, and no spec can make its facts again.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.path == KNOWN
    }

    /// Whether it is the evidence of a verification. No spec can make it again, so an approval covers it.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        self.path
            .strip_prefix(EVIDENCE)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The model of which it is the state; none for other files.
    #[must_use]
    pub fn state_of(&self) -> Option<&str> {
        let name = self.path.strip_prefix(STATES)?.strip_prefix('/')?;
        PushState::model_of(name).filter(|model| !model.contains('/'))
    }
}

/// The files of a change that an approval covers: those that people wrote, and the evidence beside them. Evidence alone
/// needs no approval.
pub fn approved(files: &[DifferingContent]) -> impl Iterator<Item = &DifferingContent> {
    let is_written = files.iter().any(DifferingContent::is_written_by_people);
    files
        .iter()
        .filter(move |file| file.is_written_by_people() || (is_written && file.is_evidence()))
}

/// The hash of what an approval covers; `None` if people wrote nothing.
///
/// ```
/// use formulac_sync::team::{DifferingContent, content};
///
/// let spec = DifferingContent::new("metrics/revenue.yml", Some("100644 ab12".to_owned()), None);
/// let record = DifferingContent::new(".formulac/state/revenue.yml", Some("100644 cd34".to_owned()), None);
/// assert_eq!(content(&[spec.clone()]), content(&[record.clone(), spec.clone()]));
/// assert_eq!(content(&[record]), None);
/// let evidence = DifferingContent::new(".formulac/evidence/revenue.yml", Some("100644 ef56".to_owned()), None);
/// assert_ne!(content(&[spec.clone(), evidence.clone()]), content(&[spec]));
/// assert_eq!(content(&[evidence]), None);
/// ```
#[must_use]
pub fn content(files: &[DifferingContent]) -> Option<String> {
    let mut lines: Vec<String> = approved(files)
        .map(|file| format!("{}\0{}\n", file.path, file.now.as_deref().unwrap_or_default()))
        .collect();
    lines.sort();
    (!lines.is_empty()).then(|| content_hash(lines.concat().as_bytes()))
}
