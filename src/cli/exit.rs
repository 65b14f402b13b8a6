//! How the command ends.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::plurals::count;
use super::session::reports;
use super::source::SourceText;
use formulac::diag::render::{self, Report, visible};
use formulac::diag::{Code, Diagnostic};

/// The exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The input has errors, or a check does not hold.
    Faulty = 1,
    /// The command was called in a wrong way.
    Usage = 2,
    /// Somebody else's change is in the way.
    Conflict = 3,
    /// The user's role does not allow it.
    NotAllowed = 4,
    /// A file, an engine or dbt failed.
    Failed = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Done, unless one of the diagnostics is an error; what could not be read weighs more than what has faults,
    /// and somebody else's change more than those.
    pub fn from_diagnostics<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> Self {
        let of_one = |diagnostic: &Diagnostic| match diagnostic.kind() {
            Code::UnreadableFile | Code::EngineFailed => Self::Failed,
            Code::EditedByHand => Self::Conflict,
            _ if diagnostic.is_error() => Self::Faulty,
            _ => Self::Done,
        };
        diagnostics.into_iter().map(of_one).max_by_key(|exit| *exit as u8).unwrap_or(Self::Done)
    }

    /// The one that weighs more.
    pub fn worse(self, other: Self) -> Self {
        if other as u8 > self as u8 { other } else { self }
    }

    /// The same of several texts.
    pub fn from_all(found: &[FailureKind]) -> Self {
        Self::from_diagnostics(found.iter().flat_map(|f| &f.diagnostics))
    }
}

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// For a reason that stands in no source text.
    Message(Box<Message>),
    /// Since a file that it needs, such as the schema, has faults.
    Found(Vec<FailureKind>),
}

/// What is said of a failure.
#[derive(Debug)]
pub struct Message {
    pub exit: Exit,
    pub text: String,
    pub help: Option<String>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", visible(&self.text))?;
        self.help.iter().try_for_each(|help| writeln!(f, "help: {}", visible(help)))
    }
}

/// A text with what was found in it.
#[derive(Clone, Debug, Default)]
pub struct FailureKind {
    /// A path, or `<stdin>`, `<formula>`.
    pub file: String,
    pub text: String,
    pub diagnostics: Vec<Diagnostic>,
}

impl FailureKind {
    /// The same, borrowed as renderers take it.
    pub fn report(&self) -> Report<'_> {
        Report { file: &self.file, source: &self.text, diagnostics: &self.diagnostics }
    }
}

impl Failure {
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self::Message(Box::new(Message { exit, text: text.into(), help: None }))
    }

    /// A source is none, for the reason that it holds.
    pub fn from_source(source: SourceText) -> Self {
        let fault = source.fault.clone();
        Self::Found(vec![source.with_diagnostics(fault.into_iter().collect())])
    }

    /// With advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        if let Self::Message(message) = &mut self {
            message.help = Some(help.into());
        }
        self
    }

    /// The JSON of a command that stopped.
    pub fn object(&self) -> Value {
        let nothing = Vec::new();
        let (exit, text, help, found) = match self {
            Self::Message(message) => (message.exit, message.text.clone(), message.help.as_deref(), &nothing),
            Self::Found(found) => {
                let errors = found.iter().flat_map(|found| &found.diagnostics).filter(|fault| fault.is_error()).count();
                (Exit::from_all(found), count(errors, "error", "errors"), None, found)
            }
        };
        json!({
            "error": {"message": text, "help": help, "exit": exit as u8},
            "diagnostics": render::filed_objects(&reports(found)),
        })
    }

    /// A place could not be written, or not be looked at before that.
    pub fn io(what: &str, path: &str, error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, format!("cannot {what} `{path}`: {}", reason(error)))
    }
}

/// Why a file could not be read or written.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        std::io::ErrorKind::NotADirectory => "a part of the path is not a folder".to_owned(),
        _ => error.to_string(),
    }
}
