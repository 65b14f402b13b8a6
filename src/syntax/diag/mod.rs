//! Diagnostics: error messages with exact spans and fixes.

mod codes;
mod fixes;
pub mod hidden;
pub mod lists;
#[cfg(feature = "json")]
pub mod render;
pub mod suggest;

pub use codes::{Code, Example, Page};
pub use fixes::apply_fixes;

use crate::span::Span;

/// Severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Severity {
    /// The formula, spec or file with the error produces no output.
    Error,
    /// Output is produced, but it might not be what the user intended.
    Warning,
}

/// Additional span that explains a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Label {
    /// Span to mark.
    pub span: Span,
    /// Text displayed next to the marked span.
    pub text: String,
}

/// Edit to the source that fixes the error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fix {
    /// Span to replace.
    pub span: Span,
    /// Replacement text.
    pub text: String,
}

/// Location in another file that causes a diagnostic, for example the formula of a metric that a model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cause {
    /// Path of the other file, relative to the project.
    pub path: String,
    /// Location in the other file.
    pub span: Span,
}

/// Error or warning with its code and span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[error("{message}")]
pub struct Diagnostic {
    code: Code,
    message: String,
    label: Option<String>,
    help: Option<String>,
    span: Span,
    labels: Vec<Label>,
    fix: Option<Fix>,
    cause: Option<Box<Cause>>,
}

impl Diagnostic {
    /// Creates a diagnostic. The message starts in lower case, has no full stop, and puts user text in backticks.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: sanitize_message(message.into()),
            label: None,
            help: None,
            span,
            labels: Vec::new(),
            fix: None,
            cause: None,
        }
    }

    /// Adds advice that the user can apply.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(sanitize_message(help.into()));
        self
    }

    /// Adds a label under the main span.
    #[must_use]
    pub fn with_label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(sanitize_message(text.into()));
        self
    }

    /// Adds another span with explanatory text.
    #[must_use]
    pub fn with_secondary_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: sanitize_message(text.into()),
        });
        self
    }

    /// Adds an edit that `check --fix` may apply.
    #[must_use]
    pub fn with_fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            span,
            text: text.into(),
        });
        self
    }

    /// Sets the location in another file that causes the diagnostic. If that file has an error at this location, this
    /// diagnostic is redundant.
    #[must_use]
    pub fn with_cause(mut self, path: Option<&str>, span: Span) -> Self {
        self.cause = path.map(|path| {
            Box::new(Cause {
                path: path.to_owned(),
                span,
            })
        });
        self
    }

    /// Maps all spans, for example from a formula to the file that contains it.
    #[must_use]
    pub fn map_spans(mut self, map: impl Fn(Span) -> Span) -> Self {
        self.update_spans(map);
        self
    }

    /// Like [`Self::map_spans`], but changes the diagnostic in place.
    pub fn update_spans(&mut self, map: impl Fn(Span) -> Span) {
        self.span = map(self.span);
        for label in &mut self.labels {
            label.span = map(label.span);
        }
        if let Some(fix) = &mut self.fix {
            fix.span = map(fix.span);
        }
    }

    /// Removes the labels that end after this position.
    pub fn remove_labels_after(&mut self, end: u32) {
        self.labels.retain(|label| label.span.end <= end);
    }

    /// Maps the replacement text of the edit.
    #[must_use]
    pub fn map_fix_text(mut self, map: impl FnOnce(&str) -> String) -> Self {
        if let Some(fix) = &mut self.fix {
            fix.text = map(&fix.text);
        }
        self
    }

    /// Maps the message, the labels and the help text.
    #[must_use]
    pub fn map_texts(mut self, map: impl Fn(&str) -> String) -> Self {
        let labels = self.labels.iter_mut().map(|label| &mut label.text);
        let texts = [&mut self.message]
            .into_iter()
            .chain(&mut self.label)
            .chain(&mut self.help);
        texts.chain(labels).for_each(|text| *text = map(text));
        self
    }

    /// Maps the help text.
    #[must_use]
    pub fn map_help(mut self, map: impl FnOnce(&str) -> String) -> Self {
        self.help = self.help.as_deref().map(map);
        self
    }

    /// Removes the edit, for example because its span is not in the user's file.
    #[must_use]
    pub fn without_fix(mut self) -> Self {
        self.fix = None;
        self
    }

    /// Prepends a context to the message, such as "in the metric set `orders`".
    #[must_use]
    pub fn with_context(mut self, context: &str) -> Self {
        self.message = sanitize_message(format!("{context}, {}", self.message));
        self
    }

    /// Marks the diagnostic as caused by a command-line or library option instead of the source text.
    #[must_use]
    pub fn in_option(mut self, key: &str) -> Self {
        self.message = format!("in the key `{key}`: {}", self.message);
        self.fix = None;
        self
    }

    /// Returns the stable code, such as `F0301`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code.code()
    }

    /// Returns the readable name of the code, such as `unknown-function`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.code.name()
    }

    /// Returns the code as an enum value.
    #[must_use]
    pub fn kind(&self) -> Code {
        self.code
    }

    /// Returns the severity: error or warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Returns `true` if the diagnostic is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// Returns `true` if the diagnostic is about the spelling or the syntax of a formula. The meaning of the formula is
    /// then unknown.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        self.code().starts_with("F01") || self.code().starts_with("F02")
    }

    /// Returns the message, which can be understood without its context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the label under the main span.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Returns advice for fixing the error.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Returns the main span.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the additional spans.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Returns the location in another file that causes the diagnostic.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// Returns the edit that fixes the error, if the fix is certain. The edits of one compilation never overlap.
    #[must_use]
    pub fn fix(&self) -> Option<&Fix> {
        self.fix.as_ref()
    }
}

/// Shortens a message to one line of limited length, because names and strings from the source may be long.
fn sanitize_message(text: String) -> String {
    // Two searches for a single byte are faster than one search for both, because each compares several bytes at a
    // time.
    let text = if text.as_bytes().contains(&b'\n') || text.as_bytes().contains(&b'\r') {
        text.replace("\r\n", " ").replace(['\n', '\r'], " ")
    } else {
        text
    };
    if text.len() <= 600 {
        return text;
    }
    let begin: String = text.chars().take(300).collect();
    let end: Vec<char> = text.chars().rev().take(100).collect();
    format!("{begin} … {}", end.into_iter().rev().collect::<String>())
}

/// Sorts diagnostics by span, with errors before warnings at the same span, and removes duplicates and overlapping
/// fixes.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    if diagnostics.is_empty() {
        return;
    }
    diagnostics.sort_by(|a, b| (a.span, a.severity(), a.code()).cmp(&(b.span, b.severity(), b.code())));
    diagnostics.dedup();
    fixes::remove_overlapping_fixes(diagnostics);
}
