//! Lock of a project: only one run writes at a time, and the next run completes or undoes an interrupted run.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use formulac::sync::is_transaction_interrupted;

use super::apply;
use super::disk::WorkTreeFiles;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;

pub const LOCAL_FOLDER: &str = ".formulac/local";
const LOCK_FILE: &str = ".formulac/local/lock";

/// Lock that is held during writes. The operating system releases the lock when the process ends, even after a crash.
#[derive(Debug)]
pub struct ProjectLock {
    _file: File,
}

impl ProjectLock {
    /// Acquires the lock of the project. If an earlier run was interrupted, first completes or undoes that run.
    pub fn acquire(session: &Session, workspace: &Workspace) -> Result<Self, Failure> {
        let failed = |path: &str, error: &std::io::Error| Failure::from_io("write", path, error);
        let bounds = workspace.writable_folders()?;
        bounds.resolve_path(&workspace.root.join(LOCK_FILE))?;
        create_local_folder(&bounds, &workspace.root)?;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(workspace.root.join(LOCK_FILE));
        let file = file.map_err(|error| failed(LOCK_FILE, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(
                    Failure::new(Exit::Failed, "another formulac process is writing to this project")
                        .with_help("wait until the other command has finished"),
                );
            }
            Err(TryLockError::Error(error)) => return Err(failed(LOCK_FILE, &error)),
        }
        apply::recover_interrupted_run(session, workspace)?;
        Ok(Self { _file: file })
    }
}

/// Creates the folder for files that belong to this work tree only. A separate `.gitignore` in the folder makes git
/// ignore these files.
pub fn create_local_folder(bounds: &WritableFolders, root: &Path) -> Result<(), Failure> {
    let folder = root.join(LOCAL_FOLDER);
    bounds.resolve_path(&folder)?;
    let ignore = folder.join(".gitignore");
    let result = fs::create_dir_all(&folder).and_then(|()| match fs::symlink_metadata(&ignore) {
        Ok(_) => Ok(()),
        Err(_) => fs::write(&ignore, "*\n"),
    });
    result.map_err(|error| Failure::from_io("write", LOCAL_FOLDER, &error))
}

/// Returns whether an earlier run was interrupted.
pub fn is_push_interrupted(workspace: &Workspace) -> Result<bool, Failure> {
    // Treat a journal that cannot be read as left over from an interrupted run.
    Ok(is_transaction_interrupted(&mut WorkTreeFiles::from_workspace(workspace)?).unwrap_or(true))
}

/// Warns about an interrupted run. Used by commands that write nothing.
pub fn warn_if_interrupted(session: &Session, workspace: &Workspace) -> Result<(), Failure> {
    if is_push_interrupted(workspace)? {
        session.warn(
            "a push in this project was interrupted; `formulac push` completes or undoes the interrupted \
             push first",
        );
    }
    Ok(())
}
