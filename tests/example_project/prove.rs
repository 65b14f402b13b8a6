//! Tests `formulac prove` through dbt: on DuckDB, and on a Postgres server with planted differences, different session
//! parameters, missing permissions and killed runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::script;
use crate::skipped_cases::is_left_out;
use crate::tools::{
    Server, answers, dbt_settings, json_lines, read_json, run, run_with_input, scratch, tool, try_with_input, write,
};

const PROFILES: &str = "\
proofs:
  target: dev
  outputs:
    dev: {type: duckdb, path: proofs.duckdb, schema: dev_ann}
    pg: &pg
      type: postgres
      host: \"{{ env_var('PGHOST', '') }}\"
      user: \"{{ env_var('PGUSER', '') }}\"
      password: x
      port: 5432
      dbname: postgres
      schema: dev_ann
      threads: 1
    planted: {<<: *pg, search_path: \"planted, pg_catalog, dev_ann\"}
";
const SPEC: &str = "\
model: open_revenue
from: ref('orders')
group_by: region
definitions: |
  revenue = SUMIF(status = \"open\", amount)
  share = revenue / SUM(amount)
";

/// A metric set, and a model that reads it.
const SETS: [(&str, &str); 2] = [
    (
        "metrics/sales.yml",
        "metric_set: sales\nfrom: ref('orders')\ndefinitions:\n  total: SUM(amount)\n  orders: COUNT()\n",
    ),
    (
        "metrics/by_status.yml",
        "model: by_status\nmetrics: [sales.total, sales.orders]\ngroup_by: status\n",
    ),
];

fn project(name: &str) -> PathBuf {
    let project = scratch(name);
    write(
        &project.join("dbt_project.yml"),
        "name: proofs\nversion: '1.0'\nprofile: proofs\n",
    );
    write(&project.join("profiles.yml"), PROFILES);
    let environments = "environments:\n  dev: {connection: dev}\n  pg: {connection: pg, dialect: postgres}\n  \
                        planted: {connection: planted, dialect: postgres}\n";
    write(
        &project.join("formulac.yml"),
        &format!("dialect: duckdb\nspecs: metrics/\n{environments}"),
    );
    std::fs::create_dir(project.join("metrics")).expect("a new folder");
    write(&project.join("metrics/open_revenue.yml"), SPEC);
    for (file, text) in SETS {
        write(&project.join(file), text);
    }
    project
}

fn prove(path: &Path, dbt: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
    command
        .arg("prove")
        .args(args)
        .env("FORMULAC_DBT", dbt)
        .env_remove("FORMULAC_ENV");
    dbt_settings(&mut command, path);
    command
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Returns the verdict of each problem, with its subject.
fn problems(report: &Value) -> Vec<String> {
    let problems = report["problems"].as_array().expect("problems");
    let mut messages: Vec<String> = problems
        .iter()
        .map(|problem| {
            format!(
                "{} {}",
                problem["subject"].as_str().unwrap(),
                problem["verdict"].as_str().unwrap()
            )
        })
        .collect();
    messages.sort();
    messages.dedup();
    messages
}

/// Functions that are proven on each target, even if the other functions are left out.
const ALWAYS_PROVEN: [&str; 4] = ["ROUND", "TEXT", "DATEDIF", "MEDIAN"];

/// Proves all functions and models on one target, or a few functions if `is_complete` is not set.
fn check_target(is_complete: bool, command: &mut Command) -> Value {
    if !is_complete {
        command.args(ALWAYS_PROVEN);
    }
    let proven = report(&run(command.args(["--yes", "--json"])));
    assert_eq!(problems(&proven), Vec::<String>::new());
    let subjects = proven["subjects"].as_object().expect("subjects");
    assert!(subjects["ROUND"]["proven"].as_u64().expect("a count") > 20);
    let smallest = if is_complete { 150 } else { ALWAYS_PROVEN.len() };
    assert!(subjects.len() >= smallest, "{} functions and topics", subjects.len());
    if is_complete {
        let models = &proven["models"];
        assert!(models["proven"].as_u64().expect("a count") > 1);
        assert_eq!((&models["differs"], &models["not_proven"]), (&json!(0), &json!(0)));
        assert_eq!(proven["models_without_proof"], json!([]));
    }
    proven
}

#[test]
fn formulas_are_proven_on_duckdb() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let project = project("prove_duckdb");
    // Without a terminal, the command reports how many statements it would send, and then fails.
    let asked = try_with_input(prove(&project, &dbt, &[]).arg("ROUND"), "");
    let err = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(2), "{err}");
    assert!(
        err.contains(" statements to send to duckdb, in the environment `dev`\n"),
        "{err}"
    );
    let proven = check_target(true, &mut prove(&project, &dbt, &[]));
    assert_eq!(proven["rows_from"], "table");
    let mut reader = Command::new(python);
    reader.arg(script("duckdb_rows.py")).arg(project.join("proofs.duckdb"));
    let tables = json!({"id": "tables", "sql": "select table_name from information_schema.tables"});
    let left = answers(&run_with_input(&mut reader, &json_lines(&[tables])).stdout);
    assert_eq!(left["tables"]["rows"], json!([]));

    // The report can be shared with others, so it contains no names or formulas from the project.
    let written = read_json(&project.join(".formulac/proofs/dev.json"));
    assert_eq!(written["subjects"], proven["subjects"]);
    assert!(!written.to_string().contains("revenue"), "{written}");
    let mut functions = Command::new(env!("CARGO_BIN_EXE_formulac"));
    let output = run(functions.args(["functions", "ROUND", "--json"]).current_dir(&project));
    let here = &report(&output)["functions"][0]["proven_here"][0];
    assert_eq!(
        (&here["environment"], &here["dialect"]),
        (&json!("dev"), &json!("duckdb"))
    );
    assert_eq!(here["proven"], proven["subjects"]["ROUND"]["proven"]);

    let dry = report(&run(&mut prove(
        &project,
        &dbt,
        &["--dry-run", "--json", "ROUND", "MEDIAN"],
    )));
    assert_eq!(
        (&dry["dry_run"], &dry["subjects"]["ROUND"]["proven"]),
        (&json!(true), &json!(0))
    );
}

#[test]
fn formulas_are_proven_on_the_lowest_versions() {
    let Some(dbt) = tool("FORMULAC_DBT_1_8") else { return };
    let project = project("prove_lowest");
    let proven = check_target(!is_left_out(1, 4), &mut prove(&project, &dbt, &[]));
    let versions = [&proven["engine"], &proven["warehouse"]].map(|text| text.as_str().expect("a version"));
    assert!(
        versions[0].starts_with("dbt 1.8") && versions[1].starts_with("v1.4"),
        "{versions:?}"
    );
}

/// A Postgres server with a project.
struct Proofs {
    server: Server,
    python: PathBuf,
    dbt: PathBuf,
    folder: PathBuf,
}

impl Proofs {
    fn prove(&self, user: &str, args: &[&str]) -> Command {
        let mut command = prove(&self.folder, &self.dbt, args);
        command.env("PGHOST", &self.server.folder).env("PGUSER", user);
        command
    }

    /// Runs statements on the server and returns the rows of the last statement.
    fn sql(&self, statements: &[&str]) -> Value {
        let mut reader = self.server.reader(&self.python);
        let queries: Vec<Value> = statements
            .iter()
            .enumerate()
            .map(|(at, sql)| json!({"id": at.to_string(), "sql": sql}))
            .collect();
        let last = (statements.len() - 1).to_string();
        let replies = answers(&run_with_input(&mut reader, &json_lines(&queries)).stdout);
        replies[&last]["rows"].clone()
    }

    /// Returns what `doctor` prints about an environment.
    fn doctor(&self, environment: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
        command
            .args(["doctor", "--env", environment])
            .env("FORMULAC_DBT", &self.dbt);
        dbt_settings(&mut command, &self.folder);
        command.env("PGHOST", &self.server.folder).env("PGUSER", "oracle");
        String::from_utf8_lossy(&try_with_input(&mut command, "").stdout).into_owned()
    }

    fn own_tables(&self) -> Value {
        self.sql(&["select table_name from information_schema.tables where table_name like 'formulac_prove%'"])
    }
}

#[test]
fn formulas_are_proven_on_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let project = project("prove_postgres");
    let proofs = Proofs {
        server,
        python,
        dbt,
        folder: project,
    };
    session_parameters_do_not_matter(&proofs);
    parameters_that_matter_are_reported(&proofs);
    planted_differences_are_found(&proofs);
    statements_without_permission_are_not_proven(&proofs);
    a_killed_run_is_cleaned_up(&proofs);
}

