//! `formulac rollback`: creates a commit that undoes the pushes after a log entry or a release, in the specs, dbt's
//! files, Omni's files and push states.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use formulac::Dialect;
use formulac::dbt::is_same_except_layout;
use formulac::sync::{
    KNOWN_FACTS_PATH, LOG_FOLDER, Log, ModelAction, NumberedEntry, PushState, REJECTED_COMMAND_ACTION, STATE_FOLDER,
    TextChange, diff_lines, short_hash,
};
use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use super::lock::ProjectLock;
use super::omni::find_returning_descriptions;
use super::omni_repository::OmniRepository;
use super::push::{self, CreatedOmniCommit, PushAction, PushBranch};
use super::pushed_changes::{self, PushedChanges, add_changes_of_commit};
use super::repository::Repository;
use super::rollback_target::{EntryCommits, RollbackTarget};
use super::saved_copies::comments;
use super::show::{MAX_DIFF_LINES, write_diff};
use super::{history, read_project_file};
use crate::cli::args::{RollbackArgs, TargetOptions};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Maximum number of log entries that are listed if the user specifies no entry.
const MAX_LISTED_ENTRIES: usize = 5;

pub fn run(session: &Session, args: &RollbackArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let Some(id) = &args.id else {
        return Err(ask_for_rollback_target(session, &workspace, args.json)?);
    };
    let repository = Repository::find(&workspace.root)?;
    let omni = OmniRepository::find(&workspace)?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    push::require_environment_branch(session, &workspace, &repository, environment.as_ref(), "rollback")?;
    let log = history::read_log(&workspace);
    let commits = EntryCommits::find(&repository, &log)?;
    let point = RollbackTarget::new(&log, &repository, &commits, id)?;
    let undone = point.undone_entries(&repository, &log)?;
    let mut kept_files = UnrestoredFiles {
        dialect: workspace.dialect(&TargetOptions::default())?,
        files: Vec::new(),
    };
    let changes = changes_that_undo_pushes(
        &workspace,
        &repository,
        (&undone, &commits),
        &point.commit,
        &mut kept_files,
    )?;
    let (omni_files, omni_changes) = match &omni {
        Some(omni) => omni_changes(&workspace, &repository, omni, &log, &point, &mut kept_files)?,
        None => Default::default(),
    };
    let all_changes = [changes.clone(), omni_changes.clone()].concat();
    warn_of_unrestored_parts(session, &workspace, &kept_files, &all_changes);
    if !args.json {
        session.print_escaped(&format_rollback_changes(&all_changes, &point, &undone))?;
    }
    let mut commit_json = None;
    if all_changes.is_empty() {
        session.report_action("no changes of later pushes remain, so there is nothing to undo");
    } else {
        let paths: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
        reject_uncommitted_changes(&repository, &paths, str::to_owned)?;
        if let Some(omni) = &omni {
            reject_uncommitted_changes(&omni.repository, &omni_files, |path| omni.path_in_project(path))?;
        }
        let plan = formulac::sync::Plan::new(environment.as_ref().map(|environment| environment.name.clone()), []);
        let branch = PushBranch::new(session, &workspace, &repository, environment.as_ref(), &plan)?;
        let question = format!(
            "Go back to {}? This undoes {} and changes {}.",
            point.name,
            format_count(undone.len(), "entry", "entries"),
            format_count(all_changes.len(), "file", "files"),
        );
        if !session.confirm(args.yes, &question)? {
            session.report_action("no file is written");
            return Ok(Exit::Done);
        }
        let title = format!("Back to {} of {}", point.name, point.at);
        let mut lines = vec![format!("back to {}", point.short)];
        lines.extend(changes.iter().filter_map(model_log_line));
        let environment = environment.map(|environment| environment.name);
        let renews_facts = paths.iter().any(|path| path == KNOWN_FACTS_PATH);
        let action = PushAction {
            did: "rollback",
            title,
            lines,
            environment,
            paths,
            changes,
            omni_changes,
            omni_files,
        };
        let pushed = push::commit(&workspace, (&repository, omni.as_ref()), &branch, action)?;
        session.report_action(&format!(
            "restored {}: {}, entry {}",
            point.name,
            pushed.commit,
            short_hash(&pushed.entry)
        ));
        if let Some(omni) = &pushed.omni {
            session.report_action(&omni.summary());
        }
        if renews_facts {
            session.note(&format!(
                "{KNOWN_FACTS_PATH} contains the facts from which formulac generated the restored SQL; the next push \
                 updates these facts"
            ));
        }
        let omni = pushed.omni.as_ref().map(CreatedOmniCommit::json);
        commit_json = Some(json!({"commit": pushed.commit, "entry": pushed.entry, "omni": omni}));
    }
    if args.json {
        let file = |change: &TextChange| json!({"path": change.path, "before": change.before, "after": change.after});
        let files: Vec<Value> = all_changes.iter().map(file).collect();
        session.print_json(
            &json!({"to": {"number": point.number, "id": point.id, "name": point.name}, "files": files, "done": commit_json}),
        )?;
    }
    Ok(Exit::Done)
}

