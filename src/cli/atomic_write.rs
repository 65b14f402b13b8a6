//! Atomic writes of several files in the folders that a command is allowed to change. Each file is first written to a
//! temporary file, then all temporary files are moved to their destinations. In a project, the temporary files are in a
//! folder that git ignores, because a killed run leaves them behind. Elsewhere, they are next to their destinations.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::exit::Failure;
use super::source::read_bytes;
use super::writable_folders::WritableFolders;

/// Prefix of the names of temporary files.
const TEMPORARY_FILE_PREFIX: &str = ".formulac-";

/// Age at which a temporary file no longer belongs to a running command.
const MAX_TEMPORARY_AGE: Duration = Duration::from_secs(3600);

/// Number of files written in parallel. Writing is limited by the disk, not by the processor.
const MAX_PARALLEL_WRITES: usize = 32;

/// File and the text to write to it.
#[derive(Debug)]
pub struct PlannedFile {
    pub path: PathBuf,
    pub text: String,
}

/// Current content at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum ExistingFileContent {
    Nothing,
    /// The file already contains the text to be written, apart from line endings.
    Same,
    /// The file contains different text, or content that is not text.
    Other(Vec<u8>),
}

impl PlannedFile {
    /// Reads the current content at the path and compares it with the text to be written.
    pub fn compare_with_existing_file(&self) -> Result<ExistingFileContent, Failure> {
        match read_bytes(&self.path) {
            Ok(bytes) if bytes == self.text.as_bytes() => Ok(ExistingFileContent::Same),
            Ok(bytes) if without_carriage_returns(&bytes).eq(without_carriage_returns(self.text.as_bytes())) => {
                Ok(ExistingFileContent::Same)
            }
            Ok(bytes) => Ok(ExistingFileContent::Other(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ExistingFileContent::Nothing),
            Err(error) => Err(file_write_failure("read", &self.path, &error)),
        }
    }
}

/// Returns the bytes without the carriage returns that git adds to line endings on some systems. Other carriage returns
/// are kept, because they end a comment in some engines.
fn without_carriage_returns(bytes: &[u8]) -> impl Iterator<Item = &u8> {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    let is_line_end = |byte: &u8, next: Option<&u8>| *byte == b'\r' && next == Some(&b'\n');
    let kept_bytes = bytes
        .iter()
        .zip(next)
        .filter(move |(byte, next)| !is_line_end(byte, *next));
    kept_bytes.map(|(byte, _)| byte)
}

/// Writes all files, or leaves all files unchanged if one cannot be written.
pub fn write_all(bounds: &WritableFolders, files: &[PlannedFile]) -> Result<(), Failure> {
    write_and_remove_files(bounds, &files.iter().collect::<Vec<_>>(), &[]).map(|_| ())
}

/// Writes and removes files, or leaves all files unchanged if one change fails. The returned [`ChangedFilesBackup`] can
/// undo the changes.
pub fn write_and_remove_files(
    bounds: &WritableFolders,
    files: &[&PlannedFile],
    remove: &[PathBuf],
) -> Result<ChangedFilesBackup, Failure> {
    // Write to the target of a symbolic link, so that the link is kept.
    let places = bounds.resolve_paths(files.iter().map(|file| &*file.path))?;
    remove
        .iter()
        .try_for_each(|path| bounds.resolve_path(path).map(|_| ()))?;
    let mut changed = ChangedFilesBackup::default();
    let local = bounds.gitignored_folder();
    local.iter().for_each(|folder| remove_old_temporary_files(folder));
    match write_staged_files(files, places, local.as_deref(), &mut changed)
        .and_then(|()| remove_files(remove, &mut changed))
    {
        Ok(()) => Ok(changed),
        Err(failure) => {
            changed.undo();
            Err(failure)
        }
    }
}

/// Changed files, with their previous content.
#[derive(Debug, Default)]
pub struct ChangedFilesBackup {
    staged: Vec<StagedFile>,
    removed: Vec<(PathBuf, Vec<u8>)>,
    /// Folders that were created, outer folders first.
    folders: Vec<PathBuf>,
}

impl ChangedFilesBackup {
    /// Restores the files that were replaced and removes the temporary files. Errors are ignored because they cannot
    /// be handled here.
    pub fn undo(self) {
        for (path, before) in self.removed {
            let _ = fs::write(path, before);
        }
        for file in self.staged.iter().rev() {
            let _ = file.undo();
        }
        for folder in self.folders.iter().rev() {
            // A folder to which other files have been added in the meantime is not removed.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A temporary file to be moved to its destination.
#[derive(Debug)]
struct StagedFile {
    destination: PathBuf,
    temporary: PathBuf,
    /// Previous content at the destination. The outer `None` means that the temporary file has not been moved yet.
    before: Option<Option<Vec<u8>>>,
}

impl StagedFile {
    fn undo(&self) -> io::Result<()> {
        match &self.before {
            None => fs::remove_file(&self.temporary),
            Some(None) => fs::remove_file(&self.destination),
            Some(Some(before)) => fs::write(&self.destination, before),
        }
    }
}

fn write_staged_files(
    files: &[&PlannedFile],
    places: Vec<PathBuf>,
    local: Option<&Path>,
    changed: &mut ChangedFilesBackup,
) -> Result<(), Failure> {
    let ChangedFilesBackup { staged, folders, .. } = changed;
    let mut paths: HashSet<PathBuf> = HashSet::new();
    for (number, destination) in places.into_iter().enumerate() {
        if let Some(folder) = destination
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty() && !paths.contains(*folder))
        {
            make_folder(folder, folders).map_err(|error| file_write_failure("write", folder, &error))?;
            paths.insert(folder.to_owned());
        }
        let name = format!("{TEMPORARY_FILE_PREFIX}{}-{number}.tmp", std::process::id());
        let temporary = local.map_or_else(|| destination.with_file_name(&name), |local| local.join(&name));
        staged.push(StagedFile {
            destination,
            temporary,
            before: None,
        });
    }
    stage_files(files, staged)?;
    for (file, staged) in files.iter().zip(staged) {
        let before = read_bytes(&staged.destination).ok();
        move_file(&staged.temporary, &staged.destination)
            .map_err(|error| file_write_failure("write", &file.path, &error))?;
        staged.before = Some(before);
    }
    Ok(())
}

/// Moves a file. If the destination is on another disk, the file is first written next to its destination.
pub fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let name = to.file_name().unwrap_or_default().to_string_lossy();
            let temporary = to.with_file_name(format!("{TEMPORARY_FILE_PREFIX}{name}.tmp"));
            fs::copy(from, &temporary)?;
            fs::File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, to)?;
            fs::remove_file(from)
        }
        outcome => outcome,
    }
}

