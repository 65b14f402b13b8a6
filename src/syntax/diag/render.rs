//! Machine-readable output formats for diagnostics: JSON, one diagnostic per line, GitHub annotations and SARIF.

pub use super::hidden::{escape_hidden, is_hidden};

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::diag::{Code, Diagnostic, Severity};
use crate::span::{LineIndex, Position};

/// Source text with its diagnostics.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Origin of the text: a path, `<stdin>` or `<formula>`.
    pub file: &'a str,
    /// Source text to which the spans refer.
    pub source: &'a str,
    /// Diagnostics of the text.
    pub diagnostics: &'a [Diagnostic],
}

/// Returns the word for the severity. All formats use the same word.
#[must_use]
pub fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity() {
        Severity::Error => "error",
        _ => "warning",
    }
}

/// Computes lines and columns in source text. Diagnostics are in source order, so each position is computed from
/// the previous position. Columns are not counted from the start of the line, because this would be slow for a long
/// line with many diagnostics.
struct PositionCounter<'s> {
    source: &'s [u8],
    index: LineIndex<'s>,
    last: (u32, Position),
}

impl<'s> PositionCounter<'s> {
    fn new(source: &'s str) -> Self {
        let last = (0, Position { line: 1, column: 1 });
        Self {
            source: source.as_bytes(),
            index: LineIndex::new(source),
            last,
        }
    }

    /// Returns the start and end position of a diagnostic.
    fn positions(&mut self, diagnostic: &Diagnostic) -> (Position, Position) {
        let span = diagnostic.span();
        let start = self.position(self.last, span.start);
        self.last = (span.start, start);
        (start, self.position(self.last, span.end))
    }

    fn position(&self, (from, position): (u32, Position), offset: u32) -> Position {
        let between = self.source.get(from as usize..offset as usize);
        let Some(between) = between.filter(|b| !b.contains(&b'\n')) else {
            return self.index.position(offset);
        };
        // Each character is counted at its first byte. Continuation bytes have the form 10xxxxxx.
        let count = between.iter().filter(|b| **b & 0xC0 != 0x80).count() as u32;
        Position {
            column: position.column + count,
            ..position
        }
    }
}

/// Returns a diagnostic as JSON. The span is in bytes. The line and the column start at 1, and the column counts
/// characters.
fn diagnostic_json(diagnostic: &Diagnostic, position: Position) -> Value {
    let span = diagnostic.span();
    json!({
        "code": diagnostic.code(),
        "name": diagnostic.name(),
        "severity": severity(diagnostic),
        "message": diagnostic.message(),
        "help": diagnostic.help(),
        "span": {"start": span.start, "end": span.end, "line": position.line, "column": position.column},
    })
}

/// Returns the diagnostics of one source as JSON.
#[must_use]
pub fn report_json(report: &Report<'_>) -> Vec<Value> {
    if report.diagnostics.is_empty() {
        return Vec::new();
    }
    let mut places = PositionCounter::new(report.source);
    report
        .diagnostics
        .iter()
        .map(|d| diagnostic_json(d, places.positions(d).0))
        .collect()
}

