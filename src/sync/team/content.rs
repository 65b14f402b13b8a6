//! Content of a change: the handwritten files, and the verification evidence for them. An approval covers exactly these
//! files.

use super::change::APPROVALS_FOLDER;
use crate::dbt::is_unmodified;
use crate::{EVIDENCE_FOLDER, KNOWN_FACTS_PATH, LOG_FOLDER, PushState, content_hash};

/// File that differs between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentDifference {
    /// Path of the file, relative to the project's folder.
    pub path: String,
    /// Identifier of the current content, and the file mode. `None` if the file was removed.
    pub now: Option<String>,
    /// Current contents, or previous contents if the file was removed. `None` if the contents are not needed.
    pub text: Option<String>,
    /// `true` if the file is `known.yml` and its change affects the SQL of models. Such a change counts as handwritten.
    pub alters_sql: bool,
}

impl ContentDifference {
    /// Creates a record of a file that differs between two revisions.
    #[must_use]
    pub fn new(path: &str, now: Option<String>, text: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            now,
            text,
            alters_sql: false,
        }
    }

    /// Returns `true` if a person is responsible for the contents of the file. This is the case for specs, for facts in
    /// `known.yml` that affect SQL, and for records of pulls, because no spec can generate them again. Nobody is
    /// responsible for records that formulac checks separately, or for files that contain exactly the generated text.
    #[must_use]
    pub fn is_written_by_people(&self) -> bool {
        self.alters_sql || !self.is_record_file() && !self.text.as_deref().is_some_and(is_unmodified)
    }

    /// Returns `true` if the file is `known.yml`, the state of a model, evidence, a proposed change, or a log entry.
    fn is_record_file(&self) -> bool {
        let is_below = |folder: &str| self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.is_known_facts_file()
            || self.model_of_state_file().is_some()
            || [EVIDENCE_FOLDER, APPROVALS_FOLDER, LOG_FOLDER]
                .into_iter()
                .any(is_below)
    }

    /// Returns `true` if the file is `known.yml`. This file affects the SQL like a spec, and its facts cannot be
    /// generated again.
    #[must_use]
    pub fn is_known_facts_file(&self) -> bool {
        self.path == KNOWN_FACTS_PATH
    }

    /// Returns `true` if the file is evidence from a verification. An approval covers evidence, because no spec can
    /// generate it again.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        self.path
            .strip_prefix(EVIDENCE_FOLDER)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns the model whose state the file contains. `None` for other files.
    #[must_use]
    pub fn model_of_state_file(&self) -> Option<&str> {
        PushState::model_of_path(&self.path)
    }
}

/// Returns the files of a change that an approval covers: the handwritten files, and the evidence for them. Evidence
/// alone needs no approval.
pub fn files_covered_by_approval(files: &[ContentDifference]) -> impl Iterator<Item = &ContentDifference> {
    let is_written = files.iter().any(ContentDifference::is_written_by_people);
    files
        .iter()
        .filter(move |file| file.is_written_by_people() || (is_written && file.is_evidence()))
}

/// Returns the hash of the content that an approval covers. `None` if the change contains no handwritten files.
///
/// ```
/// use formulac_sync::team::{ContentDifference, content_hash_for_approval};
///
/// let spec = ContentDifference::new("metrics/revenue.yml", Some("100644 ab12".to_owned()), None);
/// let record = ContentDifference::new(".formulac/state/revenue.yml", Some("100644 cd34".to_owned()), None);
/// assert_eq!(content_hash_for_approval(&[spec.clone()]), content_hash_for_approval(&[record.clone(), spec.clone()]));
/// assert_eq!(content_hash_for_approval(&[record]), None);
/// let evidence = ContentDifference::new(".formulac/evidence/revenue.yml", Some("100644 ef56".to_owned()), None);
/// assert_ne!(content_hash_for_approval(&[spec.clone(), evidence.clone()]), content_hash_for_approval(&[spec]));
/// assert_eq!(content_hash_for_approval(&[evidence]), None);
/// ```
#[must_use]
pub fn content_hash_for_approval(files: &[ContentDifference]) -> Option<String> {
    let mut lines: Vec<String> = files_covered_by_approval(files)
        .map(|file| format!("{}\0{}\n", file.path, file.now.as_deref().unwrap_or_default()))
        .collect();
    lines.sort();
    (!lines.is_empty()).then(|| content_hash(lines.concat().as_bytes()))
}
