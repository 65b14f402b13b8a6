//! Standard output and standard error, and the format of messages.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use super::args::{Format, Global, When};
use super::exit::{Exit, Failure, FailureKind};
use super::grouped_warnings;
use super::human;
use super::json;
use formulac::diag::Diagnostic;
use formulac::diag::render::{self, Report};

/// Options that all commands share, and the two output streams.
#[derive(Debug)]
pub struct Session {
    pub global: Global,
    /// Whether the command must still print JSON.
    owes_json: Cell<bool>,
}

/// Output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, for data.
    Data,
    /// Standard error, for messages.
    Message,
}

impl Stream {
    /// Returns whether the stream is a terminal, which suggests that a person reads the output.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Data => io::stdout().is_terminal(),
            Self::Message => io::stderr().is_terminal(),
        }
    }

    /// Returns whether output to the stream is colored.
    pub fn is_colored(self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Never => false,
            When::Auto => std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && self.is_terminal(),
        }
    }

    fn write(self, text: &str) -> io::Result<()> {
        match self {
            Self::Data => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
            Self::Message => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

impl Session {
    pub fn new(global: Global, as_json: bool) -> Self {
        Self {
            global,
            owes_json: Cell::new(as_json),
        }
    }

    /// Prints data unchanged. On a terminal, control characters are escaped.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        if Stream::Data.is_terminal() {
            return self.print_styled(&render::escape_hidden(text));
        }
        self.print_styled(text)
    }

    /// Prints a message for people, with all control characters escaped.
    pub fn print_escaped(&self, text: &str) -> Result<(), Failure> {
        self.print_styled(&render::escape_hidden(text))
    }

    /// Prints data whose escape sequences were written by formulac.
    pub fn print_styled(&self, text: &str) -> Result<(), Failure> {
        match Stream::Data.write(text) {
            // The reader closed the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::io("write", "<stdout>", &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Prints the JSON object of a command.
    pub fn json(&self, value: &serde_json::Value) -> Result<(), Failure> {
        self.owes_json.set(false);
        self.print_styled(&json::text(value))
    }

    /// Reports a completed action, unless `--quiet` is set.
    pub fn note(&self, text: &str) {
        if !self.global.quiet {
            self.message(&format!("{}\n", render::escape_hidden(text)));
        }
    }

    /// Prints a warning.
    pub fn warn(&self, text: &str) {
        self.message(&format!("{}\n", render::escape_hidden(text)));
    }

    /// Prints a message. If this fails, there is no other way to report the failure.
    fn message(&self, text: &str) {
        let _ = Stream::Message.write(text);
    }

    /// Prints diagnostics as messages, without warnings if `--quiet` is set.
    pub fn report(&self, found: &[FailureKind]) {
        let all = reports(found);
        let errors = if self.global.quiet { errors(found) } else { Vec::new() };
        self.print(&if self.global.quiet { with(&all, &errors) } else { all });
    }

    /// Prints the diagnostics of a command that reads the whole project: errors in full, and warnings as one line per
    /// kind. With `--verbose` or a machine-readable format, prints all diagnostics in full.
    pub fn report_grouped(&self, found: &[FailureKind]) {
        if self.global.quiet || self.global.verbose || self.global.output_format != Format::Human {
            return self.report(found);
        }
        let all = reports(found);
        self.print(&with(&all, &errors(found)));
        self.message(&grouped_warnings::text(&all));
    }

    fn print(&self, reports: &[Report<'_>]) {
        if reports.iter().any(|r| !r.diagnostics.is_empty()) {
            self.message(&self.diagnostics(reports, Stream::Message));
        }
    }

    /// Formats diagnostics in the selected format.
    pub fn diagnostics(&self, reports: &[Report<'_>], stream: Stream) -> String {
        match self.global.output_format {
            Format::Human => {
                // The diagnostics are the data of `check`.
                let all = self.global.verbose || stream == Stream::Data;
                human::text(reports, stream, stream.is_colored(self.global.color), all)
            }
            Format::Concise => render::concise(reports),
            Format::Json => json::text(&render::json(reports)),
            Format::Github => render::github(reports),
            Format::Sarif => render::json_text(&render::sarif(reports, env!("CARGO_PKG_VERSION"))),
        }
    }

    /// Reports why a command stopped, also as JSON if the command must still print JSON.
    pub fn report_failure(&self, failure: &Failure) -> Exit {
        if self.owes_json.get() {
            let _ = self.json(&failure.object());
        }
        match failure {
            Failure::Found(found) => {
                self.report(found);
                Exit::from_all(found)
            }
            Failure::Message(message) => {
                self.message(&message.to_string());
                message.exit
            }
        }
    }
}

/// Returns the errors of each source.
fn errors(found: &[FailureKind]) -> Vec<Vec<Diagnostic>> {
    found
        .iter()
        .map(|f| f.diagnostics.iter().filter(|d| d.is_error()).cloned().collect())
        .collect()
}

/// Returns the same reports with other diagnostics.
fn with<'a>(reports: &[Report<'a>], diagnostics: &'a [Vec<Diagnostic>]) -> Vec<Report<'a>> {
    reports
        .iter()
        .zip(diagnostics)
        .map(|(report, diagnostics)| Report { diagnostics, ..*report })
        .collect()
}

/// Returns the same failures as references, for renderers.
pub fn reports(found: &[FailureKind]) -> Vec<Report<'_>> {
    found.iter().map(FailureKind::report).collect()
}
