//! Permissions in a project: roles and groups from its `formulac.yml`, required approvals for changes, and checks of
//! commit authors.

mod approval;
mod authorize;
mod change;
mod codeowners;
mod content;

pub use approval::{ApprovalState, RequiredApproval, required_approvers, spec_approvers};
pub use authorize::{Commit, CommittedFile, ForbiddenChange, approvals_by_non_approvers, forbidden_changes};
pub use change::{
    APPROVALS_FOLDER, ProposedChange, ReviewAction, ReviewEvent, change_id, is_same_person, parse_changes,
};
pub use codeowners::codeowners;
pub use content::{ContentDifference, approved_content_hash, approved_files};
pub use formulac_model::{People, Right, Rights, Role, UnknownRole};
