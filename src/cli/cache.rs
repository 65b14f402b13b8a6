//! Cache in `.formulac/local/` for data that is slow to compute: a large manifest, the column lineage of its SQL, the
//! results of compiled specs, and the views in Omni files and the columns that their fields read, if there are many
//! files. The cache is stored in a format that is fast to read, and is kept between calls.
//!
//! The cache of a manifest identifies the manifest file by its size, its timestamps, its inode number, and a hash of
//! its first and last bytes, because dbt writes the ID of the run at the ends of the file. The cache is used if these
//! values still match and its checksum is valid. Otherwise the manifest is read again, but only nodes whose source has
//! changed are parsed. The differences are stored next to the cache. If many nodes differ, the complete cache is
//! rewritten.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::bounds::WritableFolders;
use formulac::artifacts::{KeptParts, Manifest, ManifestChanges, ManifestOutline, NodeDifference};
use formulac::impact::{Graph, LineageCache, OmniFields};
use formulac::omni::{ExistingFiles, ParsedFiles};
use formulac::{Compiler, SpecSession};
use rustc_hash::FxHasher;

/// Minimum size in bytes of a manifest that is cached. Reading a smaller manifest is as fast as reading a cache.
const MIN_CACHED_BYTES: u64 = 16 << 20;
/// Number of bytes that are hashed at each end of the file.
const END: u64 = 4 << 10;
/// Minimum time since the last change to a cached file. A file that changed more recently may change again while its
/// timestamp stays the same.
const MIN_AGE: Duration = Duration::from_secs(2);
/// The whole cache is rewritten if more than one in `REWRITE_RATIO` nodes has changed.
const REWRITE_RATIO: usize = 20;
/// Minimum number of parsed queries or files for which a cache file is written.
const MIN_CACHED_ITEMS: usize = 100;
const LINEAGE: &str = "lineage";
const OMNI: &str = "omni";
const OMNI_FILES: &str = "omni_files";
/// Prefix of the names of files with compiled specs.
const SPECS: &str = "specs_";
/// Maximum number of files with compiled specs.
const MAX_SESSIONS: usize = 4;
/// Number of bytes at the start of the program that identify the build.
const PROGRAM_START: u64 = 64 << 10;
/// Folder of the cache, relative to the project's folder.
const FOLDER: &str = ".formulac/local";

/// Returns the manifest at `path`, from the cache if possible. Otherwise, `read` is called to read the file. The
/// arguments of `read` are an outline of the previously cached manifest, and a function that returns that manifest.
/// `read` returns the manifest together with the nodes that it parsed again.
pub fn read<E>(
    path: &Path,
    keep: KeptParts,
    folder: &Path,
    read: impl FnOnce(
        &ManifestOutline,
        &mut dyn FnMut() -> Option<Manifest>,
    ) -> Result<Option<(Manifest, ManifestChanges)>, E>,
) -> Result<Option<Manifest>, E> {
    let start = SystemTime::now();
    let Some(key) = CacheKey::from_path(path).filter(|key| key.size >= MIN_CACHED_BYTES) else {
        return Ok(read(&ManifestOutline::default(), &mut || None)?.map(|(manifest, _)| manifest));
    };
    let base = folder.join(FOLDER).join(cache_file_name(keep));
    let (outline, since) = (base.with_extension("outline"), base.with_extension("since"));
    let file = base.clone();
    let mut earlier = thread::Builder::new().spawn(move || CachedManifest::read(&file)).ok();
    let mut earlier = || earlier.take()?.join().ok().flatten();
    let mut cached_manifest = None;
    if let Some(difference) = content_after_header(&since, &key.text) {
        cached_manifest = earlier();
        match (cached_manifest, ManifestUpdate::from_bytes(&difference)) {
            (Some(known), Some(since)) if known.checksum == since.checksum => {
                return Ok(Some(known.manifest.with_difference(since.difference)));
            }
            (other, _) => cached_manifest = other,
        }
    }
    let outline_known = content_after_header(&outline, "")
        .and_then(|bytes| ManifestOutline::from_stored(&bytes))
        .unwrap_or_default();
    let mut checksum = None;
    let done = read(&outline_known, &mut || {
        let base = cached_manifest.take().or_else(&mut earlier)?;
        checksum = Some(base.checksum);
        Some(base.manifest)
    })?;
    let Some((manifest, mut changes)) = done else {
        return Ok(None);
    };
    // If the cache cannot be written, the next call reads the manifest again.
    if changes.parsed_count() > manifest.nodes.len() / REWRITE_RATIO || checksum.is_none() {
        let bytes = manifest.to_stored();
        let _ = write(folder, &base, &[&bytes]);
        let _ = write(folder, &outline, &[&manifest.outline().to_stored()]);
        checksum = stored_checksum(&bytes);
        changes = ManifestChanges::default();
    }
    if let Some(checksum) =
        checksum.filter(|_| key.is_settled(start) && CacheKey::from_path(path).as_ref() == Some(&key))
    {
        let _ = write(
            folder,
            &since,
            &[
                key.text.as_bytes(),
                &checksum,
                &manifest.difference(&changes).to_stored(),
            ],
        );
    }
    Ok(Some(manifest))
}

