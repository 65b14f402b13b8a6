//! Checks whether the authors of a branch's commits were permitted to make them. The checks in commands cannot stop a
//! person who edits the files directly. This check runs in CI, where the branch cannot affect the result.

use super::change::{APPROVALS_FOLDER, ReviewAction, ReviewEvent, is_same_person};
use crate::model::{Environment, Project};
use crate::{LOG_FOLDER, LogEntry, REJECTED_COMMAND_ACTION};
use formulac_model::Right;
use formulac_syntax::diag::lists::join_words;

/// Commit to be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Identifier of the commit.
    pub id: String,
    /// Author, as `Name <address>`.
    pub author: String,
    /// Committer, as `Name <address>`. Empty if unknown.
    pub committer: String,
    /// Person who signed the commit, if the signature is valid and the person is known.
    pub signer: Option<String>,
    /// Files changed by the commit.
    pub files: Vec<CommittedFile>,
}

/// File that a commit changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedFile {
    /// Path of the file, relative to the project's folder.
    pub path: String,
    /// `true` if the file existed before the commit.
    pub was_there: bool,
    /// New contents of a file in `.formulac/`. `None` if the file was removed.
    pub text: Option<String>,
}

impl CommittedFile {
    /// Creates a record of a file that a commit changes.
    #[must_use]
    pub fn new(path: &str, was_there: bool, text: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            was_there,
            text,
        }
    }
}

impl Commit {
    /// Creates a commit.
    #[must_use]
    pub fn new(id: &str, author: &str, signer: Option<String>, files: Vec<CommittedFile>) -> Self {
        Self {
            id: id.to_owned(),
            author: author.to_owned(),
            committer: String::new(),
            signer,
            files,
        }
    }

    /// Sets the committer.
    #[must_use]
    pub fn with_committer(mut self, committer: &str) -> Self {
        committer.clone_into(&mut self.committer);
        self
    }

    /// Returns the person whose approval the commit contains, if a different person made the commit.
    fn committed_approver(&self) -> Option<String> {
        if self.committer.is_empty() || is_same_person(&self.author, &self.committer) {
            return None;
        }
        self.files.iter().find_map(|file| {
            let name = file.path.strip_prefix(APPROVALS_FOLDER)?.rsplit('/').next()?;
            let event = ReviewEvent::read(name, file.text.as_deref()?).ok()?;
            (event.action == ReviewAction::Approved).then_some(event.author)
        })
    }
}

/// Violation of the project's permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForbiddenChange {
    /// Identifier of the commit.
    pub commit: String,
    /// Author of the commit.
    pub author: String,
    /// Path of the file. `None` if the violation concerns the whole commit.
    pub path: Option<String>,
    /// Reason why the change is not allowed.
    pub reason: String,
}

/// Returns the approvals that were not committed by the approver, each with its commit and the approver. Either a
/// program runs formulac for its users, or somebody is impersonating the approver. Reviewers have to determine which is
/// the case.
#[must_use]
pub fn approvals_by_non_approvers(commits: &[Commit]) -> Vec<(&Commit, String)> {
    commits
        .iter()
        .filter_map(|commit| Some((commit, commit.committed_approver()?)))
        .collect()
}

/// Paths at which GitHub and GitLab look for the code owners file.
const CODEOWNERS_PATHS: [&str; 4] = [
    "CODEOWNERS",
    ".github/CODEOWNERS",
    ".gitlab/CODEOWNERS",
    "docs/CODEOWNERS",
];

/// Returns the violations in these commits. The rules come from the project file of the target branch.
#[must_use]
pub fn forbidden_changes(
    project: &Project,
    environment: Option<&Environment>,
    commits: &[Commit],
) -> Vec<ForbiddenChange> {
    let mut changes = Vec::new();
    for commit in commits {
        let mut report = |path: Option<&str>, why: String| {
            let (id, author) = (commit.id.clone(), commit.author.clone());
            changes.push(ForbiddenChange {
                commit: id,
                author,
                path: path.map(str::to_owned),
                reason: why,
            });
        };
        if environment.is_some_and(|environment| environment.signed) {
            match &commit.signer {
                None => report(None, "the commit has no valid signature".to_owned()),
                Some(signer) if !is_same_person(signer, &commit.author) => {
                    report(None, format!("the commit is signed by {signer}, who is not its author"));
                }
                Some(_) => {}
            }
        }
        for file in &commit.files {
            if let Err(why) = check_change_permission(project, commit, file) {
                report(Some(&file.path), why);
            }
        }
    }
    changes
}

fn check_change_permission(project: &Project, commit: &Commit, file: &CommittedFile) -> Result<(), String> {
    let has = |right: Right| {
        if project.people().rights(&commit.author).has_right(right) {
            return Ok(());
        }
        Err(format!(
            "{} may not {}",
            display_author_with_roles(project, &commit.author),
            right.description()
        ))
    };
    let path = file.path.as_str();
    if path == "formulac.yml" || CODEOWNERS_PATHS.contains(&path) {
        return has(Right::Settings);
    }
    if let Some(inside) = path
        .strip_prefix(APPROVALS_FOLDER)
        .and_then(|path| path.strip_prefix('/'))
    {
        let event = new_record_contents(file).and_then(|text| {
            ReviewEvent::read(inside.rsplit('/').next().unwrap_or_default(), text).map_err(str::to_owned)
        })?;
        check_signed_by_author(&event.author, commit)?;
        return match event.action {
            ReviewAction::Proposed => has(Right::Propose),
            ReviewAction::Commented => has(Right::Comment),
            // Approvals are checked when they are counted, because people who are named in a spec may approve.
            ReviewAction::Approved | ReviewAction::RejectedSpecs => Ok(()),
        };
    }
    if let Some(name) = path.strip_prefix(LOG_FOLDER).and_then(|path| path.strip_prefix('/')) {
        let text = new_record_contents(file)?;
        let entry = LogEntry::read_verified_entry(name, text)
            .ok_or("the file is not a log entry, or was changed after it was written")?;
        if entry.action == REJECTED_COMMAND_ACTION {
            return Ok(());
        }
        check_signed_by_author(&entry.author, commit)?;
        let into = project
            .environments()
            .iter()
            .find(|environment| environment.name == entry.environment);
        let is_protected = into.is_some_and(Environment::is_reviewed);
        return has(if is_protected { Right::Deploy } else { Right::Develop });
    }
    has(if path.starts_with(".formulac/evidence/") {
        Right::Test
    } else {
        Right::Develop
    })
}