/// Returns the diagnostics of several sources as JSON, each with its `file`.
#[must_use]
pub fn reports_json(reports: &[Report<'_>]) -> Vec<Value> {
    let mut all = Vec::new();
    for report in reports {
        for mut value in report_json(report) {
            if let Some(fields) = value.as_object_mut() {
                fields.shift_insert(0, "file".to_owned(), json!(report.file));
            }
            all.push(value);
        }
    }
    all
}

/// Returns `{"diagnostics": […]}`, where each diagnostic has its `file`.
#[must_use]
pub fn to_json(reports: &[Report<'_>]) -> Value {
    json!({"diagnostics": reports_json(reports)})
}

/// Formats each diagnostic on one line: `file:line:column: error[F0301]: message; help: advice`.
#[must_use]
pub fn format_concise(reports: &[Report<'_>]) -> String {
    let mut out = String::new();
    for_each_diagnostic(reports, |report, diagnostic, position, _| {
        let (file, message) = (escape_hidden(report.file), escape_hidden(diagnostic.message()));
        let (line, column, code) = (position.line, position.column, diagnostic.code());
        let _ = write!(
            out,
            "{file}:{line}:{column}: {}[{code}]: {message}",
            severity(diagnostic)
        );
        if let Some(help) = diagnostic.help() {
            let _ = write!(out, "; help: {}", escape_hidden(help));
        }
        out.push('\n');
    });
    out
}

/// Formats each diagnostic on one line as a GitHub annotation, which is a workflow command.
#[must_use]
pub fn format_github(reports: &[Report<'_>]) -> String {
    let mut out = String::new();
    for_each_diagnostic(reports, |report, diagnostic, start, end| {
        let _ = write!(out, "::{} ", severity(diagnostic));
        if is_path(report.file) {
            let _ = write!(out, "file={},", escape_github_property(report.file));
        }
        let _ = write!(out, "line={},col={},endLine={}", start.line, start.column, end.line);
        if start.line == end.line {
            let _ = write!(out, ",endColumn={}", end.column);
        }
        let title = format!("{} {}", diagnostic.code(), diagnostic.name());
        let mut message = diagnostic.message().to_owned();
        if let Some(help) = diagnostic.help() {
            message.push_str("\nhelp: ");
            message.push_str(help);
        }
        let _ = writeln!(
            out,
            ",title={}::{}",
            escape_github_property(&title),
            escape_github_data(&message)
        );
    });
    out
}

fn escape_github_data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    escape_hidden(&text).into_owned()
}

fn escape_github_property(text: &str) -> String {
    escape_github_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Returns a SARIF 2.1.0 log with one run.
#[must_use]
pub fn format_sarif(reports: &[Report<'_>], version: &str) -> Value {
    let mut rules: Vec<Code> = reports
        .iter()
        .flat_map(|r| r.diagnostics)
        .map(Diagnostic::kind)
        .collect();
    rules.sort_by_key(|code| code.code());
    rules.dedup();
    let mut results = Vec::new();
    for_each_diagnostic(reports, |report, diagnostic, start, end| {
        results.push(sarif_result(report, diagnostic, (start, end), &rules));
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "formulac",
                "version": version,
                "rules": rules.iter().map(|code| sarif_rule(*code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn sarif_rule(code: Code) -> Value {
    let level = if code.severity() == Severity::Error {
        "error"
    } else {
        "warning"
    };
    json!({
        "id": code.code(),
        "name": code.name(),
        "shortDescription": {"text": code.name().replace('-', " ")},
        "fullDescription": {"text": code.page().text},
        "defaultConfiguration": {"level": level},
    })
}

fn sarif_result(
    report: &Report<'_>,
    diagnostic: &Diagnostic,
    (start, end): (Position, Position),
    rules: &[Code],
) -> Value {
    let span = diagnostic.span();
    let mut text = diagnostic.message().to_owned();
    if let Some(help) = diagnostic.help() {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    json!({
        "ruleId": diagnostic.code(),
        "ruleIndex": rules.iter().position(|code| *code == diagnostic.kind()),
        "level": severity(diagnostic),
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": path_to_uri(report.file)},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
                "byteOffset": span.start,
                "byteLength": span.end.saturating_sub(span.start),
            },
        }}],
    })
}

/// Converts a path to a URI reference.
fn path_to_uri(file: &str) -> String {
    if !is_path(file) {
        return file.trim_matches(['<', '>']).to_owned();
    }
    let mut out = String::with_capacity(file.len());
    for byte in file.replace('\\', "/").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Returns `true` if the name of a report is a path, not `<stdin>` or `<formula>`.
#[must_use]
pub fn is_path(file: &str) -> bool {
    !(file.starts_with('<') && file.ends_with('>'))
}

fn for_each_diagnostic(reports: &[Report<'_>], mut visit: impl FnMut(&Report<'_>, &Diagnostic, Position, Position)) {
    for report in reports.iter().filter(|r| !r.diagnostics.is_empty()) {
        let mut places = PositionCounter::new(report.source);
        for diagnostic in report.diagnostics {
            let (start, end) = places.positions(diagnostic);
            visit(report, diagnostic, start, end);
        }
    }
}

/// Returns indented JSON text. Also escapes DEL and the C1 control characters, which JSON does not require.
#[must_use]
pub fn json_text(value: &(impl Serialize + ?Sized)) -> String {
    // Serialization of strings, numbers and string keys never fails.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    match super::hidden::escape_hidden_with(&text, |out, code| write!(out, "\\u{code:04x}")) {
        Cow::Owned(escaped) => escaped,
        Cow::Borrowed(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn diagnostics_at(span: Span) -> Vec<Diagnostic> {
        vec![Diagnostic::new(Code::UnknownFunction, span, "unknown function `A\u{1b}[31m`").with_help("100%: a, b\nc")]
    }

    #[test]
    fn concise_format_has_one_line_each() {
        let diagnostics = diagnostics_at(Span::new(5, 7));
        let report = Report {
            file: "a,b.fx",
            source: "é = \nSUM",
            diagnostics: &diagnostics,
        };
        assert_eq!(
            format_concise(&[report]),
            "a,b.fx:1:5: error[F0301]: unknown function `A\\u{1b}[31m`; help: 100%: a, b c\n"
        );
        assert_eq!(
            format_github(&[report]),
            "::error file=a%2Cb.fx,line=1,col=5,endLine=2,title=F0301 unknown-function::\
             unknown function `A\\u{1b}[31m`%0Ahelp: 100%25: a, b c\n"
        );
    }

    #[test]
    fn json_has_the_keys_of_the_contract_in_order() {
        let diagnostics = diagnostics_at(Span::new(0, 1));
        let value = to_json(&[Report {
            file: "<stdin>",
            source: "x",
            diagnostics: &diagnostics,
        }]);
        let keys: Vec<&String> = value["diagnostics"][0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["file", "code", "name", "severity", "message", "help", "span"]);
        assert!(!json_text(&value).contains('\u{1b}'));
        assert!(json_text(&json!("\u{9b}")).contains("\\u009b"));
    }

    #[test]
    fn sarif_counts_columns_in_characters() {
        let diagnostics = diagnostics_at(Span::new(2, 3));
        let value = format_sarif(
            &[Report {
                file: "a b.fx",
                source: "éx",
                diagnostics: &diagnostics,
            }],
            "1",
        );
        let position = &value["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(position["artifactLocation"]["uri"], "a%20b.fx");
        assert_eq!(position["region"]["startColumn"], 2);
        assert_eq!(value["runs"][0]["results"][0]["ruleIndex"], 0);
    }
}
