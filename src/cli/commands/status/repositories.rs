//! Compares dbt's repository with the Omni model's own repository, if the model has one.

use formulac_syntax::text::format_count;

use crate::cli::commands::sync::{OmniRepository, Repository, is_push_interrupted};
use crate::cli::exit::{Exit, Failure};
use crate::cli::health::{HealthCheck, summarize_names};
use crate::cli::workspace::Workspace;

/// Returns the state of both repositories. If the Omni model is a folder, returns only the problem that the folder is
/// outside the project.
pub fn repository_health(workspace: &Workspace) -> Result<Option<HealthCheck>, Failure> {
    if !workspace.project.omni_is_repository() {
        return match workspace.check_omni_folder() {
            Err(Failure::Message(message)) => Ok(Some(HealthCheck {
                name: "Omni folder",
                problems: vec![message.text],
                fix: message.help.unwrap_or_default(),
                ..HealthCheck::default()
            })),
            other => other.map(|()| None),
        };
    }
    let mut part = HealthCheck {
        name: "repositories",
        fix: "formulac push".to_owned(),
        ..HealthCheck::default()
    };
    let repository_pair =
        OmniRepository::find(workspace).and_then(|omni| Ok((Repository::find(&workspace.root)?, omni)));
    let (dbt, omni) = match repository_pair {
        Ok((dbt, Some(omni))) => (dbt, omni),
        Ok((_, None)) => return Ok(None),
        Err(Failure::Message(message)) if message.exit == Exit::Failed => {
            part.problems.push(message.text);
            part.fix = message.help.unwrap_or_default();
            return Ok(Some(part));
        }
        Err(failure) => return Err(failure),
    };
    if is_push_interrupted(workspace)? {
        part.problems.push("a push or release was interrupted".to_owned());
    } else if let Some(missing) = omni.find_missing_commit(workspace)? {
        part.problems.push(missing.message);
        part.fix = missing.fix;
    }
    if let Some(change) = omni.uncommitted_files(workspace)? {
        let count = format_count(change.files.len(), "file is", "files are");
        let names = summarize_names(&change.files);
        part.problems
            .push(format!("{count} not committed in {}: {names}", omni.folder));
    }
    part.success_message = format!(
        "dbt on {}, {} on {}",
        dbt.branch_and_commit()?,
        omni.folder,
        omni.repository.branch_and_commit()?
    );
    Ok(Some(part))
}
