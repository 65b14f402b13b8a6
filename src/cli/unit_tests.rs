//! `formulac model --unit-tests`: drafts examples for specs, which an analyst then reviews.

use std::path::{Path, PathBuf};

use formulac::{Compiler, Draft};

use super::atomic_write::PlannedFile;
use super::source::SourceText;

/// Draft of unit tests for a spec.
#[derive(Debug)]
pub struct UnitTestDraft {
    /// Path of the spec, or a placeholder such as `<stdin>`.
    pub spec: String,
    /// The draft, or the reason why no draft exists.
    pub draft: Result<Draft, String>,
    /// Spec with the draft appended, if this is possible.
    pub with_draft: Option<String>,
    /// Path to which the spec with its draft is written.
    goal: Option<PathBuf>,
}

impl UnitTestDraft {
    /// Drafts unit tests for a spec. `path` is the path from which the source was read. If `writes` is set, `path` must
    /// be a file.
    pub fn new(compiler: &Compiler, source: &SourceText, path: &Path, writes: bool) -> Self {
        let draft = formulac::draft_examples(compiler, &source.text);
        let with_draft = draft.as_ref().ok().filter(|draft| draft.includes_key()).map(|draft| {
            let end = if source.text.ends_with('\n') || source.text.is_empty() {
                ""
            } else {
                "\n"
            };
            format!("{}{end}{}", source.text, draft.text())
        });
        // Check the result, because the appended text is invalid if the spec is a YAML mapping in braces or ends with a
        // document end marker.
        let with_draft = with_draft.filter(|text| !compiler.compile_spec(text).has_errors());
        let goal = (writes && path.as_os_str() != "-").then(|| path.to_owned());
        let with_draft = with_draft.filter(|_| !writes || goal.is_some());
        Self {
            spec: source.name.clone(),
            draft,
            with_draft,
            goal,
        }
    }

    /// Returns the draft below a comment that explains where to insert the draft.
    pub fn text(&self) -> Option<String> {
        let draft = self.draft.as_ref().ok()?;
        let place = if draft.includes_key() {
            "at the end"
        } else {
            "below `examples:`"
        };
        Some(format!(
            "# {}: unit tests for review, {place}\n{}",
            self.spec,
            draft.text()
        ))
    }

    /// Returns the spec's file with the draft.
    pub fn planned_draft_file(&self) -> Option<PlannedFile> {
        Some(PlannedFile {
            path: self.goal.clone()?,
            text: self.with_draft.clone()?,
        })
    }

    /// Explains why unit tests cannot be drafted, or why the draft cannot be written to the spec.
    pub fn explain_missing(&self, writes: bool) -> Option<String> {
        match &self.draft {
            Err(why) => Some(format!("{}: no unit test is drafted: {why}", self.spec)),
            Ok(_) if writes && self.with_draft.is_none() => Some(format!(
                "{}: the draft is not written, because the spec already has examples or is not a file",
                self.spec
            )),
            Ok(_) => None,
        }
    }
}
