//! Temporary copy of the dbt project with the changes of a plan. dbt does not follow links to folders, so the folders
//! in which dbt looks for files are real folders in the copy. The unchanged files in them are links to the project's
//! files.

use crate::cli::folder::current_folder_if_empty;
use crate::cli::source::read_text;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::dbt_project::DbtProject;
use crate::cli::writable_folders::absolute_path;

/// Top-level folders that are omitted from the copy, because dbt, git or formulac generates their contents.
const GENERATED_FOLDERS: [&str; 4] = ["target", "logs", ".git", ".formulac"];
const PACKAGE_FILES: [&str; 2] = ["packages.yml", "dependencies.yml"];

/// A copy of a project. Dropping the value removes the copy, but not the files that its links point to.
pub struct ProjectCopy {
    folder: TempDir,
    /// The project's folder in the copy.
    pub root: PathBuf,
}

/// New contents of changed files by path, relative to the project's folder. `None` means that the file is removed.
pub type CopyChanges<'c> = BTreeMap<PathBuf, Option<&'c str>>;

impl ProjectCopy {
    /// Creates a copy of the project in `root` and makes the changes in the copy.
    pub fn create_copy(root: &Path, dbt: &DbtProject, changes: &CopyChanges<'_>) -> io::Result<Self> {
        let root = fs::canonicalize(current_folder_if_empty(root))?;
        let (inside, mut outside) = split_paths(&root, dbt.all_paths.iter().map(PathBuf::from));
        let packages = local_packages(&root)
            .into_iter()
            .chain([PathBuf::from(&dbt.packages_path)]);
        outside.extend(split_paths(&root, packages).1);
        let folder = tempfile::Builder::new().prefix("formulac-").tempdir()?;
        // Give the copy's parent folders the same names as the project's, so that paths such as `../macros` stay valid.
        let levels_up = outside.iter().map(|path| path.up).max().unwrap_or_default();
        let names: Vec<&OsStr> = root.iter().collect();
        let names = names
            .get(names.len().saturating_sub(levels_up + 1)..)
            .unwrap_or_default();
        let copy = Self {
            root: names
                .iter()
                .fold(folder.path().to_owned(), |path, name| path.join(name)),
            folder,
        };
        fs::create_dir_all(&copy.root)?;
        let changed = changes.keys().flat_map(|path| path.ancestors().skip(1)).collect();
        CopyTree {
            root: &root,
            copy: &copy.root,
            inside: &inside,
            changes,
            changed,
        }
        .write()?;
        for path in outside {
            let goal = path.below.iter().fold(
                copy.root.ancestors().nth(path.up).unwrap_or(&copy.root).to_owned(),
                |goal, name| goal.join(name),
            );
            if goal.starts_with(copy.folder.path()) && fs::symlink_metadata(&goal).is_err() && path.whole.exists() {
                fs::create_dir_all(goal.parent().unwrap_or(&goal))?;
                link(&path.whole, &goal)?;
            }
        }
        Ok(copy)
    }

    /// Keeps the copy on the disk, so that a user can inspect it.
    pub fn into_persisted_path(self) -> PathBuf {
        let _ = self.folder.keep();
        self.root
    }
}

/// Path that leads out of the project: the number of `..` components, the remaining path, and the absolute path.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PathOutsideProject {
    /// Depth of the folder. Outer folders are sorted before their subfolders.
    depth: usize,
    up: usize,
    below: PathBuf,
    whole: PathBuf,
}

