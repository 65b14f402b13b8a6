//! `formulac pull`: updates the Omni model from dbt's artifacts.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use formulac::Project;
use formulac::artifacts::KeptParts;
use formulac::artifacts::Manifest;
use formulac::diag::{Code, Diagnostic, render};
use formulac::omni::{
    Artifacts, ExistingFiles, OmniFiles, OmniModel, OmniOptions, Pull, PullOptions, PullRecord, PulledFileLocation,
    STATUS_FILE,
};
use formulac::span::Span;
use formulac::sync::PropertiesFiles;
use formulac::yaml_edit::{YamlRefusal, apply_edits};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::PullArgs;
use crate::cli::artifacts::{self, RunArtifacts};
use crate::cli::atomic_write::{PlannedFile, write_and_remove_files};
use crate::cli::cache;
use crate::cli::commands::promote;
use crate::cli::commands::pull_report;
use crate::cli::commands::pull_report::WriteState;
use crate::cli::commands::sync::{MissingCommit, OmniRepository, Repository};
use crate::cli::dbt_project::{self, DbtProject};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::folder;
use crate::cli::last_run;
use crate::cli::project;
use crate::cli::session::{Session, to_reports};
use crate::cli::source::read_text;
use crate::cli::workspace::{self, Workspace};
use crate::cli::writable_folders::WritableFolders;

/// Folder with the records of the last pull, relative to the project's folder.
pub const RECORDS: &str = ".formulac/state/omni";
/// Interval between the checks of `--watch`.
const WATCH: Duration = Duration::from_millis(500);
/// Artifacts whose modification times `--watch` checks.
const ARTIFACTS: [&str; 4] = ["manifest.json", "catalog.json", "run_results.json", "sources.json"];

/// Folders that a pull reads and writes.
struct PullContext {
    /// Folder of the project.
    root: PathBuf,
    dbt: DbtProject,
    target: PathBuf,
    places: PullFolders,
    /// Whether the project generates topics and access grants wherever possible.
    topics: bool,
    access_grants: bool,
}

/// Folders whose files a pull updates.
struct PullFolders {
    omni: PathBuf,
    records: PathBuf,
    /// Folder of the project, and its project file if one exists.
    root: PathBuf,
    project: Option<Project>,
}

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
        thread::sleep(WATCH);
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
type PullInputsAndChanges = (artifacts::TargetFolder, RunArtifacts, OmniModel, Pull);

