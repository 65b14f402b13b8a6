//! Finds generated files outside their standard folders. Files that users moved stay in place and are recognized by
//! their headers. A push moves files out of folders that an earlier version of the project file specified.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use formulac::Project;
use formulac::dbt::spec_in_header;
use formulac_syntax::yaml;

use super::commands::sync::Repository;
use super::folder;
use super::models::{self, CompiledModel};
use super::project;
use super::source::read_text;
use super::workspace::{Workspace, output_folders};

/// Maximum number of committed versions of the project file that are searched for former folders.
const MAX_SEARCHED_VERSIONS: usize = 20;

/// Current paths of moved files. The keys are the paths of the files in the project's standard folders. All paths are
/// relative to the project's folder.
#[derive(Clone, Debug, Default)]
pub struct MovedFilePaths {
    current: BTreeMap<String, String>,
    /// Keys of the files in folders that an earlier version of the project file specified.
    in_former_folders: BTreeSet<String>,
}

impl MovedFilePaths {
    /// Finds the files of models that are not in their standard folders. Searches all folders from which dbt reads
    /// models, and the folders that earlier versions of the project file specified.
    pub fn find(workspace: &Workspace, models: &[CompiledModel]) -> Self {
        let (models_folder, tests_folder) = workspace.output_folders();
        let planned_files = models::models_with_files(models).flat_map(|(model, built)| {
            let files = model.planned_files(models_folder.as_ref(), tests_folder.as_ref());
            files.map(|file| (folder::relative_path("".as_ref(), &file.path), built.path.as_str()))
        });
        Self::find_files(workspace, planned_files)
    }

    /// Finds the generated files that are not at their expected paths. Each expected path is given with the path of its
    /// spec.
    pub fn find_files<'s>(workspace: &Workspace, files: impl Iterator<Item = (String, &'s str)>) -> Self {
        let (models_folder, tests) = workspace.output_folders();
        let missing = files.filter(|(path, _)| !workspace.root.join(path).exists());
        let missing = missing.filter_map(|(path, spec)| {
            let name = Path::new(&path).file_name()?.to_string_lossy().into_owned();
            Some((name, (path, spec)))
        });
        let missing: BTreeMap<String, (String, &str)> = missing.collect();
        if missing.is_empty() {
            return Self::default();
        }
        let mut candidates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let is_generated = |path: &str, spec: &str| {
            let text = read_text(workspace.root.join(path));
            text.is_ok_and(|text| spec_in_header(&text) == Some(spec))
        };
        let mut in_former_folders = BTreeSet::new();
        for former in former_output_folders(workspace) {
            for (expected, spec) in missing.values() {
                let moved = [&models_folder, &tests].into_iter().zip(&former);
                let moved =
                    moved.filter_map(|(now, former)| Some(format!("{former}{}", expected.strip_prefix(now.as_str())?)));
                for path in moved.filter(|path| is_generated(path, spec)) {
                    candidates.entry(expected.clone()).or_default().insert(path);
                    in_former_folders.insert(expected.clone());
                }
            }
        }
        let find_missing = |path: &Path| path.file_name().and_then(|name| missing.get(name.to_str()?));
        // A properties file can have any name.
        let properties = missing
            .values()
            .filter(|(expected, _)| project::is_yaml(expected.as_ref()));
        let properties: Vec<&(String, &str)> = properties.collect();
        let is_wanted =
            |path: &Path| find_missing(path).is_some() || (!properties.is_empty() && project::is_yaml(path));
        let roots = workspace
            .dbt
            .iter()
            .flat_map(|dbt| dbt.model_paths.iter().chain(&dbt.test_paths));
        let roots: BTreeSet<&String> = roots.collect();
        for path in roots
            .iter()
            .flat_map(|root| folder::find_files(&workspace.root.join(root), is_wanted))
        {
            let Ok(text) = read_text(&path) else { continue };
            let Some(spec) = spec_in_header(&text) else { continue };
            let is_described =
                |(expected, other): &&(String, &str)| *other == spec && properties_describe_model(&text, expected);
            let of_spec = || {
                properties
                    .iter()
                    .copied()
                    .filter(|_| project::is_yaml(&path))
                    .find(is_described)
            };
            let expected = find_missing(&path).filter(|(_, other)| *other == spec).or_else(of_spec);
            if let Some((expected, _)) = expected {
                candidates
                    .entry(expected.clone())
                    .or_default()
                    .insert(workspace.relative_path(&path));
            }
        }
        // A file with several copies is not considered moved.
        let moved_file = |(expected, mut paths): (String, BTreeSet<String>)| {
            (paths.len() == 1)
                .then(|| Some((expected, paths.pop_first()?)))
                .flatten()
        };
        Self {
            current: candidates.into_iter().filter_map(moved_file).collect(),
            in_former_folders,
        }
    }

    /// Returns all moved files.
    pub fn current_paths_by_old_path(&self) -> &BTreeMap<String, String> {
        &self.current
    }

    /// Returns the files in folders that an earlier version of the project file specified, by current path. The values
    /// are the paths of the files in the project's standard folders.
    pub fn moves_from_former_folders(&self) -> BTreeMap<&str, &str> {
        let moves = self
            .current
            .iter()
            .filter(|(path, _)| self.in_former_folders.contains(*path));
        moves.map(|(path, current)| (current.as_str(), path.as_str())).collect()
    }

    /// Returns the current path of a file.
    pub fn current_path<'p>(&'p self, path: &'p str) -> &'p str {
        self.current.get(path).map_or(path, String::as_str)
    }

    /// Replaces each key of a map with the current path of the file.
    pub fn rekey_by_current_path<V>(&self, files: BTreeMap<String, V>) -> BTreeMap<String, V> {
        files
            .into_iter()
            .map(|(path, value)| (self.current_path(&path).to_owned(), value))
            .collect()
    }
}

/// Returns whether a properties file describes the model whose properties file formulac would write to `path`.
fn properties_describe_model(text: &str, path: &str) -> bool {
    let Some((root, model)) = yaml::parse_root(text).zip(Path::new(path).file_stem()) else {
        return false;
    };
    let mut models = root.items_at("models").iter();
    models.any(|entry| entry.text_at("name").is_some_and(|name| model == name))
}

/// Returns the former folders of models and tests: the folders that the last committed versions of the project file
/// named, and the default folders. Current folders are omitted.
pub fn former_output_folders(workspace: &Workspace) -> BTreeSet<[String; 2]> {
    let repository = Repository::find(&workspace.root);
    let versions =
        repository.map(|repository| repository.last_committed_versions(project::PROJECT_FILE, MAX_SEARCHED_VERSIONS));
    let versions = versions.unwrap_or_default();
    let projects = versions.iter().map(|text| Project::from_text(text).0);
    let folders = projects
        .chain([Project::default()])
        .map(|project| output_folders(&project));
    let mut folders: BTreeSet<[String; 2]> = folders.map(Into::into).collect();
    folders.remove(&<[String; 2]>::from(workspace.output_folders()));
    folders
}
