//! The files of a folder.

use super::source::read_bytes;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder as programs and the file system take it: the empty path is the working directory.
pub fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// A path as it is seen from a folder, with `/` between folders.
pub fn inside(folder: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
    inside.trim_start_matches("./").to_owned()
}

/// The texts of the YAML files of a folder, each with its path as seen from there.
pub fn records(root: &Path) -> Vec<(String, String)> {
    let of =
        |path: PathBuf| Some((inside(root, &path), String::from_utf8_lossy(&read_bytes(&path).ok()?).into_owned()));
    files(root, |path| path.extension().is_some_and(|end| end == "yml")).into_iter().filter_map(of).collect()
}

/// The files of a folder and of those in it that are wanted, in the order of their paths. A folder that is not there
/// holds nothing; links to folders are not followed, so that none leads around in a circle.
pub fn files(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // That of a link is that it is one.
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                folders.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
