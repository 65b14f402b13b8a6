//! Tests the options that formulac passes on to dbt, and the message that it prints while it waits for dbt.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::repository::{begin, commit};
use crate::run::{Run, TestProject, finish};

/// Stand-in for dbt. The program waits until the test allows it to continue, then records its arguments and its
/// profiles folder.
const DBT: &str = r#"#!/bin/sh
while [ -n "$WAIT_FOR" ] && [ ! -e "$WAIT_FOR" ]; do sleep 0.05; done
printf '%s | %s\n' "$(echo "$*" | tr -d '\n')" "$DBT_PROFILES_DIR" >> "$ASKED"
for side in 1 2; do
echo '{"info":{"name":"JinjaLogInfo"},"data":{"msg":"formulac [true, [[\"country\",\"text\"],[\"revenue\",\"integer\"]]]"}}'
done
echo '{"info":{"name":"ShowNode"},"data":{"preview":"[{\"country\": \"at\", \"revenue\": 3}]"}}'
"#;
const PROJECT: &str = "\
dialect: duckdb
specs: metrics/
environments:
  development: {connection: dev, vars: {day: 1}}
  production: {connection: prod, branch: main, protected: true}
";

/// Commands that start dbt.
const STARTS: [&[&str]; 5] = [
    &["preview", "metrics/revenue.yml"],
    &["verify"],
    &["generate", "--validate"],
    &["push", "--yes"],
    &["env", "diff", "production", "--rows"],
];

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", PROJECT)
        .write("dbt_project.yml", "name: shop\nprofile: shop\n");
    let spec = "model: revenue\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
    project
        .write("metrics/revenue.yml", spec)
        .write(".gitignore", "/target/\n/dbt\n/asked.txt\n/let\n.formulac/local/\n");
    let node = r#""model.shop.revenue": {"resource_type": "model", "name": "revenue", "package_name": "shop", "relation_name": "\"db\".\"prod\".\"revenue\""}"#;
    let metadata = r#""metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}"#;
    project.write(
        "target/production/manifest.json",
        format!("{{{metadata}, \"nodes\": {{{node}}}}}"),
    );
    project.program("dbt", DBT);
    project.run(&["generate"]);
    begin(&project);
    project
}

fn command(project: &TestProject, args: &[&str]) -> std::process::Command {
    let mut command = project.command(args);
    command
        .env("FORMULAC_DBT", project.path("dbt"))
        .env("ASKED", project.path("asked.txt"));
    command.env_remove("DBT_PROFILES_DIR");
    command
}

fn run_and_read_dbt_call(project: &TestProject, args: &[&str]) -> (Run, String) {
    let _ = std::fs::remove_file(project.path("asked.txt"));
    let run = finish(command(project, args));
    assert!(
        project.path("asked.txt").exists(),
        "{args:?} starts no dbt: {}{}",
        run.out,
        run.err
    );
    (run, project.read("asked.txt"))
}

/// Commits a different formula if the command is `push`, because otherwise there would be nothing to push.
fn change(project: &TestProject, args: &[&str], number: usize) {
    if args[0] == "push" {
        let spec = "model: revenue\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)";
        project.write("metrics/revenue.yml", format!("{spec} + {number}\n"));
        commit(project, "another formula");
    }
}

#[test]
fn options_reach_every_call_of_dbt() {
    let project = create_project("dbt_options");
    project.write(
        "ci/profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb}, ci: {type: duckdb}}}\n",
    );
    for (number, args) in STARTS.into_iter().enumerate() {
        change(&project, args, number + 1);
        let options = [
            "--target",
            "ci",
            "--profiles-dir",
            "ci",
            "--vars",
            "{day: 2}",
            "--threads",
            "3",
        ];
        let (_, asked) = run_and_read_dbt_call(&project, &[args, &options].concat());
        let profiles = project.path("ci").canonicalize().unwrap();
        for line in asked.lines() {
            let message = format!(
                "--target ci --vars {{day: 2}} --threads 3 --profiles-dir {}",
                profiles.display()
            );
            assert!(line.contains(&message), "{args:?}: {line}");
            assert!(
                !line.contains("--target dev") && !line.contains("day: 1"),
                "{args:?}: {line}"
            );
        }
    }
}

#[test]
fn environment_variables_replace_missing_dbt_options() {
    let project = create_project("dbt_environment");
    project.write(
        "ci/profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb}}}\n",
    );
    let mut call = command(&project, &["preview", "metrics/revenue.yml"]);
    call.env("DBT_PROFILES_DIR", "ci");
    finish(call);
    let asked = project
        .read("asked.txt")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let profiles = project.path("ci").canonicalize().unwrap();
    assert!(
        asked.contains("--target dev --vars {day: 1}") && !asked.contains("--profiles-dir"),
        "{asked}"
    );
    assert!(asked.contains(&format!("| {}", profiles.display())), "{asked}");
}

