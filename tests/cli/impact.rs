//! Tests `formulac impact` and `formulac lineage`.

use std::fs;

use serde_json::{Value, json};

use crate::run::{TestProject, artifact};

const VIEW: &str = "schema: analytics\ntable_name: fct_orders\ndimensions:\n  order_id: {primary_key: true}\n  order_total: {}\n  is_large: {sql: '${order_total} > 1000'}\nmeasures:\n  revenue: {sql: '${order_total}', aggregate_type: sum}\n";
/// Spec whose model is not in dbt yet.
pub const SPEC: &str = "model: daily_revenue\nfrom: ref('fct_orders')\nsteps:\n  - name: days\n    where: order_total > 0\n    group_by: order_date\n    definitions: |\n      half = SUM(order_total) / 2\n      orders = COUNT()\n  - name: shares\n    keep: [order_date, orders]\n    definitions: |\n      /// Twice the half.\n      revenue = half * 2\n";

/// Creates the fixture project with an Omni view, a topic and a spec whose model is not in dbt yet.
pub fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    for file in ["manifest.json", "catalog.json", "run_results.json"] {
        project.write(&format!("target/{file}"), artifact(file));
    }
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write("formulac.yml", "dialect: duckdb\n");
    project
        .write("omni/analytics/fct_orders.view.yaml", VIEW)
        .write("omni/orders.topic.yaml", "base_view: fct_orders\n");
    project.write("metrics/daily_revenue.yml", SPEC);
    project
}

/// Returns the output of a command. The messages about the age of the artifacts are omitted, because the age differs
/// from run to run.
pub fn output_without_ages(project: &TestProject, args: &[&str]) -> String {
    let run = project.run(args);
    let err: Vec<&str> = run.err.lines().filter(|line| !line.contains(" old")).collect();
    let err = if err.is_empty() {
        String::new()
    } else {
        format!("\n! {}", err.join("\n! "))
    };
    let exit = if run.exit == 0 {
        String::new()
    } else {
        format!("\nexit {}", run.exit)
    };
    format!("$ formulac {}\n{}{err}{exit}\n\n", args.join(" "), run.out.trim_end())
}

pub fn all(project: &TestProject, calls: &[&[&str]]) -> String {
    calls.iter().map(|call| output_without_ages(project, call)).collect()
}

#[test]
fn impact_accepts_models_columns_and_sources() {
    let project = create_project("impact");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "stg_orders.order_total"],
            &["impact", "source.acme_analytics.landing.web_events"],
            &["impact", "landing.web_events.event_type"],
            &["impact", "stg_customers.customer_segment", "--removed"],
            &["impact", "dim_customers.signup_date", "--type-changed"],
            &["impact", "stg_sessions.device"],
            &["impact", "daily_revenue.half"],
            &["impact", "dim_customers", "--removed", "--fail-on", "breaking"],
        ]
    ));
    let [plain, quoted] =
        ["fct_orders.order_total", "fct_orders.\"order_total\""].map(|name| project.run(&["impact", name]).out);
    assert_eq!(quoted, plain);
}

#[test]
fn unknown_and_ambiguous_names_are_reported() {
    let project = create_project("impact_names");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "fct_order"],
            &["impact", "fct_orders.order_totl"],
            &["impact", "customer_id"],
            &["impact", "daily_revenue.halv"],
            &["impact", "nothing.like.it"],
            &["impact"],
            &["impact", "fct_orders", "--since", "HEAD"],
        ]
    ));
}

/// Without a catalog, a source may have more columns than its properties describe.
#[test]
fn a_source_described_in_part_may_have_any_column() {
    let project = create_project("impact_part");
    fs::remove_file(project.path("target/catalog.json")).unwrap();
    project.succeed(&["impact", "landing.web_events.device_kind"]);
    let run = project.run(&["impact", "landing.web_events.event_idd"]);
    assert!(
        run.exit == 1 && run.err.contains("did you mean `landing.web_events.event_id`?"),
        "{}",
        run.err
    );
}

