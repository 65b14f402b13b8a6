//! Reads the results of a run from dbt's log.

use formulac::artifacts::RunResults;

/// Returns the log entries of a command, each with its thread and message.
fn entries(target: &str, command: &str, middle: &[(&str, &str)]) -> Vec<(String, String)> {
    let entry = |thread: &str, message: String| (thread.to_owned(), message);
    let arguments =
        format!("running dbt with arguments {{'debug': 'False', 'target_path': '{target}', 'empty': 'False'}}");
    let mut all = vec![
        entry("MainThread", "Running with dbt=1.12.6".to_owned()),
        entry("MainThread", arguments),
    ];
    all.extend(
        middle
            .iter()
            .map(|(thread, message)| entry(thread, (*message).to_owned())),
    );
    all.push(entry(
        "MainThread",
        format!("Command `dbt {command}` succeeded at 16:36:34.742795 after 28.11 seconds"),
    ));
    all
}

/// Returns the entries in both formats of dbt's log.
fn logs(entries: &[(String, String)]) -> [String; 2] {
    let text = |(thread, message): &(String, String)| {
        format!("\u{1b}[0m16:36:33.656652 [info ] [{thread:.10}]: {message}\nselect '1 of 7 FAIL 1 of SQL'\n")
    };
    let json = |(thread, message): &(String, String)| {
        let entry = serde_json::json!({"data": {}, "info": {"level": "info", "msg": message, "thread": thread}});
        format!("{entry}\n")
    };
    [entries.iter().map(text).collect(), entries.iter().map(json).collect()]
}

/// Returns the status of each node in the last run that did not set a target folder.
fn last_run_statuses(log: &str) -> Option<Vec<(String, String)>> {
    let run = RunResults::from_log(log, |target| target.is_none())?;
    let result = |run_result: &formulac::artifacts::RunResult| {
        (run_result.unique_id.to_string(), run_result.status.name().to_owned())
    };
    Some(run.results.iter().map(result).collect())
}

#[test]
fn the_last_run_is_found_before_later_commands() {
    let (one, two) = ("Thread-1 (worker)", "Thread-2 (worker)");
    let build = [
        (one, "Began running node model.shop.a"),
        (one, "1 of 7 START sql view model main.a ...... [RUN]"),
        (
            one,
            "1 of 7 OK created sql view model main.a ...... [\u{1b}[32mOK\u{1b}[0m in 0.96s]",
        ),
        (one, "Finished running node model.shop.a"),
        (two, "2 of 7 START test not_null_a_b ..... [RUN]"),
        (one, "3 of 7 PASS not_null_a_id ..... [PASS in 0.86s]"),
        (two, "2 of 7 FAIL 1 not_null_a_b ..... [FAIL 1 in 0.90s]"),
        (two, "Finished running node test.shop.not_null_a_b.52"),
        (one, "Finished running node test.shop.not_null_a_id.c1"),
        (two, "4 of 7 WARN 1 warny ..... [WARN 1 in 0.28s]"),
        (two, "Finished running node test.shop.warny.fe"),
        (
            one,
            "5 of 7 ERROR creating sql view model main.bad ..... [ERROR in 0.28s]",
        ),
        (one, "Finished running node model.shop.bad"),
        (one, "6 of 7 SKIP relation main.skipped ..... [SKIP]"),
        (one, "Finished running node model.shop.skipped"),
    ];
    let mut all = entries("None", "build", &build[..4]);
    all.extend(entries("None", "build", &build));
    // `docs generate` only compiles, and a build with another target folder is a separate build.
    all.extend(entries(
        "None",
        "docs generate",
        &[(one, "Finished running node model.shop.a")],
    ));
    all.extend(entries("target/prod", "build", &build[..4]));
    let expected = [
        ("model.shop.a", "success"),
        ("test.shop.not_null_a_b.52", "fail"),
        ("test.shop.not_null_a_id.c1", "pass"),
        ("test.shop.warny.fe", "warn"),
        ("model.shop.bad", "error"),
        ("model.shop.skipped", "skipped"),
    ]
    .map(|(id, status)| (id.to_owned(), status.to_owned()));
    for log in logs(&all) {
        assert_eq!(last_run_statuses(&log).as_deref(), Some(&expected[..]), "{log}");
        // The log contains either no run or a complete run, regardless of where it is truncated.
        for end in (0..log.len()).filter(|end| log.is_char_boundary(*end)).step_by(7) {
            let (before, after) = log.split_at(end);
            last_run_statuses(before);
            last_run_statuses(after);
        }
    }
    for log in logs(&entries("None", "docs generate", &build))
        .iter()
        .chain(&[String::new(), "{\n[] []: \n".to_owned()])
    {
        assert_eq!(last_run_statuses(log), None);
    }
}
