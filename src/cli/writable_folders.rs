//! Folders in which a command may write. All writes and removals of files go through [`WritableFolders::resolve_path`],
//! so that no path, YAML key or link leads out of the project.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::commands::sync::LOCAL_FOLDER;
use super::exit::{Exit, Failure};
use super::folder::current_folder_if_empty;

/// Folders in which a command may write.
#[derive(Clone, Debug)]
pub struct WritableFolders {
    /// Canonical paths of the folders, with links resolved.
    folders: Vec<PathBuf>,
    /// Absolute path of the project's folder, as passed and without resolved links.
    root: Option<PathBuf>,
}

impl WritableFolders {
    /// Allows writes in the project at `root`.
    pub fn from_project(root: &Path) -> Result<Self, Failure> {
        let root = current_folder_if_empty(root);
        let root_folder =
            fs::canonicalize(root).map_err(|error| Failure::from_io("read", &root.to_string_lossy(), &error))?;
        Ok(Self {
            folders: vec![root_folder],
            root: Some(absolute_path(root)),
        })
    }

    /// Allows writes in the project at `root`, or in no folder if there is no project.
    pub fn from_optional_project(root: Option<&Path>) -> Result<Self, Failure> {
        root.map_or_else(|| Ok(Self::only_named_paths()), Self::from_project)
    }

    /// Allows writes only to paths that the user specifies, not to a project.
    pub fn only_named_paths() -> Self {
        Self {
            folders: Vec::new(),
            root: None,
        }
    }

    /// Also allows writes to a file or folder that the user specified on the command line. A path inside the project is
    /// ignored, because it may contain a link that somebody else created.
    pub fn allow_named_file(mut self, path: &Path) -> Self {
        let full_path = absolute_path(path);
        let is_inside = self
            .root
            .iter()
            .chain(&self.folders)
            .any(|folder| full_path.starts_with(folder));
        if !is_inside {
            self.folders.extend(resolve_links(path));
        }
        self
    }

    /// Also allows writes to files or folders that the user specified, like [`Self::allow_named_file`].
    pub fn allow_named_files<'p>(self, paths: impl IntoIterator<Item = &'p PathBuf>) -> Self {
        paths
            .into_iter()
            .fold(self, |bounds, path| bounds.allow_named_file(path))
    }

    /// Also allows writes in a folder outside the project.
    pub fn with_folder(mut self, folder: &Path) -> Self {
        self.folders.extend(fs::canonicalize(folder));
        self
    }

    /// Resolves the links in a path and returns its real location. Returns an error if the location is outside these
    /// folders or inside a `.git` folder.
    pub fn resolve_path(&self, path: &Path) -> Result<PathBuf, Failure> {
        self.require_writable_location(path, resolve_links(path))
    }

    /// Resolves many paths. The links in the folder of new files are resolved only once.
    pub fn resolve_paths<'p>(&self, paths: impl Iterator<Item = &'p Path>) -> Result<Vec<PathBuf>, Failure> {
        let mut folders: HashMap<&Path, Option<PathBuf>> = HashMap::new();
        let mut resolve = |path: &'p Path| match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if fs::symlink_metadata(path).is_err() => {
                let folder = folders.entry(folder).or_insert_with(|| resolve_links(folder));
                folder.as_ref().map(|folder| folder.join(name))
            }
            _ => resolve_links(path),
        };
        paths
            .map(|path| self.require_writable_location(path, resolve(path)))
            .collect()
    }

    /// Returns the real location of a path, or an error if the location is outside these folders.
    fn require_writable_location(&self, path: &Path, resolved: Option<PathBuf>) -> Result<PathBuf, Failure> {
        let inner = |resolved: &PathBuf| {
            let inner = self
                .folders
                .iter()
                .find_map(|folder| resolved.strip_prefix(folder).ok())?;
            Some(
                inner
                    .components()
                    .all(|part| !part.as_os_str().eq_ignore_ascii_case(".git")),
            )
        };
        let display = path.display();
        match resolved.as_ref().and_then(inner) {
            Some(true) => Ok(resolved.unwrap_or_default()),
            Some(false) => Err(
                Failure::new(Exit::Failed, format!("`{display}` is inside git's own folder"))
                    .with_help("specify another folder in formulac.yml"),
            ),
            None => Err(
                Failure::new(Exit::Failed, format!("`{display}` is outside the project")).with_help(
                    "specify a folder of the project in formulac.yml, and replace links that lead out of the project",
                ),
            ),
        }
    }

    /// Returns the project's folder for files that git ignores, if the folder exists.
    pub fn gitignored_folder(&self) -> Option<PathBuf> {
        let folder = self.root.as_ref()?.join(LOCAL_FOLDER);
        self.resolve_path(&folder).ok().filter(|folder| folder.is_dir())
    }

    /// Returns the location of a path relative to the first folder, with `/` as the separator, or the absolute location
    /// if the path is outside the first folder.
    pub fn relative_path(&self, path: &Path) -> Result<String, Failure> {
        let resolved = self.resolve_path(path)?;
        let inner = self
            .folders
            .first()
            .and_then(|folder| resolved.strip_prefix(folder).ok())
            .unwrap_or(&resolved);
        Ok(inner.to_string_lossy().replace('\\', "/"))
    }
}

