//! Tests that descriptions in Omni reach properties files with merge keys, and that Omni files that are not valid YAML
//! stop a push.

use std::fs;

use crate::push::place;
use crate::repository::{commit, edit};
use crate::run::Place;

const VIEW: &str = "omni/main/orders.view.yaml";

/// Creates a dbt project without specs, with the models `orders` and `refunds`, which `properties` describes.
fn described_project(name: &str, properties: &str) -> Place {
    let place = place(name);
    let node = |name: &str| {
        serde_json::json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "original_file_path": format!("models/{name}.sql"), "patch_path": "shop://models/shop.yml",
            "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"), "description": "Rows.",
            "columns": {
                "id": {"name": "id", "description": "The id."},
                "amount": {"name": "amount", "description": "What was paid."},
            },
        })
    };
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {"model.shop.orders": node("orders"), "model.shop.refunds": node("refunds")}, "sources": {},
    });
    fs::remove_dir_all(place.path("metrics")).unwrap();
    place
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string())
        .write(".gitignore", "target/\n")
        .write("models/shop.yml", properties);
    assert_eq!(place.run(&["pull"]).exit, 0);
    commit(&place, "pulled");
    place
}

const MERGE_KEYS: &str = "\
x-common:
  - &id
    name: id
    description: The id.
  - &rows {description: Rows.}
models:
  - name: orders
    <<: *rows
    columns:
      - <<: *id # of all tables
        data_tests: [not_null]
      - {name: amount, description: What was paid.}
  - name: refunds
    <<: *rows
    columns:
      - <<: *id
";

#[test]
fn descriptions_that_merge_keys_share_are_set_where_they_are_used() {
    let place = described_project("omni_merge_keys", MERGE_KEYS);
    for (from, to) in [
        ("Rows.", "One row per order."),
        ("The id.", "Its id."),
        ("What was paid.", "Euros."),
    ] {
        edit(&place, VIEW, from, to);
    }
    let plan = place.run(&["plan"]);
    assert_eq!(plan.exit, 0, "{}{}", plan.out, plan.err);
    let pushed = place.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}", pushed.err);
    let expected = MERGE_KEYS
        .replacen(
            "  - name: orders\n",
            "  - name: orders\n    description: One row per order.\n",
            1,
        )
        .replacen("[not_null]\n", "[not_null]\n        description: Its id.\n", 1)
        .replacen("What was paid.", "Euros.", 1);
    assert_eq!(place.read("models/shop.yml"), expected);
    // Both sides have changed the description: the value in dbt comes from the merge key.
    edit(&place, "omni/main/refunds.view.yaml", "The id.", "Id of the order.");
    edit(&place, "models/shop.yml", "The id.", "The number.");
    let plan = place.run(&["plan"]);
    assert!(
        plan.out.contains("The number.") && plan.out.contains("conflict 1"),
        "{}",
        plan.out
    );
    let run = place.run(&["resolve", "models/shop.yml.refunds.id", "--ours"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let text = place.read("models/shop.yml");
    assert!(
        text.ends_with("      - <<: *id\n        description: Id of the order.\n"),
        "{text}"
    );
    assert_eq!(place.run(&["plan"]).exit, 0);
}

/// A description that cannot be written does not prevent the others in the same file.
#[test]
fn descriptions_beside_an_alias_are_written() {
    let properties = "\
x-common: [&id {name: id, description: The id.}]
models:
  - name: orders
    description: Rows.
    columns: [*id, {name: amount, description: What was paid.}]
";
    let place = described_project("omni_alias", properties);
    for (from, to) in [("The id.", "Its id."), ("What was paid.", "Euros.")] {
        edit(&place, VIEW, from, to);
    }
    let pushed = place.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}", pushed.err);
    let refused = "`models/shop.yml:5` cannot be edited: an alias would be changed";
    assert!(
        pushed.err.contains(refused) || pushed.out.contains(refused),
        "{}{}",
        pushed.out,
        pushed.err
    );
    assert_eq!(
        place.read("models/shop.yml"),
        properties.replacen("What was paid.", "Euros.", 1)
    );
}

/// A file with a conflict marker of git cannot be compared, so that a push could lose edits in it.
#[test]
fn omni_files_that_are_not_yaml_stop_a_push() {
    let place = described_project("omni_not_yaml", "models:\n  - name: orders\n  - name: refunds\n");
    place.write("omni/own.topic.yaml", "base_view: main__orders\n");
    place.write("omni/relationships.yaml", "[]\n");
    place.write("omni/model.yaml", "included_schemas: [main]\n");
    assert_eq!(place.run(&["plan"]).exit, 0);
    for file in [
        VIEW,
        "omni/own.topic.yaml",
        "omni/relationships.yaml",
        "omni/model.yaml",
    ] {
        let text = place.read(file);
        let lines = text.lines().count();
        place.write(file, format!("{text}<<<<<<< HEAD\n"));
        let said = format!("{file}:{}:", lines + 1);
        for command in [&["plan"][..], &["push", "--yes"], &["pull", "--check"], &["pull"]] {
            let run = place.run(command);
            assert_eq!(run.exit, 5, "{file} {command:?}: {}{}", run.out, run.err);
            assert!(run.err.contains(&said), "{file} {command:?}: {}", run.err);
        }
        let status = place.run(&["status"]);
        let name = file.strip_prefix("omni/").unwrap();
        assert!(status.out.contains(name), "{file}: {}", status.out);
        place.write(file, text);
    }
    assert_eq!(place.run(&["plan"]).exit, 0);
}
