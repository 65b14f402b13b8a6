//! Tests the conversion from SQL back to formulas: the parts that a user changed in a generated file, and the formula
//! for each change.

#[path = "../conformance/skipped_cases.rs"]
mod skipped_cases;
#[path = "../conformance/yaml.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod yaml;

mod corpus;
mod edits;
mod guards;
mod hand_edits;
mod random;
mod respell;
mod round_trip;
