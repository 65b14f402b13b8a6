//! Log of changes, with their authors and timestamps. Each entry is a separate file that contains the hashes of the
//! preceding entries. Branches therefore merge without conflicts, and later changes to an entry are detected.

use std::collections::{BTreeMap, BTreeSet};

use super::transaction::content_hash;
use crate::yaml::{self, YamlValue, write_value};

/// Folder for log entries, relative to the project's folder.
pub const LOG_FOLDER: &str = ".formulac/log";
/// Action recorded for a command that was rejected because the user lacks the required role. The command changed
/// nothing, so the rejection has the number of the preceding entry.
pub const REJECTED_COMMAND_ACTION: &str = "refused";
/// Number of hash characters that identify an entry.
const ID_LENGTH: usize = 12;

/// An action recorded in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// Hashes of the preceding entries, sorted.
    pub parents: Vec<String>,
    /// Timestamp, such as `2026-11-20T10:00:00.123456Z`.
    pub timestamp: String,
    /// User who performed the action, as `Name <address>`.
    pub author: String,
    /// Action: `push`, `rollback`, `release` or [`REJECTED_COMMAND_ACTION`].
    pub action: String,
    /// Name of the environment.
    pub environment: String,
    /// Version of formulac. Empty in entries of versions that did not record it.
    pub version: String,
    /// Changes to models and definitions, one per line.
    pub changes: Vec<String>,
    /// Changed files, each with the hash of its new contents. The hash is `None` if the file was removed.
    pub files: Vec<(String, Option<String>)>,
}

impl LogEntry {
    /// Returns the contents of the entry's file.
    #[must_use]
    pub fn text(&self) -> String {
        let word = |text: &String| YamlValue::Text(text.clone());
        let list = |items: &[String]| YamlValue::list(items.iter().map(word).collect());
        let files = self.files.iter().map(|(path, hash)| {
            (
                path.clone(),
                hash.as_ref().map_or_else(
                    || YamlValue::Bare("null".to_owned()),
                    |hash| YamlValue::Text(hash.clone()),
                ),
            )
        });
        let mut pairs = vec![
            ("did", word(&self.action)),
            ("at", word(&self.timestamp)),
            ("by", word(&self.author)),
            ("environment", word(&self.environment)),
        ];
        pairs.extend((!self.version.is_empty()).then(|| ("version", word(&self.version))));
        pairs.extend([
            ("changes", list(&self.changes)),
            ("files", YamlValue::map(files)),
            ("parents", list(&self.parents)),
        ]);
        write_value(&YamlValue::map(pairs))
    }

    /// Returns the hash of the entry.
    #[must_use]
    pub fn hash(&self) -> String {
        content_hash(self.text().as_bytes())
    }

    /// Returns the time without fractions of a second, which serve only to sort entries.
    #[must_use]
    pub fn time(&self) -> String {
        let whole = self.timestamp.split('.').next().unwrap_or_default();
        format!("{}Z", whole.trim_end_matches('Z'))
    }

    /// Returns the name of the entry's file: the time and the first characters of the hash.
    #[must_use]
    pub fn file_name(&self) -> String {
        let time: String = self.timestamp.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{time}-{}.yml", short_hash(&self.hash()))
    }

    /// Reads an entry from the contents of its file. Returns `None` if the file is not a log entry, or if its contents
    /// do not match the hash in its name.
    #[must_use]
    pub fn read_verified_entry(name: &str, text: &str) -> Option<Self> {
        let text = text.replace('\r', "");
        let entry = Self::from_text(&text)?;
        has_hash_in_name(name, &entry.pushed_hash(name, &text)).then_some(entry)
    }

