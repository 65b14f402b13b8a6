//! Applies the fixes of diagnostics to files.

use formulac::Compiler;
use formulac::diag::{self, Code, Diagnostic};

use super::input_kind::{InputKind, diagnose};
use crate::cli::exit::FileDiagnostics;
use crate::cli::source::SourceText;

/// Maximum number of rounds of fixes. A fix may make another fix possible, but real files rarely need this many rounds.
const MAX_FIX_ROUNDS: usize = 10;

/// Applies fixes until none are left or they no longer reduce the number of diagnostics.
pub fn apply_fixes(compiler: &Compiler, kind: InputKind, file_diagnostics: &mut FileDiagnostics) -> bool {
    let mut changed = false;
    for _ in 0..MAX_FIX_ROUNDS {
        let text = diag::apply_fixes(&file_diagnostics.text, &file_diagnostics.diagnostics);
        if text == file_diagnostics.text {
            break;
        }
        let after = diagnose(
            compiler,
            kind,
            SourceText {
                name: file_diagnostics.file.clone(),
                text,
                fault: None,
            },
        );
        let is_unreadable = |diagnostics: &[Diagnostic]| diagnostics.iter().any(|d| d.kind() == Code::InvalidYaml);
        if is_unreadable(&after.diagnostics) && !is_unreadable(&file_diagnostics.diagnostics) {
            break;
        }
        if error_counts(&after.diagnostics) >= error_counts(&file_diagnostics.diagnostics) {
            break;
        }
        *file_diagnostics = after;
        changed = true;
    }
    changed
}

/// Returns the number of errors followed by the number of all diagnostics, so that errors are compared first.
fn error_counts(diagnostics: &[Diagnostic]) -> (usize, usize) {
    (diagnostics.iter().filter(|d| d.is_error()).count(), diagnostics.len())
}
