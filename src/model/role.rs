//! Roles and their permissions.

use std::fmt;
use std::str::FromStr;

/// Permission that a role grants. Reading needs no permission, because everybody who has the files can read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Right {
    /// Comment on a change.
    Comment,
    /// Approve or reject other people's changes.
    Approve,
    /// Propose a change for approval.
    Propose,
    /// Change specs and write the files generated from them.
    Develop,
    /// Run definitions on other data and store the results as evidence.
    Test,
    /// Deploy changes to a protected environment, release them and roll them back.
    Deploy,
    /// Change the project file: environments, roles and approvals.
    Settings,
}

impl Right {
    const ALL: [Self; 7] = [
        Self::Comment,
        Self::Approve,
        Self::Propose,
        Self::Develop,
        Self::Test,
        Self::Deploy,
        Self::Settings,
    ];

    /// Returns a phrase to complete a sentence such as "you may not …".
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Comment => "comment on changes",
            Self::Approve => "approve or reject changes",
            Self::Propose => "propose changes",
            Self::Develop => "change specs and generated files",
            Self::Test => "run verifications",
            Self::Deploy => "change a protected environment",
            Self::Settings => "change the project's settings",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Combined rights of several roles.
///
/// ```
/// use formulac_model::{Right, Role};
///
/// let rights = Role::Business.rights();
/// assert!(rights.has_right(Right::Approve) && !rights.has_right(Right::Develop));
/// assert!(rights.union(Role::Analyst.rights()).has_right(Right::Develop));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Returns all rights.
    #[must_use]
    pub fn all() -> Self {
        Self::from_rights(&Right::ALL)
    }

    fn from_rights(rights: &[Right]) -> Self {
        Self(rights.iter().fold(0, |bits, right| bits | right.bit()))
    }

    /// Returns whether this right is included.
    #[must_use]
    pub fn has_right(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Returns the rights that are included in at least one of the two values.
    #[must_use]
    pub fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

/// Role of a person in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Can comment on changes, and approve changes on request.
    Business,
    /// Can develop, test and propose changes.
    Analyst,
    /// Can do everything except change the settings.
    Engineer,
    /// Can do everything.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Business, Self::Analyst, Self::Engineer, Self::Admin];

    /// Returns the role's name in the project file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Analyst => "analyst",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
        }
    }

    /// Returns the role's rights.
    #[must_use]
    pub fn rights(self) -> Rights {
        use Right::{Approve, Comment, Deploy, Develop, Propose, Test};
        match self {
            Self::Business => Rights::from_rights(&[Comment, Approve]),
            Self::Analyst => Rights::from_rights(&[Comment, Develop, Test, Propose]),
            Self::Engineer => Rights::from_rights(&[Comment, Approve, Develop, Test, Propose, Deploy]),
            Self::Admin => Rights::all(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Error for a word that is not the name of a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role `{0}`; the roles are business, analyst, engineer and admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| UnknownRole(name.to_owned()))
    }
}
