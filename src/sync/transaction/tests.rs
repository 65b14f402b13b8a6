//! Interrupts transactions after each operation on the disk, and checks what the next run finds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Disk that fails at one operation. The disk either fails only once or, to simulate a killed process, also fails
/// at all later operations.
#[derive(Clone, Debug, Default)]
struct FailingDisk {
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
    done: usize,
    fails_at: Option<usize>,
    is_kill: bool,
}

impl FailingDisk {
    /// Counts an operation before it starts. Returns an error if the operation must fail.
    fn step(&mut self) -> io::Result<()> {
        self.done += 1;
        match self.fails_at {
            Some(at) if self.done == at || (self.is_kill && self.done > at) => Err(io::Error::other("planted")),
            _ => Ok(()),
        }
    }

    fn project(&self) -> BTreeMap<String, Vec<u8>> {
        self.files
            .iter()
            .filter(|(path, _)| !path.starts_with(".formulac/"))
            .map(|(p, b)| (p.clone(), b.clone()))
            .collect()
    }

    fn folder_of(path: &str) -> &str {
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Disk for FailingDisk {
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.step()?;
        Ok(self.files.get(path).cloned())
    }

    fn write(&mut self, path: &str, bytes: &[u8], _: Option<&str>) -> io::Result<()> {
        assert!(self.has_folder(Self::folder_of(path)), "{path}");
        let cut = self.step();
        // An interrupted write leaves a partial file.
        let whole = if cut.is_ok() { bytes.len() } else { bytes.len() / 2 };
        if cut.is_ok() || self.fails_at == Some(self.done) {
            self.files.insert(path.to_owned(), bytes[..whole].to_vec());
        }
        cut
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        assert!(self.has_folder(Self::folder_of(to)), "{to}");
        let bytes = self.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.step()?;
        self.files
            .remove(path)
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn has_folder(&mut self, path: &str) -> bool {
        path.is_empty() || self.folders.contains(path)
    }

    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        self.step()?;
        assert!(self.has_folder(Self::folder_of(path)), "{path}");
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        self.step()?;
        let inside = format!("{path}/");
        if self
            .files
            .keys()
            .chain(&self.folders)
            .any(|other| other.starts_with(&inside))
        {
            return Err(io::Error::other("not empty"));
        }
        self.folders.remove(path);
        Ok(())
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        self.step()?;
        let inside = format!("{path}/");
        Ok(self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&inside))
            .map(str::to_owned)
            .collect())
    }

    fn flush_folder(&mut self, _: &str) -> io::Result<()> {
        self.step()
    }
}

fn change(path: &str, before: Option<&str>, after: Option<&str>) -> FileChange {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    FileChange {
        path: path.to_owned(),
        before: bytes(before),
        after: bytes(after),
    }
}

fn start() -> (FailingDisk, Vec<FileChange>) {
    let mut disk = FailingDisk::default();
    disk.folders.extend(["models", "metrics"].map(str::to_owned));
    for (path, text) in [
        ("models/a.sql", "old a"),
        ("models/b.sql", "old b"),
        ("metrics/a.yml", "spec"),
        ("c", "kept"),
    ] {
        disk.files.insert(path.to_owned(), text.as_bytes().to_vec());
    }
    let changes = vec![
        change("models/a.sql", Some("old a"), Some("new a")),
        change("models/deep/er/d.sql", None, Some("new d")),
        change("models/b.sql", Some("old b"), None),
        change("metrics/a.yml", Some("spec"), Some("new spec")),
    ];
    (disk, changes)
}

/// Applies a change together with another step, and undoes the change if an operation fails. The change is complete
/// after `committed` is set to `true`.
fn run(disk: &mut FailingDisk, changes: &[FileChange], committed: &mut bool) -> Result<(), TransactionFault> {
    let journal = prepare(disk, changes, Value::Null)?;
    let applied = journal.apply(disk);
    if applied.is_ok() && disk.step().is_ok() {
        *committed = true;
        let _ = journal.finish(disk);
        return Ok(());
    }
    journal.undo(disk)?;
    applied.and(Err(TransactionFault::Io(String::new(), io::Error::other("planted"))))
}

/// Performs the first steps of the next run.
fn next_run(disk: &mut FailingDisk, committed: &mut bool) -> Result<(), TransactionFault> {
    match find_interrupted_transaction(disk)? {
        InterruptedTransaction::Nothing => Ok(()),
        InterruptedTransaction::ToUndo(journal) => journal.undo(disk),
        InterruptedTransaction::ToFinish(journal) => {
            journal.apply(disk)?;
            *committed = true;
            journal.finish(disk)
        }
    }
}

#[test]
fn failed_operations_are_recovered() {
    let (disk, changes) = start();
    let before = disk.project();
    let mut whole = disk.clone();
    run(&mut whole, &changes, &mut false).unwrap();
    let (after, count) = (whole.project(), whole.done);
    assert!(before != after && count > 30, "{count}");
    assert!(
        whole.files.keys().all(|path| !path.starts_with(".formulac/")),
        "{:?}",
        whole.files
    );
    for is_kill in [false, true] {
        for at in 1..=count {
            let mut disk = FailingDisk {
                fails_at: Some(at),
                is_kill,
                ..disk.clone()
            };
            let mut committed = false;
            let result = run(&mut disk, &changes, &mut committed);
            let context = format!("operation {at}, kill {is_kill}: {result:?}");
            // If the process was not killed, the project is immediately in the state that the result reports: the state
            // before or after the change.
            if !is_kill && result.is_ok() {
                assert_eq!(disk.project(), after, "{context}");
            } else if !is_kill && !committed {
                assert_eq!(disk.project(), before, "{context}");
            }
            // The next run may also be killed at any operation, but the run after that is not killed.
            for again in [None, Some(1), Some(3), Some(7), Some(12)] {
                let mut disk = FailingDisk {
                    fails_at: again,
                    is_kill: true,
                    done: 0,
                    ..disk.clone()
                };
                let mut committed = committed;
                let _ = next_run(&mut disk, &mut committed);
                disk.fails_at = None;
                next_run(&mut disk, &mut committed).unwrap();
                let expected = if committed { &after } else { &before };
                assert_eq!(&disk.project(), expected, "{context}, then {again:?}");
                assert!(
                    disk.files.keys().all(|path| !path.starts_with(".formulac/")),
                    "{context}"
                );
                let has_deep = disk.folders.contains("models/deep");
                assert!(has_deep == committed || !committed, "{context}");
            }
        }
    }
}

#[test]
fn concurrent_changes_are_kept() {
    let (mut disk, changes) = start();
    disk.files.insert("models/b.sql".to_owned(), b"a person's".to_vec());
    let before = disk.project();
    let journal = prepare(&mut disk, &changes, Value::Null).unwrap();
    let fault = journal.apply(&mut disk).unwrap_err();
    assert!(
        matches!(&fault, TransactionFault::Foreign(path) if path == "models/b.sql"),
        "{fault}"
    );
    journal.undo(&mut disk).unwrap();
    assert_eq!(disk.project(), before);
    // Checks that undoing a change keeps files that somebody changed after the change was applied.
    let (mut disk, changes) = start();
    let journal = prepare(&mut disk, &changes, Value::Null).unwrap();
    journal.apply(&mut disk).unwrap();
    disk.files.insert("models/a.sql".to_owned(), b"a person's".to_vec());
    journal.undo(&mut disk).unwrap();
    assert_eq!(disk.files["models/a.sql"], b"a person's");
    assert_eq!(disk.files["models/b.sql"], b"old b");
}
