//! Copies of uncommitted content, which formulac saves before it overwrites or removes the content.

use std::collections::BTreeSet;

use formulac::sync::{STATE_FOLDER, TextChange, content_hash};

use super::apply;
use super::read_project_file;
use super::repository::Repository;
use crate::cli::exit::Failure;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Folder with the copies.
const SAVED_COPIES_FOLDER: &str = ".formulac/local/undone";

/// Reports the path of the copy of a file's content, and returns the change that writes the copy. `None` if the copy
/// exists.
pub fn save_copy(session: &Session, workspace: &Workspace, path: &str, text: &str) -> Option<TextChange> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let hash = content_hash(text.as_bytes());
    let copy = format!("{SAVED_COPIES_FOLDER}/{}-{name}", hash.get(..8).unwrap_or_default());
    session.report_action(&format!("the previous version is saved to {copy}"));
    let is_new = read_project_file(&workspace.root, &copy).is_none();
    is_new.then(|| TextChange::new(&copy, None, Some(text.to_owned())))
}

/// Saves a copy of each file from which the changes would remove uncommitted comments. A comment that only moves to
/// another changed file is not lost.
pub fn save_lost_comments(session: &Session, workspace: &Workspace, changes: &[TextChange]) -> Result<(), Failure> {
    let kept: BTreeSet<&str> = changes
        .iter()
        .filter_map(|change| Some(comments(&change.path, change.after.as_deref()?)))
        .flatten()
        .collect();
    let mut copies = Vec::new();
    for change in changes.iter().filter(|change| !change.path.starts_with(STATE_FOLDER)) {
        let Some(before) = &change.before else { continue };
        let is_lost = |comment: &&str| !kept.contains(comment) && !comment.contains("formulac:");
        let lost: Vec<&str> = comments(&change.path, before).filter(is_lost).collect();
        if lost.is_empty() {
            continue;
        }
        let committed = Repository::committed_version_if_changed(&workspace.root, &change.path);
        let committed = committed.flatten().unwrap_or_default();
        let is_lost = lost.iter().any(|comment| !committed.contains(comment));
        if is_lost && has_uncommitted_changes(workspace, &change.path) {
            session.report_action(&format!("{} loses comments that no commit contains", change.path));
            copies.extend(save_copy(session, workspace, &change.path, before));
        }
    }
    apply::apply_without_commit(workspace, copies)
}

/// Returns the comments in a file that formulac generates, from the mark of each comment to the end of its line.
pub fn comments<'t>(path: &str, text: &'t str) -> impl Iterator<Item = &'t str> {
    let is_yaml = project::is_yaml(path.as_ref());
    let marks: &[&str] = if is_yaml { &["#"] } else { &["--", "/*", "{#"] };
    let start = move |line: &str, mark: &str| {
        let is_start = |at: &usize| {
            !is_yaml
                || line
                    .get(..*at)
                    .is_none_or(|text| text.is_empty() || text.ends_with(' '))
        };
        line.match_indices(mark).map(|(at, _)| at).find(is_start)
    };
    text.lines().filter_map(move |line| {
        let starts = marks.iter().filter_map(|mark| start(line, mark));
        Some(line.get(starts.min()?..)?.trim_end())
    })
}

/// Returns whether a file differs from the last commit in its repository. A file without a repository is uncommitted.
pub fn has_uncommitted_changes(workspace: &Workspace, path: &str) -> bool {
    let file = workspace.root.join(path);
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return true;
    };
    let name = name.to_string_lossy().into_owned();
    let uncommitted = Repository::find(folder).and_then(|repository| repository.uncommitted_paths(&[name]));
    uncommitted.map_or(true, |paths| !paths.is_empty())
}
