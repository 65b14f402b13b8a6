//! Specs with many joins. The joined relations have no key, so each join has a generated test.

use formulac::{Column, Relation, Schema, Type};

/// Returns a schema with a relation to read and relations to join.
pub fn schema(joins: usize) -> Schema {
    let id = || Column::new("id", Type::Integer);
    let mut orders = Relation::new("orders").with(id());
    let mut schema = Schema::new();
    for i in 0..joins {
        orders = orders.with(Column::new(format!("key_{i}"), Type::Integer));
        let joined = Relation::new(format!("joined_{i}")).with(id());
        schema = schema.with(joined.with(Column::new(format!("value_{i}"), Type::Integer)));
    }
    schema.with(orders)
}

/// Returns a spec that joins the relations of [`schema`], with a column and a rule per join.
pub fn spec(joins: usize) -> String {
    let lines = |line: fn(usize) -> String| (0..joins).map(line).collect::<String>();
    format!(
        "model: m\nfrom: orders\njoins:\n{}definitions:\n{}rules:\n{}",
        lines(|i| format!("  - {{to: joined_{i}, on: joined_{i}.id = orders.key_{i}}}\n")),
        lines(|i| format!("  column_{i}: value_{i} + 1\n")),
        lines(|i| format!("  - rule_{i}: column_{i} > 0\n")),
    )
}
