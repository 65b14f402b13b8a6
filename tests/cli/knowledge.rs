//! Tests that every command uses the same facts about the data in a project, from the same sources.

use serde_json::{Value, json};

use crate::run::TestProject;

const DAYS: &str = "model: second_order\nfrom: ref('orders')\ngroup_by: customer_id\n\
                    definitions: days = MAX(ordered_at) - MIN(ordered_at)\n";

/// Returns a node of a manifest, with properties for these columns.
fn node(name: &str, columns: &[&str]) -> (String, Value) {
    let columns: serde_json::Map<String, Value> = columns
        .iter()
        .map(|name| ((*name).to_owned(), json!({"name": name})))
        .collect();
    let id = format!("model.shop.{name}");
    let node = json!({"name": name, "resource_type": "model", "package_name": "shop", "unique_id": id, "columns": columns,
                      "schema": "main", "relation_name": format!("\"db\".\"main\".\"{name}\"")});
    (id, node)
}

fn test_of(name: &str, kind: &str, column: &str) -> (String, Value) {
    let id = format!("test.shop.{kind}_{name}_{column}");
    let node = json!({"name": id, "resource_type": "test", "package_name": "shop", "unique_id": id,
                      "attached_node": format!("model.shop.{name}"), "column_name": column,
                      "test_metadata": {"name": kind, "kwargs": {"column_name": column}}});
    (id, node)
}

fn manifest(nodes: impl IntoIterator<Item = (String, Value)>) -> String {
    let nodes: serde_json::Map<String, Value> = nodes.into_iter().collect();
    let schema = "https://schemas.getdbt.com/dbt/manifest/v12.json";
    let metadata = json!({"dbt_schema_version": schema, "dbt_version": "1.12.6", "adapter_type": "duckdb",
                          "project_name": "shop"});
    json!({"metadata": metadata, "nodes": nodes}).to_string()
}

fn catalog(tables: &[(&str, &[(&str, &str)])]) -> String {
    let table = |(name, columns): &(&str, &[(&str, &str)])| {
        let columns: serde_json::Map<String, Value> = columns
            .iter()
            .enumerate()
            .map(|(at, (name, ty))| ((*name).to_owned(), json!({"name": name, "type": ty, "index": at + 1})))
            .collect();
        (
            format!("model.shop.{name}"),
            json!({"metadata": {"name": name}, "columns": columns}),
        )
    };
    let nodes: serde_json::Map<String, Value> = tables.iter().map(table).collect();
    json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"}, "nodes": nodes})
        .to_string()
}

const ORDERS: (&str, &[(&str, &str)]) = (
    "orders",
    &[
        ("order_id", "INTEGER"),
        ("customer_id", "INTEGER"),
        ("ordered_at", "TIMESTAMP"),
        ("amount", "DECIMAL(12,2)"),
    ],
);

/// Creates a project whose manifest has `orders` with all its columns.
fn project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "specs: metrics/\n");
    project.write("metrics/second_order.yml", DAYS);
    let nodes = [
        node("orders", &["order_id"]),
        test_of("orders", "not_null", "order_id"),
        test_of("orders", "unique", "order_id"),
    ];
    project
        .write("target/manifest.json", manifest(nodes))
        .write("target/catalog.json", catalog(&[ORDERS]));
    project
}

/// Returns SQL without line breaks.
fn in_one_line(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(" )", ")")
}

#[test]
fn all_commands_use_the_types_of_the_project() {
    let project = project("knowledge_types");
    let formula = "MAX(ordered_at) - MIN(ordered_at)";
    let expected = "date_diff('microsecond', min(ordered_at), max(ordered_at)) / 86400000000";
    let of = |args: &[&str]| {
        let run = project.run(args);
        assert_eq!(run.exit, 0, "{args:?}: {}", run.err);
        run.out
    };
    assert_eq!(of(&["compile", formula]).trim(), expected);
    let spec = "metrics/second_order.yml";
    for args in [&["explain", formula][..], &["query", spec], &["model", spec]] {
        assert!(in_one_line(&of(args)).contains(expected), "{args:?}");
    }
    of(&["generate"]);
    assert!(in_one_line(&project.read("models/formulac/second_order.sql")).contains(expected));
    assert_eq!(of(&["model", spec, "--out", "models/formulac", "--check"]), "");
    // `--no-project` ignores dbt's artifacts and `known.yml`, and the command reports the effect on the SQL.
    let bare = project.run(&["compile", "--no-project", "--dialect", "duckdb", formula]);
    assert_eq!(bare.out.trim(), "max(ordered_at) - min(ordered_at)");
    assert!(bare.err.contains("unknown types: `ordered_at`"), "{}", bare.err);
}

