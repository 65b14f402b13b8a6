//! A dbt project: its location and the contents of its files.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::Dialect;
use formulac::artifacts::ManifestReadOptions;
use formulac::diag::lists::{join_words_up_to, quote_names};
use formulac_syntax::yaml::{self, Node};

use super::artifacts::TargetArtifacts;
use super::dbt_defaults;
use super::dbt_jinja;
use super::dbt_run::PROFILES_DIR;
use super::dbt_setup::DbtSetupProblem;
use super::environment::quote_for_shell;
use super::exit::{Exit, Failure, FileDiagnostics};
use super::folder::display_path;
use super::project;
use super::session::Session;
use super::source::{SourceText, read_text};
use super::writable_folders::absolute_path;

pub const PROJECT_FILE: &str = "dbt_project.yml";
const PROFILES_FILE: &str = "profiles.yml";
/// Maximum number of dbt projects that a message lists.
const MAX_LISTED_PROJECTS: usize = 5;

/// Contents of `dbt_project.yml`.
#[derive(Debug)]
pub struct DbtProject {
    /// Folder of the file, relative to the working directory.
    pub folder: PathBuf,
    profile: Option<String>,
    /// Folders in which dbt looks for each kind of file, relative to the project's folder.
    pub model_paths: Vec<String>,
    pub seed_paths: Vec<String>,
    pub snapshot_paths: Vec<String>,
    pub macro_paths: Vec<String>,
    pub test_paths: Vec<String>,
    /// Folders in which dbt looks for docs blocks. `None` if dbt looks for them in all folders.
    docs_paths: Option<Vec<String>>,
    /// All folders in which dbt looks for files of any kind, including kinds that formulac does not use.
    pub all_paths: Vec<String>,
    /// Folder in which `dbt deps` installs packages, relative to the project's folder.
    pub packages_path: String,
    /// Settings for paths with Jinja that formulac cannot resolve, as pairs of key and value.
    pub unresolved: Vec<(String, String)>,
    /// Folder of profiles.yml, if the command line sets it.
    pub profiles_dir: Option<PathBuf>,
    target_path: String,
    log_path: String,
    pub name: String,
    /// Parsed file. `None` if the file is not valid YAML.
    root: Option<Node>,
    /// The manifest, after it has been read.
    artifacts: OnceCell<Result<Option<Box<TargetArtifacts>>, FileDiagnostics>>,
}

/// Keys that set folders. Each entry contains the key, its older name or an empty string, and the folder that dbt
/// uses if neither key exists.
const FOLDER_KEYS: [(&str, &str, &str); 7] = [
    ("model-paths", "source-paths", "models"),
    ("seed-paths", "data-paths", "seeds"),
    ("snapshot-paths", "", "snapshots"),
    ("macro-paths", "", "macros"),
    ("test-paths", "", "tests"),
    ("analysis-paths", "", "analyses"),
    ("function-paths", "", "functions"),
];

/// Finds the dbt project in this folder. Without a folder, finds the project in the working directory or a folder
/// above it.
pub fn find(folder: Option<&Path>) -> Result<Option<DbtProject>, Failure> {
    let path = match folder {
        Some(folder) => Some(folder.to_owned()).filter(|folder| folder.join(PROJECT_FILE).is_file()),
        None => ancestor_folders().find(|folder| folder.join(PROJECT_FILE).is_file()),
    };
    path.map(read).transpose()
}

/// Returns the error of a command that needs a dbt project. If subfolders contain projects, the help lists these
/// projects and shows the command for the first one.
pub fn missing_project_failure(folder: Option<&Path>, command: &str, help: &str) -> Failure {
    let text = match folder {
        Some(folder) => format!("there is no dbt_project.yml in `{}`", folder.display()),
        None => "there is no dbt_project.yml here or in a parent folder".to_owned(),
    };
    let projects: Vec<String> = find_nested_projects(folder.unwrap_or(Path::new(".")))
        .iter()
        .map(|path| display_path(path))
        .collect();
    let help = match projects.as_slice() {
        [] => help.to_owned(),
        [project] => format!(
            "run `{command} {}`, because `{project}` contains a dbt project",
            quote_for_shell(project)
        ),
        [first, ..] => format!(
            "run a command such as `{command} {}`, because these folders contain a dbt project: {}",
            quote_for_shell(first),
            join_words_up_to(&quote_names(&projects), MAX_LISTED_PROJECTS)
        ),
    };
    Failure::new(Exit::Usage, text).with_help(help)
}

