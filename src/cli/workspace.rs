//! A project, the dbt project that contains it, and the known relations for the compiler.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::artifacts::{Catalog, Manifest};
use formulac::sync::ColumnDescription;
use formulac::{Dialect, KnownFacts, Project};

use super::args::TargetOptions;
use super::artifacts::{self, TargetArtifacts};
use super::dbt_project::{self, DbtProject};
use super::exit::{Exit, Failure};
use super::folder;
use super::models;
use super::project;
use super::session::Session;
use super::source::SourceText;
use super::writable_folders::WritableFolders;

/// File with the columns that `schema fetch` found, relative to the project's folder. The file is not committed.
pub const FETCHED_CATALOG_FILE: &str = ".formulac/local/catalog.json";

/// Project with its folders.
#[derive(Debug)]
pub struct Workspace {
    pub project: Project,
    /// The project's folder, relative to the working directory.
    pub root: PathBuf,
    pub dbt: Option<DbtProject>,
    /// Relations in dbt's artifacts, and the dialect in which their types were parsed.
    pub(super) known_facts: OnceCell<(Dialect, KnownFacts)>,
    /// Text of `known.yml`, and its parsed contents.
    pub(super) committed: OnceCell<(String, KnownFacts)>,
    /// Descriptions that the current plan writes to properties files and that dbt's artifacts do not contain yet.
    pub described: OnceCell<Vec<ColumnDescription>>,
}

