//! Atomic changes: either all files are changed and committed, or none.

use std::collections::BTreeMap;

use formulac::sync::{
    Disk, FileChange, InterruptedTransaction, Journal, TextChange, TransactionFault, find_interrupted_transaction,
    prepare,
};
use serde_json::{Value, json};

use super::disk::WorkTreeFiles;
use super::omni_repository::OmniCommit;
use super::release_tags::ReleaseTags;
use super::repository::Repository;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Commit that completes a change.
#[derive(Clone, Debug, Default)]
pub struct PushCommit {
    pub message: String,
    /// Files of the commit, relative to the project's folder.
    pub paths: Vec<String>,
    /// Hash of the log entry, which identifies the commit.
    pub entry: String,
    /// Branch that is checked out before the commit.
    pub branch: String,
    /// Branch to create for the commit. `None` if no new branch is needed.
    pub new_branch: Option<String>,
    /// Last commit before this commit. `None` if this commit is the first.
    pub parent: Option<String>,
    /// Commit in the Omni model's repository that follows this commit.
    pub omni: Option<Box<OmniCommit>>,
}

/// Name of the file, next to the journal, that contains the hash of a created commit. While this file exists, the
/// commit in the Omni model's repository is still missing.
const CREATED_COMMIT_MARK: &str = "created";

/// Trailer of a commit message that contains the hash of the log entry.
pub const ENTRY_TRAILER: &str = "Formulac-Entry";

impl PushCommit {
    pub fn to_note(&self) -> Value {
        json!({
            "message": self.message, "paths": self.paths, "entry": self.entry, "branch": self.branch,
            "begins": self.new_branch, "parent": self.parent, "omni": self.omni.as_deref().map(OmniCommit::to_note),
        })
    }

    pub fn from_note(note: &Value) -> Option<Self> {
        let text = |key: &str| note.get(key).and_then(Value::as_str).map(str::to_owned);
        let paths = note.get("paths")?.as_array()?.iter().filter_map(Value::as_str);
        Some(Self {
            message: text("message")?,
            paths: paths.map(str::to_owned).collect(),
            entry: text("entry")?,
            branch: text("branch")?,
            new_branch: text("begins"),
            parent: text("parent"),
            omni: note.get("omni").and_then(OmniCommit::from_note).map(Box::new),
        })
    }

    /// Returns the hash of this commit, or `None` if the commit does not exist yet. Users may have added other commits
    /// after this commit.
    pub fn created_commit(&self, repository: &Repository) -> Result<Option<String>, Failure> {
        repository.find_commit_by_message(self.parent.as_deref(), &format!("{ENTRY_TRAILER}: {}", self.entry))
    }

    /// Creates the branch and the commit, unless they already exist.
    pub fn create_commit(&self, repository: &Repository) -> Result<(), Failure> {
        if let Some(name) = &self.new_branch
            && repository.branch()? != *name
        {
            repository.create_and_switch_to_branch(name)?;
        }
        match self.created_commit(repository)? {
            Some(_) => Ok(()),
            None => repository.commit(&self.paths, &self.message),
        }
    }

    /// Undoes the steps of the commit that have been completed: unstages the files and deletes the new branch.
    fn undo_commit(&self, repository: &Repository) -> Result<(), Failure> {
        repository.unstage_new_files(&self.paths)?;
        match &self.new_branch {
            Some(name) if repository.branch()? == *name => repository.switch_back_and_delete_branch(name, &self.branch),
            _ => Ok(()),
        }
    }
}

/// Writes all files, then creates the commit in dbt's repository and, if needed, the commit in the Omni model's
/// repository. If a step before the first commit fails, undoes the previous steps. If the second commit fails, the next
/// command creates it.
pub fn apply_and_commit(
    workspace: &Workspace,
    repository: &Repository,
    changes: &[FileChange],
    commit: &PushCommit,
) -> Result<(), Failure> {
    let mut disk = WorkTreeFiles::from_workspace(workspace)?;
    let commit = &PushCommit {
        parent: repository.head_commit()?,
        ..commit.clone()
    };
    let journal = prepare(&mut disk, changes, commit.to_note()).map_err(|fault| transaction_failure(&fault))?;
    let applied = journal.apply(&mut disk).map_err(|fault| transaction_failure(&fault));
    let is_applied = applied.is_ok();
    match applied.and_then(|()| commit_files(&mut disk, repository, &journal, commit)) {
        Ok(()) => {}
        // Keep an existing commit even if git failed afterwards, for example in a hook.
        Err(_) if commit.created_commit(repository).is_ok_and(|created| created.is_some()) => {}
        Err(failure) => {
            return Err(undo_after_failure(
                &mut disk, repository, &journal, commit, is_applied, failure,
            ));
        }
    }
    finish(&mut disk, workspace, repository, &journal, commit).map_err(|failure| {
        let failure = failure.map_message(|message| {
            message.text = format!("dbt's repository has the commit, but the commit in {}", message.text);
        });
        failure.with_help("fix the cause, then run `formulac push`, which creates the missing commit")
    })
}

