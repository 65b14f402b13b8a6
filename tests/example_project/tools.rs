//! Functions for files and for running other programs.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::project;

/// Returns the program that an environment variable specifies. If the variable is not set, prints a message directly to
/// standard error, because the test harness would hide it.
pub fn tool(variable: &str) -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let path = set(variable).map(PathBuf::from);
    if path.is_none() {
        assert!(
            set("FORMULAC_REQUIRE_ENGINES").is_none(),
            "{variable} is not set, and FORMULAC_REQUIRE_ENGINES is"
        );
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        writeln!(
            io::stderr(),
            "SKIPPED {}::{test}: {variable} is not set",
            env!("CARGO_CRATE_NAME")
        )
        .expect("standard error is open");
    }
    path
}

/// Returns an empty folder that only this test uses. The folder is kept after the test so that it can be inspected.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(env!("CARGO_CRATE_NAME"))
        .join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

/// Copies a project without the files that dbt writes when it runs.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("an entry has a name");
        if is_left_by_dbt(&path) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }
}

fn is_left_by_dbt(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // `build` is the target path of a fixture. Git's own files do not belong to the project.
    [
        "target",
        "build",
        "logs",
        "dbt_packages",
        "package-lock.yml",
        ".user.yml",
        ".git",
    ]
    .contains(&name)
        || [".duckdb", ".duckdb.wal"].iter().any(|end| name.ends_with(end))
}

/// Returns the files of a project by their relative paths, without the files that dbt writes when it runs.
pub fn files_below(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())) {
            let path = entry.expect("a readable folder").path();
            if is_left_by_dbt(&path) {
            } else if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("a path below it")
                    .to_string_lossy()
                    .into_owned();
                found.insert(name, project::read(&path));
            }
        }
    }
    found
}

/// Returns the contents of the files in a folder, keyed by file name.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files = entries.map(|entry| entry.expect("a readable folder").path());
    files
        .map(|file| (file.clone(), fs::read(file).expect("a readable file")))
        .collect()
}

pub fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_str(&project::read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn run(command: &mut Command) -> Output {
    run_with_input(command, "")
}

/// Runs a program that must succeed.
pub fn run_with_input(command: &mut Command, input: &str) -> Output {
    let output = try_with_input(command, input);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}\n{stderr}",
        output.status
    );
    output
}

/// Runs a program. The input must be small enough for the buffer of a pipe.
pub fn try_with_input(command: &mut Command, input: &str) -> Output {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut pipe = child.stdin.take().expect("standard input is a pipe");
    pipe.write_all(input.as_bytes())
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    drop(pipe);
    child.wait_with_output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

pub fn json_lines(values: &[Value]) -> String {
    values
        .iter()
        .flat_map(|value| [value.to_string(), "\n".to_owned()])
        .collect()
}

/// Returns the results of a batch, by query id.
pub fn answers(output: &[u8]) -> BTreeMap<String, Value> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let values = lines.map(|line| serde_json::from_slice::<Value>(line).expect("a line of JSON"));
    values.map(|answer| (project::text(&answer["id"]), answer)).collect()
}

fn server_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/example_project/postgres_server.py")
}

/// A Postgres server that only this test uses, and that is stopped at the end of the test.
pub struct Server {
    child: Child,
    /// Folder that contains the server's socket.
    pub folder: String,
}

impl Server {
    pub fn start(python: &Path) -> Self {
        Self::start_with(python, &[])
    }

    /// Starts a server with these environment variables, which may specify different binaries.
    pub fn start_with(python: &Path, variables: &[(&str, &Path)]) -> Self {
        let mut command = Command::new(python);
        command
            .arg(server_script())
            .arg("serve")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut folder = String::new();
        let out = child.stdout.as_mut().expect("standard output is a pipe");
        io::BufReader::new(out).read_line(&mut folder).expect("a line");
        assert!(!folder.trim().is_empty(), "no Postgres server has started");
        Self {
            child,
            folder: folder.trim().to_owned(),
        }
    }

    /// Returns the command that runs queries on the server and prints their rows.
    pub fn reader(&self, python: &Path) -> Command {
        let mut reader = Command::new(python);
        reader.arg(server_script()).arg("rows").arg(&self.folder);
        reader
    }
}

impl Drop for Server {
    /// The server stops when its standard input is closed.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// File name of the example's DuckDB database.
pub const DATABASE: &str = "subscription_business.duckdb";

/// Sets the environment of a dbt run in this project, so that it is the same on every machine.
pub fn dbt_settings<'c>(command: &'c mut Command, project: &Path) -> &'c mut Command {
    command
        .current_dir(project)
        .env("DBT_PROFILES_DIR", project)
        .env("DBT_DUCKDB_PATH", DATABASE)
        .env("DBT_TARGET", "dev")
        .env("DBT_SCHEMA", "analytics")
        .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        .env("DBT_NO_VERSION_CHECK", "1")
        .env("DO_NOT_TRACK", "1");
    for variable in ["DBT_PROJECT_DIR", "DBT_TARGET_PATH", "DBT_LOG_PATH"] {
        command.env_remove(variable);
    }
    command
}
