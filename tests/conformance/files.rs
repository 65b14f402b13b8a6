//! Finds the case files, and applies the filter that selects some of their cases.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns all `.yml` files below a folder of this suite, sorted.
pub fn files_below(folder: &str) -> Vec<PathBuf> {
    below_path(&format!("tests/conformance/{folder}"))
}

/// Returns all `.yml` files below a folder of the repository, sorted.
pub fn below_path(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder entry is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            files.push(path);
        } else {
            panic!("{} is not a case file: their names end in .yml", path.display());
        }
    }
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the path relative to the root of the repository, with `/` as the separator.
pub fn short_name(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.strip_prefix(root).unwrap_or(path).display().to_string();
    path.replace(std::path::MAIN_SEPARATOR, "/")
}

/// Returns `true` if `FORMULAC_CASES` selects this case. The variable may contain any part of `path: case`, in upper or
/// lower case.
pub fn is_picked(path: &Path, case: &str) -> bool {
    let full_name = format!("{}: {case}", short_name(path)).to_lowercase();
    filter().is_none_or(|filter| full_name.contains(&filter))
}

pub fn filter() -> Option<String> {
    std::env::var("FORMULAC_CASES")
        .ok()
        .filter(|text| !text.is_empty())
        .map(|f| f.to_lowercase())
}

/// Returns the folder for the batches, results and reports of the last run.
pub fn output_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}
