//! Tests a handwritten project without specs, `shop/project`. The project has its own staging models and marts, a
//! source, a package, contracts, groups, a private model, tests and unit tests. The new specs read these models and
//! each other. The generated models are built next to the existing models with several versions of dbt, and each
//! generated test fails on rows that violate its condition.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::project::{read, text};
use crate::style;
use crate::tools::{Server, contents, copy, files_below, run, scratch, tool, write};
use crate::{artifact, dbt_command, dbt_settings, formulac, script};

const MODELS: [&str; 8] = [
    "billing_by_segment",
    "customer_health",
    "events_by_type",
    "revenue_by_day",
    "revenue_growth",
    "segment_customers",
    "segment_scorecard",
    "sessions_by_day",
];
/// An existing test of the project that warns, because one order has no total.
const WARNS: &str = "not_null_stg_orders_order_total";

type Environment<'e> = &'e [(&'e str, &'e str)];

fn run_dbt_successfully(dbt: &Path, path: &Path, environment: Environment<'_>, args: &[&str]) {
    let mut command = Command::new(dbt);
    run(dbt_settings(command.arg("--no-use-colors").args(args), path).envs(environment.iter().copied()));
}

/// Creates the project as its authors left it, built and documented. The catalog contains the types of all columns.
fn create_project(name: &str, dbt: &Path, environment: Environment<'_>) -> PathBuf {
    let project = project_at(name);
    run_dbt_successfully(
        dbt,
        &project,
        environment,
        &["build", "--exclude-resource-type", "test", "unit_test"],
    );
    run_dbt_successfully(dbt, &project, environment, &["docs", "generate", "--no-compile"]);
    project
}

/// Returns a copy of the project, with its package in the folder that `dbt deps` uses.
fn project_at(name: &str) -> PathBuf {
    let project = scratch(name);
    copy(&script("shop/project"), &project);
    copy(&project.join("local_packages"), &project.join("dbt_packages"));
    project
}

/// Generates the models and returns the generated files. Checks that no existing file is changed, and that a second run
/// generates nothing.
fn generate_models(folder: &Path) -> BTreeMap<String, String> {
    let own = files_below(folder);
    formulac(folder, &["generate"]);
    let mut all = files_below(folder);
    formulac(folder, &["generate"]);
    assert_eq!(all, files_below(folder), "a second run changes nothing");
    for (path, text) in &own {
        assert_eq!(all.remove(path).as_ref(), Some(text), "{path} is as it was");
    }
    let models = all
        .keys()
        .filter_map(|path| path.strip_prefix("models/omni/")?.strip_suffix(".sql"));
    assert_eq!(models.collect::<Vec<_>>(), MODELS);
    all
}

/// Builds the project. Every model, test and unit test must succeed, except for the test that warns.
fn build_project(dbt: &Path, path: &Path, environment: Environment<'_>) -> Value {
    let output = run(dbt_command(dbt, path).envs(environment.iter().copied()));
    let log = String::from_utf8_lossy(&output.stdout);
    let results = artifact(path, "run_results.json");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for result in results["results"].as_array().expect("results") {
        let (id, status) = (text(&result["unique_id"]), text(&result["status"]));
        let kind = id.split('.').next().unwrap_or_default();
        let fine = match kind {
            "exposure" => status == "no-op",
            "test" if id.contains(WARNS) => status == "warn",
            "test" | "unit_test" => status == "pass",
            _ => status == "success",
        };
        assert!(fine, "{id}: {status}\n{log}");
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    // Together with the project's own nodes, there are 12 models, 41 tests and one unit test.
    let found = ["model", "test", "unit_test"].map(|kind| counts.get(kind).copied().unwrap_or_default());
    assert_eq!(found, [20, 81, 5], "{log}");
    artifact(path, "manifest.json")
}

#[test]
fn models_are_added_to_a_handwritten_project() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let project = on_duckdb(&dbt);
    let made = generate_models(project);
    insta::assert_snapshot!("files_duckdb", join_files(&made, |_| true));
    let mut parse = Command::new(dbt.with_file_name("python"));
    parse.arg(script("strict_parse.py"));
    run(dbt_settings(&mut parse, project));
    check_properties_read_by_dbt(&build_project(&dbt, project, &[]));
    formulac(project, &["generate", "--check"]);
    style::check_sqlfluff_finds_nothing(project, "duckdb", made.keys().filter(|path| path.ends_with(".sql")));
    each_test_finds_bad_rows(&dbt, project, &made);
}

