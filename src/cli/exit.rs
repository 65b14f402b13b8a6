//! Result of a command: exit status and failures.

use std::fmt;
use std::process::ExitCode;

use formulac_syntax::text::{collapse_whitespace, format_count};
use serde_json::{Value, json};

use super::session::diagnostics_json;
use super::source::SourceText;
use formulac::diag::render::{Report, escape_hidden};
use formulac::diag::{Code, Diagnostic};

/// Exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Done = 0,
    /// The input has errors, or a check fails.
    Faulty = 1,
    /// The command line is invalid.
    Usage = 2,
    /// The command conflicts with someone else's change.
    Conflict = 3,
    /// The user's role does not allow the command.
    NotAllowed = 4,
    /// A file could not be read or written, or an engine or dbt failed.
    Failed = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Returns the exit status for diagnostics: `Done` unless one of them is an error. Files that could not be read
    /// take precedence over conflicts with someone else's changes, and conflicts take precedence over errors in the
    /// input.
    pub fn from_diagnostics<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> Self {
        let of_one = |diagnostic: &Diagnostic| match diagnostic.kind() {
            Code::UnreadableFile | Code::EngineFailed => Self::Failed,
            Code::EditedByHand => Self::Conflict,
            _ if diagnostic.is_error() => Self::Faulty,
            _ => Self::Done,
        };
        diagnostics
            .into_iter()
            .map(of_one)
            .max_by_key(|exit| *exit as u8)
            .unwrap_or(Self::Done)
    }

    /// Returns the more serious of two exit statuses.
    pub fn most_severe(self, other: Self) -> Self {
        if other as u8 > self as u8 { other } else { self }
    }

    /// Returns the exit status for the diagnostics of several sources.
    pub fn from_failures(file_diagnostics: &[FileDiagnostics]) -> Self {
        Self::from_diagnostics(file_diagnostics.iter().flat_map(|f| &f.diagnostics))
    }
}

/// Reason why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Failure without a position in a source.
    Message(Box<FailureMessage>),
    /// Failure because of errors in a file that the command needs, such as the schema.
    Found(Vec<FileDiagnostics>),
}

/// Message of a failure, with its exit status and help.
#[derive(Debug)]
pub struct FailureMessage {
    pub exit: Exit,
    pub text: String,
    pub help: Option<String>,
}

impl fmt::Display for FailureMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", escape_hidden(&self.text))?;
        self.help
            .iter()
            .try_for_each(|help| writeln!(f, "help: {}", escape_hidden(help)))
    }
}

/// A source, and the diagnostics for it.
#[derive(Clone, Debug, Default)]
pub struct FileDiagnostics {
    /// Path of the file, `<stdin>` or `<formula>`.
    pub file: String,
    pub text: String,
    pub diagnostics: Vec<Diagnostic>,
}

impl FileDiagnostics {
    /// Returns the diagnostics in the borrowed form that renderers accept.
    pub fn report(&self) -> Report<'_> {
        Report {
            file: &self.file,
            source: &self.text,
            diagnostics: &self.diagnostics,
        }
    }
}

impl Failure {
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self::Message(Box::new(FailureMessage {
            exit,
            text: text.into(),
            help: None,
        }))
    }

    /// Creates a failure from a source that could not be read. The source contains the reason.
    pub fn from_source(source: SourceText) -> Self {
        let fault = source.fault.clone();
        Self::Found(vec![source.with_diagnostics(fault.into_iter().collect())])
    }

    /// Adds help text to the failure.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        if let Self::Message(message) = &mut self {
            message.help = Some(help.into());
        }
        self
    }

    /// Changes the message of the failure. Diagnostics of sources stay as they are.
    pub fn map_message(mut self, change: impl FnOnce(&mut FailureMessage)) -> Self {
        if let Self::Message(message) = &mut self {
            change(message);
        }
        self
    }

    /// Returns the reason why the command stopped, on one line.
    pub fn reason(&self) -> String {
        let text = match self {
            Self::Message(message) => message.text.as_str(),
            Self::Found(file_diagnostics) => {
                let mut diagnostics = file_diagnostics.iter().flat_map(|file| &file.diagnostics);
                diagnostics.next().map_or("an error in a file", Diagnostic::message)
            }
        };
        collapse_whitespace(text)
    }

    /// Returns the JSON output of a command that stopped.
    pub fn to_json(&self) -> Value {
        let nothing = Vec::new();
        let (exit, text, help, diagnostics) = match self {
            Self::Message(message) => (message.exit, message.text.clone(), message.help.as_deref(), &nothing),
            Self::Found(file_diagnostics) => {
                let errors = file_diagnostics
                    .iter()
                    .flat_map(|file_diagnostics| &file_diagnostics.diagnostics)
                    .filter(|fault| fault.is_error())
                    .count();
                (
                    Exit::from_failures(file_diagnostics),
                    format_count(errors, "error", "errors"),
                    None,
                    file_diagnostics,
                )
            }
        };
        json!({
            "error": {"message": text, "help": help, "exit": exit as u8},
            "diagnostics": diagnostics_json(diagnostics),
        })
    }

    /// Creates a failure for a path that could not be written or inspected.
    pub fn from_io(action: &str, path: &str, error: &std::io::Error) -> Self {
        Self::new(
            Exit::Failed,
            format!("cannot {action} `{path}`: {}", io_error_reason(error)),
        )
    }
}

/// Returns the reason why a file could not be read or written.
pub fn io_error_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the file does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "the path is a folder".to_owned(),
        std::io::ErrorKind::NotADirectory => "a part of the path is not a folder".to_owned(),
        _ => error.to_string(),
    }
}
