//! Cache of a large manifest.
//!
//! The cache identifies the manifest file by its size, its timestamps, its inode number, and a hash of its first and
//! last bytes, which include the ID of the dbt run. The cache is used if these values still match and its checksum is
//! valid. Otherwise the manifest is read again, but only nodes whose source has changed are parsed. The differences are
//! stored next to the cache. If many nodes differ, the complete cache is rewritten.

use std::path::Path;
use std::thread;
use std::time::SystemTime;

use formulac::artifacts::{Manifest, ManifestChanges, ManifestOutline, ManifestReadOptions, NodeDifference};

use super::CACHE_FOLDER;
use super::cache_file::{content_after_header, read_or_default, write};
use super::fingerprint::CacheKey;

/// Minimum size in bytes of a manifest that is cached. Reading a smaller manifest is as fast as reading a cache.
const MIN_CACHED_BYTES: u64 = 16 << 20;

/// The whole cache is rewritten if more than one in `REWRITE_RATIO` nodes has changed.
const REWRITE_RATIO: usize = 20;

/// Returns the manifest at `path`, from the cache if possible. Otherwise, `read` is called to read the file. The
/// arguments of `read` are an outline of the previously cached manifest, and a function that returns that manifest.
/// `read` returns the manifest together with the nodes that it parsed again.
pub fn read_manifest<E>(
    path: &Path,
    keep: ManifestReadOptions,
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
    let base = folder.join(CACHE_FOLDER).join(cache_file_name(keep));
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
    let known_outline = read_or_default(&outline, ManifestOutline::from_stored);
    let mut checksum = None;
    let done = read(&known_outline, &mut || {
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
        checksum.filter(|_| key.was_unchanged_long_enough(start) && CacheKey::from_path(path).as_ref() == Some(&key))
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
fn cache_file_name(keep: ManifestReadOptions) -> String {
    let parts = [
        ("-raw", keep.has_raw_code()),
        ("-code", keep.has_compiled_code()),
        ("-names", keep.has_only_names()),
    ];
    let words: String = parts
        .into_iter()
        .filter(|(_, is_kept)| *is_kept)
        .map(|(word, _)| word)
        .collect();
    format!("manifest{words}")
}

/// Returns the manifest parts to retain for a command that needs the models' compiled SQL and the column names, but no
/// other properties of columns.
pub fn for_compiled_sql_and_column_names() -> ManifestReadOptions {
    ManifestReadOptions::default()
        .with_compiled_code()
        .with_column_names_only()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::cli::cache::write_with_time;

    /// Checks that the cache is used only if the manifest is unchanged and the cache is intact.
    #[test]
    fn stale_or_corrupt_cache_is_ignored() {
        let folder = std::env::temp_dir().join(format!("formulac_kept_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("manifest.json");
        let cache_file = |end: &str| folder.join(CACHE_FOLDER).join(format!("manifest-code{end}"));
        let text = |name: &str| {
            let padding = " ".repeat(MIN_CACHED_BYTES as usize);
            let others = r#""model.shop.other_#": {"name": "other", "compiled_code": "select 2"}, "#;
            let others: String = (0..REWRITE_RATIO)
                .map(|number| others.replace('#', &number.to_string()))
                .collect();
            let node = format!(r#""model.shop.it": {{"name": "{name}", "compiled_code": "select 1"}}"#);
            format!(r#"{{"nodes": {{{others}{node}}}{padding}}}"#)
        };
        let old = SystemTime::now() - Duration::from_secs(60);
        let write = |name: &str, time: SystemTime| {
            write_with_time(&path, &text(name), time);
        };
        let code = ManifestReadOptions::default().with_compiled_code();
        // Returns the name of the manifest's first node, and whether the manifest was parsed from JSON.
        let look = |keep: ManifestReadOptions| {
            let is_read = Cell::new(false);
            let manifest = read_manifest(&path, keep, &folder, |outline, before| {
                is_read.set(true);
                Manifest::from_text_incremental(&fs::read_to_string(&path).unwrap(), keep, outline, before).map(Some)
            });
            (manifest.unwrap().unwrap().nodes[0].name.to_string(), is_read.get())
        };
        write("first", SystemTime::now() + Duration::from_secs(60));
        assert_eq!(look(code), ("first".to_owned(), true));
        assert_eq!(look(code), ("first".to_owned(), true), "it was changed just now");
        write("first", old);
        assert_eq!(look(code), ("first".to_owned(), true));
        assert_eq!(look(code), ("first".to_owned(), false));
        assert_eq!(
            look(ManifestReadOptions::default()),
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
        let before = fs::read(cache_file("")).unwrap();
        write("other", old);
        assert_eq!(look(code), ("other".to_owned(), true));
        assert_eq!(look(code), ("other".to_owned(), false));
        assert_eq!(fs::read(cache_file("")).unwrap(), before);
        for end in ["", ".since", ".outline"] {
            let whole = fs::read(cache_file(end)).unwrap();
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
                fs::write(cache_file(end), broken).unwrap();
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
}
