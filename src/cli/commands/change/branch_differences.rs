//! Determines what a branch changes and which approvals the changes need, according to the project file of the
//! target branch.

use std::collections::BTreeSet;

use formulac::sync::KNOWN_FACTS_PATH;
use formulac::team::{
    APPROVALS_FOLDER, ApprovalState, Commit, ContentDifference, ProposedChange, RequiredApproval, ReviewAction,
    ReviewEvent, content_hash_for_approval, files_covered_by_approval, is_same_person, required_approvers_of_spec,
};
use formulac::{Environment, Project};

use super::known_facts::{self, ModelChangeFromKnownFacts};
use super::metric_sets;
use crate::cli::branch_names::branch_name;
use crate::cli::commands::sync::Repository;
use crate::cli::exit::{Exit, Failure};
use crate::cli::project;
use crate::cli::specs_at_commit::read_project_at;
use crate::cli::workspace::Workspace;

/// Changes on a branch.
pub struct BranchDifferences {
    /// Commit at which the branch starts.
    pub fork: String,
    /// Project file of the target branch.
    pub project: Project,
    /// Environment whose review rules apply.
    pub environment: Option<Environment>,
    /// Files that are changed on the branch.
    pub files: Vec<ContentDifference>,
    /// Hash of the handwritten content. `None` if all changes were generated.
    pub content: Option<String>,
    /// Models whose SQL changes because of a change to `known.yml`.
    pub altered: Vec<String>,
    /// Commits of the branch.
    pub commits: Vec<Commit>,
    required_approval: RequiredApproval,
}

impl BranchDifferences {
    /// Determines how the last commit differs from the base. Uses the environment
    /// `environment_name` if set, otherwise the environment of the base branch, otherwise the first environment that
    /// requires reviews.
    pub fn new(
        workspace: &Workspace,
        repository: &Repository,
        base: &str,
        environment_name: Option<&str>,
    ) -> Result<Self, Failure> {
        let tip = repository.resolve_base(base)?;
        let Some(head) = repository.head_commit()? else {
            return Err(
                Failure::new(Exit::Failed, "there is no commit yet").with_help("commit the changes with `git commit`")
            );
        };
        let project = read_project_at(repository, &tip)?;
        let environment = target_environment(&project, base, environment_name)?;
        let fork = repository.merge_base(&tip, &head)?;
        Self::from(workspace, repository, project, environment, &fork, &head)
    }

    /// Determines what a commit changed on the branch of an environment, according to the rules in force before that
    /// commit.
    pub fn from_commit(
        workspace: &Workspace,
        repository: &Repository,
        before: &str,
        commit: &str,
        environment_name: Option<&str>,
    ) -> Result<Self, Failure> {
        let project = read_project_at(repository, before)?;
        let environments = project.environments();
        let is_meant = |environment: &&Environment| {
            environment_name.map_or_else(|| environment.is_reviewed(), |name| environment.name == name)
        };
        let environment = environments.iter().find(is_meant).cloned();
        Self::from(workspace, repository, project, environment, before, commit)
    }

    fn from(
        workspace: &Workspace,
        repository: &Repository,
        project: Project,
        environment: Option<Environment>,
        fork: &str,
        head: &str,
    ) -> Result<Self, Failure> {
        let mut files = repository.files_differing_between(fork, head)?;
        let mut altered = Vec::new();
        if let Some(difference) = files.iter_mut().find(|file| file.is_known_facts_file()) {
            altered = known_facts::find_models_changed_by_known_facts(workspace, repository, fork, head)?;
            difference.alters_sql = !altered.is_empty();
        }
        let signed = environment.as_ref().is_some_and(|environment| environment.signed);
        let commits = repository.commits_between(fork, head, signed)?;
        let mut required_approval = RequiredApproval::default();
        required_approval.roles = environment
            .as_ref()
            .map(|environment| environment.approvals.clone())
            .unwrap_or_default();
        required_approval.specs = named_approvers(workspace, repository, (fork, head), &files, &altered)?;
        let content = content_hash_for_approval(&files);
        let altered = altered.into_iter().map(|change| change.model).collect();
        Ok(Self {
            fork: fork.to_owned(),
            project,
            environment,
            files,
            content,
            altered,
            commits,
            required_approval,
        })
    }

    /// Returns the owners of the changes: the authors of commits to files that are not generated, and the users who
    /// proposed exactly this content.
    fn owners(&self, changes: &[&ProposedChange]) -> Vec<String> {
        let paths: BTreeSet<&str> = self.non_generated_paths().collect();
        let is_of = |commit: &&Commit| commit.files.iter().any(|file| paths.contains(file.path.as_str()));
        let authors = self.commits.iter().filter(is_of).map(|commit| &commit.author);
        let events = changes.iter().flat_map(|change| &change.events);
        let is_this = |event: &&ReviewEvent| {
            event.action == ReviewAction::Proposed && Some(&event.content) == self.content.as_ref()
        };
        let owners: BTreeSet<&String> = authors
            .chain(events.filter(is_this).map(|event| &event.author))
            .collect();
        owners.into_iter().cloned().collect()
    }

