//! `formulac pull`: updates the Omni model from dbt's artifacts.

mod folders;
mod git_files;
mod records;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use formulac::Project;
use formulac::diag::{Code, Diagnostic};
use formulac::omni::{Artifacts, OmniModel, OmniOptions, Pull, PullOptions, STATUS_FILE};
use formulac::span::Span;
use formulac::yaml_edit::{YamlEditError, apply_edits};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::PullArgs;
use crate::cli::artifacts::{self, RunArtifacts};
use crate::cli::cache;
use crate::cli::commands::pull_report;
use crate::cli::commands::pull_report::WriteState;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::folder;
use crate::cli::omni_files::omni_paths;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::source::read_text;
use folders::{PullContext, PulledProject, WATCHED_ARTIFACTS};

pub use git_files::commit_command;
pub use records::{PULL_RECORDS_FOLDER, pull_record_files, pull_record_paths, pull_records, pulled_columns};

/// Interval between the checks of `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

pub fn run(session: &Session, args: &PullArgs) -> Result<Exit, Failure> {
    let folders = PullContext::find(session, args.target_path.as_deref())?;
    let exit = pull_once(session, args, &folders)?;
    if args.watch {
        watch(session, args, &folders)
    } else {
        Ok(exit)
    }
}

/// Pulls whenever an artifact changes, until interrupted.
fn watch(session: &Session, args: &PullArgs, folders: &PullContext) -> Result<Exit, Failure> {
    let mut seen = folders.modification_times();
    loop {
        thread::sleep(WATCH_INTERVAL);
        let now = folders.modification_times();
        if now == seen {
            continue;
        }
        seen = now;
        // dbt may still be writing, so an unreadable file may be readable at the next check.
        match pull_once(session, args, folders) {
            Ok(_) => {}
            Err(Failure::Found(diagnostics)) => session.report(&diagnostics),
            Err(failure) => return Err(failure),
        }
    }
}

fn pull_once(session: &Session, args: &PullArgs, folders: &PullContext) -> Result<Exit, Failure> {
    let (exit, inputs) = pull(session, args, folders)?;
    if !args.watch {
        // The process ends here, so the operating system releases all memory at once.
        std::mem::forget(inputs);
    }
    Ok(exit)
}

/// Files that were read for a pull, and the changes computed from them.
type PullInputsAndChanges = (artifacts::TargetArtifacts, RunArtifacts, OmniModel, Pull);

fn pull(session: &Session, args: &PullArgs, folders: &PullContext) -> Result<(Exit, PullInputsAndChanges), Failure> {
    let Some((target_folder, run_artifacts)) = folders.read()? else {
        let path = folders.target.join(WATCHED_ARTIFACTS[0]);
        return Err(Failure::new(Exit::Failed, format!("there is no `{}`", path.display()))
            .with_help("run `dbt build` and `dbt docs generate`, or at least `dbt parse`"));
    };
    target_folder.report_manifest_age(session, Some(&folders.dbt));
    // Check the folders in a dry run too, so that it fails if a pull would fail.
    let bounds = folders.places.writable_folders()?;
    if let Some(missing) = folders.find_missing_omni_commit(session)? {
        let message = format!(
            "{}, so `pull` would merge dbt's facts into older files",
            missing.message
        );
        return Err(Failure::new(Exit::Failed, message).with_help(format!("run `{}`", missing.fix)));
    }
    let (model, pull) = plan_pull(&target_folder, &run_artifacts, folders, args.strip_status, args.prune)?;
    let diagnostics: Vec<FileDiagnostics> = pull
        .uneditable_files
        .iter()
        .map(|(file, error)| yaml_failure(&folders.places.omni, file, error))
        .collect();
    let mut exit = Exit::from_failures(&diagnostics);
    let writes_nothing = args.check || args.dry_run;
    let (root, project) = (&folders.places.root, folders.places.project.as_ref());
    let has_default_folder = project.and_then(Project::omni).is_none();
    if has_default_folder
        && folders.places.record_names().is_empty()
        && let Some(message) = git_files::describe_other_views(root)
    {
        session.warn(&message);
    }
    if exit == Exit::Done && !writes_nothing {
        folders.places.write(&bounds, &pull)?;
    }
    if args.check && !pull.is_empty() {
        exit = exit.most_severe(Exit::Faulty);
    }
    if args.json {
        let mut data = pull_report::report_json(&model, &pull, Timestamp::now());
        if let Value::Object(fields) = &mut data {
            fields.insert("diagnostics".to_owned(), json!(diagnostics_json(&diagnostics)));
        }
        session.print_json(&data)?;
        return Ok((exit, (target_folder, run_artifacts, model, pull)));
    }
    let report = if args.markdown {
        pull_report::report_markdown
    } else {
        pull_report::report_table
    };
    session.print_escaped(&report(&model, &pull, Timestamp::now()))?;
    session.report(&diagnostics);
    for note in pull_report::pull_notes(&model, &pull, target_folder.catalog()?.is_some()) {
        session.report_action(&note);
    }
    if diagnostics.is_empty() {
        let state = if writes_nothing {
            WriteState::NotYet
        } else {
            WriteState::Already
        };
        let folder = has_default_folder.then(|| folder::display_path(&folders.places.omni));
        session.report_action(&pull_report::pull_summary(&pull, state, folder.as_deref()));
        if !writes_nothing && let Some(command) = git_files::commit_command(root, project) {
            session.report_action(&format!("commit these files: `{command}`"));
        }
    }
    Ok((exit, (target_folder, run_artifacts, model, pull)))
}

