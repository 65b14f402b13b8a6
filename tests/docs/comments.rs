//! Tests the format of comments, which rustfmt does not wrap.

use std::path::{Path, PathBuf};

use super::pages::root;

const WIDTH: usize = 120;

fn add_rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() && !path.ends_with("target") {
            add_rust_files(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

/// Lines of code and tables in documentation may be longer.
#[test]
fn comments_fit_the_width() {
    let mut files = Vec::new();
    for folder in ["benches", "bindings", "dialects", "grammar", "src", "tests"] {
        add_rust_files(&root().join(folder), &mut files);
    }
    let mut long_lines = Vec::new();
    for file in files {
        let mut in_code = false;
        for (index, line) in std::fs::read_to_string(&file).expect("UTF-8").lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("//") else {
                in_code = false;
                continue;
            };
            let comment = comment.trim_start_matches(['/', '!']).trim_start();
            in_code ^= comment.starts_with("```");
            if !in_code && !comment.starts_with('|') && line.chars().count() > WIDTH {
                long_lines.push(format!("{}:{}", file.display(), index + 1));
            }
        }
    }
    assert_eq!(long_lines, [""; 0]);
}