    /// Returns the hash of the file that the push wrote. A formatter may have changed the layout of the file since
    /// then.
    fn pushed_hash(&self, name: &str, text: &str) -> String {
        let hash = content_hash(text.as_bytes());
        if has_hash_in_name(name, &hash) {
            return hash;
        }
        let written = self.hash();
        if has_hash_in_name(name, &written) {
            written
        } else {
            hash
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let root = yaml::parse_root(text)?;
        let files = root.pairs_at("files");
        Some(Self {
            parents: root.texts_at("parents"),
            timestamp: root.string_at("at")?,
            author: root.string_at("by")?,
            action: root.string_at("did")?,
            environment: root.string_at("environment").unwrap_or_default(),
            version: root.string_at("version").unwrap_or_default(),
            changes: root.texts_at("changes"),
            files: files
                .iter()
                .filter_map(|(path, hash)| Some((path.text()?.to_owned(), hash.text().map(str::to_owned))))
                .collect(),
        })
    }
}

fn has_hash_in_name(name: &str, hash: &str) -> bool {
    name.strip_suffix(".yml")
        .is_some_and(|stem| stem.ends_with(short_hash(hash)))
}

/// Returns the first characters of a hash, for display.
#[must_use]
pub fn short_hash(hash: &str) -> &str {
    hash.get(..ID_LENGTH).unwrap_or(hash)
}

/// An entry with its position in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NumberedEntry {
    /// Number of the entry: one more than the highest number of the preceding entries. Entries on two branches may have
    /// the same number.
    pub number: usize,
    /// Hash of the entry.
    pub hash: String,
    /// Name of the entry's file.
    pub file: String,
    /// The recorded action.
    pub entry: LogEntry,
}

impl NumberedEntry {
    /// Returns the path of the entry's file, relative to the project's folder.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{LOG_FOLDER}/{}", self.file)
    }
}

/// All entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// Entries sorted by number, then by time. Every entry comes after its parents.
    pub entries: Vec<NumberedEntry>,
    /// Faults in the log, each with a file name and a description.
    pub faults: Vec<(String, String)>,
}

impl Log {
    /// Reads log entries from pairs of file names and contents.
    ///
    /// ```
    /// use formulac_sync::{LogEntry, Log};
    ///
    /// let mut first = LogEntry::default();
    /// (first.action, first.timestamp, first.author) = ("push".to_owned(), "2026-11-20T10:00:00Z".to_owned(), "Ann".to_owned());
    /// let log = Log::from_files([(first.file_name(), first.text())]);
    /// assert_eq!(log.entries[0].number, 1);
    /// let changed = first.text().replace("Ann", "Bob");
    /// assert!(Log::from_files([(first.file_name(), changed)]).faults[0].1.contains("changed"));
    /// ```
    #[must_use]
    pub fn from_files(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut log = Self::default();
        let mut entries: BTreeMap<String, (String, LogEntry)> = BTreeMap::new();
        for (name, text) in files {
            // Line endings may have been converted, for example by git.
            let text = text.replace('\r', "");
            let Some(entry) = LogEntry::from_text(&text) else {
                log.faults.push((name, "the file is not a log entry".to_owned()));
                continue;
            };
            let hash = entry.pushed_hash(&name, &text);
            if !has_hash_in_name(&name, &hash) {
                log.faults
                    .push((name.clone(), "the entry was changed after it was written".to_owned()));
            }
            entries.insert(hash, (name, entry));
        }
        for (name, entry) in entries.values() {
            for parent in entry.parents.iter().filter(|parent| !entries.contains_key(*parent)) {
                log.faults.push((
                    name.clone(),
                    format!("the previous entry {} was removed or changed", short_hash(parent)),
                ));
            }
        }
        let numbers = number_entries(&entries);
        let logged = entries.into_iter().map(|(hash, (file, entry))| {
            let number = numbers.get(&hash).copied().unwrap_or(1);
            NumberedEntry {
                number,
                hash,
                file,
                entry,
            }
        });
        log.entries = logged.collect();
        number_rejected_commands(&mut log.entries);
        log.entries.sort_by(|one, other| {
            let key = |entry: &NumberedEntry| (entry.number, entry.entry.action == REJECTED_COMMAND_ACTION);
            (key(one), &one.entry.timestamp, &one.hash).cmp(&(key(other), &other.entry.timestamp, &other.hash))
        });
        log.faults.sort();
        log
    }

