//! `formulac push`: shows a plan, asks for confirmation, then checks, writes and commits the result.

mod branch;
mod commit;
mod message;
mod saved_plan;

use formulac::diag::lists::join_names;
use formulac::sync::{Plan, TextChange, short_hash};
use serde_json::{Value, json};

use super::dbt_check::{self, ParsedProject};
use super::lock::ProjectLock;
use super::omni_repository::OmniRepository;
use super::planner::{self, PlannedModels};
use super::repository::Repository;
use super::saved_copies::save_lost_comments;
use super::{apply, history, merge_request, show};
use crate::cli::args::PushArgs;
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::project;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::workspace::Workspace;

use message::change_lines;
use saved_plan::{read_saved_plan, require_same_plan, saved_selection};

pub use branch::{PushBranch, require_environment_branch, wrong_branch_reason};
pub use commit::{CreatedOmniCommit, PushAction, PushResult, Repositories, commit, resolve_linked_folders};
pub use message::{METRIC_SET_PREFIX, push_title};
pub use saved_plan::saved_plan_json;

pub fn run(session: &Session, args: &PushArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    workspace.check_folders()?;
    let repository = Repository::find(&workspace.root)?;
    let omni = OmniRepository::find(&workspace)?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    require_environment_branch(session, &workspace, &repository, environment.as_ref(), "push")?;
    let saved_plan = args.plan.as_deref().map(read_saved_plan).transpose()?;
    let selection = saved_plan
        .as_ref()
        .map_or_else(|| args.selection.clone(), saved_selection);
    let mut planned_models = planner::plan_push_of_selected_models(session, &workspace, &selection)?;
    if args.upgrade {
        planned_models.plan.retain_upgraded_models();
    }
    planned_models.report_assumptions(session, &workspace);
    let (plan, diagnostics) = (&planned_models.plan, &planned_models.diagnostics);
    workspace.warn_of_unsearched_folders(session, Some(plan));
    if let (Some(path), Some(saved_plan)) = (&args.plan, &saved_plan) {
        require_same_plan(path, saved_plan, &saved_plan_json(plan, &selection))?;
    }
    show::report_missing_omni_commit(session, &planned_models);
    if !args.json {
        session.report_grouped_warnings(diagnostics);
        if args.upgrade && plan.models.is_empty() {
            session.report_action("no model changes solely because formulac was upgraded");
        } else if planned_models.has_no_errors() {
            session.print_styled(&show::format_plan(session, &workspace, &planned_models))?;
            show::print_rejected_descriptions(session, &planned_models.rejected_descriptions);
        }
    }
    let exit = planned_models.exit();
    if exit != Exit::Done {
        report(session, args, plan, diagnostics, None)?;
        session.report_action("no file is written");
        return Ok(exit);
    }
    if plan.is_empty() {
        report(session, args, plan, diagnostics, None)?;
        return Ok(Exit::Done);
    }
    let branch = PushBranch::new(
        session,
        &workspace,
        &repository,
        planned_models.environment.as_ref(),
        plan,
    )?;
    if !session.confirm(args.yes, &format!("Commit these changes to {}?", branch.name()))? {
        session.report_action("no file is written");
        return Ok(Exit::Done);
    }
    let parsed = dbt_check::check(session, args, &workspace, &planned_models)?;
    if let ParsedProject::Refused(refused, copy) = &parsed {
        let exit = Exit::from_failures(refused);
        report(session, args, plan, refused, None)?;
        session.report(refused);
        session.report_action("no file is written, because dbt rejects the models");
        session.note(&format!(
            "the copy of the project that dbt parsed is in {}",
            copy.display()
        ));
        return Ok(exit);
    }
    let log = history::read_log(&workspace);
    let repositories = (&*repository, omni.as_ref());
    let changes: Vec<TextChange> = plan
        .models
        .iter()
        .flat_map(|model| model.files.iter().cloned())
        .collect();
    save_lost_comments(session, &workspace, &changes)?;
    let mut pushed = write(&workspace, repositories, plan, &branch, args.message.as_deref())?;
    session.report_action(&format!(
        "committed to {}: {}, entry {}",
        branch.name(),
        pushed.commit,
        short_hash(&pushed.entry)
    ));
    if let Some(omni) = &pushed.omni {
        session.report_action(&omni.summary());
    }
    warn_of_uncommitted_settings(session, &workspace, &repository);
    if branch.new_branch.is_some() {
        let title = args.message.as_deref();
        let request = merge_request::new(session, &workspace, &planned_models, &parsed, &log, title)?;
        pushed.merge_request_description = Some(request.text(plan));
        print_merge_request(session, args, &workspace, &branch, &pushed)?;
    }
    report(session, args, plan, diagnostics, Some(&pushed))?;
    Ok(Exit::Done)
}

