//! Finds the states of models that somebody removed or changed by hand since a push wrote them, and restores them from
//! the git history. The log records the hash of each state that formulac wrote.

use std::collections::{BTreeMap, BTreeSet};

use formulac::sync::{Log, PushState, content_hash, state_path};

use super::history;
use super::repository::Repository;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Maximum number of committed versions of a state that are searched.
const MAX_SEARCHED_VERSIONS: usize = 50;

/// State that was restored from git.
#[derive(Debug)]
pub struct RestoredState {
    /// Contents of the file that somebody changed. `None` if the file is missing.
    pub text_on_disk: Option<String>,
    /// Contents that the last push wrote.
    pub text: String,
}

/// Restores the states that differ from the states that the last push wrote. `texts` contains the content of the states
/// in the work tree, by model. Reports each restored state.
pub fn restore_states(
    session: &Session,
    workspace: &Workspace,
    texts: &BTreeMap<String, String>,
) -> BTreeMap<String, RestoredState> {
    let mut restored = BTreeMap::new();
    let log = history::read_log(workspace);
    let mut changed = last_recorded_hashes(&log);
    changed.retain(|path, record| {
        let text = texts.get(&record.model);
        let hash = text.map(|text| content_hash(text.replace('\r', "").as_bytes()));
        // A formatter may have changed the layout of the file.
        let is_state = |text: &String| {
            let versions = PushState::versions(text);
            matches!(versions.as_slice(), [one] if content_hash(one.text().as_bytes()) == record.hash)
        };
        let is_known = hash.as_ref() == Some(&record.hash) || text.is_some_and(is_state);
        !is_known && !hash.is_some_and(|hash| was_recorded_on_other_branch(&log, path, &hash, &record.entry))
    });
    if changed.is_empty() {
        return restored;
    }
    let Ok(repository) = Repository::find(&workspace.root) else {
        return restored;
    };
    for (path, record) in &changed {
        let text_on_disk = texts.get(&record.model);
        let is_of_merge = |text: &String| {
            was_file_merged(&repository, path) || was_state_chosen_by_merge(&repository, path, record, text)
        };
        if text_on_disk.is_some_and(is_of_merge) {
            continue;
        }
        let disk_state = match text_on_disk {
            Some(_) => "was changed by hand",
            None => "is missing",
        };
        let versions = repository
            .last_committed_versions(path, MAX_SEARCHED_VERSIONS)
            .into_iter();
        let mut versions = versions.map(|text| text.replace('\r', ""));
        let Some(text) = versions.find(|text| content_hash(text.as_bytes()) == record.hash) else {
            session.warn(&format!(
                "`{path}` {disk_state}, and this clone has no commit with the version that the last push wrote; \
                 `git fetch --unshallow` gets the complete history"
            ));
            continue;
        };
        session.warn(&format!(
            "`{path}` {disk_state}; the changes are compared with the version that log entry {} wrote, and the \
             next push restores the file",
            record.number
        ));
        let text_on_disk = text_on_disk.cloned();
        restored.insert(record.model.clone(), RestoredState { text_on_disk, text });
    }
    restored
}

/// Record of a state in the log.
pub struct RecordedState {
    pub model: String,
    pub hash: String,
    /// Hash, number and path of the log entry.
    entry: String,
    number: usize,
    entry_path: String,
}

/// Returns the last record of each state that exists according to the log, by path.
pub fn last_recorded_hashes(log: &Log) -> BTreeMap<String, RecordedState> {
    let mut last = BTreeMap::new();
    for logged in &log.entries {
        for (path, hash) in &logged.entry.files {
            let Some(model) = PushState::model_of_path(path).filter(|model| *path == state_path(model)) else {
                continue;
            };
            match hash {
                Some(hash) => last.insert(
                    path.clone(),
                    RecordedState {
                        model: model.to_owned(),
                        hash: hash.clone(),
                        entry: logged.hash.clone(),
                        number: logged.number,
                        entry_path: logged.path(),
                    },
                ),
                None => last.remove(path),
            };
        }
    }
    last
}

/// Returns whether an entry on a different branch than `last` recorded this hash, which means that a merge chose that
/// version.
fn was_recorded_on_other_branch(log: &Log, path: &str, hash: &str, last: &str) -> bool {
    let parents: BTreeMap<&str, &[String]> = log
        .entries
        .iter()
        .map(|logged| (logged.hash.as_str(), logged.entry.parents.as_slice()))
        .collect();
    let mut before: BTreeSet<&str> = BTreeSet::new();
    let mut next = vec![last];
    while let Some(entry) = next.pop() {
        if before.insert(entry) {
            next.extend(
                parents
                    .get(entry)
                    .copied()
                    .unwrap_or_default()
                    .iter()
                    .map(String::as_str),
            );
        }
    }
    let mut others = log
        .entries
        .iter()
        .filter(|logged| !before.contains(logged.hash.as_str()));
    others.any(|logged| {
        let mut files = logged.entry.files.iter();
        files.any(|(other, recorded)| other == path && recorded.as_deref() == Some(hash))
    })
}

/// Returns whether git merged the versions of two branches into the committed version of a file.
fn was_file_merged(repository: &Repository, path: &str) -> bool {
    let is_committed = repository
        .uncommitted_paths(&[path.to_owned()])
        .is_ok_and(|differing| differing.is_empty());
    let parents = repository.run_git(&["log", "-1", "--format=%P", "--", path]);
    is_committed && parents.is_ok_and(|parents| parents.split_whitespace().count() > 1)
}

/// Returns whether a merge after the recorded push chose the version of a branch that does not contain the push.
fn was_state_chosen_by_merge(repository: &Repository, path: &str, record: &RecordedState, text: &str) -> bool {
    let merges = || {
        let commit = repository.commit_that_added(&record.entry_path).ok()??;
        let range = format!("{commit}..HEAD");
        let count = format!("--max-count={MAX_SEARCHED_VERSIONS}");
        let args = ["rev-list", "--merges", "--parents", "--ancestry-path", &count, &range];
        repository.run_git(&args).ok()
    };
    merges().unwrap_or_default().lines().any(|merge| {
        let commits: Vec<&str> = merge.split(' ').collect();
        let paths = [path.to_owned(), record.entry_path.clone()];
        let read = |commit: &&str| repository.file_contents_at_commit(commit, &paths).unwrap_or_default();
        let mut texts = commits.iter().map(read);
        let has_text = |state: &Option<String>| {
            state
                .as_ref()
                .is_some_and(|state| state.replace('\r', "") == text.replace('\r', ""))
        };
        let is_chosen = texts
            .next()
            .and_then(|merged| merged.into_iter().next())
            .is_some_and(|state| has_text(&state));
        is_chosen && texts.any(|parent| matches!(parent.as_slice(), [state, None] if has_text(state)))
    })
}
