//! Commit and log entry of a push or a rollback.

use std::collections::BTreeSet;

use formulac::sync::{LOG_FOLDER, Log, LogEntry, NumberedEntry, TextChange, content_hash};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::apply::{self, PushCommit};
use super::super::omni_repository::OmniRepository;
use super::super::repository::Repository;
use super::super::{history, read_project_file};
use super::branch::PushBranch;
use super::message::commit_message;
use crate::cli::exit::Failure;
use crate::cli::health::summarize_names;
use crate::cli::workspace::Workspace;

/// Result of a push.
pub struct PushResult {
    /// First characters of the commit's hash.
    pub commit: String,
    /// Hash of the log entry.
    pub entry: String,
    /// Description of the merge request, if the branch has to be merged.
    pub merge_request_description: Option<String>,
    /// Commit in the Omni model's repository.
    pub omni: Option<CreatedOmniCommit>,
}

/// Commit that was created in the Omni model's repository.
pub struct CreatedOmniCommit {
    /// Folder of the repository, relative to the project's folder.
    pub repository: String,
    pub branch: String,
    pub commit: String,
}

impl CreatedOmniCommit {
    /// Returns a sentence about the commit.
    pub fn summary(&self) -> String {
        format!("committed to {} of {}: {}", self.branch, self.repository, self.commit)
    }

    pub fn json(&self) -> Value {
        json!({"repository": self.repository, "branch": self.branch, "commit": self.commit})
    }
}

/// The dbt project's repository, and the Omni model's repository if it is separate.
pub type Repositories<'r> = (&'r Repository, Option<&'r OmniRepository>);

/// Changes to write, commit and log.
pub struct PushAction {
    pub did: &'static str,
    pub title: String,
    pub lines: Vec<String>,
    pub environment: Option<String>,
    pub changes: Vec<TextChange>,
    pub paths: Vec<String>,
    /// Changes to files in the Omni model's repository. Their paths are relative to the project's folder.
    pub omni_changes: Vec<TextChange>,
    /// Files to commit in the Omni model's repository, relative to its folder.
    pub omni_files: Vec<String>,
}

/// Writes, commits and logs changes.
pub fn commit(
    workspace: &Workspace,
    (repository, omni): Repositories<'_>,
    branch: &PushBranch,
    mut action: PushAction,
) -> Result<PushResult, Failure> {
    let omni = omni.filter(|_| !action.omni_files.is_empty());
    if let Some(omni) = omni {
        action
            .lines
            .push(format!("{}: {}", omni.folder, summarize_names(&action.omni_files)));
    }
    let log = history::read_log(workspace);
    let entry = new_log_entry(repository, &log, &action)?;
    let mut changes = action.changes;
    let mut paths = action.paths;
    let path = format!("{LOG_FOLDER}/{}", entry.file_name());
    paths.push(path.clone());
    changes.push(TextChange::new(&path, None, Some(entry.text())));
    paths.extend(files_of_uncommitted_pushes(workspace, repository, &log)?);
    let paths = resolve_linked_folders(workspace, &paths)?;
    let changes = apply::resolve_paths(workspace, changes.into_iter().chain(action.omni_changes))?;
    let ignored = repository.ignored_paths(&paths)?;
    if let Some(path) = ignored.first() {
        return Err(repository.ignored_path_failure(path));
    }
    let hash = entry.hash();
    let mut message = commit_message(&action.title, &action.lines, &hash);
    let in_omni = omni.map(|omni| omni.new_commit(&action.omni_files, branch, (&message, &hash)));
    let in_omni = in_omni.transpose()?;
    if let Some(commit) = &in_omni {
        message.push_str(&format!("{}\n", commit.trailer()));
    }
    let commit = PushCommit {
        message,
        paths,
        entry: hash.clone(),
        branch: branch.current_branch.clone(),
        new_branch: branch.new_branch.clone(),
        parent: None,
        omni: in_omni.map(Box::new),
    };
    apply::apply_and_commit(workspace, repository, &changes, &commit)?;
    let head = |repository: &Repository| {
        let commit = repository.head_commit()?.unwrap_or_default();
        Ok::<String, Failure>(commit.get(..7).unwrap_or_default().to_owned())
    };
    let in_omni = omni.map(|omni| {
        Ok::<_, Failure>(CreatedOmniCommit {
            repository: omni.folder.clone(),
            branch: omni.repository.branch()?,
            commit: head(&omni.repository)?,
        })
    });
    Ok(PushResult {
        commit: head(repository)?,
        entry: hash,
        merge_request_description: None,
        omni: in_omni.transpose()?,
    })
}

/// Returns the files of earlier pushes that no commit contains, for example after `git reset`: the entries of the log,
/// and the files that are still as these pushes wrote them.
fn files_of_uncommitted_pushes(
    workspace: &Workspace,
    repository: &Repository,
    log: &Log,
) -> Result<Vec<String>, Failure> {
    let uncommitted = repository.uncommitted_paths(&[LOG_FOLDER.to_owned()])?;
    let is_uncommitted = |logged: &&NumberedEntry| uncommitted.contains(&logged.path());
    let mut paths = BTreeSet::new();
    for logged in log.entries.iter().filter(is_uncommitted) {
        let is_as_written = |(path, hash): &&(String, Option<String>)| {
            let text = read_project_file(&workspace.root, path).map(|text| text.replace('\r', ""));
            text.map(|text| content_hash(text.as_bytes())) == *hash
        };
        let files = logged.entry.files.iter().filter(is_as_written);
        paths.extend(files.map(|(path, _)| path.clone()));
        paths.insert(logged.path());
    }
    Ok(paths.into_iter().collect())
}

/// Replaces paths that lead through links to folders with the real paths, because git does not follow these links. For
/// a link to a file, also returns the path of that file. Returns an error if a link leads out of the project.
pub fn resolve_linked_folders(workspace: &Workspace, paths: &[String]) -> Result<Vec<String>, Failure> {
    let bounds = workspace.writable_folders()?;
    let mut targets = BTreeSet::new();
    for path in paths {
        let file = workspace.root.join(path);
        if let (Some(folder), Some(name)) = (file.parent(), file.file_name()) {
            let folder = bounds.relative_path(folder)?;
            let separator = if folder.is_empty() { "" } else { "/" };
            targets.insert(format!("{folder}{separator}{}", name.to_string_lossy()));
        }
        targets.insert(bounds.relative_path(&file)?);
    }
    Ok(targets.into_iter().collect())
}

fn new_log_entry(repository: &Repository, log: &Log, action: &PushAction) -> Result<LogEntry, Failure> {
    let mut entry = LogEntry::default();
    entry.parents = log.latest_entry_hashes();
    entry.timestamp = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    entry.author = repository.author()?;
    entry.action = action.did.to_owned();
    entry.version = env!("CARGO_PKG_VERSION").to_owned();
    entry.environment = action.environment.clone().unwrap_or_default();
    entry.changes.clone_from(&action.lines);
    let hash = |change: &TextChange| {
        let hash = change.after.as_deref().map(|text| content_hash(text.as_bytes()));
        (change.path.clone(), hash)
    };
    entry.files = action.changes.iter().map(hash).collect();
    Ok(entry)
}
