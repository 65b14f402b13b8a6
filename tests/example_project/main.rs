//! Tests the example project as a user would run it. `formulac init --example` creates the project, formulac compiles
//! `metrics/*.yml`, and dbt builds the models on DuckDB and on a Postgres server. The tables must contain the rows in
//! `expected/`. The same specs, compiled to plain queries, must return these rows on the test engine of every
//! warehouse, and `formulac preview` must display them.
//!
//! Environment variables specify the tools: `FORMULAC_DBT` is the dbt program, `FORMULAC_PYTHON` is the Python of the
//! test tools (`tests/oracle`), `FORMULAC_DUCKDB` is the program `duckdb`, and `FORMULAC_SQLFLUFF` is sqlfluff. If a
//! variable is not set, a test reports that it is skipped. If `FORMULAC_REQUIRE_ENGINES` is set, the test fails
//! instead.

#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod compare;
mod dbt_keys;
mod drafts;
mod env_diff;
mod incremental;
mod kinds;
mod modified;
mod nested;
mod page;
mod project;
mod proofs;
mod prove;
mod semantic;
mod served;
mod shell;
mod shop;
#[path = "../conformance/skipped_cases.rs"]
mod skipped_cases;
mod story;
mod style;
mod tools;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use compare::{Names, difference};
use project::Expected;
use serde_json::{Value, json};
use tools::{
    DATABASE, Server, answers, contents, dbt_settings, json_lines, read_json, run, run_with_input, scratch, tool, write,
};

#[test]
fn every_metric_has_expected_rows() {
    assert_eq!(project::models(), project::file_stems("expected", "yml"));
    for expected in Expected::all() {
        let spec = project::yaml(&project::folder().join(spec_path(&expected.model)));
        assert_eq!(spec["model"], json!(expected.model), "the file has the model's name");
    }
}

#[test]
fn schema_and_seeds_agree() {
    let schema = project::schema();
    assert_eq!(schema, project::seeds(), "schema.yml and seeds/_seeds.yml");
    let mut described: Vec<_> = schema.iter().map(|(name, _)| name.clone()).collect();
    described.sort();
    assert_eq!(described, project::file_stems("seeds", "csv"));
    for (name, columns) in &schema {
        let records = project::records(name);
        let header: Vec<_> = columns.iter().map(|column| Some(column.name.clone())).collect();
        assert_eq!(records[0], header, "the header of {name}.csv");
        assert!(
            records.iter().all(|record| record.len() == header.len()),
            "{name}.csv is ragged"
        );
        for (position, column) in columns.iter().enumerate().filter(|(_, column)| !column.nullable) {
            let filled = records.iter().all(|record| record[position].is_some());
            assert!(filled, "{name}.{} is empty in a record", column.name);
        }
    }
}

#[test]
fn dbt_builds_the_expected_tables() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let project = create_project("dbt");
    generate(&project, "duckdb");
    let written = || {
        (
            contents(&project.join("models/formulac")),
            contents(&project.join("tests/formulac")),
        )
    };
    let first = written();
    generate(&project, "duckdb");
    assert_eq!(first, written(), "a second run changes nothing");

    let manifest = build(&dbt, &project, &[]);
    for expected in Expected::all() {
        let node = node(&manifest, &expected.model);
        for column in &expected.columns {
            let described = node["columns"][column]["description"].as_str().unwrap_or_default();
            assert!(!described.is_empty(), "{}.{column} is not described", expected.model);
        }
    }
    let mut reader = Command::new(python);
    reader.arg(script("duckdb_rows.py")).arg(project.join(DATABASE));
    check_expected_rows(&manifest, &mut reader);
    previews_with_dbt(&project);
    check_second_match_is_reported(&dbt, &project);
}

