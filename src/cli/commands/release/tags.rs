//! Stores releases as annotated tags with a trailer. Tags are pushed and fetched with git, so a release needs no
//! commit.

use formulac::Environment;

use crate::cli::commands::sync::{
    DBT_TRAILER, OMNI_TRAILER, OmniRepository, ReleaseTag, ReleaseTags, Repository, describe_dbt_commit,
};
use crate::cli::exit::Failure;
use crate::cli::workspace::Workspace;

/// Trailer that marks a tag as a release.
const RELEASE_TRAILER: &str = "Formulac-Release";

/// Existing release.
pub struct Release {
    pub name: String,
    pub commit: String,
}

/// Returns the releases that are reachable from the current commit, latest first.
pub fn all_releases(repository: &Repository) -> Result<Vec<Release>, Failure> {
    let format =
        format!("--format=%(refname:strip=2)%00%(*objectname)%00%(contents:trailers:key={RELEASE_TRAILER})%00");
    let args = [
        "for-each-ref",
        "--merged=HEAD",
        "--sort=-version:refname",
        "--sort=-creatordate",
        &format,
        "refs/tags",
    ];
    let output = repository.run_git(&args)?;
    let mut parts = output.split('\0').map(str::trim);
    let mut releases = Vec::new();
    while let (Some(name), Some(commit), Some(trailer)) = (parts.next(), parts.next(), parts.next()) {
        if !commit.is_empty() && trailer.starts_with(RELEASE_TRAILER) {
            releases.push(Release {
                name: name.to_owned(),
                commit: commit.to_owned(),
            });
        }
    }
    Ok(releases)
}

/// Returns the release with the given name.
pub fn find(repository: &Repository, name: &str) -> Result<Option<Release>, Failure> {
    Ok(all_releases(repository)?
        .into_iter()
        .find(|release| release.name == name))
}

/// Tags the release in dbt's repository, and in the Omni model's repository if it has a commit. `omni` contains the
/// repository and its last commit.
pub fn create_tags(
    workspace: &Workspace,
    omni: Option<(&OmniRepository, &str)>,
    (name, commit): (&str, &str),
    text: &str,
    environment: Option<&Environment>,
) -> Result<(), Failure> {
    let environment_name = environment.map_or("all", |environment| environment.name.as_str());
    // The trailers are a separate paragraph at the end. Otherwise, git could interpret the last lines of a user's
    // message as trailers.
    let mut text = format!("{}\n\n{RELEASE_TRAILER}: {environment_name}\n", text.trim_end());
    let mut omni_tag = None;
    if let Some((omni, head)) = omni {
        text.push_str(&format!("{OMNI_TRAILER}: {}, commit {head}\n", omni.folder));
        let dbt = describe_dbt_commit(workspace, commit)?;
        let about = format!("{name}\n\nThe Omni model of this release");
        omni_tag = Some(ReleaseTag {
            folder: omni.folder.clone(),
            commit: head.to_owned(),
            text: format!("{about}\n\n{RELEASE_TRAILER}: {environment_name}\n{DBT_TRAILER}: {dbt}\n"),
        });
    }
    let dbt = ReleaseTag {
        folder: String::new(),
        commit: commit.to_owned(),
        text,
    };
    let tags = ReleaseTags {
        name: name.to_owned(),
        dbt,
        omni: omni_tag,
    };
    tags.create(workspace)
}
