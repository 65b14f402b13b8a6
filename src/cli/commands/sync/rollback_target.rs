//! Target of a rollback, and the commits that contain the entries of the log.

use std::collections::{BTreeMap, BTreeSet};

use formulac::diag::lists::join_words;
use formulac::sync::{LOG_FOLDER, Log, NumberedEntry, REJECTED_COMMAND_ACTION, short_hash};

use super::repository::Repository;
use crate::cli::commands::release;
use crate::cli::exit::{Exit, Failure};

/// Commits that added the entries of the log.
pub struct EntryCommits {
    /// Commits of the current branch, by the path of the entry.
    on_branch: BTreeMap<String, String>,
    /// For log entries that a squash merge added together: the commits of the individual pushes, by the path of the
    /// entry.
    of_pushes: BTreeMap<String, String>,
}

impl EntryCommits {
    pub fn find(repository: &Repository, log: &Log) -> Result<Self, Failure> {
        let on_branch = repository.commits_that_added(LOG_FOLDER)?;
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for commit in log.entries.iter().filter_map(|logged| on_branch.get(&logged.path())) {
            *counts.entry(commit).or_default() += 1;
        }
        let is_shared = |commit: &&String| counts.get(*commit).is_some_and(|count| *count > 1);
        let mut of_pushes = BTreeMap::new();
        if counts.keys().any(is_shared) {
            of_pushes = repository.commits_that_added_one_file(LOG_FOLDER)?;
            of_pushes.retain(|path, _| on_branch.get(path).as_ref().is_some_and(is_shared));
        }
        Ok(Self { on_branch, of_pushes })
    }

    /// Returns the commit of the current branch that added an entry.
    pub fn branch_commit(&self, logged: &NumberedEntry) -> Option<&str> {
        self.on_branch.get(&logged.path()).map(String::as_str)
    }

    /// Returns the commit of a push. If a squash merge combined the push with others, the commit is not on the current
    /// branch. If that commit no longer exists, returns the commit of the squash merge.
    pub fn push_commit(&self, logged: &NumberedEntry) -> Option<&str> {
        let own = self.of_pushes.get(&logged.path()).map(String::as_str);
        own.or_else(|| self.branch_commit(logged))
    }

    /// Returns the entries that the same commit of the current branch added, in the order of the log.
    fn entries_added_with<'l>(&self, log: &'l Log, logged: &NumberedEntry) -> Vec<&'l NumberedEntry> {
        let commit = self.branch_commit(logged);
        let entries = log
            .entries
            .iter()
            .filter(|other| other.entry.action != REJECTED_COMMAND_ACTION);
        entries.filter(|other| self.branch_commit(other) == commit).collect()
    }
}

/// Target of a rollback: a log entry or a release.
pub struct RollbackTarget {
    /// Name of the target, such as `entry 3` or `v1.4`.
    pub name: String,
    /// Hash of the log entry, or name of the release.
    pub id: String,
    /// Name followed by the first digits of the hash, such as `entry 3, 6ce582266310`.
    pub short: String,
    pub number: Option<usize>,
    pub commit: String,
    pub at: String,
    pub description: String,
}

