//! Tests `--schema` with each kind of value.

use insta::assert_snapshot;

use crate::run::TestProject;

const MANIFEST: &str = include_str!("fixtures/dbt/manifest.json");
const CATALOG: &str = include_str!("fixtures/dbt/catalog.json");
const VIEW: &str = include_str!("fixtures/omni/analytics/orders.view.yaml");

#[test]
fn artifact_kinds_are_recognized_by_content() {
    let project = TestProject::new("schema_kinds");
    project
        .write("target/manifest.json", MANIFEST)
        .write("other/m.json", MANIFEST)
        .write("target/catalog.json", CATALOG);
    project
        .write("omni/analytics/orders.view.yaml", VIEW)
        .write("omni/README.md", "x");
    project.write(
        "_models.yml",
        "models: [{name: orders, columns: [{name: amount, data_type: 'numeric(12, 2)', tests: [not_null]}]}]",
    );
    project.write("s.txt", "relations: {orders: {columns: {amount: float}}}");
    project.write(
        "s.json",
        r#"{"relations": {"orders": {"columns": {"amount": "integer"}}}}"#,
    );
    let ty = |schema: &str, formula: &str| {
        let run = project.run(&["compile", formula, "--schema", schema, "--json"]);
        let value = run.json();
        assert_eq!(run.exit, 0, "{value}");
        value["definitions"][0]["type"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(ty("_models.yml", "MAX(orders.amount)"), "decimal");
    assert_eq!(ty("s.txt", "MAX(orders.amount)"), "float");
    assert_eq!(ty("s.json", "MAX(orders.amount)"), "integer");
    assert_eq!(
        ty("target/manifest.json", "MAX(customer_metrics.order_count)"),
        "integer"
    );
    assert_eq!(ty("other/m.json", "MAX(dim_customers.customer_id)"), "integer");
    assert_eq!(ty("omni", "MAX(orders.order_id)"), "unknown");
    assert_eq!(ty("omni/analytics/orders.view.yaml", "SUM(orders.amount)"), "decimal");
}

#[test]
fn errors_in_schemas_are_reported() {
    let mut project = TestProject::new("schema_faults");
    project
        .write("empty.yml", "")
        .write("tables.yml", "tables: []")
        .write("yaml.yml", "relations: [");
    project.write(
        "types.yml",
        "relations:\n  o:\n    columns:\n      a: nubmer\n      b: {type: text, nulable: false}\n  p:\n    columns: {rate: decimal(5,2)}\n",
    );
    project
        .write("catalog.json", CATALOG)
        .write("cut.json", &MANIFEST[..300])
        .write("latin1.yml", b"relations: {\xE9: {}}");
    project
        .write("folder/readme.md", "x")
        .write("views/a.view", "dimensions: {x: {}}")
        .write("views/b.view", "dimensions: [x]");
    for schema in [
        "empty.yml",
        "tables.yml",
        "yaml.yml",
        "types.yml",
        "catalog.json",
        "cut.json",
        "latin1.yml",
        "folder",
        "views",
        "nowhere",
    ] {
        project.show(&["compile", "SUM(a)", "--schema", schema]);
    }
    assert_snapshot!(project.transcript());
}

#[test]
fn unreadable_and_newer_artifacts_are_reported() {
    let mut project = TestProject::new("schema_artifacts");
    let version = |kind: &str, version: u32| {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/{kind}/v{version}.json"}}, "nodes": {{}}, "results": []}}"#
        )
    };
    project
        .write("newer/manifest.json", version("manifest", 13))
        .write("older/manifest.json", version("manifest", 9))
        .write("other/manifest.json", version("run-results", 6))
        .write("beside/manifest.json", MANIFEST)
        .write("beside/catalog.json", &CATALOG[..200]);
    for folder in ["newer", "older", "other", "beside"] {
        project.show(&["compile", "SUM(a)", "--schema", &format!("{folder}/manifest.json")]);
    }
    // The error in the project's artifacts is reported only once, although several parts of the command use the
    // artifacts.
    project
        .write("shop/dbt_project.yml", "name: shop\n")
        .write("shop/formulac.yml", "dialect: duckdb\n");
    project.write(
        "shop/metrics/a.yml",
        "model: a\nfrom: ref('orders')\ndefinitions: n = COUNT()\n",
    );
    for folder in ["newer", "older", "other"] {
        let text = project.read(&format!("{folder}/manifest.json"));
        project.write("shop/target/manifest.json", text);
        project.show(&["generate", "--check", "--project-dir", "shop"]);
    }
    assert_snapshot!(project.transcript());
}

/// Engines compare and concatenate UUIDs as text only after a cast. Keys and counts need no cast.
#[test]
fn uuids_are_cast_where_formulas_use_them_as_text() {
    let project = TestProject::new("schema_uuids");
    project.write(
        "schema.yml",
        "relations:\n  t:\n    columns: {o: uuid, p: uuid, x: text, n: integer}\n",
    );
    for (formula, sql) in [
        ("o & \"!\"", "coalesce(cast(o as text), '') || '!'"),
        ("LEFT(o, 3)", "left(cast(o as text), 3)"),
        ("MAX(o)", "max(cast(o as text))"),
        ("COALESCE(o, \"none\")", "coalesce(cast(o as text), 'none')"),
        ("=o = x", "cast(o as text) = x"),
        ("=o = p", "o = p"),
        ("COUNT(o)", "count(o)"),
        ("COUNTUNIQUE(o)", "count(distinct o)"),
        ("IF(n > 1, o, x)", "case when n > 1 then cast(o as text) else x end"),
        ("ISBLANK(o)", "o is null"),
    ] {
        let run = project.run(&[
            "compile",
            formula,
            "--schema",
            "schema.yml",
            "--from",
            "t",
            "--no-project",
        ]);
        assert_eq!(run.out.trim_end(), sql, "{formula}: {}", run.err);
    }
    let spec = "model: m\nfrom: t\nsteps:\n  - {name: a, group_by: o, definitions: {total: SUM(n)}}\n  - {name: b, keep: [o], definitions: {shown: 'o & \"!\"'}}\n";
    project.write("spec.yml", spec);
    let run = project.run(&["query", "spec.yml", "--schema", "schema.yml", "--no-project"]);
    assert!(
        run.out.contains("coalesce(cast(o as text), '') || '!' as shown"),
        "{}{}",
        run.out,
        run.err
    );
}