fn pull(session: &Session, args: &PullArgs, folders: &PullContext) -> Result<(Exit, PullInputsAndChanges), Failure> {
    let Some((target_folder, run_artifacts)) = folders.read()? else {
        let path = folders.target.join(ARTIFACTS[0]);
        return Err(Failure::new(Exit::Failed, format!("there is no `{}`", path.display()))
            .with_help("run `dbt build` and `dbt docs generate`, or at least `dbt parse`"));
    };
    target_folder.report_age(session, Some(&folders.dbt));
    // A dry run fails wherever a pull would fail.
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
        .refused
        .iter()
        .map(|(file, refusal)| yaml_failure(&folders.places.omni, file, refusal))
        .collect();
    let mut exit = Exit::from_failures(&diagnostics);
    let writes_nothing = args.check || args.dry_run;
    if exit == Exit::Done && !writes_nothing {
        folders.places.write(&bounds, &pull)?;
    }
    if args.check && !pull.is_empty() {
        exit = exit.most_severe(Exit::Faulty);
    }
    if args.json {
        let mut data = pull_report::report_json(&model, &pull, Timestamp::now());
        if let Value::Object(fields) = &mut data {
            fields.insert(
                "diagnostics".to_owned(),
                json!(render::reports_json(&to_reports(&diagnostics))),
            );
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
    for note in pull_report::report_notes(&model, &pull, target_folder.catalog()?.is_some()) {
        session.report_action(&note);
    }
    if diagnostics.is_empty() {
        let state = if writes_nothing {
            WriteState::NotYet
        } else {
            WriteState::Already
        };
        session.report_action(&pull_report::pull_summary(&pull, state));
    }
    Ok((exit, (target_folder, run_artifacts, model, pull)))
}

/// Computes the changes that a pull would make.
fn plan_pull(
    target_folder: &artifacts::TargetFolder,
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
    let dialect = manifest
        .metadata
        .adapter_type
        .as_deref()
        .and_then(|name| name.parse().ok())
        .unwrap_or_default();
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
    let refused_paths: HashSet<&str> = pull.refused.iter().map(|(path, _)| path.as_str()).collect();
    // Skip files that equal the generated text, as most files do.
    let is_checked = |path: &str, text: &str| refused_paths.contains(path) || generated.get(path) == Some(&text);
    pull.refused.extend(omni_files.find_unreadable(is_checked));
    cache::write_parsed_omni_files(&folders.root, &omni_files);
    Ok((model, pull))
}

/// Changes that a pull would make to the Omni model.
pub struct PendingPull {
    pub pull: Pull,
    /// Whether the project has an earlier pull.
    pub was_pulled: bool,
}

/// Returns the changes that a pull would make, without reporting or writing anything. `None` if the project has
/// no Omni model, or if a pull cannot write it.
pub fn pending_pull(
    session: &Session,
    target_folder: &artifacts::TargetFolder,
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

/// Returns the records of views and topics from the last pull of the project in a folder.
pub fn pull_records(root: &Path) -> impl Iterator<Item = PullRecord> {
    pull_record_files(root).map(|(_, _, record)| record)
}

/// Returns the records, each with the path and the contents of its file.
pub fn pull_record_files(root: &Path) -> impl Iterator<Item = (PathBuf, String, PullRecord)> {
    let files = pull_record_paths(root).into_iter();
    files.filter_map(|path| {
        let text = read_text(&path).ok()?;
        let record = PullRecord::read(&text)?;
        Some((path, text, record))
    })
}

/// Returns the paths of the records.
pub fn pull_record_paths(root: &Path) -> Vec<PathBuf> {
    folder::find_files(&root.join(RECORDS), |path| {
        path.extension().is_some_and(|end| end == "yml")
    })
}

/// Returns the dbt name of each model and source table, together with the columns that the last pull recorded for it.
pub fn pulled_columns(root: &Path) -> Vec<(String, Vec<String>)> {
    let records = pull_records(root).filter_map(|record| {
        // `model.shop.orders`, `model.shop.orders.v2`, `source.shop.raw.orders`
        let mut parts = record.node.split('.');
        let name = if parts.next() == Some("source") {
            parts.nth(2)
        } else {
            parts.nth(1)
        };
        Some((
            name?.to_owned(),
            record.columns.into_iter().map(|(column, _)| column).collect(),
        ))
    });
    records.collect()
}

/// Returns the files of the Omni model that are not valid YAML, with the reasons. `is_checked` is called with the path
/// and the text of a file, and returns whether parsing can be skipped.
pub fn unreadable_omni_files(omni: &Path, is_checked: impl Fn(&str, &str) -> bool) -> Vec<(String, YamlRefusal)> {
    let find_refusal = |path: PathBuf| {
        let file = folder::relative_path(omni, &path);
        let text = read_text(path).ok().filter(|text| !is_checked(&file, text))?;
        Some((file, apply_edits(&text, &[]).err()?))
    };
    promote::omni_paths(omni).into_iter().filter_map(find_refusal).collect()
}

/// Returns the diagnostic for an Omni file that cannot be parsed or edited.
pub fn yaml_failure(omni: &Path, file: &str, refusal: &YamlRefusal) -> FileDiagnostics {
    let path = omni.join(file);
    let text = read_text(&path).unwrap_or_default();
    let line: usize = text.split_inclusive('\n').take(refusal.line() - 1).map(str::len).sum();
    let offset = (line as u32).min(text.len() as u32);
    let message = format!("the file cannot be changed in place: {}", refusal.reason());
    let fault = Diagnostic::new(Code::UnreadableFile, Span::new(offset, offset), message)
        .with_help("fix this file or move it elsewhere, then run the command again");
    FileDiagnostics {
        file: path.to_string_lossy().into_owned(),
        text,
        diagnostics: vec![fault],
    }
}

impl PullContext {
    fn find(session: &Session, target: Option<&Path>) -> Result<Self, Failure> {
        let given_folder = session.global.project_dir.as_deref();
        let (project, root) = match project::read_project_with_folder(given_folder)? {
            Some((project, root)) => (Some(project), root),
            None => (None, given_folder.map_or_else(PathBuf::new, Path::to_owned)),
        };
        let dbt = dbt_project::find(
            Some(&root)
                .filter(|root| !root.as_os_str().is_empty())
                .map(PathBuf::as_path),
        )?;
        let Some(dbt) = dbt else {
            let help = "run `formulac pull` in the dbt project, or specify the project's folder with `--project-dir`";
            return Err(dbt_project::missing_project(
                given_folder,
                "formulac pull --project-dir",
                help,
            ));
        };
        let root = if project.is_some() { root } else { dbt.folder.clone() };
        let omni = project
            .as_ref()
            .and_then(|project| project.omni())
            .unwrap_or(project::OMNI);
        let target = match target {
            Some(target) => target.to_owned(),
            None => dbt.target_folder(),
        };
        let (topics, access_grants) = project
            .as_ref()
            .map_or((false, false), |project| (project.topics(), project.access_grants()));
        let omni = root.join(omni);
        let places = PullFolders {
            omni,
            records: root.join(RECORDS),
            root: root.clone(),
            project,
        };
        Ok(Self {
            root,
            dbt,
            target,
            places,
            topics,
            access_grants,
        })
    }

    /// Returns the commit that the clone of the Omni model lacks, if the model has its own repository.
    fn find_missing_omni_commit(&self, session: &Session) -> Result<Option<MissingCommit>, Failure> {
        let project = self.places.project.as_ref();
        if !project.is_some_and(Project::omni_is_repository) {
            return Ok(None);
        }
        let workspace = Workspace::find(session)?;
        // `pull` does not commit, so it also works if one of the folders is not in a repository.
        match OmniRepository::find(&workspace) {
            Ok(Some(omni)) if Repository::find(&workspace.root).is_ok() => omni.find_missing_commit(&workspace),
            _ => Ok(None),
        }
    }

    /// Returns dbt's artifacts, with the files next to the manifest, or `None` if there are no artifacts.
    fn read(&self) -> Result<Option<(artifacts::TargetFolder, RunArtifacts)>, Failure> {
        let path = self.target.join(ARTIFACTS[0]);
        let (artifacts_folder, run_artifacts) = thread::scope(|scope| {
            // If the thread cannot be started, the run artifacts are read later, on this thread.
            let target = &self.target;
            let run_artifacts = thread::Builder::new()
                .spawn_scoped(scope, || RunArtifacts::read(target))
                .ok();
            let target_folder = artifacts::TargetFolder::read_cached_parts(path, KeptParts::default(), &self.root);
            (target_folder, run_artifacts.and_then(|thread| thread.join().ok()))
        });
        let Some(target_folder) =
            artifacts_folder.map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))?
        else {
            return Ok(None);
        };
        let run_artifacts = run_artifacts.unwrap_or_else(|| RunArtifacts::read(&self.target))?;
        let run_artifacts = last_run::with_overwritten_results(&self.root, &self.dbt, &self.target, run_artifacts);
        Ok(Some((target_folder, run_artifacts)))
    }

    fn modification_times(&self) -> [Option<SystemTime>; 4] {
        ARTIFACTS.map(|name| {
            fs::metadata(self.target.join(name))
                .and_then(|data| data.modified())
                .ok()
        })
    }
}

impl PullFolders {
    fn path_of_pulled_file(&self, location: &PulledFileLocation) -> Option<PathBuf> {
        match location {
            PulledFileLocation::Omni(path) => Some(self.omni.join(path)),
            PulledFileLocation::Record(name) => Some(self.records.join(format!("{name}.yml"))),
            _ => None,
        }
    }

    /// Reads the files of the Omni model. Parses only files that have changed since an earlier call.
    fn read_omni_files(&self) -> ExistingFiles {
        let paths = promote::omni_paths(&self.omni);
        let paths: Vec<String> = paths
            .iter()
            .map(|path| folder::relative_path(&self.omni, path))
            .collect();
        let earlier = cache::read_parsed_omni_files(&self.root);
        ExistingFiles::read(&paths, |path| self.read_omni_file(path), &earlier)
    }

    fn writable_folders(&self) -> Result<WritableFolders, Failure> {
        match &self.project {
            Some(project) => workspace::writable_folders_with_omni(project, &self.root),
            None => WritableFolders::from_project(&self.root),
        }
    }

    /// Writes all files, or none of them.
    fn write(&self, bounds: &WritableFolders, pull: &Pull) -> Result<(), Failure> {
        let planned = pull.writes.iter().filter_map(|(location, text)| {
            Some(PlannedFile {
                path: self.path_of_pulled_file(location)?,
                text: text.clone(),
            })
        });
        let planned: Vec<PlannedFile> = planned.collect();
        let removed: Vec<PathBuf> = pull
            .removes
            .iter()
            .filter_map(|location| self.path_of_pulled_file(location))
            .collect();
        write_and_remove_files(bounds, &planned.iter().collect::<Vec<_>>(), &removed).map(|_| ())
    }
}

/// Files that a pull merges, and the properties files from which dbt's manifest was read.
struct PulledProject<'p, R> {
    folders: &'p PullFolders,
    properties: PropertiesFiles<'p, R>,
}

