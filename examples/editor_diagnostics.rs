//! Shows diagnostics as an editor would while the user types a formula: underlines, hovers, quick fixes. `cargo run
//! --example editor_diagnostics`

use formulac::diag::apply_fixes;
use formulac::span::LineIndex;
use formulac::{Column, Compiler, Relation, Schema, Severity, Type};

const TEXT: &str = r#"active = COUNTIF(status; "open")
revenue = SUM(amout) + 1
share = amount / SUM(amount)
abroad = SUM(IF(region != "EU", amount, 0)
"#;

fn main() {
    let orders = Relation::new("orders")
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("region", Type::Text))
        .with(Column::new("status", Type::Text));
    let compiler = Compiler::builder().schema(Schema::new().with(orders)).build();
    let compiled = compiler.compile(TEXT);

    let index = LineIndex::new(TEXT);
    for diagnostic in compiled.diagnostics() {
        // Spans are byte ranges. Lines and columns start at 1, and columns count characters.
        let (from, to) = (
            index.position(diagnostic.span().start),
            index.position(diagnostic.span().end),
        );
        let kind = if diagnostic.severity() == Severity::Error {
            "error"
        } else {
            "warning"
        };
        println!(
            "{}:{} {kind} {}: {}",
            from.line,
            from.column,
            diagnostic.code(),
            diagnostic.message()
        );
        let line = TEXT.lines().nth(from.line as usize - 1).unwrap_or_default();
        let length = if to.line == from.line {
            to.column.saturating_sub(from.column).max(1)
        } else {
            1
        };
        println!(
            "    {line}\n    {}{}",
            " ".repeat(from.column as usize - 1),
            "~".repeat(length as usize)
        );
        for label in diagnostic.labels() {
            let place = index.position(label.span.start);
            println!("    {}:{}: {}", place.line, place.column, label.text);
        }
        println!("    help: {}", diagnostic.help().unwrap_or("none"));
        println!("    about: {}", diagnostic.kind().page().text);
    }

    let fixed = apply_fixes(TEXT, compiled.diagnostics());
    println!("\nwith all fixes:\n{fixed}");
    for definition in compiler.compile(&fixed).definitions() {
        println!("{}: {}", definition.name().unwrap_or_default(), definition.sql());
    }
}
