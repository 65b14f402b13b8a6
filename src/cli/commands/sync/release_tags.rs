//! Tags of a release: one in dbt's repository, then one in the Omni model's repository if there is one. If the process
//! is killed after it creates the first tag, the next command creates the second tag.

use formulac::sync::prepare;
use serde_json::{Value, json};

use super::apply::transaction_failure;
use super::disk::WorkTreeFiles;
use super::omni_repository::with_repository_in_message;
use super::repository::Repository;
use crate::cli::exit::Failure;
use crate::cli::workspace::Workspace;

/// Tags of a release.
#[derive(Clone, Debug)]
pub struct ReleaseTags {
    pub name: String,
    pub dbt: ReleaseTag,
    pub omni: Option<ReleaseTag>,
}

/// Tag in one repository.
#[derive(Clone, Debug)]
pub struct ReleaseTag {
    /// Folder of the repository, relative to the project's folder. Empty for the repository of the project.
    pub folder: String,
    pub commit: String,
    pub text: String,
}

impl ReleaseTag {
    fn to_note(&self) -> Value {
        json!({"folder": self.folder, "commit": self.commit, "text": self.text})
    }

    fn from_note(note: &Value) -> Option<Self> {
        let text = |key: &str| note.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            folder: text("folder")?,
            commit: text("commit")?,
            text: text("text")?,
        })
    }

    /// Creates the tag, unless it exists.
    fn create(&self, workspace: &Workspace, name: &str) -> Result<(), Failure> {
        let repository = Repository::find(&workspace.root.join(&self.folder))?;
        match repository.has_tag(name)? {
            true => Ok(()),
            false => repository.create_tag(name, &self.commit, &self.text),
        }
    }
}

impl ReleaseTags {
    pub fn from_note(note: &Value) -> Option<Self> {
        let note = note.get("release")?;
        Some(Self {
            name: note.get("name")?.as_str()?.to_owned(),
            dbt: ReleaseTag::from_note(note.get("dbt")?)?,
            omni: note.get("omni").and_then(ReleaseTag::from_note),
        })
    }

    /// Creates the tags that do not exist yet.
    pub fn create_missing(&self, workspace: &Workspace) -> Result<(), Failure> {
        self.dbt.create(workspace, &self.name)?;
        let Some(omni) = &self.omni else { return Ok(()) };
        omni.create(workspace, &self.name)
            .map_err(|failure| with_repository_in_message(&omni.folder, failure))
    }

    /// Creates both tags. If the first tag cannot be created, nothing changes.
    pub fn create(&self, workspace: &Workspace) -> Result<(), Failure> {
        let Some(omni) = &self.omni else {
            return self.dbt.create(workspace, &self.name);
        };
        let note = json!({"release": {"name": self.name, "dbt": self.dbt.to_note(), "omni": omni.to_note()}});
        let mut disk = WorkTreeFiles::from_workspace(workspace)?;
        let journal = prepare(&mut disk, &[], note).map_err(|fault| transaction_failure(&fault))?;
        if let Err(failure) = self.dbt.create(workspace, &self.name) {
            let _ = journal.finish(&mut disk);
            return Err(failure);
        }
        self.create_missing(workspace).map_err(|failure| {
            let failure = failure.map_message(|message| {
                message.text = format!("dbt's repository has the tag `{}`, but {}", self.name, message.text);
            });
            failure.with_help("fix the cause, then run `formulac push`, which creates the missing tag")
        })?;
        let _ = journal.finish(&mut disk);
        Ok(())
    }
}
