//! Files in `docs/` that tests generate. Tests compare them, or write them if `FORMULAC_WRITE=1` is set.

use std::fs;
use std::path::{Path, PathBuf};

/// Compares each file with its expected content.
pub fn check(files: &[(String, String)]) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let write = std::env::var("FORMULAC_WRITE").is_ok_and(|v| !v.is_empty() && v != "0");
    let mut wrong = Vec::new();
    for (name, text) in files {
        let path = docs.join(name);
        let now = fs::read_to_string(&path).unwrap_or_default();
        if now == *text {
            continue;
        }
        if write {
            fs::create_dir_all(path.parent().expect("it is below docs")).expect("docs can be written");
            fs::write(&path, text).expect("docs can be written");
            continue;
        }
        let line = now.lines().zip(text.lines()).position(|(a, b)| a != b);
        let line = line.unwrap_or_else(|| now.lines().count().min(text.lines().count()));
        let of = |text: &str| text.lines().nth(line).unwrap_or("(ends)").to_owned();
        wrong.push(format!(
            "docs/{name}:{}\n  is         {}\n  should be  {}",
            line + 1,
            of(&now),
            of(text)
        ));
    }
    let hint = "run `FORMULAC_WRITE=1 cargo test --test conformance docs` and read the change";
    assert!(
        wrong.is_empty(),
        "{} generated files are out of date; {hint}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Reports files in a folder of `docs/` that no test generates anymore. Removes them if `FORMULAC_WRITE=1` is set.
pub fn report_obsolete_files(folder: &str, files: &[(String, String)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let known = |path: &Path| files.iter().any(|(name, _)| root.join(name) == path);
    let paths: Vec<PathBuf> = entries.map(|e| e.path()).filter(|path| !known(path)).collect();
    if std::env::var_os("FORMULAC_WRITE").is_some() {
        paths
            .iter()
            .for_each(|path| fs::remove_file(path).expect("docs can be written"));
        return;
    }
    assert!(paths.is_empty(), "no function has these pages: {paths:?}");
}
