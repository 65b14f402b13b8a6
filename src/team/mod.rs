//! Who may do what in a project: roles and groups of its `formulac.yml`, changes and the approvals that they need, and
//! whether commits were allowed to their authors.

#[cfg(feature = "sync")]
mod approval;
#[cfg(feature = "sync")]
mod authorize;
#[cfg(feature = "sync")]
mod change;
#[cfg(feature = "sync")]
mod codeowners;
#[cfg(feature = "sync")]
mod content;
mod people;
mod role;

#[cfg(feature = "sync")]
pub use approval::{ApprovalState, RequiredApproval, approvers};
#[cfg(feature = "sync")]
pub use authorize::{Commit, NotAllowed, Touched, approved_for_others, not_allowed};
#[cfg(feature = "sync")]
pub use change::{CHANGES, Change, ChangeComment, Event, change_id, changes, is_same};
#[cfg(feature = "sync")]
pub use codeowners::codeowners;
#[cfg(feature = "sync")]
pub use content::{DifferingContent, approved, content};
pub use people::People;
pub use role::{Right, Rights, Role, UnknownRole};