#[test]
fn formulas_are_proven_on_the_newest_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut install = Command::new(&python);
    install
        .arg(root.join("tests/oracle/newest_postgres.py"))
        .arg(root.join("target/test-tools"));
    let installed = String::from_utf8(run(&mut install).stdout).expect("a path");
    let binaries = PathBuf::from(installed.trim());
    let libraries = binaries.with_file_name("lib");
    let server = Server::start_with(
        &python,
        &[("FORMULAC_POSTGRES_BIN", &binaries), ("LD_LIBRARY_PATH", &libraries)],
    );
    let proofs = Proofs {
        server,
        python,
        dbt,
        folder: project("prove_newest"),
    };
    let proven = check_target(!is_left_out(3, 4), &mut proofs.prove("oracle", &["--env", "pg"]));
    let version = proven["warehouse"].as_str().expect("a version");
    assert!(version.starts_with("PostgreSQL 18"), "{version}");
}

fn session_parameters_do_not_matter(proofs: &Proofs) {
    proofs.sql(&[
        "alter role oracle set timezone = 'Asia/Tokyo'",
        "alter role oracle set intervalstyle = 'sql_standard'",
        "alter role oracle set extra_float_digits = 3",
        "alter role oracle set transform_null_equals = on",
        "alter role oracle set lc_monetary = 'C'",
        "alter role oracle set datestyle = 'German, DMY'",
    ]);
    let proven = check_target(!is_left_out(2, 4), &mut proofs.prove("oracle", &["--env", "pg"]));
    assert_eq!(proven["session"]["TimeZone"], "Asia/Tokyo");
    assert!(
        proven["warehouse"]
            .as_str()
            .expect("a version")
            .starts_with("PostgreSQL")
    );
    assert_eq!(proofs.own_tables(), json!([]));
}

