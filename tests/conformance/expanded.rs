//! Checks that a model built on one metric set, and the spec that `formulac explain --expand` prints for it, compile to
//! the same bytes.

use formulac::{Compiler, Dialect};

use crate::model_cases::ModelCase;
use crate::skipped_cases::{self, select_cases};
use crate::spec_case;
use crate::warehouse_rules::without_constraints;

pub fn run() {
    let mut compared = 0;
    let mut faults = Vec::new();
    for file in spec_case::read_all() {
        for case in select_cases(file.cases.iter().filter(|case| !case.sets.is_empty())) {
            let schemas = [case.schema(), without_constraints(&case.schema())];
            for (dialect, schema) in Dialect::all().flat_map(|d| schemas.iter().map(move |schema| (d, schema.clone())))
            {
                let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
                let compiled = case.compile(&compiler);
                let Some(text) = compiled.expanded() else { continue };
                compared += 1;
                let plain = compiler.compile_spec(text);
                let errors: Vec<_> = plain
                    .diagnostics()
                    .iter()
                    .filter(|diagnostic| diagnostic.is_error())
                    .collect();
                let is_same = plain.query() == compiled.query()
                    && plain.model_sql() == compiled.model_sql()
                    && plain.model_yml() == compiled.model_yml();
                if !is_same || !errors.is_empty() && !compiled.has_errors() {
                    faults.push(format!(
                        "{}: {} in {dialect}: {errors:?}\n{text}",
                        file.path,
                        case.name()
                    ));
                }
            }
        }
    }
    let least = if skipped_cases::number().is_some() { 20 } else { 200 };
    assert!(compared >= least, "only {compared} specs were compared");
    assert!(
        faults.is_empty(),
        "{} of {compared} differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