#[test]
fn output_formats() {
    let project = create_project("impact_forms");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "fct_orders.order_total", "--format", "markdown"],
            &["impact", "fct_orders.order_total", "--format", "mermaid"],
            &["impact", "fct_orders.order_total", "--format", "dot"],
            &["impact", "stg_sessions.device", "--json"],
        ]
    ));
    let run = project.run(&["impact", "fct_orders.order_total", "-o", "impact.html"]);
    assert_eq!((run.exit, run.out.as_str()), (0, ""));
    let page = project.read("impact.html");
    for expected in [
        "<title>Impact of fct_orders.order_total – formulac impact</title>",
        "formulac impact · dbt project acme_analytics · manifest of 2026-",
        "<h1 class=\"changing\">1 change alters values in",
        "Column-level lineage is available for all",
        "aria-live",
        "SUM(order_total) / 2",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    // The page does not make requests to other hosts.
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(
            !page.replace("http://www.w3.org/2000/svg", "").contains(outside),
            "{outside}"
        );
    }
}

/// The upstream lineage of a metric contains the columns that it reads, and the downstream lineage contains the models
/// that use it.
#[test]
fn lineage_of_metrics() {
    let project = create_project("lineage_metrics");
    project
        .write(
            "metrics/sales.yml",
            "metric_set: sales\nfrom: ref('fct_orders')\ntime: order_date\ndefinitions: |\n  \
             revenue = SUM(order_total)\n  order_count = COUNT()\n  aov = revenue / order_count\n  \
             buyers = COUNT(DISTINCT(customer_id))\n",
        )
        .write(
            "metrics/by_month.yml",
            "model: by_month\nmetrics: [sales.revenue, sales.aov]\ngroup_by: month\n",
        )
        .write(
            "metrics/large_days.yml",
            "model: large_days\nmetrics: [sales.order_count]\ngroup_by: day\nhaving: revenue > 100\n",
        );
    insta::assert_snapshot!(all(
        &project,
        &[
            &["lineage", "metric:sales.revenue"],
            &["lineage", "sales.order_count", "--depth", "1"],
            &["lineage", "sales.aov", "--down", "--json"],
            &["lineage", "metric:sales.buyers", "--format", "mermaid", "--depth", "1"],
            &["lineage", "metric_set:sales", "--depth", "1"],
            &["lineage", "metric:sales.revenu"],
            &["lineage", "metric:sale.revenue"],
        ]
    ));
}

/// The path of a spec or of a model's file can be used instead of the model's name.
#[test]
fn files_are_names_of_models() {
    let project = create_project("impact_files");
    project.write("models/marts/fct_orders.sql", "select 1 as order_id\n");
    for (file, name) in [
        ("metrics/daily_revenue.yml", "daily_revenue"),
        ("models/marts/fct_orders.sql", "fct_orders"),
    ] {
        for command in ["impact", "lineage"] {
            assert_eq!(
                project.succeed(&[command, file]).out,
                project.succeed(&[command, name]).out
            );
        }
    }
}

#[test]
fn lineage_up_and_down() {
    let project = create_project("lineage");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["lineage", "customer_metrics.lifetime_value"],
            &["lineage", "fct_orders", "--depth", "1"],
            &["lineage", "orders.order_total", "--down"],
            &["lineage", "daily_revenue.revenue", "--up"],
            &["lineage", "stg_orders.order_total", "--up", "--format", "mermaid"],
            &["lineage", "stg_orders.order_total", "--up", "--format", "dot"],
            &["lineage", "stg_orders.order_total", "--up", "--json"],
        ]
    ));
}

