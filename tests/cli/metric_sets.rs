//! Tests the commands with metric sets: queries without a spec, selection, generated files and plans.

use crate::repository;
use crate::run::TestProject;

pub const ORDERS: &str = "metric_set: orders\nfrom: ref('stg_orders')\njoins: [{to: ref('customers'), as: customers, using: customer_id}]\n\
    time: ordered_at\ndefinitions: |\n  /// Money\n  revenue = SUM(amount)\n  order_count = COUNT(order_id)\n  aov = revenue / order_count\n";

/// Creates a project with a metric set and two models over this set.
pub fn project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("formulac.yml", "dialect: duckdb\nspecs: specs/\n");
    project.write(
        "dbt_project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\nmodel-paths: [models]\ntest-paths: [tests]\n",
    );
    project.write("models/.gitkeep", "");
    project.write("tests/.gitkeep", "");
    project.write("specs/orders.yml", ORDERS);
    project.write(
        "specs/by_month.yml",
        "model: by_month\nmetrics: [orders.aov]\ngroup_by: [month, customers.region]\n",
    );
    project.write(
        "specs/total.yml",
        "model: total\nmetrics: [orders.order_count]\ngroup_by: year\n",
    );
    project
}

#[test]
fn json_of_a_query_describes_its_columns() {
    let project = project("sets_json_of_a_query_describes_its_columns");
    let labels = "columns: {aov: {label: Average order, format: usdcurrency_2}}\n";
    project.write("specs/orders.yml", format!("{ORDERS}{labels}"));
    let run = project.run(&[
        "query",
        "--metrics",
        "orders.aov",
        "--by",
        "month,customers.region",
        "--json",
    ]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let expected = serde_json::json!([
        {
            "name": "ordered_at_month", "type": "date", "nullable": true, "key": true, "label": null, "format": null,
            "metrics": [], "columns": ["stg_orders.ordered_at"],
        },
        {
            "name": "region", "type": "unknown", "nullable": true, "key": true, "label": null, "format": null,
            "metrics": [], "columns": ["customers.region"],
        },
        {
            "name": "aov", "type": "float", "nullable": true, "key": false, "label": "Average order",
            "format": "usdcurrency_2", "metrics": ["orders.revenue", "orders.order_count", "orders.aov"],
            "columns": ["stg_orders.amount", "stg_orders.order_id"],
        },
    ]);
    assert_eq!(json["columns"], expected, "{}", run.out);
}

#[test]
fn metrics_are_queried_without_a_spec() {
    let project = project("sets_metrics_are_queried_without_a_spec");
    let run = project.run(&[
        "query",
        "--metrics",
        "orders.revenue,orders.order_count as n",
        "--by",
        "month",
        "--since",
        "2024-02-10",
        "--order-by",
        "n desc",
        "--limit",
        "5",
    ]);
    assert_eq!(run.exit, 0, "{}", run.err);
    for part in [
        "coalesce(sum(amount), 0) as revenue",
        "count(order_id) as n",
        ">= date '2024-02-01'",
        "order by n desc",
        "limit 5",
    ] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    assert!(!run.out.contains("customers"), "an unused join: {}", run.out);
    // A comma inside brackets or quotes does not end an entry.
    let key = r#"month, IF(amount > 40, "big, or more", "small")"#;
    let query = ["query", "--output-format", "concise", "--metrics", "orders.revenue"];
    let run = project.run(&[&query[..], &["--by", key]].concat());
    let error = r#"`--by` contains the formula `IF(amount > 40, "big, or more", "small")` instead of a column"#;
    assert!(run.exit == 1 && run.err.contains(error), "{}", run.err);
    let run = project.run(&["query", "--metrics", "orders.reveneu"]);
    assert!(
        run.exit == 1 && run.err.contains("did you mean `revenue`?"),
        "{}",
        run.err
    );
    let run = project.run(&[
        "query",
        "--metrics",
        "orders.revenue",
        "--by",
        "region",
        "--fill",
        "month",
    ]);
    assert!(
        run.exit == 1 && run.err.contains("`--fill` names `month`"),
        "{}",
        run.err
    );
    let fill = ["--fill", "{by: month, from: 2024-01-01, to: 2024-03-31}"];
    let define = ["--define", "change = revenue - PERIODOFFSET(revenue, -1, \"month\")"];
    let run = project.run(
        &[
            &["query", "--metrics", "orders.revenue", "--by", "month"],
            &fill[..],
            &define[..],
        ]
        .concat(),
    );
    assert!(
        run.exit == 0 && run.out.contains("as change") && run.out.contains("date '2024-03-01'"),
        "{}{}",
        run.out,
        run.err
    );
    for args in [
        &["query", "specs/orders.yml"][..],
        &["model", "specs/orders.yml"],
        &["model", "specs/orders.yml", "--out", "models"],
    ] {
        let run = project.run(args);
        assert!(
            run.exit == 1 && run.err.contains("is the metric set `orders`"),
            "{args:?}: {}",
            run.err
        );
    }
    // A metric set can be passed together with a model. The command then only reads the metric set.
    project.succeed(&["model", "specs/orders.yml", "specs/total.yml"]);
}

#[test]
fn expanded_specs_compile_to_the_same_sql() {
    let project = project("sets_expanded_specs_compile_to_the_same_sql");
    let expanded = project.run(&["explain", "--expand", "specs/by_month.yml"]);
    assert_eq!(expanded.exit, 0, "{}", expanded.err);
    assert!(
        expanded.out.contains("aov = SUM(amount) / COUNT(order_id)"),
        "{}",
        expanded.out
    );
    let by_name = project.run(&["explain", "--expand", "by_month"]);
    assert_eq!(by_name.out, expanded.out, "{}", by_name.err);
    let as_json = project.run(&["explain", "--expand", "by_month", "--json"]);
    assert_eq!(as_json.json()["spec"], expanded.out, "{}", as_json.err);
    project.write("expanded.yml", &expanded.out);
    let written = project.run(&["query", "specs/by_month.yml"]).out;
    assert_eq!(project.run(&["query", "expanded.yml"]).out, written);
    assert!(written.contains("left join customers"), "{written}");
}

/// If a model groups by a dimension, its key column gets the properties that the metric set specifies for the
/// dimension. This also applies to the last of several steps, and to a key that a mapping gives another name.
/// Properties in the model take precedence.
#[test]
fn properties_of_dimensions_become_properties_of_keys() {
    let project = project("sets_properties_of_dimensions");
    let large =
        "  /// Size of the order\n  is_large = amount > 100\ncolumns: {is_large: {label: Large order, tags: [size]}}\n";
    project.write("specs/orders.yml", format!("{ORDERS}{large}"));
    project.write(
        "specs/refunds.yml",
        "metric_set: refunds\nfrom: ref('stg_refunds')\ntime: refunded_at\ndefinitions: refunded = SUM(refund)\n",
    );
    for (spec, key, label) in [
        (
            "metrics: [orders.revenue]\ngroup_by: is_large\n",
            "is_large",
            "Large order",
        ),
        (
            "metrics: [orders.revenue]\ngroup_by: is_large\ncolumns: {is_large: {omni: {label: Big}}}\n",
            "is_large",
            "Big",
        ),
        (
            "steps:\n  - name: days\n    metrics: [orders.revenue]\n    group_by: [day, is_large]\n  - name: sizes\n    \
             group_by: is_large\n    definitions: best_day = MAX(revenue)\n",
            "is_large",
            "Large order",
        ),
        (
            "metrics: [orders.revenue, refunds.refunded]\ngroup_by:\n  - size: {orders: is_large, refunds: refund > 9}\n",
            "size",
            "Large order",
        ),
    ] {
        project.write("specs/sizes.yml", format!("model: sizes\n{spec}"));
        let run = project.run(&["model", "specs/sizes.yml"]);
        assert_eq!(run.exit, 0, "{}", run.err);
        let columns = run.out.split("- name: ");
        let column: String = columns
            .filter(|column| column.starts_with(&format!("{key}\n")))
            .collect();
        for part in [format!("label: {label}"), "- size".to_owned()] {
            assert!(column.contains(&part), "{spec}{part}\n{}", run.out);
        }
    }
}

#[test]
fn models_are_selected_by_metric_and_the_set_has_one_test() {
    let project = project("sets_models_are_selected_by_metric_and_the_set_has_one_test");
    let run = project.run(&["generate", "--select", "metric:orders.revenue"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(project.files("models/formulac"), ["by_month.sql", "by_month.yml"]);
    let run = project.run(&["generate", "--select", "metric_set:orders"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(project.files("models/formulac").contains(&"total.sql".to_owned()));
    project.succeed(&["generate"]);
    let tests = project.files("tests/formulac");
    let joins: Vec<&String> = tests.iter().filter(|name| name.contains("finds_one_of")).collect();
    assert_eq!(joins, ["assert_orders_metrics_finds_one_of_customers.sql"]);
    let header = project.read("tests/formulac/assert_orders_metrics_finds_one_of_customers.sql");
    assert!(header.starts_with("{# formulac: edit specs/orders.yml,"), "{header}");
    let run = project.run(&["impact", "metric:orders.order_count"]);
    assert!(
        run.out.contains("by_month.aov") && run.out.contains("total.order_count"),
        "{}",
        run.out
    );
}

#[test]
fn a_set_that_no_model_reads_is_found_by_name() {
    let project = project("sets_a_set_that_no_model_reads");
    project.write(
        "specs/refunds.yml",
        "metric_set: refunds\nfrom: ref('refunds')\ndefinitions: n = COUNT()\n",
    );
    for name in ["metric:refunds.n", "metric_set:refunds", "refunds.n"] {
        let run = project.run(&["impact", name]);
        assert_eq!((run.exit, run.out.as_str()), (0, "nothing changes\n"), "{}", run.err);
        assert!(run.err.contains("no model reads `refunds"), "{}", run.err);
    }
    let run = project.run(&["impact", "metric:refunds.m"]);
    assert!(
        run.exit == 1 && run.err.contains("the metric set `refunds` has no metric `m`"),
        "{}",
        run.err
    );
    let run = project.run(&["impact", "--select", "metric_set:refunds"]);
    assert!(
        run.exit == 0 && run.err.contains("no model reads `refunds`") && !run.err.contains("selects no spec"),
        "{}",
        run.err
    );
    for (name, help) in [
        ("metric:refunds", "`metric_set:refunds`"),
        ("metric_set:refunds.n", "`metric:refunds.n`"),
    ] {
        for command in ["impact", "lineage"] {
            let run = project.run(&[command, name]);
            assert!(run.exit != 0 && run.err.contains(help), "{command} {name}: {}", run.err);
        }
    }
    project.write(
        "specs/rates.yml",
        "metric_set: rates\nsets: [refunds, orders]\ntags: [finance]\ndefinitions: rate = refunds.n / orders.order_count\n",
    );
    for (part, count) in [
        ("metric_set:refunds", "1 file"),
        ("tag:finance", "1 file"),
        ("metric_set:refunds+", "2 files"),
        ("+metric_set:rates", "3 files"),
        ("+metric:rates.rate", "3 files"),
        ("resource_type:metric_set", "3 files"),
    ] {
        let run = project.run(&["check", "--select", part]);
        let checked = format!("{count} checked");
        assert!(run.exit == 0 && run.err.contains(&checked), "{part}: {}", run.err);
    }
    project.write(
        "specs/refunds.yml",
        "metric_set: refunds\nfrom: ref('refunds')\ndefinitions: n = COUNT(\n",
    );
    for part in ["metric_set:refunds", "path:specs/refunds.yml"] {
        let run = project.run(&["check", "--select", part]);
        assert!(
            run.exit == 1 && run.out.contains("F0203"),
            "{part}: {} {}",
            run.out,
            run.err
        );
    }
    let run = project.run(&["check", "--select", "metric_set:nothing"]);
    assert!(run.err.contains("`metric_set:nothing` selects no spec"), "{}", run.err);
}

#[test]
fn a_metric_in_a_condition_changes_the_rows() {
    let project = project("sets_a_metric_in_a_condition");
    project.write(
        "specs/large.yml",
        "model: large\nmetrics: [orders.order_count]\ngroup_by: month\nhaving: revenue > 10\n",
    );
    for option in ["--removed", "--type-changed"] {
        let run = project.run(&["impact", "metric:orders.revenue", option]);
        let line = run.out.lines().find(|line| line.contains("large")).unwrap_or_default();
        assert!(
            line.contains("rows") && !line.contains("removed"),
            "{option}: {}",
            run.out
        );
    }
}

#[test]
fn a_metric_in_a_column_and_in_a_condition_changes_the_column_and_the_rows() {
    let project = project("sets_a_metric_in_a_column_and_in_a_condition");
    project.write(
        "specs/large.yml",
        "model: large\nmetrics: [orders.revenue]\ngroup_by: month\nhaving: revenue > 10\n",
    );
    project.write(
        "specs/largest.yml",
        "model: largest\nmetrics: [orders.order_count]\ngroup_by: month\norder_by: revenue desc\nlimit: 3\n",
    );
    for name in ["metric:orders.revenue", "metric_set:orders"] {
        let run = project.run(&["impact", name]);
        for model in ["large:", "largest:"] {
            let line = run.out.lines().find(|line| line.contains(model)).unwrap_or_default();
            assert!(line.contains("the rows and values change"), "{name}: {}", run.out);
        }
    }
    let run = project.run(&["impact", "--help"]);
    assert!(run.out.contains("formulac impact metric:orders.revenue"), "{}", run.out);
}

#[test]
fn models_over_several_sets_are_expanded() {
    let project = project("sets_specs_that_no_single_spec_can_express");
    project.write(
        "specs/refunds.yml",
        "metric_set: refunds\nfrom: ref('refunds')\ntime: at\ndefinitions: n = COUNT()\n",
    );
    project.write(
        "specs/combined.yml",
        "model: combined\nmetrics: [orders.revenue, refunds.n]\ngroup_by: month\n",
    );
    let run = project.run(&["explain", "--expand", "specs/combined.yml"]);
    assert!(run.exit == 0 && run.out.contains("union: ["), "{}{}", run.out, run.err);
    project.write(
        "specs/combined.yml",
        "model: combined\nmetrics: [orders.revenue, refunds.n]\ngroup_by: month\nfill: month\n",
    );
    let run = project.run(&["explain", "--expand", "specs/combined.yml"]);
    assert!(
        run.exit == 0 && run.out.contains("series: {name: month, unit: month, "),
        "{}{}",
        run.out,
        run.err
    );
    project.write(
        "specs/plain.yml",
        "model: plain\nfrom: ref('stg_orders')\ndefinitions: n = COUNT()\n",
    );
    let run = project.run(&["explain", "--expand", "specs/plain.yml"]);
    assert!(run.exit == 1 && run.err.contains("reads no metric sets"), "{}", run.err);
    project.write(
        "specs/filled.yml",
        "model: filled\nmetrics: orders.revenue\ngroup_by: month\nfill: month\n",
    );
    let run = project.run(&["explain", "--expand", "specs/filled.yml"]);
    assert!(
        run.exit == 0 && run.out.contains("fill: \"ordered_at[month]\""),
        "{}{}",
        run.out,
        run.err
    );
    project.write("expanded.yml", &run.out);
    let written = project.run(&["query", "specs/filled.yml"]).out;
    assert_eq!(project.run(&["query", "expanded.yml"]).out, written);
}

#[test]
fn the_log_finds_changes_to_a_metric() {
    let project = project("sets_the_log_finds_changes_to_a_metric");
    repository::begin(&project);
    project.succeed(&["push", "--yes"]);
    project.write("specs/orders.yml", ORDERS.replace("SUM(amount)", "SUM(amount) * 2"));
    project.succeed(&["push", "--yes"]);
    // The first push created columns from the other metrics of the metric set.
    for (name, count) in [
        ("metric:orders.revenue", 1),
        ("metric_set:orders", 2),
        ("orders.revenue", 1),
    ] {
        let run = project.run(&["log", name]);
        assert_eq!(run.out.matches("push").count(), count, "{name}: {}", run.out);
        assert!(
            run.out.contains("orders.revenue: SUM(amount) → SUM(amount) * 2"),
            "{}",
            run.out
        );
    }
    for (name, expected) in [
        ("metric:orders", "`orders` does not name a metric"),
        (
            "metric_set:orders.revenue",
            "`orders.revenue` names a metric, not a metric set",
        ),
    ] {
        let run = project.run(&["log", name]);
        assert!(run.exit == 2 && run.err.contains(expected), "{name}: {}", run.err);
    }
    // The model `total` has this metric as a column.
    let counted = ORDERS.replace("COUNT(order_id)", "COUNT()");
    project.write("specs/orders.yml", counted);
    project.succeed(&["push", "--yes"]);
    let run = project.run(&["log", "metric:orders.order_count"]);
    assert!(
        run.out.contains("update total") && run.out.contains("COUNT(order_id) → COUNT()"),
        "{}",
        run.out
    );
}

#[test]
fn changes_of_sets_that_affect_no_model_are_committed() {
    let project = project("sets_changes_that_affect_no_model");
    repository::begin(&project);
    project.succeed(&["push", "--yes"]);
    // No model uses `revenue` alone, and no model reads the metric set `returns`.
    project.write(
        "specs/orders.yml",
        ORDERS.replace("/// Money", "/// Money of all orders"),
    );
    project.write(
        "specs/returns.yml",
        "metric_set: returns\nfrom: ref('returns')\ndefinitions: {return_count: COUNT()}\n",
    );
    let run = project.run(&["plan"]);
    assert!(
        run.out
            .contains("no model reads what changed:\n  specs/orders.yml\n  specs/returns.yml\n")
            && run.out.ends_with("0 conflicts; 2 metric sets to commit\n"),
        "{}",
        run.out
    );
    project.succeed(&["push", "--yes"]);
    let title = repository::git(&project, &["log", "-1", "--format=%s"]);
    assert_eq!(title.trim(), "Update specs/orders.yml, specs/returns.yml");
    assert_eq!(repository::git(&project, &["status", "--porcelain", "specs"]), "");
    let run = project.run(&["plan"]);
    assert!(run.out.starts_with("Specs and dbt agree.\n"), "{}", run.out);
}
