//! The files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a folder and of those in it that are wanted, in the order of their paths. A folder that is not there
/// holds nothing; links to folders are not followed, so that none leads around in a circle.
pub fn files(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
