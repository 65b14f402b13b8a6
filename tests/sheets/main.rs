//! Compares the results of the compiler's SQL on the engines with the results of an interpreter, for random worksheets.
//!
//! The interpreter looks up cells by row and column and does not use SQL. `FORMULAC_RANDOM_SHEETS=20000` runs more
//! sheets, and `FORMULAC_SEED=7` runs other sheets. If a sheet fails, it is shrunk and displayed with its seed.
//! `FORMULAC_SEED=7000123 FORMULAC_RANDOM_SHEETS=1 FORMULAC_ENGINES=duckdb` runs that sheet again. `FORMULAC_SHOW=1`
//! displays the generated sheets.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../conformance/batch.rs"]
mod batch;
#[path = "../conformance/compare.rs"]
#[allow(dead_code, reason = "only the conformance tests compare types")]
mod compare;
#[path = "../reference/drawn.rs"]
mod drawn;
#[path = "../conformance/engine.rs"]
#[allow(
    dead_code,
    reason = "only the conformance tests read these marks for emulated results"
)]
mod engine;
#[path = "../conformance/files.rs"]
#[allow(dead_code, reason = "only the conformance tests read case files")]
mod files;
#[path = "../reference/json.rs"]
mod json;
#[path = "../reference/quiet.rs"]
mod quiet;
#[path = "../reference/random.rs"]
mod random;
#[path = "../conformance/skipped_cases.rs"]
mod skipped_cases;
#[path = "../../benches/corpus/split_mix.rs"]
mod split_mix;

use formulac::interpret::{calendar, value};

mod draw;
mod draw_formulas;
mod draw_lookups;
mod draw_pivots;
mod formula;
mod grid;
mod growth;
mod layout;
mod lookup;
mod operations;
mod other_tables;
mod pivot;
mod run;
mod share;
mod sheet;
mod shown;
mod shrink;
mod tab;
mod table;

#[test]
fn random_sheets_match_the_interpreter() {
    drawn::run::<run::Case>();
}
