//! Finds and reads the project file, `formulac.yml`.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::Project;

use super::exit::{Exit, Failure, FileDiagnostics};
use super::folder::current_folder_if_empty;
use super::source::SourceText;
use super::writable_folders::absolute_path_of_file;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// Name of the project file.
pub const PROJECT_FILE: &str = "formulac.yml";
/// File with personal settings, next to the project file.
pub const LOCAL_SETTINGS_FILE: &str = "formulac.local.yml";
/// Default folders, relative to the project's folder.
pub const DEFAULT_SPECS_FOLDER: &str = "metrics";
pub const DEFAULT_MODELS_FOLDER: &str = "models/formulac";
pub const DEFAULT_TESTS_FOLDER: &str = "tests/formulac";
pub const DEFAULT_OMNI_FOLDER: &str = "omni";

/// Reads the project file in this folder. Without a folder, reads the project file in the working directory or a folder
/// above it.
pub fn read(folder: Option<&Path>) -> Result<Project, Failure> {
    Ok(read_project_with_folder(folder)?
        .map(|(project, _)| project)
        .unwrap_or_default())
}

/// Like [`read`], but also returns the project's folder. `None` if there is no project.
pub fn read_project_with_folder(folder: Option<&Path>) -> Result<Option<(Project, PathBuf)>, Failure> {
    let Some(path) = find(folder)? else { return Ok(None) };
    let source = SourceText::from_file(&path);
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let (project, faults) = Project::from_text(&source.text);
    check_version(&project, env!("CARGO_PKG_VERSION"))?;
    if faults.iter().any(Diagnostic::is_error) {
        return Err(Failure::Found(vec![FileDiagnostics {
            file: source.name,
            text: source.text,
            diagnostics: faults,
        }]));
    }
    let root = path.parent().map(Path::to_owned).unwrap_or_default();
    let project = add_personal_settings(project, &root)?;
    Ok(Some((project, root)))
}

/// Returns an error if the project does not accept this version of formulac.
fn check_version(project: &Project, version: &str) -> Result<(), Failure> {
    match project.requires().filter(|_| !project.accepts_version(version)) {
        Some(required) => Err(Failure::new(
            Exit::Usage,
            format!("the project requires formulac {required}, but this is formulac {version}"),
        )
        .with_help("install a version that the project accepts, or change `requires` in formulac.yml")),
        None => Ok(()),
    }
}

/// Adds the personal settings of the user who runs the command, if there are any.
fn add_personal_settings(mut project: Project, root: &Path) -> Result<Project, Failure> {
    let path = root.join(LOCAL_SETTINGS_FILE);
    if !path.is_file() {
        return Ok(project);
    }
    let source = SourceText::from_file(&path);
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let faults = project.apply_personal_settings(&source.text);
    if faults.iter().any(Diagnostic::is_error) {
        return Err(Failure::Found(vec![FileDiagnostics {
            file: source.name,
            text: source.text,
            diagnostics: faults,
        }]));
    }
    Ok(project)
}

/// Returns the project's folder, relative to the working directory, or `None` if there is no project.
pub fn project_folder(given_folder: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    Ok(find(given_folder)?.map(|path| path.parent().map(Path::to_owned).unwrap_or_default()))
}

fn find(folder: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = folder {
        if !folder.is_dir() {
            let reason = if folder.exists() {
                "is not a folder"
            } else {
                "does not exist"
            };
            let message = format!("the project's folder `{}` {reason}", folder.display());
            let help = "specify an existing folder with `--project-dir`";
            let fault = Diagnostic::new(Code::UnreadableFile, Span::default(), message).with_help(help);
            return Err(Failure::Found(vec![FileDiagnostics {
                file: folder.to_string_lossy().into_owned(),
                text: String::new(),
                diagnostics: vec![fault],
            }]));
        }
        return Ok(Some(folder.join(PROJECT_FILE)).filter(|path| path.is_file()));
    }
    let Ok(start) = std::env::current_dir() else {
        return Ok(None);
    };
    // The path is relative to the working directory, so that messages show the path as a user would type it.
    let ancestor_path = |steps: usize| PathBuf::from("../".repeat(steps)).join(PROJECT_FILE);
    Ok((0..start.ancestors().count())
        .map(ancestor_path)
        .find(|path| path.is_file()))
}

/// Returns the specs in a folder and its subfolders, sorted by path.
pub fn find_specs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error: &std::io::Error| Failure::from_source(SourceText::read_failure(&folder, error));
        for entry in fs::read_dir(&folder).map_err(|e| failed(&e))? {
            let path = entry.map_err(|e| failed(&e))?.path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            // Links are not followed, because they could lead to a cycle.
            if path.is_dir() && !path.is_symlink() && !hidden {
                folders.push(path);
            } else if is_yaml(&path) && !is_project_file(&path) && path.is_file() {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// Returns whether the path has the file name of a project file.
pub fn is_project_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == PROJECT_FILE)
}

/// Returns whether the path has the extension of a YAML file.
pub fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"))
}

/// Returns a spec's path as it appears in generated files: relative to the project's folder `root`, so that the text
/// does not depend on the working directory. Standard input has no path.
pub fn path_in_project(path: &Path, root: Option<&Path>) -> Option<String> {
    paths_in_project(&[path.to_owned()], root).pop().flatten()
}

/// Returns the paths of several specs, in the same form as [`path_in_project`]. Links are resolved only if the path
/// would otherwise be outside the project, because the folder of specs can be a link. Paths outside the project do not
/// change.
pub fn paths_in_project(paths: &[PathBuf], root: Option<&Path>) -> Vec<Option<String>> {
    let roots = root.map(|root| {
        (
            absolute_path_of_file(root),
            fs::canonicalize(current_folder_if_empty(root)).ok(),
        )
    });
    let path_inside = |path: &Path| {
        let (root, real_root) = roots.as_ref()?;
        if let Ok(inside) = absolute_path_of_file(path).strip_prefix(root) {
            return Some(inside.to_owned());
        }
        let real = fs::canonicalize(path).ok()?;
        real.strip_prefix(real_root.as_ref()?).ok().map(Path::to_owned)
    };
    let display_path = |path: &PathBuf| {
        let is_file = path.as_os_str() != "-";
        let inside = || path_inside(path).unwrap_or_else(|| path.clone());
        is_file.then(|| inside().to_string_lossy().replace('\\', "/"))
    };
    paths.iter().map(display_path).collect()
}