/// Resolves the links in a path that may not exist yet. Returns `None` if a link is broken.
fn resolve_links(path: &Path) -> Option<PathBuf> {
    let path = current_folder_if_empty(path);
    let full_path = std::path::absolute(path).ok()?;
    let existing = full_path.ancestors().find(|path| fs::symlink_metadata(path).is_ok())?;
    let rest = full_path.strip_prefix(existing).ok()?;
    if rest.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let real = fs::canonicalize(existing).ok()?;
    Some(if rest.as_os_str().is_empty() {
        real
    } else {
        real.join(rest)
    })
}

/// Makes a path absolute and removes `.` and `..`.
pub fn absolute_path(path: &Path) -> PathBuf {
    let path = current_folder_if_empty(path);
    let mut normal = PathBuf::new();
    for part in std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .components()
    {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Like [`absolute_path`], but returns the canonical path if `..` follows a link, because `..` is then the parent of
/// the link's target.
pub fn absolute_path_of_file(path: &Path) -> PathBuf {
    let absolute = absolute_path(path);
    if !path.components().any(|part| part == Component::ParentDir) {
        return absolute;
    }
    match fs::canonicalize(path) {
        Ok(real) if !fs::canonicalize(&absolute).is_ok_and(|same| same == real) => real,
        _ => absolute,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn absolute_paths_keep_links_except_before_parents() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        fs::create_dir_all(home.join("project/a")).unwrap();
        fs::create_dir_all(home.join("shared/specs")).unwrap();
        fs::write(home.join("shared/x"), "").unwrap();
        symlink("../shared/specs", home.join("project/specs")).unwrap();
        for (path, expected) in [
            ("project/specs/./x", "project/specs/x"),
            ("project/a/../specs", "project/specs"),
            ("project/specs/../x", "shared/x"),
            ("project/a/../missing", "project/missing"),
        ] {
            assert_eq!(absolute_path_of_file(&home.join(path)), home.join(expected), "{path}");
        }
    }

    #[test]
    fn paths_and_links_outside_the_folders_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        for folder in ["project/models/a", "project/.git/hooks", "other", "omni"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        fs::write(home.join("other/file"), "").unwrap();
        let project = home.join("project");
        for (to, link) in [
            ("models/a", "inner"),
            ("../other", "outer"),
            ("../other/new", "dangling"),
            ("../other/file", "file"),
            ("../project/models", "round"),
        ] {
            symlink(to, project.join(link)).unwrap();
        }
        symlink(home.join("other"), home.join("elsewhere")).unwrap();
        let bounds = WritableFolders::from_project(&project)
            .unwrap()
            .with_folder(&home.join("omni"))
            .allow_named_file(&home.join("named/x"));
        for (path, expected) in [
            ("project/models/a/b/c.sql", Some("project/models/a/b/c.sql")),
            ("project/inner/c.sql", Some("project/models/a/c.sql")),
            ("project/round/c.sql", Some("project/models/c.sql")),
            ("project/models/../seeds/x", Some("project/seeds/x")),
            ("omni/views/x", Some("omni/views/x")),
            ("named/x/y", Some("named/x/y")),
            ("named/y", None),
            ("project/models/../../other/x", None),
            ("project/nothing/../../../x", None),
            ("project/outer/x", None),
            ("project/dangling", None),
            ("project/file", None),
            ("project", Some("project")),
            ("other/x", None),
            ("projects/x", None),
            ("project/.git/hooks/x", None),
            ("project/models/.GIT/config", None),
        ] {
            let resolved = bounds.resolve_path(&home.join(path)).ok();
            assert_eq!(resolved, expected.map(|expected| home.join(expected)), "{path}");
            let with_others = bounds.resolve_paths([&*project.join("models/x"), &*home.join(path)].into_iter());
            assert_eq!(with_others.ok().and_then(|mut paths| paths.pop()), resolved, "{path}");
        }
        // The user may specify a folder through a link outside the project, but not through a link inside the project.
        let folders_of = |path: &str| {
            WritableFolders::from_project(&project)
                .unwrap()
                .allow_named_file(&home.join(path))
        };
        assert!(folders_of("elsewhere").resolve_path(&home.join("elsewhere/x")).is_ok());
        assert!(
            folders_of("project/outer")
                .resolve_path(&project.join("outer/x"))
                .is_err()
        );
        fs::remove_dir_all(home).unwrap();
    }
}
