//! Transactions that change many files. Either all changes or none are applied, even if the process is killed.
//!
//! All new contents are first written to a separate folder. A single rename then moves the journal into place, and each
//! file is moved to its final path. Once the journal is in place, the change will be completed: if this run is killed,
//! the next run completes it. Files that somebody else has changed in the meantime are never modified. A change that
//! fails is undone. The journal is renamed first, so that the next run also undoes the change if this run is killed.

use std::fmt;
use std::io;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::disk::Disk;

/// Folder for the pending change, relative to the project's folder.
pub const JOURNAL_FOLDER: &str = ".formulac/local/journal";

/// Change to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Path of the file, relative to the project's folder.
    pub path: String,
    /// Current contents. `None` if the file does not exist.
    pub before: Option<Vec<u8>>,
    /// Contents to write. `None` if the file is removed.
    pub after: Option<Vec<u8>>,
}

/// Reason why a change failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransactionFault {
    /// A file operation failed at this path.
    Io(String, io::Error),
    /// Somebody changed this file after the change was planned.
    Foreign(String),
    /// An earlier run left an invalid journal at this path.
    Unreadable(String),
}

impl fmt::Display for TransactionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "cannot change `{path}`: {error}"),
            Self::Foreign(path) => write!(f, "`{path}` was changed in the meantime"),
            Self::Unreadable(path) => write!(f, "`{path}` is damaged"),
        }
    }
}

impl std::error::Error for TransactionFault {}

/// Pending change that is stored in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Data that the caller needs when the change is completed.
    pub note: Value,
    entries: Vec<JournalEntry>,
    /// Folders that the change creates, outer folders first.
    folders: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct JournalEntry {
    path: String,
    before: Option<String>,
    after: Option<String>,
}

/// Change that an earlier run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterruptedTransaction {
    /// No change.
    Nothing,
    /// The change must be completed.
    ToFinish(Journal),
    /// The change failed and must be undone.
    ToUndo(Journal),
}

/// Returns the hash of a file's contents.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn journal_path(name: &str) -> String {
    format!("{JOURNAL_FOLDER}/{name}")
}

const JOURNAL_FILE: &str = "journal.json";
const UNDO_FILE: &str = "undo.json";
const DRAFT_JOURNAL_FILE: &str = "journal.json.tmp";

/// Writes a change to the journal's folder, without changing any other file. After this function succeeds, the change
/// is guaranteed to be either completed or undone.
///
/// # Errors
///
/// Returns an error if an operation failed. No file is changed in this case.
pub fn prepare(disk: &mut impl Disk, changes: &[FileChange], note: Value) -> Result<Journal, TransactionFault> {
    let mut folders: Vec<String> = Vec::new();
    for change in changes.iter().filter(|change| change.after.is_some()) {
        for folder in parent_folders(&change.path) {
            if !folders.contains(&folder) && !disk.has_folder(&folder) {
                folders.push(folder);
            }
        }
    }
    for folder in parent_folders(&journal_path(DRAFT_JOURNAL_FILE)) {
        if !disk.has_folder(&folder) {
            disk.make_folder(&folder).map_err(io_fault(&folder))?;
        }
    }
    let hash = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(content_hash);
    let mut entries = Vec::with_capacity(changes.len());
    for (number, change) in changes.iter().enumerate() {
        let like = change.before.as_ref().map(|_| change.path.as_str());
        for (name, bytes) in [("before", &change.before), ("after", &change.after)] {
            if let Some(bytes) = bytes {
                let path = journal_path(&format!("{name}-{number}"));
                disk.write(&path, bytes, like).map_err(io_fault(&path))?;
            }
        }
        entries.push(JournalEntry {
            path: change.path.clone(),
            before: hash(&change.before),
            after: hash(&change.after),
        });
    }
    let journal = Journal { note, entries, folders };
    let draft = journal_path(DRAFT_JOURNAL_FILE);
    disk.write(&draft, journal.text().as_bytes(), None)
        .map_err(io_fault(&draft))?;
    disk.flush_folder(JOURNAL_FOLDER).map_err(io_fault(JOURNAL_FOLDER))?;
    disk.rename(&draft, &journal_path(JOURNAL_FILE))
        .map_err(io_fault(&draft))?;
    // From here on, the change will be completed, even if the journal's name has not been written to the disk yet.
    let _ = disk.flush_folder(JOURNAL_FOLDER);
    Ok(journal)
}

