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
    let grammar = std::fs::read_to_string(root.join("grammar/formula.lalrpop")).expect("the grammar is readable");
    // Recovery makes every symbol of a parser several times as large, and most texts have no fault.
    let strict: String = grammar
        .lines()
        .filter(|line| !(line.contains("<e:!>") || line.contains("\"odd\" <")))
        .map(|line| line.strip_prefix("//strict ").unwrap_or(line).to_owned() + "\n")
        .collect();
    for (name, text) in [("recovering", &grammar), ("strict", &strict)] {
        let folder = out.join("grammar").join(name);
        std::fs::create_dir_all(&folder).expect("OUT_DIR is writable");
        std::fs::write(folder.join(format!("{name}.lalrpop")), text).expect("OUT_DIR is writable");
        lalrpop::Configuration::new()
            .set_in_dir(&folder)
            .set_out_dir(&folder)
            .process_dir(&folder)
            .expect("the grammar compiles");
        // LALRPOP goes by its own file whether the grammar has changed, so that one stays as it is.
        let parser = std::fs::read_to_string(folder.join(format!("{name}.rs"))).expect("LALRPOP wrote it");
        let parser = if name == "strict" { driven_here(&parser) } else { parser };
        std::fs::write(out.join(format!("{name}.rs")), parser).expect("OUT_DIR is writable");
    }
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

/// The parser, driven by the loop of `parse::machine`; see there. Were the generated text another one day, LALRPOP's own
/// loop would go on to drive it.
fn driven_here(parser: &str) -> String {
    let text = parser.replace("self::__lalrpop_util::state_machine as", "crate::parse::machine as");
    // The loop is compiled in another unit than what it calls, of which nothing would be inlined.
    let text = text.replace(" fn __", " #[inline] fn __").replace("\nfn __", "\n#[inline] fn __");
    let text = text.replace(" fn reduce(", " #[inline] fn reduce(");
    // Where to go after a reduction is looked up in a table, in place of two jumps that nothing can foresee.
    let text = text.replace("] fn __goto(", "] const fn __goto(");
    let text = text.replace("__goto(__state, __nonterminal)", "__GOTO[__nonterminal][__state as usize]");
    text.replace("    const __EOF_ACTION", &format!("{GOTO}    const __EOF_ACTION"))
}

const GOTO: &str = "
    static __GOTO: [[i16; __EOF_ACTION.len()]; 32] = {
        let mut table = [[0; __EOF_ACTION.len()]; 32];
        let mut nonterminal = 0;
        while nonterminal < table.len() {
            let mut state = 0;
            while state < __EOF_ACTION.len() {
                table[nonterminal][state] = __goto(state as i16, nonterminal);
                state += 1;
            }
            nonterminal += 1;
        }
        table
    };
";

fn tables(root: &std::path::Path) -> Result<String, Vec<String>> {
    let functions = catalogue::read(&root.join("dialects/functions"))?;
    let dialects = dialects::read(&root.join("dialects"), &functions)?;
    Ok(catalogue::write(&functions) + &dialects::write(&functions, &dialects))
}
