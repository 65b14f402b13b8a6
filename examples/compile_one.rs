//! Compiles one formula in every verified dialect: `cargo run --example compile_one [-- FORMULA]`.

use std::process::ExitCode;

use formulac::{Compiler, Dialect};

fn main() -> ExitCode {
    let formula = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "SUM(revenue) / COUNT(DISTINCT(customer_id))".to_owned());
    println!("{formula}\n");
    for dialect in Dialect::verified() {
        // Build the compiler once and reuse it. Clones are cheap and can be used in several threads.
        let compiler = Compiler::builder().dialect(dialect).build();
        match compiler.compile(&formula).into_result() {
            Ok(definitions) => {
                for definition in &definitions {
                    println!("{:<10} {}", dialect.name(), definition.sql());
                }
            }
            Err(diagnostics) => {
                for diagnostic in &diagnostics {
                    eprintln!("{}: {}", diagnostic.code(), diagnostic.message());
                }
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
