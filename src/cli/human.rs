//! Prints diagnostics in human-readable form with miette.

use std::fmt::{self, Write as _};

use miette::{LabeledSpan, MietteHandler, MietteHandlerOpts, ReportHandler, Severity, SourceCode};

use super::session::Stream;
use super::snippet::Snippet;
use formulac::diag::Diagnostic;
use formulac::diag::render::{self, Report, escape_hidden};
use formulac::span::{LineIndex, Span};

/// Maximum number of diagnostics drawn by default. The remaining diagnostics are only counted.
pub const DEFAULT_PRINTED_DIAGNOSTICS: usize = 20;
/// Maximum number of diagnostics drawn if the user requests all diagnostics.
const MAX_PRINTED_DIAGNOSTICS: usize = 1000;
/// Width in columns if the output is not a terminal.
const DEFAULT_WIDTH: usize = 100;

/// Draws the first few diagnostics or all diagnostics with their source lines, and counts the remaining diagnostics.
pub fn format_reports(reports: &[Report<'_>], stream: Stream, colored: bool, is_verbose: bool) -> String {
    let handler = miette_handler(stream, colored);
    let mut out = String::new();
    let limit = if is_verbose {
        MAX_PRINTED_DIAGNOSTICS
    } else {
        DEFAULT_PRINTED_DIAGNOSTICS
    };
    let mut remaining = limit;
    for report in reports.iter().filter(|r| !r.diagnostics.is_empty()) {
        let index = LineIndex::new(report.source);
        for diagnostic in report.diagnostics.iter().take(remaining) {
            let drawing = MietteDiagnostic::new(report, diagnostic, &index);
            if writeln!(
                out,
                "{}",
                DiagnosticDisplay {
                    handler: &handler,
                    drawing
                }
            )
            .is_err()
            {
                out.push_str(&render::format_concise(&[Report {
                    diagnostics: std::slice::from_ref(diagnostic),
                    ..*report
                }]));
            }
        }
        remaining = remaining.saturating_sub(report.diagnostics.len());
    }
    let count: usize = reports.iter().map(|r| r.diagnostics.len()).sum();
    if count > limit {
        let option = if is_verbose {
            "--output-format json"
        } else {
            "--verbose"
        };
        out.push_str(&format!("… and {} more; `{option}` shows all\n", count - limit));
    }
    out
}

fn miette_handler(stream: Stream, colored: bool) -> MietteHandler {
    let options = MietteHandlerOpts::new()
        .force_graphical(true)
        .unicode(true)
        .color(colored)
        .terminal_links(false)
        .context_lines(0)
        .without_syntax_highlighting()
        .without_cause_chain();
    // On a terminal, miette uses the terminal's width.
    if stream.is_terminal() {
        options.build()
    } else {
        options.width(DEFAULT_WIDTH).build()
    }
}

/// Adapter that displays a drawing with miette's handler.
struct DiagnosticDisplay<'d> {
    handler: &'d MietteHandler,
    drawing: MietteDiagnostic<'d>,
}

impl fmt::Display for DiagnosticDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handler.debug(&self.drawing, f)
    }
}

/// Diagnostic, in the form that miette draws.
#[derive(Debug)]
struct MietteDiagnostic<'d> {
    diagnostic: &'d Diagnostic,
    snippet: Snippet,
    labels: Vec<LabeledSpan>,
    /// Name of the file, for a diagnostic without a position in the file. Such a diagnostic is drawn without a frame.
    whole_file: Option<&'d str>,
}

impl<'d> MietteDiagnostic<'d> {
    fn new(report: &Report<'d>, diagnostic: &'d Diagnostic, index: &LineIndex<'_>) -> Self {
        let others = diagnostic.labels();
        let places: Vec<Span> = std::iter::once(diagnostic.span())
            .chain(others.iter().map(|l| l.span))
            .collect();
        let snippet = Snippet::new(report.file, report.source, index, &places);
        let label = |text: Option<&str>| text.map(|t| escape_hidden(t).into_owned());
        let labeled = |span: Span| snippet.source_span(report.source, index, span);
        let mut labels = vec![LabeledSpan::new_primary_with_span(
            label(diagnostic.label()),
            labeled(diagnostic.span()),
        )];
        labels.extend(
            others
                .iter()
                .map(|l| LabeledSpan::new_with_span(label(Some(&l.text)), labeled(l.span))),
        );
        remove_label_overlaps(&mut labels);
        let is_nowhere = diagnostic.span() == Span::default() && others.is_empty();
        let whole_file = (is_nowhere && report.source.lines().next().is_none_or(str::is_empty)).then_some(report.file);
        Self {
            diagnostic,
            snippet,
            labels,
            whole_file,
        }
    }
}

/// Shortens labeled parts of the source that overlap, because miette draws the arrows of overlapping parts over each
/// other. A part ends where the next part begins. Parts that begin at the same position become one part.
fn remove_label_overlaps(labels: &mut Vec<LabeledSpan>) {
    let mut separate: Vec<LabeledSpan> = Vec::with_capacity(labels.len());
    for mut label in labels.drain(..) {
        let (start, end) = (label.offset(), label.offset() + label.len());
        match separate.iter_mut().find(|other| other.offset() == start) {
            Some(existing_label) => {
                let texts = [existing_label.label(), label.label()].into_iter().flatten();
                let text = texts.collect::<Vec<_>>().join("; ");
                existing_label.set_label((!text.is_empty()).then_some(text));
                continue;
            }
            None => {
                let starts = separate.iter().map(LabeledSpan::offset);
                let next = starts.filter(|other| (start..end).contains(other)).min();
                set_label_end(&mut label, next.unwrap_or(end));
            }
        }
        for other in &mut separate {
            let range = other.offset()..other.offset() + other.len();
            if range.contains(&start) {
                set_label_end(other, start);
            }
        }
        separate.push(label);
    }
    *labels = separate;
}