/// Changes either all or none of the files in the work tree, without a commit.
pub fn apply_without_commit(workspace: &Workspace, changes: Vec<TextChange>) -> Result<(), Failure> {
    let changes = resolve_paths(workspace, changes)?;
    if changes.is_empty() {
        return Ok(());
    }
    let mut disk = WorkTreeFiles::from_workspace(workspace)?;
    let journal = prepare(&mut disk, &changes, Value::Null).map_err(|fault| transaction_failure(&fault))?;
    let applied = journal.apply(&mut disk).map_err(|fault| transaction_failure(&fault));
    if applied.is_err() {
        let _ = journal.undo(&mut disk);
    } else {
        let _ = journal.finish(&mut disk);
    }
    applied
}

/// Commits the files that the journal has written.
fn commit_files(
    disk: &mut WorkTreeFiles,
    repository: &Repository,
    journal: &Journal,
    commit: &PushCommit,
) -> Result<(), Failure> {
    commit.create_commit(repository).or_else(|failure| {
        // A formatter hook may change the files and then reject the commit. A second attempt then commits the formatted
        // files.
        let has_rewritten_file = journal.has_rewritten_file(disk).unwrap_or(false);
        if has_rewritten_file {
            commit.create_commit(repository)
        } else {
            Err(failure)
        }
    })?;
    repository.reconcile_after_commit_hooks(&commit.paths)
}

/// Creates the commit in the Omni model's repository if there is one, and deletes the journal.
fn finish(
    disk: &mut WorkTreeFiles,
    workspace: &Workspace,
    repository: &Repository,
    journal: &Journal,
    commit: &PushCommit,
) -> Result<(), Failure> {
    if let Some(omni) = &commit.omni {
        let created = match journal.read_marker(disk, CREATED_COMMIT_MARK) {
            Some(created) => created,
            None => {
                let created = commit.created_commit(repository)?.unwrap_or_default();
                // Record the commit, so that the next run does not overwrite later changes to the same files.
                journal
                    .write_marker(disk, CREATED_COMMIT_MARK, &created)
                    .map_err(|fault| transaction_failure(&fault))?;
                created
            }
        };
        omni.create(workspace, &created)?;
    }
    // The commits are final. If cleaning up fails here, the next run cleans up.
    let _ = journal.finish(disk);
    Ok(())
}

fn undo_after_failure(
    disk: &mut WorkTreeFiles,
    repository: &Repository,
    journal: &Journal,
    commit: &PushCommit,
    is_applied: bool,
    why: Failure,
) -> Failure {
    let taken_back = commit.undo_commit(repository);
    // If a file differs from the contents just written, a commit hook has changed it.
    let undone = if is_applied {
        journal.undo_all_files(disk)
    } else {
        journal.undo(disk)
    };
    let result = undone.map_err(|fault| transaction_failure(&fault)).and(taken_back);
    match (result, why) {
        (Ok(()), why) => why,
        (Err(_), Failure::Message(mut message)) => {
            let help = "the next `formulac push` completes or undoes the interrupted push";
            message.help.get_or_insert_with(|| help.to_owned());
            Failure::Message(message)
        }
        (Err(_), why) => why,
    }
}