/// Splits paths into those inside the project, relative to the project's folder, and those that lead out of the
/// project.
fn split_paths(
    root: &Path,
    paths: impl IntoIterator<Item = PathBuf>,
) -> (BTreeSet<PathBuf>, BTreeSet<PathOutsideProject>) {
    let (mut inside, mut outside) = (BTreeSet::new(), BTreeSet::new());
    for path in paths {
        let full_path = absolute_path(&root.join(&path));
        match full_path.strip_prefix(root) {
            Ok(path) => {
                inside.insert(path.to_owned());
                // The path may be a link to another folder of the project.
                let real = fs::canonicalize(&full_path).ok();
                inside.extend(real.and_then(|real| real.strip_prefix(root).ok().map(Path::to_owned)));
            }
            Err(_) if path.is_absolute() => {}
            Err(_) => {
                let up = root
                    .ancestors()
                    .position(|ancestor| full_path.starts_with(ancestor))
                    .unwrap_or_default();
                let relative = root
                    .ancestors()
                    .nth(up)
                    .and_then(|ancestor| full_path.strip_prefix(ancestor).ok());
                let inner_path = relative.unwrap_or(Path::new("")).to_owned();
                outside.insert(PathOutsideProject {
                    depth: full_path.components().count(),
                    up,
                    below: inner_path,
                    whole: full_path,
                });
            }
        }
    }
    (inside, outside)
}

/// Returns the folders of local packages, as listed under `local:` in the package files.
fn local_packages(root: &Path) -> Vec<PathBuf> {
    let packages_in = |file: &str| -> Vec<PathBuf> {
        let text = read_text(root.join(file)).unwrap_or_default();
        let root = formulac_syntax::yaml::parse_root(&text);
        let packages = root.as_ref().and_then(|root| root.get("packages")?.items());
        let local = packages
            .into_iter()
            .flatten()
            .filter_map(|package| package.text_at("local"));
        local.map(PathBuf::from).collect()
    };
    PACKAGE_FILES.iter().flat_map(|file| packages_in(file)).collect()
}

/// Files and folders to copy, with their destinations.
struct CopyTree<'t> {
    root: &'t Path,
    copy: &'t Path,
    /// Folders in which dbt looks for files.
    inside: &'t BTreeSet<PathBuf>,
    changes: &'t CopyChanges<'t>,
    /// Folders that contain changed files.
    changed: BTreeSet<&'t Path>,
}

