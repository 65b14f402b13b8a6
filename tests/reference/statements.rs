//! Checks the statements for random specs and formulas against the warehouses' rules.

use formulac::{Compiler, Dialect, Schema};

use crate::drawn::{Drawn as _, first_seed, number};
use crate::metamorphic::sheets;
use crate::prove::models::model_proofs;
use crate::run::Case;
use crate::skipped_cases::select_cases;
use crate::warehouse_rules::{Statements, without_constraints};
use crate::{compiled_statements, prove_statements};

/// Number of specs. The formulas come from `metamorphic.rs`.
const COUNT: u64 = 200;
/// Series of seeds for the specs.
const SERIES: u64 = 2;
/// Number of specs for which the `prove` statements with drafted rows are checked, too.
const DRAFTED: u64 = 8;
/// Number of formula sheets.
const SHEETS: usize = 40;

pub fn run() {
    let count = number("FORMULAC_RULED_SPECS", COUNT);
    let first = first_seed(SERIES);
    let mut statements = Statements::default();
    for case in select_cases(first..first + count).map(Case::draw) {
        let (from, text, schema) = (format!("seed {}", case.seed()), case.text(), case.schema());
        add(&mut statements, &from, &text, &schema);
        if case.seed() < first + DRAFTED {
            add_drafted_rows(&mut statements, &from, &text, &schema);
        }
    }
    // The seed of a failure selects a single spec.
    let sheet_count = if count == 1 { 0 } else { SHEETS };
    for (at, sheet) in sheets().1.iter().enumerate().take(sheet_count) {
        add(
            &mut statements,
            &format!("sheet {at}"),
            &sheet.text(),
            &sheet.database.schema(),
        );
    }
    statements.judge("random");
}

fn add(statements: &mut Statements, from: &str, spec: &str, schema: &Schema) {
    for schema in [schema.clone(), without_constraints(schema)] {
        for dialect in Dialect::verified() {
            let compiled = Compiler::builder()
                .dialect(dialect)
                .schema(schema.clone())
                .build()
                .compile_spec(spec);
            compiled_statements::add(statements, from, dialect, &compiled, &schema);
        }
    }
}

/// Looks up the SQL constructs of the statements with which `prove` compares the drafted rows of a spec.
fn add_drafted_rows(statements: &mut Statements, from: &str, spec: &str, schema: &Schema) {
    for dialect in Dialect::verified() {
        let compiler = Compiler::builder().dialect(dialect).schema(schema.clone()).build();
        let compiled = compiler.compile_spec(spec);
        if compiled.has_errors() {
            continue;
        }
        let proofs = model_proofs(&compiler, spec, &compiled, dialect);
        let proofs = proofs.unwrap_or_else(|(model, why)| panic!("{from}, {model}: {why}"));
        prove_statements::look_up_proofs(statements, dialect, &proofs);
    }
}