#[test]
fn the_sql_is_a_function_of_the_commit() {
    let mut place = project("knowledge_commit");
    place.write(
        "metrics/wide.yml",
        "model: wide\nfrom: orders\nkeep: all\nwhere: amount > 5\ndefinitions: tax = amount * 0.2\n",
    );
    place.show(&["generate"]);
    let known = place.read(".formulac/state/known.yml");
    insta::assert_snapshot!(known);
    let sql = place.read("models/formulac/second_order.sql");
    std::fs::remove_dir_all(place.path("target")).unwrap();
    place.show(&["generate", "--check"]).show(&["generate"]);
    insta::assert_snapshot!(place.transcript());
    assert_eq!(place.read("models/formulac/second_order.sql"), sql);
    assert_eq!(place.read(".formulac/state/known.yml"), known);
    assert!(in_one_line(&place.run(&["query", "metrics/second_order.yml"]).out).contains("date_diff('microsecond'"));
}

/// `query` reads all metrics of a metric set, so `known.yml` keeps the columns of the metric set although no model
/// reads it.
#[test]
fn the_columns_of_sets_without_models_are_kept() {
    let project = project("knowledge_sets");
    project.write(
        "metrics/orders.yml",
        "metric_set: orders\nfrom: orders\ndefinitions: largest = MAX(amount) & \"x\"\n",
    );
    project.run(&["generate"]);
    let known = project.read(".formulac/state/known.yml");
    assert!(known.contains("amount: "), "{known}");
    let query = || project.run(&["query", "--metrics", "orders.largest"]).out;
    let sql = query();
    assert!(sql.contains("cast(max(amount) as varchar)"), "{sql}");
    std::fs::remove_dir_all(project.path("target")).unwrap();
    assert_eq!(query(), sql);
    // Changing a model does not remove these columns.
    project.write("metrics/second_order.yml", DAYS.replace("MIN", "MAX"));
    project.run(&["generate"]);
    assert_eq!(query(), sql);
}

#[test]
fn a_lost_key_contradicts_the_known_facts() {
    let project = project("knowledge_keys");
    project.run(&["generate"]);
    let known = project.read(".formulac/state/known.yml");
    assert!(known.contains("primary_key: [order_id]"), "{known}");
    let check = project.run(&["check"]);
    assert!(!check.out.contains("contradicts"), "{}", check.out);
    let nodes = [node("orders", &["order_id"]), test_of("orders", "not_null", "order_id")];
    project.write("target/manifest.json", manifest(nodes));
    let fact = "dbt contradicts known.yml: orders: primary_key: [order_id] → not known";
    let check = project.run(&["check"]);
    assert!(check.out.contains(fact), "{}", check.out);
    let status = project.run(&["status"]);
    assert!(status.out.contains("dbt contradicts known.yml"), "{}", status.out);
}

/// `release` names the file if only `known.yml` is out of date.
#[test]
fn a_release_names_known_facts_that_are_out_of_date() {
    let project = project("knowledge_release");
    project.write(".gitignore", "target/\n.formulac/local/\n");
    crate::repository::begin(&project);
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}{}", pushed.out, pushed.err);
    let nodes = [node("orders", &["order_id"]), test_of("orders", "not_null", "order_id")];
    project.write("target/manifest.json", manifest(nodes));
    let release = project.run(&["release", "--yes"]);
    let message = "error: .formulac/state/known.yml is out of date: orders.order_id: ";
    assert!(
        release.exit == 1 && release.out.contains(message),
        "{}{}",
        release.out,
        release.err
    );
}

#[test]
fn updated_facts_are_listed_and_contradictions_are_reported() {
    let mut place = project("knowledge_renewed");
    place.run(&["generate"]);
    let dates = [(
        "orders",
        &[
            ("order_id", "INTEGER"),
            ("customer_id", "BIGINT"),
            ("ordered_at", "DATE"),
        ][..],
    )];
    place.write("target/catalog.json", catalog(&dates));
    place
        .show(&["check"])
        .show(&["generate", "--check"])
        .show(&["generate"])
        .show(&["check"]);
    insta::assert_snapshot!(place.transcript());
    assert!(place.read(".formulac/state/known.yml").contains("ordered_at: date\n"));
}

/// After `dbt parse` in a new target folder, only the documented type is available, which is less precise than the
/// catalog's.
#[test]
fn types_of_a_catalog_stay_without_the_catalog() {
    let place = project("knowledge_parse");
    let mut orders = node("orders", &["amount"]);
    orders.1["columns"]["amount"]["data_type"] = json!("numeric");
    place.write("target/manifest.json", manifest([orders])).write(
        "metrics/second_order.yml",
        "model: half\nfrom: ref('orders')\ndefinitions: half = SUM(amount) / 2\n",
    );
    place.run(&["generate"]);
    let known = place.read(".formulac/state/known.yml");
    assert!(known.contains("amount: decimal(12,2)\n"), "{known}");
    std::fs::remove_file(place.path("target/catalog.json")).unwrap();
    assert!(!place.run(&["check"]).err.contains("W0824"));
    place.run(&["generate"]);
    assert_eq!(place.read(".formulac/state/known.yml"), known);
}

