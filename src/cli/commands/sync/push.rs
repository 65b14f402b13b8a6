//! `formulac push`: shows a plan, asks for confirmation, then checks, writes and commits the result.

use std::path::{Path, PathBuf};

use formulac::diag::render;
use formulac::sync::{Action, LOG, Log, LogEntry, ModelPlan, Plan, TextChange, content_hash, short_hash};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::apply::{self, PushCommit, TRAILER};
use super::dbt_check::{self, ParsedProject};
use super::lock::ProjectLock;
use super::omni_repository::OmniRepository;
use super::planner;
use super::repository::Repository;
use super::{history, merge_request, show};
use crate::cli::args::{PushArgs, Selection};
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::environment::{self, Environment};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::health::list_names;
use crate::cli::json;
use crate::cli::permissions;
use crate::cli::project;
use crate::cli::session::{Session, to_reports};
use crate::cli::source::SourceText;
use crate::cli::workspace::Workspace;

/// Maximum number of changes that a commit message lists.
const MAX_LISTED_CHANGES: usize = 100;

/// Prefix of a log line that names the file of a metric set that a push commits.
pub const METRIC_SET: &str = "metric set: ";

pub fn run(session: &Session, args: &PushArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    workspace.check_folders()?;
    let repository = Repository::find(&workspace.root)?;
    let omni = OmniRepository::find(&workspace)?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    require_environment_branch(session, &workspace, &repository, environment.as_ref(), "push", true)?;
    let kept = args.plan.as_deref().map(read_plan).transpose()?;
    let selection = kept.as_ref().map_or_else(|| args.selection.clone(), saved_selection);
    let mut planned_models = planner::plan_selected_models(session, &workspace, &selection)?;
    if args.upgrade {
        planned_models.plan.retain_upgraded_models();
    }
    let (plan, diagnostics) = (&planned_models.plan, &planned_models.diagnostics);
    workspace.warn_of_unsearched_folders(session, Some(plan));
    if let (Some(path), Some(kept)) = (&args.plan, &kept) {
        require_same_plan(path, kept, &super::push::plan_file(plan, &selection))?;
    }
    show::report_missing_omni_commit(session, &planned_models);
    if !args.json {
        session.report_grouped(diagnostics);
        if args.upgrade && plan.models.is_empty() {
            session.report_action("no model changes solely because formulac was upgraded");
        } else if planned_models.has_no_errors() {
            session.print_styled(&show::format_plan(session, &workspace, &planned_models))?;
            show::print_refused_descriptions(session, &planned_models.refused);
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
    let repositories = (&repository, omni.as_ref());
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
    let settings = [project::FILE, ".gitignore"].map(str::to_owned);
    // The push is complete at this point, even if git fails.
    let missing = repository.uncommitted_paths(&settings).unwrap_or_default();
    if !missing.is_empty() {
        session.warn(&format!(
            "{} committed, but a clone needs the project's settings: `git add {} && git commit -m \"Set up \
             formulac\"`",
            missing
                .iter()
                .map(|path| format!("`{path}`"))
                .collect::<Vec<_>>()
                .join(" and ")
                + if missing.len() == 1 { " is not" } else { " are not" },
            missing
                .iter()
                .map(|path| workspace.display_path(path))
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    if branch.begins.is_some() {
        let title = args.message.as_deref();
        let request = merge_request::new(session, &workspace, &planned_models, &parsed, &log, title)?;
        pushed.request = Some(request.text(plan));
        print_merge_request(session, args, &workspace, &branch, &pushed)?;
    }
    report(session, args, plan, diagnostics, Some(&pushed))?;
    Ok(Exit::Done)
}

/// Result of a push.
struct PushResult {
    commit: String,
    entry: String,
    /// Description of the merge request, if the branch has to be merged.
    request: Option<String>,
    /// Commit in the Omni model's repository.
    omni: Option<CreatedOmniCommit>,
}

/// Commit that was created in the Omni model's repository.
pub struct CreatedOmniCommit {
    /// Folder of the repository, relative to the project's folder.
    pub repository: String,
    pub branch: String,
    pub commit: String,
}

impl CreatedOmniCommit {
    /// Returns a sentence about the commit.
    pub fn summary(&self) -> String {
        format!("committed to {} of {}: {}", self.branch, self.repository, self.commit)
    }

    pub fn json(&self) -> Value {
        json!({"repository": self.repository, "branch": self.branch, "commit": self.commit})
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
    let text = pushed.request.as_deref().unwrap_or_default();
    write_all(
        &workspace.writable_folders()?,
        &[PlannedFile {
            path: workspace.root.join(merge_request::FILE),
            text: text.to_owned(),
        }],
    )?;
    if !args.json {
        session.print_data(&format!("\n{text}"))?;
    }
    session.report_action(&format!("merge this branch into {} after it is approved", branch.now));
    session.report_action(&merge_request::next_step(branch.name(), &branch.now));
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
            json!({"commit": pushed.commit, "entry": pushed.entry, "merge_request": pushed.request, "omni": omni})
        });
        fields.insert("pushed".to_owned(), json!(pushed));
        fields.insert(
            "diagnostics".to_owned(),
            json!(render::reports_json(&to_reports(file_diagnostics))),
        );
    }
    session.print_json(&data)
}

/// Returns a plan as JSON for a later push, including the selection that the plan covers. Effects are omitted, because
/// they depend on dbt's manifest, which does not influence the push.
pub fn plan_file(plan: &Plan, selection: &Selection) -> Value {
    let mut kept = plan.json();
    let models = kept
        .get_mut("models")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for model in models.filter_map(Value::as_object_mut) {
        model.remove("effects");
    }
    if let (false, Value::Object(fields)) = (selection.selects_all_models(), &mut kept) {
        let Selection { select, exclude, state } = selection;
        fields.insert(
            "selection".to_owned(),
            json!({"select": select, "exclude": exclude, "state": state}),
        );
    }
    kept
}

/// Returns the selection with which a plan was made.
fn saved_selection(plan: &Value) -> Selection {
    let of = &plan["selection"];
    let texts = |key: &str| {
        of[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
    };
    Selection {
        select: texts("select").collect(),
        exclude: texts("exclude").collect(),
        state: of["state"].as_str().map(PathBuf::from),
    }
}

/// Reads a plan.
fn read_plan(path: &Path) -> Result<Value, Failure> {
    let source = SourceText::from_large_file(path, usize::MAX >> 1);
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let kept: Value = serde_json::from_str(&source.text).unwrap_or_default();
    if kept.get("formulac_plan").is_none() {
        return Err(Failure::new(Exit::Usage, format!("`{}` is not a plan", path.display()))
            .with_help("run `formulac plan -o FILE` to write one"));
    }
    Ok(kept)
}

/// Returns an error if a saved plan differs from the plan that would be computed now.
fn require_same_plan(path: &Path, kept: &Value, now: &Value) -> Result<(), Failure> {
    if *kept == json!(json::VersionedJson::from_object(now)) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Conflict,
        format!(
            "`{}` is out of date: something has changed since it was written",
            path.display()
        ),
    )
    .with_help("check `formulac plan`, and save the plan again"))
}

/// Branch for the commit.
pub struct PushBranch {
    /// Current branch.
    pub now: String,
    /// Name of the branch to create for the commit, if a new branch is necessary.
    pub begins: Option<String>,
}

impl PushBranch {
    /// Chooses the environment's branch, or a new branch if the environment's branch is protected. Without an
    /// environment, the current branch is used.
    pub fn new(
        session: &Session,
        workspace: &Workspace,
        repository: &Repository,
        environment: Option<&Environment>,
        plan: &Plan,
    ) -> Result<Self, Failure> {
        require_environment_branch(session, workspace, repository, environment, "push", false)?;
        let now = repository.branch()?;
        let Some(environment) = environment else {
            return Ok(Self { now, begins: None });
        };
        let required = required_branch(workspace, repository, environment)?;
        let other_branch = required.as_deref().filter(|name| *name != now);
        if environment.is_reviewed() {
            let hash = content_hash(plan_file(plan, &Selection::default()).to_string().as_bytes());
            let name = format!("{}{}", branch_prefix(environment), hash.get(..8).unwrap_or_default());
            let taken = repository.has_branch(&name)?;
            let begins = if taken {
                format!("{name}-{}", Timestamp::now().as_second())
            } else {
                name
            };
            return Ok(Self {
                now,
                begins: Some(begins),
            });
        }
        match other_branch {
            None => Ok(Self { now, begins: None }),
            Some(branch) if !repository.has_branch(branch)? => Ok(Self {
                now,
                begins: Some(branch.to_owned()),
            }),
            Some(branch) => Err(Failure::new(
                Exit::Failed,
                format!(
                    "`{}` is pushed from the branch `{branch}`, but the current branch is `{now}`",
                    environment.name
                ),
            )
            .with_help(format!(
                "run `git switch {branch}`, or choose another environment with `--env`"
            ))),
        }
    }

    pub fn name(&self) -> &str {
        self.begins.as_deref().unwrap_or(&self.now)
    }
}

/// Returns the prefix for names of branches that are created for pushes to an environment.
fn branch_prefix(environment: &Environment) -> String {
    format!("formulac/{}-", environment.name)
}

/// Returns an error if a command would change a protected environment while a different branch is checked out. If
/// `or_begun` is set, a branch that an earlier push created is also allowed, because repeating the push on that branch
/// changes nothing.
pub fn require_environment_branch(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    environment: Option<&Environment>,
    command: &str,
    or_begun: bool,
) -> Result<(), Failure> {
    let Some(environment) = environment.filter(|environment| environment.is_reviewed()) else {
        return Ok(());
    };
    let now = repository.branch()?;
    match required_branch(workspace, repository, environment)? {
        Some(branch) if branch != now && !(or_begun && now.starts_with(&branch_prefix(environment))) => {
            let what = format!(
                "`{}` can be changed only on its branch `{branch}`, but the current branch is `{now}`",
                environment.name
            );
            Err(permissions::report_wrong_branch(
                session,
                workspace,
                command,
                environment,
                &what,
                &branch,
            ))
        }
        _ => Ok(()),
    }
}

/// Returns the branch of an environment, if one is set.
fn required_branch(
    workspace: &Workspace,
    repository: &Repository,
    environment: &Environment,
) -> Result<Option<String>, Failure> {
    let Some(name) = environment::environment_branch(&workspace.project, &workspace.root, environment) else {
        return Ok(None);
    };
    if repository.is_branch_name(&name)? && !name.starts_with('-') {
        return Ok(Some(name));
    }
    Err(
        Failure::new(Exit::Usage, format!("`{name}` is not a valid branch name"))
            .with_help("correct `branch:` in formulac.yml"),
    )
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
    let written = facts_files.clone().filter(|file| file.before != file.after);
    let changes = plan
        .models
        .iter()
        .flat_map(|model| model.files.iter().cloned())
        .chain(written);
    let paths = plan.models.iter().flat_map(|model| model.paths.iter().cloned());
    let records = plan.omni.iter().flat_map(|omni| omni.records.iter().cloned());
    let others = facts_files
        .map(|file| file.path)
        .chain(plan.metric_sets.iter().cloned());
    let paths: Vec<String> = paths.chain(others).chain(records).collect();
    let title = message.map_or_else(|| push_title(plan), str::to_owned);
    let what = PushAction {
        did: "push",
        title,
        lines,
        environment: plan.environment.clone(),
        changes: changes.collect(),
        paths,
        omni_changes: Vec::new(),
        omni_files: plan.omni.as_ref().map(|omni| omni.files.clone()).unwrap_or_default(),
    };
    commit(workspace, repositories, branch, what)
}

/// The dbt project's repository, and the Omni model's repository if it is separate.
pub type Repositories<'r> = (&'r Repository, Option<&'r OmniRepository>);

/// Changes to write, commit and log.
pub struct PushAction {
    pub did: &'static str,
    pub title: String,
    pub lines: Vec<String>,
    pub environment: Option<String>,
    pub changes: Vec<TextChange>,
    pub paths: Vec<String>,
    /// Changes to files in the Omni model's repository. Their paths are relative to the project's folder.
    pub omni_changes: Vec<TextChange>,
    /// Files to commit in the Omni model's repository, relative to its folder.
    pub omni_files: Vec<String>,
}

/// Creates the part of a commit that all commands share.
pub fn prepare_commit(
    workspace: &Workspace,
    repositories: Repositories<'_>,
    branch: &PushBranch,
    what: PushAction,
) -> Result<(String, String, Option<CreatedOmniCommit>), Failure> {
    let pushed = commit(workspace, repositories, branch, what)?;
    Ok((pushed.commit, pushed.entry, pushed.omni))
}

fn commit(
    workspace: &Workspace,
    (repository, omni): Repositories<'_>,
    branch: &PushBranch,
    mut what: PushAction,
) -> Result<PushResult, Failure> {
    let omni = omni.filter(|_| !what.omni_files.is_empty());
    if let Some(omni) = omni {
        what.lines
            .push(format!("{}: {}", omni.folder, list_names(&what.omni_files)));
    }
    let log = history::read_log(workspace);
    let entry = new_log_entry(repository, &log, &what)?;
    let mut changes = what.changes;
    let mut paths = what.paths;
    let path = format!("{LOG}/{}", entry.file_name());
    paths.push(path.clone());
    changes.push(TextChange::new(&path, None, Some(entry.text())));
    let changes = apply::resolve_paths(workspace, changes.into_iter().chain(what.omni_changes))?;
    let ignored = repository.ignored_paths(&paths)?;
    if let Some(path) = ignored.first() {
        return Err(repository.ignored_path_failure(path));
    }
    let hash = entry.hash();
    let mut message = commit_message(&what.title, &what.lines, &hash);
    let in_omni = omni.map(|omni| omni.new_commit(&what.omni_files, branch, (&message, &hash)));
    let in_omni = in_omni.transpose()?;
    if let Some(commit) = &in_omni {
        message.push_str(&format!("{}\n", commit.trailer()));
    }
    let commit = PushCommit {
        message,
        paths,
        entry: hash.clone(),
        branch: branch.now.clone(),
        begins: branch.begins.clone(),
        parent: None,
        omni: in_omni.map(Box::new),
    };
    apply::apply_and_commit(workspace, repository, &changes, &commit)?;
    let head = |repository: &Repository| {
        let made = repository.head_commit()?.unwrap_or_default();
        Ok::<String, Failure>(made.get(..7).unwrap_or_default().to_owned())
    };
    let in_omni = omni.map(|omni| {
        Ok::<_, Failure>(CreatedOmniCommit {
            repository: omni.folder.clone(),
            branch: omni.repository.branch()?,
            commit: head(&omni.repository)?,
        })
    });
    Ok(PushResult {
        commit: head(repository)?,
        entry: hash,
        request: None,
        omni: in_omni.transpose()?,
    })
}

fn new_log_entry(repository: &Repository, log: &Log, what: &PushAction) -> Result<LogEntry, Failure> {
    let mut entry = LogEntry::default();
    entry.parents = log.head_hashes();
    entry.at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    entry.by = repository.author()?;
    entry.did = what.did.to_owned();
    entry.version = env!("CARGO_PKG_VERSION").to_owned();
    entry.environment = what.environment.clone().unwrap_or_default();
    entry.changes.clone_from(&what.lines);
    let hash = |change: &TextChange| {
        let hash = change.after.as_deref().map(|text| content_hash(text.as_bytes()));
        (change.path.clone(), hash)
    };
    entry.files = what.changes.iter().map(hash).collect();
    Ok(entry)
}

/// Formats the changes: one line per model and per definition. Models that only keep hand edits are omitted.
fn change_lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for model in plan.changed_models() {
        lines.push(format!("{} {}", model.action.name(), model.model));
        lines.extend(model.changes.iter().map(|change| {
            let text = change.to_string();
            format!("  {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
        }));
    }
    lines.extend(
        plan.known
            .iter()
            .map(|facts_change| match facts_change.facts.as_slice() {
                [one] => format!("known: {one}"),
                facts => format!("known: {} changes", facts.len()),
            }),
    );
    lines.extend(plan.metric_sets.iter().map(|path| format!("{METRIC_SET}{path}")));
    lines
}

/// Returns the title of a commit, such as `Update monthly_revenue`. If several models change, the title contains their
/// number. Models that only keep hand edits are not counted.
pub fn push_title(plan: &Plan) -> String {
    let models: Vec<&ModelPlan> = plan.changed_models().collect();
    match models.as_slice() {
        [] if !plan.metric_sets.is_empty() => format!("Update {}", list_names(&plan.metric_sets)),
        [] if plan.known.is_none() => "Files of the Omni model".to_owned(),
        [] => "Renew known.yml".to_owned(),
        models
            if models
                .iter()
                .all(|model| matches!(model.action, Action::Commit | Action::Keep)) =>
        {
            let names: Vec<String> = models.iter().map(|model| model.model.clone()).collect();
            format!("Hand edits of {}", list_names(&names))
        }
        models if models.iter().all(|model| model.pushed_by.is_some()) => {
            let names: Vec<String> = models.iter().map(|model| model.model.clone()).collect();
            format!(
                "Upgrade to formulac {}: {}",
                env!("CARGO_PKG_VERSION"),
                list_names(&names)
            )
        }
        [one] => format!(
            "{}{} {}",
            one.action.name()[..1].to_uppercase(),
            &one.action.name()[1..],
            one.model
        ),
        _ => {
            let counts: Vec<String> = [Action::Create, Action::Update, Action::Delete]
                .iter()
                .map(|action| (plan.count(*action), action.name()))
                .filter(|(count, _)| *count > 0)
                .map(|(count, name)| format!("{name} {count}"))
                .collect();
            format!("Metrics: {}", counts.join(", "))
        }
    }
}

fn commit_message(title: &str, lines: &[String], entry: &str) -> String {
    let mut listed: Vec<String> = lines.iter().take(MAX_LISTED_CHANGES).cloned().collect();
    if lines.len() > MAX_LISTED_CHANGES {
        listed.push(format!("and {} more", lines.len() - MAX_LISTED_CHANGES));
    }
    format!("{title}\n\n{}\n\n{TRAILER}: {entry}\n", listed.join("\n"))
}
