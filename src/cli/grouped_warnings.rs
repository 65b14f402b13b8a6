//! Summarizes the warnings of many files: one line per kind of warning, with a count and the files.

use std::fmt::Write as _;
use std::path::Path;

use super::project;
use formulac::diag::render::{Report, escape_hidden};
use formulac::diag::{Code, Diagnostic, Severity};

/// Maximum number of files named per kind. The remaining files are only counted.
const MAX_LISTED_FILES: usize = 2;

/// Warnings of one kind, each with the name of its file.
struct WarningGroup<'a> {
    code: Code,
    warnings: Vec<(&'a str, &'a Diagnostic)>,
}

/// Kinds of warnings whose advice is the same for each position. Other kinds name a column or formula to correct.
const UNIFORM_ADVICE_CODES: [Code; 2] = [Code::NullableKey, Code::DefinedTwice];

/// Returns the kinds of warnings that occur at least `min_count` times and whose advice is the same each time.
pub fn frequent_warning_codes(reports: &[Report<'_>], min_count: usize) -> Vec<Code> {
    let count = |kind: &Code| {
        let diagnostics = reports.iter().flat_map(|report| report.diagnostics);
        diagnostics.filter(|diagnostic| diagnostic.kind() == *kind).count()
    };
    UNIFORM_ADVICE_CODES
        .into_iter()
        .filter(|kind| count(kind) >= min_count)
        .collect()
}

/// Returns one line per kind of warning, sorted by code, followed by a line that explains how to show all warnings.
pub fn format_warning_groups(reports: &[Report<'_>]) -> String {
    let mut groups: Vec<WarningGroup<'_>> = Vec::new();
    for report in reports {
        for diagnostic in report.diagnostics.iter().filter(|d| d.severity() == Severity::Warning) {
            let code = diagnostic.kind();
            let group_index = groups
                .binary_search_by_key(&code.code(), |group| group.code.code())
                .unwrap_or_else(|index| {
                    groups.insert(
                        index,
                        WarningGroup {
                            code,
                            warnings: Vec::new(),
                        },
                    );
                    index
                });
            if let Some(group) = groups.get_mut(group_index) {
                group.warnings.push((report.file, diagnostic));
            }
        }
    }
    let mut out = String::new();
    for group in &groups {
        let _ = writeln!(out, "{}", escape_hidden(&group.line()));
    }
    if !groups.is_empty() {
        out.push_str("`--verbose` shows each warning with its position\n");
    }
    out
}

impl WarningGroup<'_> {
    /// Returns a line such as `warning[W0610]: 13 models have a key that may be NULL (a, b, … 11 more): add a
    /// not_null test to the key columns`.
    fn line(&self) -> String {
        let mut files: Vec<&str> = self.warnings.iter().map(|(file, _)| *file).collect();
        files.dedup();
        let are_specs = files.iter().all(|file| {
            let path = Path::new(file);
            project::is_yaml(path) && !project::is_project_file(path)
        });
        let listed_files: Vec<String> = files
            .iter()
            .take(MAX_LISTED_FILES)
            .map(|file| display_model_or_path(file, are_specs))
            .collect();
        let more = match files.len().saturating_sub(MAX_LISTED_FILES) {
            0 => String::new(),
            more => format!(", … {more} more"),
        };
        let names = format!("({}{more})", listed_files.join(", "));
        let code = self.code.code();
        let first = self.warnings.first().map(|(_, warning)| *warning);
        let advice = first
            .and_then(Diagnostic::help)
            .map_or_else(String::new, |help| format!(": {help}"));
        let is_same = |diagnostic: &Diagnostic| first.is_some_and(|first| first.message() == diagnostic.message());
        match (first, self.code.grouped()) {
            (Some(first), _) if self.warnings.iter().all(|(_, diagnostic)| is_same(diagnostic)) => {
                format!("warning[{code}]: {} {names}{advice}", first.message())
            }
            (_, Some((fact, advice))) => {
                let subject = match (files.len(), are_specs) {
                    (1, _) => return self.single_file_warning_line(&names, fact, advice),
                    (count, true) => format!("{count} models"),
                    (count, false) => format!("{count} files"),
                };
                format!("warning[{code}]: {subject} {fact} {names}: {advice}")
            }
            (Some(first), None) => {
                let others = self.warnings.len() - 1;
                format!(
                    "warning[{code}]: {}, and {others} similar warnings {names}{advice}",
                    first.message()
                )
            }
            (None, None) => String::new(),
        }
    }

    /// Returns the line for several warnings of one kind in a single file, if the wording of `fact` has no plural form.
    fn single_file_warning_line(&self, names: &str, fact: &str, advice: &str) -> String {
        format!(
            "warning[{}]: {} places {fact} {names}: {advice}",
            self.code.code(),
            self.warnings.len()
        )
    }
}

/// Returns the name of the model if the file is its spec, otherwise the path.
fn display_model_or_path(file: &str, is_spec: bool) -> String {
    let stem = Path::new(file).file_stem().filter(|_| is_spec);
    stem.map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
