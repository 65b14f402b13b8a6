//! Checks that the corpus of the benches compiles, because a bench that stops early measures no work.

#[path = "../../benches/corpus/mod.rs"]
mod definitions;

#[test]
fn every_definition_that_the_benches_measure_compiles_without_a_word() {
    definitions::classes([&definitions::compiler(true), &definitions::compiler(false)]);
}