/// The message appears before dbt runs. The fake dbt continues only after the test has read the message, so a message
/// that is printed after dbt's run would never arrive.
#[test]
fn a_line_reports_that_dbt_is_running() {
    for (number, args) in STARTS.into_iter().enumerate() {
        let project = create_project(&format!("dbt_waiting_{number}"));
        change(&project, args, 1);
        let mut call = command(&project, args);
        call.env("WAIT_FOR", project.path("let"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = call.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let is_line = |line: &String| line.contains("dbt") && line.ends_with(" …");
        let line = lines.by_ref().map(Result::unwrap).find(is_line);
        assert!(line.is_some(), "{args:?}");
        project.write("let", "");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        // The message is printed once for all dbt calls with the same purpose.
        assert!(!rest.contains(line.as_ref().unwrap()), "{args:?}: {rest:?}");
        child.wait().unwrap();
    }
}

#[test]
fn no_progress_is_shown_without_a_terminal() {
    let project = create_project("dbt_quiet");
    let (run, _) = run_and_read_dbt_call(&project, &["preview", "metrics/revenue.yml"]);
    assert!(
        run.err.starts_with("asking dbt for the rows of revenue …\n"),
        "{}",
        run.err
    );
    for option in [
        &["--quiet"][..],
        &["--output-format", "json"],
        &["--output-format", "github"],
    ] {
        let (run, _) = run_and_read_dbt_call(&project, &[&["preview", "metrics/revenue.yml"], option].concat());
        assert!(!run.err.contains(" …"), "{}", run.err);
    }
}

/// The message includes dbt's error, because dbt's usage text alone does not explain the problem.
#[test]
fn the_error_of_a_dbt_call_is_shown() {
    let project = create_project("dbt_usage");
    project.program(
        "dbt",
        "#!/bin/sh\nprintf 'Usage: dbt show [OPTIONS]\\nTry dbt show --help.\\n\\nError: Invalid value for --profiles-dir\\n' >&2\nexit 2\n",
    );
    let run = finish(command(
        &project,
        &["preview", "metrics/revenue.yml", "--profiles-dir", "/nowhere"],
    ));
    assert!(
        run.exit == 5 && run.err.contains("Invalid value for --profiles-dir"),
        "{}",
        run.err
    );
}

/// dbt does not see models in a folder that `.dbtignore` names, and `push` does not commit them.
#[test]
fn models_that_dbt_ignores_are_not_pushed() {
    let project = create_project("dbt_ignored");
    let manifest = |nodes: &str| {
        let metadata = r#"{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}"#;
        format!(
            "#!/bin/sh\nmkdir -p \"$DBT_TARGET_PATH\"\necho '{{\"metadata\": {metadata}, \"nodes\": {{{nodes}}}}}' > \"$DBT_TARGET_PATH/manifest.json\"\n"
        )
    };
    project.program("dbt", &manifest(""));
    let run = finish(command(&project, &["push", "--yes"]));
    assert!(
        run.exit == 5 && run.err.contains("dbt cannot find the model `revenue`"),
        "{}{}",
        run.out,
        run.err
    );
    assert!(
        run.err.contains(".dbtignore") && run.err.contains("no file is written"),
        "{}",
        run.err
    );
    project.program(
        "dbt",
        &manifest(r#""model.shop.revenue": {"name": "revenue", "resource_type": "model"}"#),
    );
    let run = finish(command(&project, &["push", "--yes"]));
    assert_eq!(run.exit, 0, "{}", run.err);
}

/// An error of dbt is reported in the spec of the node that dbt names before the error.
#[cfg(unix)]
#[test]
fn errors_of_dbt_are_reported_in_the_spec_of_the_named_node() {
    let project = create_project("dbt_error_locations");
    for (node, expected) in [
        (
            "model revenue (models/revenue.sql)",
            "dbt rejects the model `revenue`: Invalid group 'sales'",
        ),
        (
            "test not_null_id (models/revenue.yml)",
            "dbt rejects the model `revenue`: Invalid group 'sales'",
        ),
        (
            "model stg (models/stg.sql)",
            "dbt rejects the project: model stg (models/stg.sql): Invalid group 'sales'",
        ),
    ] {
        let event = format!(
            r#"{{"info":{{"level":"error"}},"data":{{"exc":"Parsing Error in {node}\n  Invalid group 'sales'"}}}}"#
        );
        project.write("event.json", event);
        project.program("dbt", "#!/bin/sh\ncat event.json; exit 2\n");
        let run = finish(command(&project, &["generate", "--validate"]));
        let shown = run
            .err
            .replace("\n  │", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(shown.contains(expected), "{shown}");
    }
}
