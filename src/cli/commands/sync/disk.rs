//! Access to the files of the work tree, for transactions.

use crate::cli::folder::current_folder_if_empty;
use crate::cli::source::read_bytes;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use formulac::sync::Disk;

use crate::cli::atomic_write::move_file;
use crate::cli::exit::Failure;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;

/// Files in a project's folder.
#[derive(Debug)]
pub struct WorkTreeFiles {
    root: PathBuf,
    bounds: WritableFolders,
}

impl WorkTreeFiles {
    pub fn from_workspace(workspace: &Workspace) -> Result<Self, Failure> {
        let root = &workspace.root;
        let root = current_folder_if_empty(root).to_owned();
        Ok(Self {
            root,
            bounds: workspace.writable_folders()?,
        })
    }

    fn absolute_path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Returns the absolute path of a file to write or remove. Returns an error if the path is outside the project.
    fn checked_path(&self, path: &str) -> io::Result<PathBuf> {
        let full_path = self.absolute_path(path);
        match self.bounds.resolve_path(&full_path) {
            Ok(_) => Ok(full_path),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the path is outside the project",
            )),
        }
    }
}

impl Disk for WorkTreeFiles {
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match read_bytes(self.absolute_path(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, path: &str, bytes: &[u8], like: Option<&str>) -> io::Result<()> {
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.checked_path(path)?)?;
        file.write_all(bytes)?;
        if let Some(data) = like.and_then(|like| fs::metadata(self.absolute_path(like)).ok()) {
            file.set_permissions(data.permissions())?;
        }
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        move_file(&self.checked_path(from)?, &self.checked_path(to)?)
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(self.checked_path(path)?)
    }

    fn has_folder(&mut self, path: &str) -> bool {
        self.absolute_path(path).is_dir()
    }

    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        fs::create_dir(self.checked_path(path)?)
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.checked_path(path)?)
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.absolute_path(path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn flush_folder(&mut self, path: &str) -> io::Result<()> {
        // Windows does not support flushing a folder.
        if cfg!(unix) {
            fs::File::open(self.absolute_path(path))?.sync_all()
        } else {
            Ok(())
        }
    }
}