/// Removes temporary files that killed runs left behind.
fn remove_old_temporary_files(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_temporary = entry.file_name().to_string_lossy().starts_with(TEMPORARY_FILE_PREFIX);
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_temporary && age().is_some_and(|age| age > MAX_TEMPORARY_AGE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes all temporary files. Each write waits for the disk, so many files are written in parallel.
fn stage_files(files: &[&PlannedFile], staged: &[StagedFile]) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let some = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (Some(file), Some(staged)) = (files.get(number), staged.get(number)) else {
                return Ok(());
            };
            write_temporary_file(&staged.temporary, &staged.destination, &file.text)
                .map_err(|error| (number, error))?;
        }
    };
    let failures: Vec<(usize, io::Error)> = thread::scope(|scope| {
        let others: Vec<_> = (1..MAX_PARALLEL_WRITES.min(files.len()))
            .map(|_| scope.spawn(some))
            .collect();
        let own_outcome: Result<(), (usize, io::Error)> = some();
        let others = others.into_iter().filter_map(|other| other.join().ok());
        std::iter::once(own_outcome)
            .chain(others)
            .filter_map(Result::err)
            .collect()
    });
    // Report the error of the first failed file in the list, regardless of which thread failed first.
    match failures.into_iter().min_by_key(|(number, _)| *number) {
        Some((number, error)) => Err(files.get(number).map_or_else(
            || file_write_failure("write", Path::new(""), &error),
            |file| file_write_failure("write", &file.path, &error),
        )),
        None => Ok(()),
    }
}

/// Creates a folder and its missing parents, and adds the created folders to `paths`.
fn make_folder(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    let missing = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    paths.extend(missing.into_iter().rev());
    fs::create_dir_all(folder)
}

