//! Compiles the TOML files in this folder into static tables.

#![allow(
    clippy::indexing_slicing,
    reason = "a wrong index stops the build, which reads only files of this crate"
)]

mod catalogue;
mod constructs;
mod dialects;
mod facts;
#[path = "../src/hash.rs"]
mod hash;
#[allow(dead_code, reason = "the build script uses a part of this file")]
#[path = "../src/tables/lowering.rs"]
mod lowering;
#[path = "../src/tables/op.rs"]
mod op;
#[allow(dead_code, reason = "the build script uses a part of this file")]
#[path = "../src/tables/part.rs"]
mod part;
mod signature;
mod template;
mod toml_file;
mod used_constructs;

use std::path::{Path, PathBuf};

fn main() {
    // Cargo watches the whole folder, because a new file is a new dialect.
    println!("cargo:rerun-if-changed=.");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    match generate_tables(&root) {
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

fn generate_tables(root: &Path) -> Result<String, Vec<String>> {
    let functions = catalogue::read(&root.join("functions"))?;
    let dialects = dialects::read(root, &functions)?;
    Ok(catalogue::write(&functions) + &dialects::write::write(&functions, &dialects))
}
