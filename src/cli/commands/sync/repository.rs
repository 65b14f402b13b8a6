//! The git repository of a project. All operations run the `git` program, because it signs commits, runs hooks and
//! follows the user's configuration.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::hooks::{self, FailedHook, GitTrace};
use super::lock::LOCAL_FOLDER;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder::current_folder_if_empty;
use crate::cli::git::{current_branch, run_git_in, run_git_traced};
use crate::cli::git_objects::ObjectReader;
use crate::cli::identity;
use crate::cli::program::ProgramOutput;

/// Git repository that contains a project.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
    /// The repository's folder.
    pub top_folder: PathBuf,
    /// Path from the repository's folder to the project's folder, with a trailing `/`. Empty if both are the same
    /// folder.
    pub project_prefix: String,
    /// Files with which git locks the index and marks operations that are not complete.
    index_lock: PathBuf,
    operation_marks: Vec<PathBuf>,
    pub(super) objects: ObjectReader,
}

thread_local! {
    /// Repositories that were found, by the absolute path of the project's folder. Each caller gets the same
    /// repository, so that git is asked only once where the repository is, and one process reads all objects.
    static FOUND_REPOSITORIES: RefCell<BTreeMap<PathBuf, Rc<Repository>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Git operations that a user may have started but not completed.
const UNFINISHED_OPERATIONS: [(&str, &str); 5] = [
    ("MERGE_HEAD", "a merge"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
];

/// Maximum number of paths per git command.
const MAX_PATHS_PER_COMMAND: usize = 400;
/// Maximum number of paths that are passed to `git status`.
const MAX_NAMED_PATHS: usize = 50;
/// Arguments of the git command that lists changed files. The paths follow these arguments.
pub(super) const STATUS_ARGS: [&str; 6] = [
    "status",
    "--porcelain=v1",
    "-z",
    "--no-renames",
    "--untracked-files=all",
    "--",
];

impl Repository {
    /// Finds the repository that contains this folder. Returns an error if a git operation is not complete.
    pub fn find(folder: &Path) -> Result<Rc<Self>, Failure> {
        let repository = Self::find_in_any_state(folder)?;
        let mut operations = repository.operation_marks.iter().zip(UNFINISHED_OPERATIONS);
        if let Some((_, (_, unfinished_action))) = operations.find(|(mark, _)| mark.exists()) {
            return Err(Failure::new(
                Exit::Failed,
                format!("{unfinished_action} is not finished in this work tree"),
            )
            .with_help("complete or abort the git operation first; `git status` shows how"));
        }
        Ok(repository)
    }

    /// Finds the repository that contains this folder, even if a git operation is not complete.
    fn find_in_any_state(folder: &Path) -> Result<Rc<Self>, Failure> {
        let folder = current_folder_if_empty(folder);
        let key = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        if let Some(found) = FOUND_REPOSITORIES.with_borrow(|found| found.get(&key).cloned()) {
            return Ok(found);
        }
        let mut args = vec!["rev-parse", "--is-inside-work-tree", "--show-toplevel", "--show-prefix"];
        let marks = UNFINISHED_OPERATIONS.iter().map(|(name, _)| *name);
        args.extend(marks.chain(["index.lock"]).flat_map(|name| ["--git-path", name]));
        let output = run_git_in(folder, &args, "")?;
        let mut lines = output.out.lines();
        let (true, Some("true"), Some(top), Some(prefix)) =
            (output.succeeded, lines.next(), lines.next(), lines.next())
        else {
            return Err(
                Failure::new(Exit::Failed, "the project is not in a git repository").with_help(
                    "create a repository with `git init`, because a push is a commit, or run `formulac generate`, \
                     which needs no repository",
                ),
            );
        };
        let mut git_paths: Vec<PathBuf> = lines.map(PathBuf::from).collect();
        let repository = Rc::new(Self {
            folder: folder.to_owned(),
            top_folder: PathBuf::from(top),
            project_prefix: prefix.to_owned(),
            index_lock: git_paths.pop().unwrap_or_default(),
            operation_marks: git_paths.iter().map(|path| folder.join(path)).collect(),
            objects: ObjectReader::new(folder),
        });
        FOUND_REPOSITORIES.with_borrow_mut(|found| found.insert(key, Rc::clone(&repository)));
        Ok(repository)
    }

    /// If a file differs from its committed version, returns the committed contents, or `Some(None)` if the file was
    /// never committed. Returns `None` if the file is unchanged or ignored, or if there is no repository.
    pub fn committed_version_if_changed(folder: &Path, path: &str) -> Option<Option<String>> {
        let repository = Self::find_in_any_state(folder).ok()?;
        let paths = [path.to_owned()];
        if repository.uncommitted_paths(&paths).ok()?.is_empty() {
            return None;
        }
        let committed = repository.file_contents_at_commit("HEAD", &paths);
        Some(committed.ok().and_then(|mut texts| texts.pop().flatten()))
    }

    /// Returns the current branch. Returns an error if HEAD is detached.
    pub fn branch(&self) -> Result<String, Failure> {
        current_branch(&self.folder)?.ok_or_else(|| {
            Failure::new(Exit::Failed, "HEAD is detached, so a commit would not be on a branch")
                .with_help("switch to a branch with `git switch BRANCH`, or create a branch with `git switch -c NAME`")
        })
    }

    /// Returns the branch into which changes are merged: the default branch of origin, `main` or `master`, or the only
    /// branch. `None` if the branch is uncertain.
    pub fn default_branch(&self) -> Result<Option<String>, Failure> {
        let remote = self.run(&["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"])?;
        let name = remote.out.trim().strip_prefix("refs/remotes/origin/");
        if let Some(name) = name.filter(|_| remote.succeeded) {
            return Ok(Some(name.to_owned()));
        }
        for name in ["main", "master"] {
            if self.has_branch(name)? {
                return Ok(Some(name.to_owned()));
            }
        }
        let branches = self.run_git(&["for-each-ref", "--format=%(refname)", "refs/heads"])?;
        Ok(self.branch().ok().filter(|_| branches.lines().count() <= 1))
    }

    /// Returns whether a branch with this name exists.
    pub fn has_branch(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.objects.resolve(&format!("refs/heads/{name}"))?.is_some())
    }

    /// Returns whether the name is valid for a branch.
    pub fn is_branch_name(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.run(&["check-ref-format", "--branch", name])?.succeeded)
    }

    /// Returns the author that git records in new commits, as `Name <email>`.
    pub fn author(&self) -> Result<String, Failure> {
        identity::current_user(&self.folder).ok_or_else(|| {
            Failure::new(Exit::Failed, "git has no user name or email address")
                .with_help("run `git config user.name NAME` and `git config user.email ADDRESS`")
        })
    }

    /// Returns the commit of HEAD, or `None` before the first commit.
    pub fn head_commit(&self) -> Result<Option<String>, Failure> {
        self.resolve_commit("HEAD")
    }

    /// Returns the paths that git ignores.
    pub fn ignored_paths(&self, paths: &[String]) -> Result<Vec<String>, Failure> {
        let output = run_git_in(
            &self.folder,
            &["check-ignore", "-z", "--stdin"],
            &null_separated_paths(paths),
        )?;
        // Exit status 1 means that no path is ignored.
        if !output.succeeded && !output.err.is_empty() {
            return Err(Failure::new(
                Exit::Failed,
                format!("`git check-ignore` failed: {}", output.err.trim()),
            ));
        }
        Ok(output
            .out
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Returns the error for a path that git ignores, with the pattern that matches it.
    pub fn ignored_path_failure(&self, path: &str) -> Failure {
        let rule = self.run(&["check-ignore", "--verbose", "--", path]).ok();
        // `file:line:pattern`, a tab, and the path.
        let rule = rule.as_ref().and_then(|output| output.out.split('\t').next());
        let rule = rule.and_then(|rule| rule.split_once(':'));
        let help = match rule.and_then(|(file, rest)| Some((file, rest.split_once(':')?))) {
            Some((file, (line, pattern))) => format!("remove the pattern `{pattern}` from line {line} of {file}"),
            None => "remove the matching pattern from .gitignore".to_owned(),
        };
        Failure::new(Exit::Failed, format!("git ignores `{path}`, which is part of the push")).with_help(help)
    }

    /// Creates a branch at HEAD and switches to it. The work tree does not change.
    pub fn create_and_switch_to_branch(&self, name: &str) -> Result<(), Failure> {
        self.run_git(&["switch", "--quiet", "-c", name]).map(|_| ())
    }

    /// Switches back to a branch, and deletes the branch that `create_and_switch_to_branch` created.
    pub fn switch_back_and_delete_branch(&self, begun: &str, back: &str) -> Result<(), Failure> {
        self.run_git(&["symbolic-ref", "HEAD", &format!("refs/heads/{back}")])?;
        self.run_git(&["branch", "--quiet", "-D", "--", begun]).map(|_| ())
    }

    /// Commits the current contents of these files, and no other staged changes.
    pub fn commit(&self, paths: &[String], message: &str) -> Result<(), Failure> {
        let message = format!("--message={message}");
        let author = identity::user_from_environment().map(|author| format!("--author={author}"));
        let mut args = vec!["commit", "--quiet", "--only", "--cleanup=whitespace", &message];
        args.extend(author.as_deref());
        self.commit_with_args(&args, paths)
    }

    /// Makes the last commit, the index and these files agree after commit hooks have run. Otherwise, changes that a
    /// hook staged would be missing from the index, and changes that a hook did not stage would be missing from the
    /// commit.
    pub fn reconcile_after_commit_hooks(&self, paths: &[String]) -> Result<(), Failure> {
        // A hook may have committed other files, even outside of the project's folder.
        let committed = self.objects.files_changed_by("HEAD", "")?;
        let own_paths: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
        let is_own = |file: &String| {
            let path = file.strip_prefix(&self.project_prefix);
            path.is_some_and(|path| own_paths.contains(path))
        };
        if committed.iter().all(is_own) && self.uncommitted_paths(paths)?.is_empty() {
            return Ok(());
        }
        self.reset_index(&committed)?;
        let rewritten = self.uncommitted_paths(paths)?;
        if rewritten.is_empty() {
            return Ok(());
        }
        self.commit_with_args(&["commit", "--quiet", "--amend", "--no-edit", "--only"], &rewritten)?;
        self.reset_index(&self.objects.files_changed_by("HEAD", "")?)
    }

    /// Resets the index entries of files to the last commit. The paths are relative to the repository's folder.
    fn reset_index(&self, files: &[String]) -> Result<(), Failure> {
        if files.is_empty() {
            return Ok(());
        }
        let args = ["reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul"];
        let output = run_git_in(&self.top_folder, &args, &null_separated_paths(files))?;
        self.git_output("reset", output).map(|_| ())
    }

    fn commit_with_args(&self, args: &[&str], paths: &[String]) -> Result<(), Failure> {
        // `git add` refuses tracked files in a folder that .gitignore names, so add only new files.
        let tracked = self.run_git_on_paths(&["ls-files", "-z", "--"], paths)?;
        let tracked = tracked.split('\0').filter(|path| !path.is_empty()).map(str::to_owned);
        let mut known_paths: BTreeSet<String> = tracked.collect();
        let new_paths: Vec<String> = paths
            .iter()
            .filter(|path| !known_paths.contains(*path) && self.folder.join(path).is_file())
            .cloned()
            .collect();
        if !new_paths.is_empty() {
            let args = [
                "add",
                "--intent-to-add",
                "--pathspec-from-file=-",
                "--pathspec-file-nul",
            ];
            self.run_git_with_input(&args, &null_separated_paths(&new_paths))?;
        }
        known_paths.extend(new_paths);
        // Skip deleted files that were never tracked, but include deleted files that are staged, because git must
        // record their removal.
        if let Some(head) = self.head_commit()? {
            known_paths.extend(self.files_in_commit(&head, paths)?);
        }
        let known_paths = Vec::from_iter(known_paths);
        let args = [args, &["--pathspec-from-file=-", "--pathspec-file-nul"]].concat();
        let trace = GitTrace::new(&self.folder.join(LOCAL_FOLDER));
        let output = run_git_traced(
            &self.folder,
            &args,
            &null_separated_paths(&known_paths),
            hooks::TRACE_VARIABLE,
            trace.path(),
        )?;
        match trace.last_failed_hook().filter(|_| !output.succeeded) {
            None => self.git_output("commit", output).map(|_| ()),
            Some(hook) => Err(hook_failure(&hook, &output)),
        }
    }

    /// Unstages files that a failed commit left in the index.
    pub fn unstage_new_files(&self, paths: &[String]) -> Result<(), Failure> {
        let output = run_git_in(
            &self.folder,
            &["reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul"],
            &null_separated_paths(paths),
        )?;
        if self.head_commit()?.is_some() {
            self.git_output("reset", output)?;
        } else if !output.succeeded {
            // Before the first commit, there is no state to restore.
            let args = [
                "rm",
                "--quiet",
                "--cached",
                "--ignore-unmatch",
                "--pathspec-from-file=-",
                "--pathspec-file-nul",
            ];
            self.run_git_with_input(&args, &null_separated_paths(paths))?;
        }
        Ok(())
    }

    /// Returns the given files that differ from the last commit or are missing from it. If there are many files, git
    /// reads their folders instead, because git compares each file with each given path, which is slow.
    pub fn uncommitted_paths(&self, paths: &[String]) -> Result<Vec<String>, Failure> {
        let parse_path = |line: &str| Some(line.get(3..)?.strip_prefix(&self.project_prefix)?.to_owned());
        if paths.len() <= MAX_NAMED_PATHS {
            let output = self.run_git_on_paths(&STATUS_ARGS, paths)?;
            return Ok(output.split('\0').filter_map(parse_path).collect());
        }
        let folder = |path: &String| {
            path.rsplit_once('/')
                .map_or(path.clone(), |(folder, _)| folder.to_owned())
        };
        let folders: BTreeSet<String> = paths.iter().map(folder).collect();
        let output = self.run_git_on_paths(&STATUS_ARGS, &Vec::from_iter(folders))?;
        // Remove duplicates, because several calls may report the files of a nested folder.
        let differing: BTreeSet<String> = output.split('\0').filter_map(parse_path).collect();
        let wanted_paths: BTreeSet<String> = paths.iter().cloned().collect();
        Ok(differing.intersection(&wanted_paths).cloned().collect())
    }

    /// Returns the author, commit and subject of the last change to one of these lines. Returns `None` if one of the
    /// lines is not committed.
    pub fn blame_lines(&self, path: &str, from: usize, count: usize) -> Option<String> {
        let range = format!("-L{from},+{}", count.max(1));
        let blamed = self.run(&["blame", "--line-porcelain", &range, "--", path]).ok();
        let output = blamed.filter(|output| output.succeeded)?.out;
        let mut last: Option<(u64, String, String)> = None;
        // The contents of each line begin with a tab and follow the information about the line.
        let mut lines = output.lines();
        while let Some(commit) = lines.next() {
            let headers: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with('\t')).collect();
            let id = commit.split(' ').next().unwrap_or_default();
            let commit = id.get(..7).filter(|commit| commit.bytes().any(|byte| byte != b'0'))?;
            let value = |key: &str| headers.iter().find_map(|line| line.strip_prefix(key));
            let time = value("committer-time ")?.parse().ok()?;
            // Git's times are whole seconds, so a commit and its parent may have the same time.
            let is_child = |parent: &str| value("previous ").is_some_and(|previous| previous.starts_with(parent));
            let is_later = |latest: &u64, last: &str| time > *latest || (time == *latest && is_child(last));
            if last.as_ref().is_none_or(|(latest, last, _)| is_later(latest, last)) {
                last = Some((
                    time,
                    id.to_owned(),
                    format!("{}, {commit}, \"{}\"", value("author ")?, value("summary ")?),
                ));
            }
        }
        last.map(|(_, _, text)| text)
    }

    pub fn run(&self, args: &[&str]) -> Result<ProgramOutput, Failure> {
        run_git_in(&self.folder, args, "")
    }

    pub fn run_git(&self, args: &[&str]) -> Result<String, Failure> {
        self.run_git_with_input(args, "")
    }

    /// Runs git for these paths. Splits the paths over several calls, because a large project has too many paths for
    /// the arguments of one call.
    pub(super) fn run_git_on_paths(&self, args: &[&str], paths: &[String]) -> Result<String, Failure> {
        let some = |some: &[String]| {
            let args: Vec<&str> = args.iter().copied().chain(some.iter().map(String::as_str)).collect();
            self.run_git(&args)
        };
        paths.chunks(MAX_PATHS_PER_COMMAND).map(some).collect()
    }

    pub fn run_git_with_input(&self, args: &[&str], input: &str) -> Result<String, Failure> {
        let output = run_git_in(&self.folder, args, input)?;
        self.git_output(args.first().copied().unwrap_or_default(), output)
    }

    /// Returns the output of a git call, or the reason for its failure.
    fn git_output(&self, subcommand: &str, output: ProgramOutput) -> Result<String, Failure> {
        if output.succeeded {
            return Ok(output.out);
        }
        let reason = error_text(&output).unwrap_or_else(|| "git reported no reason".to_owned());
        let failure = Failure::new(Exit::Failed, format!("`git {subcommand}` failed: {reason}"));
        if !self.folder.join(&self.index_lock).exists() {
            return Err(failure);
        }
        Err(failure.with_help(format!(
            "git's lock `{}` exists; if no git command is running in this repository, a git command was killed: delete \
             this file, then run the command again",
            self.index_lock.display()
        )))
    }
}

/// Returns the output of a program, or `None` if the output is empty.
fn error_text(output: &ProgramOutput) -> Option<String> {
    let lines: Vec<&str> = output
        .err
        .lines()
        .chain(output.out.lines())
        .filter(|line| !line.is_empty())
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n  "))
}

fn hook_failure(hook: &FailedHook, output: &ProgramOutput) -> Failure {
    let FailedHook { name, program, status } = hook;
    let reason = match error_text(output) {
        Some(text) => format!(":\n  {text}"),
        None => " and printed nothing".to_owned(),
    };
    Failure::new(
        Exit::Failed,
        format!("the git hook `{name}` ({program}) failed with exit status {status}{reason}"),
    )
    .with_help("nothing is committed; fix what the hook rejects, then try again")
}

/// Formats paths as git reads them from its standard input.
fn null_separated_paths(paths: &[String]) -> String {
    paths.iter().map(|path| format!("{path}\0")).collect()
}
