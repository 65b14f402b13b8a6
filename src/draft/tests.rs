//! Tests of drafts for small specs.

use insta::assert_snapshot;

use formulac_core::{Column, Relation, Schema, Type};
use formulac_model::Compiler;

use crate::draft_examples;

fn orders() -> Schema {
    Schema::new()
        .with(
            Relation::new("orders")
                .with(Column::new("order_id", Type::Integer).nullable(false))
                .with(Column::new("customer_id", Type::Integer))
                .with(Column::new("status", Type::Text))
                .with(Column::new("quantity", Type::Integer).nullable(false))
                .with(Column::new("amount", Type::Decimal).with_declared_type("decimal(12, 3)"))
                .with(Column::new("ordered_on", Type::Date).nullable(false))
                .with(Column::new("seen_at", Type::Timestamptz))
                .primary_key(["order_id"]),
        )
        .with(
            Relation::new("customers")
                .with(Column::new("customer_id", Type::Integer).nullable(false))
                .with(Column::new("country", Type::Text))
                .primary_key(["customer_id"]),
        )
}

fn draft(spec: &str) -> String {
    let compiler = Compiler::builder().schema(orders()).build();
    let faults = compiler.compile_spec(spec);
    assert!(!faults.has_errors(), "{:#?}", faults.diagnostics());
    match draft_examples(&compiler, spec) {
        Ok(draft) => {
            assert_eq!(draft_examples(&compiler, spec).unwrap(), draft, "the same each time");
            if draft.includes_key() {
                let compiled = compiler.compile_spec(&format!("{spec}{}", draft.text()));
                assert!(
                    !compiled.has_errors(),
                    "{:#?}\n{}",
                    compiled.diagnostics(),
                    draft.text()
                );
            }
            draft.text().to_owned()
        }
        Err(why) => why,
    }
}

#[test]
fn branches_and_values_near_constants_are_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
definitions: |
  size = IFS(quantity < 5, \"small\", quantity <= 20, \"middle\", TRUE, \"large\")
keep: order_id
"
    ));
}

/// The sort key `country` is the name of the grouping key `customers.country` in the output.
#[test]
fn groups_by_a_joined_column_are_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
joins: [{to: customers, using: customer_id}]
group_by: customers.country
order_by: country
definitions: |
  revenue = SUM(amount)
  place = RANK(revenue)
"
    ));
}

/// Checks that the last day of the week is among the dates, even together with `TODAY()`, which excludes most dates.
#[test]
fn weekday_conditions_are_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
group_by: order_id
definitions: |
  late_on_weekends = COUNT(IF(AND(WEEKDAY(ordered_on, 2) >= 6, ordered_on > TODAY() - 400), order_id))
"
    ));
}

#[test]
fn named_and_other_texts_are_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
keep: order_id
definitions: |
  kind = SWITCH(status, \"open\", 1, \"it's {{ paid }}\", 2, 0)
"
    ));
}

#[test]
fn missing_period_is_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
group_by: ordered_on[month]
order_by: ordered_on[month]
definitions: |
  revenue = SUM(amount)
  before = PERIODOFFSET(revenue, -1, \"month\")
"
    ));
}

#[test]
fn matched_and_unmatched_join_rows_are_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
joins:
  - {to: customers, using: customer_id}
group_by: customers.country
definitions: orders = COUNT(order_id)
"
    ));
}

#[test]
fn variable_date_is_drafted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
today: {var: today}
definitions: |
  late = COUNTIF(ordered_on < TODAY() - 30)
"
    ));
}

#[test]
fn unknown_column_is_omitted() {
    assert_snapshot!(draft(
        "
model: m
from: orders
keep: order_id
definitions: |
  chance = RAND() + quantity
  double = quantity * 2
"
    ));
}

#[test]
fn specs_without_schema_are_drafted() {
    let spec = "model: m\nfrom: ref('t')\ngroup_by: a\ndefinitions: n = SUMIF(b > 3, c)\n";
    assert_snapshot!(draft_examples(&Compiler::default(), spec).unwrap().text());
}

#[test]
fn drafts_follow_existing_examples() {
    let spec = "model: m
from: orders
definitions: n = COUNT()
examples:
  - {name: drafted, given: [{input: ref('orders'), rows: []}], expect: {rows: [{n: 0}]}}
";
    let compiler = Compiler::builder().schema(orders()).build();
    let draft = draft_examples(&compiler, spec).unwrap();
    assert!(!draft.includes_key());
    assert!(draft.text().starts_with("  - name: drafted_2\n"), "{}", draft.text());
}

#[test]
fn failed_draft_has_a_reason() {
    let spec =
        "model: m\nfrom: orders\ncolumns: [order_id, quantity]\norder_by: order_id\ncalculations: \"a = B1 * 2\"\n";
    assert_snapshot!(draft(spec), @"the interpreter does not support worksheets");
    let spec = "model: m\nfrom: raw.orders\ndefinitions: a = COUNT()\n";
    let compiler = Compiler::default();
    assert_snapshot!(draft_examples(&compiler, spec).unwrap_err(), @"the interpreter does not support `raw.orders`, which is not a model or source of dbt,");
    let spec = "model: m\nfrom: orders\ndefinitions: a = SUMM(x)\n";
    assert_snapshot!(draft_examples(&compiler, spec).unwrap_err(), @"the spec has errors");
    let spec = "model: m\nfrom: orders\ntimezone: UTC\nkeep: order_id\ndefinitions: a = seen_at[day]\n";
    assert_snapshot!(draft(spec), @"the interpreter does not support `seen_at`, whose timestamps are converted to dates in the session's time zone");
}

/// Checks that deeply nested formulas and long lists in a user's spec do not cause unbounded recursion.
#[test]
fn deep_and_long_formulas_terminate() {
    let compiler = Compiler::default();
    let chain = format!(
        "model: m\nfrom: t\nkeep: a\ndefinitions: b = {}a\n",
        "a + ".repeat(20_000)
    );
    assert_snapshot!(draft_examples(&compiler, &chain).unwrap_err(), @"no column has a known value: such deep nesting cannot be evaluated");
    let deep = format!(
        "model: m\nfrom: t\nkeep: a\ndefinitions: b = {}a{}\n",
        "ABS(".repeat(900),
        ")".repeat(900)
    );
    assert_snapshot!(draft_examples(&compiler, &deep).unwrap_err(), @"no column has a known value: such deep nesting cannot be evaluated");
    let pairs = |value: &str, count: usize| -> String {
        (1..count)
            .map(|n| format!("v_{n}, {}, ", value.replace('v', &format!("v_{}", n - 1))))
            .collect()
    };
    for (value, count) in [("v + v", 40), ("v + 1", 5_000)] {
        let names = pairs(value, count);
        let spec = format!(
            "model: m\nfrom: t\nkeep: a\ndefinitions: b = LET(v_0, a, {names}v_{})\n",
            count - 1
        );
        let error = draft_examples(&compiler, &spec).unwrap_err();
        assert_eq!(
            error,
            "no column has a known value: such a large LET cannot be evaluated"
        );
    }
    let doubling: String = (1..40).map(|n| format!("  v_{n} = v_{0} + v_{0}\n", n - 1)).collect();
    let spec = format!("model: m\nfrom: t\nkeep: v_0\ndefinitions: |\n{doubling}");
    let faults = compiler.compile_spec(&spec);
    assert!(!faults.has_errors(), "{:?}", faults.diagnostics());
    assert_snapshot!(draft_examples(&compiler, &spec).unwrap_err(), @"the interpreter does not support formulas as large as `v_13` with its definitions");
}