/// Warns about files and descriptions that the rollback does not restore.
fn warn_of_unrestored_parts(
    session: &Session,
    workspace: &Workspace,
    kept_files: &UnrestoredFiles,
    changes: &[TextChange],
) {
    for path in &kept_files.files {
        session.warn(&format!(
            "`{path}` keeps its contents, because later commits changed the lines that the rollback would restore"
        ));
    }
    for (position, text) in find_returning_descriptions(workspace, changes) {
        session.warn(&format!(
            "`{position}` keeps the description `{text}`, so the next push transfers it again; to undo it, also change it \
             in the Omni model"
        ));
    }
}

/// Returns an error if one of the files has uncommitted changes. `display` returns the path that a user sees.
fn reject_uncommitted_changes(
    repository: &Repository,
    files: &[String],
    display: impl Fn(&str) -> String,
) -> Result<(), Failure> {
    let lost = repository.uncommitted_paths(files)?;
    let Some(path) = lost.first() else { return Ok(()) };
    let message = format!("`{}` has uncommitted changes, which would be lost", display(path));
    Err(Failure::new(Exit::Conflict, message).with_help("commit the changes, or set them aside with `git stash`"))
}

/// Shows the last entries of the log, and returns a failure that asks the user to specify one of them.
fn ask_for_rollback_target(session: &Session, workspace: &Workspace, as_json: bool) -> Result<Failure, Failure> {
    let log = history::read_log(workspace);
    let entries: Vec<&NumberedEntry> = log
        .entries
        .iter()
        .rev()
        .filter(|entry| entry.entry.action != REJECTED_COMMAND_ACTION)
        .take(MAX_LISTED_ENTRIES)
        .collect();
    // Skip the last entry, which describes the current state.
    let Some(before) = entries.get(1).or(entries.first()) else {
        return Ok(Failure::new(
            Exit::Usage,
            "nothing was pushed yet, so there is no entry to restore",
        ));
    };
    if !as_json {
        session.print_escaped(&history::format_entries(&entries))?;
    }
    let help = format!(
        "for example, `formulac rollback {}` restores the state after entry {0}",
        before.number
    );
    Ok(Failure::new(Exit::Usage, "specify the log entry to restore").with_help(help))
}

/// Returns the changes that undo the pushes after the target commit. Adds to `kept_files` the files in which the pushes
/// cannot be undone.
fn changes_that_undo_pushes(
    workspace: &Workspace,
    repository: &Repository,
    (undone, commits): (&[&NumberedEntry], &EntryCommits),
    target: &str,
    kept_files: &mut UnrestoredFiles,
) -> Result<Vec<TextChange>, Failure> {
    if undone.is_empty() {
        return Ok(Vec::new());
    }
    let (mut changes, pushed) = pushed_changes::find(workspace, repository, (undone, commits), target)?;
    let undone_commits: BTreeSet<&str> = undone
        .iter()
        .filter_map(|logged| commits.branch_commit(logged))
        .collect();
    for (path, of_file) in pushed {
        let before = read_project_file(&workspace.root, &path);
        let mut after = kept_files.undo(repository, (&path, &path), before.clone(), &of_file)?;
        if of_file.generated_for.is_some()
            && before != after
            && let Some(text) = after.take()
        {
            after = Some(with_former_layout(repository, (&path, text), target, &undone_commits)?);
        }
        if before != after {
            changes.push(TextChange::new(&path, before, after));
        }
    }
    changes.sort_by(|left, other| left.path.cmp(&other.path));
    Ok(changes)
}

/// Returns the restored text of a generated file, if possible in the layout that the file had at the target commit. The
/// current layout is kept if a commit other than the undone pushes changed the file, or if the text has comments that
/// the file did not have at the target commit.
fn with_former_layout(
    repository: &Repository,
    (path, text): (&str, String),
    target: &str,
    undone_commits: &BTreeSet<&str>,
) -> Result<String, Failure> {
    let former = repository
        .file_contents_at_commit(target, &[path.to_owned()])?
        .pop()
        .flatten();
    let is_same_content =
        |former: &String| is_same_except_layout(former, &text) && is_same_except_layout(&text, former);
    let Some(former) = former.filter(|former| *former != text && is_same_content(former)) else {
        return Ok(text);
    };
    let changed = repository.run_git(&["log", "--format=%H", &format!("{target}..HEAD"), "--", path])?;
    let is_pushed = changed.lines().all(|commit| undone_commits.contains(commit));
    let has_comments = comments(path, &text).all(|comment| former.contains(comment));
    Ok(if is_pushed && has_comments { former } else { text })
}

