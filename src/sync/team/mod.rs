//! Permissions in a project: roles and groups from its `formulac.yml`, required approvals of changes, and checks of
//! commit authors.

mod approval;
mod authorize;
mod change;
mod codeowners;
mod content;

pub use approval::{ApprovalState, RequiredApproval, approvers};
pub use authorize::{Commit, NotAllowed, Touched, approved_for_others, not_allowed};
pub use change::{CHANGES, Change, ChangeComment, Event, change_id, changes, is_same};
pub use codeowners::codeowners;
pub use content::{DifferingContent, approved, content};
pub use formulac_model::{People, Right, Rights, Role, UnknownRole};