/// Returns the dbt projects in subfolders, down to a limited depth, sorted by path. Projects inside projects are left
/// out, because they are packages or tests of packages.
fn find_nested_projects(folder: &Path) -> Vec<PathBuf> {
    const MAX_SEARCH_DEPTH: usize = 3;
    const MAX_FOLDERS_PER_LEVEL: usize = 2_000;
    let is_searched = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && name != "node_modules" && path.is_dir() && !path.is_symlink()
    };
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    for _ in 0..MAX_SEARCH_DEPTH {
        let entries = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten();
        let subfolders = entries
            .map(|entry| entry.path())
            .filter(|path| is_searched(path))
            .take(MAX_FOLDERS_PER_LEVEL);
        let (projects, others): (Vec<_>, Vec<_>) = subfolders.partition(|folder| folder.join(PROJECT_FILE).is_file());
        found.extend(projects);
        folders = others;
    }
    found.sort();
    found
}

/// Returns the working directory and the folders above it, as relative paths.
fn ancestor_folders() -> impl Iterator<Item = PathBuf> {
    let count = std::env::current_dir().map_or(0, |folder| folder.ancestors().count());
    (0..count).map(|steps| {
        PathBuf::from(if steps == 0 {
            ".".to_owned()
        } else {
            "../".repeat(steps)
        })
    })
}

fn read(folder: PathBuf) -> Result<DbtProject, Failure> {
    let source = SourceText::from_file(&folder.join(PROJECT_FILE));
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let document = yaml::merged_root(&source.text);
    let root = document.as_ref();
    let mut unresolved = Vec::new();
    let mut path = |key: &str, value: &str| match dbt_jinja::render_variables(value, |_| None) {
        Some(path) => path,
        None => {
            unresolved.push((key.to_owned(), value.to_owned()));
            value.to_owned()
        }
    };
    let mut paths_by_key: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, value) in root.and_then(Node::pairs).into_iter().flatten() {
        let Some(key) = key.text().filter(|key| key.ends_with("-paths")) else {
            continue;
        };
        let paths = value
            .items()
            .into_iter()
            .flatten()
            .filter_map(Node::text)
            .map(|value| path(key, value));
        paths_by_key.insert(key, paths.collect());
    }
    let text = |key: &str| Some(root?.text_at(key)?.to_owned());
    let target_path = text("target-path").map_or_else(|| "target".to_owned(), |value| path("target-path", &value));
    let log_path = text("log-path").map_or_else(|| "logs".to_owned(), |value| path("log-path", &value));
    let packages_path = ["packages-install-path", "modules-path"]
        .iter()
        .find_map(|key| Some((key, text(key)?)));
    let packages_path = packages_path.map_or_else(|| "dbt_packages".to_owned(), |(key, value)| path(key, &value));
    for (key, older, default) in FOLDER_KEYS {
        if !paths_by_key.contains_key(key) {
            let paths = paths_by_key.remove(older).unwrap_or_else(|| vec![default.to_owned()]);
            paths_by_key.insert(key, paths);
        }
    }
    let paths_of = |key: &str| paths_by_key.get(key).cloned().unwrap_or_default();
    Ok(DbtProject {
        model_paths: paths_of("model-paths"),
        seed_paths: paths_of("seed-paths"),
        snapshot_paths: paths_of("snapshot-paths"),
        macro_paths: paths_of("macro-paths"),
        test_paths: paths_of("test-paths"),
        docs_paths: paths_by_key.get("docs-paths").cloned(),
        all_paths: paths_by_key.values().flatten().cloned().collect(),
        packages_path,
        profile: text("profile"),
        target_path,
        log_path,
        name: text("name").unwrap_or_default(),
        unresolved,
        profiles_dir: None,
        folder,
        artifacts: OnceCell::new(),
        root: document,
    })
}

