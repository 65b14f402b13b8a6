//! `formulac change`: proposes, comments on, approves and rejects the changes on a branch. Each event is recorded in a
//! file on that branch.

mod branch_differences;
mod known_facts;
mod metric_sets;
pub mod show;

use std::rc::Rc;

use formulac::sync::{TextChange, content_hash};
use formulac::team::{
    APPROVALS_FOLDER, ProposedChange, ReviewAction, ReviewEvent, Right, parse_changes, unique_change_id,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{ChangeArgs, ChangeCommand, ProposeArgs};
use crate::cli::branch_names::branch_name;
use crate::cli::commands::sync::{ENTRY_TRAILER, ProjectLock, PushCommit, Repository, apply_and_commit, resolve_paths};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder;
use crate::cli::permissions;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use formulac::diag::suggest;

pub use branch_differences::BranchDifferences;

pub fn run(session: &Session, args: &ChangeArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let repository = Repository::find(&workspace.root)?;
    let (changes, faults) = read_changes(&workspace);
    for (path, fault) in &faults {
        session.warn(&format!("{APPROVALS_FOLDER}/{path}: {fault}, so the file is ignored"));
    }
    let change_context = ChangeContext {
        session,
        workspace,
        repository,
        all: changes,
    };
    match &args.command {
        ChangeCommand::Propose(args) => change_context.propose(args),
        ChangeCommand::Comment(args) => change_context.comment(&args.id, &args.text, args.json),
        ChangeCommand::Approve(args) => change_context.decide(
            ReviewAction::Approved,
            &args.id,
            args.message.as_deref().unwrap_or_default(),
            args.json,
        ),
        ChangeCommand::Reject(args) => {
            change_context.decide(ReviewAction::RejectedSpecs, &args.id, &args.message, args.json)
        }
        ChangeCommand::List(args) => show::print_changes(&change_context, args.json),
        ChangeCommand::Show(args) => show::print_change(&change_context, &args.id, args.json),
    }
}

/// Returns the changes in the project, and the files that are not valid change records.
pub fn read_changes(workspace: &Workspace) -> (Vec<ProposedChange>, Vec<(String, &'static str)>) {
    parse_changes(folder::read_yaml_files(&workspace.root.join(APPROVALS_FOLDER)))
}

/// Data that all subcommands of `change` use.
struct ChangeContext<'s> {
    session: &'s Session,
    workspace: Workspace,
    repository: Rc<Repository>,
    all: Vec<ProposedChange>,
}

impl ChangeContext<'_> {
    fn propose(&self, args: &ProposeArgs) -> Result<Exit, Failure> {
        let environment_name = self.session.global.env.as_deref();
        let environment =
            environment::merge_target_environment(environment_name, &self.workspace.project, &self.workspace.root)?;
        let base = match (
            &args.base,
            environment.as_ref().and_then(|environment| environment.branch.clone()),
        ) {
            (Some(base), _) => base.clone(),
            (None, Some(branch)) => branch,
            (None, None) => {
                return Err(
                    Failure::new(Exit::Usage, "the revision to compare the change with is unknown").with_help(
                        "specify the revision with `--base`, or set `branch:` for an environment in formulac.yml",
                    ),
                );
            }
        };
        let branch_differences = BranchDifferences::new(&self.workspace, &self.repository, &base, environment_name)?;
        let content = self.content_hash(&branch_differences, &base)?;
        if let Some(existing) = self
            .all
            .iter()
            .find(|change| change.events.iter().any(|event| event.content == content))
        {
            return Err(Failure::new(
                Exit::Usage,
                format!("the change is already proposed as `{}`", existing.id),
            )
            .with_help(format!(
                "run `formulac change show {}` to see the proposal",
                existing.id
            )));
        }
        let title = args.title.trim();
        if title.is_empty() {
            return Err(Failure::new(Exit::Usage, "a change needs a title"));
        }
        let id = unique_change_id(title, |id| self.all.iter().any(|change| change.id == id));
        let event = self.new_event(ReviewAction::Proposed, title)?;
        let mut event = event.with_additional_text(args.message.as_deref().unwrap_or_default());
        event.environment = branch_differences
            .environment
            .as_ref()
            .map(|environment| environment.name.clone())
            .unwrap_or_default();
        event.base = branch_name(&base).to_owned();
        event.content = content;
        let commit = self.commit_event(&id, &event)?;
        self.session.report_action(&format!("proposed as `{id}`: {commit}"));
        let approval_state = branch_differences.state_of_changes([]);
        if !approval_state.lacks.is_empty() {
            self.session
                .report_action(&format!("the change needs {}", approval_state.lacks.join(", ")));
        }
        self.session.report_action("run `git push` to share the branch");
        self.report_event(args.json, &id, &event, &commit)
    }

    fn comment(&self, id: &str, text: &str, as_json: bool) -> Result<Exit, Failure> {
        let change = self.find_change(id)?;
        if text.trim().is_empty() {
            return Err(Failure::new(Exit::Usage, "the comment is empty"));
        }
        let event = self.new_event(ReviewAction::Commented, text)?;
        let commit = self.commit_event(&change.id, &event)?;
        self.session
            .report_action(&format!("commented on `{}`: {commit}", change.id));
        self.report_event(as_json, &change.id, &event, &commit)
    }

    fn decide(&self, comment: ReviewAction, id: &str, text: &str, as_json: bool) -> Result<Exit, Failure> {
        let change = self.find_change(id)?;
        let branch_differences = self.branch_differences(change)?;
        let content = self.content_hash(&branch_differences, &require_proposal(change)?.base)?;
        let mut event = self.new_event(comment, text)?;
        event.content = content;
        let command = if comment == ReviewAction::Approved {
            "change approve"
        } else {
            "change reject"
        };
        if !branch_differences.can_be_reviewed_by(&event.author) {
            return Err(permissions::reject_for_missing_right(
                self.session,
                &self.workspace,
                &event.author,
                command,
                Right::Approve,
                None,
            ));
        }
        if comment == ReviewAction::Approved && branch_differences.is_authored_by(&event.author, change) {
            permissions::log_rejected_command(self.session, &self.workspace, &event.author, command, None);
            return Err(Failure::new(
                Exit::NotAllowed,
                format!("users cannot approve their own changes: {}", event.author),
            )
            .with_help("ask somebody who did not write any part of the change to approve it. This attempt is logged"));
        }
        let commit = self.commit_event(&change.id, &event)?;
        self.session
            .report_action(&format!("{comment} `{}`: {commit}", change.id));
        let mut after = change.clone();
        after.events.push(event.clone());
        let approval_state = branch_differences.state_of_changes([&after]);
        match approval_state.lacks.as_slice() {
            [] if approval_state.rejected.is_empty() => {
                self.session.report_action("the change has all required approvals");
            }
            [] => {}
            lacks => self
                .session
                .report_action(&format!("the change still needs {}", lacks.join(", "))),
        }
        self.report_event(as_json, &change.id, &event, &commit)
    }

    /// Returns the change whose ID is `id`, or the only change whose ID begins with `id`.
    fn find_change(&self, id: &str) -> Result<&ProposedChange, Failure> {
        let id = id.trim();
        if let Some(exact) = self.all.iter().find(|change| change.id == id) {
            return Ok(exact);
        }
        let begun: Vec<&ProposedChange> = self
            .all
            .iter()
            .filter(|change| !id.is_empty() && change.id.starts_with(id))
            .collect();
        if let [change] = begun.as_slice() {
            return Ok(change);
        }
        let help = suggest::similar_name_help_or(id, self.all.iter().map(|change| change.id.as_str()), || {
            "`formulac change list` lists the changes of this branch; use `git fetch` and `git switch` to see the \
             changes of other branches"
                .to_owned()
        });
        let text = if begun.is_empty() {
            "there is no change"
        } else {
            "several changes begin with"
        };
        Err(Failure::new(Exit::Usage, format!("{text} `{id}`")).with_help(help))
    }

    /// Returns the differences of this branch that belong to a change.
    fn branch_differences(&self, change: &ProposedChange) -> Result<BranchDifferences, Failure> {
        let proposal = require_proposal(change)?;
        let environment = Some(proposal.environment.as_str()).filter(|name| !name.is_empty());
        BranchDifferences::new(&self.workspace, &self.repository, &proposal.base, environment)
    }

    /// Returns the content hash of the branch's differences. Returns an error if the branch has no differences or if
    /// some of them are not committed.
    fn content_hash(&self, branch_differences: &BranchDifferences, base: &str) -> Result<String, Failure> {
        let Some(content) = &branch_differences.content else {
            return Err(
                Failure::new(Exit::Usage, format!("there are no differences from `{base}`"))
                    .with_help("commit the changes on a separate branch, or pass another `--base`"),
            );
        };
        let paths: Vec<String> = branch_differences.approved_paths().map(str::to_owned).collect();
        match self.repository.uncommitted_paths(&paths)?.first() {
            None => Ok(content.clone()),
            Some(path) => Err(
                Failure::new(Exit::Conflict, format!("`{path}` has uncommitted changes")).with_help(
                    "approvals cover committed content only: commit the changes, or set them aside with `git stash`",
                ),
            ),
        }
    }

    fn new_event(&self, comment: ReviewAction, text: &str) -> Result<ReviewEvent, Failure> {
        // Record microseconds, because only the last event of each person counts and two events may occur in the same
        // second.
        let timestamp = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        Ok(ReviewEvent::new(comment, &timestamp, &self.repository.author()?, text))
    }

    /// Writes an event to its file and commits it.
    fn commit_event(&self, id: &str, event: &ReviewEvent) -> Result<String, Failure> {
        let _lock = ProjectLock::acquire(self.session, &self.workspace)?;
        let path = format!("{APPROVALS_FOLDER}/{id}/{}", event.file_name());
        let hash = content_hash(event.text().as_bytes());
        let first = event.text.lines().next().unwrap_or_default();
        let title = match event.action {
            ReviewAction::Proposed => format!("Propose: {first}"),
            comment if first.is_empty() => format!("{comment} {id}"),
            action => format!("{action} {id}: {first}"),
        };
        let message = format!("{title}\n\n{ENTRY_TRAILER}: {hash}\n");
        let branch = self.repository.branch()?;
        let commit = PushCommit {
            message,
            paths: vec![path.clone()],
            entry: hash,
            branch,
            ..PushCommit::default()
        };
        let changes = resolve_paths(&self.workspace, [TextChange::new(&path, None, Some(event.text()))])?;
        apply_and_commit(&self.workspace, &self.repository, &changes, &commit)?;
        let commit_hash = self.repository.head_commit()?.unwrap_or_default();
        Ok(commit_hash.get(..7).unwrap_or_default().to_owned())
    }

    fn report_event(&self, as_json: bool, id: &str, event: &ReviewEvent, commit: &str) -> Result<Exit, Failure> {
        if as_json {
            self.session
                .print_json(&json!({"id": id, "commit": commit, "event": event_json(event)}))?;
        }
        Ok(Exit::Done)
    }
}

fn require_proposal(change: &ProposedChange) -> Result<&ReviewEvent, Failure> {
    change.proposal().ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            format!("the proposal for `{}` is not on this branch", change.id),
        )
        .with_help("run `git fetch` and merge the branch that contains the proposal")
    })
}

fn event_json(event: &ReviewEvent) -> Value {
    json!({
        "did": event.action.name(), "at": event.timestamp, "by": event.author, "text": event.text, "more": event.additional_text,
        "environment": event.environment, "base": event.base, "content": event.content,
    })
}