impl CopyTree<'_> {
    fn write(&self) -> io::Result<()> {
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            fs::create_dir_all(self.copy.join(&folder))?;
            // A folder that a change creates does not exist yet.
            let Ok(entries) = fs::read_dir(self.root.join(&folder)) else {
                continue;
            };
            for entry in entries {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                let is_written = folder.as_os_str().is_empty()
                    && GENERATED_FOLDERS
                        .iter()
                        .any(|written_name| entry.file_name() == *written_name);
                if is_written || self.changes.contains_key(&path) {
                    continue;
                }
                let kind = entry.file_type()?;
                if kind.is_dir() && self.must_copy_folder(&path) {
                    folders.push(path);
                } else if kind.is_symlink() {
                    self.recreate_link(&path)?;
                } else {
                    link(&self.root.join(&path), &self.copy.join(&path))?;
                }
            }
        }
        for (path, text) in self.changes {
            let (Some(text), path) = (text, self.copy.join(path)) else {
                continue;
            };
            fs::create_dir_all(path.parent().unwrap_or(self.copy))?;
            fs::write(path, text)?;
        }
        Ok(())
    }

    /// Returns `true` if dbt searches a folder or if a file in the folder changes. The folder must then be a real
    /// folder in the copy instead of a link.
    fn must_copy_folder(&self, folder: &Path) -> bool {
        let is_walked = self
            .inside
            .iter()
            .any(|path| path.starts_with(folder) || folder.starts_with(path));
        is_walked || self.changed.contains(folder)
    }

    /// Recreates a link of the project. The new link leads to the corresponding path in the copy, or to the original
    /// path if the path is outside the project.
    fn recreate_link(&self, path: &Path) -> io::Result<()> {
        let full_path = self.root.join(path);
        let goal = fs::canonicalize(&full_path).unwrap_or(full_path);
        let goal = goal
            .strip_prefix(self.root)
            .map_or_else(|_| goal.clone(), |inner| self.copy.join(inner));
        link(&goal, &self.copy.join(path))
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let path = entry?.path();
            let goal = to.join(path.file_name().unwrap_or_default());
            if path.is_dir() {
                folders.push((path, goal))
            } else {
                fs::copy(&path, goal).map(|_| ())?
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_by_project_folder() {
        let root = Path::new("/data/repository/transform");
        let keys = [
            "models/",
            "./more//models",
            "../macros",
            "../../shared/macros",
            "../transform/seeds",
            "/other",
        ];
        let (inside, outside) = split_paths(root, keys.map(PathBuf::from));
        let inside: Vec<&str> = inside.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(inside, ["models", "more/models", "seeds"]);
        let outside: Vec<(usize, &str)> = outside
            .iter()
            .filter_map(|path| Some((path.up, path.below.to_str()?)))
            .collect();
        assert_eq!(outside, [(1, "macros"), (2, "shared/macros")]);
    }

    #[cfg(unix)]
    #[test]
    fn folders_walked_by_dbt_are_real() {
        use std::os::unix::fs::symlink;

        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let root = home.join("repository/transform");
        let write_file = |path: &str, text: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        };
        write_file(
            "dbt_project.yml",
            "macro-paths: [macros, ../macros]\nseed-paths: [data/seeds]\n",
        );
        write_file("packages.yml", "packages: [{local: ../../package}, {package: a/b}]\n");
        for file in [
            "models/a/b/c.sql",
            "models/a/old.sql",
            "data/seeds/x/y.csv",
            "data/raw/z.csv",
            "target/t",
            "tests/deep/t.sql",
        ] {
            write_file(file, file);
        }
        write_file("../macros/deep/m.sql", "macro");
        write_file("../../package/dbt_project.yml", "package");
        symlink("models/a", root.join("queries")).unwrap();
        symlink("b/c.sql", root.join("models/a/c_again.sql")).unwrap();
        symlink("/nowhere", root.join("nowhere")).unwrap();
        let dbt = crate::cli::dbt_project::find(Some(&root)).unwrap().unwrap();
        let changes: CopyChanges<'_> = [
            ("models/a/b/c.sql", Some("new")),
            ("models/new/er/d.sql", Some("new")),
            ("models/a/old.sql", None),
            ("notes/n.md", Some("new")),
        ]
        .into_iter()
        .map(|(path, text)| (PathBuf::from(path), text))
        .collect();
        let copy = ProjectCopy::create_copy(&root, &dbt, &changes).unwrap();
        let read_copy = |path: &str| fs::read_to_string(copy.root.join(path)).ok();
        let is_link = |path: &str| fs::symlink_metadata(copy.root.join(path)).unwrap().is_symlink();
        for path in [
            "models/a/b/c.sql",
            "models/new/er/d.sql",
            "notes/n.md",
            "models/a/c_again.sql",
            "queries/b/c.sql",
        ] {
            assert_eq!(read_copy(path).as_deref(), Some("new"), "{path}");
        }
        assert_eq!(read_copy("models/a/old.sql"), None);
        assert_eq!(read_copy("target/t"), None);
        assert_eq!(read_copy("tests/deep/t.sql").as_deref(), Some("tests/deep/t.sql"));
        assert_eq!(read_copy("../macros/deep/m.sql").as_deref(), Some("macro"));
        assert_eq!(read_copy("../../package/dbt_project.yml").as_deref(), Some("package"));
        assert!(
            ["models", "models/a", "data", "data/seeds/x", "tests/deep"]
                .iter()
                .all(|path| !is_link(path))
        );
        assert!(
            ["data/raw", "queries", "data/seeds/x/y.csv", "nowhere"]
                .iter()
                .all(|path| is_link(path))
        );
        let root = copy.root.clone();
        drop(copy);
        assert!(!root.exists());
        fs::remove_dir_all(home).unwrap();
    }
}
