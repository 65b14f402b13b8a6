//! Tests key names in `fill`, and the SQL of models with `fill`.

use super::{compile_last, sql};

const ORDERS: &str = "\
metric_set: orders
from: orders
time: ordered_at
definitions: |
  revenue = SUM(amount)
  order_count = COUNT()
";

const REFUNDS: &str = "\
metric_set: refunds
from: refunds
time: refunded_on
definitions: amount = SUM(refund)
";

fn spec_with_fill(keys: &str, fill: &str) -> String {
    sql(&[
        ORDERS,
        &format!("model: m\nmetrics: [orders.revenue]\ngroup_by: {keys}\nfill: {fill}\n"),
    ])
}

#[test]
fn a_key_may_have_another_spelling_in_fill() {
    let expected = spec_with_fill("[month, region]", "month");
    for fill in [
        "\"ordered_at[month]\"",
        "{by: \"ordered_at[month]\"}",
        "{by: \"orders.ordered_at[month]\"}",
        "{by: \"${ordered_at}[Month]\"}",
        "ordered_at_month",
    ] {
        assert_eq!(spec_with_fill("[month, region]", fill), expected, "{fill}");
    }
    let expected = spec_with_fill("[\"ordered_at[month]\"]", "\"ordered_at[month]\"");
    for fill in [
        "month",
        "{by: month}",
        "ordered_at_month",
        "\"orders.ordered_at[month]\"",
    ] {
        assert_eq!(spec_with_fill("[\"ordered_at[month]\"]", fill), expected, "{fill}");
    }
}

#[test]
fn a_period_in_fill_is_of_the_time_of_the_set_before_other_columns() {
    let keys = "[month, \"shipped_at[month]\"]";
    assert_eq!(
        spec_with_fill(keys, "month"),
        spec_with_fill(keys, "\"ordered_at[month]\"")
    );
    assert_ne!(
        spec_with_fill(keys, "month"),
        spec_with_fill(keys, "\"shipped_at[month]\"")
    );
}

#[test]
fn a_key_of_several_sets_may_have_the_name_of_a_column_of_a_set() {
    let model = |fill: &str| {
        let model = "model: m\nmetrics: [orders.revenue, refunds.amount]\ngroup_by: month\nsince: 2024-01-01\n";
        sql(&[ORDERS, REFUNDS, &format!("{model}fill: {fill}\n")])
    };
    assert_eq!(model("\"refunded_on[month]\""), model("month"));
    assert_eq!(model("\"ordered_at[month]\""), model("month"));
}

#[test]
fn a_defined_key_of_a_step_may_have_the_name_of_its_column_in_fill() {
    let model = |fill: &str| {
        let head = "model: m\nfrom: orders\ngroup_by: [month_of_order, \"shipped_at[week]\"]\nsince: 2024-01-01\n";
        let definitions = "definitions: |\n  month_of_order = ordered_at[month]\n  total = SUM(amount)\n";
        sql(&[&format!("{head}fill: {fill}\n{definitions}")])
    };
    let expected = model("month_of_order");
    for fill in ["month", "\"ordered_at[month]\"", "{by: \"orders.ordered_at[month]\"}"] {
        assert_eq!(model(fill), expected, "{fill}");
    }
}

#[test]
fn another_timeframe_is_not_a_key() {
    let model = "model: m\nmetrics: [orders.revenue]\ngroup_by: month\nfill: \"ordered_at[quarter]\"\n";
    let compiled = compile_last(&[ORDERS, model]);
    let codes: Vec<&str> = compiled
        .diagnostics()
        .iter()
        .map(crate::diag::Diagnostic::code)
        .collect();
    assert_eq!(codes, ["F0857"]);
}

#[test]
fn a_filled_model_reads_the_union_of_its_sets_instead_of_repeating_it() {
    let region = "{region: {orders: region, refunds: area}}";
    for keys in ["[month]".to_owned(), format!("[month, {region}]")] {
        let head = format!("model: m\nmetrics: [orders.revenue, refunds.amount]\ngroup_by: {keys}\n");
        let text = sql(&[ORDERS, REFUNDS, &format!("{head}fill: month\n")]);
        for step in ["from orders_by_month", "from refunds_by_month"] {
            assert_eq!(text.matches(step).count(), 1, "{text}");
        }
        assert_eq!(text.matches("union all").count(), 2, "{text}");
    }
}

#[test]
fn an_aggregate_in_several_metrics_is_computed_once() {
    let step = "model: m\nfrom: orders\ngroup_by: [\"ordered_at[month]\"]\nfill: month\ndefinitions: |\n";
    // If a metric consists only of the aggregate, the aggregate's column has the name of that metric, whatever the
    // order of the definitions.
    let formulas = [
        "  capped = IF(SUM(amount) > 10, SUM(amount), 0)\n  revenue = SUM(amount)\n",
        "  revenue = SUM(amount)\n  capped = IF(SUM(amount) > 10, SUM(amount), 0)\n",
        "  revenue = SUM(amount)\n  again = SUM(amount)\n  half = SUM(amount) / 2\n",
    ];
    for formulas in formulas {
        let sql = sql(&[&format!("{step}{formulas}")]);
        assert_eq!(sql.matches("sum(amount)").count(), 1, "{sql}");
        assert!(sql.contains("sum(amount), 0) as revenue"), "{sql}");
    }
    let sets = ORDERS.replace("  revenue", "  share = SUM(amount) / COUNT()\n  revenue");
    let model = "model: m\nmetrics: [orders.share, orders.revenue, refunds.amount]\ngroup_by: month\n";
    let sql = sql(&[&sets, REFUNDS, model]);
    assert_eq!(sql.matches("sum(amount)").count(), 1, "{sql}");
}

#[test]
fn metrics_without_rows_are_null_even_if_their_arguments_are_never_null() {
    let set = "metric_set: orders\nfrom: orders\ntime: ordered_at\ndefinitions: first = MIN(status & region)\n";
    let model = "model: m\nmetrics: [orders.first]\ngroup_by: month\nfill: month\n";
    let text = sql(&[set, model]);
    assert!(text.contains("max(first) as first"), "{text}");
}

#[test]
fn constant_bounds_need_no_count_of_rows_for_each_combination_of_keys() {
    let bounds = "from: 2024-01-01, to: 2024-12-31";
    let each = spec_with_fill("[month, region]", &format!("{{by: month, {bounds}, within: each}}"));
    let all = spec_with_fill("[month, region]", &format!("{{by: month, {bounds}}}"));
    assert_eq!(each, all);
    assert!(!all.contains("row_count") && !all.contains("combinations"), "{all}");
    // Without another key, `row_count` ensures that the step has one row even if there are no orders.
    let total = spec_with_fill("month", &format!("{{by: month, {bounds}}}"));
    assert!(total.contains("row_count"), "{total}");
}
