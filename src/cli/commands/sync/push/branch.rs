//! Branch that a push commits to.

use formulac::sync::{Plan, content_hash};
use jiff::Timestamp;

use super::super::repository::Repository;
use super::saved_plan::saved_plan_json;
use crate::cli::args::Selection;
use crate::cli::environment::{self, Environment};
use crate::cli::exit::{Exit, Failure};
use crate::cli::permissions;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Branch for the commit.
pub struct PushBranch {
    /// Current branch.
    pub current_branch: String,
    /// Name of the branch to create for the commit, if a new branch is necessary.
    pub new_branch: Option<String>,
}

impl PushBranch {
    /// Chooses the environment's branch, or a new branch if the environment's branch is protected. Without an
    /// environment, the current branch is used.
    pub fn new(
        session: &Session,
        workspace: &Workspace,
        repository: &Repository,
        environment: Option<&Environment>,
        plan: &Plan,
    ) -> Result<Self, Failure> {
        let current_branch = repository.branch()?;
        let Some(environment) = environment else {
            return Ok(Self {
                current_branch,
                new_branch: None,
            });
        };
        let required = required_branch(workspace, repository, environment)?;
        let other_branch = required.as_deref().filter(|name| *name != current_branch);
        if environment.is_reviewed() {
            if let Some(branch) = other_branch {
                let branches = (current_branch.as_str(), branch);
                return Err(reject_for_branch(
                    session,
                    workspace,
                    repository,
                    environment,
                    "push",
                    branches,
                )?);
            }
            let hash = content_hash(saved_plan_json(plan, &Selection::default()).to_string().as_bytes());
            let name = format!("{}{}", branch_prefix(environment), hash.get(..8).unwrap_or_default());
            let taken = repository.has_branch(&name)?;
            let new_branch = if taken {
                format!("{name}-{}", Timestamp::now().as_second())
            } else {
                name
            };
            return Ok(Self {
                current_branch,
                new_branch: Some(new_branch),
            });
        }
        match other_branch {
            None => Ok(Self {
                current_branch,
                new_branch: None,
            }),
            Some(branch) => match wrong_branch_message(repository, environment, (&current_branch, branch))? {
                None => Ok(Self {
                    current_branch,
                    new_branch: Some(branch.to_owned()),
                }),
                Some(message) => {
                    let help = format!("run `git switch {branch}`, or choose another environment with `--env`");
                    Err(Failure::new(Exit::Usage, message).with_help(help))
                }
            },
        }
    }

    pub fn name(&self) -> &str {
        self.new_branch.as_deref().unwrap_or(&self.current_branch)
    }
}

/// Returns the prefix for names of branches that are created for pushes to an environment.
fn branch_prefix(environment: &Environment) -> String {
    format!("formulac/{}-", environment.name)
}

/// Returns the reason why a push to the environment would be refused on the current branch.
pub fn wrong_branch_reason(
    workspace: &Workspace,
    repository: &Repository,
    environment: &Environment,
    current_branch: &str,
) -> Result<Option<String>, Failure> {
    match required_branch(workspace, repository, environment)? {
        Some(branch) if branch != current_branch => {
            wrong_branch_message(repository, environment, (current_branch, &branch))
        }
        _ => Ok(None),
    }
}

/// Returns a message that the current branch is not the branch of the environment. `None` if a push would create the
/// branch of the environment.
fn wrong_branch_message(
    repository: &Repository,
    environment: &Environment,
    (now, branch): (&str, &str),
) -> Result<Option<String>, Failure> {
    let name = &environment.name;
    if environment.is_reviewed() {
        return Ok(Some(format!(
            "`{name}` can be changed only on its branch `{branch}`, but the current branch is `{now}`"
        )));
    }
    let message = || format!("`{name}` is pushed from the branch `{branch}`, but the current branch is `{now}`");
    Ok(repository.has_branch(branch)?.then(message))
}

/// Returns an error if a command would change a protected environment while a different branch is checked out. A branch
/// that an earlier push created is also allowed, because repeating the push on that branch changes nothing.
pub fn require_environment_branch(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    environment: Option<&Environment>,
    command: &str,
) -> Result<(), Failure> {
    let Some(environment) = environment.filter(|environment| environment.is_reviewed()) else {
        return Ok(());
    };
    let now = repository.branch()?;
    match required_branch(workspace, repository, environment)? {
        Some(branch) if branch != now && !now.starts_with(&branch_prefix(environment)) => {
            let branches = (now.as_str(), branch.as_str());
            Err(reject_for_branch(
                session,
                workspace,
                repository,
                environment,
                command,
                branches,
            )?)
        }
        _ => Ok(()),
    }
}

/// Logs a command that must run on another branch, and returns the error.
fn reject_for_branch(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    environment: &Environment,
    command: &str,
    (now, branch): (&str, &str),
) -> Result<Failure, Failure> {
    let message = wrong_branch_message(repository, environment, (now, branch))?.unwrap_or_default();
    Ok(permissions::reject_for_wrong_branch(
        session,
        workspace,
        command,
        environment,
        &message,
        branch,
    ))
}

/// Returns the branch of an environment, if one is set.
fn required_branch(
    workspace: &Workspace,
    repository: &Repository,
    environment: &Environment,
) -> Result<Option<String>, Failure> {
    let Some(name) = environment::environment_branch(&workspace.project, &workspace.root, environment) else {
        return Ok(None);
    };
    if repository.is_branch_name(&name)? && !name.starts_with('-') {
        return Ok(Some(name));
    }
    Err(
        Failure::new(Exit::Usage, format!("`{name}` is not a valid branch name"))
            .with_help("correct `branch:` in formulac.yml"),
    )
}
