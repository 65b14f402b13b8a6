//! Cache of the results of compiled specs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formulac::{Compiler, SpecSession};

use super::cache_file::{content_after_header, write};
use super::fingerprint::{build_fingerprint, compute_checksum};
use super::{CACHE_FOLDER, MIN_CACHED_ITEMS};

/// Prefix of the names of files with compiled specs.
const SESSION_FILE_PREFIX: &str = "specs_";

/// Maximum number of files with compiled specs.
const MAX_SESSION_FILES: usize = 4;

/// Calls `compile` with the session of the previous call, so that only specs that depend on a change are compiled. The
/// session is kept only in a project with many specs, because compiling a few specs takes less time than reading a
/// session.
///
/// Commands compile with different options, so each combination of options has its own file.
pub fn with_spec_session<T>(
    folder: &Path,
    compiler: &Compiler,
    count: usize,
    compile: impl FnOnce(&mut SpecSession) -> T,
) -> T {
    let options = SpecSession::options_fingerprint(compiler);
    let file = folder
        .join(CACHE_FOLDER)
        .join(format!("{SESSION_FILE_PREFIX}{options:016x}"));
    let build = build_fingerprint().filter(|_| count >= MIN_CACHED_ITEMS);
    let stored = build.as_ref().and_then(|build| content_after_header(&file, build));
    let stored = stored.and_then(|bytes| {
        let (checksum, bytes) = bytes.split_first_chunk()?;
        SpecSession::from_bytes(bytes).filter(|_| *checksum == compute_checksum(bytes))
    });
    let mut session = stored.unwrap_or_default();
    let compiled = compile(&mut session);
    if let Some(build) = build.filter(|_| session.has_new_results())
        && let Some(bytes) = session.to_bytes()
    {
        let _ = write(folder, &file, &[build.as_bytes(), &compute_checksum(&bytes), &bytes]);
        remove_oldest_sessions(&folder.join(CACHE_FOLDER));
    }
    compiled
}

/// Removes session files for combinations of options that are no longer used.
fn remove_oldest_sessions(folder: &Path) {
    let is_session = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(SESSION_FILE_PREFIX);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let changed = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    let mut files: Vec<(SystemTime, PathBuf)> = entries.filter(is_session).filter_map(changed).collect();
    files.sort();
    for (_, file) in files.iter().rev().skip(MAX_SESSION_FILES) {
        let _ = fs::remove_file(file);
    }
}
