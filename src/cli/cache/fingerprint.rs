//! Fingerprints that identify the state of files and the build of formulac.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustc_hash::FxHasher;

/// Number of bytes that are hashed at each end of a file.
const HASHED_BYTES_PER_END: u64 = 4 << 10;

/// Minimum time since the last change to a cached file. A file that changed more recently may change again while its
/// timestamp stays the same.
const MIN_UNCHANGED_AGE: Duration = Duration::from_secs(2);

/// Number of bytes at the start of the program that identify the build.
const EXECUTABLE_PREFIX_BYTES: u64 = 64 << 10;

/// Key that identifies the state of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct CacheKey {
    pub size: u64,
    changed: SystemTime,
    pub text: String,
}

impl CacheKey {
    pub fn from_path(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let data = file.metadata().ok()?;
        let (size, changed) = (data.len(), data.modified().ok()?);
        let mut hasher = FxHasher::default();
        for from in [0, size.saturating_sub(HASHED_BYTES_PER_END)] {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(from)).ok()?;
            (&mut file).take(HASHED_BYTES_PER_END).read_to_end(&mut bytes).ok()?;
            hasher.write(&bytes);
        }
        let metadata = metadata_fingerprint(&data);
        let text = format!("{size} {changed:?} {metadata} {:x}\n", hasher.finish());
        Some(Self { size, changed, text })
    }

    /// Returns whether the file was last changed long enough before `start` that any later change has a different
    /// timestamp.
    pub fn was_unchanged_long_enough(&self, start: SystemTime) -> bool {
        self.changed
            .checked_add(MIN_UNCHANGED_AGE)
            .is_some_and(|settled| settled < start)
    }
}

/// Computes a key that identifies the state of many files, from their metadata.
pub fn combined_cache_key(files: &[PathBuf], about: &str) -> Option<CacheKey> {
    let (mut hasher, mut size, mut changed) = (FxHasher::default(), 0, SystemTime::UNIX_EPOCH);
    for path in files {
        let data = fs::metadata(path).ok()?;
        size += data.len();
        let modified = data.modified().ok()?;
        changed = changed.max(modified);
        hasher.write(
            format!(
                "{} {} {modified:?} {}\n",
                path.display(),
                data.len(),
                metadata_fingerprint(&data)
            )
            .as_bytes(),
        );
    }
    let text = format!("{} {size} {:x} {about}\n", files.len(), hasher.finish());
    Some(CacheKey { size, changed, text })
}

/// Returns a string that identifies this build of the command, because other builds may compile specs to different SQL.
/// The linker writes a build ID near the start of the executable.
pub fn build_fingerprint() -> Option<String> {
    let program = File::open(std::env::current_exe().ok()?).ok()?;
    let data = program.metadata().ok()?;
    let mut start = Vec::new();
    program.take(EXECUTABLE_PREFIX_BYTES).read_to_end(&mut start).ok()?;
    let (version, start) = (env!("CARGO_PKG_VERSION"), u64::from_le_bytes(compute_checksum(&start)));
    Some(format!(
        "{version} {} {:?} {start:x}\n",
        data.len(),
        data.modified().ok()?
    ))
}

pub fn compute_checksum(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}

/// Returns file metadata that only the operating system can write. A program can set the modification time of a file,
/// but not the time of the last metadata change.
#[cfg(unix)]
fn metadata_fingerprint(data: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{} {} {}", inode(data), data.ctime(), data.ctime_nsec())
}

#[cfg(not(unix))]
fn metadata_fingerprint(data: &fs::Metadata) -> String {
    inode(data)
}

/// Returns the device and inode number of a file, which stay the same if the file is renamed.
#[cfg(unix)]
pub fn inode(data: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{} {}", data.dev(), data.ino())
}

/// Returns the creation time of a file, on systems that have no inode numbers.
#[cfg(not(unix))]
pub fn inode(data: &fs::Metadata) -> String {
    format!("{:?}", data.created().ok())
}
