//! Tests `formulac query` and `formulac model`.

use insta::assert_snapshot;
use serde_json::json;

use crate::run::TestProject;

const REVENUE: &str = "\
model: revenue
description: Revenue by region.
from: orders
group_by: region
definitions: |
  /// What was paid
  revenue = SUM(amount)
columns: {region: {data_tests: [not_null]}}
";
const COUNTS: &str = "model: counts\nfrom: orders\ndefinitions: n = COUNT(id)\n";
const BAD: &str = "model: bad\nfrom: orders\ndefinitions: n = COUNTT(id)\n";

pub fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("metrics/revenue.yml", REVENUE);
    project
        .write("metrics/counts.yml", COUNTS)
        .write("metrics/bad.yml", BAD);
    project
}

#[test]
fn query() {
    let mut project = create_project("query");
    project
        .show(&["query", "metrics/revenue.yml"])
        .show(&["query", "metrics/revenue.yml", "--dialect", "snowflake", "--json"])
        .show(&["query", "metrics/bad.yml"])
        .show(&["query", "metrics/bad.yml", "--json"])
        .show_with(&["query", "-"], COUNTS);
    assert_snapshot!(project.transcript());
}

#[test]
fn models_on_standard_output() {
    let mut project = create_project("model_stdout");
    project
        .show(&["model", "metrics/revenue.yml"])
        .show(&["model", "metrics/counts.yml", "metrics/bad.yml"])
        .show(&["model", "metrics/counts.yml", "metrics/counts.yml"])
        .show(&["model", "metrics/counts.yml", "metrics/bad.yml", "--json"])
        .show_with(&["model", "-"], COUNTS);
    assert_snapshot!(project.transcript());
}

