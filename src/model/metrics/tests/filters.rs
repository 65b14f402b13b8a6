use super::compile_last_with;
use crate::schema::{Column, Relation, Schema};
use crate::{Compiler, Type};

const SHOP: &str = "\
metric_set: shop
from: orders
joins: [{to: customers, as: c, using: customer_id}]
time: ordered_on
definitions: |
  region = UPPER(orders.region)
  tier = COALESCE(c.tier, \"none\")
  size = IF(quantity > 5, \"large\", \"small\")
  revenue = SUM(orders.amount)
  balance = SUM(orders.amount)
columns: {balance: {non_additive: {over: ordered_on, take: last}}}
";

fn compiler() -> Compiler {
    let relation = |name: &str, columns: &[(&str, Type)]| {
        columns.iter().fold(Relation::new(name), |relation, (name, ty)| {
            relation.with(Column::new(*name, *ty))
        })
    };
    let orders = [
        ("customer_id", Type::Integer),
        ("ordered_on", Type::Date),
        ("region", Type::Text),
        ("amount", Type::Decimal),
        ("quantity", Type::Integer),
    ];
    let customers = [
        ("customer_id", Type::Integer),
        ("region", Type::Text),
        ("tier", Type::Text),
    ];
    let schema = Schema::new()
        .with(relation("orders", &orders))
        .with(relation("customers", &customers).primary_key(["customer_id"]));
    Compiler::builder().schema(schema).build()
}

/// The same name is a dimension of the set and a column of both relations. The keys and metrics of the model decide
/// which joins the SQL contains, but not what the name means.
#[test]
fn a_name_in_a_filter_means_the_dimension_even_if_it_is_a_column() {
    let compiler = compiler();
    for metric in ["revenue", "balance"] {
        for keys in ["month", "region", "tier", "region, tier", "size, month, region"] {
            for (name, definition) in [
                ("region", Some("region_dimension = region\n")),
                ("tier", Some("tier_dimension = tier\n")),
                ("size", None),
                ("orders.region", None),
                ("c.region", None),
            ] {
                let model =
                    format!("model: m\nmetrics: [shop.{metric}]\ngroup_by: [{keys}]\nwhere: NOT({name} = \"X\")\n");
                let compiled = compile_last_with(&compiler, &[SHOP, &model]);
                assert!(!compiled.has_errors(), "{model}{:#?}", compiled.diagnostics());
                let expanded = compiled.expanded().expect("a model built on a set");
                let own = |text: &str| expanded.contains(text);
                match definition {
                    Some(definition) => {
                        assert!(
                            own(definition) && own(&format!("NOT({name}_dimension = ")),
                            "{expanded}"
                        );
                    }
                    None => assert!(!own("_dimension") && own(&format!("NOT({name} = ")), "{expanded}"),
                }
                let again = compiler.compile_spec(expanded);
                assert_eq!(again.model_sql(), compiled.model_sql(), "{expanded}");
            }
        }
    }
}

/// The name of the dimension in the filter differs from all names of the set and the model.
#[test]
fn the_second_name_of_a_dimension_is_free() {
    let set = SHOP.replace("  size = ", "  region_dimension = \"a\"\n  size = ");
    for (column, dimension_alias) in [
        ("revenue", "region_dimension_value"),
        ("region_dimension_value", "region_dimension_kmhsru"),
    ] {
        let metrics = format!("metrics: [{{{column}: shop.revenue}}]");
        let model = format!("model: m\n{metrics}\ngroup_by: region\nwhere: region = \"X\"\n");
        let compiled = compile_last_with(&compiler(), &[&set, &model]);
        assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics());
        let expanded = compiled.expanded().expect("a model built on a set");
        assert!(
            expanded.contains(&format!("{dimension_alias} = region\n")),
            "{expanded}"
        );
    }
}