impl DbtProject {
    /// Returns whether dbt enforces the contracts of the models in a folder. The folder is relative to the project's
    /// folder.
    pub fn enforces_contracts(&self, folder: &Path) -> bool {
        let inner = self
            .model_paths
            .iter()
            .find_map(|models| folder.strip_prefix(models).ok());
        inner.is_some_and(|inner| dbt_defaults::enforces_contracts(self.root.as_ref(), &self.name, inner))
    }

    /// Returns whether the models or seeds in a folder are enabled. The folder is relative to one of the folders of
    /// that kind.
    pub fn is_enabled(&self, section: &str, folder: &Path) -> bool {
        dbt_defaults::is_enabled(self.root.as_ref(), section, &self.name, folder)
    }

    /// Returns the names and values of the project's variables.
    pub fn variables(&self) -> Vec<(String, String)> {
        dbt_defaults::variables(self.root.as_ref(), &self.name)
    }

    /// Returns whether the flags turn off the key `arguments` of data tests.
    pub fn forbids_test_arguments(&self) -> bool {
        dbt_defaults::forbids_test_arguments(self.root.as_ref())
    }

    /// Returns the newest version of dbt that `require-dbt-version` permits. `None` if there is no upper bound that
    /// affects the generated files.
    pub fn newest_permitted_dbt_version(&self) -> Option<String> {
        dbt_defaults::newest_permitted_dbt_version(self.root.as_ref())
    }

    /// Returns whether dbt looks for docs blocks in a folder. Returns `true` if this cannot be determined.
    pub fn searches_for_docs_blocks(&self, folder: &Path) -> bool {
        let Some(paths) = &self.docs_paths else { return true };
        let full_path = absolute_path(folder);
        let is_inside = |path: &String| full_path.starts_with(absolute_path(&self.folder.join(path)));
        paths.iter().any(is_inside) || self.unresolved.iter().any(|(key, _)| key == "docs-paths")
    }

    /// Warns about paths that cannot be resolved, because formulac cannot determine what dbt finds there.
    pub fn warn_of_unresolved_paths(&self, session: &Session) {
        for (key, value) in &self.unresolved {
            session.warn(&format!(
                "formulac cannot resolve the Jinja of `{key}: {value}` in dbt_project.yml"
            ));
        }
    }

    /// Returns dbt's artifacts folder, from `DBT_TARGET_PATH` if that variable is set, otherwise from `target-path`.
    pub fn target_folder(&self) -> PathBuf {
        let variable = std::env::var_os("DBT_TARGET_PATH").filter(|variable| !variable.is_empty());
        self.folder
            .join(variable.map_or_else(|| PathBuf::from(&self.target_path), PathBuf::from))
    }

    /// Returns the folder for dbt's logs, from `DBT_LOG_PATH` if that variable is set, otherwise from `log-path`.
    pub fn log_path(&self) -> PathBuf {
        let variable = std::env::var_os("DBT_LOG_PATH").filter(|variable| !variable.is_empty());
        self.folder
            .join(variable.map_or_else(|| PathBuf::from(&self.log_path), PathBuf::from))
    }

