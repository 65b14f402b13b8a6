//! Synchronization of specs and dbt files: finds the changes on each side since the last push, and merges them.
//!
//! | part | content |
//! |---|---|
//! | [`reconcile`], [`Plan`] | compares the spec, the generated files and the files in the project |
//! | [`prepare`], [`Journal`] | transactions: either all files of a push are written, or none |
//! | [`Log`], [`VerificationEvidence`] | history of pushes, and results of comparisons |
//! | [`extract`] | metric sets from definitions that several specs contain |
//! | [`known`] | `known.yml`: the facts about the data on which the SQL depends |
//! | [`team`] | roles, approvals, and permissions of the authors of commits |
//! | [`secrets`] | masks values that look like secrets |
//!
//! A change to a definition on only one side is applied to the other side. If both sides changed the same definition,
//! the result is a conflict, and no files are written. Edited SQL is converted back to a formula if
//! `formulac-decompile` finds one.
//!
//! Only transactions access files, through [`Disk`].

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod conflict;
mod current_spec;
mod descriptions;
mod disk;
mod effects;
mod evidence;
pub mod extract;
mod formula_edits;
mod kept_edit_conflicts;
pub mod known;
mod lines;
mod log;
mod manual_edits;
mod merge_files;
mod merge_generated_file;
mod merge_request;
mod metric_set_conflicts;
mod model_properties;
mod model_reconciler;
mod plan;
mod plan_changes;
mod properties;
mod properties_files;
mod reconcile;
mod renamed_ctes;
mod renamed_definitions;
mod renamed_models;
mod replaced_tests;
mod resolve;
pub mod secrets;
mod spec_changes;
mod state;
mod structure_edits;
pub mod team;
mod timing;
mod transaction;
mod value_edits;
mod word_replacements;
mod write_back;

pub use crate::decompile::{RewrittenSql, SqlGuard, Substitution};
pub use conflict::Conflict;
pub use current_spec::CurrentSpec;
pub use descriptions::{
    ColumnDescription, DescriptionActions, PulledView, changed_descriptions, descriptions_missing_from_manifest,
};
pub use disk::Disk;
pub use effects::{ExposureGraph, Exposures, ModelEffects};
pub use evidence::{ComparisonEvidence, ComparisonVerdict, EVIDENCE_FOLDER, VerificationEvidence};
pub use lines::{diff as diff_lines, merge as merge_lines};
pub use log::{LOG_FOLDER, Log, LogEntry, NumberedEntry, REJECTED_COMMAND_ACTION, short_hash};
pub use manual_edits::{ManualEdit, Property, describe_rewritten_sql};
pub use merge_files::TextChange;
pub use merge_generated_file::with_layout_from;
pub use merge_request::{MergeRequest, TestCounts, VerifiedModelSummary};
pub use metric_set_conflicts::{MetricSetConflict, MetricSetPartKind, with_override};
pub use plan::{KNOWN_FACTS_PATH, KnownFactsChange, ModelAction, ModelPlan, OmniChange, Plan, PlannedModel};
pub use plan_changes::PlannedChange;
pub use properties_files::{PropertiesFiles, set_description_in_properties};
pub use reconcile::{ModelVersions, ReconcileResult, ReconcileTools, reconcile, reconcile_all};
pub use resolve::{
    apply_edit_to_spec, replace_edit_with_generated_text, restore_base_value, restore_conflicting_sql,
    with_formula_in_conflict,
};
pub use state::{PushState, STATE_FOLDER, state_path};
pub use timing::VerificationTiming;
pub use transaction::{
    FileChange, InterruptedTransaction, JOURNAL_FOLDER, Journal, TransactionFault, content_hash,
    find_interrupted_transaction, is_transaction_interrupted, prepare,
};

use formulac_catalog::{Level, dialect};
use formulac_core::schema;
use formulac_dbt::{self as dbt, artifacts};
use formulac_decompile as decompile;
use formulac_model::{self as model, CompiledSpec, Compiler, compiler, verify};
use formulac_omni as omni;
use formulac_runtime::parallel;
use formulac_syntax::{arena, diag, lex, markdown, span, yaml};
use formulac_yaml_edit as yaml_edit;
