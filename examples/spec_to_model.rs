//! Compiles a model spec to its query and its dbt files: `cargo run --example spec_to_model [-- FILE.yml]`.

use std::process::ExitCode;

use formulac::{Compiler, Dialect};

const SPEC: &str = r#"
model: monthly_revenue
description: Revenue by month, and its growth since the month before.
from: invoices
steps:
  - name: months
    where: NOT(ISBLANK(invoice_date))
    group_by: invoice_date[month]
    definitions: |
      /// Net of tax.
      revenue = SUM(amount - tax)
  - name: growth
    keep: all
    order_by: invoice_date_month
    definitions: |
      /// Growth since the month before; NULL in the first month.
      growth_rate = revenue / PERIODOFFSET(revenue, -1, "month") - 1
"#;

fn main() -> ExitCode {
    // The library reads no files, so the caller reads them.
    let spec = match std::env::args().nth(1) {
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        },
        None => SPEC.to_owned(),
    };
    let dialect: Dialect = "snowflake".parse().unwrap_or_default();
    let compiled = Compiler::builder().dialect(dialect).build().compile_spec(&spec);
    for diagnostic in compiled.diagnostics() {
        eprintln!("{}: {}", diagnostic.code(), diagnostic.message());
    }
    // Either all three files exist, or none exists because the spec has an error.
    let (Some(query), Some(sql), Some(yml)) = (compiled.query(), compiled.model_sql(), compiled.model_yml()) else {
        return ExitCode::FAILURE;
    };
    let name = compiled.name().unwrap_or("model");
    println!("-- plain SQL\n{query}\n-- models/{name}.sql\n{sql}\n# models/{name}.yml\n{yml}");
    ExitCode::SUCCESS
}
