//! The README lists the dialects. The rows of unverified dialects are generated.

use std::path::Path;
use std::{env, fs};

use formulac::Dialect;

/// Beginning of the table's header.
const HEADER: &str = "| dialect | tests run on |";

#[test]
fn the_readme_lists_all_dialects() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, table) = text.split_once(HEADER).unwrap();
    let (table, after) = table.split_once("\n\n").unwrap();
    let is_verified = |line: &&str| !line.contains("| unverified: ");
    let mut lines: Vec<String> = table.lines().filter(is_verified).map(str::to_owned).collect();
    for dialect in Dialect::verified() {
        let row = format!("| {dialect} ");
        assert!(
            lines.iter().any(|line| line.starts_with(&row)),
            "the table needs the row `{row}`"
        );
    }
    for dialect in Dialect::all() {
        if let Some(reason) = dialect.unverified() {
            lines.push(format!("| {dialect} | no engine | unverified: {reason} |"));
        }
    }
    let expected = format!("{before}{HEADER}{}\n\n{after}", lines.join("\n"));
    if env::var_os("FORMULAC_WRITE").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let hint = "run `FORMULAC_WRITE=1 cargo test --all-features --test docs dialects` and read the change";
    assert!(
        expected == text || env::var_os("FORMULAC_WRITE").is_some(),
        "README.md: {hint}"
    );
}
