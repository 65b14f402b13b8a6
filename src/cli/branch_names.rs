//! Resolves names of branches and other revisions. If a tag and a branch have the same name, git chooses the tag, but
//! everybody who can push can create a tag. Branches are therefore looked up by their complete names.

use super::exit::{Exit, Failure};
use super::git_objects::ObjectReader;

/// Folders that contain branches, in the order of preference.
const BRANCH_FOLDERS: [&str; 3] = ["refs/remotes/", "refs/heads/", "refs/remotes/origin/"];
/// Lengths of complete SHA-1 and SHA-256 hashes in hexadecimal digits.
const HASH_LENGTHS: [usize; 2] = [40, 64];

/// Returns the name of a branch without its folder: `main` for `refs/heads/main` and `refs/remotes/origin/main`.
pub fn branch_name(revision: &str) -> &str {
    let name = short_name(revision);
    name.strip_prefix("origin/").unwrap_or(name)
}

/// Returns the name of a branch as people write it, such as `main` or `origin/main`.
pub fn short_name(revision: &str) -> &str {
    let name = revision.strip_prefix("refs/heads/");
    name.or(revision.strip_prefix("refs/remotes/")).unwrap_or(revision)
}

impl ObjectReader {
    /// Returns the commit of a branch, tag, hash or another revision such as `main~1`. A branch of `origin` can also be
    /// named without `origin/`. Returns an error if both a branch and a tag have the name.
    pub fn resolve_revision(&self, revision: &str) -> Result<String, Failure> {
        let (name, suffix) = split_revision(revision);
        // A leading `-` would make git interpret the name as an option.
        if revision.is_empty() || revision.starts_with('-') {
            return Err(Failure::new(Exit::Usage, format!("`{revision}` is not a revision"))
                .with_help("specify a commit, a branch or a tag"));
        }
        let branch = match is_commit_name(name) {
            true => None,
            false => self.find_branch(name)?,
        };
        if branch.is_some() && self.has_tag(name)? {
            return Err(same_name_failure(name));
        }
        let complete_name = branch.as_deref().unwrap_or(name);
        self.resolve(&format!("{complete_name}{suffix}^{{commit}}"))?
            .ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no revision `{revision}`")).with_help(
                    "specify a commit, branch or tag of this repository; run `git fetch` to get other revisions",
                )
            })
    }

    /// Returns the commit of a branch into which changes are merged. The base can also be a commit, but no tag can have
    /// its name, because the base decides who may change the project.
    pub fn resolve_base(&self, base: &str) -> Result<String, Failure> {
        let (name, _) = split_revision(base);
        if !is_commit_name(name) && self.has_tag(name)? {
            return Err(same_name_failure(name));
        }
        self.resolve_revision(base)
    }

    /// Returns the complete name of a branch of this clone or of a remote.
    pub fn find_branch(&self, name: &str) -> Result<Option<String>, Failure> {
        let folders = match name.starts_with("refs/") {
            true => [""].as_slice(),
            false => &BRANCH_FOLDERS,
        };
        for folder in folders {
            let complete_name = format!("{folder}{name}");
            // If there is no such branch, git would look for a tag that has the branch's complete name as its name.
            if self.resolve(&complete_name)?.is_some() && !self.has_tag(&complete_name)? {
                return Ok(Some(complete_name));
            }
        }
        Ok(None)
    }

    /// Returns whether a tag with this name exists.
    pub fn has_tag(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.resolve(&format!("refs/tags/{name}"))?.is_some())
    }
}

/// Splits a revision into a name and the suffix that selects another commit: `main~1` into `main` and `~1`.
fn split_revision(revision: &str) -> (&str, &str) {
    let at = revision.find("@{").into_iter().chain(revision.find(['~', '^', ':']));
    revision.split_at(at.min().unwrap_or(revision.len()))
}

/// Returns whether git never interprets this name as a branch or tag. An empty name is part of `@{upstream}`.
fn is_commit_name(name: &str) -> bool {
    let is_hash = HASH_LENGTHS.contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash || ["", "@", "HEAD"].contains(&name)
}

fn same_name_failure(name: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("`{name}` is the name of a tag, so it does not clearly name a branch"),
    )
    .with_help(format!(
        "delete the tag with `git tag -d {name}` and, on the server, `git push origin :refs/tags/{name}`; or \
             specify the complete name of the branch, such as `refs/remotes/origin/main`"
    ))
}
