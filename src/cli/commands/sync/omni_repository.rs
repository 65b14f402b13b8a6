//! Separate repository of the Omni model (`omni: {path: …}`). A push, a rollback and a release change dbt's repository
//! first and this repository second. Each commit and each tag refers to its counterpart in the other repository.

use std::collections::BTreeSet;
use std::rc::Rc;

use formulac::omni::{PullRecord, shared_file_paths};
use formulac::sync::OmniChange;
use serde_json::{Value, json};

use super::apply::{ENTRY_TRAILER, PushCommit};
use super::lock::is_push_interrupted;
use super::push::PushBranch;
use super::repository::Repository;
use crate::cli::branch_names::short_name;
use crate::cli::commands::pull::{PULL_RECORDS_FOLDER, pull_records};
use crate::cli::exit::{Exit, Failure};
use crate::cli::workspace::{Workspace, omni_repository};

/// Trailer that names the Omni model's repository in a message in dbt's repository.
pub const OMNI_TRAILER: &str = "Formulac-Omni";
/// Trailer that names the commit in dbt's repository in a message in the Omni model's repository.
pub const DBT_TRAILER: &str = "Formulac-Dbt";

/// Repository of the Omni model.
#[derive(Debug)]
pub struct OmniRepository {
    /// Folder of the repository, relative to the project's folder.
    pub folder: String,
    pub repository: Rc<Repository>,
}

impl OmniRepository {
    /// Finds the repository. Returns `None` if the Omni model is a folder of the project, and an error if there is no
    /// repository at the configured path.
    pub fn find(workspace: &Workspace) -> Result<Option<Self>, Failure> {
        let Some(path) = omni_repository(&workspace.project, &workspace.root)? else {
            return Ok(None);
        };
        let folder = workspace.omni_folder();
        let repository = Repository::find(&path).map_err(|failure| with_repository_in_message(&folder, failure))?;
        Ok(Some(Self { folder, repository }))
    }

    /// Returns the files that the last pull wrote and that are not committed. `None` if all of them are committed.
    pub fn uncommitted_files(&self, workspace: &Workspace) -> Result<Option<OmniChange>, Failure> {
        let dbt = Repository::find(&workspace.root)?;
        let records = dbt.uncommitted_paths(&[PULL_RECORDS_FOLDER.to_owned()])?;
        // The record of a removed file exists only in the last commit.
        let removed: Vec<String> = records
            .iter()
            .filter(|path| !workspace.root.join(path).is_file())
            .cloned()
            .collect();
        let removed = match dbt.head_commit()? {
            Some(head) => dbt.file_contents_at_commit(&head, &removed)?,
            None => Vec::new(),
        };
        let removed = removed.iter().flatten().filter_map(|text| PullRecord::from_text(text));
        let pulled = pull_records(&workspace.root).chain(removed).map(|record| record.path);
        let pulled: BTreeSet<String> = pulled.chain(shared_file_paths()).collect();
        let mut files = self.repository.uncommitted_paths(&[".".to_owned()])?;
        files.retain(|path| pulled.contains(path));
        Ok((!files.is_empty()).then(|| OmniChange {
            repository: self.folder.clone(),
            files,
            records,
        }))
    }

    /// Returns the commit that corresponds to the last pushed commit in dbt's repository, if the current branch of this
    /// repository lacks it. `None` if a push was interrupted, because the next push creates the commit.
    pub fn find_missing_commit(&self, workspace: &Workspace) -> Result<Option<MissingCommit>, Failure> {
        let pair = Repository::find(&workspace.root)?.last_commit_with_omni_commit()?;
        let Some((entry, dbt)) = pair.filter(|(entry, _)| !entry.is_empty()) else {
            return Ok(None);
        };
        // A squash merge may leave the trailer in the middle of the message.
        let grep = format!("--grep={ENTRY_TRAILER}: {entry}");
        let find = |revision: &str| -> Result<String, Failure> {
            let args = ["log", "-1", "--fixed-strings", &grep, "--format=%H", revision];
            Ok(self.repository.run_git(&args)?.trim().to_owned())
        };
        let is_in_head = self.repository.head_commit()?.is_some() && !find("HEAD")?.is_empty();
        if is_in_head || is_push_interrupted(workspace)? {
            return Ok(None);
        }
        let folder = &self.folder;
        let now = self.repository.branch().unwrap_or_default();
        let fix = match find("--all")?.as_str() {
            "" => format!("git -C {folder} pull"),
            commit => match self.find_branch_containing(commit, &now)? {
                Some(branch) => format!("git -C {folder} merge {branch}"),
                None => format!("git -C {folder} pull"),
            },
        };
        Ok(Some(MissingCommit {
            message: format!("{folder} lacks the commit that corresponds to {dbt} in dbt's repository"),
            fix,
        }))
    }

