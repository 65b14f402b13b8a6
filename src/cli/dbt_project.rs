//! A dbt project: where it is, and what its files say of it.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::Dialect;
use saphyr::{LoadableYamlNode, Yaml};

use super::artifacts::Artifacts;
use super::dbt_defaults;
use super::exit::{Failure, Found};
use super::source::Source;

const FILE: &str = "dbt_project.yml";
const PROFILES: &str = "profiles.yml";

/// What `dbt_project.yml` says.
#[derive(Debug)]
pub struct DbtProject {
    /// The folder that it stands in, as seen from here.
    pub folder: PathBuf,
    profile: Option<String>,
    /// Folders of models and of seeds, seen from the project's.
    pub model_paths: Vec<String>,
    pub seed_paths: Vec<String>,
    /// The same of snapshots, macros and tests.
    pub snapshot_paths: Vec<String>,
    pub macro_paths: Vec<String>,
    pub test_paths: Vec<String>,
    target_path: String,
    name: String,
    text: String,
    /// The manifest once it was read.
    artifacts: OnceCell<Result<Option<Box<Artifacts>>, Found>>,
}

/// The dbt project in this folder, or the one in the working directory or a folder above it.
pub fn find(folder: Option<&Path>) -> Result<Option<DbtProject>, Failure> {
    let found = match folder {
        Some(folder) => Some(folder.to_owned()).filter(|folder| folder.join(FILE).is_file()),
        None => above().find(|folder| folder.join(FILE).is_file()),
    };
    found.map(read).transpose()
}

/// The working directory and the folders above it, as seen from there.
fn above() -> impl Iterator<Item = PathBuf> {
    let count = std::env::current_dir().map_or(0, |folder| folder.ancestors().count());
    (0..count).map(|steps| PathBuf::from(if steps == 0 { ".".to_owned() } else { "../".repeat(steps) }))
}

fn read(folder: PathBuf) -> Result<DbtProject, Failure> {
    let source = Source::file(&folder.join(FILE));
    if source.fault.is_some() {
        return Err(Failure::of(source));
    }
    let documents = Yaml::load_from_str(&source.text).unwrap_or_default();
    let root = documents.first();
    let text = |key: &str| root.and_then(|root| text(root, key));
    let paths = |keys: [&str; 2], default: &str| {
        let listed = keys.iter().find_map(|key| root?.as_mapping_get(key)?.as_vec());
        match listed {
            Some(paths) => paths.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect(),
            None => vec![default.to_owned()],
        }
    };
    Ok(DbtProject {
        model_paths: paths(["model-paths", "source-paths"], "models"),
        seed_paths: paths(["seed-paths", "data-paths"], "seeds"),
        snapshot_paths: paths(["snapshot-paths", "snapshot-paths"], "snapshots"),
        macro_paths: paths(["macro-paths", "macro-paths"], "macros"),
        test_paths: paths(["test-paths", "test-paths"], "tests"),
        profile: text("profile"),
        target_path: text("target-path").unwrap_or_else(|| "target".to_owned()),
        name: text("name").unwrap_or_default(),
        folder,
        artifacts: OnceCell::new(),
        text: source.text,
    })
}

fn text(node: &Yaml<'_>, key: &str) -> Option<String> {
    node.as_mapping_get(key)?.as_str().map(str::to_owned)
}

impl DbtProject {
    /// Whether dbt enforces the contracts of the models in a folder, as seen from the project's.
    pub fn enforces_contracts(&self, folder: &Path) -> bool {
        let inner = self.model_paths.iter().find_map(|models| folder.strip_prefix(models).ok());
        inner.is_some_and(|inner| dbt_defaults::enforces_contracts(&self.text, &self.name, inner))
    }

    /// The folder in which dbt leaves what it knows of the project.
    pub fn target(&self) -> PathBuf {
        self.folder.join(&self.target_path)
    }

