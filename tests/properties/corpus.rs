//! Checks that the corpus of the benches compiles, because a bench that stops early measures no work.

#[path = "../../benches/corpus/mod.rs"]
mod definitions;

#[test]
fn bench_definitions_compile_without_diagnostics() {
    definitions::classes([&definitions::compiler(true), &definitions::compiler(false)]);
}
