//! Tests the conversion from SQL back to formulas: the parts that a user changed in a generated file, and the formula
//! for each change.

#[path = "../conformance/skipped_cases.rs"]
mod skipped_cases;
#[path = "../conformance/yaml.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod yaml;

use std::sync::OnceLock;

use formulac::decompile::Decompiler;

mod corpus;
mod edits;
mod guards;
mod manual_edits;
mod random;
mod respell;
mod round_trip;
mod unresolved_names;

/// Returns the decompiler, which all tests share so that its caches are filled only once.
fn decompiler() -> &'static Decompiler {
    static DECOMPILER: OnceLock<Decompiler> = OnceLock::new();
    DECOMPILER.get_or_init(Decompiler::default)
}
