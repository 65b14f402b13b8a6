//! Tests the metric sets that `formulac init` proposes for dbt's semantic models.

use insta::assert_snapshot;

use crate::init::{create_project, run};
use crate::run::TestProject;

/// Returns manifest entries for metrics of each type that use the measures of the semantic models.
fn dbt_metrics() -> Vec<String> {
    let described = |name: &str, kind: &str, rest: &str, description: &str| {
        format!(
            r#""metric.shop.{name}": {{"name": "{name}", "resource_type": "metric", "package_name": "shop", "type": "{kind}",
            "unique_id": "metric.shop.{name}", "path": "m.yml", "original_file_path": "dbt_models/m.yml", "fqn": ["shop"],
            "label": "Label of {name}", "description": "{description}", "type_params": {{{rest}}}}}"#
        )
    };
    let metric = |name: &str, kind: &str, rest: &str| described(name, kind, rest, "");
    vec![
        metric("amount", "simple", r#""measure": {"name": "amount"}"#),
        // Metrics with the names of their measures. dbt has created the second metric.
        described(
            "customers",
            "simple",
            r#""measure": {"name": "customers"}"#,
            "Customers with an order.",
        ),
        described(
            "typical",
            "simple",
            r#""measure": {"name": "typical"}"#,
            "Metric created from measure typical",
        ),
        metric("revenue", "simple", r#""measure": {"name": "amount"}"#),
        metric(
            "aov",
            "ratio",
            r#""numerator": {"name": "revenue"}, "denominator": {"name": "orders"}"#,
        ),
        metric("orders", "simple", r#""measure": {"name": "order_count"}"#),
        metric(
            "margin",
            "derived",
            r#""expr": "(r - 2 * orders) / r", "metrics": [{"name": "revenue", "alias": "r"}, {"name": "orders"}]"#,
        ),
        metric(
            "rounded",
            "derived",
            r#""expr": "round(revenue)", "metrics": [{"name": "revenue"}]"#,
        ),
        metric(
            "growth",
            "derived",
            r#""expr": "revenue - before", "metrics": [{"name": "revenue"}, {"name": "revenue", "alias": "before", "offset_window": {"count": 1, "granularity": "month"}}]"#,
        ),
        metric("so_far", "cumulative", r#""measure": {"name": "amount"}"#),
        metric(
            "big",
            "ratio",
            r#""numerator": {"name": "revenue", "filter": "x > 1"}, "denominator": {"name": "orders"}"#,
        ),
        metric(
            "of_growth",
            "ratio",
            r#""numerator": {"name": "growth"}, "denominator": {"name": "orders"}"#,
        ),
        metric("of_p10", "simple", r#""measure": {"name": "p10"}"#),
        // A metric has the same name as its measure's column.
        metric("pieces", "simple", r#""measure": {"name": "stock"}"#),
        metric(
            "mixed",
            "ratio",
            r#""numerator": {"name": "revenue"}, "denominator": {"name": "of_p10"}"#,
        ),
    ]
}

/// Writes a dbt project with a manifest that contains a semantic model.
fn semantic_project(name: &str) -> TestProject {
    let project = create_project(name);
    let measures = r#"
        {"name": "amount", "agg": "sum", "description": "Money of all orders.\nIn euros."},
        {"name": "order_count", "agg": "count", "expr": "1", "label": "Orders: all"},
        {"name": "customers", "agg": "count_distinct", "expr": "customer_id", "label": "Label of the measure"},
        {"name": "typical", "agg": "median", "expr": "amount", "create_metric": true},
        {"name": "p90", "agg": "percentile", "expr": "amount", "agg_params": {"percentile": 0.9}},
        {"name": "net", "agg": "sum", "expr": "amount - tax"},
        {"name": "tax", "agg": "sum", "expr": "taxes"},
        {"name": "stock", "agg": "sum", "expr": "pieces", "label": "Stock",
         "non_additive_dimension": {"name": "ordered", "window_choice": "max", "window_groupings": ["customer"]}},
        {"name": "first_stock", "agg": "sum", "expr": "pieces", "non_additive_dimension": {"name": "ordered"}},
        {"name": "discrete", "agg": "percentile", "expr": "amount",
         "agg_params": {"percentile": 0.5, "use_discrete_percentile": true}},
        {"name": "gifts", "agg": "sum_boolean", "expr": "is_gift"},
        {"name": "shipped", "agg": "sum", "expr": "pieces", "agg_time_dimension": "shipped"}"#;
    let model = |name: &str, path: &str, measures: &str| {
        format!(
            r#""semantic_model.shop.{name}": {{"name": "{name}", "resource_type": "semantic_model", "package_name": "shop",
            "unique_id": "semantic_model.shop.{name}", "path": "{path}", "original_file_path": "{path}", "fqn": ["shop"],
            "description": "All orders.", "model": "ref('orders')", "defaults": {{"agg_time_dimension": "ordered"}},
            "entities": [{{"name": "customer", "type": "foreign", "expr": "customer_id"}}],
            "dimensions": [{{"name": "ordered", "type": "time", "expr": "ordered_on", "type_params": {{"time_granularity": "month"}}}},
                {{"name": "is_present", "type": "categorical", "expr": "is_gift"}},
                {{"name": "customer_id", "type": "categorical", "expr": "pieces"}},
                {{"name": "is_big", "type": "categorical", "expr": "amount > 100"}}],
            "measures": [{measures}]}}"#
        )
    };
    let models = [
        model("sales", "dbt_models/orders.yml", measures),
        model(
            "rates",
            "dbt_models/orders.yml",
            r#"{"name": "p10", "agg": "percentile", "expr": "amount"}"#,
        ),
        model(
            "generated",
            "dbt_models/formulac/by_month.yml",
            r#"{"name": "n", "agg": "sum"}"#,
        ),
        model("empty", "dbt_models/orders.yml", ""),
    ];
    let columns = ["amount", "customer_id", "is_gift", "ordered_on", "pieces"]
        .map(|name| format!(r#""{name}": {{"name": "{name}"}}"#));
    let orders = format!(
        r#""model.shop.orders": {{"name": "orders", "resource_type": "model", "package_name": "shop", "unique_id": "model.shop.orders",
        "path": "orders.sql", "original_file_path": "dbt_models/orders.sql", "fqn": ["shop", "orders"], "schema": "main",
        "relation_name": "orders", "columns": {{{}}}, "config": {{"contract": {{"enforced": true}}}}, "contract": {{"enforced": true}}}}"#,
        columns.join(", ")
    );
    let metrics = dbt_metrics();
    let metadata = r#"{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.10.0",
        "project_name": "shop", "adapter_type": "duckdb"}"#;
    let manifest = format!(
        r#"{{"metadata": {metadata}, "nodes": {{{orders}}}, "sources": {{}}, "semantic_models": {{{}}}, "metrics": {{{}}}}}"#,
        models.join(", "),
        metrics.join(", ")
    );
    project.write("shop/target/manifest.json", manifest);
    project.write(
        "shop/formulac.yml",
        "dialect: duckdb\nspecs: metrics/\nmodels: dbt_models/formulac/\n",
    );
    project
}

#[test]
fn measures_of_semantic_models_become_metric_sets() {
    let project = semantic_project("init_semantic_models");
    let run = run(&project, "shop", &["init"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_snapshot!(format!("{}\n{}", run.err, project.read("shop/metrics/sales.yml")));
    assert!(!project.path("shop/metrics/generated.yml").exists() && !project.path("shop/metrics/rates.yml").exists());
    let checked = self::run(
        &project,
        "shop",
        &["query", "--metrics", "sales.*", "--by", "month", "--quiet"],
    );
    assert_eq!(checked.exit, 0, "{}", checked.err);
    // The metric set is not created again if its name has quotes, a comment or different capitalization.
    let text = project.read("shop/metrics/sales.yml");
    project.write(
        "shop/metrics/sales.yml",
        text.replace("metric_set: sales", "metric_set: 'Sales' # ours") + "# mine\n",
    );
    let again = self::run(&project, "shop", &["init"]);
    assert!(
        project.read("shop/metrics/sales.yml").ends_with("# mine\n") && !again.err.contains("sales"),
        "{}",
        again.err
    );
}

/// A metric set converts times to dates, so the cast in the dimension's expression is not necessary.
#[test]
fn time_dimensions_that_are_cast_to_dates_are_the_time_of_the_set() {
    let project = semantic_project("init_cast_times");
    let manifest = project.read("shop/target/manifest.json");
    let init_with_time = |expression: &str| {
        let cast = format!(r#""expr": "{expression}""#);
        project.write(
            "shop/target/manifest.json",
            manifest.replace(r#""expr": "ordered_on""#, &cast),
        );
        let _ = std::fs::remove_dir_all(project.path("shop/metrics"));
        let output = run(&project, "shop", &["init"]).err;
        (project.read("shop/metrics/sales.yml"), output)
    };
    let (plain, _) = init_with_time("ordered_on");
    let expected = plain.replace("  ordered = ordered_on\n", "  ordered = ordered_on[month]\n");
    for expression in [
        "cast(ordered_on as DATE)",
        "CAST( ordered_on AS date )",
        "ordered_on::date",
        "date(ordered_on)",
    ] {
        assert_eq!(init_with_time(expression).0, expected, "{expression}");
    }
    let (text, output) = init_with_time("date_trunc('day', ordered_on)");
    assert!(!text.contains("\ntime:"), "{text}");
    let line = "the time dimension sales.ordered is skipped: `date_trunc('day', ordered_on)` is SQL";
    assert!(
        output.contains(line) && !output.contains("of sales is skipped"),
        "{output}"
    );
}

/// The first `init` reports all omitted measures and metrics. Afterwards, the metric sets belong to the user.
#[test]
fn omitted_metrics_are_reported_only_when_the_sets_are_created() {
    let project = semantic_project("init_reported_once");
    let lost = r#""metric.shop.lost": {"name": "lost", "resource_type": "metric", "package_name": "shop", "type": "simple",
        "unique_id": "metric.shop.lost", "path": "m.yml", "original_file_path": "dbt_models/m.yml", "fqn": ["shop"],
        "label": "Lost", "description": "", "type_params": {"measure": {"name": "no_such"}}}, "metric.shop.amount": "#;
    let manifest = project.read("shop/target/manifest.json");
    let manifest = manifest.replace(r#""metric.shop.amount": "#, lost).replace(
        r#""name": "p10", "agg": "percentile""#,
        r#""name": "p10", "agg": "sum""#,
    );
    project.write("shop/target/manifest.json", manifest);
    let output = run(&project, "shop", &["init"]).err;
    assert!(
        output.contains("the metric lost is skipped") && output.contains("sales.net is skipped"),
        "{output}"
    );
    let again = run(&project, "shop", &["init"]).err;
    assert!(!again.contains(" is skipped"), "{again}");
}

/// Without a schema, a formula reads `q1` as a cell.
#[test]
fn columns_that_look_like_cells_are_qualified() {
    let project = semantic_project("init_cell_columns");
    let manifest = project.read("shop/target/manifest.json");
    let manifest = manifest.replace(r#""expr": "taxes""#, r#""expr": "q1""#);
    project.write(
        "shop/target/manifest.json",
        manifest.replace(r#""enforced": true"#, r#""enforced": false"#),
    );
    assert_eq!(run(&project, "shop", &["init"]).exit, 0);
    assert!(project.read("shop/metrics/sales.yml").contains("tax = SUM(orders.q1)"));
    let checked = run(&project, "shop", &["check", "metrics/sales.yml"]);
    assert_eq!(checked.exit, 0, "{}", checked.err);
}

/// In dbt's newer format, metrics define their measures themselves, and semantic models have no measures.
#[test]
fn metrics_with_their_own_measures_become_a_metric_set() {
    let project = create_project("init_own_measures");
    let metric = |name: &str, kind: &str, type_params: serde_json::Value| {
        serde_json::json!({
            "name": name, "resource_type": "metric", "package_name": "shop", "type": kind, "label": format!("The {name}"),
            "unique_id": format!("metric.shop.{name}"), "original_file_path": "models/s.yml", "type_params": type_params,
        })
    };
    let own = |name: &str, model: &str, agg: &str, expr: Option<&str>, filled: Option<i64>| {
        let params = serde_json::json!({
            "measure": null, "input_measures": [], "expr": expr, "fill_nulls_with": filled, "join_to_timespine": false,
            "metric_aggregation_params": {
                "semantic_model": model, "agg": agg, "agg_time_dimension": "ordered_on", "non_additive_dimension": null,
                "agg_params": {"percentile": null, "use_discrete_percentile": false},
            },
        });
        metric(name, "simple", params)
    };
    let model = |name: &str| {
        serde_json::json!({
            "name": name, "resource_type": "semantic_model", "package_name": "shop", "model": "ref('orders')",
            "unique_id": format!("semantic_model.shop.{name}"), "original_file_path": "models/s.yml",
            "defaults": {"agg_time_dimension": "ordered_on"}, "measures": [],
            "dimensions": [{"name": "ordered_on", "type": "time", "type_params": {"time_granularity": "day"}}],
        })
    };
    let input = |name: &str| serde_json::json!({"name": name, "filter": null, "offset_window": null});
    let manifest = serde_json::json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb"},
        "nodes": {"model.shop.orders": {
            "name": "orders", "resource_type": "model", "package_name": "shop", "unique_id": "model.shop.orders",
            "original_file_path": "models/orders.sql", "schema": "main", "relation_name": "orders",
            "columns": {"order_id": {"name": "order_id"}, "ordered_on": {"name": "ordered_on"}, "amount": {"name": "amount"}},
            "config": {"contract": {"enforced": true}}, "contract": {"enforced": true},
        }},
        "semantic_models": {"semantic_model.shop.sales": model("sales"), "semantic_model.shop.filled": model("filled")},
        "metrics": {
            "metric.shop.revenue": own("revenue", "sales", "sum", Some("amount"), None),
            "metric.shop.buyers": own("buyers", "sales", "count_distinct", Some("order_id"), None),
            "metric.shop.amount": own("amount", "sales", "max", None, None),
            "metric.shop.doubled": own("doubled", "sales", "sum", Some("amount * 2"), None),
            "metric.shop.per_buyer": metric("per_buyer", "ratio",
                serde_json::json!({"numerator": input("revenue"), "denominator": input("buyers")})),
            "metric.shop.zeros": own("zeros", "filled", "sum", Some("amount"), Some(0)),
        },
    });
    project.write("shop/target/manifest.json", manifest.to_string());
    project.write("shop/formulac.yml", "dialect: duckdb\nspecs: metrics/\n");
    let output = run(&project, "shop", &["init"]).err;
    assert_snapshot!(format!("{output}\n{}", project.read("shop/metrics/sales.yml")));
    let query = ["query", "--metrics", "sales.*", "--by", "month", "--quiet"];
    let run = run(&project, "shop", &query);
    assert_eq!(run.exit, 0, "{}", run.err);
}
