//! Effects of changed columns on dbt tests.

use serde_json::json;

use crate::run::TestProject;

/// A test that reads all columns with `*` does not fail if a column is removed that its conditions do not use.
#[test]
fn removed_columns_break_only_tests_that_name_them() {
    let project = TestProject::new("impact_on_tests");
    let test = |name: &str, sql: &str| {
        json!({"name": name, "resource_type": "test", "package_name": "x", "compiled_code": sql, "raw_code": sql,
            "depends_on": {"nodes": ["model.x.orders"], "macros": []}})
    };
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb", "project_name": "x"},
        "nodes": {
            "model.x.orders": {"name": "orders", "resource_type": "model", "package_name": "x", "relation_name": "\"d\".\"orders\"",
                "columns": {}, "raw_code": "select id, note, amount from raw", "compiled_code": "select id, note, amount from raw",
                "depends_on": {"nodes": [], "macros": []}},
            "test.x.positive": test("positive", "select * from \"d\".\"orders\" where amount < 0"),
            "test.x.noted": test("noted", "select id from \"d\".\"orders\" where note is null"),
        },
        "sources": {},
    });
    let column = |name: &str, index: usize| json!({"name": name, "type": "INTEGER", "index": index});
    let catalog = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"},
        "nodes": {"model.x.orders": {"metadata": {"name": "orders"},
            "columns": {"id": column("id", 1), "note": column("note", 2), "amount": column("amount", 3)}}},
    });
    project
        .write("dbt_project.yml", "name: x\nprofile: x\n")
        .write("target/manifest.json", manifest.to_string())
        .write("target/catalog.json", catalog.to_string());
    for (column, broken, unaffected) in [("note", "noted", "positive"), ("amount", "positive", "noted")] {
        let change = format!("orders.{column}");
        let run = project.run(&["impact", &change, "--removed", "--fail-on", "breaking"]);
        let output = run.out;
        assert!(
            output.contains(&format!("the test checks `{change}`, which was removed")),
            "{output}"
        );
        assert!(output.contains(&format!("{broken} (test)")), "{output}");
        assert!(!output.contains(&format!("{unaffected} (test)")), "{output}");
    }
}
