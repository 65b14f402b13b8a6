//! Shows the progress of the command to waiting users.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::DiagnosticFormat;
use super::session::{Session, Stream};

/// Starts a progress bar with `count` steps. Shows nothing if the output is not a terminal.
pub fn start_progress_bar(session: &Session, count: usize, message: &'static str) -> ProgressBar {
    let target = match ProgressOutput::from_session(session) {
        ProgressOutput::Terminal => ProgressDrawTarget::stderr(),
        ProgressOutput::Lines | ProgressOutput::Nowhere => ProgressDrawTarget::hidden(),
    };
    let style =
        ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count as u64), target)
        .with_style(style)
        .with_message(message)
}

/// Destination of progress messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProgressOutput {
    Terminal,
    /// Standard error is redirected to a file or a program that keeps each line.
    Lines,
    /// Progress is hidden, because a program reads the messages or the user requested no messages.
    Nowhere,
}

impl ProgressOutput {
    fn from_session(session: &Session) -> Self {
        match session.global.output_format {
            _ if session.global.quiet => Self::Nowhere,
            DiagnosticFormat::Human | DiagnosticFormat::Concise if Stream::Message.is_terminal() => Self::Terminal,
            DiagnosticFormat::Human | DiagnosticFormat::Concise => Self::Lines,
            DiagnosticFormat::Json | DiagnosticFormat::Github | DiagnosticFormat::Sarif => Self::Nowhere,
        }
    }
}

/// Progress display while another program runs: a spinner on a terminal, otherwise a single printed line.
#[derive(Debug)]
pub struct ProgressIndicator {
    line: ProgressOutput,
    last: RefCell<String>,
}

impl ProgressIndicator {
    pub fn new(session: &Session) -> Self {
        Self {
            line: ProgressOutput::from_session(session),
            last: RefCell::default(),
        }
    }

    /// Runs `work`, which may take seconds, and shows progress.
    pub fn show_progress_during<T>(&self, progress_message: &str, work: impl FnOnce() -> T) -> T {
        let message = formulac::diag::render::escape_hidden(progress_message);
        match self.line {
            ProgressOutput::Nowhere => work(),
            ProgressOutput::Lines => {
                if *self.last.borrow() != *message {
                    // Ignore the error, because a failure to print cannot be reported elsewhere.
                    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message} …\n").as_bytes());
                    self.last.replace(message.into_owned());
                }
                work()
            }
            ProgressOutput::Terminal => {
                let style = ProgressStyle::with_template("{spinner} {msg} … {elapsed}");
                let spinner = ProgressBar::new_spinner().with_message(message.into_owned());
                let spinner = spinner.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                spinner.enable_steady_tick(Duration::from_millis(120));
                let output = work();
                spinner.finish_and_clear();
                output
            }
        }
    }
}
