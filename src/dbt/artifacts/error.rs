//! Errors that occur when an artifact is parsed.

use std::fmt;

use super::metadata::ArtifactKind;

/// Reason why a string cannot be parsed as an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactFault {
    /// The text is not JSON, is truncated, or does not match the schema of any version.
    Broken,
    /// The text is another kind of artifact. The field is dbt's name for that kind, such as `run-results`.
    Other(String),
    /// The version of the artifact is older than the oldest supported version.
    TooOld(u32),
    /// The text is JSON but not a dbt artifact.
    NotAnArtifact,
}

/// Error for an artifact that cannot be parsed. The error contains the reason, the position, and the command that
/// writes a valid artifact.
///
/// ```
/// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
/// let error = Manifest::from_text("{\n  \"nodes\": {", ManifestReadOptions::default()).unwrap_err();
/// assert_eq!((error.line(), error.column()), (2, 12));
/// assert_eq!(error.to_string(), "dbt's manifest is invalid: EOF while parsing an object at line 2 column 12");
/// assert_eq!(error.help(), "run `dbt parse` to write the file again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactError {
    kind: ArtifactKind,
    fault: ArtifactFault,
    /// Message from the JSON parser.
    reason: String,
    line: usize,
    column: usize,
}

impl ArtifactError {
    pub(super) fn new(kind: ArtifactKind, fault: ArtifactFault, error: Option<&serde_json::Error>) -> Self {
        let (line, column) = error.map_or((0, 0), |error| (error.line(), error.column()));
        Self {
            kind,
            fault,
            reason: error.map(ToString::to_string).unwrap_or_default(),
            line,
            column,
        }
    }

    /// Returns the reason why the text cannot be parsed.
    #[must_use]
    pub fn as_fault(&self) -> &ArtifactFault {
        &self.fault
    }

    /// Returns the message from the JSON parser, with the position. Empty if the JSON is valid but not the expected
    /// artifact.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the line number of the error, starting at 1. The number is 0 if the error concerns the whole text.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column of the error: the number of the byte in its line, starting at 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the byte offset of the error in the parsed text.
    #[must_use]
    pub fn offset(&self, text: &str) -> usize {
        let start = text
            .split_inclusive('\n')
            .take(self.line.saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        (start + self.column.saturating_sub(1)).min(text.len())
    }

    /// Returns advice on how to get a valid artifact.
    #[must_use]
    pub fn help(&self) -> String {
        let command = self.kind.command();
        match self.fault {
            ArtifactFault::Broken => format!("run `{command}` to write the file again"),
            ArtifactFault::Other(_) | ArtifactFault::NotAnArtifact => {
                format!("pass the {}; `{command}` writes it", self.kind.file())
            }
            ArtifactFault::TooOld(_) => format!("run `{command}` with a newer version of dbt"),
        }
    }
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.name();
        match &self.fault {
            ArtifactFault::Broken => write!(f, "dbt's {kind} is invalid: {}", self.reason),
            ArtifactFault::Other(other) => write!(f, "expected dbt's {kind}, found dbt's {other}"),
            ArtifactFault::TooOld(version) => {
                write!(
                    f,
                    "dbt's {kind} has version v{version}, but v{} is the oldest supported version",
                    self.kind.supported_versions().0
                )
            }
            ArtifactFault::NotAnArtifact => write!(f, "expected dbt's {kind}, found other JSON"),
        }
    }
}

impl std::error::Error for ArtifactError {}