    /// Returns the hashes of the entries that are not parents of any other entry. These entries become the parents of
    /// the next entry.
    #[must_use]
    pub fn latest_entry_hashes(&self) -> Vec<String> {
        let changed: Vec<&NumberedEntry> = self
            .entries
            .iter()
            .filter(|logged| logged.entry.action != REJECTED_COMMAND_ACTION)
            .collect();
        let parents: BTreeSet<&String> = changed.iter().flat_map(|logged| &logged.entry.parents).collect();
        let hashes = changed.iter().map(|logged| &logged.hash);
        let mut heads: Vec<String> = hashes.filter(|hash| !parents.contains(hash)).cloned().collect();
        heads.sort();
        heads
    }

    /// Returns the entries that match a number or the first characters of a hash.
    #[must_use]
    pub fn find_entries(&self, id: &str) -> Vec<&NumberedEntry> {
        let is_meant = |logged: &&NumberedEntry| match id.parse::<usize>() {
            Ok(number) if id.len() < ID_LENGTH => {
                logged.number == number && logged.entry.action != REJECTED_COMMAND_ACTION
            }
            _ => id.len() >= 4 && logged.hash.starts_with(id),
        };
        self.entries.iter().filter(is_meant).collect()
    }
}

/// Computes the number of each entry in one pass, starting with the entries without parents.
fn number_entries(entries: &BTreeMap<String, (String, LogEntry)>) -> BTreeMap<String, usize> {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut follow: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (hash, (_, entry)) in entries {
        let predecessors: BTreeSet<&String> = entry
            .parents
            .iter()
            .filter(|parent| entries.contains_key(*parent))
            .collect();
        waits.insert(hash, predecessors.len());
        for parent in predecessors {
            follow.entry(parent).or_default().push(hash);
        }
    }
    let mut numbers = BTreeMap::new();
    let mut next: Vec<&str> = waits
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(hash, _)| *hash)
        .collect();
    while let Some(hash) = next.pop() {
        let parents = entries
            .get(hash)
            .map(|(_, entry)| entry.parents.as_slice())
            .unwrap_or_default();
        let number = 1 + parents
            .iter()
            .filter_map(|parent| numbers.get(parent))
            .max()
            .copied()
            .unwrap_or(0);
        numbers.insert(hash.to_owned(), number);
        for child in follow.get(hash).into_iter().flatten() {
            if let Some(count) = waits.get_mut(child) {
                *count -= 1;
                if *count == 0 {
                    next.push(child);
                }
            }
        }
    }
    numbers
}