/// `plan` lists the changes in `known.yml`. Only `generate` and `push` write this file.
#[test]
fn a_plan_shows_changes_of_known_facts_and_writes_nothing() {
    let project = project("knowledge_plan");
    project.write(".gitignore", "target/\n.formulac/local/\n");
    crate::repository::begin(&project);
    let known = ".formulac/state/known.yml";
    for args in [
        &["plan"][..],
        &["plan", "--json"],
        &["plan", "--markdown"],
        &["plan", "-o", "../plan.json"],
    ] {
        let run = project.run(args);
        assert_eq!(run.exit, 0, "{args:?}: {}{}", run.out, run.err);
        assert!(
            args.len() > 1 || run.out.contains("3 columns of 1 relation"),
            "{}",
            run.out
        );
        assert!(!project.path(known).exists(), "{args:?}");
    }
    project.succeed(&["push", "--yes", "--quiet", "--no-parse"]);
    let before = project.read(known);
    project.write("target/catalog.json", catalog(&[ORDERS]).replace("TIMESTAMP", "DATE"));
    let run = project.run(&["plan"]);
    assert!(
        run.out.contains("orders.ordered_at: timestamp → date"),
        "{}{}",
        run.out,
        run.err
    );
    assert_eq!(project.read(known), before);
    assert_eq!(crate::repository::git(&project, &["status", "--porcelain"]), "");
}

/// `status` and `check` use the facts in `known.yml`, so they report the same errors. Both report that dbt's artifacts
/// contradict these facts.
#[test]
fn status_and_check_report_the_same_errors() {
    let project = project("knowledge_status");
    project.write(".gitignore", "target/\n.formulac/local/\n");
    crate::repository::begin(&project);
    project.succeed(&["push", "--yes", "--quiet", "--no-parse"]);
    project.write(
        "target/catalog.json",
        catalog(&[ORDERS]).replace("TIMESTAMP", "VARCHAR"),
    );
    // With the types in the catalog, the formula subtracts strings, which is an error.
    assert_eq!(project.run(&["plan"]).exit, 1);
    let check = project.run(&["check"]);
    assert!(check.exit == 0 && check.out.contains("W0824"), "{}", check.out);
    let status = project.run(&["status"]).out;
    assert!(!status.contains("has errors"), "{status}");
    assert!(
        status.contains("dbt contradicts known.yml: orders.ordered_at"),
        "{status}"
    );
    // `status` counts the errors that `check` reports.
    let spec = project.read("metrics/second_order.yml");
    project.write("metrics/second_order.yml", spec.replace("MAX(", "MAXX("));
    assert_eq!(project.run(&["check"]).exit, 1);
    let status = project.run(&["status"]).out;
    assert!(
        status.contains("1 spec has errors: metrics/second_order.yml"),
        "{status}"
    );
}

/// A push commits the facts that `generate` wrote, even if no model changes.
#[test]
fn a_push_commits_the_facts_that_generate_renewed() {
    let project = project("knowledge_generated");
    project.write(".gitignore", "target/\n.formulac/local/\n");
    crate::repository::begin(&project);
    let status = || crate::repository::git(&project, &["status", "--porcelain"]);
    let push = ["push", "--yes", "--quiet", "--no-parse"];
    assert_eq!((project.run(&["generate"]).exit, project.run(&push).exit), (0, 0));
    assert_eq!(status(), "");
    project.write("target/catalog.json", catalog(&[ORDERS]).replace("TIMESTAMP", "DATE"));
    project.succeed(&["generate"]);
    assert!(status().contains(".formulac/state/known.yml"), "{}", status());
    let plan = project.run(&["plan"]);
    assert!(plan.out.contains("orders.ordered_at: timestamp → date"), "{}", plan.out);
    assert_eq!((project.run(&push).exit, status()), (0, String::new()));
    assert!(project.run(&["plan"]).out.contains("Specs and dbt agree."));
}

