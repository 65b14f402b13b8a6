//! Diagnostics that repeat an error of another file. For example, an error in a metric set is repeated in each model
//! that uses the metric.

use formulac_syntax::text::format_count;

use super::exit::FileDiagnostics;
use formulac::diag::Diagnostic;
use formulac::diag::lists::join_words_up_to;
use formulac::span::Span;

/// Maximum number of files named in the note. The remaining files are only counted.
const MAX_LISTED_FILES: usize = 3;

/// Diagnostics to print: each error once, in the file that contains the error.
pub struct PrintedDiagnostics {
    pub diagnostics: Vec<FileDiagnostics>,
    /// Files whose errors are not shown, because the errors repeat those of other files.
    affected: Vec<String>,
}

impl PrintedDiagnostics {
    /// Returns the diagnostics. If `each_once` is set, omits diagnostics that are caused by an error in another file.
    pub fn new(file_diagnostics: &[FileDiagnostics], each_once: bool) -> Self {
        let mut summary = Self {
            diagnostics: file_diagnostics.to_vec(),
            affected: Vec::new(),
        };
        for file in summary.diagnostics.iter_mut().filter(|_| each_once) {
            let count = file.diagnostics.len();
            file.diagnostics
                .retain(|diagnostic| !is_reported_in_other_file(diagnostic, file_diagnostics));
            if file.diagnostics.len() < count {
                summary.affected.push(file.file.clone());
            }
        }
        summary
    }

    /// Returns a note about the files in which errors are not shown. `None` if there are no such files.
    pub fn note(&self) -> Option<String> {
        let count_text = format_count(self.affected.len(), "other spec", "other specs");
        let (reads, have) = if self.affected.len() == 1 {
            ("reads", "has")
        } else {
            ("read", "have")
        };
        (!self.affected.is_empty()).then(|| {
            format!(
                "note: {count_text} {reads} metrics with these errors and {have} no SQL: {}",
                join_words_up_to(&self.affected, MAX_LISTED_FILES)
            )
        })
    }
}

/// Returns whether the cause of a diagnostic is an error in another file.
fn is_reported_in_other_file(diagnostic: &Diagnostic, file_diagnostics: &[FileDiagnostics]) -> bool {
    let Some(cause) = diagnostic.cause() else { return false };
    let overlaps = |span: Span| span.start <= cause.span.end && cause.span.start <= span.end;
    let mut files = file_diagnostics
        .iter()
        .filter(|file| is_same_file(&file.file, &cause.path));
    files.any(|file| {
        let mut errors = file.diagnostics.iter().filter(|other| other.is_error());
        errors.any(|other| overlaps(other.span()))
    })
}

/// Returns whether a path on the command line and a path relative to the project may be the same file.
fn is_same_file(display_path: &str, path: &str) -> bool {
    let ends_with = |long: &str, short: &str| {
        let rest = long.strip_suffix(short);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', '\\']))
    };
    ends_with(display_path, path) || ends_with(path, display_path)
}