/// Runs the example project on a Postgres server, which is started only for this test.
#[test]
fn dbt_builds_the_expected_tables_on_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let project = create_project("dbt_postgres");
    generate(&project, "postgres");
    let manifest = build(
        &dbt,
        &project,
        &[("DBT_TARGET", "pg"), ("PGHOST", &server.folder), ("PGUSER", "oracle")],
    );
    let mut reader = server.reader(&python);
    check_expected_rows(&manifest, &mut reader);

    // The data comes from the seeds that dbt has loaded or, without dbt, from the files.
    let url = format!(
        "postgres://oracle:unused@/postgres?host={}&options=-csearch_path%3Danalytics",
        server.folder
    );
    check_previews(&project, &["--engine", &url]);
    let url = format!("postgres://oracle:unused@/postgres?host={}", server.folder);
    check_previews(&project, &["--engine", &url, "--data", "seeds"]);
    let message = failure_message(
        &project,
        &["preview", "metrics/customer_ltv.yml", "--engine", &url, "--quiet"],
    );
    let place = "<query>:4:6: error[F0823]: Postgres failed: relation \"invoices\" does not exist";
    assert!(message.contains(place) && !message.contains("unused"), "{message}");
    let message = failure_message(
        &project,
        &[
            "preview",
            "metrics/customer_ltv.yml",
            "--engine",
            "postgres://me:unused@/x?host=/nowhere",
        ],
    );
    assert!(message.contains("F0823") && !message.contains("unused"), "{message}");
}

#[test]
fn duckdb_previews_the_expected_rows() {
    if tool("FORMULAC_DUCKDB").is_some() {
        check_previews(&create_project("preview"), &["--data", "seeds"]);
    }
}

/// Returns the folder of the example that `init` creates.
fn create_project(name: &str) -> PathBuf {
    let folder = scratch(name);
    formulac(&folder, &["init", "--example", "shop"]);
    let project = folder.join("shop");
    let seeds = contents(&project::folder().join("seeds"));
    assert_eq!(contents(&project.join("seeds")).len(), seeds.len());
    project
}

/// Checks that the preview of every spec displays the expected rows in the expected order.
fn check_previews(project: &Path, args: &[&str]) {
    for expected in Expected::all() {
        let spec = spec_path(&expected.model);
        let call = [
            "preview",
            &spec,
            "--schema",
            "schema.yml",
            "--limit",
            "100",
            "--json",
            "--quiet",
        ];
        let answer = preview(&formulac(project, &[&call[..], args].concat()));
        let answers = BTreeMap::from([(expected.model.clone(), answer)]);
        if let Some(problem) = difference(&expected, &answers, Names::Exact) {
            panic!("{problem}");
        }
    }
}

/// The types, the order and the limit come from the spec, because the model does not contain all of them.
fn previews_with_dbt(project: &Path) {
    let expected = Expected::all()
        .into_iter()
        .find(|expected| expected.model == "customer_ltv")
        .expect("the metric");
    let out = formulac(
        project,
        &[
            "preview",
            "metrics/customer_ltv.yml",
            "--env",
            "dev",
            "--json",
            "--quiet",
        ],
    );
    let answers = BTreeMap::from([(expected.model.clone(), preview(&out))]);
    assert_eq!(difference(&expected, &answers, Names::Exact), None);
    // Segments by name, each with its invoices. The query requests one row more than the command displays.
    let by_name =
        "model: by_name\nfrom: invoices\ngroup_by: segment\ndefinitions: n = COUNT()\norder_by: segment desc\n";
    let first = |spec: &str, most: &str| -> Value {
        write(&project.join("by_name.yml"), spec);
        let out = formulac(
            project,
            &["preview", "by_name.yml", "--limit", most, "--json", "--quiet"],
        );
        let answer: Value = serde_json::from_str(&out).expect("a JSON object");
        json!([answer["rows"], answer["more"]])
    };
    assert_eq!(first(by_name, "1"), json!([[["Wholesale", 4]], true]));
    assert_eq!(
        first(&format!("{by_name}limit: 1\n"), "5"),
        json!([[["Wholesale", 4]], false])
    );
    write(
        &project.join("wrong.yml"),
        "model: wrong\nfrom: invoices\ndefinitions: a = SUM(no_such_column)\n",
    );
    let message = failure_message(project, &["preview", "wrong.yml"]);
    assert!(
        message.contains("error[F0823]: dbt failed: Binder Error: Referenced column \"no_such_column\" not found"),
        "{message}"
    );
}

