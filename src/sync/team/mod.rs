//! Permissions in a project: roles and groups from its `formulac.yml`, required approvals for changes, and checks of
//! commit authors.

mod approval;
mod authorize;
mod change;
mod codeowners;
mod content;

pub use approval::{ApprovalState, RequiredApproval, approvers_in_spec, required_approvers_of_spec};
pub use authorize::{Commit, CommittedFile, ForbiddenChange, approvals_by_non_approvers, forbidden_changes};
pub use change::{
    APPROVALS_FOLDER, ProposedChange, ReviewAction, ReviewEvent, is_same_person, parse_changes, unique_change_id,
};
pub use codeowners::codeowners;
pub use content::{ContentDifference, content_hash_for_approval, files_covered_by_approval};
pub use formulac_model::{People, Right, Rights, Role, UnknownRole};
