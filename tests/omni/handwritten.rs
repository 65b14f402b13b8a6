//! Checks that pulls do not remove what people wrote, even if dbt generated the same text in the meantime.

use formulac::omni::PullOptions;
use serde_json::{Value, json};

use super::existing::Files;
use super::mapping::read;

/// View that a person wrote before the first pull, with everything that dbt's tests and properties can also generate.
const ORDERS: &str = "schema: shop
table_name: orders
description: All orders.
hidden: true
tags: [core, dbt]
dimensions:
  id:
    primary_key: true
    description: Its number.
    label: Number
    format: ID
  customer_id: {}
  status:
    hidden: true
    all_values: [new, paid]
";

/// View with a handwritten key. Pulls add the other parts.
const CUSTOMERS: &str = "schema: shop
table_name: customers
custom_compound_primary_key_sql: [region, number]
dimensions:
  region:
    label: Where
  number: {}
";

const JOINS: &str = "- join_from_view: shop__orders
  join_to_view: shop__customers
  join_type: always_left
  on_sql: ${shop__orders.customer_id} = ${shop__customers.number}
  relationship_type: many_to_one
- join_from_view: shop__orders
  join_to_view: shop__orders
  join_to_view_as: earlier
  on_sql: ${shop__orders.id} = ${earlier.id} + 1
";

/// Which dbt tests the project has: tests that prove a condition, tests that do not, or no tests.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tests {
    Proving,
    With(&'static str, &'static str),
    None,
}

/// Returns the nodes of a project with two models for which people wrote views, and one model, `payments`, whose view
/// only pulls write. `is_described` is `false` after dbt's descriptions and tags were removed.
fn nodes(tests: Tests, is_described: bool) -> Vec<Value> {
    let text = |text: &str| if is_described { text.to_owned() } else { String::new() };
    let model = |name: &str, columns: &[&str]| {
        let column = |name: &&str| {
            let description = if *name == "id" {
                text("Its number.")
            } else {
                String::new()
            };
            ((*name).to_owned(), json!({"name": name, "description": description}))
        };
        let columns: serde_json::Map<String, Value> = columns.iter().map(column).collect();
        json!({
            "unique_id": format!("model.shop.{name}"), "resource_type": "model", "package_name": "shop", "name": name,
            "alias": name, "database": "db", "schema": "shop", "relation_name": format!("db.shop.{name}"),
            "columns": columns, "tags": if is_described { json!(["dbt"]) } else { json!([]) },
            "description": if name == "orders" { text("All orders.") } else { String::new() },
            "meta": if is_described { json!({"omni": {"hidden": true}}) } else { json!({}) },
        })
    };
    let mut nodes = vec![
        model("orders", &["id", "customer_id", "status"]),
        model("customers", &["region", "number"]),
        model("payments", &["id", "status", "customer_id"]),
    ];
    let test = |model: &str, column: &str, name: &str, arguments: Value| {
        let config = match tests {
            Tests::With(key, value) => json!({key: value}),
            _ => json!({}),
        };
        json!({
            "unique_id": format!("test.shop.{name}_{model}_{column}"), "resource_type": "test", "package_name": "shop",
            "name": format!("{name}_{model}_{column}"), "attached_node": format!("model.shop.{model}"),
            "column_name": column, "config": config, "test_metadata": {"name": name, "kwargs": arguments},
            "depends_on": {"nodes": [format!("model.shop.{model}"), "model.shop.customers"]},
        })
    };
    if tests != Tests::None {
        for model in ["orders", "payments"] {
            nodes.push(test(model, "id", "unique", json!({})));
            nodes.push(test(model, "id", "not_null", json!({})));
            let values = json!({"values": ["new", "paid", "sent"]});
            nodes.push(test(model, "status", "accepted_values", values));
            let reference = json!({"to": "ref('customers')", "field": "number"});
            nodes.push(test(model, "customer_id", "relationships", reference));
        }
        nodes.push(test("customers", "number", "unique", json!({})));
        for column in ["region", "number"] {
            nodes.push(test("customers", column, "not_null", json!({})));
        }
    }
    nodes
}

/// Checks that `theirs` contains everything in `ours`.
fn check_contains(ours: &Value, theirs: &Value, context: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                check_contains(
                    value,
                    theirs.get(key).unwrap_or(&Value::Null),
                    &format!("{context}.{key}"),
                );
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for item in ours {
                assert!(
                    theirs
                        .iter()
                        .any(|other| other.to_string().contains(item.to_string().trim_end_matches('}'))),
                    "{context} lacks {item} in {theirs:?}"
                );
            }
        }
        _ => assert_eq!(ours, theirs, "{context}"),
    }
}

