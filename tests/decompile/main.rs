//! From SQL back to formulas: what a person changed in a generated file, and which formula it is.

#[path = "../conformance/yaml.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod yaml;

mod corpus;
mod edits;
mod random;
mod respell;
mod round_trip;