/// Completes a run that was interrupted, or undoes a run that failed.
pub fn recover_interrupted_run(session: &Session, workspace: &Workspace) -> Result<(), Failure> {
    let mut disk = WorkTreeFiles::from_workspace(workspace)?;
    let (journal, to_undo) =
        match find_interrupted_transaction(&mut disk).map_err(|fault| transaction_failure(&fault))? {
            InterruptedTransaction::Nothing => return Ok(()),
            InterruptedTransaction::ToFinish(journal) => (journal, false),
            InterruptedTransaction::ToUndo(journal) => (journal, true),
        };
    if let Some(tags) = ReleaseTags::from_note(&journal.note) {
        tags.create_missing(workspace)?;
        journal.finish(&mut disk).map_err(|fault| transaction_failure(&fault))?;
        session.note("an earlier release was interrupted and is complete now");
        return Ok(());
    }
    let Some(commit) = PushCommit::from_note(&journal.note) else {
        // Without a commit, only the files must be restored or completed.
        let outcome = if to_undo {
            journal.undo(&mut disk)
        } else {
            journal.apply(&mut disk).and_then(|()| journal.finish(&mut disk))
        };
        return outcome.map_err(|fault| transaction_failure(&fault));
    };
    let repository = Repository::find(&workspace.root)?;
    if to_undo {
        commit.undo_commit(&repository)?;
        journal.undo(&mut disk).map_err(|fault| transaction_failure(&fault))?;
        session.note("an earlier push failed before it was complete, and was undone");
        return Ok(());
    }
    let is_committed = journal.read_marker(&mut disk, CREATED_COMMIT_MARK).is_some();
    // If the commit exists, do not write its files again, because a hook may have changed them.
    let applied = match is_committed || commit.created_commit(&repository)?.is_some() {
        true => Ok(()),
        false => match journal.apply(&mut disk) {
            Err(TransactionFault::Foreign(path)) => {
                commit.undo_commit(&repository)?;
                journal.undo(&mut disk).map_err(|fault| transaction_failure(&fault))?;
                session.note(&format!(
                    "an earlier push was interrupted, and was undone because `{path}` has changed since"
                ));
                return Ok(());
            }
            applied => applied.map_err(|fault| transaction_failure(&fault)),
        },
    };
    applied
        .and_then(|()| match is_committed {
            true => Ok(()),
            false => commit_files(&mut disk, &repository, &journal, &commit),
        })
        .and_then(|()| finish(&mut disk, workspace, &repository, &journal, &commit))
        .map_err(|failure| {
            failure.map_message(|message| {
                message.text = format!(
                    "an earlier push was interrupted and cannot be completed: {}",
                    message.text
                );
                let help = "fix the cause, then run `formulac push`, which completes the interrupted push";
                message.help.get_or_insert_with(|| help.to_owned());
            })
        })?;
    session.note("an earlier push was interrupted; it has now been completed");
    Ok(())
}

pub fn transaction_failure(fault: &TransactionFault) -> Failure {
    match fault {
        TransactionFault::Foreign(_) => Failure::new(Exit::Conflict, format!("no file is written: {fault}"))
            .with_help("run `formulac plan` again, so that the plan includes the new changes"),
        _ => Failure::new(Exit::Failed, fault.to_string()),
    }
}

/// Resolves the paths of the changes and converts their contents to bytes. Fails if a path leads out of the
/// project, or if two paths are the same file on some file systems.
pub fn resolve_paths(
    workspace: &Workspace,
    changes: impl IntoIterator<Item = TextChange>,
) -> Result<Vec<FileChange>, Failure> {
    let bounds = workspace.writable_folders()?;
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut placed = Vec::new();
    let mut disk = WorkTreeFiles::from_workspace(workspace)?;
    for change in changes {
        let path = bounds.relative_path(&workspace.root.join(&change.path))?;
        if let Some(other) = seen.insert(path.to_lowercase(), path.clone())
            && other != path
        {
            return Err(Failure::new(
                Exit::Failed,
                format!("`{other}` and `{path}` are the same file on file systems that ignore case"),
            )
            .with_help("give one of the models another name"));
        }
        if change.before.is_none() {
            reject_case_only_difference(&mut disk, &path)?;
        }
        // A file that is not valid UTF-8 was read with replacement characters, so it is considered changed.
        let before = change.before.map(String::into_bytes);
        placed.push(FileChange {
            path,
            before,
            after: change.after.map(String::into_bytes),
        });
    }
    Ok(placed)
}

/// Returns an error if the names of a new file and an existing file differ only in case, because some file systems
/// treat them as the same file.
fn reject_case_only_difference(disk: &mut WorkTreeFiles, path: &str) -> Result<(), Failure> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let names = disk.list(folder).unwrap_or_default();
    match names
        .iter()
        .find(|other| *other != name && other.to_lowercase() == name.to_lowercase())
    {
        Some(other) => Err(Failure::new(
            Exit::Failed,
            format!("`{folder}/{other}` exists, and `{path}` would be the same file on file systems that ignore case"),
        )
        .with_help("rename or remove one of the two files")),
        None => Ok(()),
    }
}