impl RollbackTarget {
    pub fn new(log: &Log, repository: &Repository, commits: &EntryCommits, id: &str) -> Result<Self, Failure> {
        match log.find_entries(id).as_slice() {
            [log_entry] => Self::entry(log, repository, commits, log_entry),
            [] => match release::find(repository, id)? {
                Some(release) => {
                    let date = repository.commit_date(&release.commit)?;
                    let description = format!("release {}", release.name);
                    Ok(Self {
                        id: release.name.clone(),
                        short: release.name.clone(),
                        name: release.name,
                        number: None,
                        commit: release.commit,
                        at: date,
                        description,
                    })
                }
                None => Err(Failure::new(
                    Exit::Usage,
                    format!("the log has no entry `{id}`, and there is no release with this name"),
                )
                .with_help("`formulac log` lists the entries with their numbers; `git tag` lists releases")),
            },
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|logged| short_hash(&logged.hash).to_owned())
                    .collect();
                Err(Failure::new(Exit::Usage, format!("two branches have an entry {id}"))
                    .with_help(format!("specify the hash of one entry: {}", names.join(", "))))
            }
        }
    }

    fn entry(
        log: &Log,
        repository: &Repository,
        commits: &EntryCommits,
        logged: &NumberedEntry,
    ) -> Result<Self, Failure> {
        if logged.entry.action == REJECTED_COMMAND_ACTION {
            return Err(Failure::new(
                Exit::Usage,
                "the command in this log entry was rejected and changed nothing",
            )
            .with_help("`formulac log` lists the entries that changed something, with their numbers"));
        }
        let Some(branch_commit) = commits.branch_commit(logged) else {
            return Err(Failure::new(
                Exit::Failed,
                format!("no commit in this clone has the entry {}", logged.number),
            )
            .with_help("run `git fetch --unshallow` to get the complete history"));
        };
        let commit = commit_after_entry(log, repository, commits, (logged, branch_commit))?;
        let entry = &logged.entry;
        Ok(Self {
            name: format!("entry {}", logged.number),
            short: format!("entry {}, {}", logged.number, short_hash(&logged.hash)),
            id: logged.hash.clone(),
            number: Some(logged.number),
            commit,
            at: entry.time(),
            description: format!(
                "entry {} ({}, {}, {})",
                logged.number,
                entry.action,
                entry.time(),
                entry.author
            ),
        })
    }

    /// Returns the log entries that the rollback undoes: the entries after the target, oldest first.
    pub fn undone_entries<'l>(&self, repository: &Repository, log: &'l Log) -> Result<Vec<&'l NumberedEntry>, Failure> {
        let logged = entries_in_commit(repository, &self.commit)?;
        let is_later =
            |entry: &&NumberedEntry| entry.entry.action != REJECTED_COMMAND_ACTION && !logged.contains(&entry.path());
        Ok(log.entries.iter().filter(is_later).collect())
    }
}

/// Returns the commit with the state after an entry. A squash merge adds several entries in one commit, which contains
/// only the state after the last of them. The states after the other entries are in the commits of the pushes, if these
/// commits still exist and contain the same earlier entries.
fn commit_after_entry(
    log: &Log,
    repository: &Repository,
    commits: &EntryCommits,
    (logged, branch_commit): (&NumberedEntry, &str),
) -> Result<String, Failure> {
    let together = commits.entries_added_with(log, logged);
    let later = together.iter().skip_while(|other| other.hash != logged.hash).skip(1);
    let later: BTreeSet<String> = later.map(|other| other.path()).collect();
    if later.is_empty() {
        return Ok(branch_commit.to_owned());
    }
    let mut expected = entries_in_commit(repository, branch_commit)?;
    expected.retain(|path| !later.contains(path));
    if let Some(commit) = commits.push_commit(logged)
        && entries_in_commit(repository, commit)? == expected
    {
        return Ok(commit.to_owned());
    }
    let numbers: Vec<String> = together.iter().map(|other| other.number.to_string()).collect();
    let message = format!(
        "the commit {} added the entries {}, so the state after entry {} is not known",
        branch_commit.get(..7).unwrap_or(branch_commit),
        join_words(&numbers, "and"),
        logged.number
    );
    let is_before = |other: &&NumberedEntry| {
        other.entry.action != REJECTED_COMMAND_ACTION
            && expected.contains(&other.path())
            && commits.branch_commit(other) != Some(branch_commit)
    };
    let before = log.entries.iter().rfind(is_before).map(|other| other.number);
    let last = together.last().map(|other| other.number);
    let targets: Vec<String> = before
        .into_iter()
        .chain(last)
        .map(|number| number.to_string())
        .collect();
    Err(Failure::new(Exit::Failed, message).with_help(format!("roll back to entry {}", join_words(&targets, "or"))))
}

/// Returns the paths of the log entries in a commit.
fn entries_in_commit(repository: &Repository, commit: &str) -> Result<BTreeSet<String>, Failure> {
    Ok(repository
        .files_in_commit(commit, &[LOG_FOLDER.to_owned()])?
        .into_iter()
        .collect())
}
