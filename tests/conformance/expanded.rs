//! Checks that a model built on one metric set, and the spec that `formulac explain --expand` prints for it, compile to
//! the same bytes.

use formulac::{Compiler, Dialect};

use crate::model_cases::ModelCase;
use crate::skipped_cases::is_left_out;
use crate::spec_case;
use crate::warehouse_rules::without_constraints;

pub fn run() {
    let mut compared = 0;
    let mut faults = Vec::new();
    for file in spec_case::read_all() {
        for (number, case) in file.cases.iter().enumerate().filter(|(_, case)| !case.sets.is_empty()) {
            let unconstrained = (!is_left_out(number, file.cases.len())).then(|| without_constraints(&case.schema()));
            let schemas: Vec<_> = [Some(case.schema()), unconstrained].into_iter().flatten().collect();
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
    assert!(compared >= 200, "only {compared} specs were compared");
    assert!(
        faults.is_empty(),
        "{} of {compared} differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
