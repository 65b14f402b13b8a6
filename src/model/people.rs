//! People on a project and their roles: `groups`, `roles` and `default_role` in the project file.

use super::role::{Rights, Role};

/// People on a project, with their groups and roles.
///
/// ```
/// use formulac_model::Project;
/// use formulac_model::{Right, Role};
///
/// let file = "groups: {data-team: [ann@example.com]}\nroles: {data-team: engineer}\ndefault_role: analyst\n";
/// let (project, _) = Project::from_text(file);
/// assert_eq!(project.people().roles("Ann <Ann@example.com>"), [Role::Engineer]);
/// assert!(!project.people().rights("zoe@example.com").has_right(Right::Deploy));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    groups: Vec<(String, Vec<String>)>,
    roles: Vec<(String, Role)>,
    default: Option<Role>,
}

impl People {
    /// Creates the list of people on a project from the settings in the project file.
    pub fn new(groups: Vec<(String, Vec<String>)>, roles: Vec<(String, Role)>, default: Option<Role>) -> Self {
        Self { groups, roles, default }
    }

    /// Returns whether the project file defines any roles. Without roles, every person is an engineer.
    #[must_use]
    pub fn has_roles(&self) -> bool {
        !self.roles.is_empty() || self.default.is_some()
    }

    /// Returns the roles of a person, who is identified by `Name <address>` or only an address. These are the roles of
    /// the address and of the groups that contain it. If there are none, returns the default role, or an empty list if
    /// no default role is set. Comparisons of addresses ignore case.
    #[must_use]
    pub fn roles(&self, who: &str) -> Vec<Role> {
        if !self.has_roles() {
            return vec![Role::Engineer];
        }
        let is_of = |(name, _): &&(String, Role)| self.is_among(who, name);
        let mut roles: Vec<Role> = self.roles.iter().filter(is_of).map(|(_, role)| *role).collect();
        if roles.is_empty() {
            roles.extend(self.default);
        }
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Returns the combined rights of all roles of a person.
    #[must_use]
    pub fn rights(&self, who: &str) -> Rights {
        self.roles(who)
            .into_iter()
            .fold(Rights::default(), |rights, role| rights.union(role.rights()))
    }

    /// Returns whether a person has this name or address, or belongs to the group with this name.
    #[must_use]
    pub fn is_among(&self, who: &str, name: &str) -> bool {
        let is = |name: &str| email_address(name).eq_ignore_ascii_case(email_address(who));
        // A name that is the name of a group never refers to a person.
        self.group_members(name)
            .map_or_else(|| is(name), |members| members.iter().any(|member| is(member)))
    }

    /// Returns the members of a group.
    #[must_use]
    pub fn group_members(&self, group: &str) -> Option<&[String]> {
        self.groups
            .iter()
            .find(|(name, _)| name == group)
            .map(|(_, members)| members.as_slice())
    }

    /// Returns the people who have a role according to the project file: individual people and group members, in file
    /// order.
    #[must_use]
    pub fn with_role(&self, role: Role) -> Vec<&str> {
        let mut people = Vec::new();
        for (name, _) in self.roles.iter().filter(|(_, other)| *other == role) {
            match self.group_members(name) {
                Some(members) => people.extend(members.iter().map(String::as_str)),
                None => people.push(name.as_str()),
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        people.retain(|person| seen.insert(email_address(person).to_ascii_lowercase()));
        people
    }
}

/// Returns the address in `Name <address>`, or the complete text if it has a different form.
#[must_use]
pub fn email_address(who: &str) -> &str {
    let who = who.trim();
    who.strip_suffix('>')
        .and_then(|who| who.rsplit_once('<'))
        .map_or(who, |(_, address)| address.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_people() -> People {
        let group = |name: &str, members: &[&str]| {
            (
                name.to_owned(),
                members.iter().map(|member| (*member).to_owned()).collect(),
            )
        };
        let role = |name: &str, role| (name.to_owned(), role);
        People::new(
            vec![
                group("data-team", &["a@example.com", "b@example.com"]),
                group("owners", &["B@Example.com"]),
            ],
            vec![
                role("data-team", Role::Engineer),
                role("finance@example.com", Role::Business),
                role("owners", Role::Admin),
            ],
            Some(Role::Analyst),
        )
    }

    #[test]
    fn roles_cover_persons_groups_and_others() {
        for (who, expected) in [
            ("a@example.com", &[Role::Engineer][..]),
            ("Bo <b@example.com>", &[Role::Engineer, Role::Admin]),
            ("FINANCE@example.com", &[Role::Business]),
            ("Finance <x@example.com> <finance@example.com>", &[Role::Business]),
            ("nobody@example.com", &[Role::Analyst]),
            ("data-team", &[Role::Analyst]),
            ("<a@example.com> x", &[Role::Analyst]),
            ("", &[Role::Analyst]),
        ] {
            assert_eq!(test_people().roles(who), expected, "{who}");
        }
        assert_eq!(People::default().roles("anybody"), [Role::Engineer]);
        let strict = People::new(Vec::new(), vec![("a@b".to_owned(), Role::Admin)], None);
        assert_eq!(
            (strict.roles("c@d"), strict.rights("c@d")),
            (Vec::new(), Rights::default())
        );
        assert_eq!(
            test_people().with_role(Role::Engineer),
            ["a@example.com", "b@example.com"]
        );
    }
}
