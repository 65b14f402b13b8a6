//! Diagnostics: what is wrong, where exactly, and how to mend it.

mod codes;
pub mod hidden;
#[cfg(feature = "json")]
pub mod render;
pub mod suggest;

pub use codes::{Code, Example, Page};

use crate::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Severity {
    /// No output can be made of the part it names.
    Error,
    /// The output is made, and may not be what was meant.
    Warning,
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is to be seen there.
    pub text: String,
}

/// A change of the source that mends the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// One reported fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    code: Code,
    message: String,
    label: Option<String>,
    help: Option<String>,
    span: Span,
    labels: Vec<Label>,
    fix: Option<Fix>,
}

impl Diagnostic {
    /// A fault of this code at this place; the message has no capital, no full stop, user text in backticks.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: readable(message.into()), label: None, help: None, span, labels: Vec::new(), fix: None }
    }

    /// With advice that can be applied.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(readable(help.into()));
        self
    }

    /// With words for the main place.
    #[must_use]
    pub fn with_label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(readable(text.into()));
        self
    }

    /// With a second place.
    #[must_use]
    pub fn with_other(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: readable(text.into()) });
        self
    }

    /// With a change that `check --fix` may make.
    #[must_use]
    pub fn with_fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, text: text.into() });
        self
    }

    /// Every span put through `map`: from a formula inside another file to that file.
    #[must_use]
    pub fn mapped(mut self, map: impl Fn(Span) -> Span) -> Self {
        self.span = map(self.span);
        for label in &mut self.labels {
            label.span = map(label.span);
        }
        if let Some(fix) = &mut self.fix {
            fix.span = map(fix.span);
        }
        self
    }

    /// Says that it stands in an option of the command or library, and not in the text.
    #[must_use]
    pub fn in_option(mut self, key: &str) -> Self {
        self.message = format!("in the key `{key}`: {}", self.message);
        self.fix = None;
        self
    }

    /// The stable code, `F0301`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code.code()
    }

    /// The code's readable name, `unknown-function`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.code.name()
    }

    /// The code as a value.
    #[must_use]
    pub fn kind(&self) -> Code {
        self.code
    }

    /// Error or warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// What is wrong, readable alone.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Words for the main place, shown under it.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// How to mend it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The place of the fault.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Further places.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The change that mends it, where one is sure.
    #[must_use]
    pub fn fix(&self) -> Option<&Fix> {
        self.fix.as_ref()
    }
}

/// A text that people can read, whatever names and texts of the source stand in it: one line, not too long.
fn readable(text: String) -> String {
    let text = if text.contains(['\n', '\r']) { text.replace("\r\n", " ").replace(['\n', '\r'], " ") } else { text };
    if text.len() <= 600 {
        return text;
    }
    let begin: String = text.chars().take(300).collect();
    let end: Vec<char> = text.chars().rev().take(100).collect();
    format!("{begin} … {}", end.into_iter().rev().collect::<String>())
}

/// Sorts by place, errors before warnings at the same place, and drops what is said twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (a.span, a.severity(), a.code()).cmp(&(b.span, b.severity(), b.code())));
    diagnostics.dedup();
}
