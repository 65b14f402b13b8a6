//! Tests `formulac functions`.

use insta::assert_snapshot;

use crate::run::Place;

#[test]
fn entries() {
    let mut place = Place::new("functions");
    place
        .show(&["functions", "abs"])
        .show(&["functions", "SUMIF", "--dialect", "bigquery"])
        .show(&["functions", "MEDIAN"])
        .show(&["functions", "TODAY", "--json"])
        .show(&["functions", "SUMIFF"])
        .show(&["functions", "nothing_like_it"])
        .show(&["functions", "vlookup"])
        .show(&["functions", "SUMIFF", "--json"])
        .show(&["functions", "--search", "remainder"])
        .show(&["functions", "--search", "zzzz"]);
    assert_snapshot!(place.transcript());
}

#[test]
fn the_list_has_every_function_once() {
    let place = Place::new("functions_list");
    let list = place.run(&["functions"]);
    assert_eq!(list.exit, 0);
    let json = place.run(&["functions", "--json"]).json();
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

/// Every function has SQL in some dialect, or cases that run it in queries.
#[test]
fn every_function_shows_its_sql() {
    let place = Place::new("functions_sql");
    let json = place.run(&["functions", "--json"]).json();
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
fn every_function_says_what_cases_show_of_it() {
    let place = Place::new("functions_cases");
    let json = place.run(&["functions", "--json"]).json();
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