/// A completely cached manifest, with its checksum.
struct CachedManifest {
    manifest: Manifest,
    checksum: [u8; 8],
}

impl CachedManifest {
    fn read(file: &Path) -> Option<Self> {
        let bytes = content_after_header(file, "")?;
        Some(Self {
            checksum: stored_checksum(&bytes)?,
            manifest: Manifest::from_stored(&bytes)?,
        })
    }
}

/// Returns the checksum in the last bytes of stored data.
fn stored_checksum(bytes: &[u8]) -> Option<[u8; 8]> {
    bytes.last_chunk().copied()
}

/// Changes to a manifest since the complete cache was written.
struct ManifestUpdate {
    /// Checksum of the cached manifest.
    checksum: [u8; 8],
    difference: NodeDifference,
}

impl ManifestUpdate {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (checksum, stored) = bytes.split_first_chunk()?;
        Some(Self {
            checksum: *checksum,
            difference: NodeDifference::from_stored(stored)?,
        })
    }
}

/// Returns the name of the cache file. Each combination of retained parts has a separate file, so that commands
/// do not overwrite each other's cache.
fn cache_file_name(keep: KeptParts) -> String {
    let all = [
        ("-raw", keep.has_raw_code()),
        ("-code", keep.has_compiled_code()),
        ("-names", keep.has_only_names()),
    ];
    let words: String = all
        .into_iter()
        .filter(|(_, is_kept)| *is_kept)
        .map(|(word, _)| word)
        .collect();
    format!("manifest{words}")
}

/// Returns the manifest parts to retain for a command that needs the models' compiled SQL and the column names, but no
/// other facts about columns.
pub fn for_compiled_sql_and_column_names() -> KeptParts {
    KeptParts::default().compiled_code().with_column_names_only()
}

/// Reads the cached column lineage of queries. Each lineage records the SQL from which it was derived.
pub fn read_lineages(folder: &Path) -> LineageCache {
    let bytes = content_after_header(&folder.join(FOLDER).join(LINEAGE), "");
    bytes
        .and_then(|bytes| LineageCache::from_stored(&bytes))
        .unwrap_or_default()
}

/// Caches the column lineage of queries if many queries were parsed.
pub fn write_lineages(folder: &Path, graph: &Graph<'_>) {
    if let Some(bytes) = graph.lineages_to_store(MIN_CACHED_ITEMS) {
        let _ = write(folder, &folder.join(FOLDER).join(LINEAGE), &[&bytes]);
    }
}