impl<'p> PulledProject<'p, ()> {
    fn new(
        folders: &'p PullFolders,
        manifest: &'p Manifest,
    ) -> PulledProject<'p, impl Fn(&str) -> Option<String> + Sync> {
        PulledProject {
            folders,
            properties: PropertiesFiles::new(manifest, |path| read_text(folders.root.join(path)).ok()),
        }
    }
}

impl<R: Fn(&str) -> Option<String>> OmniFiles for PulledProject<'_, R> {
    fn read_omni_file(&self, path: &str) -> Option<String> {
        self.folders.read_omni_file(path)
    }

    fn read_record(&self, name: &str) -> Option<String> {
        read_text(self.folders.records.join(format!("{name}.yml"))).ok()
    }

    fn record_names(&self) -> Vec<String> {
        self.folders.record_names()
    }

    fn has_dbt_description(&self, node: &str, column: Option<&str>, text: &str) -> bool {
        self.properties.has_description(node, column, text)
    }
}

impl PullFolders {
    fn read_omni_file(&self, path: &str) -> Option<String> {
        read_text(self.omni.join(path)).ok()
    }

    fn record_names(&self) -> Vec<String> {
        let files = folder::find_files(&self.records, |path| path.extension().is_some_and(|end| end == "yml"));
        files
            .iter()
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect()
    }
}
