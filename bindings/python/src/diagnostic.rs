//! Diagnostics whose spans count characters, like indexes of Python strings.

use formulac::Severity;
use formulac::span::{LineIndex, Span as ByteSpan};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::class::result_class;

pyo3::create_exception!(
    formulac,
    FormulaError,
    PyException,
    "Raised if formulas, a spec or a schema have errors."
);

result_class! {
    /// Span in source text: `text[span.start:span.end]`.
    Span {
        /// Offset of the first character.
        start: usize,
        /// Offset after the last character.
        end: usize,
        /// Line of the first character, from 1.
        line: u32,
        /// Column of the first character, from 1.
        column: u32,
    }
    {
        fn __repr__(&self) -> String {
            let Self { start, end, line, column } = self;
            format!("Span(start={start}, end={end}, line={line}, column={column})")
        }
    }
}

result_class! {
    /// Additional span with a label that explains a diagnostic.
    Label {
        /// Span that the label explains.
        span: Span,
        /// Text of the label.
        text: String,
    }
    {
        fn __repr__(&self) -> String {
            format!("Label(span={}, text={:?})", self.span.__repr__(), self.text)
        }
    }
}

result_class! {
    /// Edit that fixes the error by replacing `span` with `text`. The fixes for the same source never overlap.
    Fix {
        /// Span that the fix replaces.
        span: Span,
        /// Replacement text.
        text: String,
    }
    {
        fn __repr__(&self) -> String {
            format!("Fix(span={}, text={:?})", self.span.__repr__(), self.text)
        }
    }
}

result_class! {
    /// Error or warning. `str()` returns one line with the position, code, message and help.
    Diagnostic {
        /// Stable code, such as `F0301`. `formulac explain F0301` shows its page.
        code: String,
        /// Name of the code, such as `unknown-function`.
        name: String,
        /// Severity: `error` or `warning`.
        severity: String,
        /// Description of the problem.
        message: String,
        /// Text that is displayed at the span of the problem.
        label: Option<String>,
        /// Advice on how to fix the problem.
        help: Option<String>,
        /// Span of the problem.
        span: Span,
        /// Other spans that explain the problem.
        labels: Vec<Label>,
        /// Edit that fixes the error, if there is a safe one.
        fix: Option<Fix>,
    }
    {
        fn __str__(&self) -> String {
            let Span { line, column, .. } = self.span;
            let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            format!(
                "{line}:{column}: {} {}: {}{help}",
                self.severity, self.code, self.message
            )
        }

        fn __repr__(&self) -> String {
            format!("<Diagnostic {self}>", self = self.__str__())
        }
    }
}

/// Converter from byte offsets to character offsets in source text.
pub struct Offsets<'s> {
    lines: LineIndex<'s>,
    /// Number of characters before each byte. Empty for ASCII text, in which each byte is a character.
    before: Vec<u32>,
}

impl<'s> Offsets<'s> {
    pub fn new(text: &'s str) -> Self {
        let mut before = Vec::new();
        if !text.is_ascii() {
            let mut count = 0;
            before.extend(text.bytes().map(|byte| {
                // Count each character at its first byte. Continuation bytes have the form 10xxxxxx.
                let here = count;
                count += u32::from(byte & 0xC0 != 0x80);
                here
            }));
            before.push(count);
        }
        Self {
            lines: LineIndex::new(text),
            before,
        }
    }

    fn character(&self, byte: u32) -> usize {
        self.before
            .get(byte as usize)
            .or(self.before.last())
            .map_or(byte, |count| *count) as usize
    }

    pub fn span(&self, span: ByteSpan) -> Span {
        let place = self.lines.position(span.start);
        let (start, end) = (self.character(span.start), self.character(span.end));
        Span {
            start,
            end,
            line: place.line,
            column: place.column,
        }
    }

    pub fn diagnostics<'d>(&self, found: impl IntoIterator<Item = &'d formulac::Diagnostic>) -> Vec<Diagnostic> {
        let one = |it: &formulac::Diagnostic| Diagnostic {
            code: it.code().to_owned(),
            name: it.name().to_owned(),
            severity: if it.severity() == Severity::Error {
                "error".to_owned()
            } else {
                "warning".to_owned()
            },
            message: it.message().to_owned(),
            label: it.label().map(str::to_owned),
            help: it.help().map(str::to_owned),
            span: self.span(it.span()),
            labels: it
                .labels()
                .iter()
                .map(|it| Label {
                    span: self.span(it.span),
                    text: it.text.clone(),
                })
                .collect(),
            fix: it.fix().map(|it| Fix {
                span: self.span(it.span),
                text: it.text.clone(),
            }),
        };
        found.into_iter().map(one).collect()
    }
}

/// Returns a `FormulaError` that contains the diagnostics and the text to which their spans refer. The message has one
/// line per error, and each line begins with `source`, for example `schema: ` if the text is a schema.
pub fn fail(py: Python<'_>, diagnostics: Vec<Diagnostic>, text: &str, source: &str) -> PyErr {
    let errors = diagnostics
        .iter()
        .filter(|it| it.severity == "error")
        .map(|it| format!("{source}{}", it.__str__()));
    let error = FormulaError::new_err(errors.collect::<Vec<_>>().join("\n"));
    let attach = || {
        error.value(py).setattr("text", text)?;
        error.value(py).setattr("diagnostics", PyList::new(py, diagnostics)?)
    };
    attach().err().unwrap_or(error)
}
