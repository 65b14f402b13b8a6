//! Lists the files of a folder.

use super::source::read_bytes;
use std::fs;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// Returns a folder that can be passed to programs and the file system: an empty path becomes the working directory.
pub fn current_folder_if_empty(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// Returns a path relative to a folder, with `/` as the separator.
pub fn relative_path(folder: &Path, path: &Path) -> String {
    let inside = path
        .strip_prefix(folder)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/");
    inside.trim_start_matches("./").to_owned()
}

/// Returns a path for messages, with `/` as the separator and without `./` at the beginning. The working directory is
/// `.`.
pub fn display_path(path: &Path) -> String {
    let path = current_folder_if_empty(path.strip_prefix(".").unwrap_or(path));
    path.to_string_lossy().replace(MAIN_SEPARATOR, "/")
}

/// Reads the YAML files in a folder, each with its path relative to that folder.
pub fn read_yaml_files(root: &Path) -> Vec<(String, String)> {
    let read_entry = |path: PathBuf| {
        Some((
            relative_path(root, &path),
            String::from_utf8_lossy(&read_bytes(&path).ok()?).into_owned(),
        ))
    };
    find_files(root, |path| path.extension().is_some_and(|end| end == "yml"))
        .into_iter()
        .filter_map(read_entry)
        .collect()
}

/// Returns the matching files of a folder and its subfolders, sorted by path. A missing folder has no files. Links to
/// folders are not followed, because they could lead to a cycle.
pub fn find_files(folder: &Path, is_match: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // The file type of a link is "link", even if the link's target is a folder.
            if entry.file_type().is_ok_and(|file_type| file_type.is_dir()) {
                folders.push(path);
            } else if is_match(&path) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}
