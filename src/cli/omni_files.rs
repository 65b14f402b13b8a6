//! Finds the files of an Omni model, and the definitions that they share with specs.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::diag::Diagnostic;
use formulac::omni::shared_file_paths;
use formulac::{CompiledSpec, Project};

use super::folder::{self, current_folder_if_empty, display_path};
use super::project;
use super::source::SourceText;

/// Folders that contain packages instead of files of the Omni model.
const PACKAGE_FOLDERS: [&str; 2] = ["node_modules", "dbt_packages"];

/// Returns the files in a folder that belong to an Omni model. Hidden folders, such as `.github`, are skipped.
pub fn omni_paths(folder: &Path) -> Vec<PathBuf> {
    let is_omni = |path: &Path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let has_ending = [".yaml", ".yml", ".view", ".topic"]
            .iter()
            .any(|end| name.ends_with(end));
        !name.starts_with('.') && (has_ending || is_singleton_omni_file(&name))
    };
    let is_in_model = |path: &Path| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let mut folders = inside.parent().into_iter().flat_map(Path::iter);
        !folders
            .any(|name| name.to_string_lossy().starts_with('.') || PACKAGE_FOLDERS.iter().any(|other| name == *other))
    };
    folder::find_files(folder, |path| is_omni(path) && is_in_model(path))
}

/// Returns whether a file without an extension is one of the files that occur only once in the Omni model, such as
/// `relationships`.
fn is_singleton_omni_file(name: &str) -> bool {
    !name.contains('.') && shared_file_paths().any(|path| path == name)
}

/// Reports definitions that exist in both a spec and the project's Omni model, each with the index of the spec.
/// `compile` returns the compiled spec with an index, or `None` if the spec has errors.
pub fn find_omni_duplicates(
    project: &Project,
    root: &Path,
    specs: &[(String, String)],
    compile: impl Fn(usize) -> Option<CompiledSpec>,
) -> Vec<(usize, Diagnostic)> {
    let omni = root.join(project.omni().unwrap_or(project::DEFAULT_OMNI_FOLDER));
    // Skip unreadable Omni files, because they do not make the specs invalid.
    let files = omni_paths(&omni)
        .into_iter()
        .map(|path| SourceText::from_file(&path))
        .filter(|source| source.fault.is_none());
    let files: Vec<(String, String)> = files
        .map(|source| (display_path(Path::new(&source.name)), source.text))
        .collect();
    formulac::promote::duplicate_field_warnings(specs, &files, compile)
}

/// Returns the nearest folder of the same git work tree that contains this folder and a file such as
/// `relationships.yaml`, which occurs only in the Omni model's folder. Without such a file, returns the folder itself.
pub fn find_enclosing_omni_folder(folder: &Path) -> PathBuf {
    let around = || {
        let real = fs::canonicalize(current_folder_if_empty(folder)).ok()?;
        let work_tree = real.ancestors().position(|folder| folder.join(".git").exists())?;
        let has_shared_file = |folder: &Path| shared_file_paths().any(|name| folder.join(name).is_file());
        let depth = real.ancestors().take(work_tree + 1).position(has_shared_file)?;
        let found = real.ancestors().nth(depth)?;
        // Messages show the folder as the user spelled it.
        let is_found =
            |spelled: &&Path| fs::canonicalize(current_folder_if_empty(spelled)).is_ok_and(|real| real == found);
        Some(
            folder
                .ancestors()
                .nth(depth)
                .filter(is_found)
                .unwrap_or(found)
                .to_owned(),
        )
    };
    around().unwrap_or_else(|| folder.to_owned())
}
