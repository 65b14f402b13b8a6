//! Checks that the test harness is strict: a mistake in a case file is an error, and nearly equal values are not equal.

use std::path::Path;

use formulac::Dialect;
use serde_json::json;

use crate::case::read_text;
use crate::compare::{type_fault, values_equal};

const GOOD: &str = "
function: ABS
cases:
  - case: both signs
    formula: ABS(x)
    types: {x: integer}
    rows: [{x: -1, is: 1}, {x: null, is: null}]
    source: sheet
";

fn fault_after(from: &str, to: &str) -> String {
    let text = GOOD.replace(from, to);
    assert_ne!(text, GOOD, "the replacement must change the text");
    match read_text(Path::new("abs.yml"), &text) {
        Ok(_) => String::new(),
        Err(fault) => fault,
    }
}

#[test]
fn a_valid_case_file_is_read() {
    let file = read_text(Path::new("abs.yml"), GOOD).expect("it is good");
    assert_eq!((file.function.as_str(), file.cases.len()), ("ABS", 1));
}

#[test]
fn invalid_case_files_are_rejected() {
    for (from, to, expected) in [
        ("source: sheet", "source: sheet\n    typ: integer", "unknown key `typ`"),
        ("function: ABS", "function: ABS\nnote: x", "unknown key `note`"),
        ("x: -1, is: 1", "x: -1, y: 2, is: 1", "unknown key `y`"),
        ("{x: -1, is: 1}", "{is: 1}", "`x` is missing"),
        ("x: null, is: null", "x: null", "`is` must be in every row or in no row"),
        ("x: -1, is: 1", "x: -1, is: 1, is: 2", "duplicated key"),
        ("x: integer", "x: int", "unknown type `int`"),
        ("x: integer", "x: integer!", "declared never NULL"),
        ("source: sheet", "source: me", "`source` is sheet, hand or"),
        ("source: sheet", "source: contract-differs()", "which names the rule"),
        ("source: sheet", "source: sheet\n    edge: ties", "`edge` is true"),
        ("    source: sheet\n", "", "`source` is missing"),
        (
            "source: sheet",
            "source: hand\n    unsupported: {oracle: F0501}",
            "unknown dialect `oracle`",
        ),
        ("source: sheet", "source: sheet\n    is: 1", "a case needs one of"),
        ("ABS(x)", "[ABS(x)]", "expected a plain value"),
    ] {
        let fault = fault_after(from, to);
        assert!(
            fault.contains(expected),
            "{to:?} should give {expected:?}, gives {fault:?}"
        );
    }
    let (head, _) = GOOD.split_once("cases:").expect("the file has cases");
    let empty = read_text(Path::new("abs.yml"), &format!("{head}cases: []\n"));
    assert!(empty.is_err_and(|fault| fault.contains("no cases")));
    let (_, case) = GOOD.split_once("cases:").expect("the file has cases");
    let twice = read_text(
        Path::new("abs.yml"),
        &format!("{GOOD}{}", case.trim_start_matches('\n')),
    );
    assert!(twice.is_err_and(|fault| fault.contains("two cases are called")));
}

#[test]
fn similar_values_are_different() {
    assert!(values_equal(&json!(0.3), &json!(0.300_000_000_000_000_04)));
    assert!(values_equal(&json!(3), &json!(3.0)));
    assert!(values_equal(&json!(1e300), &json!(1.000_000_000_000_1e300)));
    assert!(!values_equal(&json!(1), &json!(1.000_001)));
    assert!(!values_equal(&json!(1), &json!(true)));
    assert!(!values_equal(&json!(1), &json!("1")));
    assert!(!values_equal(&json!("a"), &json!("A")));
    assert!(!values_equal(&json!(""), &json!(null)));
    assert!(!values_equal(&json!("2024-02-29"), &json!("2024-02-29 00:00:00")));
}

#[test]
fn engine_types_are_distinguished() {
    let fault = |dialect: &str, expected, engine_type| {
        let dialect: Dialect = dialect.parse().expect("a known dialect");
        type_fault(dialect, expected, engine_type).is_some()
    };
    assert!(!fault("bigquery", "timestamptz", "TIMESTAMP"));
    assert!(fault("bigquery", "timestamp", "TIMESTAMP"));
    assert!(!fault("duckdb", "timestamp", "TIMESTAMP"));
    assert!(fault("bigquery", "integer", "DOUBLE"));
    assert!(fault("postgres", "date", "timestamp"));
    assert!(!fault("postgres", "float", "numeric"));
    assert!(fault("duckdb", "float", "DECIMAL(18,3)"));
    assert!(!fault("snowflake", "integer", "FLOAT"));
    assert!(fault("snowflake", "text", "NUMBER"));
}
