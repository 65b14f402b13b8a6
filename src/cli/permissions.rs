//! Maps each command to the right that it requires, and rejects commands that the user's role does not allow.

use formulac::diag::lists::join_words;
use formulac::sync::{LogEntry, REJECTED_COMMAND_ACTION};
use formulac::team::{Right, Role};
use jiff::Timestamp;

use super::args::{ChangeCommand, Command};
use super::atomic_write::{PlannedFile, write_all};
use super::environment::{self, Environment};
use super::exit::{Exit, Failure};
use super::identity;
use super::project;
use super::session::Session;
use super::workspace::Workspace;
use crate::cli::commands::sync::{REJECTED_COMMANDS_FOLDER, Repository, create_local_folder};

/// Permission that a command requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequiredRight {
    /// No permission is required, because everybody who has the files can read them.
    Nothing,
    One(Right),
    /// Permission to change the chosen environment.
    ChangeEnvironment,
    /// Permission to run tests or, if the environment is protected, to change settings.
    ProofInEnvironment,
}

fn required_right(command: &Command) -> RequiredRight {
    let unless = |only_reads: bool, right: Right| {
        if only_reads {
            RequiredRight::Nothing
        } else {
            RequiredRight::One(right)
        }
    };
    match command {
        Command::Compile(_)
        | Command::Query(_)
        | Command::Preview(_)
        | Command::Status(_)
        | Command::Doctor(_)
        | Command::Plan(_)
        | Command::Log(_)
        | Command::Explain(_)
        | Command::Functions(_)
        | Command::Impact(_)
        | Command::Lineage(_)
        | Command::Schema(_)
        | Command::Env(_) => RequiredRight::Nothing,
        Command::Init(args) => unless(args.dry_run || args.example, Right::Settings),
        Command::Model(args) => unless(args.out.is_none() || args.check, Right::Develop),
        Command::Generate(args) => unless(args.check, Right::Develop),
        Command::Pull(args) => unless(args.check || args.dry_run, Right::Develop),
        Command::Promote(args) => unless(args.dry_run, Right::Develop),
        Command::Extract(args) => unless(args.dry_run, Right::Develop),
        Command::Check(args) => unless(!args.fix, Right::Develop),
        Command::Resolve(_) | Command::Adopt(_) => RequiredRight::One(Right::Develop),
        Command::Push(_) | Command::Rollback(_) => RequiredRight::ChangeEnvironment,
        Command::Verify(_) => RequiredRight::One(Right::Test),
        Command::Prove(_) => RequiredRight::ProofInEnvironment,
        Command::Release(_) => RequiredRight::One(Right::Deploy),
        Command::Authorize(args) => unless(args.codeowners.is_none(), Right::Settings),
        Command::Change(args) => match &args.command {
            ChangeCommand::List(_) | ChangeCommand::Show(_) => RequiredRight::Nothing,
            ChangeCommand::Propose(_) => RequiredRight::One(Right::Propose),
            ChangeCommand::Comment(_) => RequiredRight::One(Right::Comment),
            // The command itself checks the right, because approvers named in a spec do not need it.
            ChangeCommand::Approve(_) | ChangeCommand::Reject(_) => RequiredRight::Nothing,
        },
    }
}

/// Rejects a command that the user's role does not allow. Every command is allowed outside a project. In a project
/// without roles, every user is an engineer, so only proofs in a protected environment are rejected: these require an
/// admin.
pub fn check_permission(session: &Session, command: &Command) -> Result<(), Failure> {
    let takes = required_right(command);
    if takes == RequiredRight::Nothing {
        return Ok(());
    }
    let Some((project, _)) = project::read_project_with_folder(session.global.project_dir.as_deref())? else {
        return Ok(());
    };
    if !project.people().has_roles() && takes != RequiredRight::ProofInEnvironment {
        return Ok(());
    }
    let workspace = Workspace::find(session)?;
    let (right, environment) = match takes {
        RequiredRight::ChangeEnvironment => {
            let environment = environment::selected_environment(&session.global, &workspace.project)?;
            let changed = environment
                .filter(formulac::Environment::is_reviewed)
                .or_else(|| environment_of_branch(&workspace));
            (
                if changed.is_some() {
                    Right::Deploy
                } else {
                    Right::Develop
                },
                changed,
            )
        }
        RequiredRight::ProofInEnvironment => {
            let environment = environment::selected_environment(&session.global, &workspace.project)?;
            let protected = environment.filter(|environment| environment.protected);
            let right = if protected.is_some() {
                Right::Settings
            } else {
                Right::Test
            };
            (right, protected)
        }
        RequiredRight::One(right) => (right, None),
        RequiredRight::Nothing => return Ok(()),
    };
    let who = identity::current_user(&workspace.root).unwrap_or_default();
    if workspace.project.people().rights(&who).has_right(right) {
        return Ok(());
    }
    Err(reject_for_missing_right(
        session,
        &workspace,
        &who,
        command.name(),
        right,
        environment.as_ref(),
    ))
}

