//! Compares the results of the compiler's SQL on the engines with the results of a small interpreter, for random specs.
//!
//! The interpreter processes rows and does not use SQL. `FORMULAC_RANDOM_SPECS=20000` runs more specs, and
//! `FORMULAC_SEED=7` runs other specs. If a spec fails, it is shrunk to the parts that cause the failure and displayed
//! with its seed. `FORMULAC_SEED=7000123 FORMULAC_RANDOM_SPECS=1 FORMULAC_ENGINES=duckdb` runs that spec again.
//! `FORMULAC_SHOW=1` displays the generated specs.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../conformance/batch.rs"]
mod batch;
#[path = "../conformance/case.rs"]
#[allow(dead_code, reason = "only the conformance tests run the cases")]
mod case;
#[path = "../conformance/checked_statements.rs"]
mod checked_statements;
#[path = "../conformance/compare.rs"]
#[allow(dead_code, reason = "only the conformance tests compare types")]
mod compare;
#[path = "../conformance/compiled_statements.rs"]
#[allow(dead_code, reason = "only the conformance tests check rendered Jinja")]
mod compiled_statements;
#[path = "../conformance/engine.rs"]
#[allow(
    dead_code,
    reason = "only the conformance tests read these marks for emulated results"
)]
mod engine;
#[path = "../conformance/expect.rs"]
#[allow(dead_code, reason = "only the conformance tests use deviations of engines")]
mod expect;
#[path = "../conformance/files.rs"]
#[allow(dead_code, reason = "only the conformance tests read case files")]
mod files;
#[path = "../../src/cli/commands/prove"]
#[allow(dead_code, reason = "only the command uses the complete module")]
mod prove {
    pub mod cases;
    pub mod models;
    pub mod rows;
}
#[path = "../conformance/known_calls.rs"]
mod known_calls;
#[path = "../conformance/prove_statements.rs"]
#[allow(dead_code, reason = "only the conformance tests look up the statements of all cases")]
mod prove_statements;
#[path = "../conformance/skipped_cases.rs"]
mod skipped_cases;
#[path = "../../benches/corpus/split_mix.rs"]
mod split_mix;
#[path = "../conformance/statement_constructs/mod.rs"]
mod statement_constructs;
#[path = "../conformance/warehouse_rules.rs"]
#[allow(dead_code, reason = "only the conformance tests evaluate the examples of rules")]
mod warehouse_rules;
#[path = "../conformance/yaml.rs"]
#[allow(dead_code, reason = "only the conformance tests read spec cases")]
mod yaml;

use formulac::interpret::{arithmetic, calendar, expr, spec, uncertainty, value, walk};

mod agreement;
mod database;
mod drafts;
mod draw_expressions;
mod draw_formulas;
mod draw_joins;
mod draw_metric_sets;
mod draw_specs;
mod draw_windows;
mod drawn;
mod forms;
mod formula_sheets;
mod formula_tables;
mod formula_text;
mod functions_cases;

mod grid;
mod json;
mod kind;
mod metamorphic;
mod metamorphic_values;
mod metric_set_case;
mod metric_set_rows;
mod metric_set_text;
mod quiet;
mod random;
mod rewritten;
mod run;
mod shrink;
mod spec_answers;
mod statements;
mod written;

#[test]
fn random_specs_match_the_interpreter() {
    drawn::run::<run::Case>();
}

#[test]
fn random_metric_sets_match_the_interpreter() {
    drawn::run::<metric_set_case::Case>();
}

#[test]
fn random_formulas_match_the_interpreter() {
    agreement::run();
}

#[test]
fn drafted_examples_hold_on_the_engines() {
    drafts::run();
}

#[test]
fn random_statements_keep_the_rules_of_the_warehouses() {
    statements::run();
}

#[test]
fn random_formulas_give_the_same_sql_however_they_are_written() {
    metamorphic::run();
}

#[test]
fn random_formulas_give_the_same_values_however_they_are_written() {
    metamorphic_values::run();
}
