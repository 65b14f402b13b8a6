//! `formulac rollback`: specs, dbt's files, Omni's files and states as they were after an entry of the log, as a new
//! commit.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use formulac::sync::{LOG, Logged, TextChange, diff_lines, short};
use serde_json::{Value, json};

use super::lock::Lock;
use super::push::{self, Branch, What};
use super::repository::Repository;
use super::{history, text_of};
use crate::cli::args::RollbackArgs;
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder;
use crate::cli::place::Place;
use crate::cli::project;
use crate::cli::session::Session;
use formulac::diag::render::visible;

/// Lines of a diff that are shown.
const LINES: usize = 40;
/// Where states and what a pull keeps stand.
const STATES: &str = ".formulac/state";

pub fn run(session: &Session, args: &RollbackArgs) -> Result<Exit, Failure> {
    let place = Place::find(session)?;
    let repository = Repository::find(&place.root)?;
    let _lock = Lock::take(session, &place)?;
    let log = history::read(&place);
    let logged = match log.named(&args.id).as_slice() {
        [one] => *one,
        [] => {
            return Err(Failure::new(Exit::Usage, format!("the log has no entry `{}`", args.id))
                .with_help("`formulac log` lists them, with their numbers"));
        }
        several => {
            let named: Vec<String> = several.iter().map(|logged| short(&logged.hash).to_owned()).collect();
            return Err(Failure::new(Exit::Usage, format!("two branches have an entry {}", args.id))
                .with_help(format!("name one by its hash: {}", named.join(", "))));
        }
    };
    let path = format!("{LOG}/{}", logged.file);
    let Some(commit) = repository.brought(&path)? else {
        return Err(Failure::new(Exit::Failed, format!("no commit here has the entry {}", logged.number))
            .with_help("`git fetch --unshallow` brings the whole history"));
    };
    let since = log.since(&logged.hash);
    let changes = changes(&place, &repository, &commit, &since)?;
    if !args.json {
        session.styled(&shown(&changes, logged))?;
    }
    let mut done = None;
    if changes.is_empty() {
        session.note("everything is as it was then");
    } else {
        let paths: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
        let lost = repository.differing(&paths)?;
        if let Some(path) = lost.first() {
            return Err(Failure::new(
                Exit::Conflict,
                format!("`{path}` has changes that are not committed, and would lose them"),
            )
            .with_help("commit them, or put them away with `git stash`"));
        }
        let environment = environment::chosen(&session.global, &place.project)?;
        let plan = formulac::sync::Plan::new(environment.as_ref().map(|it| it.name.clone()), []);
        let branch = Branch::of(&repository, environment.as_ref(), &plan)?;
        if !push::agreed(args.yes, &format!("Go back to entry {}?", logged.number))? {
            session.note("nothing is written");
            return Ok(Exit::Done);
        }
        let title = format!("Back to entry {} of {}", logged.number, logged.entry.at);
        let lines = vec![format!("back to {}", logged.hash)];
        let environment = environment.map(|environment| environment.name);
        let what = What { did: "rollback", title, lines, environment, paths, changes: changes.clone() };
        let (commit, entry) = push::commit_of(&place, &repository, &branch, what)?;
        session.note(&format!("went back to entry {}: {commit}, entry {}", logged.number, short(&entry)));
        done = Some(json!({"commit": commit, "entry": entry}));
    }
    if args.json {
        let file = |change: &TextChange| json!({"path": change.path, "before": change.before, "after": change.after});
        let files: Vec<Value> = changes.iter().map(file).collect();
        session.json(&json!({"to": {"number": logged.number, "id": logged.hash}, "files": files, "done": done}))?;
    }
    Ok(Exit::Done)
}

/// What differs between that commit and now, in all that a push may change.
fn changes(
    place: &Place,
    repository: &Repository,
    commit: &str,
    since: &[&Logged],
) -> Result<Vec<TextChange>, Failure> {
    let (models, tests) = place.folders();
    let omni = place.project.omni().unwrap_or(project::OMNI);
    let omni = omni.trim_start_matches("./").trim_end_matches('/').to_owned();
    let folders = [place.specs_folder(), models, tests, omni, STATES.to_owned()];
    // A push may have changed other files too, such as properties that people wrote.
    let others = since.iter().flat_map(|logged| logged.entry.files.iter().map(|(path, _)| path.clone()));
    let others: BTreeSet<String> =
        others.filter(|path| !path.starts_with(LOG) && !path.ends_with(".gitignore")).collect();
    let asked: Vec<String> = folders.iter().cloned().chain(others.iter().cloned()).collect();
    let then: BTreeSet<String> = repository.files(commit, &asked)?.into_iter().collect();
    let now = folders.iter().flat_map(|folder| {
        let files = folder::files(&place.root.join(folder), |_| true);
        let inside = |path: std::path::PathBuf| {
            let inner = path.strip_prefix(&place.root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            inner.trim_start_matches("./").to_owned()
        };
        files.into_iter().map(inside).collect::<Vec<_>>()
    });
    let paths: BTreeSet<String> = now.chain(others).chain(then.iter().cloned()).collect();
    let mut changes = Vec::new();
    for path in paths {
        let before = text_of(&place.root, &path);
        let after = if then.contains(&path) { Some(repository.text(commit, &path)?) } else { None };
        if before != after {
            changes.push(TextChange::new(&path, before, after));
        }
    }
    Ok(changes)
}

fn shown(changes: &[TextChange], logged: &Logged) -> String {
    let mut out =
        format!("Back to entry {} ({}, {}, {})\n", logged.number, logged.entry.did, logged.entry.at, logged.entry.by);
    for change in changes {
        let what = match (&change.before, &change.after) {
            (None, _) => "comes back",
            (_, None) => "goes",
            _ => "changes",
        };
        let _ = writeln!(out, "  {}  {what}", change.path);
        if change.path.starts_with(STATES) {
            continue;
        }
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            for line in diff_lines(before, after).lines().take(LINES) {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    visible(&out).into_owned()
}