const FILES: [(&str, &str); 3] = [
    ("shop/orders.view.yaml", ORDERS),
    ("shop/customers.view.yaml", CUSTOMERS),
    ("relationships.yaml", JOINS),
];

#[test]
fn pulls_remove_only_what_pulls_wrote() {
    let weak = [
        Tests::With("severity", "warn"),
        Tests::With("error_if", ">10"),
        Tests::With("where", "id > 10"),
        Tests::None,
    ];
    let proven = |tests: &Tests| vec![Tests::Proving, *tests, Tests::None, Tests::Proving, *tests];
    let histories = weak
        .iter()
        .flat_map(|tests| [proven(tests), vec![*tests, *tests, Tests::None]]);
    for history in histories {
        let mut files = Files::new(&FILES);
        for (number, tests) in history.iter().enumerate() {
            // dbt's descriptions are removed together with the tests.
            let nodes = nodes(*tests, *tests != Tests::None);
            files.pull_with(&nodes, None, PullOptions::default());
            let after = files.clone();
            files.pull_with(&nodes, None, PullOptions::default());
            assert_eq!(files.omni, after.omni, "{history:?}: a second pull changes nothing");
            for (path, text) in FILES {
                check_contains(
                    &read(text),
                    &read(&files.omni[path]),
                    &format!("{history:?}, pull {number}: {path}"),
                );
            }
            let is_proven = *tests == Tests::Proving;
            let payments = &files.omni["shop/payments.view.yaml"];
            for part in ["primary_key: true", "all_values: [new, paid, sent]"] {
                assert_eq!(
                    payments.contains(part),
                    is_proven,
                    "{history:?}, pull {number}: {payments}"
                );
            }
            let joins = read(&files.omni["relationships.yaml"]).as_array().unwrap().len();
            assert_eq!(joins, 2 + usize::from(is_proven), "{history:?}, pull {number}");
            // Pulls add one value to the list that a person wrote, and remove only this value.
            let orders = &files.omni["shop/orders.view.yaml"];
            assert_eq!(
                orders.contains("sent"),
                is_proven,
                "{history:?}, pull {number}: {orders}"
            );
        }
        let pruned = nodes(Tests::None, false);
        files.pull_with(&pruned, None, PullOptions::default().prune(true));
        for (path, text) in FILES {
            check_contains(
                &read(text),
                &read(&files.omni[path]),
                &format!("{history:?}, pruned: {path}"),
            );
        }
    }
}

/// The report counts only keys and joins that Omni would not have without formulac, and lists the handwritten parts
/// that a pull keeps.
#[test]
fn handwritten_keys_and_joins_are_not_counted() {
    let mut files = Files::new(&FILES);
    for pull in 0..2 {
        let (model, plan) = files.pull_with(&nodes(Tests::Proving, true), None, PullOptions::default());
        // Only the key of `payments` and its join to `customers` are counted. The view of `customers` already has a
        // key, which differs from the key that the tests prove.
        assert_eq!(plan.count_constraints_from_tests(&model), (1, 1), "pull {pull}");
        assert_eq!(plan.kept_edits, [], "pull {pull}");
        assert!(!files.omni["shop/customers.view.yaml"].contains("primary_key: true"));
    }
    let (_, plan) = files.pull_with(&nodes(Tests::None, false), None, PullOptions::default());
    let mut kept: Vec<String> = plan
        .kept_edits
        .iter()
        .map(|(file, kept)| format!("{file}: {}", kept.path))
        .collect();
    kept.sort();
    insta::assert_snapshot!(kept.join("\n"));
    insta::assert_snapshot!(files.omni["shop/orders.view.yaml"]);
}

/// `--prune` removes the dimensions of removed columns only if a pull wrote them.
#[test]
fn pruning_keeps_handwritten_dimensions() {
    let mut files = Files::new(&FILES);
    files.pull_with(&nodes(Tests::Proving, true), None, PullOptions::default());
    let mut without = nodes(Tests::None, true);
    for node in &mut without {
        node["columns"].as_object_mut().unwrap().remove("status");
    }
    for prune in [true, false, true] {
        files.pull_with(&without, None, PullOptions::default().prune(prune));
        let orders = read(&files.omni["shop/orders.view.yaml"]);
        check_contains(&read(ORDERS), &orders, "orders");
        assert_eq!(orders["dimensions"]["status"]["tags"], json!(["dbt_removed"]));
        assert!(!files.omni["shop/payments.view.yaml"].contains("status"));
    }
    // A view that a person wrote stays as well.
    without.retain(|node| node["name"] != "orders");
    let (_, plan) = files.pull_with(&without, None, PullOptions::default().prune(true));
    assert_eq!(plan.files_left_out, ["shop/orders.view.yaml"]);
}
