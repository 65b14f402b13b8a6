//! Runs LALRPOP over the grammar and compiles `dialects/**` into static tables.

#[path = "catalogue.rs"]
mod catalogue;
#[path = "dialects.rs"]
mod dialects;
#[path = "../src/catalog/hash.rs"]
mod hash;
#[allow(dead_code)]
#[path = "../src/catalog/lowering.rs"]
mod lowering;
#[path = "../src/dialect/op.rs"]
mod op;
#[allow(dead_code)]
#[path = "../src/dialect/part.rs"]
mod part;
#[path = "signature.rs"]
mod signature;
#[path = "template.rs"]
mod template;
#[path = "toml_file.rs"]
mod toml_file;

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=grammar");
    println!("cargo:rerun-if-changed=dialects");
    println!("cargo:rerun-if-changed=src/catalog/hash.rs");
    println!("cargo:rerun-if-changed=src/catalog/lowering.rs");
    println!("cargo:rerun-if-changed=src/dialect/part.rs");
    println!("cargo:rerun-if-changed=src/dialect/op.rs");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    lalrpop::Configuration::new()
        .set_in_dir(root.join("grammar"))
        .set_out_dir(&out)
        .process_dir(root.join("grammar"))
        .expect("the grammar compiles");
    match tables(&root) {
        Ok(text) => std::fs::write(out.join("catalogue.rs"), text).expect("OUT_DIR is writable"),
        Err(faults) => {
            for fault in &faults {
                eprintln!("error: {fault}");
                println!("cargo::error={fault}");
            }
            std::process::exit(1);
        }
    }
}

fn tables(root: &std::path::Path) -> Result<String, Vec<String>> {
    let functions = catalogue::read(&root.join("dialects/functions"))?;
    let dialects = dialects::read(&root.join("dialects"), &functions)?;
    Ok(catalogue::write(&functions) + &dialects::write(&functions, &dialects))
}