    /// Returns a branch that contains the commit. `None` if `git pull` adds the commit to the current branch.
    fn find_branch_containing(&self, commit: &str, now: &str) -> Result<Option<String>, Failure> {
        let refs = ["refs/heads", "refs/remotes"];
        let args = ["for-each-ref", "--contains", commit, "--format=%(refname)"];
        let output = self.repository.run_git(&[args.as_slice(), &refs].concat())?;
        let is_upstream = |name: &str| {
            let branch = name.strip_prefix("refs/remotes/").and_then(|name| name.split_once('/'));
            branch.is_some_and(|(_, branch)| branch == now)
        };
        if output.lines().any(is_upstream) {
            return Ok(None);
        }
        // `origin/HEAD` is another name of the remote's default branch.
        let mut names = output.lines().filter(|name| !name.ends_with("/HEAD"));
        Ok(names.next().map(|name| short_name(name).to_owned()))
    }

    /// Returns the path of a file of this repository, relative to the project's folder.
    pub fn path_in_project(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// Creates the commit of these files that corresponds to a commit in dbt's repository. The branch has the same name
    /// in both repositories if the push creates a branch.
    pub fn new_commit(
        &self,
        files: &[String],
        branch: &PushBranch,
        (message, entry): (&str, &str),
    ) -> Result<OmniCommit, Failure> {
        let failed = |failure| with_repository_in_message(&self.folder, failure);
        let now = self.repository.branch().map_err(failed)?;
        self.repository.author().map_err(failed)?;
        if let Some(path) = self.repository.ignored_paths(files)?.first() {
            return Err(with_repository_in_message(
                &self.folder,
                self.repository.ignored_path_failure(path),
            ));
        }
        let new_branch = match branch.new_branch.as_deref().filter(|name| *name != now) {
            Some(name) if self.repository.has_branch(name)? => {
                let message = format!(
                    "{} has a branch `{name}`, but its current branch is `{now}`",
                    self.folder
                );
                return Err(Failure::new(Exit::Failed, message)
                    .with_help(format!("run `git -C {} switch {name}`", self.folder)));
            }
            new_branch => new_branch.map(str::to_owned),
        };
        Ok(OmniCommit {
            folder: self.folder.clone(),
            commit: PushCommit {
                message: message.to_owned(),
                paths: files.to_vec(),
                entry: entry.to_owned(),
                branch: now,
                new_branch,
                parent: self.repository.head_commit()?,
                omni: None,
            },
        })
    }

    /// Finds the latest commit with one of the requested log entries. Also returns the later commits with a log entry,
    /// latest first.
    pub fn find_commit(&self, is_match: impl Fn(&str) -> bool) -> Result<(Option<String>, Vec<String>), Failure> {
        let mut later = Vec::new();
        if self.repository.head_commit()?.is_none() {
            return Ok((None, later));
        }
        let format = format!("--format=%H%x00%(trailers:key={ENTRY_TRAILER},valueonly,separator=%x20)%x00");
        let grep = format!("--grep={ENTRY_TRAILER}: ");
        let output = self.repository.run_git(&["log", "--fixed-strings", &grep, &format])?;
        let mut parts = output.split('\0').map(str::trim);
        while let (Some(commit), Some(entry)) = (parts.next(), parts.next()) {
            if is_match(entry) {
                return Ok((Some(commit.to_owned()), later));
            }
            later.push(commit.to_owned());
        }
        Ok((None, later))
    }
}

/// Commit that belongs to dbt's commit and that a clone of the Omni model lacks. The clone's files may be older than
/// the last pull, so their differences are not edits.
#[derive(Clone, Debug)]
pub struct MissingCommit {
    pub message: String,
    /// Command that adds the commit to the current branch.
    pub fix: String,
}

/// Maximum number of commits to search for the last commit that names the Omni model's repository.
const MAX_SEARCHED_COMMITS: usize = 500;

impl Repository {
    /// Returns the log entry and the short hash of the last commit that is followed by a commit in the Omni model's
    /// repository.
    pub fn last_commit_with_omni_commit(&self) -> Result<Option<(String, String)>, Failure> {
        if self.head_commit()?.is_none() {
            return Ok(None);
        }
        let entry = format!("%(trailers:key={ENTRY_TRAILER},valueonly,separator=%x20)");
        let format = format!("--format=%h%x00{entry}%x00%(trailers:key={OMNI_TRAILER},valueonly)%x00");
        let output = self.run_git(&["log", &format!("--max-count={MAX_SEARCHED_COMMITS}"), &format])?;
        let mut parts = output.split('\0').map(str::trim);
        while let (Some(commit), Some(entry), Some(omni)) = (parts.next(), parts.next(), parts.next()) {
            if !omni.is_empty() {
                return Ok(Some((entry.to_owned(), commit.to_owned())));
            }
        }
        Ok(None)
    }

