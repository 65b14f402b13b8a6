//! Tests that dbt's own keys in a spec are passed on to the properties file, in a form that dbt reads without warnings.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::project;
use crate::tools::{copy, read_json, run, scratch, tool, write};
use crate::{dbt_settings, formulac};

/// Returns a `meta` mapping without the hash that formulac writes.
fn without_hash(meta: &Value) -> Value {
    let mut meta = meta.clone();
    meta.as_object_mut().unwrap().remove("formulac");
    meta
}

#[test]
fn dbt_reads_the_keys_of_a_spec() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let place = scratch("passed_on");
    copy(&project::folder(), &place);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/example_project");
    write(
        &place.join("metrics/passed_on.yml"),
        &project::read(&path.join("passed_on.yml")),
    );
    let args = [
        "model",
        "metrics/passed_on.yml",
        "--out",
        "models/formulac",
        "--dialect",
        "duckdb",
    ];
    formulac(&place, &[&args[..], &["--schema", "schema.yml"]].concat());
    write(
        &place.join("models/groups.yml"),
        "groups:\n  - {name: finance, owner: {email: finance@example.com}}\n",
    );
    // The spec generates the latest version. The previous version is an existing file in the project.
    let model = project::read(&place.join("models/formulac/revenue_by_segment.sql"));
    write(&place.join("models/formulac/revenue_by_segment_v1.sql"), &model);

    let mut parse = Command::new(dbt.with_file_name("python"));
    parse.arg(path.join("strict_parse.py"));
    run(dbt_settings(&mut parse, &place));
    let manifest = read_json(&place.join("target/manifest.json"));
    let nodes = &manifest["nodes"];
    let model = &nodes["model.subscription_business.revenue_by_segment.v2"];
    let config = &model["config"];
    assert_eq!(
        model["original_file_path"],
        json!("models/formulac/revenue_by_segment.sql")
    );
    assert_eq!((&model["version"], &model["latest_version"]), (&json!(2), &json!(2)));
    assert_eq!(model["description"], json!("Revenue of a segment, {{ not Jinja }}"));
    assert_eq!(config["materialized"], json!("table"));
    assert_eq!(config["enabled"], json!(true), "Jinja of `config` is dbt's");
    assert_eq!(
        (&config["access"], &config["group"]),
        (&json!("public"), &json!("finance"))
    );
    assert_eq!(config["contract"]["enforced"], json!(true));
    assert!(config["meta"]["formulac"]["hash"].is_string(), "{config}");
    assert_eq!(
        without_hash(&config["meta"]),
        json!({"team": "finance", "domain": "sales", "owner": "finance@example.com"})
    );
    let tags = config["tags"].as_array().unwrap();
    assert!(
        ["daily", "finance", "metrics"]
            .iter()
            .all(|tag| tags.contains(&json!(tag))),
        "{tags:?}"
    );
    let column = |name: &str| &model["columns"][name];
    assert_eq!(column("segment")["data_type"], json!("varchar"));
    assert_eq!(column("segment")["constraints"][0]["type"], json!("not_null"));
    assert_eq!(column("segment")["config"]["tags"], json!(["pii"]));
    assert_eq!(
        without_hash(&column("segment")["config"]["meta"]),
        json!({"a": 1, "b": true, "c": "5", "omni": {"label": "Segment", "hidden": false}})
    );
    assert_eq!(
        column("revenue")["config"]["meta"],
        json!({"unit": "EUR", "note": "{{ text }}", "precision": 2}),
        "keys next to the formula and in `columns`"
    );

    let attached = json!("model.subscription_business.revenue_by_segment.v2");
    let tests = nodes
        .as_object()
        .unwrap()
        .values()
        .filter(|node| node["attached_node"] == attached);
    let mut found: Vec<String> = tests
        .map(|test| {
            let metadata = &test["test_metadata"];
            let arguments = ["values", "quote", "to", "field", "column_name"].map(|name| &metadata["kwargs"][name]);
            let config = [&test["config"]["severity"], &test["config"]["where"]];
            let shown = |values: &[&Value]| {
                values
                    .iter()
                    .map(std::string::ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            format!("{}: {} / {}", metadata["name"], shown(&arguments), shown(&config))
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            r#""accepted_values": [0,1] false null null "revenue" / "warn" "revenue < 0""#,
            r#""not_null": null null null null "revenue" / "ERROR" null"#,
            r#""not_null": null null null null "segment" / "ERROR" null"#,
            r#""relationships": null null "ref('invoices')" "segment" "segment" / "ERROR" "1 = 0""#,
            r#""unique": null null null null "segment" / "error" null"#,
        ]
    );
}