fn remove_files(remove: &[PathBuf], changed: &mut ChangedFilesBackup) -> Result<(), Failure> {
    for path in remove {
        let before = read_bytes(path).map_err(|error| file_write_failure("read", path, &error))?;
        fs::remove_file(path).map_err(|error| file_write_failure("remove", path, &error))?;
        changed.removed.push((path.clone(), before));
    }
    Ok(())
}

fn write_temporary_file(temporary: &Path, destination: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(temporary)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = fs::metadata(destination) {
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()
}

fn file_write_failure(action: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::from_io(action, &path.to_string_lossy(), error)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::cli::commands::sync::LOCAL_FOLDER;

    fn temp_folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("formulac-write-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn plan(folder: &Path, file: &str) -> PlannedFile {
        PlannedFile {
            path: folder.join(file),
            text: "new".to_owned(),
        }
    }

    #[test]
    fn either_all_files_are_written_or_none() {
        let folder = temp_folder("none");
        fs::write(folder.join("a"), "old").unwrap();
        fs::create_dir_all(folder.join("c/full")).unwrap();
        // A file cannot replace a folder, so writing `c` fails after the files before `c` have been moved.
        let bounds = WritableFolders::from_project(&folder).unwrap();
        write_all(
            &bounds,
            &["a", "new/er/b", "new/d", "c"].map(|file| plan(&folder, file)),
        )
        .unwrap_err();
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "old");
        write_all(&bounds, &["a", "new/b"].map(|file| plan(&folder, file))).unwrap();
        assert_eq!(fs::read_to_string(folder.join("new/b")).unwrap(), "new");
        fs::remove_dir_all(folder).unwrap();
    }

    /// A killed run leaves temporary files behind, so they are in a folder that git ignores.
    #[test]
    fn temporary_files_are_local() {
        let folder = temp_folder("local");
        let local = folder.join(LOCAL_FOLDER);
        fs::create_dir_all(&local).unwrap();
        let old = local.join(".formulac-1-0.tmp");
        fs::File::create(&old)
            .unwrap()
            .set_modified(SystemTime::now() - 2 * MAX_TEMPORARY_AGE)
            .unwrap();
        fs::write(local.join(".formulac-2-0.tmp"), "of a running command").unwrap();
        let bounds = WritableFolders::from_project(&folder).unwrap();
        assert_eq!(bounds.gitignored_folder(), Some(fs::canonicalize(&local).unwrap()));
        let file = plan(&folder, "a");
        let mut changed = ChangedFilesBackup::default();
        write_staged_files(&[&file], vec![folder.join("a")], Some(&local), &mut changed).unwrap();
        assert_eq!(changed.staged[0].temporary.parent(), Some(&*local));
        write_all(&bounds, &[plan(&folder, "b")]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "new");
        let names: Vec<_> = fs::read_dir(&local).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [".formulac-2-0.tmp"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_are_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = temp_folder("links");
        fs::write(folder.join("goal"), "old").unwrap();
        fs::set_permissions(folder.join("goal"), fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(folder.join("goal"), folder.join("link")).unwrap();
        write_all(
            &WritableFolders::from_project(&folder).unwrap(),
            &[plan(&folder, "link")],
        )
        .unwrap();
        assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(folder.join("goal")).unwrap(), "new");
        assert_eq!(
            fs::metadata(folder.join("goal")).unwrap().permissions().mode() & 0o777,
            0o640
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn line_endings_are_ignored() {
        let folder = temp_folder("ends");
        let planned = PlannedFile {
            path: folder.join("a"),
            text: "x\ny\n".to_owned(),
        };
        assert_eq!(
            planned.compare_with_existing_file().unwrap(),
            ExistingFileContent::Nothing
        );
        fs::write(&planned.path, "x\r\ny\r\n").unwrap();
        assert_eq!(planned.compare_with_existing_file().unwrap(), ExistingFileContent::Same);
        fs::write(&planned.path, "x\n").unwrap();
        assert_eq!(
            planned.compare_with_existing_file().unwrap(),
            ExistingFileContent::Other(b"x\n".to_vec())
        );
        fs::write(&planned.path, "x\ry\n").unwrap();
        assert_ne!(planned.compare_with_existing_file().unwrap(), ExistingFileContent::Same);
        fs::remove_dir_all(folder).unwrap();
    }
}
