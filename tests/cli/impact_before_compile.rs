//! Tests `formulac impact` and `formulac lineage` before `dbt compile`.

use std::fs;

use serde_json::{Value, json};

use crate::impact::{SPEC, all, create_project};
use crate::run::{TestProject, artifact};

/// Returns the fixture's manifest as it is after `dbt parse`, without compiled SQL.
fn parsed() -> Value {
    let mut manifest: Value = serde_json::from_str(&artifact("manifest.json")).unwrap();
    for node in manifest["nodes"].as_object_mut().unwrap().values_mut() {
        node["compiled_code"] = Value::Null;
    }
    manifest
}

/// Code with simple Jinja gives the same result as the SQL that dbt compiles. Other Jinja is reported, but only for the
/// model that contains it.
#[test]
fn before_dbt_compile() {
    let project = create_project("impact_parsed");
    let calls: [&[&str]; 4] = [
        &["lineage", "stg_orders.order_total", "--up"],
        &["lineage", "dim_customers.customer_segment", "--up"],
        &["lineage", "stg_customers.customer_segment", "--down"],
        &["impact", "customers.signup_date"],
    ];
    let compiled = all(&project, &calls);
    project.write("target/manifest.json", parsed().to_string());
    assert_eq!(all(&project, &calls), compiled);
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "stg_orders.order_total"],
            &["lineage", "fct_orders.order_total"],
            &["lineage", "daily_revenue.revenue", "--up"],
        ]
    ));
    // The catalog does not exist yet.
    fs::remove_file(project.path("target/catalog.json")).unwrap();
    insta::assert_snapshot!(
        "before_dbt_compile_and_docs",
        all(
            &project,
            &[
                &["lineage", "fct_orders.order_total"],
                &["impact", "stg_sessions.device"]
            ]
        )
    );
}

/// Before `dbt compile`, both variants of an incremental model are read: the first run and the later runs. DuckDB's
/// list comprehensions and `pivot … on` cannot be parsed. For a model with such SQL, only the lineage of the whole
/// model is known, and the report gives the reason.
#[test]
fn incremental_models_and_unreadable_sql_have_no_column_lineage() {
    let project = TestProject::new("impact_incremental");
    let node = |name: &str, code: &str, columns: &[&str]| {
        let id = format!("model.shop.{name}");
        let columns: serde_json::Map<String, Value> = columns
            .iter()
            .map(|column| ((*column).to_owned(), json!({"name": column})))
            .collect();
        let parents: &[&str] = if name == "orders" { &[] } else { &["model.shop.orders"] };
        let node = json!({
            "name": name, "resource_type": "model", "package_name": "shop", "unique_id": id, "columns": columns,
            "original_file_path": format!("models/{name}.sql"), "raw_code": code, "schema": "main",
            "relation_name": format!("\"db\".\"main\".\"{name}\""), "depends_on": {"nodes": parents},
        });
        (id, node)
    };
    let nodes: serde_json::Map<String, Value> = [
        node("orders", "select 1 as id, 2 as amount, 'a' as kind, date '2024-01-01' as day", &["id", "amount", "kind", "day"]),
        node("lists", "select [x + amount for x in list_value(id)] as l from {{ ref('orders') }}", &["l"]),
        node("pivoted", "pivot {{ ref('orders') }} on day using sum(amount) group by kind", &["kind"]),
        node(
            "daily",
            "select day, {% if is_incremental() %}sum(amount){% else %}sum(id){% endif %} as total from {{ ref('orders') }}\n\
             {% if is_incremental() %}where kind <> (select max(kind) from {{ this }}){% endif %}\ngroup by day",
            &["day", "total"],
        ),
    ]
    .into_iter()
    .collect();
    let metadata = json!({"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                          "adapter_type": "duckdb", "project_name": "shop"});
    project.write(
        "target/manifest.json",
        json!({"metadata": metadata, "nodes": nodes}).to_string(),
    );
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["lineage", "daily.total", "--up"],
            &["impact", "orders.kind"],
            &["impact", "orders.id"],
            &["impact", "orders.amount"],
        ]
    ));
}

/// If dbt has parsed but not compiled the model of a spec, formulac uses the spec.
#[test]
fn a_spec_without_faults_before_dbt_compile() {
    let project = create_project("impact_parsed_spec");
    let generated = project.run(&["generate"]);
    let file = "models/formulac/daily_revenue.sql";
    assert!(project.path(file).is_file(), "{}", generated.err);
    let mut manifest = parsed();
    let id = "model.acme_analytics.daily_revenue";
    manifest["nodes"][id] = json!({"unique_id": id, "name": "daily_revenue", "resource_type": "model",
        "package_name": "acme_analytics", "relation_name": "\"acme\".\"analytics\".\"daily_revenue\"",
        "original_file_path": file, "raw_code": project.read(file), "columns": {},
        "depends_on": {"nodes": ["model.acme_analytics.fct_orders"]}});
    project.write("target/manifest.json", manifest.to_string());
    project.succeed(&["check"]);
    let output = all(
        &project,
        &[
            &["lineage", "daily_revenue.revenue", "--up"],
            &["impact", "fct_orders.order_total"],
        ],
    );
    assert!(!output.contains("errors"), "{output}");
    insta::assert_snapshot!(output);
    // A model whose spec has changed in the meantime is not reported as having errors either.
    project.write("metrics/daily_revenue.yml", SPEC.replace("half * 2", "half * 3"));
    let output = all(
        &project,
        &[
            &["lineage", "daily_revenue.revenue", "--up"],
            &["impact", "fct_orders.order_total"],
        ],
    );
    assert!(!output.contains("errors"), "{output}");
}

/// dbt parsed the project but compiled nothing, so the value of a variable comes from `dbt_project.yml`.
#[test]
fn numeric_variables_of_the_project_are_known() {
    let project = TestProject::new("impact_variables");
    let node = |name: &str, code: &str, parents: &[&str]| {
        let refs: Vec<Value> = parents.iter().map(|parent| json!({"name": parent})).collect();
        let ids: Vec<String> = parents.iter().map(|parent| format!("model.shop.{parent}")).collect();
        json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"), "fqn": ["shop", name],
            "database": "db", "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"),
            "raw_code": code, "columns": {}, "config": {"materialized": "table"}, "refs": refs,
            "depends_on": {"nodes": ids},
        })
    };
    let code = "select id, v * 2 as w from {{ ref('a') }} where v > {{ var('days') }}";
    let nodes = json!({
        "model.shop.a": node("a", "select 1 as id, 2 as v", &[]), "model.shop.b": node("b", code, &["a"]),
    });
    let metadata = json!({
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
        "adapter_type": "duckdb",
    });
    let manifest = json!({"metadata": metadata, "nodes": nodes, "sources": {}});
    project.write("target/manifest.json", manifest.to_string());
    for (variables, is_known) in [
        ("{days: 60}", true),
        ("{shop: {days: 60}}", true),
        ("{shop: {days: 60}, days: many}", true),
        ("{days: many}", false),
        ("{other: {days: 60}}", false),
        ("{}", false),
    ] {
        project.write("dbt_project.yml", format!("name: shop\nvars: {variables}\n"));
        let run = project.run(&["lineage", "b.w", "--up"]);
        assert_eq!(run.out.contains("a.v"), is_known, "{variables}: {}{}", run.out, run.err);
    }
}