/// Returns the command's message when an engine fails.
fn failure_message(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
    command
        .args(args)
        .args(["--output-format", "concise"])
        .current_dir(folder)
        .env_remove("FORMULAC_ENV");
    let output = command.output().expect("formulac runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), &b""[..]));
    String::from_utf8(output.stderr).expect("messages are UTF-8")
}

/// If a customer has two lines in June, the join finds two rows, and the generated test reports that customer.
fn check_second_match_is_reported(dbt: &Path, project: &Path) {
    let rows = project.join("seeds/subscriptions.csv");
    write(
        &rows,
        &format!(
            "{}27,C01,Benelux,Active,Monthly,1.00,2024-06-01\n",
            project::read(&rows)
        ),
    );
    let mut seed = Command::new(dbt);
    run(dbt_settings(seed.args(["seed", "--select", "subscriptions"]), project));
    // Users select the model, so its test must run although the test reads only the model's inputs.
    let mut again = dbt_command(dbt, project);
    again.args(["--select", "revenue_by_country"]);
    let output = again.output().expect("dbt runs");
    let results = artifact(project, "run_results.json");
    let of_test = |result: &&Value| project::text(&result["unique_id"]) == format!("test.{PROJECT}.{JOIN_TEST}");
    let result = results["results"]
        .as_array()
        .and_then(|all| all.iter().find(of_test))
        .cloned();
    let log = String::from_utf8_lossy(&output.stdout);
    let result = result.unwrap_or_else(|| panic!("{JOIN_TEST} did not run\n{log}"));
    assert_eq!(
        (&result["status"], &result["failures"]),
        (&json!("fail"), &json!(1)),
        "{log}"
    );
}

/// Returns the rows of a preview. Decimals, which the preview prints as strings, are converted to numbers.
fn preview(out: &str) -> Value {
    let answer: Value = serde_json::from_str(out).expect("a JSON object");
    assert_eq!((&answer["more"], &answer["diagnostics"]), (&json!(false), &json!([])));
    let columns = answer["columns"].as_array().expect("columns");
    let is_decimal: Vec<_> = columns.iter().map(|column| column["type"] == "decimal").collect();
    let value = |(value, is_decimal): (&Value, &bool)| match value.as_str().filter(|_| *is_decimal) {
        Some(text) => json!(text.parse::<f64>().expect("a number")),
        None => value.clone(),
    };
    let row = |row: &Value| {
        row.as_array()
            .expect("a row")
            .iter()
            .zip(&is_decimal)
            .map(value)
            .collect::<Value>()
    };
    let rows: Vec<_> = answer["rows"].as_array().expect("rows").iter().map(row).collect();
    json!({"columns": columns.iter().map(|column| &column["name"]).collect::<Vec<_>>(), "rows": rows})
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/example_project")
        .join(name)
}

fn node<'m>(manifest: &'m Value, model: &str) -> &'m Value {
    &manifest["nodes"][format!("model.subscription_business.{model}")]
}