/// In dbt's newer format, metrics define their measures themselves, and the semantic model has no measures.
#[test]
fn metrics_with_their_own_measures_read_columns() {
    let project = TestProject::new("impact_own_measures");
    let metric = |name: &str, expr: &str| {
        json!({"unique_id": format!("metric.x.{name}"), "name": name, "resource_type": "metric", "package_name": "x",
            "type": "simple", "depends_on": {"nodes": ["semantic_model.x.orders"]}, "type_params": {"measure": null,
            "expr": expr, "metric_aggregation_params": {"semantic_model": "orders", "agg": "sum", "agg_params": null}}})
    };
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
        "nodes": {"model.x.orders": {"unique_id": "model.x.orders", "name": "orders", "resource_type": "model",
            "package_name": "x", "relation_name": "orders", "compiled_code": "select 1 as amount, 2 as tax, 3 as other",
            "columns": {"amount": {"name": "amount"}, "tax": {"name": "tax"}, "other": {"name": "other"}}}},
        "semantic_models": {"semantic_model.x.orders": {"unique_id": "semantic_model.x.orders", "name": "orders",
            "resource_type": "semantic_model", "package_name": "x", "depends_on": {"nodes": ["model.x.orders"]}}},
        "metrics": {"metric.x.revenue": metric("revenue", "amount"), "metric.x.taxes": metric("taxes", "tax * 2")},
    });
    project
        .write("dbt_project.yml", "name: x\n")
        .write("target/manifest.json", manifest.to_string());
    for (column, reached) in [
        ("amount", [true, false]),
        ("tax", [false, true]),
        ("other", [false, false]),
    ] {
        let run = project.run(&["impact", &format!("orders.{column}")]);
        assert_eq!(run.exit, 0, "{}", run.err);
        assert_eq!(
            ["revenue (metric)", "taxes (metric)"].map(|name| run.out.contains(name)),
            reached,
            "{}",
            run.out
        );
    }
}

/// Returns the manifest entries of metrics over the semantic model `orders`, by id.
fn metrics_with_filters() -> [(String, Value); 7] {
    let metric = |name: &str, kind: &str, parent: &str, params: Value, filter: Option<&str>| {
        let id = format!("metric.x.{name}");
        let filter = filter.map(|filter| json!({"where_filters": [{"where_sql_template": filter}]}));
        let node = json!({"unique_id": id, "name": name, "resource_type": "metric", "package_name": "x", "type": kind,
            "depends_on": {"nodes": [parent]}, "type_params": params, "filter": filter});
        (id, node)
    };
    let orders = "semantic_model.x.orders";
    let count = || json!({"measure": {"name": "n"}, "input_measures": [{"name": "n"}]});
    let large_filter = json!({"where_filters": [{"where_sql_template": "{{ Dimension('order__large') }}"}]});
    [
        metric("all_orders", "simple", orders, count(), None),
        metric(
            "food_orders",
            "simple",
            orders,
            count(),
            Some("{{ Dimension('order__is_food') }} = true"),
        ),
        metric(
            "late_orders",
            "simple",
            orders,
            count(),
            Some("{{ TimeDimension('order__due', 'day') }} < '2024-01-01'"),
        ),
        metric(
            "tall_orders",
            "simple",
            orders,
            count(),
            Some("{{ Dimension('customer__height') }} > 2"),
        ),
        metric(
            "odd_orders",
            "simple",
            orders,
            count(),
            Some("{{ odd('order__is_food') }}"),
        ),
        metric(
            "large_orders",
            "simple",
            orders,
            json!({"measure": {"name": "n", "filter": large_filter}, "input_measures": [{"name": "n", "filter": large_filter}]}),
            None,
        ),
        metric(
            "twice",
            "derived",
            "metric.x.all_orders",
            json!({"expr": "2 * all_orders", "input_measures": [{"name": "n"}], "metrics": [{"name": "all_orders", "filter": large_filter}]}),
            None,
        ),
    ]
}