/// Assigns each rejection the highest number among the preceding entries, so that the rejection is listed after these
/// entries.
fn number_rejected_commands(entries: &mut [NumberedEntry]) {
    let (refused, mut changed): (Vec<&mut NumberedEntry>, Vec<&mut NumberedEntry>) = entries
        .iter_mut()
        .partition(|logged| logged.entry.action == REJECTED_COMMAND_ACTION);
    // Older entries have no fractions of a second, and `Z` would be sorted after a fraction.
    fn entry_time(logged: &NumberedEntry) -> &str {
        logged.entry.timestamp.trim_end_matches('Z')
    }
    changed.sort_by(|one, other| entry_time(one).cmp(entry_time(other)));
    let mut greatest = 0;
    let before: Vec<(&str, usize)> = changed
        .iter()
        .map(|logged| {
            greatest = greatest.max(logged.number);
            (entry_time(logged), greatest)
        })
        .collect();
    for logged in refused {
        let count = before.partition_point(|(before, _)| *before <= entry_time(logged));
        logged.number = count
            .checked_sub(1)
            .and_then(|last| before.get(last))
            .map_or(0, |(_, number)| *number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, parents: &[&LogEntry]) -> LogEntry {
        let mut parents: Vec<String> = parents.iter().map(|entry| entry.hash()).collect();
        parents.sort();
        LogEntry {
            parents,
            timestamp: at.to_owned(),
            author: "Ann <a@example.com>".to_owned(),
            action: "push".to_owned(),
            ..LogEntry::default()
        }
    }

    fn log(entries: &[&LogEntry]) -> Log {
        Log::from_files(entries.iter().map(|entry| (entry.file_name(), entry.text())))
    }

    #[test]
    fn numbers_rise_across_merged_branches() {
        let first = entry("2026-01-01T00:00:00Z", &[]);
        let (left, right) = (
            entry("2026-01-02T00:00:00Z", &[&first]),
            entry("2026-01-03T00:00:00Z", &[&first]),
        );
        let both = log(&[&right, &first, &left]);
        assert_eq!(both.faults, []);
        assert_eq!(
            both.entries.iter().map(|logged| logged.number).collect::<Vec<_>>(),
            [1, 2, 2]
        );
        let mut heads = vec![left.hash(), right.hash()];
        heads.sort();
        assert_eq!(both.latest_entry_hashes(), heads);
        assert_eq!(both.find_entries("2").len(), 2);
        assert_eq!(both.find_entries(&left.hash()[..7])[0].entry, left);
        let last = entry("2026-01-04T00:00:00Z", &[&left, &right]);
        let all = log(&[&last, &right, &first, &left]);
        assert_eq!(
            (all.latest_entry_hashes(), all.entries[3].number),
            (vec![last.hash()], 3)
        );
    }

    #[test]
    fn refused_entries_have_no_successors() {
        let first = entry("2026-01-01T00:00:00Z", &[]);
        let refused = LogEntry {
            action: REJECTED_COMMAND_ACTION.to_owned(),
            ..entry("2026-01-02T00:00:00Z", &[&first])
        };
        let second = entry("2026-01-03T00:00:00Z", &[&first]);
        assert_eq!(log(&[&first, &refused]).latest_entry_hashes(), [first.hash()]);
        let all = log(&[&first, &refused, &second]);
        assert_eq!((all.latest_entry_hashes(), all.faults.len()), (vec![second.hash()], 0));
        assert_eq!(
            all.find_entries("2")
                .iter()
                .map(|logged| &logged.entry)
                .collect::<Vec<_>>(),
            [&second]
        );
        assert_eq!(all.find_entries(&refused.hash()[..8]).len(), 1);
        // A rejection that was recorded in this work tree has no parents, and is listed after the entries that existed
        // at that time.
        let own = LogEntry {
            action: REJECTED_COMMAND_ACTION.to_owned(),
            ..entry("2026-01-01T00:00:00.5Z", &[])
        };
        let all = log(&[&own, &first, &second]);
        let listed: Vec<_> = all
            .entries
            .iter()
            .map(|logged| (&logged.entry, logged.number))
            .collect();
        assert_eq!(listed, [(&first, 1), (&own, 1), (&second, 2)]);
        assert_eq!(log(&[&own]).entries[0].number, 0);
    }

    #[test]
    fn changed_and_missing_entries_are_reported() {
        let first = entry("2026-01-01T00:00:00Z", &[]);
        let second = entry("2026-01-02T00:00:00Z", &[&first]);
        let forged = Log::from_files([
            (first.file_name(), first.text().replace("Ann", "Bob")),
            (second.file_name(), second.text()),
        ]);
        assert_eq!(forged.faults.len(), 2, "{:?}", forged.faults);
        assert_eq!(log(&[&second]).faults.len(), 1);
        assert_eq!(
            Log::from_files([("x.yml".to_owned(), "nothing".to_owned())]).faults[0].1,
            "the file is not a log entry"
        );
    }
}
