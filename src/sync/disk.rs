//! What a transaction does to files. Only the command does it; tests let each operation fail.

use std::io;

/// Files of a project, by paths seen from its folder, with `/` between their parts.
pub trait Disk {
    /// The bytes of a file; `None` if nothing is there.
    ///
    /// # Errors
    ///
    /// There is something that cannot be read.
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file that is not there yet, down to the disk, with the permissions of another where that is named.
    ///
    /// # Errors
    ///
    /// It cannot be written; a part of it may be.
    fn write(&mut self, path: &str, bytes: &[u8], like: Option<&str>) -> io::Result<()>;

    /// Moves a file, over what stands there.
    ///
    /// # Errors
    ///
    /// It stays where it was.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// It is still there.
    fn remove(&mut self, path: &str) -> io::Result<()>;

    /// Whether there is a folder.
    fn has_folder(&mut self, path: &str) -> bool;

    /// Makes one folder in one that is there.
    ///
    /// # Errors
    ///
    /// It is not there.
    fn make_folder(&mut self, path: &str) -> io::Result<()>;

    /// Removes a folder where it is empty.
    ///
    /// # Errors
    ///
    /// It is still there.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;

    /// The names of the files in a folder; empty if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;

    /// Brings a folder's names down to the disk.
    ///
    /// # Errors
    ///
    /// The disk does not say that they are there.
    fn flush_folder(&mut self, path: &str) -> io::Result<()>;
}
