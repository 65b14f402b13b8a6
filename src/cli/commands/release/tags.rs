//! Stores releases as annotated tags with a trailer. Tags are pushed and fetched with git, so a release needs no
//! commit.

use formulac::Environment;

use crate::cli::commands::sync::Repository;
use crate::cli::exit::Failure;

/// Trailer that marks a tag as a release.
const TRAILER: &str = "Formulac-Release";

/// Existing release.
pub struct Release {
    pub name: String,
    pub commit: String,
}

/// Returns the releases that are reachable from the current commit, latest first.
pub fn all_releases(repository: &Repository) -> Result<Vec<Release>, Failure> {
    let format = format!("--format=%(refname:short)%00%(*objectname)%00%(contents:trailers:key={TRAILER})%00");
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
    let mut found = Vec::new();
    while let (Some(name), Some(commit), Some(trailer)) = (parts.next(), parts.next(), parts.next()) {
        if !commit.is_empty() && trailer.starts_with(TRAILER) {
            found.push(Release {
                name: name.to_owned(),
                commit: commit.to_owned(),
            });
        }
    }
    Ok(found)
}

/// Returns the release with the given name.
pub fn find(repository: &Repository, name: &str) -> Result<Option<Release>, Failure> {
    Ok(all_releases(repository)?
        .into_iter()
        .find(|release| release.name == name))
}

/// Tags a commit.
pub fn create_tag(
    repository: &Repository,
    name: &str,
    commit: &str,
    text: &str,
    environment: Option<&Environment>,
) -> Result<(), Failure> {
    let of = environment.map_or("all", |it| it.name.as_str());
    // The trailer is a separate paragraph at the end. Otherwise, git could interpret the last lines of a user's message
    // as trailers.
    let text = format!("{}\n\n{TRAILER}: {of}\n", text.trim_end());
    repository
        .run_git_with_input(
            &[
                "tag",
                "--annotate",
                "--cleanup=whitespace",
                "--file=-",
                "--",
                name,
                commit,
            ],
            &text,
        )
        .map(|_| ())
}
