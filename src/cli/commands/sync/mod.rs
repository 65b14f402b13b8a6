//! `plan`, `push`, `log` and `rollback`: plan the transfer of specs to dbt's files, commit the changes with git, and
//! record the changes in a log.

mod adopt;
mod agreement;
mod apply;
mod conflict;
mod dbt_check;
mod disk;
mod history;
mod hooks;
mod lock;
mod merge_request;
mod omni;
mod omni_repository;
mod planner;
mod project_copy;
mod push;
mod pushed_changes;
mod release_tags;
mod repository;
mod resolve;
mod restored_states;
mod revisions;
mod rollback;
mod rollback_target;
mod saved_copies;
mod show;
mod version_upgrade;

use std::path::Path;

use serde_json::{Value, json};

use self::dbt_check::ParsedProject;
use crate::cli::args::{PlanArgs, Selection};
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::context::KnownFactsPrecedence;
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::source::read_bytes;
use crate::cli::workspace::Workspace;

pub use adopt::run as adopt;
pub use apply::{ENTRY_TRAILER, PushCommit, apply_and_commit, apply_without_commit, resolve_paths};
pub use conflict::conflict_resolution_hint;
pub use history::{REJECTED_COMMANDS_FOLDER, run as log};
pub use lock::{LOCAL_FOLDER, ProjectLock, create_local_folder, is_push_interrupted};
pub use omni_repository::{DBT_TRAILER, MissingCommit, OMNI_TRAILER, OmniRepository, describe_dbt_commit};
pub use planner::{PlannedModels, generated_files, has_been_pushed, plan_push, require_specs_of_pushed_models};
pub use push::run as push;
pub use release_tags::{ReleaseTag, ReleaseTags};
pub use repository::Repository;
pub use resolve::run as resolve;
pub use rollback::run as rollback;
pub use saved_copies::save_lost_comments;
pub use show::write_diff;

/// `formulac plan`: shows the changes that a push would make.
pub fn plan(session: &Session, args: &PlanArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    workspace.check_folders()?;
    let omni_folder = workspace.check_omni_folder();
    if args.json && omni_folder.is_err() {
        return omni_folder.map(|()| Exit::Done);
    }
    lock::warn_if_interrupted(session, &workspace)?;
    let planned_models = planner::plan_push_of_selected_models(session, &workspace, &args.selection)?;
    planned_models.report_assumptions(session, &workspace);
    workspace.warn_of_unsearched_folders(session, Some(&planned_models.plan));
    show::report_missing_omni_commit(session, &planned_models);
    push::report_push_obstacles(session, &workspace, &planned_models)?;
    let exit = planned_models.exit();
    let is_possible = planned_models.has_no_errors() && planned_models.plan.conflicts() == 0;
    if args.markdown && is_possible && planned_models.plan.is_empty() {
        session.print_data(&agreement::describe_agreement(&workspace, &planned_models))?;
    } else if args.markdown && is_possible {
        let parsed = ParsedProject::No("runs during `formulac push`");
        let request = merge_request::new(
            session,
            &workspace,
            &planned_models,
            &parsed,
            &history::read_log(&workspace),
            None,
        )?;
        session.print_data(&request.text(&planned_models.plan))?;
    } else if args.json {
        let mut data = planned_models.plan.json();
        if let Value::Object(fields) = &mut data {
            fields.insert(
                "diagnostics".to_owned(),
                json!(diagnostics_json(&planned_models.diagnostics)),
            );
        }
        session.print_json(&data)?;
    } else {
        session.report_grouped_warnings(&planned_models.diagnostics);
        if planned_models.has_no_errors() {
            session.print_styled(&show::format_plan(session, &workspace, &planned_models))?;
            show::print_rejected_descriptions(session, &planned_models.rejected_descriptions);
        }
    }
    if let Some(path) = args.output.as_deref().filter(|_| is_possible) {
        let bounds = workspace.writable_folders()?.allow_named_file(path);
        let text = json::to_text(&push::saved_plan_json(&planned_models.plan, &args.selection));
        write_all(
            &bounds,
            &[PlannedFile {
                path: path.to_owned(),
                text,
            }],
        )?;
        session.report_action(&format!(
            "saved to {0}; `formulac push {0}` applies exactly this plan",
            path.display()
        ));
    }
    omni_folder.map(|()| exit)
}

/// Plans a push of the selected models. `known.yml` takes precedence over dbt's artifacts, as in `check`.
pub fn plan_with_known_yml_precedence(
    session: &Session,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<PlannedModels, Failure> {
    planner::plan_with_precedence(session, workspace, selection, KnownFactsPrecedence::Committed)
}

/// Returns the contents of a file in the project's folder, or `None` if the file does not exist.
fn read_project_file(root: &Path, path: &str) -> Option<String> {
    read_bytes(root.join(path))
        .ok()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
