//! The relation that the specs and formulas of several tests read.

use formulac::{Column, Relation, Type};

/// Returns a relation with one row per order.
pub fn orders() -> Relation {
    Relation::new("orders")
        .with(Column::new("id", Type::Integer).nullable(false))
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("status", Type::Text))
        .with(Column::new("ordered_on", Type::Date))
}