/// Checks that the tables built by dbt contain the expected rows. `reader` queries the tables.
fn check_expected_rows(manifest: &Value, reader: &mut Command) {
    let expected = Expected::all();
    let queries: Vec<_> = expected
        .iter()
        .map(|expected| {
            let relation = &node(manifest, &expected.model)["relation_name"];
            json!({"id": expected.model, "sql": select(relation, &expected.order_by)})
        })
        .collect();
    let answers = answers(&run_with_input(reader, &json_lines(&queries)).stdout);
    let problems: Vec<_> = expected
        .iter()
        .filter_map(|expected| difference(expected, &answers, Names::Exact))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn bigquery_answers_as_expected() {
    queries_answer_as_expected("bigquery", Names::Exact);
}

#[test]
fn snowflake_answers_as_expected() {
    // Snowflake returns unquoted names in upper case.
    queries_answer_as_expected("snowflake", Names::AnyCase);
}

#[test]
fn postgres_answers_as_expected() {
    queries_answer_as_expected("postgres", Names::Exact);
}

#[test]
fn duckdb_answers_as_expected() {
    queries_answer_as_expected("duckdb", Names::Exact);
}

/// Runs every spec as a plain query of this dialect that reads the seeds.
fn queries_answer_as_expected(dialect: &str, names: Names) {
    let Some(python) = tool("FORMULAC_PYTHON") else {
        return;
    };
    let scratch = scratch(dialect);
    let tables = scratch.join("tables.json");
    write(&tables, &project::tables().to_string());

    let expected = Expected::all();
    let queries: Vec<_> = expected
        .iter()
        .map(|expected| {
            let spec = spec_path(&expected.model);
            let sql = formulac(
                &project::folder(),
                &["query", &spec, "--dialect", dialect, "--schema", "schema.yml"],
            );
            json!({"id": expected.model, "sql": sql})
        })
        .collect();
    let batch = scratch.join("queries.jsonl");
    write(&batch, &json_lines(&queries));

    let mut oracle = Command::new(python);
    oracle
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.py"))
        .args(["--engine", dialect, "--table"])
        .arg(&tables)
        .arg("--batch")
        .arg(&batch);
    let answers = answers(&run(&mut oracle).stdout);
    let problems: Vec<_> = expected
        .iter()
        .zip(&queries)
        .filter_map(|(expected, query)| {
            let problem = difference(expected, &answers, names)?;
            Some(format!("{problem}\n{}", project::text(&query["sql"])))
        })
        .collect();
    assert!(problems.is_empty(), "on {dialect}:\n{}", problems.join("\n\n"));
}

const PROJECT: &str = "subscription_business";
/// Name of the test that formulac generates for the join in `revenue_by_country`, because no key guarantees a single
/// match.
const JOIN_TEST: &str = "assert_revenue_by_country_by_country_finds_one_of_june_lines";

fn spec_path(model: &str) -> String {
    format!("metrics/{model}.yml")
}

/// Generates the models of all specs, as the example's README describes.
fn generate(project: &Path, dialect: &str) {
    formulac(project, &["generate", "--dialect", dialect, "--schema", "schema.yml"]);
}

/// Runs the command, which must succeed without a warning, and returns its standard output.
fn formulac(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
    command.args(args).current_dir(folder).env_remove("FORMULAC_ENV");
    let output = run(&mut command);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(!messages.contains("warning"), "formulac {}\n{messages}", args.join(" "));
    String::from_utf8(output.stdout).expect("SQL is UTF-8")
}

fn dbt_command(dbt: &Path, project: &Path) -> Command {
    let mut command = Command::new(dbt);
    dbt_settings(command.args(["--no-use-colors", "build"]), project);
    command
}

fn artifact(project: &Path, name: &str) -> Value {
    read_json(&project.join("target").join(name))
}

/// Builds the project and returns its manifest. Every seed, model and test must pass, because the exit status alone
/// does not reveal a warning or a skipped node.
fn build(dbt: &Path, project: &Path, environment: &[(&str, &str)]) -> Value {
    let output = run(dbt_command(dbt, project).envs(environment.iter().copied()));
    let log = String::from_utf8_lossy(&output.stdout);
    let results = artifact(project, "run_results.json");
    let mut built = Vec::new();
    let mut tested = Vec::new();
    for result in results["results"].as_array().expect("run_results.json has results") {
        let id = project::text(&result["unique_id"]);
        let status = project::text(&result["status"]);
        if id.starts_with("exposure.") {
            continue;
        }
        assert!(["success", "pass"].contains(&status.as_str()), "{id}: {status}\n{log}");
        built.extend(id.strip_prefix("model.subscription_business.").map(str::to_owned));
        tested.extend(id.strip_prefix("test.subscription_business.").map(str::to_owned));
    }
    built.sort();
    let mut models = [project::models(), project::file_stems("models", "sql")].concat();
    models.sort();
    assert_eq!(built, models, "one model a spec, and those of the project\n{log}");
    assert!(
        tested.iter().any(|test| test == JOIN_TEST),
        "{JOIN_TEST} did not run\n{log}"
    );
    artifact(project, "manifest.json")
}

fn select(relation: &Value, order_by: &[String]) -> String {
    let keys: Vec<_> = order_by.iter().map(|name| format!("\"{name}\" nulls last")).collect();
    let order = if keys.is_empty() {
        String::new()
    } else {
        format!(" order by {}", keys.join(", "))
    };
    format!("select * from {}{order}", project::text(relation))
}
