//! Tests each kind of file that formulac generates for dbt. Snapshots show each file in each dialect, and dbt 1.12 with
//! dbt 2's checks reports no problems. The relations come from a manifest with a private parent, a column with personal
//! data, and a package whose model has versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::project;
use crate::tools::{copy, read_json, run, scratch, tool, write};
use crate::{dbt_command, dbt_settings, formulac, script};

const SPECS: [&str; 4] = ["monthly_sales", "sales_by_buyer", "sales_on_open_days", "view_of_sales"];

fn create_project(dbt: &Path) -> PathBuf {
    let place = scratch("kinds");
    let example = project::folder();
    for file in ["dbt_project.yml", "profiles.yml"] {
        write(&place.join(file), &project::read(&example.join(file)));
    }
    let path = script("kinds");
    copy(&path.join("project"), &place);
    copy(&path.join("shared_models"), &place.join("shared_models"));
    copy(&path.join("specs"), &place.join("specs"));
    for command in ["deps", "parse"] {
        run(dbt_settings(
            Command::new(dbt).args(["--no-use-colors", command]),
            &place,
        ));
    }
    place
}

#[test]
fn every_kind_of_file_follows_the_style() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let place = create_project(&dbt);
    // The manifest names the DuckDB adapter, so type names are interpreted as DuckDB types for all dialects here.
    let manifest = project::read(&place.join("target/manifest.json"));
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let schema = format!("{dialect}.json");
        write(&place.join(&schema), &manifest);
        for spec in SPECS {
            let path = format!("specs/{spec}.yml");
            let text = formulac(&place, &["model", &path, "--dialect", dialect, "--schema", &schema]);
            if dialect == "duckdb" || spec == "monthly_sales" {
                insta::assert_snapshot!(format!("{spec}_{dialect}"), text);
            }
        }
    }
    let specs = SPECS.map(|spec| format!("specs/{spec}.yml"));
    let mut args = vec!["model"];
    args.extend(specs.iter().map(String::as_str));
    args.extend([
        "--out",
        "models/formulac",
        "--dialect",
        "duckdb",
        "--schema",
        "duckdb.json",
    ]);
    formulac(&place, &args);
    write(
        &place.join("models/formulac/sales_on_open_days_v1.sql"),
        &project::read(&place.join("models/formulac/sales_on_open_days.sql")),
    );

    let mut parse = Command::new(dbt.with_file_name("python"));
    parse.arg(script("strict_parse.py"));
    run(dbt_settings(&mut parse, &place));
    let manifest = read_json(&place.join("target/manifest.json"));
    let model = |name: &str| &manifest["nodes"][format!("model.subscription_business.{name}")];
    for name in [
        "monthly_sales",
        "sales_by_buyer",
        "sales_on_open_days.v2",
        "view_of_sales",
    ] {
        let config = &model(name)["config"];
        let granted = (&config["access"], &config["group"]);
        assert_eq!(
            granted,
            (&json!("private"), &json!("finance")),
            "{name} is in the group of its parent"
        );
    }
    let tags = |name: &str, column: &str| {
        let mut tags = model(name)["columns"][column]["config"]["tags"]
            .as_array()
            .expect("a list")
            .clone();
        tags.sort_by_key(std::string::ToString::to_string);
        Value::Array(tags)
    };
    assert_eq!(tags("sales_by_buyer", "email"), json!(["contact", "pii"]));
    assert_eq!(tags("view_of_sales", "domain"), json!(["pii"]));
    assert_eq!(tags("monthly_sales", "buyers"), json!(["pii"]));
    assert_eq!(tags("sales_by_buyer", "revenue"), json!([]));
    assert_eq!(model("view_of_sales")["alias"], json!("sales_with_domain"));
    let versioned = model("sales_on_open_days.v2");
    assert_eq!(
        versioned["original_file_path"],
        json!("models/formulac/sales_on_open_days.sql")
    );
    let parents: Vec<&Value> = versioned["depends_on"]["nodes"].as_array().unwrap().iter().collect();
    assert_eq!(
        parents,
        [
            "model.shared_models.open_days.v1",
            "model.subscription_business.stg_sales"
        ]
    );
    let config = &model("monthly_sales")["config"];
    assert_eq!(
        [
            "materialized",
            "unique_key",
            "event_time",
            "lookback",
            "on_schema_change"
        ]
        .map(|key| &config[key]),
        [
            &json!("incremental"),
            &json!("sold_on_month"),
            &json!("sold_on_month"),
            &json!(2),
            &json!("append_new_columns")
        ]
    );

    // Contracts are satisfied, aliases and versions are found, and the tests pass.
    let day = r#"{"run_date": "2024-12-31"}"#;
    run(dbt_command(&dbt, &place).args(["--vars", day]));
}