/// Returns the project on DuckDB, before models are generated from specs. The other versions of dbt also use its
/// artifacts.
fn on_duckdb(dbt: &Path) -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| create_project("shop", dbt, &[]))
}

#[test]
fn older_dbt_versions_build_the_files_generated_for_them() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let versions = [
        ("FORMULAC_DBT_1_10", "shop_1_10", false),
        ("FORMULAC_DBT_1_8", "shop_1_8", true),
    ];
    for (variable, name, is_older) in versions {
        if let Some(older) = tool(variable) {
            let catalog = read(&on_duckdb(&dbt).join("target/catalog.json"));
            builds_with(&older, name, &catalog, is_older);
        }
    }
}

/// Builds the files generated for the manifest of an older dbt version, using that version.
fn builds_with(dbt: &Path, name: &str, catalog: &str, is_older: bool) {
    let project = project_at(name);
    if is_older {
        for folder in ["models/marts", "models/omni", "models/staging", "seeds"] {
            let files = contents(&project.join(folder)).into_keys();
            for path in files.filter(|path| path.extension().is_some_and(|end| end == "yml")) {
                write(&path, &without_arguments(&read(&path)));
            }
        }
    }
    run_dbt_successfully(dbt, &project, &[], &["parse"]);
    write(&project.join("target/catalog.json"), catalog);
    let made = generate_models(&project);
    assert_eq!(
        made.values().any(|text| text.contains("arguments:")),
        !is_older,
        "{name}"
    );
    check_properties_read_by_dbt(&build_project(dbt, &project, &[]));
}

/// Moves the arguments of tests next to the configuration of the test, as dbt expected before 1.10.5.
fn without_arguments(yml: &str) -> String {
    let mut inside: Option<usize> = None;
    let mut out = String::new();
    for line in yml.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        inside = inside.filter(|of| indent > *of);
        if line.trim() == "arguments:" {
            inside = Some(indent);
        } else {
            out.push_str(if inside.is_some() { &line[2..] } else { line });
        }
    }
    out
}