/// Returns the environment into which changes are merged, if the current branch is its branch. A commit on this branch
/// changes the environment even if another environment is selected.
fn environment_of_branch(workspace: &Workspace) -> Option<Environment> {
    let branch = Repository::find(&workspace.root).ok()?.branch().ok()?;
    let of_branch =
        |environment: &&Environment| environment.is_reviewed() && environment.branch.as_ref() == Some(&branch);
    workspace.project.environments().iter().find(of_branch).cloned()
}

/// Logs a command that was rejected because the user lacks a right, and reports the required right.
pub fn reject_for_missing_right(
    session: &Session,
    workspace: &Workspace,
    who: &str,
    command: &str,
    right: Right,
    environment: Option<&Environment>,
) -> Failure {
    log_rejected_command(session, workspace, who, command, environment);
    let roles = workspace.project.people().roles(who);
    let role_names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    let role = if role_names.is_empty() {
        "has no role".to_owned()
    } else {
        format!("has the role {}", join_words(&role_names, "and"))
    };
    let who = if who.is_empty() {
        "an unknown user (neither git nor FORMULAC_USER specifies a name)"
    } else {
        who
    };
    let target = environment
        .map(|environment| format!(" to `{}`", environment.name))
        .unwrap_or_default();
    let can: Vec<&str> = Role::ALL
        .iter()
        .filter(|role| role.rights().has_right(right))
        .map(|role| role.name())
        .collect();
    Failure::new(
        Exit::NotAllowed,
        format!(
            "`{command}`{target} is not permitted: {who} {role} and may not {}",
            match environment {
                Some(environment) if environment.protected => Right::Deploy.description(),
                _ => right.description(),
            }
        ),
    )
    .with_help(if workspace.project.people().has_roles() {
        format!(
            "the command requires the role {}; formulac.yml lists the roles. This attempt is logged",
            join_words(&can, "or")
        )
    } else {
        format!(
            "formulac.yml specifies no roles, so every user is an engineer: add `roles: {{ADDRESS: {}}}` to \
             formulac.yml, or choose another environment with `--env`. This attempt is logged",
            join_words(&can, "or")
        )
    })
}

/// Logs a command that must run on the branch of a protected environment but was run on another branch. The message
/// contains the correct branch.
pub fn reject_for_wrong_branch(
    session: &Session,
    workspace: &Workspace,
    command: &str,
    environment: &Environment,
    message: &str,
    branch: &str,
) -> Failure {
    log_rejected_command(
        session,
        workspace,
        &identity::current_user(&workspace.root).unwrap_or_default(),
        command,
        Some(environment),
    );
    Failure::new(Exit::NotAllowed, message).with_help(format!(
        "run `git switch {branch}`, or choose another environment with `--env`. This attempt is logged"
    ))
}

/// Logs a rejected command in a file that git ignores, so that the output of `git status` does not change.
pub fn log_rejected_command(
    session: &Session,
    workspace: &Workspace,
    who: &str,
    command: &str,
    environment: Option<&Environment>,
) {
    let mut entry = LogEntry::default();
    // The entry does not record its parents, because they may not exist on other branches. The entry's time determines
    // its position in the log.
    entry.timestamp = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    who.clone_into(&mut entry.author);
    entry.action = REJECTED_COMMAND_ACTION.to_owned();
    entry.environment = environment
        .map(|environment| environment.name.clone())
        .unwrap_or_default();
    entry.changes = vec![command.to_owned()];
    let file = PlannedFile {
        path: workspace.root.join(REJECTED_COMMANDS_FOLDER).join(entry.file_name()),
        text: entry.text(),
    };
    let outcome = workspace.writable_folders().and_then(|bounds| {
        create_local_folder(&bounds, &workspace.root)?;
        write_all(&bounds, &[file])
    });
    if outcome.is_err() {
        session.warn("this attempt could not be logged");
    }
}
