//! Parses the keys `groups:`, `roles:` and `default_role:` of the project file.

use crate::diag::{Code, Diagnostic, suggest};
use crate::people::People;
use crate::role::Role;
use crate::yaml::Node;

/// Parses the roles of people, and reports misspelled group names. Unknown roles are reported by the check against the
/// table of keys.
pub(super) fn read(root: &Node, diagnostics: &mut Vec<Diagnostic>) -> People {
    let pairs = |key: &str| root.pairs_at(key);
    let groups: Vec<(String, Vec<String>)> = pairs("groups")
        .iter()
        .filter_map(|(name, members)| Some((name.text()?.to_owned(), members.texts())))
        .collect();
    let mut roles: Vec<(String, Role)> = Vec::new();
    for (key, value) in pairs("roles") {
        let (Some(name), Some(role)) = (key.text(), value.text().and_then(|role| role.parse().ok())) else {
            continue;
        };
        let is_group = groups.iter().any(|(group, _)| group == name);
        let near = if is_group {
            None
        } else {
            suggest::nearest_name(name, groups.iter().map(|(group, _)| group.as_str()))
        };
        if let Some(near) = near.filter(|_| !name.contains('@')) {
            let message = format!("there is no group `{name}`");
            let help = suggest::similar_name_help(near);
            diagnostics.push(Diagnostic::new(Code::WrongShape, key.span, message).with_help(help));
        }
        roles.push((name.to_owned(), role));
    }
    let default = root.text_at("default_role").and_then(|role| role.parse().ok());
    People::new(groups, roles, default)
}