/// A metric is affected only by the columns that its measures and filters read. dbt's manifest does not list the
/// semantic models that only a filter reads.
#[test]
fn metrics_read_the_columns_of_their_filters() {
    let project = TestProject::new("impact_metric_filters");
    let model = |name: &str, columns: &[&str]| {
        let id = format!("model.x.{name}");
        let select: Vec<String> = columns.iter().map(|column| format!("1 as {column}")).collect();
        let columns: Vec<(&str, Value)> = columns
            .iter()
            .map(|column| (*column, json!({"name": column})))
            .collect();
        let node = json!({"unique_id": id, "name": name, "resource_type": "model", "package_name": "x",
            "relation_name": name, "compiled_code": format!("select {}", select.join(", ")),
            "columns": columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect::<serde_json::Map<_, _>>()});
        (id, node)
    };
    let semantic_model = |name: &str, entities: Value, dimensions: Value, measures: Value| {
        let id = format!("semantic_model.x.{name}");
        let node = json!({"unique_id": id, "name": name, "resource_type": "semantic_model", "package_name": "x",
            "depends_on": {"nodes": [format!("model.x.{name}")]}, "entities": entities, "dimensions": dimensions,
            "measures": measures});
        (id, node)
    };
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
        "nodes": serde_json::Map::from_iter([
            model("orders", &["id", "customer_id", "is_food", "due", "amount", "other"]),
            model("customers", &["id", "height", "other"]),
        ]),
        "semantic_models": serde_json::Map::from_iter([
            semantic_model(
                "orders",
                json!([{"name": "order", "type": "primary", "expr": "id"}, {"name": "customer", "type": "foreign", "expr": "customer_id"}]),
                json!([{"name": "is_food", "type": "categorical"}, {"name": "due", "type": "time"},
                    {"name": "large", "type": "categorical", "expr": "amount > 20"}]),
                json!([{"name": "n", "agg": "sum", "expr": "1"}]),
            ),
            semantic_model(
                "customers",
                json!([{"name": "customer", "type": "primary", "expr": "id"}]),
                json!([{"name": "height", "type": "categorical"}]),
                json!([]),
            ),
        ]),
        "metrics": serde_json::Map::from_iter(metrics_with_filters()),
    });
    project
        .write("dbt_project.yml", "name: x\n")
        .write("target/manifest.json", manifest.to_string());
    for (column, expected) in [
        ("orders.other", vec![]),
        ("orders.is_food", vec!["food_orders", "odd_orders"]),
        ("orders.due", vec!["late_orders", "odd_orders"]),
        ("orders.amount", vec!["large_orders", "odd_orders", "twice"]),
        ("orders.customer_id", vec!["odd_orders", "tall_orders"]),
        ("orders.id", vec!["odd_orders"]),
        ("customers.height", vec!["tall_orders"]),
        ("customers.id", vec!["tall_orders"]),
        ("customers.other", vec![]),
    ] {
        let run = project.run(&["impact", column]);
        assert_eq!(run.exit, 0, "{}", run.err);
        let words = run.out.split([' ', '\n']).collect::<Vec<_>>();
        let mut metrics: Vec<&str> = words
            .windows(2)
            .filter(|pair| pair[1].starts_with("(metric)"))
            .map(|pair| pair[0])
            .collect();
        metrics.sort_unstable();
        assert_eq!(metrics, expected, "{column}: {}", run.out);
    }
}

