//! Conformance tests: check the values of formulas and specs on every engine.
//!
//! The cases are data in `cases/` and `specs/`, written for people who know spreadsheets. `README.md` describes their
//! format. The library compiles each case. The four engines run the cases in one batch per engine, and the results are
//! compared with the expected values.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod batch;
mod call_facts;
mod calls;
mod case;
mod checked_statements;
mod codes_page;
mod compare;
mod comparisons;
mod compiled_statements;
mod complete;
mod described;
mod differences;
mod engine;
mod evidence;
mod expanded;
mod expect;
mod files;
mod formula;
mod function_cases;
mod generated;
mod generated_statements;
mod harness_checks;
mod hostile_text;
mod join_tests;
mod known_calls;
mod matrix;
mod model_cases;
mod prove_cases;
mod prove_runs;
mod prove_statements;
mod reference;
mod report;
mod scoreboard;
mod sheet;
mod sheet_case;
mod skipped_cases;
mod spec_case;
mod statement_constructs;
mod stock_questions;
mod templates;
mod totality;
mod warehouse_rules;
mod warnings;
mod yaml;

#[allow(dead_code, reason = "only the command uses the complete module")]
#[path = "../../src/cli/commands/prove"]
mod prove {
    pub mod cases;
    pub mod rows;
}

#[allow(dead_code, reason = "only the tests of the SQL style use the complete module")]
#[path = "../rubric"]
mod rubric {
    pub mod corpus;
}
#[path = "../rubric/orders.rs"]
mod orders;

#[test]
fn functions() {
    function_cases::run();
}

#[test]
fn cases_list_their_warnings() {
    warnings::run();
}

#[test]
fn cases_match_the_spreadsheet() {
    sheet::run();
}

#[test]
fn case_files_are_complete() {
    complete::run();
}

#[test]
fn docs_matrix() {
    matrix::run();
}

#[test]
fn docs_differences() {
    differences::run();
}

#[test]
fn docs_diagnostics() {
    codes_page::run();
}

#[test]
fn docs_prove_cases() {
    prove_cases::run();
}

#[test]
fn docs_reference() {
    reference::run();
}

#[test]
fn sql_of_every_function() {
    templates::run();
}

#[test]
fn templates_never_raise_errors() {
    totality::run();
}

#[test]
fn expanded_specs_compile_to_the_same_sql() {
    expanded::run();
}

#[test]
fn specs() {
    spec_case::run();
}

#[test]
fn stock_questions() {
    stock_questions::run();
}

#[test]
fn sheets() {
    sheet_case::run();
}

#[test]
fn every_column_is_described() {
    described::run();
}

#[test]
fn join_tests_detect_several_matches() {
    join_tests::run();
}

#[test]
fn hostile_text_survives() {
    hostile_text::run();
}

#[test]
fn comparisons_find_differences() {
    comparisons::run();
}

#[test]
fn jinja_is_rendered_as_dbt_does() {
    compiled_statements::jinja_is_rendered_as_dbt_does();
}

#[test]
fn rows_of_proofs_can_be_literals() {
    prove_runs::run();
}

#[test]
fn constructs_without_a_fact_are_found() {
    generated_statements::each_construct_is_looked_up();
}

#[test]
fn statements_keep_the_rules_of_the_warehouses() {
    generated_statements::run();
}

#[test]
fn facts_name_the_versions_of_the_engines() {
    evidence::versions();
}

#[test]
fn each_rule_reports_its_example() {
    generated_statements::each_rule_reports_its_example();
}
