//! Files that a spec made once and makes no more: tests of what is proven or gone, docs of which nothing is left.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::dbt::{is_as_written, spec_of};

/// The left over tests of a model: of its name, from its spec, still as formulac wrote them, and not `made` now.
pub fn tests(folder: &Path, model: &str, spec: &str, made: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    // Where there is no folder there is no test.
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let begin = format!("assert_{}_", model.to_lowercase());
    let is_left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&begin)
            && name.ends_with(".sql")
            && !made(path)
            && fs::read_to_string(path).is_ok_and(|text| spec_of(&text) == Some(spec) && is_as_written(&text))
    };
    let mut left: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_left).collect();
    left.sort();
    left
}

/// The docs of a model from its spec, still as formulac wrote them.
pub fn docs(folder: &Path, model: &str, spec: &str) -> Option<PathBuf> {
    let path = folder.join(format!("{model}.md"));
    let text = fs::read_to_string(&path).ok()?;
    (spec_of(&text) == Some(spec) && is_as_written(&text)).then_some(path)
}