/// Names that look like markup remain plain names in every output format.
#[test]
fn hostile_names_remain_names() {
    const EVIL: &str = "</script><img src=x onerror=alert(1)>|`\"'\\\n\u{1b}[31m]--> n0[x]\u{202e}{{x}}&amp;";
    let project = TestProject::new("impact_hostile");
    let column = |name: &str| json!({"name": name, "description": EVIL});
    let model = |id: &str, name: &str, sql: &str, read: Value| {
        json!({"unique_id": id, "name": name, "resource_type": "model", "package_name": EVIL, "relation_name": format!("\"d\".\"{id}\""),
            "description": EVIL, "columns": {"a": column("a")}, "config": {"meta": {"owner": EVIL}}, "raw_code": format!("{sql} -- {EVIL}"),
            "compiled_code": sql, "original_file_path": EVIL, "depends_on": {"nodes": read}})
    };
    let nodes = json!({
        "model.x.first": model("model.x.first", "first", "select 1 as a", json!([])),
        "model.x.evil": model("model.x.evil", EVIL, "select a from \"d\".\"model.x.first\"", json!(["model.x.first"])),
        "model.x.blind": model("model.x.blind", "blind", EVIL, json!(["model.x.first"])),
        "test.x.t": {"unique_id": "test.x.t", "name": EVIL, "resource_type": "test", "test_metadata": {"name": EVIL, "kwargs": {"column_name": "a"}},
            "attached_node": "model.x.first", "column_name": "a", "depends_on": {"nodes": ["model.x.first"]}},
    });
    let manifest = json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
        "nodes": nodes, "exposures": {"exposure.x.e": {"unique_id": "exposure.x.e", "name": EVIL, "owner": {"name": EVIL}, "depends_on": {"nodes": ["model.x.evil"]}}}});
    let results = json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}, "results": [{"unique_id": "test.x.t", "status": EVIL}]});
    project
        .write("dbt_project.yml", "name: x\n")
        .write("target/manifest.json", manifest.to_string());
    project.write("target/run_results.json", results.to_string());
    project.write(
        "omni/first.view.yaml",
        format!(
            "table_name: first\ndimensions: {{a: {{sql: {}}}}}\n",
            json!("a </script>|")
        ),
    );
    let run = |format: &str| {
        let run = project.run(&["impact", "first.a", "--format", format]);
        assert_eq!(run.exit, 0, "{}", run.err);
        run.out
    };
    let page = run("html");
    assert_eq!(page.matches("<script").count(), 2, "only its own");
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert!(
        data["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|node| node["label"].as_str().unwrap().starts_with(EVIL))
    );
    // Each row of the table has five cells, and nothing else is parsed as a row.
    let markdown = run("markdown");
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    for row in &rows {
        assert_eq!(
            row.replace("\\\\", "").replace("\\|", "").matches('|').count(),
            6,
            "{row}"
        );
    }
    assert_eq!(rows.len(), 2 + 5, "{markdown}");
    let plain: String = markdown
        .split("```mermaid")
        .next()
        .unwrap()
        .split('`')
        .step_by(2)
        .collect();
    let plain = plain.replace("<code>", "").replace("</code>", "");
    assert!(!plain.contains('<') && !plain.contains('\u{1b}'), "{plain}");
    let mermaid = run("mermaid");
    for line in mermaid.lines().skip(1) {
        let line = line.trim();
        let is_edge = line
            .split(" --> ")
            .all(|end| end.strip_prefix('n').is_some_and(|n| n.parse::<usize>().is_ok()));
        let is_node = line.matches('"').count() == 2
            && line.matches('[').count() == 1
            && line.matches('<').count() <= 2
            && !line.contains('\u{1b}');
        assert!(is_edge || is_node || line.starts_with("classDef "), "{line}");
    }
    let dot = run("dot");
    for line in dot.lines().filter(|line| line.contains("label=")) {
        assert_eq!(
            line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2,
            0,
            "{line}"
        );
        assert!(line.ends_with("];") && !line.contains('\u{1b}'), "{line}");
    }
    assert!(!project.run(&["impact", "first.a", "--json"]).out.contains('\u{1b}'));
    let lineage = project.run(&["lineage", "first", "--format", "mermaid"]).out;
    assert!(!lineage.contains("<img") && !lineage.contains('\u{1b}'));
    let tree = run("tree");
    assert!(!tree.contains('\u{1b}') && !tree.contains('\u{202e}'));
    // A name with a line break is displayed on a single line.
    assert_eq!(tree.lines().count(), 3 + 5, "{tree}");
}