/// Reports the reasons why a push of the plan would be refused: the current branch, or links that lead out of the
/// project.
pub fn report_push_obstacles(
    session: &Session,
    workspace: &Workspace,
    planned_models: &PlannedModels,
) -> Result<(), Failure> {
    let plan = &planned_models.plan;
    // Without a repository, `push` reports the error.
    let Ok(repository) = Repository::find(&workspace.root) else {
        return Ok(());
    };
    if plan.is_empty() {
        return Ok(());
    }
    // A CI job often checks out a commit instead of a branch.
    let wrong_branch = match (repository.branch(), &planned_models.environment) {
        (Err(failure), _) => Some(failure.reason()),
        (Ok(now), Some(environment)) => wrong_branch_reason(workspace, &repository, environment, &now)?,
        (Ok(_), None) => None,
    };
    if let Some(message) = wrong_branch {
        session.warn(&format!("`push` would refuse this plan: {message}"));
    }
    let paths: Vec<String> = plan
        .models
        .iter()
        .flat_map(|model| model.paths.iter().cloned())
        .collect();
    let files = plan.models.iter().flat_map(|model| model.files.iter().cloned());
    let checked = resolve_linked_folders(workspace, &paths).and_then(|_| apply::resolve_paths(workspace, files));
    if let Err(failure) = checked {
        session.warn(&format!("`push` would refuse this plan: {}", failure.reason()));
    }
    Ok(())
}

/// Warns if the project's settings are not committed. The push is complete at this point, even if git fails.
fn warn_of_uncommitted_settings(session: &Session, workspace: &Workspace, repository: &Repository) {
    let settings = [project::PROJECT_FILE, ".gitignore"].map(str::to_owned);
    let missing = repository.uncommitted_paths(&settings).unwrap_or_default();
    if !missing.is_empty() {
        let paths: Vec<String> = missing.iter().map(|path| workspace.display_path(path)).collect();
        session.warn(&format!(
            "{} {} not committed, but a clone needs the project's settings: `git add {} && git commit -m \"Set up \
             formulac\"`",
            join_names(&missing, "and"),
            if missing.len() == 1 { "is" } else { "are" },
            paths.join(" ")
        ));
    }
}

/// Prints the description of the merge request, and saves it in a file for the forge's command-line program.
fn print_merge_request(
    session: &Session,
    args: &PushArgs,
    workspace: &Workspace,
    branch: &PushBranch,
    pushed: &PushResult,
) -> Result<(), Failure> {
    let text = pushed.merge_request_description.as_deref().unwrap_or_default();
    write_all(
        &workspace.writable_folders()?,
        &[PlannedFile {
            path: workspace.root.join(merge_request::MERGE_REQUEST_FILE),
            text: text.to_owned(),
        }],
    )?;
    if !args.json {
        session.print_data(&format!("\n{text}"))?;
    }
    session.report_action(&format!(
        "merge this branch into {} after it is approved",
        branch.current_branch
    ));
    session.report_action(&merge_request::merge_request_instruction(
        branch.name(),
        &branch.current_branch,
    ));
    if let Some(omni) = &pushed.omni {
        session.report_action(&format!(
            "merge the branch {} of {} at the same time, because it contains the files of the Omni model",
            omni.branch, omni.repository
        ));
    }
    Ok(())
}

fn report(
    session: &Session,
    args: &PushArgs,
    plan: &Plan,
    file_diagnostics: &[FileDiagnostics],
    pushed: Option<&PushResult>,
) -> Result<(), Failure> {
    if !args.json {
        return Ok(());
    }
    let mut data = plan.json();
    if let Value::Object(fields) = &mut data {
        let pushed = pushed.map(|pushed| {
            let omni = pushed.omni.as_ref().map(CreatedOmniCommit::json);
            json!({"commit": pushed.commit, "entry": pushed.entry, "merge_request": pushed.merge_request_description, "omni": omni})
        });
        fields.insert("pushed".to_owned(), json!(pushed));
        fields.insert("diagnostics".to_owned(), json!(diagnostics_json(file_diagnostics)));
    }
    session.print_json(&data)
}

/// Writes and commits a plan.
fn write(
    workspace: &Workspace,
    repositories: Repositories<'_>,
    plan: &Plan,
    branch: &PushBranch,
    message: Option<&str>,
) -> Result<PushResult, Failure> {
    let lines = change_lines(plan);
    let facts_files = plan.known.iter().map(|facts_change| facts_change.file.clone());
    let changed_facts_files = facts_files.clone().filter(|file| file.before != file.after);
    let changes = plan
        .models
        .iter()
        .flat_map(|model| model.files.iter().cloned())
        .chain(changed_facts_files);
    let paths = plan.models.iter().flat_map(|model| model.paths.iter().cloned());
    let records = plan.omni.iter().flat_map(|omni| omni.records.iter().cloned());
    let others = facts_files
        .map(|file| file.path)
        .chain(plan.metric_sets.iter().cloned());
    let paths: Vec<String> = paths.chain(others).chain(records).collect();
    let title = message.map_or_else(|| push_title(plan), str::to_owned);
    let action = PushAction {
        did: "push",
        title,
        lines,
        environment: plan.environment.clone(),
        changes: changes.collect(),
        paths,
        omni_changes: Vec::new(),
        omni_files: plan.omni.as_ref().map(|omni| omni.files.clone()).unwrap_or_default(),
    };
    commit(workspace, repositories, branch, action)
}
