//! Diagnostics for people, drawn by miette.

use std::fmt::{self, Write as _};

use miette::{LabeledSpan, MietteHandler, MietteHandlerOpts, ReportHandler, Severity, SourceCode};

use super::session::Stream;
use super::snippet::Snippet;
use formulac::diag::Diagnostic;
use formulac::diag::render::{self, Report, visible};
use formulac::span::{LineIndex, Span};

/// People see this many, and a count of the rest.
const SHOWN: usize = 20;
/// Columns where no terminal says how many there are.
const WIDTH: usize = 100;

/// The first diagnostics, drawn with their lines, and a count of the rest.
pub fn text(reports: &[Report<'_>], stream: Stream, colored: bool) -> String {
    let handler = handler(stream, colored);
    let mut out = String::new();
    let mut left = SHOWN;
    for report in reports.iter().filter(|r| !r.diagnostics.is_empty()) {
        let index = LineIndex::new(report.source);
        for diagnostic in report.diagnostics.iter().take(left) {
            let drawing = Drawing::new(report, diagnostic, &index);
            if writeln!(out, "{}", Drawn { handler: &handler, drawing }).is_err() {
                out.push_str(&render::concise(&[Report { diagnostics: std::slice::from_ref(diagnostic), ..*report }]));
            }
        }
        left = left.saturating_sub(report.diagnostics.len());
    }
    let all: usize = reports.iter().map(|r| r.diagnostics.len()).sum();
    if all > SHOWN {
        out.push_str(&format!("… and {} more; `--output-format json` has them all\n", all - SHOWN));
    }
    out
}

fn handler(stream: Stream, colored: bool) -> MietteHandler {
    let options = MietteHandlerOpts::new()
        .force_graphical(true)
        .unicode(true)
        .color(colored)
        .terminal_links(false)
        .context_lines(0)
        .without_syntax_highlighting()
        .without_cause_chain();
    // Else the terminal's own width.
    if stream.is_terminal() { options.build() } else { options.width(WIDTH).build() }
}

/// A drawing put through miette's handler.
struct Drawn<'d> {
    handler: &'d MietteHandler,
    drawing: Drawing<'d>,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handler.debug(&self.drawing, f)
    }
}

/// One diagnostic as miette draws it.
#[derive(Debug)]
struct Drawing<'d> {
    diagnostic: &'d Diagnostic,
    snippet: Snippet,
    labels: Vec<LabeledSpan>,
}

impl<'d> Drawing<'d> {
    fn new(report: &Report<'_>, diagnostic: &'d Diagnostic, index: &LineIndex<'_>) -> Self {
        let others = diagnostic.labels();
        let places: Vec<Span> = std::iter::once(diagnostic.span()).chain(others.iter().map(|l| l.span)).collect();
        let snippet = Snippet::new(report.file, report.source, index, &places);
        let label = |text: Option<&str>| text.map(|t| visible(t).into_owned());
        let place = |span: Span| snippet.place(report.source, index, span);
        let mut labels = vec![LabeledSpan::new_primary_with_span(label(diagnostic.label()), place(diagnostic.span()))];
        labels.extend(others.iter().map(|l| LabeledSpan::new_with_span(label(Some(&l.text)), place(l.span))));
        Self { diagnostic, snippet, labels }
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, code) = (render::severity(self.diagnostic), self.diagnostic.code());
        write!(f, "{severity}[{code}]: {}", visible(self.diagnostic.message()))
    }
}

impl std::error::Error for Drawing<'_> {}

impl miette::Diagnostic for Drawing<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(if self.diagnostic.is_error() { Severity::Error } else { Severity::Warning })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help().map(|help| Box::new(visible(help)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.snippet)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use formulac::diag::Code;

    /// Every place of awkward texts is drawn, and nothing of them is obeyed by a terminal.
    #[test]
    fn any_place_of_any_text_is_drawn() {
        let long = format!("{}é\u{1b}{}", "a".repeat(300), "b\r\n".repeat(3));
        for source in ["", "\n", "é\u{1b}[31m\tx\r\n\n ยู\u{9b}y", "a\r\rb", &long] {
            for start in 0..=source.len() as u32 + 1 {
                for end in [start, start + 1, start + 7, source.len() as u32] {
                    let other = Span::new(source.len() as u32 / 2, source.len() as u32);
                    let diagnostic = Diagnostic::new(Code::Internal, Span::new(start, end), "m\u{7}")
                        .with_label("here")
                        .with_other(other, "there\u{1b}")
                        .with_help("h\u{202e}");
                    let report = Report { file: "f\u{1b}", source, diagnostics: &[diagnostic] };
                    let text = text(&[report], Stream::Message, false);
                    assert!(!text.chars().any(render::is_hidden), "{text}");
                    assert!(text.contains("F0901"));
                }
            }
        }
    }

    #[test]
    fn people_see_the_first_twenty() {
        let diagnostics = vec![Diagnostic::new(Code::Internal, Span::new(0, 1), "m"); 15];
        let report = Report { file: "f", source: "x", diagnostics: &diagnostics };
        let text = text(&[report, report], Stream::Message, false);
        assert_eq!(text.matches("error[F0901]").count(), 20);
        assert!(text.ends_with("… and 10 more; `--output-format json` has them all\n"));
    }

    #[test]
    fn a_long_line_is_cut_around_its_places() {
        let source = format!("{} + {}", "a".repeat(500), "b".repeat(500));
        let diagnostic = Diagnostic::new(Code::Internal, Span::new(501, 502), "m").with_label("here");
        let text = text(&[Report { file: "f", source: &source, diagnostics: &[diagnostic] }], Stream::Message, false);
        assert!(text.contains("[f:1:502]"), "{text}");
        assert!(text.lines().all(|l| l.chars().count() < 160), "{text}");
        assert!(text.contains("…aaa") && text.contains("bbb…"), "{text}");
    }
}
