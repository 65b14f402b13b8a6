//! Folders that a pull reads and writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use formulac::Project;
use formulac::artifacts::{Manifest, ManifestReadOptions};
use formulac::omni::{ExistingFiles, OmniFiles, Pull, PulledFileLocation};
use formulac::sync::PropertiesFiles;

use super::PULL_RECORDS_FOLDER;
use crate::cli::artifacts::{self, RunArtifacts};
use crate::cli::atomic_write::{PlannedFile, write_and_remove_files};
use crate::cli::cache;
use crate::cli::commands::sync::{MissingCommit, OmniRepository, Repository};
use crate::cli::dbt_project::{self, DbtProject};
use crate::cli::exit::Failure;
use crate::cli::folder;
use crate::cli::last_run;
use crate::cli::omni_files::omni_paths;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::read_text;
use crate::cli::workspace::{Workspace, writable_folders_with_omni};
use crate::cli::writable_folders::WritableFolders;

/// Artifacts whose modification times `--watch` checks.
pub const WATCHED_ARTIFACTS: [&str; 4] = ["manifest.json", "catalog.json", "run_results.json", "sources.json"];

/// Folders that a pull reads and writes.
pub struct PullContext {
    pub dbt: DbtProject,
    pub target: PathBuf,
    pub places: PullFolders,
    /// Whether to generate topics and access grants wherever possible, according to the project file.
    pub topics: bool,
    pub access_grants: bool,
}

/// Folders whose files a pull updates.
pub struct PullFolders {
    pub omni: PathBuf,
    records: PathBuf,
    /// Folder of the project.
    pub root: PathBuf,
    /// Project file. `None` if it does not exist.
    pub project: Option<Project>,
}

impl PullContext {
    pub fn find(session: &Session, target: Option<&Path>) -> Result<Self, Failure> {
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
            return Err(dbt_project::missing_project_failure(
                given_folder,
                "formulac pull --project-dir",
                help,
            ));
        };
        let root = if project.is_some() { root } else { dbt.folder.clone() };
        let omni = project
            .as_ref()
            .and_then(|project| project.omni())
            .unwrap_or(project::DEFAULT_OMNI_FOLDER);
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
            records: root.join(PULL_RECORDS_FOLDER),
            root,
            project,
        };
        Ok(Self {
            dbt,
            target,
            places,
            topics,
            access_grants,
        })
    }

    /// Returns the commit that the clone of the Omni model lacks, if the model has its own repository.
    pub fn find_missing_omni_commit(&self, session: &Session) -> Result<Option<MissingCommit>, Failure> {
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

    /// Returns the manifest and the run artifacts next to it, or `None` if there is no manifest.
    pub fn read(&self) -> Result<Option<(artifacts::TargetArtifacts, RunArtifacts)>, Failure> {
        let path = self.target.join(WATCHED_ARTIFACTS[0]);
        let (artifacts_folder, run_artifacts) = thread::scope(|scope| {
            // If the thread cannot be started, the run artifacts are read later, on this thread.
            let target = &self.target;
            let run_artifacts = thread::Builder::new()
                .spawn_scoped(scope, || RunArtifacts::read(target))
                .ok();
            let target_folder = artifacts::TargetArtifacts::read_cached_manifest(
                path,
                ManifestReadOptions::default(),
                &self.places.root,
            );
            (target_folder, run_artifacts.and_then(|thread| thread.join().ok()))
        });
        let Some(target_folder) =
            artifacts_folder.map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))?
        else {
            return Ok(None);
        };
        let run_artifacts = run_artifacts.unwrap_or_else(|| RunArtifacts::read(&self.target))?;
        let run_artifacts =
            last_run::add_overwritten_results(&self.places.root, &self.dbt, &self.target, run_artifacts);
        Ok(Some((target_folder, run_artifacts)))
    }

    pub fn modification_times(&self) -> [Option<SystemTime>; 4] {
        WATCHED_ARTIFACTS.map(|name| {
            fs::metadata(self.target.join(name))
                .and_then(|data| data.modified())
                .ok()
        })
    }
}

impl PullFolders {
    fn pulled_file_path(&self, location: &PulledFileLocation) -> Option<PathBuf> {
        match location {
            PulledFileLocation::Omni(path) => Some(self.omni.join(path)),
            PulledFileLocation::Record(name) => Some(self.records.join(format!("{name}.yml"))),
            _ => None,
        }
    }

    /// Reads the files of the Omni model. Parses only files that have changed since an earlier call.
    pub fn read_omni_files(&self) -> ExistingFiles {
        let paths = omni_paths(&self.omni);
        let paths: Vec<String> = paths
            .iter()
            .map(|path| folder::relative_path(&self.omni, path))
            .collect();
        let earlier = cache::read_parsed_omni_files(&self.root);
        ExistingFiles::read(&paths, |path| self.read_omni_file(path), &earlier)
    }

    pub fn writable_folders(&self) -> Result<WritableFolders, Failure> {
        match &self.project {
            Some(project) => writable_folders_with_omni(project, &self.root),
            None => WritableFolders::from_project(&self.root),
        }
    }

    /// Writes all files, or none of them.
    pub fn write(&self, bounds: &WritableFolders, pull: &Pull) -> Result<(), Failure> {
        let planned = pull.files_to_write.iter().filter_map(|(location, text)| {
            Some(PlannedFile {
                path: self.pulled_file_path(location)?,
                text: text.clone(),
            })
        });
        let planned: Vec<PlannedFile> = planned.collect();
        let removed: Vec<PathBuf> = pull
            .files_to_remove
            .iter()
            .filter_map(|location| self.pulled_file_path(location))
            .collect();
        write_and_remove_files(bounds, &planned.iter().collect::<Vec<_>>(), &removed).map(|_| ())
    }

    pub fn read_omni_file(&self, path: &str) -> Option<String> {
        read_text(self.omni.join(path)).ok()
    }

    pub fn record_names(&self) -> Vec<String> {
        let files = folder::find_files(&self.records, |path| path.extension().is_some_and(|end| end == "yml"));
        files
            .iter()
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect()
    }
}

/// Files that a pull merges, and the properties files that dbt's manifest names.
pub struct PulledProject<'p, R> {
    folders: &'p PullFolders,
    properties: PropertiesFiles<'p, R>,
}

impl<'p> PulledProject<'p, ()> {
    pub fn new(
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