/// Returns the contents of a record. Returns an error if the record was changed or removed, because records must not
/// change.
fn new_record_contents(file: &CommittedFile) -> Result<&str, String> {
    match (&file.text, file.was_there) {
        (Some(text), false) => Ok(text),
        (Some(_), true) => Err("the record was changed, but records must not change".to_owned()),
        (None, _) => Err("the record was removed, but records must not be removed".to_owned()),
    }
}

fn check_signed_by_author(by: &str, commit: &Commit) -> Result<(), String> {
    if is_same_person(by, &commit.author) {
        Ok(())
    } else {
        Err(format!(
            "the record is in the name of {by}, who is not the commit's author"
        ))
    }
}

fn display_author_with_roles(project: &Project, author: &str) -> String {
    let roles: Vec<&str> = project.people().roles(author).iter().map(|role| role.name()).collect();
    if roles.is_empty() {
        format!("{author}, who has no role,")
    } else {
        format!("{author}, {},", join_words(&roles, "and"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "
environments: {production: {branch: main, protected: true, signed: true}, dev: {}}
roles: {e@x: engineer, f@x: business, admin@x: admin}
default_role: analyst
";

    fn record_entry(by: &str, environment: &str) -> (String, String) {
        let mut entry = LogEntry::default();
        (entry.action, entry.timestamp, entry.author) =
            ("push".to_owned(), "2026-11-20T10:00:00Z".to_owned(), by.to_owned());
        environment.clone_into(&mut entry.environment);
        (format!("{LOG_FOLDER}/{}", entry.file_name()), entry.text())
    }

    fn record_event(comment: ReviewAction, by: &str) -> (String, String) {
        let event = ReviewEvent::new(comment, "2026-11-20T10:00:00Z", by, "t");
        (format!("{APPROVALS_FOLDER}/t/{}", event.file_name()), event.text())
    }

    #[test]
    fn each_file_requires_its_permission() {
        let project = Project::from_text(PROJECT).0;
        let plain = |path: &str| (path.to_owned(), "x".to_owned());
        let cases = [
            ("a@x", plain("metrics/m.yml"), ""),
            ("f@x", plain("metrics/m.yml"), "may not change specs"),
            ("e@x", plain("formulac.yml"), "may not change the project's settings"),
            ("admin@x", plain("formulac.yml"), ""),
            ("e@x", plain(".github/CODEOWNERS"), "settings"),
            ("f@x", plain(".formulac/evidence/m.yml"), "may not run"),
            ("a@x", record_entry("a@x", "dev"), ""),
            (
                "a@x",
                record_entry("A <a@x>", "production"),
                "may not change a protected environment",
            ),
            ("e@x", record_entry("e@x", "production"), ""),
            ("a@x", record_entry("e@x", "production"), "is in the name of e@x"),
            ("f@x", record_event(ReviewAction::Proposed, "f@x"), "may not propose"),
            ("f@x", record_event(ReviewAction::Commented, "f@x"), ""),
            (
                "a@x",
                record_event(ReviewAction::Approved, "f@x"),
                "is in the name of f@x",
            ),
            ("f@x", plain(".formulac/approvals/t/x.yml"), "does not describe"),
            ("f@x", plain(".formulac/log/x.yml"), "not a log entry"),
        ];
        for (author, (path, text), expected) in cases {
            let commit = Commit::new("1", author, None, vec![CommittedFile::new(&path, false, Some(text))]);
            let changes = forbidden_changes(&project, None, &[commit]);
            match expected {
                "" => assert_eq!(changes, [], "{author} {path}"),
                _ => assert!(
                    changes.len() == 1 && changes[0].reason.contains(expected),
                    "{author} {path}: {changes:?}"
                ),
            }
        }
    }

    #[test]
    fn records_cannot_change_and_authors_must_sign() {
        let project = Project::from_text(PROJECT).0;
        let (path, text) = record_event(ReviewAction::Approved, "f@x");
        for (text, why) in [(Some(text), "was changed"), (None, "was removed")] {
            let commit = Commit::new("1", "f@x", None, vec![CommittedFile::new(&path, true, text)]);
            assert!(forbidden_changes(&project, None, &[commit])[0].reason.contains(why));
        }
        let production = project.environments().first();
        for (signer, expected) in [(None, 1), (Some("e@x"), 0), (Some("a@x"), 1)] {
            let commit = Commit::new("1", "E <e@x>", signer.map(str::to_owned), Vec::new());
            assert_eq!(forbidden_changes(&project, production, &[commit]).len(), expected);
        }
    }
}