/// Files in which later commits changed the lines that the rollback would restore.
struct UnrestoredFiles {
    dialect: Dialect,
    /// Paths that a user sees.
    files: Vec<String>,
}

impl UnrestoredFiles {
    /// Returns the text of a file without the changes that pushes made. Other changes are kept. If other commits
    /// changed the same lines, returns the text unchanged and records the file. `path` is the path in the repository,
    /// and `displayed` is the path that a user sees.
    fn undo(
        &mut self,
        repository: &Repository,
        (path, displayed): (&str, &str),
        text: Option<String>,
        pushed: &PushedChanges,
    ) -> Result<Option<String>, Failure> {
        let generated_for = pushed.generated_for.as_deref().map(|model| (model, self.dialect));
        let mut undone = text.clone();
        for [before, after] in &pushed.changes {
            let change = TextChange::new(path, before.clone(), after.clone());
            let Some(without) = change.undo_in_current_text(undone.as_deref(), generated_for) else {
                reject_uncommitted_changes(repository, &[path.to_owned()], |_| displayed.to_owned())?;
                self.files.push(displayed.to_owned());
                return Ok(text);
            };
            undone = without;
        }
        Ok(undone)
    }
}

/// Returns the files in the Omni model's repository that pushes after the target have changed, and the changes that
/// undo the pushes in these files. Changes from other commits are kept. Adds to `kept_files` the files in which the
/// pushes cannot be undone.
fn omni_changes(
    workspace: &Workspace,
    dbt: &Repository,
    omni: &OmniRepository,
    log: &Log,
    point: &RollbackTarget,
    kept_files: &mut UnrestoredFiles,
) -> Result<(Vec<String>, Vec<TextChange>), Failure> {
    let repository = &omni.repository;
    let reached = dbt.files_in_commit(&point.commit, &[LOG_FOLDER.to_owned()])?;
    let reached: BTreeSet<String> = reached.into_iter().collect();
    let is_reached = |entry: &str| {
        let mut entries = log.entries.iter();
        let logged = entries.find(|logged| logged.hash == entry);
        logged.is_some_and(|logged| reached.contains(&logged.path()))
    };
    let (_, later) = omni.find_commit(is_reached)?;
    let mut pushed = BTreeMap::new();
    for commit in later {
        let files = repository.files_changed_by(&commit)?;
        add_changes_of_commit(repository, &commit, &files, &mut pushed)?;
    }
    let mut changes = Vec::new();
    for (file, of_file) in pushed {
        let path = omni.path_in_project(&file);
        let before = read_project_file(&workspace.root, &path);
        let after = kept_files.undo(repository, (&file, &path), before.clone(), &of_file)?;
        if before != after {
            changes.push((file, TextChange::new(&path, before, after)));
        }
    }
    Ok(changes.into_iter().unzip())
}

/// Returns the log line for a model whose push state changes, such as `update revenue`.
fn model_log_line(change: &TextChange) -> Option<String> {
    let model = PushState::model_of_path(&change.path)?;
    let action = match (&change.before, &change.after) {
        (None, _) => ModelAction::Create,
        (_, None) => ModelAction::Delete,
        _ => ModelAction::Update,
    };
    Some(format!("{} {model}", action.name()))
}

fn format_rollback_changes(changes: &[TextChange], point: &RollbackTarget, undone: &[&NumberedEntry]) -> String {
    let mut out = format!("Back to {}\n", point.description);
    let undone: Vec<&NumberedEntry> = undone.iter().rev().copied().collect();
    if !undone.is_empty() && !changes.is_empty() {
        let count = format_count(undone.len(), "later entry", "later entries");
        let _ = writeln!(out, "Undoes the changes of {count}:");
        out.push_str(&history::format_entries(&undone));
        out.push_str("Files:\n");
    }
    for change in changes {
        let action = match (&change.before, &change.after) {
            (None, _) => "is restored",
            (_, None) => "is removed",
            _ => "changes",
        };
        let _ = writeln!(out, "  {}  {action}", change.path);
        if change.path.starts_with(STATE_FOLDER) {
            continue;
        }
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            write_diff(&mut out, &diff_lines(before, after), MAX_DIFF_LINES);
        }
    }
    out
}
