//! Effects of removed columns on queries that read them with `*`.

use serde_json::{Value, json};

use crate::repository::begin;
use crate::run::TestProject;

/// Creates a project with the models `orders` and `refunds`, and with other nodes that read them.
fn create_project(name: &str, nodes: Value) -> TestProject {
    let model = |name: &str| {
        json!({"name": name, "resource_type": "model", "package_name": "x", "relation_name": format!("\"d\".\"{name}\""),
            "raw_code": "select id, note, amount from raw", "compiled_code": "select id, note, amount from raw",
            "depends_on": {"nodes": [], "macros": []}})
    };
    let mut all = json!({"model.x.orders": model("orders"), "model.x.refunds": model("refunds")});
    all.as_object_mut().unwrap().extend(nodes.as_object().unwrap().clone());
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb", "project_name": "x"},
        "nodes": all,
        "sources": {},
    });
    let column = |name: &str, index: usize| json!({"name": name, "type": "INTEGER", "index": index});
    let columns = json!({"id": column("id", 1), "note": column("note", 2), "amount": column("amount", 3)});
    let catalog = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"},
        "nodes": {
            "model.x.orders": {"metadata": {"name": "orders"}, "columns": columns},
            "model.x.refunds": {"metadata": {"name": "refunds"}, "columns": columns},
        },
    });
    let project = TestProject::new(name);
    project
        .write("dbt_project.yml", "name: x\nprofile: x\n")
        .write("target/manifest.json", manifest.to_string())
        .write("target/catalog.json", catalog.to_string());
    project
}

fn node(kind: &str, name: &str, sql: &str) -> Value {
    json!({"name": name, "resource_type": kind, "package_name": "x", "compiled_code": sql, "raw_code": sql,
        "relation_name": format!("\"d\".\"{name}\""), "depends_on": {"nodes": ["model.x.orders", "model.x.refunds"], "macros": []}})
}

/// Returns the report about a removed column.
fn report(project: &TestProject, column: &str) -> String {
    project.run(&["impact", column, "--removed"]).out
}

/// If a test reads all columns with `*`, it fails only if its conditions use the removed column.
#[test]
fn removed_columns_break_only_tests_that_name_them() {
    let tests = json!({
        "test.x.positive": node("test", "positive", "select * from \"d\".\"orders\" where amount < 0"),
        "test.x.noted": node("test", "noted", "select id from \"d\".\"orders\" where note is null"),
    });
    let project = create_project("impact_on_tests", tests);
    for (column, broken, unaffected) in [("note", "noted", "positive"), ("amount", "positive", "noted")] {
        let report = report(&project, &format!("orders.{column}"));
        assert!(
            report.contains(&format!("the test checks `orders.{column}`, which was removed")),
            "{report}"
        );
        assert!(report.contains(&format!("{broken} (test)")), "{report}");
        assert!(!report.contains(&format!("{unaffected} (test)")), "{report}");
    }
}

/// The queries of a set operation must have the same number of columns.
#[test]
fn removed_columns_break_unions_of_stars() {
    let models = json!({
        "model.x.both": node("model", "both", "select id, note, amount from \"d\".\"orders\" union all select * from \"d\".\"refunds\""),
        "model.x.halves": node("model", "halves", "select * from \"d\".\"orders\" where id < 5 union all select * from \"d\".\"orders\""),
        "model.x.by_name": node("model", "by_name", "select * from \"d\".\"orders\" union all by name select * from \"d\".\"refunds\""),
    });
    let project = create_project("impact_on_unions", models);
    let refunds = report(&project, "refunds.note");
    assert!(
        refunds.contains("breaking  both (model): the code reads `refunds.note`"),
        "{refunds}"
    );
    assert!(!refunds.contains("breaking  by_name"), "{refunds}");
    let orders = report(&project, "orders.note");
    assert!(
        orders.contains("breaking  both (model)") && !orders.contains("breaking  halves"),
        "{orders}"
    );
}

/// After a build, the catalog and the specs no longer list a removed column, but other models may still read it.
#[test]
fn readers_of_columns_removed_since_a_revision_are_found_after_a_build() {
    let reader_of = |input: &str, name: &str, sql: &str| {
        let mut reader = node("model", name, sql);
        reader["depends_on"]["nodes"] = json!([format!("model.x.{input}")]);
        reader
    };
    let models = json!({
        "model.x.copied": reader_of("orders", "copied", "with s as (select * from \"d\".\"orders\") select s.*, 1 as one from s"),
        "model.x.prices": reader_of("copied", "prices", "select id, sum(price) as price from \"d\".\"copied\" group by 1"),
        "model.x.notes": reader_of("copied", "notes", "select id, note from \"d\".\"copied\""),
        "test.x.priced": node("test", "priced", "select id from \"d\".\"orders\" where price < 0"),
        "model.x.totals": node("model", "totals", "select 1"),
        "model.x.doubled": reader_of("totals", "doubled", "select total * 2 as doubled from \"d\".\"totals\""),
    });
    let project = create_project("impact_after_build", models);
    let column = |index: usize| json!({"type": "INTEGER", "index": index});
    let mut catalog: Value = serde_json::from_str(&project.read("target/catalog.json")).unwrap();
    catalog["nodes"]["model.x.copied"] = json!({"metadata": {"name": "copied"},
        "columns": {"id": column(1), "note": column(2), "amount": column(3), "one": column(4)}});
    let spec = "model: totals\nfrom: orders\ngroup_by: note\ndefinitions: |\n  total = SUM(amount)\n";
    project
        .write("target/catalog.json", catalog.to_string())
        .write(".gitignore", "target/\n")
        .write("models/orders.sql", "select id, note, amount, price from raw")
        .write("metrics/totals.yml", spec);
    begin(&project);
    project
        .write("models/orders.sql", "select id, note, amount from raw")
        .write("metrics/totals.yml", spec.replace("total =", "sum_of_amount ="));
    let report = project.run(&["impact", "--since", "HEAD"]).out;
    for line in [
        "breaking  prices (model): the code reads `copied.price`, which was removed",
        "breaking  doubled (model): the code reads `totals.total`, which was removed",
        "priced (test): the test checks `orders.price`, which was removed",
        "copied (model): the column `price` is removed",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    assert!(!report.contains("notes (model)"), "{report}");
}
