//! Checks the statements for random specs and formulas against the warehouses' rules.

use formulac::{Compiler, Dialect, Schema, Type};

use crate::drawn::{Drawn as _, number};
use crate::metamorphic::sheets;
use crate::rule_pass::{Statements, without_constraints};
use crate::run::Case;

/// Number of specs. The formulas are those in `metamorphic.rs`.
const COUNT: u64 = 200;
/// Number of formula sheets.
const SHEETS: usize = 40;

pub fn run() {
    let count = number("FORMULAC_RULED_SPECS", COUNT);
    let mut statements = Statements::default();
    for case in (0..count).map(|at| Case::draw(2_000_000 + at)) {
        add(
            &mut statements,
            &format!("seed {}", case.seed()),
            &case.text(),
            &case.schema(),
        );
    }
    for (at, sheet) in sheets().1.iter().enumerate().take(SHEETS) {
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
        for dialect in Dialect::all() {
            let compiled = Compiler::builder()
                .dialect(dialect)
                .schema(schema.clone())
                .build()
                .compile_spec(spec);
            let Some(query) = compiled.query() else { continue };
            let outputs: Vec<(&str, Type)> = compiled.columns().iter().map(|c| (c.name(), c.ty())).collect();
            statements.add(from, dialect, query, &schema, &outputs);
        }
    }
}
