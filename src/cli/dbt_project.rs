//! A dbt project: where it is, and what its files say of it.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::Dialect;
use saphyr::{LoadableYamlNode, Yaml};
use serde::Deserialize;

use super::exit::Failure;
use super::source::Source;

const FILE: &str = "dbt_project.yml";
const PROFILES: &str = "profiles.yml";

/// What `dbt_project.yml` says.
#[derive(Debug)]
pub struct DbtProject {
    /// The folder that it stands in, as seen from here.
    pub folder: PathBuf,
    pub profile: Option<String>,
    target_path: String,
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
    Ok(DbtProject {
        profile: text("profile"),
        target_path: text("target-path").unwrap_or_else(|| "target".to_owned()),
        folder,
    })
}

fn text(node: &Yaml<'_>, key: &str) -> Option<String> {
    node.as_mapping_get(key)?.as_str().map(str::to_owned)
}

/// What is read of a manifest.
#[derive(Debug, Default, Deserialize)]
pub struct Manifest {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    adapter_type: Option<String>,
}

impl DbtProject {
    /// Where dbt leaves what it knows of the project.
    pub fn manifest_path(&self) -> PathBuf {
        self.folder.join(&self.target_path).join("manifest.json")
    }

    /// The dialect of the adapter: that of the profile's output, else what the last manifest was made for. Why it is
    /// not known is for people to read.
    pub fn dialect(&self, target: Option<&str>) -> Result<Dialect, String> {
        let adapter = match self.adapter_of_profile(target) {
            Ok(adapter) => adapter,
            Err(why) => self.adapter_of_manifest().ok_or(why)?,
        };
        adapter.parse().map_err(|_| {
            let all: Vec<&str> = Dialect::all().map(Dialect::name).collect();
            format!("the dbt adapter is `{adapter}`, and there are {}", all.join(", "))
        })
    }

    fn adapter_of_manifest(&self) -> Option<String> {
        let text = fs::read_to_string(self.manifest_path()).ok()?;
        serde_json::from_str::<Manifest>(&text).ok()?.metadata.adapter_type
    }

    fn adapter_of_profile(&self, target: Option<&str>) -> Result<String, String> {
        let name = self.profile.as_deref().ok_or("dbt_project.yml names no profile")?;
        let name = rendered(name).ok_or_else(|| format!("`{name}` in dbt_project.yml is more than formulac reads"))?;
        let path = self.profiles().ok_or("there is no profiles.yml")?;
        let source = fs::read_to_string(&path).map_err(|error| format!("profiles.yml cannot be read: {error}"))?;
        let documents = Yaml::load_from_str(&source).map_err(|_| "profiles.yml is not YAML".to_owned())?;
        let profile = documents.first().and_then(|root| root.as_mapping_get(&name));
        let profile = profile.ok_or_else(|| format!("profiles.yml has no profile `{name}`"))?;
        let outputs = profile.as_mapping_get("outputs").ok_or_else(|| format!("profile `{name}` has no outputs"))?;
        let target = match target {
            Some(target) => Some(target.to_owned()),
            None => text(profile, "target").map_or(Some("default".to_owned()), |target| rendered(&target)),
        };
        let chosen = target.as_deref().and_then(|target| outputs.as_mapping_get(target));
        let adapter = |output: &Yaml<'_>| text(output, "type").and_then(|text| rendered(&text));
        match chosen {
            Some(output) => adapter(output).ok_or_else(|| format!("an output of profile `{name}` has no type")),
            // Where all outputs are of one kind it does not matter which is meant.
            None => {
                let all = outputs.as_mapping().into_iter().flat_map(|outputs| outputs.values());
                let mut all = all.filter_map(adapter);
                let first = all.next().filter(|first| all.all(|other| other == *first));
                first.ok_or_else(|| format!("profile `{name}` has no output `{}`", target.unwrap_or_default()))
            }
        }
    }

    /// Where dbt looks for it.
    fn profiles(&self) -> Option<PathBuf> {
        let home = || std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
        let told = std::env::var_os("DBT_PROFILES_DIR").map(PathBuf::from);
        let folders = [told, Some(self.folder.clone()), home().map(|home| PathBuf::from(home).join(".dbt"))];
        folders.into_iter().flatten().map(|folder| folder.join(PROFILES)).find(|path| path.is_file())
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