    /// Returns the path of dbt's manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.target_folder().join("manifest.json")
    }

    /// Returns the manifest that dbt wrote, if it exists. The manifest is read only when it is first requested.
    pub fn artifacts(&self) -> Result<Option<&TargetArtifacts>, Failure> {
        let cached_target = self.artifacts.get_or_init(|| {
            let path = self.manifest_path();
            // A large manifest is cached only in projects that are set up for formulac.
            let target_folder = match self.folder.join(project::PROJECT_FILE).is_file() {
                true => TargetArtifacts::read_cached_manifest(path, ManifestReadOptions::default(), &self.folder),
                false => TargetArtifacts::read(path),
            };
            Ok(target_folder?.map(Box::new))
        });
        cached_target
            .as_ref()
            .map(Option::as_deref)
            .map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics.clone()]))
    }

    /// Returns the dialect of dbt's adapter. The adapter comes from the first known source: the named output, the last
    /// manifest, or the profile's default target. The error is a message for the user.
    pub fn dialect(&self, output: Option<&str>) -> Result<Dialect, String> {
        // If the manifest cannot be read, ignore the error here. The error is reported where other parts of the
        // manifest are needed.
        let manifest = || self.artifacts().ok().flatten()?.manifest.metadata.adapter_type.clone();
        let of_manifest = if output.is_none() { manifest() } else { None };
        let adapter = match of_manifest {
            Some(adapter) => adapter,
            None => self.profile()?.adapter_of_output(output)?,
        };
        adapter.parse().map_err(|_| {
            let names: Vec<&str> = Dialect::all().map(Dialect::name).collect();
            format!(
                "the dbt adapter is `{adapter}`, but formulac supports {}",
                names.join(", ")
            )
        })
    }

    /// Returns the default target of the profile with its dialect. `None` if either is unknown.
    pub fn default_target(&self) -> Option<(String, Dialect)> {
        let profile = self.profile().ok()?;
        let dialect = profile.adapter_of_output(None).ok()?.parse().ok()?;
        Some((profile.target?, dialect))
    }

    /// Returns the profile of the project.
    pub fn profile(&self) -> Result<Profile, String> {
        let name = self.profile.as_deref().ok_or("dbt_project.yml specifies no profile")?;
        let name = dbt_jinja::render_variables(name, |_| None)
            .ok_or_else(|| format!("formulac cannot resolve `{name}` in dbt_project.yml"))?;
        let path = self.profiles_path(None).ok_or("there is no profiles.yml")?;
        let source = read_text(&path).map_err(|error| format!("profiles.yml cannot be read: {error}"))?;
        let root = yaml::read(&source, &mut Vec::new()).map_err(|_| "profiles.yml is not YAML".to_owned())?;
        let root = root.map(Node::with_merged_keys);
        let profile = root.as_ref().and_then(|root| root.get(&name));
        let profile = profile.ok_or_else(|| format!("profiles.yml has no profile `{name}`"))?;
        let outputs = profile.get("outputs").and_then(Node::pairs);
        let outputs = outputs.into_iter().flatten().filter_map(|(key, output)| {
            let adapter = output
                .text_at("type")
                .and_then(|text| dbt_jinja::render_variables(text, |_| None));
            Some(ProfileOutput {
                name: key.text()?.to_owned(),
                adapter,
            })
        });
        let outputs = outputs.collect();
        let target = default_output(profile);
        Ok(Profile { name, target, outputs })
    }

    /// Checks whether the project's profile has an output, by default its default output. Returns the environment
    /// variables that the output needs and that are not set. `folder` is the folder of profiles.yml, if the command
    /// line specifies it.
    pub fn check_profile(&self, folder: Option<&Path>, output: Option<&str>) -> Result<Vec<String>, DbtSetupProblem> {
        let Some(name) = self.profile.as_deref() else {
            let problem = "dbt_project.yml specifies no profile";
            return Err(DbtSetupProblem::new(
                problem,
                "write `profile: NAME` in dbt_project.yml",
            ));
        };
        // Only dbt can resolve other Jinja.
        let Some(name) = dbt_jinja::render_variables(name, |_| None) else {
            return Ok(dbt_jinja::unset_variables(name));
        };
        let Some(path) = self.profiles_path(folder) else {
            let problem = format!("there is no profiles.yml with the dbt profile `{name}`");
            let fix =
                format!("create the profile with `dbt init`, or set {PROFILES_DIR} to the folder of profiles.yml");
            return Err(DbtSetupProblem::new(problem, fix));
        };
        let source = read_text(&path).unwrap_or_default();
        let Some(root) = yaml::merged_root(&source) else {
            return Ok(Vec::new());
        };
        let path = path.display();
        let Some(profile) = root.get(&name) else {
            let problem = format!("{path} has no profile `{name}`, which dbt_project.yml specifies");
            return Err(DbtSetupProblem::new(
                problem,
                format!("add the profile `{name}` to {path}"),
            ));
        };
        let target = default_output(profile);
        let Some(target) = output.or(target.as_deref()) else {
            let target = profile.text_at("target").unwrap_or_default();
            return Ok(dbt_jinja::unset_variables(target));
        };
        let outputs = profile.get("outputs");
        let Some(output) = outputs.and_then(|outputs| outputs.get(target)) else {
            let problem = format!("the dbt profile `{name}` has no output `{target}`");
            return Err(DbtSetupProblem::new(
                problem,
                format!("add the output `{target}` to {path}, or choose another output with `--target`"),
            ));
        };
        Ok(collect_strings(output)
            .iter()
            .flat_map(|text| dbt_jinja::unset_variables(text))
            .collect())
    }

    /// Returns the path of the profiles.yml that dbt uses. `folder` is the folder of the file, if the command line
    /// specifies it.
    fn profiles_path(&self, folder: Option<&Path>) -> Option<PathBuf> {
        self.profiles_paths(folder).into_iter().find(|path| path.is_file())
    }

    /// Returns the paths at which dbt looks for profiles.yml, in order.
    pub fn profiles_paths(&self, folder: Option<&Path>) -> Vec<PathBuf> {
        let home = || std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
        let from_environment = || std::env::var_os(PROFILES_DIR).map(PathBuf::from);
        let path = folder
            .map(Path::to_owned)
            .or_else(|| self.profiles_dir.clone())
            .or_else(from_environment);
        let folders = [
            path,
            Some(self.folder.clone()),
            home().map(|home| PathBuf::from(home).join(".dbt")),
        ];
        folders
            .into_iter()
            .flatten()
            .map(|folder| folder.join(PROFILES_FILE))
            .collect()
    }
}