/// Returns the columns that the fields in Omni files read, from the cache if possible, otherwise from `read`. The
/// result is cached if the files have no errors, and is computed again if one of the files changes. `about` describes
/// all other inputs on which the result depends.
pub fn read_omni_fields(
    files: &[PathBuf],
    about: &str,
    folder: &Path,
    read: impl FnOnce() -> (OmniFields, bool),
) -> OmniFields {
    let start = SystemTime::now();
    let Some(key) = combined_cache_key(files, about).filter(|_| files.len() >= MIN_CACHED_ITEMS) else {
        return read().0;
    };
    let file = folder.join(FOLDER).join(OMNI);
    if let Some(fields) = content_after_header(&file, &key.text).and_then(|bytes| OmniFields::from_stored(&bytes)) {
        return fields;
    }
    let (fields, is_sound) = read();
    if is_sound && key.is_settled(start) && combined_cache_key(files, about).as_ref() == Some(&key) {
        let _ = write(folder, &file, &[key.text.as_bytes(), &fields.to_stored()]);
    }
    fields
}

/// Reads the results of parsing the files of the Omni model in an earlier call. Each result records the fingerprint of
/// its file's text.
pub fn read_parsed_omni_files(folder: &Path) -> ParsedFiles {
    let bytes = content_after_header(&folder.join(FOLDER).join(OMNI_FILES), "");
    bytes
        .and_then(|bytes| ParsedFiles::from_stored(&bytes))
        .unwrap_or_default()
}

/// Caches the results of parsing the files of the Omni model if many files were parsed.
pub fn write_parsed_omni_files(folder: &Path, files: &ExistingFiles) {
    if files.parsed_count() >= MIN_CACHED_ITEMS {
        let _ = write(folder, &folder.join(FOLDER).join(OMNI_FILES), &[&files.to_stored()]);
    }
}

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
    let file = folder.join(FOLDER).join(format!("{SPECS}{options:016x}"));
    let build = build_fingerprint().filter(|_| count >= MIN_CACHED_ITEMS);
    let stored = build.as_ref().and_then(|build| content_after_header(&file, build));
    let stored = stored.and_then(|bytes| {
        let (checksum, bytes) = bytes.split_first_chunk()?;
        SpecSession::from_bytes(bytes).filter(|_| *checksum == checksum_of(bytes))
    });
    let mut session = stored.unwrap_or_default();
    let compiled = compile(&mut session);
    if let Some(build) = build.filter(|_| session.has_new_results())
        && let Some(bytes) = session.to_bytes()
    {
        let _ = write(folder, &file, &[build.as_bytes(), &checksum_of(&bytes), &bytes]);
        remove_oldest_sessions(&folder.join(FOLDER));
    }
    compiled
}

/// Removes session files for combinations of options that are no longer used.
fn remove_oldest_sessions(folder: &Path) {
    let is_session = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(SPECS);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let changed = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    let mut files: Vec<(SystemTime, PathBuf)> = entries.filter(is_session).filter_map(changed).collect();
    files.sort();
    for (_, file) in files.iter().rev().skip(MAX_SESSIONS) {
        let _ = fs::remove_file(file);
    }
}

/// Returns a string that identifies this build of the command, because other builds may compile specs to different SQL.
/// The linker writes a build ID near the start of the executable.
fn build_fingerprint() -> Option<String> {
    let program = File::open(std::env::current_exe().ok()?).ok()?;
    let data = program.metadata().ok()?;
    let mut start = Vec::new();
    program.take(PROGRAM_START).read_to_end(&mut start).ok()?;
    let (version, start) = (env!("CARGO_PKG_VERSION"), u64::from_le_bytes(checksum_of(&start)));
    Some(format!(
        "{version} {} {:?} {start:x}\n",
        data.len(),
        data.modified().ok()?
    ))
}

fn checksum_of(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}

