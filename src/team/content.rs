//! What a change holds: the files that people wrote, so that an approval is of exactly these.

use crate::dbt::is_as_written;
use crate::sync::content_hash;

/// A file that differs between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Differing {
    /// Its path, seen from the project's folder.
    pub path: String,
    /// What names its content now, and its mode; none where it is gone.
    pub now: Option<String>,
    /// The text now, else the one it had; none where nobody needs it.
    pub text: Option<String>,
}

impl Differing {
    /// A file that differs.
    #[must_use]
    pub fn new(path: &str, now: Option<String>, text: Option<String>) -> Self {
        Self { path: path.to_owned(), now, text }
    }

    /// Whether people wrote it: it is neither formulac's own record nor exactly what formulac makes of specs.
    #[must_use]
    pub fn is_written_by_people(&self) -> bool {
        !self.path.starts_with(".formulac/") && !self.text.as_deref().is_some_and(is_as_written)
    }
}

/// The hash of what people wrote in a change; none where that is nothing.
///
/// ```
/// use formulac::team::{Differing, content};
///
/// let spec = Differing::new("metrics/revenue.yml", Some("100644 ab12".to_owned()), None);
/// let record = Differing::new(".formulac/state/revenue.yml", Some("100644 cd34".to_owned()), None);
/// assert_eq!(content(&[spec.clone()]), content(&[record.clone(), spec]));
/// assert_eq!(content(&[record]), None);
/// ```
#[must_use]
pub fn content(files: &[Differing]) -> Option<String> {
    let mut lines: Vec<String> = files
        .iter()
        .filter(|file| file.is_written_by_people())
        .map(|file| format!("{}\0{}\n", file.path, file.now.as_deref().unwrap_or_default()))
        .collect();
    lines.sort();
    (!lines.is_empty()).then(|| content_hash(lines.concat().as_bytes()))
}
