//! Runs LALRPOP over the grammar.

fn main() {
    println!("cargo:rerun-if-changed=formula.lalrpop");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    lalrpop::Configuration::new()
        .set_in_dir(&root)
        .set_out_dir(out)
        .process_dir(root)
        .expect("the grammar compiles");
}