/// Returns the change that an earlier run left behind, if any. A change whose preparation is incomplete is discarded.
///
/// # Errors
///
/// Returns an error if the journal cannot be read or is invalid.
pub fn find_interrupted_transaction(disk: &mut impl Disk) -> Result<InterruptedTransaction, TransactionFault> {
    for (name, to_undo) in [(JOURNAL_FILE, false), (UNDO_FILE, true)] {
        let path = journal_path(name);
        let Some(bytes) = disk.read(&path).map_err(io_fault(&path))? else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let journal = Journal::read(&text).ok_or(TransactionFault::Unreadable(path))?;
        return Ok(if to_undo {
            InterruptedTransaction::ToUndo(journal)
        } else {
            InterruptedTransaction::ToFinish(journal)
        });
    }
    clear(disk)?;
    Ok(InterruptedTransaction::Nothing)
}

/// Returns whether an earlier run left a change behind. Changes no file.
///
/// # Errors
///
/// Returns an error if the journal cannot be read.
pub fn is_transaction_interrupted(disk: &mut impl Disk) -> Result<bool, TransactionFault> {
    for path in [journal_path(JOURNAL_FILE), journal_path(UNDO_FILE)] {
        let content = disk.read(&path);
        if content.map_err(io_fault(&path))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Journal {
    /// Returns the paths of the files in this change.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.path.as_str())
    }

    /// Applies the change to every file. Files that already have the new contents are not written again.
    ///
    /// # Errors
    ///
    /// Returns an error if an operation failed, or if somebody changed a file after the change was prepared. The caller
    /// can then undo the change or try again.
    pub fn apply(&self, disk: &mut impl Disk) -> Result<(), TransactionFault> {
        // Check all files before the first file is modified.
        if let Some(entry) = self.find_rewritten_entry(disk)? {
            return Err(TransactionFault::Foreign(entry.path.clone()));
        }
        for folder in &self.folders {
            if !disk.has_folder(folder) {
                disk.make_folder(folder).map_err(io_fault(folder))?;
            }
        }
        self.move_files(disk, "after", false, |entry| (&entry.before, &entry.after))
    }

    /// Returns `true` if somebody else changed a file, so that the file has neither the old nor the new contents.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read.
    pub fn has_rewritten_file(&self, disk: &mut impl Disk) -> Result<bool, TransactionFault> {
        Ok(self.find_rewritten_entry(disk)?.is_some())
    }

    fn find_rewritten_entry(&self, disk: &mut impl Disk) -> Result<Option<&JournalEntry>, TransactionFault> {
        for entry in &self.entries {
            let now = entry.current_content_hash(disk)?;
            if now != entry.before && now != entry.after {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Restores the old contents of every file. Files that somebody else has changed are not restored.
    ///
    /// # Errors
    ///
    /// Returns an error if an operation failed. The next run then tries again. If the first operation failed, the next
    /// run completes the change instead.
    pub fn undo(&self, disk: &mut impl Disk) -> Result<(), TransactionFault> {
        self.restore_files(disk, false)
    }

    /// Restores every file, including files that were rewritten after the change was applied.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Journal::undo`].
    pub fn undo_all_files(&self, disk: &mut impl Disk) -> Result<(), TransactionFault> {
        self.restore_files(disk, true)
    }

    fn restore_files(&self, disk: &mut impl Disk, all: bool) -> Result<(), TransactionFault> {
        let (forward, backward) = (journal_path(JOURNAL_FILE), journal_path(UNDO_FILE));
        if disk.read(&backward).map_err(io_fault(&backward))?.is_none() {
            disk.rename(&forward, &backward).map_err(io_fault(&forward))?;
        }
        self.move_files(disk, "before", all, |entry| (&entry.after, &entry.before))?;
        for folder in self.folders.iter().rev() {
            // The folder remains if somebody has added a file to the folder.
            let _ = disk.remove_folder(folder);
        }
        disk.remove(&backward).map_err(io_fault(&backward))?;
        clear(disk)
    }

    /// Stores a string with the journal, so that the next run can read which step was completed.
    ///
    /// # Errors
    ///
    /// Returns an error if the text cannot be written.
    pub fn write_marker(&self, disk: &mut impl Disk, name: &str, text: &str) -> Result<(), TransactionFault> {
        let path = journal_path(name);
        let draft = journal_path(&format!("{name}.tmp"));
        disk.write(&draft, text.as_bytes(), None)
            .and_then(|()| disk.rename(&draft, &path))
            .map_err(io_fault(&path))
    }

    /// Returns the text that [`Journal::write_marker`] stored. `None` if no text was stored.
    pub fn read_marker(&self, disk: &mut impl Disk, name: &str) -> Option<String> {
        let bytes = disk.read(&journal_path(name)).ok().flatten()?;
        String::from_utf8(bytes).ok()
    }

    /// Removes the journal. The caller must first complete the change and all related steps.
    ///
    /// # Errors
    ///
    /// Returns an error if the journal cannot be removed. The next run then completes the change again, which has no
    /// effect.
    pub fn finish(&self, disk: &mut impl Disk) -> Result<(), TransactionFault> {
        let forward = journal_path(JOURNAL_FILE);
        disk.remove(&forward).map_err(io_fault(&forward))?;
        // The next run discards any remaining files.
        let _ = clear(disk);
        Ok(())
    }

    fn move_files<'e>(
        &'e self,
        disk: &mut impl Disk,
        kept: &str,
        all: bool,
        way: impl Fn(&'e JournalEntry) -> (&'e Option<String>, &'e Option<String>),
    ) -> Result<(), TransactionFault> {
        let mut touched: Vec<&str> = Vec::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let (from, to) = way(entry);
            // Check again, because somebody may have changed the file since the first check.
            let now = entry.current_content_hash(disk)?;
            if now == *to || (now != *from && !all) {
                continue;
            }
            let failed = io_fault(&entry.path);
            match to {
                Some(_) => disk
                    .rename(&journal_path(&format!("{kept}-{number}")), &entry.path)
                    .map_err(failed)?,
                None => disk.remove(&entry.path).map_err(failed)?,
            }
            touched.push(entry.path.rsplit_once('/').map_or("", |(folder, _)| folder));
        }
        touched.sort_unstable();
        touched.dedup();
        for folder in touched {
            disk.flush_folder(folder).map_err(io_fault(folder))?;
        }
        Ok(())
    }

    fn text(&self) -> String {
        let entry = |entry: &JournalEntry| json!({"path": entry.path, "before": entry.before, "after": entry.after});
        let entries: Vec<Value> = self.entries.iter().map(entry).collect();
        format!(
            "{:#}\n",
            json!({"note": self.note, "folders": self.folders, "files": entries})
        )
    }

    fn read(text: &str) -> Option<Self> {
        let root: Value = serde_json::from_str(text).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let entry = |value: &Value| {
            Some(JournalEntry {
                path: text(value.get("path")?)?,
                before: value.get("before").and_then(&text),
                after: value.get("after").and_then(&text),
            })
        };
        Some(Self {
            note: root.get("note")?.clone(),
            entries: root
                .get("files")?
                .as_array()?
                .iter()
                .map(entry)
                .collect::<Option<_>>()?,
            folders: root
                .get("folders")?
                .as_array()?
                .iter()
                .map(text)
                .collect::<Option<_>>()?,
        })
    }
}

impl JournalEntry {
    fn current_content_hash(&self, disk: &mut impl Disk) -> Result<Option<String>, TransactionFault> {
        let bytes = disk.read(&self.path).map_err(io_fault(&self.path))?;
        Ok(bytes.as_deref().map(content_hash))
    }
}

/// Returns the function that adds a path to an error.
fn io_fault(path: &str) -> impl FnOnce(io::Error) -> TransactionFault + '_ {
    move |error| TransactionFault::Io(path.to_owned(), error)
}

/// Removes the contents of the folder for pending changes.
fn clear(disk: &mut impl Disk) -> Result<(), TransactionFault> {
    for name in disk.list(JOURNAL_FOLDER).map_err(io_fault(JOURNAL_FOLDER))? {
        let path = journal_path(&name);
        disk.remove(&path).map_err(io_fault(&path))?;
    }
    if disk.has_folder(JOURNAL_FOLDER) {
        disk.remove_folder(JOURNAL_FOLDER).map_err(io_fault(JOURNAL_FOLDER))?;
    }
    Ok(())
}

/// Returns the folders that contain a path, outer folders first.
fn parent_folders(path: &str) -> Vec<String> {
    path.match_indices('/')
        .filter_map(|(at, _)| path.get(..at))
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
