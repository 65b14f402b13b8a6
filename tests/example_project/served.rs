//! Checks that the server that runs dbt for the tests (`tests/oracle/dbt_client.py`) gives the same output and exit
//! status as dbt itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tools::{tool, write};
use crate::{DATABASE, create_project, dbt_settings};

/// Returns the output and the exit status of a call. Numbers are masked, because they are times.
fn run_and_mask(dbt: &Path, project: &Path, args: &[&str]) -> [String; 3] {
    let mut command = Command::new(dbt);
    dbt_settings(command.args(args), project);
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: &[u8]| {
        let mut text = String::from_utf8_lossy(bytes).replace(|c: char| c.is_ascii_digit(), "0");
        while text.contains("00") {
            text = text.replace("00", "0");
        }
        text
    };
    [output.status.to_string(), text(&output.stdout), text(&output.stderr)]
}

#[test]
fn the_dbt_server_returns_the_output_of_dbt() {
    let (Some(served), Some(unserved)) = (tool("FORMULAC_DBT"), tool("FORMULAC_DBT_UNSERVED")) else {
        return;
    };
    let project = create_project("served");
    write(&project.join("models/wrong.sql"), "select * from nothing");
    let calls: [(&[&str], &str, &str); 4] = [
        (&["build", "--selec"], "exit status: 2", "No such option"),
        (&["--no-use-colors", "debug"], "exit status: 0", "All checks passed"),
        (
            &["--no-use-colors", "--no-partial-parse", "seed", "--threads", "1"],
            "exit status: 0",
            "subscriptions",
        ),
        (
            &["--no-use-colors", "run", "--select", "wrong"],
            "exit status: 1",
            "nothing does not exist",
        ),
    ];
    for (args, status, part) in calls {
        let [by_served, by_itself] = [&served, &unserved].map(|dbt| run_and_mask(dbt, &project, args));
        assert_eq!(by_served, by_itself, "{args:?}");
        assert!(
            by_itself[0] == status && by_itself.concat().contains(part),
            "{args:?}: {by_itself:?}"
        );
    }
}

/// Returns `true` if another process has the database open, that is, if it holds a lock. The function only checks the
/// lock without taking it, so that it does not block a process that is about to open the database.
fn is_open(python: &Path, database: &Path) -> bool {
    const ASK: &str = "import fcntl, struct, sys
layout = 'hhqqi4x'
asked = struct.pack(layout, fcntl.F_WRLCK, 0, 0, 0, 0)
held = struct.unpack(layout, fcntl.fcntl(open(sys.argv[1], 'rb+'), fcntl.F_GETLK, asked))
sys.exit(10 if held[0] != fcntl.F_UNLCK else 0)";
    let mut command = Command::new(python);
    command.args(["-c", ASK]).arg(database);
    let status = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success() || status.code() == Some(10), "{command:?}: {status}");
    !status.success()
}

fn wait_until(description: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(120), "{description}: not so");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_signal_ends_a_served_dbt_and_its_query() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let python = dbt.with_file_name("python");
    let project = create_project("served_signals");
    let endless = "select sum(hash(a.range * b.range)) as total from range(1000000) a, range(1000000) b";
    for (status, signal) in [("signal: 9", "-KILL"), ("signal: 15", "-TERM")] {
        let mut command = Command::new(&dbt);
        command.args(["show", "--inline", endless]).stdout(Stdio::null());
        let mut child = dbt_settings(&mut command, &project)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let database = project.join(DATABASE);
        wait_until("the query runs", || {
            assert_eq!(
                child.try_wait().expect("it can be asked"),
                None,
                "dbt ended before the query ran"
            );
            database.is_file() && is_open(&python, &database)
        });
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        assert!(
            child.wait().expect("it ends").to_string().starts_with(status),
            "{status}"
        );
        wait_until("the database is closed", || !is_open(&python, &database));
    }
}