/// `doctor` and `prove` read a list that contains these parameters.
fn parameters_that_matter_are_reported(proofs: &Proofs) {
    proofs.sql(&["alter role oracle set extra_float_digits = -5"]);
    let output = try_with_input(
        &mut proofs.prove("oracle", &["FACT", "--env", "pg", "--yes", "--json"]),
        "",
    );
    let found = report(&output);
    assert_eq!(problems(&found), ["FACT differs"]);
    let wrong = found["wrong_parameters"][0].as_str().expect("a sentence");
    assert!(wrong.contains("`extra_float_digits` is `-5`"), "{wrong}");
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(messages.contains(wrong), "{messages}");
    let shown = proofs.doctor("pg");
    assert!(shown.contains(wrong), "{shown}");
    proofs.sql(&["alter role oracle set extra_float_digits = 1"]);
    let shown = proofs.doctor("pg");
    assert!(shown.contains("✓ warehouse      postgres 1"), "{shown}");
}

fn planted_differences_are_found(proofs: &Proofs) {
    proofs.sql(&[
        "create schema planted",
        "create function planted.version() returns text language sql as 'select ''PostgreSQL 14.9''::text'",
        "create function planted.upper(text) returns text language sql as 'select lower($1)'",
        "create function planted.exp(double precision) returns double precision language plpgsql as \
         'begin raise exception ''this is planted''; end'",
    ]);
    let mut command = proofs.prove(
        "oracle",
        &["UPPER", "EXP", "LOWER", "--env", "planted", "--yes", "--json"],
    );
    let output = try_with_input(&mut command, "");
    assert_eq!(output.status.code(), Some(1));
    let found = report(&output);
    assert_eq!(problems(&found), ["EXP refused", "UPPER differs"]);
    let problem_with = |verdict: &str| {
        let problems = found["problems"].as_array().expect("problems");
        let problem = problems.iter().find(|problem| problem["verdict"] == verdict);
        problem.expect("a problem").clone()
    };
    assert!(
        problem_with("refused")["message"]
            .as_str()
            .expect("a message")
            .contains("this is planted")
    );
    assert_ne!(problem_with("differs")["expected"], problem_with("differs")["got"]);
    assert!(!proofs.folder.join(".formulac/proofs/planted.json").exists());
    let outdated = "version 14.9 is too old: version 15 or newer is needed";
    assert_eq!(found["wrong_parameters"], json!([outdated]));
    let shown = proofs.doctor("planted");
    assert!(shown.contains(outdated), "{shown}");
}

fn statements_without_permission_are_not_proven(proofs: &Proofs) {
    proofs.sql(&[
        "create role reader login",
        "grant usage on schema dev_ann to reader",
        "revoke execute on function pg_catalog.initcap(text) from public",
    ]);
    let args = ["PROPER", "ROUND", "TEXT", "--env", "pg", "--yes", "--json"];
    let output = run(&mut proofs.prove("reader", &args));
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        messages.contains("the role is not permitted to create a table"),
        "{messages}"
    );
    let found = report(&output);
    assert_eq!(found["rows_from"], "literals");
    assert_eq!(problems(&found), ["PROPER not_proven"]);
    assert_eq!(found["subjects"]["ROUND"]["not_proven"], 0);
    assert!(found["subjects"]["ROUND"]["proven"].as_u64().expect("a count") > 20);
}

fn a_killed_run_is_cleaned_up(proofs: &Proofs) {
    let mut command = proofs.prove("oracle", &["--env", "pg", "--yes"]);
    command.args(ALWAYS_PROVEN);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the command starts");
    let began = Instant::now();
    while proofs.own_tables() == json!([]) {
        assert!(began.elapsed() < Duration::from_secs(120), "no table is made");
        sleep(Duration::from_millis(200));
    }
    child.kill().expect("the command runs");
    child.wait().expect("the command ends");
    let left = proofs.own_tables();
    assert_ne!(left, json!([]), "a killed run leaves its table");

    // While a view depends on the table, the table cannot be dropped. The first run after the view is dropped removes
    // the table.
    let name = left[0][0].as_str().expect("a name");
    let schemas =
        proofs.sql(&["select table_schema from information_schema.tables where table_name like 'formulac_prove%'"]);
    let schema = schemas[0][0].as_str().expect("a schema");
    let view = format!("create view dependent as select * from {schema}.{name}");
    proofs.sql(&[&view]);
    let output = run(&mut proofs.prove("oracle", &["ABS", "--env", "pg", "--yes"]));
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        messages.contains(&format!("the table {name} was not dropped")),
        "{messages}"
    );
    assert_eq!(proofs.own_tables(), left);
    proofs.sql(&["drop view dependent"]);
    let output = run(&mut proofs.prove("oracle", &["ABS", "--env", "pg", "--yes"]));
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(messages.contains("an interrupted run left"), "{messages}");
    assert_eq!(proofs.own_tables(), json!([]));
}