/// Checks the properties that dbt has read, for every version of dbt.
fn check_properties_read_by_dbt(manifest: &Value) {
    let nodes = &manifest["nodes"];
    let model = |name: &str| {
        let version = if name == "events_by_type" { ".v2" } else { "" };
        &nodes[format!("model.acme_analytics.{name}{version}")]
    };
    for name in MODELS {
        let node = model(name);
        for (column, column_properties) in node["columns"].as_object().expect("columns") {
            assert!(
                !text(&column_properties["description"]).is_empty(),
                "{name}.{column} is not described"
            );
        }
        let granted = [&node["access"], &node["group"]];
        let expected = match name {
            "revenue_by_day" => [json!("public"), json!("finance")],
            "customer_health" | "segment_customers" | "segment_scorecard" => [json!("private"), json!("finance")],
            _ => [json!("protected"), Value::Null],
        };
        assert_eq!(granted, [&expected[0], &expected[1]], "{name}");
    }
    // The position of the arguments depends on the version.
    for (name, column) in [
        ("customer_health", "email_domain"),
        ("segment_customers", "mail_providers"),
        ("segment_scorecard", "mail_providers"),
    ] {
        assert_eq!(
            model(name)["columns"][column]["tags"],
            json!(["pii"]),
            "{name}.{column}"
        );
    }
    let revenue = &model("revenue_by_day")["columns"]["revenue"];
    assert_eq!(
        revenue["meta"],
        json!({"unit": "USD", "omni": {"label": "Revenue", "format": "usdcurrency"}})
    );
    // `meta` contains the hash of the file in addition to the spec's own entries.
    let meta = &model("revenue_by_day")["config"]["meta"];
    assert_eq!(
        (&meta["domain"], &meta["owner"]),
        (&json!("sales"), &json!("finance@example.com"))
    );
    assert!(meta["formulac"]["hash"].is_string(), "{meta}");
    assert_eq!(
        model("customer_health")["columns"]["health"]["meta"]["values"]["asleep"],
        json!("no order for {{ half a year }}")
    );
    assert_eq!(model("customer_health")["contract"]["enforced"], json!(true));
    assert_eq!(model("events_by_type")["latest_version"], json!(2));
    let reads = |name: &str| {
        let mut reads: Vec<String> = model(name)["depends_on"]["nodes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(text)
            .collect();
        reads.sort();
        reads.join(" ")
    };
    assert_eq!(
        reads("segment_scorecard"),
        "model.acme_analytics.billing_by_segment model.acme_analytics.segment_customers"
    );
    assert_eq!(reads("events_by_type"), "source.acme_analytics.landing.web_events");
}

/// Checks that every generated test fails or warns if the models contain invalid rows for the test.
fn each_test_finds_bad_rows(dbt: &Path, folder: &Path, made: &BTreeMap<String, String>) {
    for model in MODELS {
        let bad = read(&script(&format!("shop/faults/{model}.sql")));
        write(
            &folder.join(format!("models/omni/{model}.sql")),
            &format!("{{{{ config(materialized='table') }}}}\n{bad}"),
        );
    }
    // Disable the contract, which would reject the rows.
    for (path, yml) in made
        .iter()
        .filter(|(path, yml)| path.ends_with(".yml") && yml.contains("contract:"))
    {
        let is_kept = |line: &&str| !line.contains("constraints:") && !line.contains("- type:");
        let yml: String = yml.split_inclusive('\n').filter(is_kept).collect();
        write(&folder.join(path), &yml.replace("enforced: true", "enforced: false"));
    }
    write(
        &folder.join("models/omni/events_by_type_v1.sql"),
        &read(&script("shop/faults/events_by_type.sql")),
    );
    let mut command = Command::new(dbt);
    let models = MODELS.join(" ");
    command.args([
        "--no-use-colors",
        "build",
        "--exclude-resource-type",
        "unit_test",
        "--select",
        &models,
    ]);
    let output = dbt_settings(&mut command, folder).output().expect("dbt runs");
    let log = String::from_utf8_lossy(&output.stdout);
    let mut found = String::new();
    let results = artifact(folder, "run_results.json");
    let tests = results["results"].as_array().expect("results").iter();
    let mut tests: Vec<String> = tests
        .filter_map(|result| {
            let name = text(&result["unique_id"])
                .strip_prefix("test.acme_analytics.")?
                .to_owned();
            // Remove the suffix that dbt adds to the test's id.
            let name = name.split('.').next().unwrap_or_default().to_owned();
            Some(format!("{name} {} {}", text(&result["status"]), result["failures"]))
        })
        .collect();
    tests.sort();
    tests.iter().for_each(|test| writeln!(found, "{test}").expect("a text"));
    assert!(
        tests
            .iter()
            .all(|test| test.contains(" fail ") || test.contains(" warn ")),
        "{found}\n{log}"
    );
    insta::assert_snapshot!("tests_on_bad_rows", found);
}

#[test]
fn models_are_added_to_a_handwritten_project_on_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let environment = [
        ("DBT_TARGET", "pg"),
        ("PGHOST", server.folder.as_str()),
        ("PGUSER", "oracle"),
    ];
    let project = create_project("shop_postgres", &dbt, &environment);
    let made = generate_models(&project);
    insta::assert_snapshot!(
        "models_postgres",
        join_files(&made, |path| path.starts_with("models/") && path.ends_with(".sql"))
    );
    check_properties_read_by_dbt(&build_project(&dbt, &project, &environment));
    style::check_sqlfluff_finds_nothing(&project, "postgres", made.keys().filter(|path| path.ends_with(".sql")));
}

fn join_files(files: &BTreeMap<String, String>, which: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    for (path, text) in files.iter().filter(|(path, _)| which(path)) {
        let _ = writeln!(out, "==> {path}\n{text}");
    }
    out
}
