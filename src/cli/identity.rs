//! Determines who runs the command: the user named in `FORMULAC_USER`, or the author that git would use for a commit if
//! the variable is not set.

use std::path::Path;

use super::folder::current_folder_if_empty;
use super::git::run_git_in;

const USER_VARIABLE: &str = "FORMULAC_USER";

/// Returns the user who runs the command, as `Name <address>`, or `None` if no user is known.
pub fn current_user(folder: &Path) -> Option<String> {
    user_from_environment().or_else(|| git_author(folder))
}

/// Returns the user that `FORMULAC_USER` names. Programs set this variable to run a command on behalf of a user, who
/// then becomes the author of the commits.
pub fn user_from_environment() -> Option<String> {
    let variable = std::env::var(USER_VARIABLE).ok()?;
    let plain = |text: &str| {
        text.chars()
            .filter(|c| !c.is_control() && !"<>".contains(*c))
            .collect::<String>()
    };
    let (name, address) = match variable.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (plain(name), plain(address)),
        None => (String::new(), plain(&variable)),
    };
    let (name, address) = (name.trim(), address.trim());
    let name = if name.is_empty() {
        address.split('@').next().unwrap_or_default()
    } else {
        name
    };
    (!name.is_empty() && !address.is_empty()).then(|| format!("{name} <{address}>"))
}

/// Returns the author that git uses in a folder.
fn git_author(folder: &Path) -> Option<String> {
    let folder = current_folder_if_empty(folder);
    let output = run_git_in(folder, &["var", "GIT_AUTHOR_IDENT"], "")
        .ok()
        .filter(|output| output.succeeded)?;
    // Git prints the time after the author, so remove the time.
    output.out.trim().rsplitn(3, ' ').nth(2).map(str::to_owned)
}

/// Returns the part of an address before `@`, in a form that is valid in schema names and branch names.
pub fn user_slug(who: &str) -> String {
    let address = who.rsplit_once('<').map_or(who, |(_, address)| address);
    to_identifier(address.split('@').next().unwrap_or_default())
}

/// Converts a string to a part of an identifier: lower-case letters, digits and `_`.
pub fn to_identifier(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::user_slug;

    #[test]
    fn schema_names_derive_from_addresses() {
        for (who, expected) in [
            ("Ann Lee <Ann.Lee@example.com>", "ann_lee"),
            ("bot", "bot"),
            ("a-b@x", "a_b"),
            ("Ö <ö@x>", "_"),
        ] {
            assert_eq!(user_slug(who), expected, "{who}");
        }
    }
}