    /// Returns the current branch and commit, such as `main (1a2b3c4)`.
    pub fn branch_and_commit(&self) -> Result<String, Failure> {
        let branch = self.branch().unwrap_or_else(|_| "no branch".to_owned());
        let commit = self.head_commit()?;
        let commit = commit
            .as_deref()
            .and_then(|commit| commit.get(..7))
            .unwrap_or("no commit");
        Ok(format!("{branch} ({commit})"))
    }
}

/// Commit in the Omni model's repository that corresponds to a commit in dbt's repository.
#[derive(Clone, Debug)]
pub struct OmniCommit {
    /// Folder of the repository, relative to the project's folder.
    pub folder: String,
    pub commit: PushCommit,
}

impl OmniCommit {
    pub fn to_note(&self) -> Value {
        json!({"folder": self.folder, "commit": self.commit.to_note()})
    }

    pub fn from_note(note: &Value) -> Option<Self> {
        Some(Self {
            folder: note.get("folder")?.as_str()?.to_owned(),
            commit: PushCommit::from_note(note.get("commit")?)?,
        })
    }

    /// Returns the trailer that names this commit in dbt's repository. The commit does not exist yet, so the trailer
    /// names the commit before it.
    pub fn trailer(&self) -> String {
        let position = match self.commit.parent.as_deref().and_then(|parent| parent.get(..12)) {
            Some(parent) => format!("the commit after {parent}"),
            None => "the first commit".to_owned(),
        };
        format!("{OMNI_TRAILER}: {}, {position}", self.folder)
    }

    /// Creates the commit, unless it already exists. `dbt` is the commit in dbt's repository.
    pub fn create(&self, workspace: &Workspace, dbt: &str) -> Result<(), Failure> {
        let failed = |failure| with_repository_in_message(&self.folder, failure);
        let repository = Repository::find(&workspace.root.join(&self.folder)).map_err(failed)?;
        let mut commit = self.commit.clone();
        // Somebody may have committed the files after an interrupted push.
        if commit.created_commit(&repository)?.is_none() && repository.uncommitted_paths(&commit.paths)?.is_empty() {
            return Ok(());
        }
        let description = describe_dbt_commit(workspace, dbt)?;
        commit.message = format!("{}\n{DBT_TRAILER}: {description}\n", commit.message.trim_end());
        let created = commit.create_commit(&repository);
        let created = created.or_else(
            |failure| match repository.uncommitted_paths(&commit.paths)?.is_empty() {
                true => Err(failure),
                // A formatter hook may change the files and then reject the commit.
                false => commit.create_commit(&repository),
            },
        );
        created.map_err(failed)?;
        repository.reconcile_after_commit_hooks(&commit.paths).map_err(failed)
    }
}

/// Returns the name of dbt's repository, followed by one of its commits.
pub fn describe_dbt_commit(workspace: &Workspace, commit: &str) -> Result<String, Failure> {
    let repository = Repository::find(&workspace.root)?;
    let name = repository
        .top_folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(format!("{name}, commit {commit}"))
}

/// Adds the folder of the Omni model's repository to a message.
pub fn with_repository_in_message(folder: &str, failure: Failure) -> Failure {
    failure.map_message(|message| message.text = format!("{folder}: {}", message.text))
}
