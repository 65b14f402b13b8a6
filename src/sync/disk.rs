//! File operations of a transaction. Only the command runs them on real files; tests let each operation fail.

use std::io;

/// Files of a project, by paths relative to its folder, with `/` between the parts.
pub trait Disk {
    /// Returns the contents of a file; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// The file exists but cannot be read.
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a new file and flushes it to the disk, with the permissions of another file if one is named.
    ///
    /// # Errors
    ///
    /// The file cannot be written; a part of it may have been written.
    fn write(&mut self, path: &str, bytes: &[u8], like: Option<&str>) -> io::Result<()>;

    /// Moves a file and replaces the file at the destination.
    ///
    /// # Errors
    ///
    /// The file cannot be moved; it stays at its old path.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The file cannot be removed; it still exists.
    fn remove(&mut self, path: &str) -> io::Result<()>;

    /// Returns `true` if a folder exists.
    fn has_folder(&mut self, path: &str) -> bool;

    /// Creates a folder in an existing folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be created.
    fn make_folder(&mut self, path: &str) -> io::Result<()>;

    /// Removes a folder if it is empty.
    ///
    /// # Errors
    ///
    /// The folder cannot be removed; it still exists.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;

    /// Returns the names of the files in a folder; empty if the folder does not exist.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;

    /// Flushes the file names of a folder to the disk.
    ///
    /// # Errors
    ///
    /// The disk does not confirm that the names were written.
    fn flush_folder(&mut self, path: &str) -> io::Result<()>;
}
