//! File operations for a transaction. Commands use real files. Tests use a simulated disk whose operations can fail.

use std::io;

/// Access to the files of a project. Paths are relative to the project's folder, with `/` as the separator.
pub trait Disk {
    /// Returns the contents of a file. `None` if the file does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the file exists but cannot be read.
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a new file and flushes it to the disk. If `like` names another file, the new file gets the permissions of
    /// that file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written. Part of the contents may have been written.
    fn write(&mut self, path: &str, bytes: &[u8], like: Option<&str>) -> io::Result<()>;

    /// Moves a file. An existing file at the destination is replaced.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be moved, in which case the file remains at its old path.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be removed, in which case the file still exists.
    fn remove(&mut self, path: &str) -> io::Result<()>;

    /// Returns `true` if a folder exists.
    fn has_folder(&mut self, path: &str) -> bool;

    /// Creates a folder. Its parent folder must exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be created.
    fn make_folder(&mut self, path: &str) -> io::Result<()>;

    /// Removes a folder if it is empty.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be removed, in which case the folder still exists.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;

    /// Returns the names of the files in a folder. Empty if the folder does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be read.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;

    /// Flushes a folder's file names to the disk.
    ///
    /// # Errors
    ///
    /// Returns an error if the disk does not confirm the write.
    fn flush_folder(&mut self, path: &str) -> io::Result<()>;
}
