//! Cache files, which are valid only if this program wrote them at their current location.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::fingerprint::inode;
use crate::cli::writable_folders::WritableFolders;

/// Returns the content of a cache file after the header `text`, or `None` if the file has a different header or was not
/// written here by [`write`].
pub fn content_after_header(file: &Path, text: &str) -> Option<Vec<u8>> {
    let mut file = File::open(file).ok()?;
    let data = file.metadata().ok()?;
    let header = cache_file_header(&data, data.modified().ok()?) + text;
    let mut start = vec![0; header.len()];
    file.read_exact(&mut start).ok()?;
    if start != header.as_bytes() {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(data.len()).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Returns the value in a cache file without a key, or the default value if the file cannot be used.
pub fn read_or_default<T: Default>(file: &Path, from_stored: impl FnOnce(&[u8]) -> Option<T>) -> T {
    content_after_header(file, "")
        .and_then(|bytes| from_stored(&bytes))
        .unwrap_or_default()
}

/// Returns the first line of a cache file. The line is valid only for this file. A file that somebody else wrote, for
/// example a file in a cloned repository, has a different inode number and modification time, so it cannot replace the
/// results that formulac would compute.
fn cache_file_header(data: &fs::Metadata, modified: SystemTime) -> String {
    format!("{} {modified:?}\n", inode(data))
}

/// Writes a cache file in the project at `root`, unless a link leads out of the project.
pub fn write(root: &Path, file: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let is_inside = WritableFolders::from_project(root)
        .and_then(|bounds| bounds.resolve_path(file))
        .is_ok();
    if !is_inside {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        // `init` writes a `.gitignore` for the whole project, but a project may have been set up without `init`.
        fs::write(folder.join(".gitignore"), "*\n")?;
    }
    // Write a temporary file first, so that other processes never see a partial file.
    let temporary: PathBuf = file.with_extension(format!("{}", std::process::id()));
    let result = File::create(&temporary).and_then(|mut out| {
        let now = SystemTime::now();
        out.write_all(cache_file_header(&out.metadata()?, now).as_bytes())?;
        parts.iter().try_for_each(|part| out.write_all(part))?;
        out.set_modified(now)
    });
    let result = result.and_then(|()| fs::rename(&temporary, file));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}