#[test]
fn a_column_without_properties_causes_a_warning() {
    let mut place = project("knowledge_partial");
    std::fs::remove_file(place.path("target/catalog.json")).unwrap();
    place.write("metrics/second_order.yml", "model: m\nfrom: orders\ngroup_by: status\ndefinitions: |\n  total = SUM(amount)\n  mean = total / COUNT(order_id)\n");
    place.show(&["check"]).show(&["query", "metrics/second_order.yml"]);
    assert_eq!(place.run(&["check", "--deny", "warnings"]).exit, 1);
    // A misspelled name is an error. A name that could belong to several relations is also an error.
    place.write(
        "metrics/second_order.yml",
        "model: m\nfrom: orders\ndefinitions: n = COUNT(ordre_id)\n",
    );
    place.show(&["check"]);
    place.write(
        "target/manifest.json",
        manifest([node("orders", &["order_id"]), node("customers", &["id"])]),
    );
    place.write(
        "metrics/second_order.yml",
        "model: m\nfrom: orders\njoins: [{to: customers, on: orders.customer_id = customers.id}]\ndefinitions: n = COUNT(region)\n",
    );
    place.show(&["check"]);
    insta::assert_snapshot!(place.transcript());
}

#[test]
fn a_bare_formula_reads_the_one_relation_that_has_its_names() {
    let mut place = project("knowledge_bare");
    place.write(
        "metrics/by_day.yml",
        "model: by_day\nfrom: orders\ngroup_by: ordered_at[day]\ndefinitions: revenue = SUM(amount)\n",
    );
    place
        .show(&["compile", "SUM(amount)"])
        .show(&["compile", "MAX(revenue)"])
        .show(&["compile", "SUM(nowhere)"]);
    // A schema file adds relations to the project's relations.
    place.write("rates.yml", "relations: {rates: {columns: {rate: float}}}\n");
    for formula in ["SUM(rate)", "SUM(amount)", "SUM(nowhere)"] {
        place.show(&["compile", formula, "--schema", "rates.yml"]);
    }
    let nodes = [node("orders", &["order_id"]), node("refunds", &["amount"])];
    place.write("target/manifest.json", manifest(nodes));
    place
        .show(&["compile", "SUM(amount)"])
        .show(&["compile", "SUM(amount)", "--from", "orders"]);
    insta::assert_snapshot!(place.transcript());
}

#[test]
fn a_spec_can_read_the_models_of_other_specs() {
    let project = project("knowledge_models");
    project.write(
        "metrics/long.yml",
        "model: long\nfrom: second_order\nkeep: all\ndefinitions: weeks = days / 7\n",
    );
    let sql = project.run(&["query", "metrics/long.yml"]);
    assert_eq!(sql.exit, 0, "{}", sql.err);
    assert!(
        sql.out.contains("    customer_id,\n    days,\n    days / 7 as weeks\n"),
        "{}",
        sql.out
    );
}

/// Messages name the dbt command that provides the missing relations and columns, and do not suggest a schema file.
#[test]
fn missing_relations_and_columns_name_the_command_of_dbt() {
    let project = project("knowledge_missing");
    project.write(
        "metrics/second_order.yml",
        "model: m\nfrom: ref('nowhere')\ndefinitions: n = COUNT()\n",
    );
    for args in [&["check"][..], &["explain", "COUNT(x)", "--from", "nowhere"]] {
        let run = project.run(args);
        assert!(
            run.exit == 1 && (run.out.clone() + &run.err).contains("run `dbt parse` first"),
            "{args:?}: {}",
            (run.out.clone() + &run.err)
        );
    }
    let note = |project: &TestProject| project.run(&["explain", "SUM(nowhere)"]).err;
    assert!(
        note(&project).contains("specify the relation with `--from`"),
        "{}",
        note(&project)
    );
    std::fs::remove_file(project.path("target/catalog.json")).unwrap();
    assert!(
        note(&project).contains("run `dbt docs generate` or `formulac schema fetch`"),
        "{}",
        note(&project)
    );
}

#[test]
fn queries_use_the_variable_of_the_dbt_project_as_the_current_date() {
    let project = project("knowledge_variable");
    let query = |today: &str, vars: &str| {
        let spec =
            format!("model: m\nfrom: ref('orders')\ntoday: {today}\ndefinitions: {{n: COUNT(), day: TODAY()}}\n");
        project.write("metrics/m.yml", spec);
        project.write("dbt_project.yml", format!("name: shop\nprofile: shop\n{vars}"));
        let run = project.run(&["query", "metrics/m.yml"]);
        assert_eq!(run.exit, 0, "{}", run.err);
        run.out
    };
    let is_read = |sql: &str| sql.contains("'2024-01-05'");
    assert!(is_read(&query("var('run_date')", "vars: {run_date: '2024-01-05'}\n")));
    assert!(is_read(&query(
        "var('run_date', '2023-01-01')",
        "vars: {run_date: 2024-01-05}\n"
    )));
    let of_project = "vars: {run_date: '2020-01-01', shop: {run_date: '2024-01-05'}}\n";
    assert!(is_read(&query("{var: run_date}", of_project)));
    for vars in ["", "vars: {run_date: soon}\n"] {
        assert!(query("var('run_date')", vars).contains("current_date"), "{vars}");
    }
}
