//! Shows how a schema improves diagnostics: types and NULLs are known, and misspelled names are reported. `cargo run
//! --example custom_schema`

use formulac::{Column, Compiler, Relation, Schema, Type};

const FORMULAS: &str = r#"
/// Without refunds.
net_revenue = SUM(amount) - SUMIF(status, "refunded", amount)
average_order = SUM(amount) / COUNT(order_id)
last_order = MAX(ordered_on)
"#;

fn main() {
    // This schema is built by hand. `Schema::from_text` parses the schema files that the command accepts.
    let orders = Relation::new("orders")
        .with(Column::new("order_id", Type::Integer))
        .with(Column::new("amount", Type::Decimal).nullable(false))
        .with(Column::new("status", Type::Text).description("open, paid or refunded"))
        .with(Column::new("ordered_on", Type::Date))
        .primary_key(["order_id"]);
    let guessed = Compiler::default();
    let known = Compiler::builder()
        .schema(Schema::new().with(orders))
        .from("orders")
        .build();

    for (title, compiler) in [
        ("no schema: types are taken from use", &guessed),
        ("with a schema", &known),
    ] {
        println!("{title}");
        for definition in compiler.compile(FORMULAS).definitions() {
            let name = definition.name().unwrap_or("(formula)");
            let null = if definition.nullable() {
                "may be NULL"
            } else {
                "never NULL"
            };
            println!("  {name}: {}, {}, {null}", definition.ty(), definition.level());
            println!("    {}", definition.sql());
            for column in definition.columns() {
                let assumed = column
                    .assumed()
                    .map_or(String::new(), |ty| format!(", assumed to be {ty}"));
                println!("    reads {}{assumed}", column.path());
            }
        }
    }

    // Both formulas contain the same mistake, but only the compiler with a schema reports it.
    for compiler in [&guessed, &known] {
        let compiled = compiler.compile("SUM(amout)");
        println!(
            "SUM(amout): {:?}",
            compiled
                .diagnostics()
                .iter()
                .map(|d| (d.code(), d.help()))
                .collect::<Vec<_>>()
        );
    }
}
