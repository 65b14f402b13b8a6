use super::compile_last;

const ORDERS: &str = "\
metric_set: orders
from: orders
time: ordered_on
definitions: |
  n = COUNT(DISTINCT(id))
  /// The median
  median_amount = MEDIAN(amount)
  largest = MAX(amount) // of all orders
  per_order = largest / n
";
const REFUNDS: &str =
    "metric_set: refunds\nfrom: refunds\ntime: refunded_on\ndefinitions: refunded = SUM(amount) * 2\n";

/// Returns the descriptions of the last file's columns.
fn descriptions(texts: &[&str]) -> Vec<String> {
    let compiled = compile_last(texts);
    assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics());
    let text = |column: &crate::schema::Column| column.description_text().unwrap_or_default().to_owned();
    compiled.columns().iter().skip(1).map(text).collect()
}

#[test]
fn descriptions_in_a_model_with_fill_show_the_formulas_of_the_set() {
    let model = "model: m\nmetrics: [orders.*]\ngroup_by: month\nfill: month\ndefinitions: twice = n * 2\n";
    assert_eq!(
        descriptions(&[ORDERS, model]),
        [
            "COUNT(DISTINCT(id))",
            "The median",
            "MAX(amount)",
            "largest / n",
            "n * 2"
        ]
    );
}

#[test]
fn descriptions_in_a_model_over_several_sets_show_the_formulas_of_the_sets() {
    let model = "model: m\nmetrics: [{orders_n: orders.n}, orders.largest, refunds.refunded]\ngroup_by: month\n";
    assert_eq!(
        descriptions(&[ORDERS, REFUNDS, model]),
        ["COUNT(DISTINCT(id))", "MAX(amount)", "SUM(amount) * 2"]
    );
    let compiled = compile_last(&[ORDERS, REFUNDS, model]);
    let key = compiled.columns().iter().next().expect("a key");
    assert_eq!(key.description_text(), Some("ordered_on[month] or refunded_on[month]"));
}

#[test]
fn descriptions_of_mapped_keys_show_the_column_of_each_set() {
    for (mapping, description) in [
        (
            "{orders: orders.status, refunds: refunds.reason}",
            "orders.status or refunds.reason",
        ),
        ("{orders: status, refunds: reason}", "status or reason"),
        ("{orders: reason, refunds: refunds.status}", "reason or refunds.status"),
        ("{orders: status, refunds: refunds.status}", "status or refunds.status"),
    ] {
        let model = format!("model: m\nmetrics: [orders.n, refunds.refunded]\ngroup_by:\n- status: {mapping}\n");
        let compiled = compile_last(&[ORDERS, REFUNDS, &model]);
        assert!(!compiled.has_errors(), "{mapping}: {:#?}", compiled.diagnostics());
        let key = compiled.columns().iter().next().expect("a key");
        assert_eq!(key.description_text(), Some(description), "{mapping}");
    }
}

/// The first step of a non-additive metric computes the key, and the united step only passes it on.
#[test]
fn keys_beside_a_non_additive_metric_are_described_by_the_formula_of_each_set() {
    let balances = "\
metric_set: accounts
from: accounts
time: ordered_on
definitions: balance = SUM(bal)
columns: {balance: {non_additive: {over: ordered_on, take: last, per: customer_id}}}
";
    for (key, description) in [
        ("month", "ordered_on[month] or refunded_on[month]"),
        ("{s: {accounts: status, refunds: kind}}", "status or kind"),
        ("{s: {accounts: UPPER(status), refunds: kind}}", "UPPER(status) or kind"),
    ] {
        let model = format!("model: m\nmetrics: [accounts.balance, refunds.refunded]\ngroup_by: [{key}]\n");
        let compiled = compile_last(&[balances, REFUNDS, &model]);
        assert!(!compiled.has_errors(), "{key}: {:#?}", compiled.diagnostics());
        let column = compiled.columns().iter().next().expect("a key");
        assert_eq!(column.description_text(), Some(description), "{key}");
    }
}

/// Each entry has the steps of a spec and the description of its first column.
#[test]
fn descriptions_of_unions_show_the_formulas_of_the_last_steps_that_compute_the_column() {
    for (steps, description) in [
        (
            "\
- {name: a, group_by: s, definitions: s = status}
- {name: b, from: refunds, group_by: s, definitions: s = kind}
- {name: c, union: [a, b], group_by: s, definitions: n = COUNT()}
",
            "status or kind",
        ),
        (
            "\
- {name: a, group_by: status}
- {name: b, from: refunds, group_by: status}
- {name: c, union: [a, b], group_by: status, definitions: status = UPPER(status)}
",
            "UPPER(status)",
        ),
        (
            "\
- {name: a, group_by: amount}
- {name: b, from: refunds, definitions: amount = SUM(amount)}
- {name: c, union: [a, b], definitions: amount = SUM(amount)}
",
            "SUM(amount)",
        ),
        (
            "\
- {name: base, keep: all, definitions: s = UPPER(status)}
- {name: a, group_by: s}
- {name: b, from: refunds, group_by: s, definitions: s = kind}
- {name: c, union: [a, b], group_by: s, definitions: n = COUNT()}
",
            "UPPER(status) or kind",
        ),
        (
            "\
- {name: base, keep: all, definitions: s = UPPER(status)}
- {name: a, keep: s}
- {name: b, from: refunds, group_by: s, definitions: s = kind}
- {name: c, union: [a, b], group_by: s, definitions: n = COUNT()}
",
            "UPPER(status) or kind",
        ),
        (
            "\
- {name: firsts, group_by: customer_id, definitions: day = MIN(ordered_on)}
- {name: c, from: orders, joins: [{to: firsts, using: customer_id}], group_by: day}
",
            "MIN(ordered_on)",
        ),
    ] {
        let compiled = compile_last(&[&format!("model: m\nfrom: orders\nsteps:\n{steps}")]);
        assert!(!compiled.has_errors(), "{steps}{:#?}", compiled.diagnostics());
        let column = compiled.columns().iter().next().expect("a column");
        assert_eq!(column.description_text(), Some(description), "{steps}");
    }
}

#[test]
fn descriptions_in_a_step_with_fill_show_the_formulas_of_the_step() {
    let model = "\
model: m
from: orders
group_by: \"ordered_on[month]\"
fill: month
definitions: |
  n = COUNT(DISTINCT(id))
  twice = n * 2
";
    assert_eq!(descriptions(&[model]), ["COUNT(DISTINCT(id))", "n * 2"]);
}

#[test]
fn dimensions_between_quotes_keep_their_descriptions() {
    let set = "\
metric_set: orders
from: orders
time: ordered_on
definitions: |
  n = COUNT()
  /// Where the order was sold
  sales_region = UPPER(region)
";
    let compiled = compile_last(&[set, "model: m\nmetrics: [orders.n]\ngroup_by: \"${sales_region}\"\n"]);
    assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics());
    let key = compiled.columns().iter().next().expect("a key");
    assert_eq!(key.description_text(), Some("Where the order was sold"));
}