/// Computes the changes that a pull would make.
fn plan_pull(
    target_folder: &artifacts::TargetArtifacts,
    run_artifacts: &RunArtifacts,
    folders: &PullContext,
    strip_status: bool,
    prune: bool,
) -> Result<(OmniModel, Pull), Failure> {
    let manifest = &target_folder.manifest;
    let mut artifacts = Artifacts::from_manifest(manifest);
    artifacts.catalog = target_folder.catalog()?;
    artifacts.runs = &run_artifacts.runs;
    artifacts.freshness = run_artifacts.freshness.as_ref();
    let dialect = manifest.metadata.dialect().unwrap_or_default();
    let project = folders.places.project.as_ref();
    let mut omni_files = folders.places.read_omni_files();
    let omni_options = OmniOptions::from_dialect(dialect)
        .virtual_schema(project.and_then(Project::virtual_schema))
        .metric_source(project.and_then(Project::metric_source))
        .existing_files(&omni_files)
        .strip_status(strip_status)
        .topics(folders.topics)
        .access_grants(folders.access_grants);
    let model = OmniModel::new(
        artifacts,
        &omni_options,
        folders.places.read_omni_file(STATUS_FILE).as_deref(),
    );
    let files = PulledProject::new(&folders.places, manifest);
    let mut pull = Pull::plan(&model, &files, PullOptions::default().prune(prune));
    let views = model.views.iter().map(|view| (&*view.path, &*view.text));
    let topics = model.topics.iter().map(|topic| (&*topic.path, &*topic.text));
    pull.find_removed_dimensions(&omni_files);
    let generated: HashMap<&str, &str> = views.chain(topics).collect();
    let uneditable_paths: HashSet<&str> = pull.uneditable_files.iter().map(|(path, _)| path.as_str()).collect();
    // Skip files whose text matches the generated text, because these files are valid. Most files match.
    let is_checked = |path: &str, text: &str| uneditable_paths.contains(path) || generated.get(path) == Some(&text);
    pull.uneditable_files
        .extend(omni_files.find_uneditable_files(is_checked));
    cache::write_parsed_omni_files(&folders.places.root, &omni_files);
    Ok((model, pull))
}

/// Changes that a pull would make to the Omni model.
pub struct PendingPull {
    pub pull: Pull,
    /// Whether the project has been pulled before.
    pub was_pulled: bool,
}

/// Returns the changes that a pull would make, without reporting or writing anything. `None` if the project has
/// no Omni model, or if a pull cannot write it.
pub fn pending_pull(
    session: &Session,
    target_folder: &artifacts::TargetArtifacts,
    run_artifacts: &RunArtifacts,
) -> Result<Option<PendingPull>, Failure> {
    let folders = PullContext::find(session, None)?;
    let was_pulled = !folders.places.record_names().is_empty();
    let has_omni = was_pulled
        || folders.places.omni.is_dir()
        || folders
            .places
            .project
            .as_ref()
            .is_some_and(|project| project.omni().is_some());
    // If no commit is possible in the repository, the commands that write to it report the problem.
    let is_behind = matches!(folders.find_missing_omni_commit(session), Ok(Some(_)));
    if !has_omni || is_behind || folders.places.writable_folders().is_err() {
        return Ok(None);
    }
    let (_, pull) = plan_pull(target_folder, run_artifacts, &folders, false, false)?;
    Ok(Some(PendingPull { pull, was_pulled }))
}

/// Returns the files of the Omni model that are not valid YAML, with the reasons. `is_checked` is called with the path
/// and the text of a file, and returns whether parsing can be skipped.
pub fn unreadable_omni_files(omni: &Path, is_checked: impl Fn(&str, &str) -> bool) -> Vec<(String, YamlEditError)> {
    let find_error = |path: PathBuf| {
        let file = folder::relative_path(omni, &path);
        let text = read_text(path).ok().filter(|text| !is_checked(&file, text))?;
        Some((file, apply_edits(&text, &[]).err()?))
    };
    omni_paths(omni).into_iter().filter_map(find_error).collect()
}

/// Returns the diagnostic for an Omni file that cannot be parsed or edited.
pub fn yaml_failure(omni: &Path, file: &str, error: &YamlEditError) -> FileDiagnostics {
    let path = omni.join(file);
    let text = read_text(&path).unwrap_or_default();
    let line: usize = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum();
    let offset = (line as u32).min(text.len() as u32);
    let message = format!("the file cannot be changed in place: {}", error.reason());
    let fault = Diagnostic::new(Code::UnreadableFile, Span::new(offset, offset), message)
        .with_help("fix this file or move it elsewhere, then run the command again");
    FileDiagnostics {
        file: path.to_string_lossy().into_owned(),
        text,
        diagnostics: vec![fault],
    }
}