impl Workspace {
    /// Finds the project, and the dbt project that contains it. Returns an error if there is no project.
    pub fn find(session: &Session) -> Result<Self, Failure> {
        Self::find_workspace(session)?.ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no formulac.yml here or in a parent folder").with_help(
                "run `formulac init` in the dbt project, or specify the project's folder with `--project-dir`",
            )
        })
    }

    /// Finds the workspace. Returns `None` if there is no project.
    pub fn find_workspace(session: &Session) -> Result<Option<Self>, Failure> {
        let given_folder = session.global.project_dir.as_deref();
        let found_project = if session.global.no_project {
            None
        } else {
            project::read_project_with_folder(given_folder)?
        };
        let Some((project, root)) = found_project else {
            return Ok(None);
        };
        let dbt = dbt_project::find(Some(&root))?;
        dbt.iter().for_each(|dbt| dbt.warn_of_unresolved_paths(session));
        Ok(Some(Self {
            project,
            root,
            dbt,
            known_facts: OnceCell::new(),
            committed: OnceCell::new(),
            described: OnceCell::new(),
        }))
    }

    /// Returns whether `formulac.yml` exists.
    pub fn has_project_file(&self) -> bool {
        self.root.join(project::PROJECT_FILE).is_file()
    }

    /// Finds the project, which may be a dbt project without `formulac.yml`. Returns `None` if neither exists or if
    /// `--no-project` is set.
    pub fn find_workspace_or_dbt_project(session: &Session) -> Result<Option<Self>, Failure> {
        if session.global.no_project {
            return Ok(None);
        }
        if let Some(workspace) = Self::find_workspace(session)? {
            return Ok(Some(workspace));
        }
        // Ignore errors in a dbt project that does not use formulac, because dbt reports them.
        let dbt = dbt_project::find(session.global.project_dir.as_deref()).ok().flatten();
        Ok(dbt.map(|dbt| {
            let root = dbt.folder.clone();
            Self {
                project: Project::default(),
                root,
                dbt: Some(dbt),
                known_facts: OnceCell::new(),
                committed: OnceCell::new(),
                described: OnceCell::new(),
            }
        }))
    }

    /// Returns an error if `pull` could not write the Omni model. Accepts a clone that does not exist yet, because a
    /// job that checks only dbt's repository does not need the clone.
    pub fn check_omni_folder(&self) -> Result<(), Failure> {
        match self.project.omni() {
            Some(path) if !self.project.omni_is_repository() || self.root.join(path).exists() => {
                writable_folders_with_omni(&self.project, &self.root).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Returns the folders to which commands may write.
    pub fn writable_folders(&self) -> Result<WritableFolders, Failure> {
        writable_folders(&self.project, &self.root)
    }

    /// Returns the dialect given on the command line, otherwise the project's dialect, otherwise the dialect of dbt's
    /// adapter.
    pub fn dialect(&self, target: &TargetOptions) -> Result<Dialect, Failure> {
        if let Some(dialect) = target.dialect.or(self.project.dialect()) {
            return Ok(dialect);
        }
        let of_dbt = self.dbt.as_ref().map(|dbt| match self.artifacts().ok().flatten() {
            // Without a manifest, use the dialect in `known.yml`, which is the dialect of the last generated files.
            None => self
                .read_known_yml()
                .ok()
                .and_then(|facts| facts.dialect)
                .map_or_else(|| dbt.dialect(None), Ok),
            Some(_) => dbt.dialect(None),
        });
        match of_dbt {
            None => Ok(Dialect::default()),
            Some(Ok(dialect)) => Ok(dialect),
            Some(Err(why)) => Err(Failure::new(Exit::Usage, format!("the dialect is unknown: {why}"))
                .with_help("write `dialect:` in formulac.yml")),
        }
    }

    /// Returns dbt's artifacts, if they exist.
    pub fn artifacts(&self) -> Result<Option<&TargetArtifacts>, Failure> {
        Ok(self.dbt.as_ref().map(DbtProject::artifacts).transpose()?.flatten())
    }

    /// Returns dbt's manifest, if it exists.
    pub fn manifest(&self) -> Result<Option<&Manifest>, Failure> {
        Ok(self.artifacts()?.map(|artifacts| &artifacts.manifest))
    }

    /// Returns the catalog from `schema fetch`, unless dbt wrote a newer catalog.
    pub fn fetched_catalog(&self) -> Result<Option<Catalog>, Failure> {
        let path = self.root.join(FETCHED_CATALOG_FILE);
        let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
        let catalog = self
            .dbt
            .as_ref()
            .and_then(|dbt| changed(&dbt.target_folder().join("catalog.json")));
        if changed(&path).is_none_or(|fetched| catalog.is_some_and(|catalog| catalog > fetched)) {
            return Ok(None);
        }
        artifacts::read_catalog(&path)
    }

    /// Returns the models folder and the tests folder, relative to the project's folder.
    pub fn output_folders(&self) -> (String, String) {
        output_folders(&self.project)
    }

    /// Returns the folder of Omni's model files, relative to the project's folder.
    pub fn omni_folder(&self) -> String {
        normalize_folder(self.project.omni().unwrap_or(project::DEFAULT_OMNI_FOLDER))
    }

    /// Returns a path relative to the project's folder, with `/` as the separator.
    pub fn relative_path(&self, path: &Path) -> String {
        folder::relative_path(&self.root, path)
    }

    /// Returns the path of a project file as a user would type it in a command.
    pub fn display_path(&self, path: &str) -> String {
        folder::display_path(&self.root.join(path))
    }

    /// Returns the folder of specs, relative to the project's folder.
    pub fn specs_folder(&self) -> String {
        normalize_folder(self.project.specs().unwrap_or(project::DEFAULT_SPECS_FOLDER))
    }

    /// Reads the specs, each with its path relative to the project. Returns an empty list if the folder with specs does
    /// not exist.
    pub fn sources(&self) -> Result<Vec<(SourceText, Option<String>)>, Failure> {
        Ok(models::read_sources(&self.existing_specs()?, Some(&self.root)))
    }

    /// Returns the paths of the specs. Returns an empty list if the folder with specs does not exist.
    pub fn existing_specs(&self) -> Result<Vec<PathBuf>, Failure> {
        if !self.root.join(self.specs_folder()).is_dir() {
            return Ok(Vec::new());
        }
        self.specs()
    }

    /// Returns the paths of the specs. Fails if the folder with specs does not exist.
    pub fn specs(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.root.join(self.specs_folder());
        if !folder.exists() {
            let name = self.specs_folder();
            let message = format!("there are no specs: the folder `{name}/` does not exist");
            return Err(Failure::new(Exit::Failed, message)
                .with_help(format!("write a spec in `{name}/`, or correct `specs` in formulac.yml")));
        }
        let is_project_folder = matches!(self.specs_folder().as_str(), "" | ".");
        if self.dbt.is_some() && is_project_folder {
            let message = "the folder of specs cannot be the project's folder, which contains dbt's YAML files";
            return Err(Failure::new(Exit::Failed, message).with_help(
                "move the specs to a folder of their own, and write its name in formulac.yml: `specs: formulac`",
            ));
        }
        project::find_specs(&folder)
    }
}

/// Returns the models folder and the tests folder of a project, relative to the project's folder.
pub fn output_folders(project: &Project) -> (String, String) {
    (
        normalize_folder(project.models().unwrap_or(project::DEFAULT_MODELS_FOLDER)),
        normalize_folder(project.tests().unwrap_or(project::DEFAULT_TESTS_FOLDER)),
    )
}

/// Returns the folders to which commands may write: the project, and the Omni model's repository if it exists.
pub fn writable_folders(project: &Project, root: &Path) -> Result<WritableFolders, Failure> {
    let bounds = WritableFolders::from_project(root)?;
    Ok(match omni_repository(project, root) {
        Ok(Some(folder)) => bounds.with_folder(&folder),
        Ok(None) | Err(_) => bounds,
    })
}

/// Returns the same folders as [`writable_folders`], for a command that writes the Omni model. Returns an error if the
/// folder of the Omni model is outside the project, or if its repository does not exist.
pub fn writable_folders_with_omni(project: &Project, root: &Path) -> Result<WritableFolders, Failure> {
    let is_folder = omni_repository(project, root)?.is_none();
    let bounds = writable_folders(project, root)?;
    let resolved = bounds.resolve_path(&root.join(project.omni().unwrap_or(project::DEFAULT_OMNI_FOLDER)));
    match (resolved, project.omni().filter(|_| is_folder)) {
        (Ok(_), _) => Ok(bounds),
        (Err(_), Some(path)) => {
            let message = format!("`{path}`, specified under `omni:`, is outside the project");
            let help = format!(
                "move the folder into the folder of formulac.yml, and set its new path as the model path in Omni's git \
                 settings; or, if it is the root of its own git repository, write `omni: {{path: {path}}}` in formulac.yml"
            );
            Err(Failure::new(Exit::Failed, message).with_help(help))
        }
        (Err(failure), None) => Err(failure),
    }
}

/// Returns the folder of `omni: {path: …}`, which is the root of another git repository. `None` if the Omni model is a
/// folder of the project.
pub fn omni_repository(project: &Project, root: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = project.omni().filter(|_| project.omni_is_repository()) else {
        return Ok(None);
    };
    let folder = root.join(path);
    let real_root = std::fs::canonicalize(folder::current_folder_if_empty(root));
    let real = std::fs::canonicalize(&folder);
    let is_other = |own_root: &Path, real: &Path| !own_root.starts_with(real) && real.join(".git").exists();
    match (real_root, real) {
        (Ok(own_root), Ok(real)) if Path::new(path).is_relative() && is_other(&own_root, &real) => Ok(Some(folder)),
        _ => Err(Failure::new(
            Exit::Failed,
            format!("`{path}`, specified under `omni:`, must be the root of a separate git repository"),
        )
        .with_help(
            "clone the Omni model's repository there; if dbt and Omni share a repository, move Omni's files into the \
             folder of formulac.yml, write this folder as `omni: FOLDER`, and set it as the model path in Omni's git \
             settings",
        )),
    }
}

/// Removes the leading `./` and the trailing `/` from a folder's path.
pub fn normalize_folder(folder: &str) -> String {
    folder.trim_start_matches("./").trim_end_matches('/').to_owned()
}
