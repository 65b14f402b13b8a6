use super::{compile_last_with, reports, sql};
use crate::Compiler;

const ORDERS: &str = "\
metric_set: orders
from: orders
time: ordered_on
where: OR(amount > 0, region = \"test\")
definitions: |
  net = SUM(amount)
  regions = COUNT(DISTINCT(region))
  sales_region = COALESCE(region, \"none\")
  order_date = ordered_on + 1
columns:
  net: {renamed_from: revenue}
  sales_region: {renamed_from: region}
  order_date: {renamed_from: placed_on}
";

#[test]
fn a_key_with_the_former_name_of_a_dimension_groups_by_the_dimension() {
    let model = "model: m\nmetrics: [orders.net, orders.regions]\ngroup_by: region\n";
    // In the metric set's own formulas, the name refers to the column.
    assert_eq!(
        sql(&[ORDERS, model]),
        "\
select
    coalesce(orders.region, 'none') as region,
    coalesce(sum(orders.amount), 0) as net,
    count(distinct orders.region) as regions
from orders
where orders.amount > 0 or orders.region = 'test'
group by coalesce(orders.region, 'none')
"
    );
    assert_eq!(
        reports(&[ORDERS, model], "W0856"),
        [
            "region: the dimension `region` of the set `orders` has been renamed to `sales_region`; \
          write `sales_region`, or `- region: {orders: sales_region}` to keep the name of the column"
        ]
    );
}

#[test]
fn a_period_of_a_renamed_dimension_keeps_the_name_of_the_column() {
    let model = "model: m\nmetrics: [orders.net]\ngroup_by: \"placed_on[month]\"\n";
    let text = sql(&[ORDERS, model]);
    assert!(text.contains("date_trunc('month', ordered_on + 1)"), "{text}");
    assert!(text.contains(" as placed_on_month"), "{text}");
    let help = &reports(&[ORDERS, model], "W0856")[0];
    assert!(help.contains("write `\"order_date[month]\"`"), "{help}");
}

#[test]
fn a_filter_with_the_former_name_of_a_dimension_filters_by_the_dimension() {
    let model = "model: m\nmetrics: [orders.net]\nwhere: region <> \"north\"\n";
    let text = sql(&[ORDERS, model]);
    assert!(text.contains("coalesce(region, 'none') <> 'north'"), "{text}");
    assert_eq!(
        reports(&[ORDERS, model], "W0856"),
        ["region: the dimension `region` of the set `orders` has been renamed to `sales_region`; write `sales_region`"]
    );
}

#[test]
fn keys_of_several_sets_with_a_former_name_need_a_mapping() {
    let refunds = "metric_set: refunds\nfrom: orders\ndefinitions: refunded = SUM(refund)\n";
    let plain = "model: m\nmetrics: [orders.net, refunds.refunded]\ngroup_by: region\n";
    assert_eq!(reports(&[ORDERS, refunds, plain], "F0851").len(), 1);
    let mapped =
        "model: m\nmetrics: [orders.net, refunds.refunded]\ngroup_by:\n- region: {orders: region, refunds: region}\n";
    let text = sql(&[ORDERS, refunds, mapped]);
    assert!(text.contains("coalesce(orders.region, 'none') as region"), "{text}");
    assert_eq!(
        reports(&[ORDERS, refunds, mapped], "W0856"),
        ["region: the dimension `region` of the set `orders` has been renamed to `sales_region`; write `sales_region`"]
    );
}

#[test]
fn a_balance_reads_the_column_that_has_the_former_name() {
    let set = "\
metric_set: stock
from: stock
definitions: |
  places = COUNT(DISTINCT(region))
  sales_region = COALESCE(region, \"none\")
columns:
  places: {non_additive: {over: day, take: last, per: region}}
  sales_region: {renamed_from: region}
";
    let text = sql(&[set, "model: m\nmetrics: [stock.places]\ngroup_by: region\n"]);
    assert!(text.contains("count(distinct stock_region) as places"), "{text}");
}

#[test]
fn a_current_name_takes_precedence_over_a_former_name() {
    let set = "\
metric_set: o
from: t
definitions: |
  net = SUM(amount)
  revenue = SUM(gross)
columns: {net: {renamed_from: revenue}}
";
    let model = "model: m\nmetrics: [o.revenue]\n";
    assert!(sql(&[set, model]).contains("sum(gross)"));
    assert!(reports(&[set, model], "W0856").is_empty());
}

#[test]
fn a_definition_of_a_model_warns_about_a_former_name() {
    let model = "model: m\nmetrics: [orders.net]\ndefinitions: share = revenue / SUM(orders.revenue:revenue)\n";
    let warning = |text: &str, name: &str| {
        format!("{text}: the metric `orders.revenue` has been renamed to `net`; write `{name}`")
    };
    assert_eq!(
        reports(&[ORDERS, model], "W0856"),
        [
            warning("revenue", "net"),
            warning("orders.revenue", "orders.net"),
            warning("revenue", "net")
        ]
    );
}

#[test]
fn a_column_named_like_a_former_name_is_not_renamed() {
    let model = "model: m\nmetrics: [{revenue: orders.net}]\ndefinitions: twice = revenue * 2\norder_by: revenue\n";
    assert!(reports(&[ORDERS, model], "W0856").is_empty());
}

#[test]
fn a_listed_former_name_keeps_the_name_of_the_column() {
    let model = "model: m\nmetrics: [orders.revenue]\ndefinitions: twice = revenue * 2\n";
    assert!(sql(&[ORDERS, model]).contains(" as revenue"));
    assert_eq!(
        reports(&[ORDERS, model], "W0856"),
        [
            "orders.revenue: the metric `orders.revenue` has been renamed to `net`; \
          write `orders.net`, or `{revenue: orders.net}` to keep the name of the column"
        ]
    );
}

#[test]
fn a_set_over_sets_warns_about_former_names() {
    let set =
        "metric_set: both\nsets: [orders]\ndefinitions: |\n  double = orders.revenue * 2\n  triple = revenue * 3\n";
    assert_eq!(
        reports(&[ORDERS, set], "W0856"),
        [
            "orders.revenue: the metric `orders.revenue` has been renamed to `net`; write `orders.net`",
            "revenue: the metric `orders.revenue` has been renamed to `net`; write `net`"
        ]
    );
}

#[test]
fn the_replacement_of_a_deprecated_metric_exists() {
    for (replacement, expected) in [
        ("rows", None),
        ("o.rows", None),
        ("other.sales", None),
        ("the new report", None),
        ("rosw", Some("did you mean `rows`?")),
        ("o.rosw", Some("did you mean `rows`?")),
        (
            "sales",
            Some("use the name of a metric or dimension, or write `set.metric` for a metric of another set"),
        ),
    ] {
        let set = format!(
            "metric_set: o\nfrom: t\ndefinitions: |\n  rows = COUNT()\n  n = SUM(x)\n\
             columns: {{n: {{deprecated: {{use: {replacement}}}}}}}\n"
        );
        let compiled = crate::Compiler::default().compile_spec(&set);
        let diagnostic = compiled.diagnostics().iter().find(|fault| fault.code() == "F0302");
        assert_eq!(diagnostic.and_then(|fault| fault.help()), expected, "{replacement}");
    }
}

/// Checks that the date in `until` applies to the uses of a metric, not to its definition.
#[test]
fn a_deprecated_metric_that_nothing_uses_is_valid() {
    let compiler = Compiler::builder().current_date("2025-01-01").build();
    let set = "metric_set: o\nfrom: t\ndefinitions: |\n  n = COUNT()\n  twice = n * 2\n  rows = COUNT()\n\
               columns: {n: {deprecated: {use: rows, until: 2024-01-01}}, twice: {deprecated: {use: rows}}}\n";
    let fault_lines = |texts: &[&str]| {
        let compiled = compile_last_with(&compiler, texts);
        let diagnostics = compiled.diagnostics().iter();
        diagnostics
            .map(|fault| format!("{} {}", fault.code(), fault.span().text(texts.last().unwrap())))
            .collect::<Vec<_>>()
    };
    assert_eq!(fault_lines(&[set]), Vec::<String>::new());
    let model = "model: m\nmetrics: [o.n, o.rows]\n";
    assert_eq!(fault_lines(&[set, model]), ["F0850 o.n"]);
    let over = "metric_set: p\nsets: [o]\ndefinitions: x = o.n / o.rows\n";
    assert_eq!(fault_lines(&[set, over]), ["F0850 o.n"]);
    let inside = set.replace(", twice: {deprecated: {use: rows}}", "");
    assert_eq!(fault_lines(&[&inside]), ["F0850 n"]);
    // A query reports no other diagnostics about the metric set.
    let indirect = compile_last_with(&compiler, &[&inside, "model: m\nmetrics: o.twice\n"]);
    let fault = indirect.diagnostics().first().expect("an error");
    assert_eq!(
        fault.message(),
        "in the metric set `o`, the metric `o.n` is deprecated, and using it has been an error since 2024-01-01"
    );
}