/// Returns the name of a profile's default output. `None` if only dbt can resolve its Jinja.
fn default_output(profile: &Node) -> Option<String> {
    match profile.text_at("target") {
        Some(target) => dbt_jinja::render_variables(target, |_| None),
        None => Some("default".to_owned()),
    }
}

/// Returns all strings in a part of a YAML document.
fn collect_strings(node: &Node) -> Vec<&str> {
    let (mut texts, mut left) = (Vec::new(), vec![node]);
    while let Some(node) = left.pop() {
        texts.extend(node.text());
        left.extend(node.items().into_iter().flatten());
        left.extend(node.pairs().into_iter().flatten().map(|(_, value)| value));
    }
    texts
}

/// Profile in profiles.yml.
#[derive(Debug)]
pub struct Profile {
    name: String,
    /// Default output of the profile. `None` if the default output is unknown.
    pub target: Option<String>,
    pub outputs: Vec<ProfileOutput>,
}

/// An output of a profile.
#[derive(Debug)]
pub struct ProfileOutput {
    pub name: String,
    pub adapter: Option<String>,
}

impl Profile {
    /// Returns the adapter of an output, or of the profile's default target.
    fn adapter_of_output(&self, output: Option<&str>) -> Result<String, String> {
        let name = &self.name;
        let target = output.or(self.target.as_deref());
        if let Some(output) = self.outputs.iter().find(|output| Some(output.name.as_str()) == target) {
            return output
                .adapter
                .clone()
                .ok_or_else(|| format!("an output of profile `{name}` has no type"));
        }
        // If all outputs have the same adapter, it does not matter which output is used.
        let mut adapters = self.outputs.iter().filter_map(|output| output.adapter.as_deref());
        let first = adapters
            .next()
            .filter(|first| output.is_none() && adapters.all(|other| other == *first));
        first.map(str::to_owned).ok_or_else(|| match target {
            Some(target) => format!("profile `{name}` has no output `{target}`"),
            None => format!("the target of profile `{name}` is unknown"),
        })
    }
}