#[test]
fn files_are_written_and_kept() {
    let project = create_project("model_out");
    let all = [
        "model",
        "metrics/revenue.yml",
        "metrics/counts.yml",
        "--out",
        "models/gen",
    ];
    let run = project.run(&all);
    assert_eq!((run.exit, run.out.as_str()), (0, ""));
    assert_eq!(
        run.err,
        "wrote models/gen/counts.sql\nwrote models/gen/counts.yml\nwrote models/gen/revenue.sql\nwrote models/gen/revenue.yml\n"
    );
    assert_eq!(
        project.files("models/gen"),
        ["counts.sql", "counts.yml", "revenue.sql", "revenue.yml"]
    );
    assert_eq!(project.run(&all).err, "everything is up to date\n");
    assert_eq!(project.run(&[&all[..], &["--quiet"]].concat()).err, "");
    // The command prints the same bytes when it is run in another folder.
    let sql = project.read("models/gen/revenue.sql");
    let mut command = project.command(&["model", "revenue.yml", "--out", "../elsewhere"]);
    assert!(
        command
            .current_dir(project.path("metrics"))
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(project.read("elsewhere/revenue.sql"), sql);
    // The output of the changed spec replaces the previous output.
    project.write("metrics/counts.yml", COUNTS.replace("COUNT(id)", "COUNT(user_id)"));
    assert_eq!(
        project.run(&all).err,
        "wrote models/gen/counts.sql\nwrote models/gen/counts.yml\n"
    );
}

/// Tests can have a description since dbt 1.9, and unit tests exist since dbt 1.8.
#[test]
fn messages_and_examples_are_written_for_the_dbt_that_reads_them() {
    let spec = "model: m\nfrom: t\ndefinitions: a = SUM(x)\nrules:\n  - {name: known, check: a = 1, message: One.}\n\
                examples: [{name: e, given: [], expect: {rows: []}}]\n";
    let project = create_project("model_dbt_messages");
    project
        .write("metrics/m.yml", spec)
        .write("dbt_project.yml", "name: shop\n");
    for (version, expected, unit_tests) in [
        (
            "1.7.18",
            "config:\n                meta:\n                  message: One.\n",
            false,
        ),
        (
            "1.8.10",
            "config:\n                meta:\n                  message: One.\n",
            true,
        ),
        ("1.12.6", "description: One.\n", true),
    ] {
        let manifest = json!({"metadata": {"dbt_version": version}, "nodes": {}, "sources": {}}).to_string();
        project.write("target/manifest.json", &manifest);
        let run = project.run(&["model", "metrics/m.yml", "--json"]).json();
        let yml = run["models"][0]["yml"].as_str().unwrap();
        assert!(yml.contains(expected), "{version}: {yml}");
        assert_eq!(yml.contains("unit_tests:"), unit_tests, "{version}: {yml}");
        let codes: Vec<&str> = run["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, if unit_tests { vec![] } else { vec!["W0816"] }, "{version}");
    }
}

#[test]
fn nothing_is_written_if_one_spec_has_an_error() {
    let project = create_project("model_all_or_nothing");
    let run = project.run(&["model", "metrics/revenue.yml", "metrics/bad.yml", "--out", "out"]);
    assert_eq!(run.exit, 1);
    assert!(
        run.err.contains("F0301")
            && run
                .err
                .ends_with("no file is written, because 1 of 2 files have errors\n"),
        "{}",
        run.err
    );
    assert!(project.files("out").is_empty());
    // If one of the files cannot be written, no file is written.
    project.write("out/revenue.yml/is_a_folder", "");
    let run = project.run(&["model", "metrics/counts.yml", "metrics/revenue.yml", "--out", "out"]);
    assert_eq!(run.exit, 5, "{}", run.err);
    assert_eq!(project.files("out"), ["revenue.yml"]);
    project.write("file", "");
    assert_eq!(project.run(&["model", "metrics/counts.yml", "--out", "file"]).exit, 5);
}

#[test]
fn a_manual_edit_is_a_conflict() {
    let project = create_project("model_conflict");
    let call = ["model", "metrics/revenue.yml", "metrics/counts.yml", "--out", "out"];
    project.succeed(&call);
    let edited = project.read("out/counts.sql").replace("count(", "sum(");
    project
        .write("out/counts.sql", &edited)
        .write("metrics/revenue.yml", REVENUE.replace("SUM(", "MAX("));
    let before = project.read("out/revenue.sql");
    let run = project.run(&call);
    assert_eq!((run.exit, run.out.as_str()), (3, ""));
    let message = "error[F0701]: `out/counts.sql` was edited after formulac wrote it\n";
    assert!(
        run.err.contains(message) && run.err.ends_with("\nno file is written\n"),
        "{}",
        run.err
    );
    let json = project.run(&[&call[..], &["--json"]].concat());
    assert_eq!(
        (json.exit, json.json()["diagnostics"][0]["code"].as_str()),
        (3, Some("F0701"))
    );
    assert_eq!(project.read("out/counts.sql"), edited);
    assert_eq!(project.read("out/revenue.sql"), before);
    // Files that formulac did not write belong to the user.
    project.write("other/counts.yml", "version: 2\n");
    let run = project.run(&["model", "metrics/counts.yml", "--out", "other"]);
    assert_eq!((run.exit, project.files("other")), (3, vec!["counts.yml".to_owned()]));
    let message = "error[F0701]: `other/counts.yml` has no formulac header, so it is not overwritten\n";
    assert!(run.err.contains(message), "{}", run.err);
}

#[test]
fn check_compares_and_writes_nothing() {
    let project = create_project("model_check");
    let write = ["model", "metrics/revenue.yml", "--out", "out"];
    let check = [&write[..], &["--check"]].concat();
    let run = project.run(&check);
    assert_eq!(
        (run.exit, run.err.as_str()),
        (1, "out/revenue.sql is missing\nout/revenue.yml is missing\n")
    );
    assert!(project.files("out").is_empty());
    project.succeed(&write);
    project.succeed(&check);
    project.write("out/revenue.sql", "select 1\n");
    let run = project.run(&check);
    assert_eq!(
        (run.exit, run.err.as_str()),
        (1, "out/revenue.sql differs from its spec\n")
    );
    assert_eq!(project.read("out/revenue.sql"), "select 1\n");
}

#[test]
fn json_of_models() {
    let project = create_project("model_json");
    let run = project.run(&["model", "metrics/counts.yml", "metrics/bad.yml", "--json"]);
    assert_eq!((run.exit, run.err.as_str()), (1, ""));
    let value = run.json();
    assert_eq!(value["dialect"], "duckdb");
    assert_eq!(value["models"][0]["name"], "counts");
    assert_eq!(value["models"].as_array().map(Vec::len), Some(1));
    let fault = &value["diagnostics"][0];
    assert_eq!(
        (&fault["file"], &fault["code"]),
        (&json!("metrics/bad.yml"), &json!("F0301"))
    );
    // Span, line and column refer to the YAML file.
    assert_eq!(fault["span"], json!({"start": 41, "end": 47, "line": 3, "column": 18}));
}

/// A limit causes a warning in a model, where it also removes rows for downstream models, but not in a plain query.
#[test]
fn a_limit_causes_a_warning_only_in_models() {
    let mut project = create_project("model_limit");
    let spec = "model: top\nfrom: orders\ngroup_by: region\norder_by: n desc\nlimit: 3\ndefinitions: n = COUNT(id)\n\
                columns: {region: {data_tests: [not_null]}}\n";
    project.write("metrics/top.yml", spec);
    project
        .show(&["query", "metrics/top.yml"])
        .show(&["model", "metrics/top.yml"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn quoted_names_are_marked_for_dbt() {
    let mut project = create_project("model_quotes");
    let spec =
        "model: m\nfrom: orders\ngroup_by: order\ndefinitions:\n  Net Revenue: SUM(amount)\n  Total: COUNT(id)\n";
    project.write("metrics/m.yml", spec);
    project.show(&["model", "metrics/m.yml"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn a_model_does_not_read_itself() {
    let project = TestProject::new("model_reads_itself");
    for (from, exit) in [
        ("m", 1),
        ("ref('M')", 1),
        ("\"ref('package', 'm')\"", 0),
        ("raw.m", 0),
        ("\"source('raw', 'm')\"", 0),
    ] {
        project.write("m.yml", format!("model: m\nfrom: {from}\ndefinitions: n = COUNT()\n"));
        let run = project.run(&["model", "m.yml", "--json"]);
        let code = run.json()["diagnostics"][0]["code"].as_str().map(str::to_owned);
        assert_eq!(
            (run.exit, code.as_deref()),
            (exit, (exit == 1).then_some("F0602")),
            "{from}"
        );
        assert_eq!(project.run(&["query", "m.yml"]).exit, 0, "{from}");
    }
}

/// dbt renders Jinja in the rows of unit tests, so text with braces is protected.
#[test]
fn braces_in_example_rows_are_protected() {
    let project = TestProject::new("model_example_braces");
    project.write(
        "m.yml",
        "model: m\nfrom: ref('t')\ngroup_by: a\ndefinitions: {n: COUNT()}\nexamples:\n  - name: braces\n    \
         given: [{input: ref('t'), rows: [{a: \"{{ x }}\"}, {a: plain}]}]\n    expect: {rows: [{a: 'b {% c', n: 1}]}\n",
    );
    let run = project.run(&["model", "m.yml", "--json"]).json();
    let yml = run["models"][0]["yml"].as_str().unwrap();
    for row in [
        "{a: \"{% raw %}{{ x }}{% endraw %}\"}",
        "{a: plain}",
        "{a: \"{% raw %}b {% c{% endraw %}\", \"n\": 1}",
    ] {
        assert!(yml.contains(row), "{yml}");
    }
}
