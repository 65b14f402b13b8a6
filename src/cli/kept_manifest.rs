//! What is read slowly in a form that is read fast, kept in `.formulac/local/` from one call to the next: a large
//! manifest, and what columns of its SQL are made of.
//!
//! A manifest that is kept says of which file it was made: its size, its times and number as the system has them, and a print of
//! its first and last bytes, where dbt writes which run it is of. It is believed where all that is still so and its own
//! checksum holds; else the manifest is read, and what is kept is made anew.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use formulac::artifacts::{Keep, Manifest};
use formulac::impact::{Graph, Lineages};
use rustc_hash::FxHasher;

/// Bytes of a manifest that is read as fast as what would be kept of it.
const SMALL: u64 = 16 << 20;
/// Bytes at either end of the file that are looked at.
const END: u64 = 4 << 10;
/// A file that was changed later than so long ago may be changed again without getting another time.
const SETTLED: Duration = Duration::from_secs(2);
/// Queries that were read and are worth a file.
const MANY: usize = 100;
const LINEAGE: &str = "lineage";
/// Where it stands in a project's folder.
const FOLDER: &str = ".formulac/local";

/// The manifest in `path`, made by `read` where it is not kept for a project in `folder`.
pub fn read<E>(
    path: &Path,
    keep: Keep,
    folder: &Path,
    read: impl FnOnce() -> Result<Option<Manifest>, E>,
) -> Result<Option<Manifest>, E> {
    let start = SystemTime::now();
    let Some(key) = Key::of(path, keep).filter(|key| key.size >= SMALL) else { return read() };
    // One for each that is asked for, so that they do not drive each other out.
    let file = folder.join(FOLDER).join(if keep == with_names() { "manifest-names" } else { "manifest" });
    if let Some(manifest) = load(&file, &key) {
        return Ok(Some(manifest));
    }
    let manifest = read()?;
    let is_settled = key.changed.checked_add(SETTLED).is_some_and(|settled| settled < start);
    if let Some(manifest) = manifest.as_ref().filter(|_| is_settled && Key::of(path, keep).as_ref() == Some(&key)) {
        // Where it cannot be kept, the next call reads the manifest again.
        let _ = store(&file, &key, manifest);
    }
    Ok(manifest)
}

/// What a command asks for that wants the SQL and of columns nothing but their names.
pub fn with_names() -> Keep {
    Keep::default().compiled_code().only_names_of_columns()
}

/// What is known of SQL from before: it says itself of which SQL it is.
pub fn lineages(folder: &Path) -> Lineages {
    let bytes = fs::read(folder.join(FOLDER).join(LINEAGE));
    bytes.ok().and_then(|bytes| Lineages::from_stored(&bytes)).unwrap_or_default()
}

/// Keeps what is known of SQL, where much was read.
pub fn keep_lineages(folder: &Path, graph: &Graph<'_>) {
    if let Some(bytes) = graph.lineages_to_store(MANY) {
        let _ = write(&folder.join(FOLDER).join(LINEAGE), &[&bytes]);
    }
}

/// What tells a state of a file.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    size: u64,
    changed: SystemTime,
    text: String,
}

impl Key {
    fn of(path: &Path, keep: Keep) -> Option<Self> {
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
        let of_system = of_system(&data);
        let text = format!("{size} {changed:?} {of_system} {:x} {keep:?}\n", hasher.finish());
        Some(Self { size, changed, text })
    }
}

/// What the system alone writes: a file's times can be set, the time when they were cannot.
#[cfg(unix)]
fn of_system(data: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{} {} {} {}", data.dev(), data.ino(), data.ctime(), data.ctime_nsec())
}

#[cfg(not(unix))]
fn of_system(data: &fs::Metadata) -> String {
    format!("{:?}", data.created().ok())
}

fn load(file: &Path, key: &Key) -> Option<Manifest> {
    let mut file = File::open(file).ok()?;
    let mut said = vec![0; key.text.len()];
    file.read_exact(&mut said).ok()?;
    if said != key.text.as_bytes() {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata().ok()?.len()).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    Manifest::from_stored(&bytes)
}

fn store(file: &Path, key: &Key, manifest: &Manifest) -> io::Result<()> {
    write(file, &[key.text.as_bytes(), &manifest.to_stored()])
}

fn write(file: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        // `init` writes this for all of a project; here may be none.
        fs::write(folder.join(".gitignore"), "*\n")?;
    }
    // Written beside its place, so that no other call sees half of it.
    let beside: PathBuf = file.with_extension(format!("{}", std::process::id()));
    let written = File::create(&beside).and_then(|mut out| parts.iter().try_for_each(|part| out.write_all(part)));
    let done = written.and_then(|()| fs::rename(&beside, file));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What is kept is believed only as long as the file is the one that it was made of, and is whole itself.
    #[test]
    fn what_is_stale_or_broken_is_not_believed() {
        let folder = std::env::temp_dir().join(format!("formulac_kept_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("manifest.json");
        let kept = folder.join(FOLDER).join("manifest");
        let text = |name: &str| {
            let padding = " ".repeat(SMALL as usize);
            format!(r#"{{"nodes": {{"model.shop.it": {{"name": "{name}", "compiled_code": "select 1"}}}}{padding}}}"#)
        };
        let old = SystemTime::now() - Duration::from_secs(60);
        let write = |name: &str, time: SystemTime| {
            fs::write(&path, text(name)).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        };
        let code = Keep::default().compiled_code();
        // The name in the manifest, and whether it was read from JSON.
        let look = |keep: Keep| {
            let is_read = Cell::new(false);
            let found = read(&path, keep, &folder, || {
                is_read.set(true);
                Manifest::from_text(&fs::read_to_string(&path).unwrap(), keep).map(Some)
            });
            (found.unwrap().unwrap().nodes[0].name.to_string(), is_read.get())
        };
        write("first", SystemTime::now());
        assert_eq!(look(code), ("first".to_owned(), true));
        assert_eq!(look(code), ("first".to_owned(), true), "it was changed just now");
        write("first", old);
        assert_eq!(look(code), ("first".to_owned(), true));
        assert_eq!(look(code), ("first".to_owned(), false));
        assert_eq!(look(Keep::default()), ("first".to_owned(), true), "without code it is another");
        assert_eq!(look(code), ("first".to_owned(), true));
        // Of the same size and time.
        write("other", old);
        assert_eq!(look(code), ("other".to_owned(), true));
        assert_eq!(look(code), ("other".to_owned(), false));
        let whole = fs::read(&kept).unwrap();
        for (what, broken) in [
            ("cut", whole[..whole.len() / 2].to_vec()),
            ("empty", Vec::new()),
            ("a bit", whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == whole.len() - 99)).collect()),
            ("longer", [whole.as_slice(), &[0; 4]].concat()),
        ] {
            fs::write(&kept, broken).unwrap();
            assert_eq!(look(code), ("other".to_owned(), true), "{what}");
            assert_eq!(look(code), ("other".to_owned(), false), "{what}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
