//! Tests `formulac explain`.

use insta::assert_snapshot;

use crate::run::TestProject;

#[test]
fn formulas() {
    let mut project = TestProject::new("explain");
    project
        .show(&["explain", "SUM(amount) / COUNT(DISTINCT(customer_id))"])
        .show(&[
            "explain",
            "a = -x + 5%\nb = a & \"t\"",
            "--context",
            "row",
            "--dialect",
            "snowflake",
        ])
        .show(&["explain", "MEDIAN(x)"])
        .show(&["explain", "SUMM(x) + 1"])
        .show(&["explain", "created[month]", "--context", "row", "--dialect", "duckdb"])
        .show(&["explain", "-x", "--dialect", "postgres", "--json"])
        .show(&["explain", ""])
        .show_with(&["explain", "-", "--dialect", "postgres"], "1");
    assert_snapshot!(project.transcript());
}

#[test]
fn codes() {
    let mut project = TestProject::new("explain_codes");
    project
        .show(&["explain", "F0301"])
        .show(&["explain", "w0412"])
        .show(&["explain", "unknown-function"])
        .show(&["explain", "F0821", "--json"])
        .show(&["explain", "F0399"])
        .show(&["explain", "F9999"]);
    assert_snapshot!(project.transcript());
}

/// Every code has a page.
#[test]
fn every_code() {
    let project = TestProject::new("explain_every_code");
    for code in formulac::Code::ALL {
        let run = project.run(&["explain", code.code()]);
        assert_eq!((run.exit, run.err.as_str()), (0, ""));
        assert!(
            run.out.contains(code.name()) && run.out.contains("\nWrong"),
            "{}",
            run.out
        );
    }
}

/// `explain` handles formulas of any size.
#[test]
fn large_formulas() {
    let project = TestProject::new("explain_large");
    let run = project.run_with(
        &["explain", "-"],
        format!("{}x{}", "(1 + ".repeat(900), ")".repeat(900)),
    );
    assert_eq!(run.exit, 0);
    assert!(
        run.out.contains("\ntree\n") && run.out.starts_with("Adds "),
        "{}",
        run.out
    );
}

/// Specs for the plans: joins, groups and windows; a pivoted worksheet; an incremental model; metrics of two metric
/// sets.
const PLANNED: [(&str, &str); 6] = [
    (
        "growth",
        "model: growth
from: orders
steps:
  - name: monthly
    joins:
      - {to: customers, on: customer_id = customers.id, cardinality: one}
    where: status <> \"{{ cancelled \u{202e}\"
    group_by: [customers.region, \"ordered_on[month]\"]
    having: revenue > 0
    definitions: |
      revenue = SUM(amount)
      orders = COUNT()
  - name: compared
    keep: all
    order_by: ordered_on_month desc
    definitions: |
      before = OFFSET(revenue, -1)
      change = revenue - before
      share = revenue / SUM(revenue:revenue)
    limit: 10
",
    ),
    (
        "shares",
        "model: shares
from: orders
steps:
  - name: monthly
    group_by: ordered_on[month], status
    definitions: revenue = SUM(amount)
  - name: with_shares
    columns: [ordered_on_month, status, revenue]
    pivot_by: status
    order_by: ordered_on_month
    calculations:
      share: =C1 / SUM(PIVOTROW(C1))
",
    ),
    (
        "daily",
        "model: daily
from: orders
today: var('run_date')
where: status = \"paid\"
group_by: ordered_on[day]
definitions: |
  revenue = SUM(amount)
  early = COUNTIF(ordered_on[day] < TODAY())
config: {materialized: incremental, event_time: ordered_on_day, unique_key: ordered_on_day, lookback: 3}
",
    ),
    (
        "net",
        "model: net
metrics: [orders.revenue, refunds.refunded]
group_by:
  - region: {orders: region, refunds: region}
definitions: net = revenue - refunded
",
    ),
    (
        "orders_set",
        "metric_set: orders\nfrom: orders\ndefinitions: revenue = SUM(amount)\n",
    ),
    (
        "refunds_set",
        "metric_set: refunds\nfrom: refunds\ndefinitions: refunded = SUM(amount)\n",
    ),
];

#[test]
fn plans() {
    let mut project = TestProject::new("explain_plans");
    project.write("formulac.yml", "dialect: duckdb\n");
    for (name, spec) in PLANNED {
        project.write(&format!("metrics/{name}.yml"), spec);
    }
    for model in ["growth", "shares", "daily", "net"] {
        project.show(&["explain", "--plan", model]);
    }
    project
        .show(&["explain", "--plan", "growth", "--format", "mermaid"])
        .show(&["explain", "--plan", "shares", "--format", "dot"])
        .show(&["explain", "--plan", "metrics/daily.yml", "--json"])
        .show(&["explain", "--plan", "orders"])
        .show(&["explain", "--plan", "SUM(amount)"])
        .show_with(
            &["explain", "--plan", "-", "--json"],
            "model: m\nfrom: t\ndefinitions: a = SUMM(x)\n",
        );
    assert_snapshot!(project.transcript());
}
