//! Tests `impact` after `dbt build --select …`, whose manifest contains the compiled SQL of only the selected models.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::run::TestProject;

const COMPILED: &str = "target/compiled/shop/models/wide.sql";
const WIDE: &str = "select id{% for c in ['amount'] %}, {{ c }} as total_{{ c }}{% endfor %} from {{ ref('orders') }}";

/// Returns a model of the manifest. `compiled` is its SQL if the last run selected the model.
fn node(name: &str, code: &str, compiled: Option<&str>, parents: &[&str], columns: &[&str]) -> (String, Value) {
    let id = |name: &str| format!("model.shop.{name}");
    let columns: serde_json::Map<String, Value> = columns
        .iter()
        .map(|column| ((*column).to_owned(), json!({"name": column})))
        .collect();
    let parents: Vec<String> = parents.iter().map(|parent| id(parent)).collect();
    let node = json!({
        "unique_id": id(name), "name": name, "resource_type": "model", "package_name": "shop", "columns": columns,
        "original_file_path": format!("models/{name}.sql"), "raw_code": code, "compiled_code": compiled,
        "schema": "main", "relation_name": format!("\"db\".\"main\".\"{name}\""), "depends_on": {"nodes": parents},
    });
    (id(name), node)
}

/// Sets the modification time of a file to this number of minutes before now.
fn set_age(project: &TestProject, file: &str, minutes: u64) {
    let time = SystemTime::now() - Duration::from_secs(60 * minutes);
    File::options()
        .write(true)
        .open(project.path(file))
        .unwrap()
        .set_modified(time)
        .unwrap();
}

/// The compiled SQL in dbt's target folder is used only if it is newer than the model and reads the same relations.
#[test]
fn compiled_files_of_earlier_runs_are_read() {
    let project = TestProject::new("impact_partial_run");
    let nodes: serde_json::Map<String, Value> = [
        node("orders", "select 1 as id, 2 as amount", None, &[], &["id", "amount"]),
        node("wide", WIDE, None, &["orders"], &["id", "total_amount"]),
        node(
            "ids",
            "select id from {{ ref('wide') }}",
            Some("select id from \"db\".\"main\".\"wide\""),
            &["wide"],
            &["id"],
        ),
    ]
    .into_iter()
    .collect();
    let metadata = json!({"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                          "adapter_type": "duckdb", "project_name": "shop"});
    project
        .write(
            "target/manifest.json",
            json!({"metadata": metadata, "nodes": nodes}).to_string(),
        )
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n")
        .write("models/wide.sql", WIDE)
        .write("macros/none.sql", "");
    set_age(&project, "dbt_project.yml", 120);
    let exact = "1 change alters values in 1 model; nothing breaks\n";
    let coarse = "1 change alters values in 2 models; nothing breaks; the last dbt run compiled only some models, so \
                  run `dbt compile` for a shorter list\n";
    let compiled = "select id, amount as total_amount from \"db\".\"main\".\"orders\"";
    for (sql, minutes, newest, expected) in [
        (compiled, 30, "models/wide.sql", exact),
        (compiled, 90, "models/wide.sql", coarse),
        (compiled, 30, "macros/none.sql", exact),
        (compiled, 90, "macros/none.sql", coarse),
        (&compiled.replace("main", "dev"), 30, "models/wide.sql", coarse),
    ] {
        project.write(COMPILED, sql);
        set_age(&project, COMPILED, minutes);
        for file in ["models/wide.sql", "macros/none.sql"] {
            set_age(&project, file, if file == newest { 60 } else { 120 });
        }
        let run = project.run(&["impact", "orders.amount"]);
        assert!(
            run.exit == 0 && run.out.starts_with(expected),
            "{newest} {minutes}: {}",
            run.out
        );
    }
}
