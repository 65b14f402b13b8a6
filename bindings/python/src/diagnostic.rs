//! Diagnostics whose spans count characters, like indexes of Python strings.

use formulac::Severity;
use formulac::span::{LineIndex, Span as ByteSpan};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyList;

pyo3::create_exception!(
    formulac,
    FormulaError,
    PyException,
    "Raised if formulas, a spec or a schema have errors."
);

/// Span in a text: `text[span.start:span.end]`.
#[pyclass(frozen, eq, get_all, module = "formulac")]
#[derive(Clone, Copy, PartialEq)]
pub struct Span {
    start: usize,
    end: usize,
    line: u32,
    column: u32,
}

#[pymethods]
impl Span {
    fn __repr__(&self) -> String {
        let Self {
            start,
            end,
            line,
            column,
        } = self;
        format!("Span(start={start}, end={end}, line={line}, column={column})")
    }
}

/// Additional span with a label that explains a diagnostic.
#[pyclass(frozen, eq, get_all, module = "formulac")]
#[derive(Clone, PartialEq)]
pub struct Label {
    span: Span,
    text: String,
}

/// Edit that fixes the error by replacing `span` with `text`.
#[pyclass(frozen, eq, get_all, module = "formulac")]
#[derive(Clone, PartialEq)]
pub struct Fix {
    span: Span,
    text: String,
}

/// Error or warning.
#[pyclass(frozen, eq, get_all, module = "formulac")]
#[derive(Clone, PartialEq)]
pub struct Diagnostic {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: String,
    label: Option<String>,
    help: Option<String>,
    span: Span,
    labels: Vec<Label>,
    fix: Option<Fix>,
}

#[pymethods]
impl Diagnostic {
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

/// Converter from byte offsets to character offsets in one text.
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
            code: it.code(),
            name: it.name(),
            severity: if it.severity() == Severity::Error {
                "error"
            } else {
                "warning"
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

/// Returns a `FormulaError` that contains the diagnostics. Its message has one line per error.
pub fn fail(py: Python<'_>, diagnostics: Vec<Diagnostic>) -> PyErr {
    let errors = diagnostics
        .iter()
        .filter(|it| it.severity == "error")
        .map(Diagnostic::__str__);
    let error = FormulaError::new_err(errors.collect::<Vec<_>>().join("\n"));
    let attached = PyList::new(py, diagnostics).and_then(|list| error.value(py).setattr("diagnostics", list));
    attached.err().unwrap_or(error)
}
