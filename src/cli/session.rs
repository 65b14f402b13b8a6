//! Writes to standard output and standard error, and formats messages.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use super::args::{ColorMode, DiagnosticFormat, GlobalOptions};
use super::exit::{Exit, Failure, FileDiagnostics};
use super::grouped_warnings::{format_warning_groups, frequent_warning_codes};
use super::human;
use super::json;
use super::repeated_diagnostics::PrintedDiagnostics;
use formulac::diag::render::{self, Report};
use formulac::diag::{Code, Diagnostic};
use serde_json::Value;

/// Minimum number of warnings of one kind that `check` combines into one line instead of printing each position.
const MIN_GROUPED_WARNINGS: usize = 4;

/// Options that all commands share, and the two output streams.
#[derive(Debug)]
pub struct Session {
    pub global: GlobalOptions,
    /// Whether the user requested JSON and the command has not printed it yet.
    must_print_json: Cell<bool>,
    /// Whether the reader of standard output closed the pipe.
    is_closed: Cell<bool>,
    /// Warnings and notes that the command has printed. Some commands load the project several times, but print each
    /// warning once.
    printed: RefCell<BTreeSet<String>>,
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
    pub fn is_colored(self, when: ColorMode) -> bool {
        match when {
            ColorMode::Always => true,
            ColorMode::Never => false,
            ColorMode::Auto => std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && self.is_terminal(),
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
    pub fn new(global: GlobalOptions, as_json: bool) -> Self {
        Self {
            global,
            must_print_json: Cell::new(as_json),
            is_closed: Cell::new(false),
            printed: RefCell::default(),
        }
    }

    /// Returns whether the reader of standard output has closed the pipe.
    pub fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Prints data unchanged. On a terminal, control characters are escaped.
    pub fn print_data(&self, text: &str) -> Result<(), Failure> {
        if Stream::Data.is_terminal() {
            return self.print_styled(&render::escape_hidden(text));
        }
        self.print_styled(text)
    }

    /// Prints a message for people, with all control characters escaped.
    pub fn print_escaped(&self, text: &str) -> Result<(), Failure> {
        self.print_styled(&render::escape_hidden(text))
    }

    /// Prints data whose escape sequences were all written by formulac.
    pub fn print_styled(&self, text: &str) -> Result<(), Failure> {
        match Stream::Data.write(text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed.set(true);
                Ok(())
            }
            Err(error) => Err(Failure::from_io("write", "<stdout>", &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Prints the JSON object of a command.
    pub fn print_json(&self, value: &serde_json::Value) -> Result<(), Failure> {
        self.must_print_json.set(false);
        self.print_styled(&json::to_text(value))
    }

    /// Asks for confirmation unless `yes` is set. Returns an error if there is no terminal or `--no-input` is set.
    pub fn confirm(&self, yes: bool, question: &str) -> Result<bool, Failure> {
        if yes {
            return Ok(true);
        }
        let Some(reason) = self.no_confirmation_reason() else {
            self.message(&format!("{question} [y/N] "));
            let mut answer = String::new();
            let outcome = io::stdin().read_line(&mut answer);
            return Ok(outcome.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"));
        };
        let text = format!("nothing has changed: the command needs a confirmation, but {reason}");
        Err(Failure::new(Exit::Usage, text).with_help("pass `--yes` to confirm"))
    }

    /// Returns the reason why the user cannot be asked for confirmation. `None` if a question is possible.
    pub fn no_confirmation_reason(&self) -> Option<&'static str> {
        match io::stdin().is_terminal() && io::stderr().is_terminal() {
            true if self.global.no_input => Some("`--no-input` is set"),
            true => None,
            false => Some("there is no terminal"),
        }
    }

    /// Reports a completed action, unless `--quiet` is set.
    pub fn report_action(&self, text: &str) {
        if !self.global.quiet {
            self.message(&format!("{}\n", render::escape_hidden(text)));
        }
    }

    /// Prints a warning, unless `--quiet` is set or the warning has been printed.
    pub fn warn(&self, text: &str) {
        self.report_once(format!("warning: {text}"));
    }

    /// Prints a note about the input, unless `--quiet` is set or the note has been printed.
    pub fn report_note(&self, text: &str) {
        self.report_once(format!("note: {text}"));
    }

    fn report_once(&self, text: String) {
        if !self.printed.borrow().contains(&text) {
            self.report_action(&text);
            self.printed.borrow_mut().insert(text);
        }
    }

    /// Makes the next run of a repeated command print all warnings and notes again.
    pub fn forget_printed(&self) {
        self.printed.borrow_mut().clear();
    }

    /// Prints a result or a note.
    pub fn note(&self, text: &str) {
        self.message(&format!("{}\n", render::escape_hidden(text)));
    }

    /// Prints a message. Errors are ignored, because they cannot be reported elsewhere.
    fn message(&self, text: &str) {
        let _ = Stream::Message.write(text);
    }

    /// Prints diagnostics as messages, without warnings if `--quiet` is set. An error in a metric set is printed once,
    /// at its position in the metric set.
    pub fn report(&self, file_diagnostics: &[FileDiagnostics]) {
        let summary = self.diagnostics_to_print(file_diagnostics);
        let diagnostics = &summary.diagnostics;
        if self.global.quiet {
            self.print_reports(&with_diagnostics(
                &to_reports(diagnostics),
                &errors_by_source(diagnostics),
            ));
        } else {
            self.print_reports(&to_reports(diagnostics));
        }
        self.report_affected_files(&summary);
    }

    /// Returns the diagnostics to print. JSON contains all diagnostics. Other formats contain each error once.
    pub fn diagnostics_to_print(&self, file_diagnostics: &[FileDiagnostics]) -> PrintedDiagnostics {
        PrintedDiagnostics::new(file_diagnostics, self.global.output_format != DiagnosticFormat::Json)
    }

    /// Prints a note about the files whose errors are not printed.
    pub fn report_affected_files(&self, summary: &PrintedDiagnostics) {
        if let Some(note) = summary.note() {
            self.note(&note);
        }
    }

    /// Formats the diagnostics of `check` for standard output. Many warnings of one kind are combined into one line.
    /// `--quiet` removes warnings, unless `--deny warnings` makes them failures or the format is for programs.
    pub fn format_check_output(&self, file_diagnostics: &[FileDiagnostics], denies_warnings: bool) -> String {
        let reports = to_reports(file_diagnostics);
        let hides_warnings = self.global.quiet && !denies_warnings;
        match self.global.output_format {
            DiagnosticFormat::Human | DiagnosticFormat::Concise if hides_warnings => self.format_diagnostics(
                &with_diagnostics(&reports, &errors_by_source(file_diagnostics)),
                Stream::Data,
            ),
            DiagnosticFormat::Human if self.should_group_warnings() => {
                let repeated = frequent_warning_codes(&reports, MIN_GROUPED_WARNINGS);
                self.format_with_grouped_warnings(file_diagnostics, Stream::Data, |kind| repeated.contains(&kind))
                    .concat()
            }
            _ => self.format_diagnostics(&reports, Stream::Data),
        }
    }

    /// Prints the diagnostics of a command that reads the whole project: errors in full, and one line per kind of
    /// warning. With `--verbose` or a machine-readable format, prints all diagnostics in full.
    pub fn report_grouped_warnings(&self, file_diagnostics: &[FileDiagnostics]) {
        self.report_grouped_and_full(file_diagnostics, |_| true);
    }

    /// Prints the diagnostics of a command whose output is rows or SQL: repeated warnings with the same advice as one
    /// line per kind, and all other diagnostics in full.
    pub fn report_repeated_warnings(&self, file_diagnostics: &[FileDiagnostics]) {
        let repeated = frequent_warning_codes(&to_reports(file_diagnostics), 2);
        self.report_grouped_and_full(file_diagnostics, |kind| repeated.contains(&kind));
    }

    fn report_grouped_and_full(&self, file_diagnostics: &[FileDiagnostics], is_grouped: impl Fn(Code) -> bool) {
        if self.global.quiet || !self.should_group_warnings() {
            return self.report(file_diagnostics);
        }
        let summary = self.diagnostics_to_print(file_diagnostics);
        let [drawn, grouped] = self.format_with_grouped_warnings(&summary.diagnostics, Stream::Message, is_grouped);
        self.message(&drawn);
        self.report_affected_files(&summary);
        self.message(&grouped);
    }

    /// Returns whether the output is for people who did not request every warning.
    fn should_group_warnings(&self) -> bool {
        !self.global.verbose && self.global.output_format == DiagnosticFormat::Human
    }

    /// Returns two strings: the diagnostics that `is_grouped` does not select, in full, and the selected warnings, with
    /// one line per kind.
    fn format_with_grouped_warnings(
        &self,
        file_diagnostics: &[FileDiagnostics],
        stream: Stream,
        is_grouped: impl Fn(Code) -> bool,
    ) -> [String; 2] {
        let reports = to_reports(file_diagnostics);
        let select = |in_group: bool| -> Vec<Vec<Diagnostic>> {
            let is_selected = |d: &&Diagnostic| (!d.is_error() && is_grouped(d.kind())) == in_group;
            let files = file_diagnostics.iter();
            files
                .map(|file| file.diagnostics.iter().filter(is_selected).cloned().collect())
                .collect()
        };
        let (drawn, grouped) = (select(false), select(true));
        [
            self.format_diagnostics(&with_diagnostics(&reports, &drawn), stream),
            format_warning_groups(&with_diagnostics(&reports, &grouped)),
        ]
    }

    fn print_reports(&self, reports: &[Report<'_>]) {
        if reports.iter().any(|r| !r.diagnostics.is_empty()) {
            self.message(&self.format_diagnostics(reports, Stream::Message));
        }
    }

    /// Formats diagnostics in the selected format.
    pub fn format_diagnostics(&self, reports: &[Report<'_>], stream: Stream) -> String {
        match self.global.output_format {
            DiagnosticFormat::Human => human::format_reports(
                reports,
                stream,
                stream.is_colored(self.global.color),
                self.global.verbose,
            ),
            DiagnosticFormat::Concise => render::format_concise(reports),
            DiagnosticFormat::Json => json::to_text(&render::to_json(reports)),
            DiagnosticFormat::Github => render::format_github(reports),
            DiagnosticFormat::Sarif => render::json_text(&render::format_sarif(reports, env!("CARGO_PKG_VERSION"))),
        }
    }

    /// Reports why a command stopped. Also prints the reason as JSON if the command should print JSON but has not done
    /// so yet.
    pub fn report_failure(&self, failure: &Failure) -> Exit {
        if self.must_print_json.get() {
            let _ = self.print_json(&failure.to_json());
        }
        match failure {
            Failure::Found(diagnostics) => {
                self.report(diagnostics);
                Exit::from_failures(diagnostics)
            }
            Failure::Message(message) => {
                self.message(&message.to_string());
                message.exit
            }
        }
    }
}

/// Returns the errors of each source.
fn errors_by_source(file_diagnostics: &[FileDiagnostics]) -> Vec<Vec<Diagnostic>> {
    file_diagnostics
        .iter()
        .map(|f| f.diagnostics.iter().filter(|d| d.is_error()).cloned().collect())
        .collect()
}

/// Returns the same reports with different diagnostics.
fn with_diagnostics<'a>(reports: &[Report<'a>], diagnostics: &'a [Vec<Diagnostic>]) -> Vec<Report<'a>> {
    reports
        .iter()
        .zip(diagnostics)
        .map(|(report, diagnostics)| Report { diagnostics, ..*report })
        .collect()
}

/// Returns the diagnostics of several files as JSON.
pub fn diagnostics_json(file_diagnostics: &[FileDiagnostics]) -> Vec<Value> {
    render::reports_json(&to_reports(file_diagnostics))
}

/// Returns the diagnostics in borrowed form, for renderers.
pub fn to_reports(file_diagnostics: &[FileDiagnostics]) -> Vec<Report<'_>> {
    file_diagnostics.iter().map(FileDiagnostics::report).collect()
}