fn set_label_end(label: &mut LabeledSpan, end: usize) {
    let span = (label.offset(), end.saturating_sub(label.offset()));
    let text = label.label().map(str::to_owned);
    *label = match label.primary() {
        true => LabeledSpan::new_primary_with_span(text, span),
        false => LabeledSpan::new_with_span(text, span),
    };
}

impl fmt::Display for MietteDiagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, code) = (render::severity(self.diagnostic), self.diagnostic.code());
        write!(f, "{severity}[{code}]: ")?;
        let message = self.diagnostic.message();
        if let Some(file) = self
            .whole_file
            .filter(|file| render::is_path(file) && !message.contains(file))
        {
            write!(f, "{}: ", escape_hidden(file))?;
        }
        write!(f, "{}", escape_hidden(message))
    }
}

impl std::error::Error for MietteDiagnostic<'_> {}

impl miette::Diagnostic for MietteDiagnostic<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(if self.diagnostic.is_error() {
            Severity::Error
        } else {
            Severity::Warning
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic
            .help()
            .map(|help| Box::new(escape_hidden(help)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.whole_file.is_none().then_some(&self.snippet as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.whole_file
            .is_none()
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use formulac::diag::Code;

    /// Checks that diagnostics at any position in unusual sources can be drawn, and that the output contains no control
    /// characters that a terminal would interpret.
    #[test]
    fn all_spans_can_be_drawn() {
        let long = format!("{}é\u{1b}{}", "a".repeat(300), "b\r\n".repeat(3));
        for source in ["", "\n", "é\u{1b}[31m\tx\r\n\n ยู\u{9b}y", "a\r\rb", &long] {
            for start in 0..=source.len() as u32 + 1 {
                for end in [start, start + 1, start + 7, source.len() as u32] {
                    let other = Span::new(source.len() as u32 / 2, source.len() as u32);
                    let diagnostic = Diagnostic::new(Code::Internal, Span::new(start, end), "m\u{7}")
                        .with_label("here")
                        .with_secondary_label(other, "there\u{1b}")
                        .with_help("h\u{202e}");
                    let report = Report {
                        file: "f\u{1b}",
                        source,
                        diagnostics: &[diagnostic],
                    };
                    let text = format_reports(&[report], Stream::Message, false, false);
                    assert!(!text.chars().any(render::is_hidden), "{text}");
                    assert!(text.contains("F0901"));
                }
            }
        }
    }

    #[test]
    fn overlapping_labels_are_drawn_next_to_each_other() {
        let draw = |main: (u32, u32), other: (u32, u32)| {
            let diagnostic = Diagnostic::new(Code::Internal, Span::new(main.0, main.1), "m")
                .with_label("first")
                .with_secondary_label(Span::new(other.0, other.1), "second");
            let report = Report {
                file: "f",
                source: "AVERAGE(SUM(amount)) / n",
                diagnostics: &[diagnostic],
            };
            let text = format_reports(&[report], Stream::Message, false, false);
            let marked: Vec<&str> = text
                .lines()
                .filter(|line| line.contains('·'))
                .map(str::trim_end)
                .collect();
            marked.join("\n")
        };
        let nested = "   · ────┬────────┬─────\n   ·     │        ╰── second\n   ·     ╰── first";
        assert_eq!(draw((0, 20), (8, 19)), nested);
        assert_eq!(draw((0, 12), (8, 19)), nested);
        // The header shows the position of the main span.
        let same_start = "   · ──────────┬─────────\n   ·           ╰── first; second";
        assert_eq!(draw((0, 20), (0, 7)), same_start);
        assert!(draw((8, 19), (0, 20)).contains("second"));
    }

    #[test]
    fn only_first_twenty_diagnostics_are_shown() {
        let diagnostics = vec![Diagnostic::new(Code::Internal, Span::new(0, 1), "m"); 15];
        let report = Report {
            file: "f",
            source: "x",
            diagnostics: &diagnostics,
        };
        let text = format_reports(&[report, report], Stream::Message, false, false);
        assert_eq!(text.matches("error[F0901]").count(), 20);
        assert!(text.ends_with("… and 10 more; `--verbose` shows all\n"));
    }

    #[test]
    fn long_lines_are_shortened_around_spans() {
        let source = format!("{} + {}", "a".repeat(500), "b".repeat(500));
        let diagnostic = Diagnostic::new(Code::Internal, Span::new(501, 502), "m").with_label("here");
        let text = format_reports(
            &[Report {
                file: "f",
                source: &source,
                diagnostics: &[diagnostic],
            }],
            Stream::Message,
            false,
            false,
        );
        assert!(text.contains("[f:1:502]"), "{text}");
        assert!(text.lines().all(|l| l.chars().count() < 160), "{text}");
        assert!(text.contains("…aaa") && text.contains("bbb…"), "{text}");
    }
}
