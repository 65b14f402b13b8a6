//! Checks the commands' `--json` output against `formulac schema json COMMAND` in every test in this folder.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use crate::json_schema::first_schema_errors;
use crate::repository::switch_user;
use crate::roles;

static SCHEMAS: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

/// Returns the commands that print JSON, starting with commands of two words.
fn commands() -> Vec<String> {
    let shapes: Value = serde_json::from_str(include_str!("../../src/cli/json/shapes.json")).unwrap();
    let names = shapes
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| !name.starts_with('#'))
        .cloned();
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(|name| !name.contains(' '));
    names
}

fn schema(command: &str) -> Value {
    let mut schemas = SCHEMAS.lock().unwrap();
    let schema = schemas.entry(command.to_owned()).or_insert_with(|| {
        let mut call = Command::new(env!("CARGO_BIN_EXE_formulac"));
        call.args(["schema", "json"]).args(command.split(' '));
        serde_json::from_slice(&call.output().unwrap().stdout).unwrap()
    });
    schema.clone()
}

/// Checks an object against the schema of the command that printed it. A key that the schema does not define is
/// an error.
pub fn check(args: &[&str], out: &str) {
    if !args.contains(&"--json") || out.is_empty() || args.contains(&"--help") {
        return;
    }
    let called = format!(" {} ", args.join(" "));
    let command = commands()
        .into_iter()
        .find(|command| called.contains(&format!(" {command} ")));
    let value: Value = serde_json::from_str(out).unwrap_or_else(|fault| panic!("{args:?}: {fault}: {out}"));
    assert!(out.starts_with("{\n  \"version\": 1"), "{args:?}: {out}");
    // All commands print the same error object if they stop with an error.
    let command = match value.get("error") {
        Some(_) => "error".to_owned(),
        None => command.unwrap_or_else(|| panic!("{args:?} prints JSON, and there is no schema")),
    };
    let schema = schema(&command);
    let mut faults = Vec::new();
    compare(&schema, &schema, &value, &command, &mut faults);
    assert!(faults.is_empty(), "{args:?}: {faults:#?}");
}

/// Compares a value with a schema. Supports the JSON Schema keywords that the schemas use.
fn compare(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = root
            .pointer(name.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{name}"));
        return compare(root, definition, value, at, faults);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let of = if value.is_null() { &any[1] } else { &any[0] };
        return compare(root, of, value, at, faults);
    }
    if let Some(only) = schema.get("const").filter(|only| *only != value) {
        faults.push(format!("{at}: {value} is not {only}"));
    }
    if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
        faults.push(format!("{at}: {value} is none of {all:?}"));
    }
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_of = |of: &Value| of == name || (of == "number" && name == "integer");
    let is_typed = match &schema["type"] {
        Value::Array(types) => types.iter().any(is_of),
        Value::Null => true,
        only => is_of(only),
    };
    if !is_typed {
        faults.push(format!("{at}: {name} is not {}", schema["type"]));
    }
    if let (Value::Array(items), Some(of)) = (value, schema.get("items")) {
        items
            .iter()
            .for_each(|item| compare(root, of, item, &format!("{at}[]"), faults));
    }
    let Value::Object(fields) = value else { return };
    for key in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !fields.contains_key(key) {
            faults.push(format!("{at}: `{key}` is missing"));
        }
    }
    for (key, value) in fields {
        let at = format!("{at}.{key}");
        match schema["properties"].get(key).or(schema.get("additionalProperties")) {
            Some(of) => compare(root, of, value, &at, faults),
            None => faults.push(format!("{at}: the schema has no such key")),
        }
    }
}

/// The check reports each deviation from the schema.
#[test]
fn output_that_violates_the_schema_is_detected() {
    for (out, fault) in [
        (
            r#"{"version": 2, "dialect": "duckdb", "name": null, "sql": null, "diagnostics": []}"#,
            "query.version: 2",
        ),
        (
            r#"{"version": 1, "dialect": "duckdb", "name": null, "diagnostics": []}"#,
            "`sql` is missing",
        ),
        (
            r#"{"version": 1, "dialect": 1, "name": null, "sql": null, "diagnostics": []}"#,
            "integer is not",
        ),
        (
            r#"{"version": 1, "dialect": "duckdb", "name": null, "sql": null, "diagnostics": [], "x": 1}"#,
            "no such key",
        ),
        (
            r#"{"version": 1, "dialect": "", "name": "", "sql": "", "diagnostics": [{}]}"#,
            "[]: `code` is missing",
        ),
    ] {
        let (schema, mut faults) = (schema("query"), Vec::new());
        compare(
            &schema,
            &schema,
            &serde_json::from_str(out).unwrap(),
            "query",
            &mut faults,
        );
        assert!(faults.iter().any(|it| it.contains(fault)), "{fault}: {faults:?}");
    }
}

/// Every schema is also valid according to a JSON Schema validator, and the validator accepts the output of the
/// commands.
#[test]
fn a_validator_accepts_what_commands_print() {
    let project = roles::create_project("json_output");
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    switch_user(&project, "eve");
    let mut documents: Vec<(String, Value)> = Vec::new();
    for args in [
        &["compile", "a = SUM(amount)\nb = SUMM(x)"][..],
        &["explain", "SUM(amount) / 2"],
        &["explain", "F0301"],
        &["functions", "XLOOKUP"],
        &["query", "metrics/revenue.yml"],
        &["model", "metrics/revenue.yml"],
        &["check"],
        &["status"],
        &["plan"],
        &["push", "--yes"],
        &["adopt"],
        &["log"],
        &["env", "list"],
        &["env", "show"],
        &["env", "check"],
        &["env", "diff", "production"],
        &["change", "list"],
        &["generate", "--check"],
        &["env", "use", "development"],
    ] {
        let run = project.run(&[args, &["--json"]].concat());
        assert!(!run.out.is_empty(), "{args:?}: {}", run.err);
        let called = format!("{} ", args.join(" "));
        let command = commands()
            .into_iter()
            .find(|it| called.starts_with(&format!("{it} ")))
            .unwrap();
        documents.push((command, run.json()));
    }
    let schemas = commands()
        .into_iter()
        .map(|command| (command.clone(), schema(&command)));
    let schemas: serde_json::Map<String, Value> = schemas.collect();
    let documents: Vec<(&str, Value)> = documents
        .iter()
        .map(|(of, value)| (of.as_str(), value.clone()))
        .collect();
    let Some(faults) = first_schema_errors(&Value::Object(schemas), &documents) else {
        return;
    };
    for ((of, value), fault) in documents.iter().zip(faults) {
        assert_eq!(fault, None, "{of}: {value:#}");
    }
}
