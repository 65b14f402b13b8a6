//! Who runs the command: `FORMULAC_USER`, else whom git would name as the author of a commit.

use std::path::Path;

use super::git::git;

const VARIABLE: &str = "FORMULAC_USER";

/// Who runs the command, `Name <address>` or what `FORMULAC_USER` says; none where neither is known.
pub fn of(folder: &Path) -> Option<String> {
    let told = std::env::var(VARIABLE).ok().map(|who| who.trim().to_owned()).filter(|who| !who.is_empty());
    told.or_else(|| author(folder))
}

/// Whom git names as the author in a folder.
fn author(folder: &Path) -> Option<String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let output = git(folder, &["var", "GIT_AUTHOR_IDENT"], "").ok().filter(|output| output.succeeded)?;
    author_of(&output.out)
}

/// `Name <address>` of what git calls an ident, which ends with a time.
pub fn author_of(ident: &str) -> Option<String> {
    ident.trim().rsplitn(3, ' ').nth(2).map(str::to_owned)
}

/// The part of an address before `@`, as the names of schemas and branches may hold it.
pub fn plain(who: &str) -> String {
    let address = who.rsplit_once('<').map_or(who, |(_, address)| address);
    let name = address.split('@').next().unwrap_or_default();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}
