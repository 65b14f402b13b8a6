//! Runs the command as users do, and checks its output, the streams that it uses, and its exit status.
//!
//! `INSTA_UPDATE=always cargo test --test cli` rewrites the snapshots. Review the diff afterwards.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod agreement;
mod branches;
mod cached_results;
mod change;
mod change_facts;
mod check;
mod compile;
mod complete;
mod dbt_options;
mod dbt_project_files;
mod doctor;
mod env;
mod explain;
mod extract;
mod extract_existing_sets;
mod extract_files;
mod formats;
mod functions;
mod generate;
mod git_processes;
mod hooks;
mod hostile;
mod impact;
mod impact_before_compile;
mod impact_of_partial_runs;
mod impact_of_removed_columns;
mod impact_resolved_names;
mod impact_since;
mod init;
mod init_semantic_models;
mod json_output;
mod json_schema;
mod knowledge;
#[cfg(feature = "man")]
mod man;
mod metric_set_messages;
mod metric_set_tests;
mod metric_sets;
mod model;
mod model_tests;
#[cfg(unix)]
mod omni_files;
mod omni_repository;
mod omni_repository_interrupted;
mod paths;
mod preview;
mod project;
mod project_of_files;
mod promote;
mod pull;
mod push;
mod push_conflict_reports;
mod push_conflicts;
mod push_faults;
mod push_manual_edits;
mod push_moved_files;
mod push_renames;
mod push_reports;
mod push_states;
mod release;
mod repository;
mod roles;
mod rollback;
mod run;
mod saved_comments;
mod schema;
mod select;
mod set_changes;
#[path = "../conformance/skipped_cases.rs"]
mod skipped_cases;
mod sources;
mod status;
mod unverified_dialects;
mod upgrade;
mod usage;
mod verify;
mod watch;
