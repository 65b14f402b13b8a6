//! Tests the command `formulac functions`.

use insta::assert_snapshot;

use crate::run::TestProject;

#[test]
fn entries() {
    let mut project = TestProject::new("functions");
    project
        .show(&["functions", "abs"])
        .show(&["functions", "SUMIF", "--dialect", "bigquery"])
        .show(&["functions", "MEDIAN"])
        .show(&["functions", "TODAY", "--json", "--dialect", "snowflake"])
        .show(&["functions", "SUMIFF"])
        .show(&["functions", "nothing_like_it"])
        .show(&["functions", "vlookup"])
        .show(&["functions", "SUMIFF", "--json"])
        .show(&["functions", "--search", "remainder"])
        .show(&["functions", "--search", "zzzz"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn the_list_has_every_function_once() {
    let project = TestProject::new("functions_list");
    let list = project.run(&["functions"]);
    assert_eq!(list.exit, 0);
    let json = project.run(&["functions", "--json"]).json();
    let all = json["functions"].as_array().unwrap();
    assert_eq!(all.len(), formulac::catalog::functions().count());
    for function in formulac::catalog::functions() {
        let line = format!("  {} ", function.name);
        assert_eq!(
            list.out.lines().filter(|l| l.starts_with(&line)).count(),
            1,
            "{}",
            function.name
        );
    }
}

/// Every function has SQL in at least one dialect, or test cases that run it in queries.
#[test]
fn every_function_shows_its_sql() {
    let project = TestProject::new("functions_sql");
    let json = project.run(&["functions", "--json"]).json();
    for function in json["functions"].as_array().unwrap() {
        let sql = function["sql"].as_object().unwrap();
        assert_eq!(sql.len(), formulac::Dialect::all().count());
        let has_sql = sql.values().any(serde_json::Value::is_string);
        let shown = &function["shown_by_cases"]["duckdb"];
        let in_queries = shown.as_str().is_some_and(|cell| cell.starts_with("verified"));
        assert!(has_sql || in_queries, "{}", function["name"]);
    }
}

/// The matrix page and the command give the same information about each function.
#[test]
fn every_function_lists_its_evidence() {
    let project = TestProject::new("functions_cases");
    let json = project.run(&["functions", "--json"]).json();
    for function in json["functions"].as_array().unwrap() {
        let shown = function["shown_by_cases"].as_object().unwrap();
        assert_eq!(
            shown.len(),
            formulac::Dialect::all().count(),
            "{}: update docs/matrix.md",
            function["name"]
        );
    }
}

/// `packaging/facts_from_report.py` converts a report from `formulac prove` to entries for `dialects/facts`. The script
/// includes functions whose cases are all proven.
#[test]
fn a_report_of_prove_becomes_facts() {
    let project = TestProject::new("functions_facts");
    let report = |subjects: serde_json::Value| {
        serde_json::json!({
            "dialect": "snowflake", "warehouse": "9.40.1", "at": "2026-11-25T10:00:00Z", "subjects": subjects,
        })
    };
    let counts = |proven: u32, differs: u32| serde_json::json!({"proven": proven, "differs": differs, "refused": 0, "not_proven": 0});
    let facts = |name: &str, subjects: serde_json::Value| {
        let file = project.path(name);
        std::fs::write(&file, report(subjects).to_string()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/facts_from_report.py");
        let program = env!("CARGO_BIN_EXE_formulac");
        let mut command = std::process::Command::new("python3");
        let run = command
            .arg(script)
            .arg(&file)
            .args(["--formulac", program])
            .output()
            .unwrap();
        (
            run.status.code(),
            String::from_utf8(run.stdout).unwrap(),
            String::from_utf8(run.stderr).unwrap(),
        )
    };
    let (exit, text, _) = facts(
        "proven.json",
        serde_json::json!({"SINH": counts(3, 0), "FACT": counts(2, 1), "dates and texts": counts(4, 0)}),
    );
    assert_eq!(exit, Some(0));
    let expected = "[sources]\nprove_2026_11_25 = \"formulac prove, 9.40.1, 2026-11-25\"\n\n[calls]\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("\"sinh(number)\" = \"run prove_2026_11_25\"     # SINH\n"),
        "{text}"
    );
    assert!(!text.contains("reduce("), "{text}");
    let (exit, text, error) = facts("open.json", serde_json::json!({"FACT": counts(0, 3)}));
    assert_eq!((exit, text.as_str()), (Some(1), ""));
    assert!(error.contains("supports no entry"), "{error}");
}
