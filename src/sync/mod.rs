//! Specs and dbt's files kept in step: the base that both came from, what each side changed, plans, the log, and changes
//! to files that are made wholly or not at all.
//!
//! Pure but for [`Disk`], through which a transaction reads and writes.

mod baseless;
#[cfg(feature = "cli")]
mod descriptions;
mod disk;
mod evidence;
mod hand_edits;
mod lines;
mod log;
mod merge_request;
mod plan;
mod properties;
mod reconcile;
mod resolve;
mod state;
mod timing;
mod transaction;
mod write_back;

pub use baseless::in_layout_of;
#[cfg(feature = "cli")]
pub use descriptions::{Described, PulledView, described, described_in_properties};
pub use disk::Disk;
pub use evidence::{EVIDENCE, Evidence, Proof, Verdict};
pub use hand_edits::{HandEdit, Property};
pub use lines::{diff as diff_lines, merge as merge_lines};
pub use log::{LOG, Log, LogEntry, Logged, REFUSED, short};
pub use merge_request::{MergeRequest, Promised, ToldValues};
pub use plan::{Action, KNOWN, KnownChange, ModelPlan, Plan, PlannedChange, STATES, state_path};
pub use reconcile::{Conflict, ModelSides, Ours, Reconciled, TextChange, Tools, files, reconcile, reconcile_all};
pub use resolve::{spoken, take_edit, without};
pub use state::PushState;
pub use timing::Timing;
pub use transaction::{
    FileChange, JOURNAL, Journal, LeftTransaction, TransactionFault, content_hash, left_transaction, prepare,
};