/// Computes a key that identifies the state of many files, from their metadata.
fn combined_cache_key(files: &[PathBuf], about: &str) -> Option<CacheKey> {
    let (mut hasher, mut size, mut changed) = (FxHasher::default(), 0, SystemTime::UNIX_EPOCH);
    for path in files {
        let data = fs::metadata(path).ok()?;
        size += data.len();
        let of_file = data.modified().ok()?;
        changed = changed.max(of_file);
        hasher.write(
            format!(
                "{} {} {of_file:?} {}\n",
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

/// Key that identifies the state of a file.
#[derive(Debug, PartialEq, Eq)]
struct CacheKey {
    size: u64,
    changed: SystemTime,
    text: String,
}

impl CacheKey {
    fn from_path(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let data = file.metadata().ok()?;
        let (size, changed) = (data.len(), data.modified().ok()?);
        let mut hasher = FxHasher::default();
        for from in [0, size.saturating_sub(END)] {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(from)).ok()?;
            (&mut file).take(END).read_to_end(&mut bytes).ok()?;
            hasher.write(&bytes);
        }
        let of_system = metadata_fingerprint(&data);
        let text = format!("{size} {changed:?} {of_system} {:x}\n", hasher.finish());
        Some(Self { size, changed, text })
    }

    /// Returns whether the file was last changed long enough before `start` that any later change has a different
    /// timestamp.
    fn is_settled(&self, start: SystemTime) -> bool {
        self.changed.checked_add(MIN_AGE).is_some_and(|settled| settled < start)
    }
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
fn inode(data: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{} {}", data.dev(), data.ino())
}

/// Returns the creation time of a file, because the system has no inode numbers.
#[cfg(not(unix))]
fn inode(data: &fs::Metadata) -> String {
    format!("{:?}", data.created().ok())
}

/// Returns the content of a cache file after the header `text`, or `None` if the file has a different header or was not
/// written here by [`write`].
fn content_after_header(file: &Path, text: &str) -> Option<Vec<u8>> {
    let mut file = File::open(file).ok()?;
    let data = file.metadata().ok()?;
    let header = file_identity(&data, data.modified().ok()?) + text;
    let mut start = vec![0; header.len()];
    file.read_exact(&mut start).ok()?;
    if start != header.as_bytes() {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(data.len()).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Returns the first line of a cache file, which is valid only for this file. A file that somebody else wrote, for
/// example a file in a cloned repository, has a different inode number and modification time, so it cannot replace the
/// results that formulac would compute.
fn file_identity(data: &fs::Metadata, modified: SystemTime) -> String {
    format!("{} {modified:?}\n", inode(data))
}

/// Writes a cache file in the project at `root`, unless a link leads out of the project.
fn write(root: &Path, file: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let is_inside = WritableFolders::from_project(root)
        .and_then(|bounds| bounds.resolve_path(file))
        .is_ok();
    if !is_inside {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        // `init` writes a `.gitignore` for the whole project, but a project may exist without `init`.
        fs::write(folder.join(".gitignore"), "*\n")?;
    }
    // Write a temporary file first, so that other processes never see a partial file.
    let temporary: PathBuf = file.with_extension(format!("{}", std::process::id()));
    let written = File::create(&temporary).and_then(|mut out| {
        let now = SystemTime::now();
        out.write_all(file_identity(&out.metadata()?, now).as_bytes())?;
        parts.iter().try_for_each(|part| out.write_all(part))?;
        out.set_modified(now)
    });
    let done = written.and_then(|()| fs::rename(&temporary, file));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Checks that the cache is used only if the manifest is unchanged and the cache is intact.
    #[test]
    fn stale_or_corrupt_cache_is_ignored() {
        let folder = std::env::temp_dir().join(format!("formulac_kept_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("manifest.json");
        let kept = |end: &str| folder.join(FOLDER).join(format!("manifest-code{end}"));
        let text = |name: &str| {
            let padding = " ".repeat(MIN_CACHED_BYTES as usize);
            let others = r#""model.shop.other_#": {"name": "other", "compiled_code": "select 2"}, "#;
            let others: String = (0..REWRITE_RATIO)
                .map(|number| others.replace('#', &number.to_string()))
                .collect();
            let one = format!(r#""model.shop.it": {{"name": "{name}", "compiled_code": "select 1"}}"#);
            format!(r#"{{"nodes": {{{others}{one}}}{padding}}}"#)
        };
        let old = SystemTime::now() - Duration::from_secs(60);
        let write = |name: &str, time: SystemTime| {
            fs::write(&path, text(name)).unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        let code = KeptParts::default().compiled_code();
        // Returns the name in the manifest, and whether the manifest was parsed from JSON.
        let look = |keep: KeptParts| {
            let is_read = Cell::new(false);
            let manifest = read(&path, keep, &folder, |outline, before| {
                is_read.set(true);
                Manifest::from_text_and_earlier(&fs::read_to_string(&path).unwrap(), keep, outline, before).map(Some)
            });
            (manifest.unwrap().unwrap().nodes[0].name.to_string(), is_read.get())
        };
        write("first", SystemTime::now());
        assert_eq!(look(code), ("first".to_owned(), true));
        assert_eq!(look(code), ("first".to_owned(), true), "it was changed just now");
        write("first", old);
        assert_eq!(look(code), ("first".to_owned(), true));
        assert_eq!(look(code), ("first".to_owned(), false));
        assert_eq!(
            look(KeptParts::default()),
            ("first".to_owned(), true),
            "another entry, because it has no code"
        );
        assert_eq!(
            look(code),
            ("first".to_owned(), false),
            "the other entry is still cached"
        );
        // The new file has the same size and timestamp. One node of many differs, so the difference is stored next to
        // the cache.
        let before = fs::read(kept("")).unwrap();
        write("other", old);
        assert_eq!(look(code), ("other".to_owned(), true));
        assert_eq!(look(code), ("other".to_owned(), false));
        assert_eq!(fs::read(kept("")).unwrap(), before);
        for end in ["", ".since", ".outline"] {
            let whole = fs::read(kept(end)).unwrap();
            for (what, broken) in [
                ("cut", whole[..whole.len() / 2].to_vec()),
                ("empty", Vec::new()),
                (
                    "a bit",
                    whole
                        .iter()
                        .enumerate()
                        .map(|(at, byte)| byte ^ u8::from(at == whole.len() - 99))
                        .collect(),
                ),
                ("longer", [whole.as_slice(), &[0; 4]].concat()),
            ] {
                fs::write(kept(end), broken).unwrap();
                // The outline is needed only if the manifest has changed.
                assert_eq!(look(code), ("other".to_owned(), end != ".outline"), "{what}{end}");
                assert_eq!(look(code), ("other".to_owned(), false), "{what}{end}");
                write("again", old);
                assert_eq!(look(code), ("again".to_owned(), true), "{what}{end}");
                write("other", old);
                assert_eq!(look(code), ("other".to_owned(), true), "{what}{end}");
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    /// Checks that a large set of files is read only once, and is read again if a file is changed or added.
    #[test]
    fn files_are_reread_after_one_is_replaced() {
        let folder = std::env::temp_dir().join(format!("formulac_kept_omni_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let old = SystemTime::now() - Duration::from_secs(60);
        let write = |number: usize, column: &str, time: SystemTime| {
            let path = folder.join(format!("v_{number}.view.yaml"));
            fs::write(
                &path,
                format!("table_name: t_{number}\ndimensions: {{a: {{sql: '\"{column}\"'}}}}\n"),
            )
            .unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
            path
        };
        let mut files: Vec<PathBuf> = (0..MIN_CACHED_ITEMS).map(|number| write(number, "a", old)).collect();
        let look = |files: &[PathBuf], about: &str, is_sound: bool| {
            let is_read = Cell::new(false);
            let fields = read_omni_fields(files, about, &folder, || {
                is_read.set(true);
                let texts = files
                    .iter()
                    .map(|path| (path.to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()));
                (OmniFields::from_texts(&texts.collect::<Vec<_>>(), None).0, is_sound)
            });
            assert!(!fields.is_empty());
            is_read.get()
        };
        assert_eq!(
            [look(&files, "", false), look(&files, "", true), look(&files, "", true)],
            [true, true, false]
        );
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, false]
        );
        write(7, "b", old);
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, false]
        );
        files.push(write(MIN_CACHED_ITEMS, "a", old));
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, false]
        );
        write(7, "c", SystemTime::now());
        assert_eq!(
            [look(&files, "snowflake", true), look(&files, "snowflake", true)],
            [true, true],
            "just now"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
