//! Runs batches on the engines, one process per engine, two at a time.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs, thread};

use formulac::Dialect;
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::files::output_folder;

/// Result of one query, or the engine's error.
pub type Answer = Result<Table, String>;

#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<String>,
    pub types: Vec<String>,
    pub rows: Vec<Vec<Json>>,
}

pub enum Run {
    Done(Vec<Answer>),
    /// The engine is not installed. The string is the reason.
    Missing(String),
}

/// Exit status of `oracle.py` if the engine is not installed.
pub const NOT_INSTALLED: i32 = 3;

/// Lock that prevents the tests of this binary from running at the same time, because each test starts up to two
/// engines.
static TURN: Mutex<()> = Mutex::new(());

/// Running process of each engine. Processes are reused, because an engine takes seconds to start.
static PROCESSES: Mutex<BTreeMap<String, Process>> = Mutex::new(BTreeMap::new());

/// Process that runs batches on an engine.
struct Process {
    _child: Child,
    batches: ChildStdin,
    replies: BufReader<ChildStdout>,
}

/// Returns `true` if the engine only emulates the warehouse (see tests/oracle/README.md).
pub fn is_emulator(dialect: Dialect) -> bool {
    dialect.name() == "snowflake"
}

/// Returns the description of the program that runs the SQL of a dialect in the tests.
pub fn describe_engine(dialect: Dialect) -> &'static str {
    match dialect.name() {
        "bigquery" => "the reference evaluator",
        _ if is_emulator(dialect) => "an emulator",
        _ => "the engine",
    }
}

/// Runs all batches, and returns the results in the order of the batches.
pub fn run_all(suite: &str, batches: &[(Dialect, Batch)]) -> Vec<Run> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = Mutex::new((0..batches.len()).rev().collect::<Vec<_>>());
    let finished = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic while locked").pop();
                    let Some((dialect, batch)) = next.and_then(|at| batches.get(at)) else {
                        break;
                    };
                    let run = run(suite, dialect.name(), batch);
                    finished.lock().expect("no panic while locked").push((next, run));
                }
            });
        }
    });
    let mut finished = finished.into_inner().expect("the engine threads ended well");
    finished.sort_by_key(|(at, _)| *at);
    finished.into_iter().map(|(_, run)| run).collect()
}

fn run(suite: &str, engine: &str, batch: &Batch) -> Run {
    if batch.len() == 0 {
        return Run::Done(Vec::new());
    }
    let Some(python) = python() else {
        return Run::Missing("no Python environment; run tests/setup.sh".to_owned());
    };
    let questions = output_folder().join(format!("{suite}-{engine}.jsonl"));
    let answers = output_folder().join(format!("{suite}-{engine}-answers.jsonl"));
    fs::write(&questions, batch.to_text()).expect("the batch can be written");
    let processes = || PROCESSES.lock().unwrap_or_else(PoisonError::into_inner);
    let started = processes().remove(engine);
    let mut process = started.unwrap_or_else(|| start(&python, engine));
    let (status, message) = process.run(&questions, &answers);
    processes().insert(engine.to_owned(), process);
    if status == NOT_INSTALLED {
        return Run::Missing(message);
    }
    assert_eq!(status, 0, "the {engine} runner failed:\n{message}");
    let text = fs::read_to_string(&answers).expect("the runner wrote its answers");
    let answers: Vec<Answer> = text.split('\n').filter(|line| !line.is_empty()).map(read).collect();
    assert_eq!(answers.len(), batch.len(), "{engine} must answer every query");
    Run::Done(answers)
}

/// Starts `oracle.py`, which runs batches until its standard input is closed at the end of this process.
fn start(python: &Path, engine: &str) -> Process {
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.py"))
        .args(["--engine", engine, "--serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if env::var_os("FORMULAC_ORACLE_CACHE").is_none() {
        command.env("FORMULAC_ORACLE_CACHE", default_home().join("cache"));
    }
    let mut child = command.spawn().expect("the engine runner starts");
    let batches = child.stdin.take().expect("standard input is a pipe");
    let replies = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    Process {
        _child: child,
        batches,
        replies,
    }
}

impl Process {
    /// Runs a batch, and returns the exit status and the error message.
    fn run(&mut self, questions: &Path, answers: &Path) -> (i32, String) {
        writeln!(self.batches, "{}", json!([questions, answers])).expect("the engine runner reads batches");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("the engine runner replies");
        serde_json::from_str(&reply).expect("the engine runner prints its errors")
    }
}

pub fn python() -> Option<PathBuf> {
    let given = env::var_os("FORMULAC_PYTHON").map(PathBuf::from);
    let path = given.unwrap_or_else(|| default_home().join("engines/bin/python"));
    Some(path).filter(|path| path.exists())
}

/// Returns the default installation folder of tests/setup.sh.
fn default_home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools")
}

fn read(line: &str) -> Answer {
    let json: Json = serde_json::from_str(line).expect("the runner writes JSON lines");
    if let Some(error) = json.get("error").and_then(Json::as_str) {
        return Err(error.to_owned());
    }
    let list = |key: &str| json.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
    let texts = |key: &str| -> Vec<String> { list(key).iter().filter_map(Json::as_str).map(str::to_owned).collect() };
    let rows = list("rows").iter().filter_map(Json::as_array).cloned().collect();
    Ok(Table {
        columns: texts("columns"),
        types: texts("types"),
        rows,
    })
}

/// Prints a clear message that the checks for an engine are skipped. Fails instead if `FORMULAC_REQUIRE_ENGINES` is
/// set.
pub fn announce_missing(dialect: Dialect, reason: &str, checks: usize) {
    require(&format!(
        "SKIPPED {}: {checks} checks are not run: {reason}",
        dialect.name()
    ));
}

/// Prints a clear message about skipped checks. Fails if engines are required.
pub fn require(message: &str) {
    print_directly(message);
    let required = env::var("FORMULAC_REQUIRE_ENGINES").is_ok_and(|v| !v.is_empty() && v != "0");
    assert!(!required, "{message} (and FORMULAC_REQUIRE_ENGINES is set)");
}

/// Prints directly to standard error, because the test runner hides the output of passing tests.
pub fn print_directly(text: &str) {
    let mut out = std::io::stderr().lock();
    // Ignore the error if standard error is closed.
    let _ = writeln!(out, "{text}");
}
