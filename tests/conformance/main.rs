//! Conformance: what formulas and specs mean, by value, on every engine.
//!
//! The cases are data (`cases/`, `specs/`), written for people who know spreadsheets; `README.md`
//! describes their format. Each is compiled by the library, run on the four engines in one batch
//! per engine, and compared with what the case says.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod batch;
mod calls;
mod case;
mod compare;
mod engine;
mod expect;
mod files;
mod formula;
mod function_cases;
mod generated;
mod harness_checks;
mod hostile_text;
mod join_tests;
mod matrix;
mod reference;
mod report;
mod scoreboard;
mod sheet;
mod spec_case;
mod spec_cases;
mod templates;
mod totality;
mod yaml;

#[test]
fn functions() {
    function_cases::run();
}

#[test]
fn the_spreadsheet_gives_the_values_that_cases_have_from_it() {
    sheet::run();
}

#[test]
fn docs_matrix() {
    matrix::run();
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
fn templates_raise_for_no_arguments() {
    totality::run();
}

#[test]
fn specs() {
    spec_cases::run();
}

#[test]
fn tests_of_joins_tell_of_several_rows() {
    join_tests::run();
}

#[test]
fn hostile_text_survives() {
    hostile_text::run();
}
