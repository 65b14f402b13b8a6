//! Tests to which nodes the names of columns, tables and versions refer in `formulac impact` and `formulac lineage`.

use serde_json::{Value, json};

use crate::impact::all;
use crate::run::TestProject;

/// Returns a node of the project `shop` in the manifest.
fn shop_node(kind: &str, name: &str, code: &str, parents: &[&str]) -> Value {
    json!({
        "name": name, "resource_type": kind, "unique_id": format!("{kind}.shop.{name}"), "package_name": "shop",
        "original_file_path": format!("models/{name}.sql"), "relation_name": format!("\"db\".\"main\".\"{name}\""),
        "raw_code": code, "compiled_code": (kind != "seed").then_some(code), "depends_on": {"nodes": parents},
        "columns": {},
    })
}

fn shop(name: &str, nodes: &[Value], sources: &Value) -> TestProject {
    let nodes = nodes
        .iter()
        .map(|node| (node["unique_id"].as_str().unwrap().to_owned(), node.clone()));
    let nodes: serde_json::Map<String, Value> = nodes.collect();
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb"},
        "nodes": nodes, "sources": sources,
    });
    let project = TestProject::new(name);
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n")
        .write("target/manifest.json", manifest.to_string());
    project
}

/// Before `dbt docs generate`, a model with `select *` has the columns that `known.yml` lists, and possibly others. If
/// a name is ambiguous, a known column takes precedence over a metric, and a metric takes precedence over a column that
/// may not exist.
#[test]
fn columns_are_known_from_earlier_commands() {
    let nodes: Vec<Value> = ["customers", "orders"]
        .into_iter()
        .flat_map(|name| {
            let seed = format!("raw_{name}");
            let code = format!("select * from \"db\".\"main\".\"{seed}\"");
            let parent = format!("seed.shop.{seed}");
            [
                shop_node("seed", &seed, "", &[]),
                shop_node("model", name, &code, &[&parent]),
            ]
        })
        .collect();
    let project = shop("impact_known", &nodes, &json!({}));
    let known = "relations:\n  customers:\n    columns: {customer_id: integer, kind: text}\n  orders:\n    \
                 columns: {order_id: integer, order_total: float}\n";
    let set = "metric_set: orders\nfrom: ref('orders')\ndefinitions: |\n  revenue = SUM(order_total)\n  \
               order_count = COUNT()\n";
    project
        .write(".formulac/state/known.yml", known)
        .write("metrics/orders.yml", set);
    let unlisted = "warning: `region` is not among the known columns of `customers`; run `dbt docs generate`";
    for (command, name, exit, expected) in [
        ("impact", "customers.kind", 0, "customers.kind: the values change"),
        ("lineage", "customers.kind", 0, "customers.kind\nderived from:"),
        (
            "impact",
            "orders.order_total",
            0,
            "orders.order_total: the values change",
        ),
        ("lineage", "orders.order_total", 0, "orders.order_total\nderived from:"),
        ("impact", "orders.revenue", 0, "no model reads `orders.revenue`"),
        ("lineage", "orders.revenue", 0, "orders.revenue (metric)"),
        ("impact", "customers.region", 0, unlisted),
        ("lineage", "customers.region", 0, unlisted),
        ("impact", "customers.kinds", 1, "did you mean `customers.kind`?"),
        ("lineage", "customers.kinds", 1, "did you mean `customers.kind`?"),
    ] {
        let run = project.run(&[command, name]);
        let text = format!("{}{}", run.out, run.err);
        assert!(
            run.exit == exit && text.contains(expected),
            "{command} {name}: {}: {text}",
            run.exit
        );
    }
}

