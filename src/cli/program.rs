//! Runs external programs to completion, without a shell.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use formulac_syntax::text::format_count;

use crate::cli::exit::{Exit, Failure};

/// Interval at which a program with a time limit is checked for completion.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// An external program that formulac runs.
#[derive(Debug)]
pub struct ExternalProgram {
    /// Name of the program, as found in `PATH`.
    pub name: &'static str,
    /// Environment variable that overrides the program's location.
    pub variable: &'static str,
    /// Instructions to install the program.
    pub install: &'static str,
}

/// Output of a program.
#[derive(Debug)]
pub struct ProgramOutput {
    pub succeeded: bool,
    pub out: String,
    pub err: String,
}

impl ProgramOutput {
    fn new(status: ExitStatus, out: &[u8], err: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            succeeded: status.success(),
            out: text(out),
            err: text(err),
        }
    }
}

impl ExternalProgram {
    /// Returns whether the program exists in `PATH` or at the location that its environment variable specifies.
    pub fn is_installed(&self) -> bool {
        let variable = std::env::var_os(self.variable).filter(|path| !path.is_empty());
        let name = PathBuf::from(variable.unwrap_or_else(|| OsString::from(self.name)));
        if name.components().count() > 1 {
            return name.is_file();
        }
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| {
            let path = folder.join(&name);
            path.is_file() || path.with_extension("exe").is_file()
        })
    }

    /// Returns the program's version, which is the first number with dots in the output of `--version`. `None` if the
    /// program cannot be run.
    pub fn version(&self) -> Option<String> {
        let output = self
            .run(self.command().arg("--version"), "")
            .ok()
            .filter(|output| output.succeeded)?;
        let words = output.out.split(|c: char| c.is_whitespace() || c == ',');
        let is_version = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
        words
            .map(|word| word.trim_start_matches('v'))
            .find(is_version)
            .map(str::to_owned)
    }

    /// Creates a command that runs the program. The program stays in the process group of this command, so that
    /// Ctrl-C ends both.
    pub fn command(&self) -> Command {
        let variable = std::env::var_os(self.variable).filter(|path| !path.is_empty());
        // Make a relative path absolute, because the program may be started in another folder.
        let path = match variable {
            Some(path) if PathBuf::from(&path).components().count() > 1 => {
                std::path::absolute(&path).map_or(path, PathBuf::into_os_string)
            }
            Some(name) => name,
            None => OsString::from(self.name),
        };
        let mut command = Command::new(path);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to completion, with `input` as its standard input.
    pub fn run(&self, command: &mut Command, input: &str) -> Result<ProgramOutput, Failure> {
        let output = run_to_completion(command, input).map_err(|error| self.program_start_failure(&error))?;
        Ok(ProgramOutput::new(output.status, &output.stdout, &output.stderr))
    }

    /// Runs the program, and ends it if it takes longer than `limit`.
    pub fn run_with_limit(&self, command: &mut Command, limit: Duration) -> Result<ProgramOutput, Failure> {
        let start = Instant::now();
        let mut child = command.spawn().map_err(|error| self.program_start_failure(&error))?;
        let (out, err) = (read_in_thread(child.stdout.take()), read_in_thread(child.stderr.take()));
        let remaining = || limit.saturating_sub(start.elapsed());
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    // A child process of the program may still hold the pipe open, so do not wait longer than the time
                    // limit.
                    let read = |pipe: Receiver<Vec<u8>>| pipe.recv_timeout(remaining().max(POLL_INTERVAL));
                    let [out, err] = [out, err].map(|pipe| read(pipe).unwrap_or_default());
                    return Ok(ProgramOutput::new(status, &out, &err));
                }
                Ok(None) if !remaining().is_zero() => std::thread::sleep(POLL_INTERVAL),
                // Do not wait for the output, because a child process may hold the pipe open.
                Ok(None) => {
                    let _ = child.kill().and_then(|()| child.wait());
                    let seconds = format_count(limit.as_secs(), "second", "seconds");
                    let text = format!("`{}` did not finish within {seconds}", self.name);
                    return Err(Failure::new(Exit::Failed, text));
                }
                Err(error) => return Err(self.program_start_failure(&error)),
            }
        }
    }

    /// Returns the failure for a program that cannot be started.
    pub fn program_start_failure(&self, error: &io::Error) -> Failure {
        let name = self.name;
        let (text, help) = match error.kind() {
            io::ErrorKind::NotFound => (format!("the program `{name}` was not found"), self.install.to_owned()),
            io::ErrorKind::ArgumentListTooLong => (
                format!("the SQL is too long for the command line of `{name}`"),
                "split the spec into several models".to_owned(),
            ),
            _ => (format!("cannot start `{name}`: {error}"), self.install.to_owned()),
        };
        Failure::new(Exit::Failed, text)
            .with_help(format!("{help}, or set {} to the path of the program", self.variable))
    }
}

/// Reads a pipe to its end in another thread, so that the program never waits for a full pipe.
fn read_in_thread(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // Ignore the error, because the exit status shows whether the program failed.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // Ignore the error, because the receiver no longer exists if the program took too long.
        let _ = sender.send(bytes);
    });
    receiver
}

fn run_to_completion(command: &mut Command, input: &str) -> io::Result<std::process::Output> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn()?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        if let Some(mut pipe) = pipe {
            // Ignore the error, because a program that stops reading its input reports the reason itself.
            scope.spawn(move || pipe.write_all(input.as_bytes()));
        }
        child.wait_with_output()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn programs_with_a_time_limit_end() {
        let shell = ExternalProgram {
            name: "sh",
            variable: "FORMULAC_NO_SUCH_VARIABLE",
            install: "",
        };
        let run = |script: &str, limit: Duration| shell.run_with_limit(shell.command().args(["-c", script]), limit);
        let output = run("echo out; echo err >&2; exit 3", Duration::from_secs(60)).unwrap();
        assert_eq!(
            (output.succeeded, &*output.out, &*output.err),
            (false, "out\n", "err\n")
        );
        let start = Instant::now();
        let failure = run("exec sleep 600", Duration::from_secs(1)).unwrap_err();
        assert_eq!(failure.reason(), "`sh` did not finish within 1 second");
        // A process in the background keeps the output open after the program has ended.
        let output = run("sleep 600 & exit 0", Duration::from_secs(1)).unwrap();
        assert!(output.succeeded);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
