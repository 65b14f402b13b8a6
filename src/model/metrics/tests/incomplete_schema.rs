use formulac_catalog::Type;
use formulac_core::{Column, Relation, Schema};

use super::{compile_last_with, reports};
use crate::Compiler;

/// Returns a compiler with only some columns of each relation, as if its schema came from a dbt properties file.
fn compiler() -> Compiler {
    let relation = |name: &str, column: &str| {
        Relation::new(name)
            .with(Column::new(column, Type::Integer))
            .mark_incomplete()
    };
    let schema = Schema::new()
        .with(relation("months", "month_id"))
        .with(relation("customers", "customer_id"));
    Compiler::builder().schema(schema).build()
}

const SET: &str = "\
metric_set: s
from: months
time: billing_month
joins: [{to: customers, on: months.customer_id = customers.customer_id}]
definitions: |
  total = SUM(months.mrr)
  ending = SUM(months.mrr)
  region = customers.region
columns: {ending: {non_additive: {over: billing_month, take: last, per: customer_id}}}
";

#[test]
fn a_join_does_not_make_the_time_of_a_set_ambiguous() {
    let set = compile_last_with(&compiler(), &[SET]);
    assert!(!set.has_errors(), "{:#?}", set.diagnostics());
    let model = "model: m\nmetrics: [s.*]\ngroup_by: [month, region]\nsince: 2024-01-01\n";
    let compiled = compile_last_with(&compiler(), &[SET, model]);
    assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics());
    let text = compiled.query().expect("a query");
    assert!(text.contains("date_trunc('month', months.billing_month)"), "{text}");
}

const SALES: &str = "metric_set: sales\nfrom: orders\njoins: [{to: customers, using: customer_id}]\ntime: ordered_at\n\
    definitions: |\n  n = COUNT()\n  revenue = SUM(orders.amount)\n  spent = SUM(spend)\n";

/// All columns of the metric set's relation are known, so other columns are columns of the joined relation.
#[test]
fn a_join_remains_if_only_its_relation_may_have_a_column() {
    let orders = ["customer_id", "amount", "spend"]
        .iter()
        .fold(Relation::new("orders"), |orders, name| {
            orders.with(Column::new(*name, Type::Integer))
        })
        .with(Column::new("ordered_at", Type::Date));
    let compiler = Compiler::builder()
        .schema(Schema::new().with(orders).with(Relation::unknown("customers")))
        .build();
    for (key, is_kept) in [("region_name", true), ("customer_id", false)] {
        let model = format!("model: m\nmetrics: [sales.spent]\ngroup_by: [month, {key}]\n");
        let compiled = compile_last_with(&compiler, &[SALES, &model]);
        let text = compiled.query().unwrap_or_default();
        assert_eq!(
            text.contains("left join customers"),
            is_kept,
            "{text}{:?}",
            compiled.diagnostics()
        );
    }
}

#[test]
fn a_column_that_several_relations_may_have_is_the_only_error() {
    let set = SET.replace("SUM(months.mrr)", "SUM(mrr)");
    let compiled = compile_last_with(&compiler(), &[&set]);
    let errors = compiled.diagnostics().iter().filter(|fault| fault.is_error());
    assert_eq!(errors.map(crate::diag::Diagnostic::code).collect::<Vec<_>>(), ["F0303"]);
}

/// A metric set cannot have a join with `cardinality: many`.
#[test]
fn the_help_about_a_join_of_a_set_does_not_propose_cardinality() {
    let set = "
metric_set: o
from: orders
joins:
  - {to: refunds, as: r, using: customer}
time: day
definitions: |
  total = SUM(amount)
  area = r.refund
";
    let help = "write `primary_key: [customer]` for `refunds` in the schema, or build the set on a model that contains the joined rows";
    let model = "model: m\nmetrics: [o.total]\ngroup_by: area\n";
    for texts in [&[set][..], &[set, model]] {
        let warnings = reports(texts, "W0441");
        assert!(
            !warnings.is_empty() && warnings.iter().all(|report| report.ends_with(help)),
            "{warnings:?}"
        );
    }
}