    /// Where dbt leaves its manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.target().join("manifest.json")
    }

    /// The manifest that dbt left, where it left one; it is read when it is first asked for, and only then.
    pub fn artifacts(&self) -> Result<Option<&Artifacts>, Failure> {
        let read = self.artifacts.get_or_init(|| Ok(Artifacts::read(self.manifest_path())?.map(Box::new)));
        read.as_ref().map(Option::as_deref).map_err(|found| Failure::Found(vec![found.clone()]))
    }

    /// The dialect of the adapter: that of the output that is named, else the one that the last manifest was made for,
    /// else that of the profile's own target. Why it is not known is for people to read.
    pub fn dialect(&self, output: Option<&str>) -> Result<Dialect, String> {
        // A manifest that cannot be read says nothing; who needs more of it tells.
        let manifest = || self.artifacts().ok().flatten()?.manifest.metadata.adapter_type.clone();
        let of_manifest = if output.is_none() { manifest() } else { None };
        let adapter = match of_manifest {
            Some(adapter) => adapter,
            None => self.profile()?.adapter(output)?,
        };
        adapter.parse().map_err(|_| {
            let all: Vec<&str> = Dialect::all().map(Dialect::name).collect();
            format!("the dbt adapter is `{adapter}`, and there are {}", all.join(", "))
        })
    }

    /// The profile of the project.
    pub fn profile(&self) -> Result<Profile, String> {
        let name = self.profile.as_deref().ok_or("dbt_project.yml names no profile")?;
        let name = rendered(name).ok_or_else(|| format!("`{name}` in dbt_project.yml is more than formulac reads"))?;
        let path = self.profiles().ok_or("there is no profiles.yml")?;
        let source = fs::read_to_string(&path).map_err(|error| format!("profiles.yml cannot be read: {error}"))?;
        let documents = Yaml::load_from_str(&source).map_err(|_| "profiles.yml is not YAML".to_owned())?;
        let profile = documents.first().and_then(|root| root.as_mapping_get(&name));
        let profile = profile.ok_or_else(|| format!("profiles.yml has no profile `{name}`"))?;
        let outputs = profile.as_mapping_get("outputs").and_then(Yaml::as_mapping);
        let outputs = outputs.into_iter().flatten().filter_map(|(key, output)| {
            let adapter = text(output, "type").and_then(|text| rendered(&text));
            Some(Output { name: key.as_str()?.to_owned(), adapter })
        });
        let outputs = outputs.collect();
        let target = text(profile, "target").map_or(Some("default".to_owned()), |target| rendered(&target));
        Ok(Profile { name, target, outputs })
    }

    /// Where dbt looks for it.
    fn profiles(&self) -> Option<PathBuf> {
        let home = || std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
        let told = std::env::var_os("DBT_PROFILES_DIR").map(PathBuf::from);
        let folders = [told, Some(self.folder.clone()), home().map(|home| PathBuf::from(home).join(".dbt"))];
        folders.into_iter().flatten().map(|folder| folder.join(PROFILES)).find(|path| path.is_file())
    }
}

/// A profile of profiles.yml.
#[derive(Debug)]
pub struct Profile {
    name: String,
    /// The output that is used when none is named; none where it is not known.
    pub target: Option<String>,
    pub outputs: Vec<Output>,
}

/// An output of a profile.
#[derive(Debug)]
pub struct Output {
    pub name: String,
    pub adapter: Option<String>,
}

impl Profile {
    /// The adapter of an output, or of the profile's own target.
    fn adapter(&self, output: Option<&str>) -> Result<String, String> {
        let name = &self.name;
        let target = output.or(self.target.as_deref());
        if let Some(output) = self.outputs.iter().find(|output| Some(output.name.as_str()) == target) {
            return output.adapter.clone().ok_or_else(|| format!("an output of profile `{name}` has no type"));
        }
        // Where all outputs are of one kind it does not matter which is meant.
        let mut adapters = self.outputs.iter().filter_map(|output| output.adapter.as_deref());
        let first = adapters.next().filter(|first| output.is_none() && adapters.all(|other| other == *first));
        first.map(str::to_owned).ok_or_else(|| match target {
            Some(target) => format!("profile `{name}` has no output `{target}`"),
            None => format!("the target of profile `{name}` is not known"),
        })
    }
}

/// A text without Jinja, or `{{ env_var('NAME', 'default') }}` with what the environment says.
fn rendered(text: &str) -> Option<String> {
    if !text.contains("{{") && !text.contains("{%") {
        return Some(text.to_owned());
    }
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let arguments = inside.strip_prefix("env_var(")?.strip_suffix(')')?;
    let mut arguments = arguments.splitn(2, ',').map(|argument| argument.trim().trim_matches(['\'', '"']));
    let name = arguments.next()?;
    std::env::var(name).ok().or_else(|| arguments.next().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::rendered;

    #[test]
    fn the_one_call_of_jinja_that_profiles_have() {
        for (text, expected) in [
            ("dev", Some("dev")),
            ("{{ env_var('FORMULAC_NO_SUCH_VARIABLE', 'dev') }}", Some("dev")),
            ("{{ env_var(\"FORMULAC_NO_SUCH_VARIABLE\") }}", None),
            ("{{ target.name }}", None),
            ("a{{ env_var('X', 'b') }}", None),
        ] {
            assert_eq!(rendered(text).as_deref(), expected, "{text}");
        }
    }
}
