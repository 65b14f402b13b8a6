//! Generates the code owners file, in the format that GitHub and GitLab read.

use std::fmt::Write as _;

use formulac_model::Role;
use formulac_model::{People, email_address};

const BEGIN_MARKER: &str =
    "# formulac: from roles, groups and approvers; `formulac authorize --codeowners` writes this part anew";
const END_MARKER: &str = "# formulac: end";

/// Returns the contents of the code owners file. Handwritten lines are kept. The owners of the project's files are
/// appended: engineers own the project's folders, the approvers in a spec own that spec, and admins own the project
/// file. `prefix` is the path from the repository's root to the project's folder, with `/` at both ends. If several
/// lines match a file, the last line applies, so the generated patterns must not match any other files.
#[must_use]
pub fn codeowners(
    written: &str,
    people: &People,
    prefix: &str,
    folders: &[String],
    specs: &[(String, Vec<String>)],
) -> String {
    let mut own = String::new();
    let mut line = |path: &str, owners: &[&str]| {
        let owners: Vec<&str> = owners.iter().copied().filter_map(code_owner_name).collect();
        // A pattern without owners would remove the owners from an earlier line.
        if !owners.is_empty() {
            let _ = writeln!(own, "{prefix}{} {}", codeowners_path_pattern(path), owners.join(" "));
        }
    };
    let engineers = people.with_role(Role::Engineer);
    folders
        .iter()
        .for_each(|folder| line(&format!("{folder}/"), &engineers));
    for (path, names) in specs {
        let named: Vec<&str> = names
            .iter()
            .flat_map(|name| match people.group_members(name) {
                Some(members) => members.iter().map(String::as_str).collect(),
                None => vec![name.as_str()],
            })
            .collect();
        line(path, &named);
    }
    let admins = people.with_role(Role::Admin);
    line("formulac.yml", &admins);
    let (before, after) = match (written.find(BEGIN_MARKER), written.find(END_MARKER)) {
        (Some(begin), Some(end)) if begin < end => {
            let after = written
                .get(end..)
                .and_then(|rest| rest.split_once('\n'))
                .map_or("", |(_, after)| after);
            (written.get(..begin).unwrap_or_default(), after)
        }
        _ => (written, ""),
    };
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{before}{gap}{BEGIN_MARKER}\n{own}{END_MARKER}\n{after}")
}

/// Returns a person's name in the form that GitHub and GitLab accept: an address or `@name`. Returns `None` for other
/// names, which cannot be used in the file.
fn code_owner_name(name: &str) -> Option<&str> {
    let name = email_address(name);
    let is_one = name.contains('@') && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#');
    is_one.then_some(name)
}

/// Returns a pattern that matches only one path.
fn codeowners_path_pattern(path: &str) -> String {
    let mut pattern = String::new();
    for c in path.chars() {
        if matches!(c, ' ' | '\\' | '*' | '?' | '[' | ']' | '#' | '!') {
            pattern.push('\\');
        }
        if !c.is_control() {
            pattern.push(c);
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use crate::model::Project;

    use super::*;

    #[test]
    fn managed_part_is_replaced() {
        let file =
            "groups: {data: [a@x, b@x], fin: [f@x]}\nroles: {data: engineer, root@x: admin, '@org/team': engineer}\n";
        let people = Project::from_text(file).0.people().clone();
        let specs = [(
            "metrics/my revenue.yml".to_owned(),
            vec!["fin".to_owned(), "g@x".to_owned(), "x y".to_owned()],
        )];
        let first = codeowners("* @org/all", &people, "/", &["metrics".to_owned()], &specs);
        assert_eq!(
            first,
            format!(
                "* @org/all\n{BEGIN_MARKER}\n/metrics/ a@x b@x @org/team\n/metrics/my\\ revenue.yml f@x g@x\n/formulac.yml root@x\n{END_MARKER}\n"
            )
        );
        let again = codeowners(
            &format!("{first}docs/ @d\n"),
            &people,
            "/shop/",
            &["models/formulac".to_owned()],
            &[],
        );
        assert_eq!(
            again,
            format!(
                "* @org/all\n{BEGIN_MARKER}\n/shop/models/formulac/ a@x b@x @org/team\n/shop/formulac.yml root@x\n{END_MARKER}\ndocs/ @d\n"
            )
        );
    }
}