/// A seed and a source may be the same table. Models that read the seed by `ref` depend on the seed, not on the source.
#[test]
fn a_source_over_a_seed() {
    let code = "select id, amount from \"db\".\"main\".\"raw_orders\"";
    let (seed, source) = ("seed.shop.raw_orders", "source.shop.landing.orders");
    let nodes = [
        shop_node("seed", "raw_orders", "", &[]),
        shop_node("model", "by_ref", code, &[seed]),
        shop_node("model", "by_source", code, &[source]),
    ];
    let sources = json!({source: {
        "name": "orders", "source_name": "landing", "identifier": "raw_orders", "resource_type": "source",
        "unique_id": source, "package_name": "shop", "original_file_path": "models/s.yml",
        "relation_name": "\"db\".\"main\".\"raw_orders\"", "columns": {"amount": {"name": "amount"}},
    }});
    let project = shop("impact_source_over_seed", &nodes, &sources);
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "raw_orders.amount", "--removed"],
            &["impact", "landing.orders.amount", "--removed"],
            &["lineage", "by_ref.amount"],
            &["lineage", "by_source.amount"],
        ]
    ));
}

/// Models may name a table directly in their SQL. In this case, dbt does not detect the dependency.
#[test]
fn tables_named_without_ref() {
    let nodes = [
        shop_node("seed", "raw_orders", "", &[]),
        shop_node("model", "by_schema", "select id, amount from main.raw_orders", &[]),
        shop_node("model", "by_table", "select o.amount from raw_orders as o", &[]),
        shop_node(
            "model",
            "own_cte",
            "with raw_orders as (select 1 as amount) select amount from raw_orders",
            &[],
        ),
        shop_node(
            "model",
            "total",
            "select sum(amount) as total from \"db\".\"main\".\"by_schema\"",
            &["model.shop.by_schema"],
        ),
    ];
    let project = shop("impact_named_tables", &nodes, &json!({}));
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "raw_orders.amount", "--removed"],
            &["lineage", "raw_orders.amount"],
            &["lineage", "total.total"],
        ]
    ));
}

/// A `ref` without a version refers to the latest version, and a `ref` with a version to exactly this version, even in
/// models that dbt has not parsed yet.
#[test]
fn versions_of_models_are_distinguished_before_dbt_parse() {
    let version = |package: &str, name: &str, version: &str| {
        let mut node = shop_node("model", name, "select 1 as amount", &[]);
        node["unique_id"] = json!(format!("model.{package}.{name}.v{version}"));
        node["package_name"] = json!(package);
        node["version"] = json!(version);
        node["latest_version"] = json!("2");
        node["alias"] = json!(format!("{name}_v{version}"));
        node["relation_name"] = json!(format!("\"db\".\"main\".\"{name}_v{version}\""));
        node
    };
    let nodes = [("shop", "bill"), ("crm", "dim")]
        .map(|(package, name)| ["1", "2"].map(|number| version(package, name, number)));
    let project = shop("impact_versions", nodes.as_flattened(), &json!({}));
    for (name, from) in [
        ("latest", "ref('bill')"),
        ("first", "ref('bill', v=1)"),
        ("second", "ref('shop', 'bill', v=2)"),
        ("packaged", "ref('dim', v=1)"),
    ] {
        let spec = format!("model: {name}\nfrom: {from}\ndefinitions: total = SUM(amount)\n");
        project.write(&format!("metrics/{name}.yml"), spec);
    }
    for (model, readers) in [("bill.v1", vec!["first"]), ("bill.v2", vec!["latest", "second"])] {
        let report = project.run(&["impact", model]).out;
        let found: Vec<&str> = ["first", "latest", "second"]
            .into_iter()
            .filter(|name| report.contains(&format!("{name} (model)")))
            .collect();
        assert_eq!(found, readers, "{report}");
        for reader in readers {
            let lineage = project.run(&["lineage", &format!("{reader}.total")]).out;
            assert!(lineage.contains(&format!("{model}.amount")), "{lineage}");
        }
    }
    // The model is in another package, and the `ref` to it does not name the package.
    let lineage = project.run(&["lineage", "packaged.total"]).out;
    assert!(lineage.contains("dim.v1.amount"), "{lineage}");
}
