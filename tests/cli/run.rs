//! Runs the command in a separate folder for each test, and records the result.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use formulac::Dialect;

/// New, empty folder in which the command runs.
pub struct TestProject {
    folder: PathBuf,
    transcript: String,
}

/// Returns the text of an artifact that dbt 1.12 wrote.
pub fn artifact(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/artifacts/dbt_1_12");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Result of a run.
pub struct Run {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl TestProject {
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            transcript: String::new(),
        }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Writes an executable program for the test.
    #[cfg(unix)]
    pub fn program(&self, file: &str, text: &str) -> &Self {
        use std::os::unix::fs::PermissionsExt;

        self.write(file, text);
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Returns the sorted names of all files in the folder.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Returns a command that runs in the folder. The command does not inherit the environment variables that set
    /// colors, the width of the terminal, or formulac's user and environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
        command.args(args).current_dir(&self.folder).stdin(Stdio::null());
        for name in [
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "FORCE_COLOR",
            "COLUMNS",
            "TERM",
        ] {
            command.env_remove(name);
        }
        for name in ["FORMULAC_USER", "FORMULAC_ENV"] {
            command.env_remove(name);
        }
        // Test projects do not use dbt, unless the test sets this variable.
        command.env("FORMULAC_DBT", "no-such-dbt");
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        finish(self.command(args))
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, args: &[&str]) -> Run {
        let run = self.run(args);
        assert_eq!(run.exit, 0, "{args:?}\n{}{}", run.out, run.err);
        run
    }

    pub fn run_with(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> Run {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let text = stdin.as_ref().to_vec();
        // Ignore the error, because the command may stop reading before the end of the input.
        let writer = std::thread::spawn(move || drop(pipe.write_all(&text)));
        let run = Run::from_output(child.wait_with_output().unwrap());
        writer.join().unwrap();
        crate::json_output::check(args, &run.out);
        run
    }

    /// Runs the command and records all of its output for [`TestProject::transcript`].
    pub fn show(&mut self, args: &[&str]) -> &mut Self {
        let run = self.run(args);
        self.note(args, &run)
    }

    /// Runs the command with a string on standard input, and records all of its output.
    pub fn show_with(&mut self, args: &[&str], stdin: &str) -> &mut Self {
        let run = self.run_with(args, stdin);
        self.note(args, &run)
    }

    fn note(&mut self, args: &[&str], run: &Run) -> &mut Self {
        let shown: Vec<String> = args
            .iter()
            .map(|a| if is_plain(a) { (*a).to_owned() } else { format!("{a:?}") })
            .collect();
        let _ = writeln!(self.transcript, "$ formulac {}", shown.join(" "));
        let _ = write!(self.transcript, "{}", without_unverified_dialects(&run.out));
        if !run.err.is_empty() {
            let _ = write!(self.transcript, "[stderr]\n{}", without_unverified_dialects(&run.err));
        }
        let _ = writeln!(self.transcript, "[exit {}]\n", run.exit);
        self
    }

    /// Returns the recorded output, for a snapshot.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }
}

/// Removes the names and the lines of unverified dialects from an output, so that snapshots do not depend on them.
pub fn without_unverified_dialects(output: &str) -> String {
    let mut text = output.to_owned();
    for dialect in Dialect::all().filter(|dialect| dialect.unverified().is_some()) {
        let name = dialect.name();
        let is_own = |line: &str| line.trim_start_matches([' ', '"']).starts_with(name);
        let lines = text
            .split_inclusive('\n')
            .filter(|line| !is_own(line) || line.contains(']'));
        text = lines.collect();
        // A line break is allowed before each name in a list.
        let mut parts = text.split(name);
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match kept.trim_end().strip_suffix(',').map(str::len) {
                Some(end) => kept.truncate(end),
                None => kept.push_str(name),
            }
            kept.push_str(part);
        }
        text = kept;
    }
    text
}

fn is_plain(argument: &str) -> bool {
    !argument.is_empty()
        && argument
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./=,".contains(c))
}

/// Runs a command until it ends. Checks JSON output against its schema.
pub fn finish(mut command: Command) -> Run {
    let run = Run::from_output(command.output().unwrap());
    let args: Vec<&str> = command.get_args().filter_map(|arg| arg.to_str()).collect();
    crate::json_output::check(&args, &run.out);
    run
}

impl Run {
    fn from_output(output: std::process::Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Parses standard output, which must be a single JSON object.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}