    /// Returns the changed files that are not generated.
    fn non_generated_paths(&self) -> impl Iterator<Item = &str> {
        self.files
            .iter()
            .filter(|file| file.is_written_by_people())
            .map(|file| file.path.as_str())
    }

    /// Returns the files that an approval covers.
    pub fn approved_paths(&self) -> impl Iterator<Item = &str> {
        files_covered_by_approval(&self.files).map(|file| file.path.as_str())
    }

    /// Returns the approval state that results from the events of one or more changes.
    pub fn state_of_changes<'c>(&self, changes: impl IntoIterator<Item = &'c ProposedChange>) -> ApprovalState {
        let Some(content) = &self.content else {
            return ApprovalState::default();
        };
        // Skip changes that were merged earlier or belong to another branch.
        let changes: Vec<&ProposedChange> = changes
            .into_iter()
            .filter(|change| self.belongs_to_change(change))
            .collect();
        let events: Vec<ReviewEvent> = changes.iter().flat_map(|change| &change.events).cloned().collect();
        self.required_approval
            .approval_state(self.project.people(), &events, &self.owners(&changes), content)
    }

    /// Returns whether an event of the change is recorded on this branch or refers to exactly this branch's content.
    pub fn belongs_to_change(&self, change: &ProposedChange) -> bool {
        let folder = format!("{APPROVALS_FOLDER}/{}/", change.id);
        self.files.iter().any(|file| file.path.starts_with(&folder))
            || change
                .events
                .iter()
                .any(|event| Some(&event.content) == self.content.as_ref())
    }

    /// Returns whether a user wrote part of the content or proposed it.
    pub fn is_authored_by(&self, who: &str, change: &ProposedChange) -> bool {
        self.owners(&[change]).iter().any(|owner| is_same_person(owner, who))
    }

    /// Returns whether a user may approve or reject the content.
    pub fn can_be_reviewed_by(&self, who: &str) -> bool {
        self.required_approval.can_be_reviewed_by(self.project.people(), who)
    }

    /// Returns a note if a change to `known.yml` changes the SQL of models.
    pub fn known_facts_change_note(&self) -> Option<String> {
        let models: Vec<String> = self.altered.iter().map(|model| format!("`{model}`")).collect();
        (!models.is_empty()).then(|| {
            format!(
                "the change to {KNOWN_FACTS_PATH} alters the SQL of {} and needs approval",
                models.join(", ")
            )
        })
    }

    /// Returns whether the content needs an approval.
    pub fn needs_approval(&self) -> bool {
        self.content.is_some() && self.requires_approval()
    }

    /// Returns whether handwritten files need an approval in the target environment.
    pub fn requires_approval(&self) -> bool {
        !self.required_approval.requires_no_approval()
    }
}

fn target_environment(
    project: &Project,
    base: &str,
    environment_name: Option<&str>,
) -> Result<Option<Environment>, Failure> {
    let environments = project.environments();
    if let Some(name) = environment_name {
        let named_environment = environments.iter().find(|environment| environment.name == name);
        return named_environment.cloned().map(Some).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("the formulac.yml of `{base}` has no environment `{name}`"),
            )
        });
    }
    let branch = branch_name(base);
    let of_branch = environments
        .iter()
        .find(|environment| environment.branch.as_deref() == Some(branch));
    Ok(of_branch
        .or_else(|| environments.iter().find(|environment| environment.is_reviewed()))
        .cloned())
}

/// Returns the specs that name their own approvers. A spec is included only if it was changed, or if its SQL changes
/// because of `known.yml` or a metric set. The approvers come from the commit at which the branch starts, because a
/// change must not choose its own approvers.
fn named_approvers(
    workspace: &Workspace,
    repository: &Repository,
    (fork, head): (&str, &str),
    files: &[ContentDifference],
    altered: &[ModelChangeFromKnownFacts],
) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let folder = format!("{}/", workspace.specs_folder());
    let is_spec = |path: &&str| path.starts_with(&folder) && project::is_yaml(path.as_ref());
    let changed = files.iter().map(|file| file.path.as_str()).filter(is_spec);
    let changed: Vec<String> = changed.map(str::to_owned).collect();
    let of_sets = metric_sets::models_changed_by_metric_sets(workspace, repository, (fork, head), &changed)?;
    let specs = changed.into_iter().chain(of_sets);
    let specs: BTreeSet<String> = specs.chain(altered.iter().map(|change| change.spec.clone())).collect();
    let paths: Vec<String> = specs.into_iter().collect();
    let (before, now) = (
        repository.file_contents_at_commit(fork, &paths)?,
        repository.file_contents_at_commit(head, &paths)?,
    );
    let approvers_of = |(path, (before, now)): (String, (Option<String>, Option<String>))| {
        let names = required_approvers_of_spec(before.as_deref(), now.as_deref());
        (path, names)
    };
    let approver_lists = paths.into_iter().zip(before.into_iter().zip(now)).map(approvers_of);
    Ok(approver_lists.filter(|(_, names)| !names.is_empty()).collect())
}
