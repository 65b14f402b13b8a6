//! Reads properties that `dbt_project.yml` sets for all nodes in a folder.

use std::path::{Component, Path};

use formulac_syntax::yaml::{self, Node};

use super::dbt_jinja;

/// Returns whether `dbt_project.yml` enforces the contracts of the models in a folder. The folder is relative to
/// one of the model folders.
pub fn enforces_contracts(text: &str, project: &str, folder: &Path) -> bool {
    let contract = |level: &Node| {
        let contract = ["+contract", "contract"].iter().find_map(|key| level.get(key))?;
        contract
            .get("enforced")
            .or_else(|| contract.get("+enforced"))?
            .boolean()
    };
    setting_of_innermost_folder(text, "models", project, folder, contract).unwrap_or(false)
}

/// Returns whether the nodes in a folder are enabled. `section` is their kind, such as `models`, and the folder
/// is relative to one of the folders of that kind. Jinja that cannot be resolved counts as enabled.
pub fn is_enabled(text: &str, section: &str, project: &str, folder: &Path) -> bool {
    let enabled = |level: &Node| {
        let value = ["+enabled", "enabled"].iter().find_map(|key| level.get(key))?;
        let text = || {
            dbt_jinja::render_variables(value.text()?, |_| None)?
                .trim()
                .to_ascii_lowercase()
                .parse()
                .ok()
        };
        value.boolean().or_else(text)
    };
    setting_of_innermost_folder(text, section, project, folder, enabled).unwrap_or(true)
}

/// Returns the names and values of the variables that `dbt_project.yml` sets. The values for the project itself come
/// first, because they take precedence over the values for all packages.
pub fn variables(text: &str, project: &str) -> Vec<(String, String)> {
    let root = yaml::merged_root(text);
    let vars = root.as_ref().and_then(|root| root.get("vars"));
    let levels = [vars.and_then(|vars| vars.get(project)), vars];
    let pairs = levels.into_iter().flatten().filter_map(Node::pairs).flatten();
    let texts = pairs.filter_map(|(name, value)| Some((name.text()?.to_owned(), value.text()?.to_owned())));
    texts.collect()
}

/// Returns the value that the innermost folder sets. `value_of_level` returns the value that the section of one folder
/// sets.
fn setting_of_innermost_folder(
    text: &str,
    section: &str,
    project: &str,
    folder: &Path,
    value_of_level: impl Fn(&Node) -> Option<bool>,
) -> Option<bool> {
    let root = yaml::merged_root(text);
    let mut level = root.as_ref().and_then(|root| root.get(section));
    let inner = folder.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let mut setting = None;
    for name in std::iter::once(project).chain(inner) {
        setting = level.and_then(&value_of_level).or(setting);
        level = level.and_then(|level| level.get(name));
    }
    level.and_then(value_of_level).or(setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn innermost_folder_takes_precedence() {
        let text = "models:\n  +contract: {enforced: true}\n  shop:\n    marts: {+contract: {enforced: false}, finance: {contract: {enforced: true}}}\n";
        let is_enforced = |folder: &str| enforces_contracts(text, "shop", Path::new(folder));
        assert!(
            is_enforced("formulac")
                && !is_enforced("marts")
                && !is_enforced("marts/sales")
                && is_enforced("./marts/finance")
        );
        assert!(
            !enforces_contracts("models: []", "shop", Path::new("a")) && !enforces_contracts("", "", Path::new(""))
        );
        let text = "seeds:\n  shop:\n    raw: {+enabled: \"{{ var('load', false) }}\", small: {enabled: true}}\n    other: {+enabled: \"{{ target.name == 'dev' }}\"}\n";
        let is_folder_enabled = |folder: &str| is_enabled(text, "seeds", "shop", Path::new(folder));
        assert!(
            is_folder_enabled("")
                && !is_folder_enabled("raw")
                && !is_folder_enabled("raw/large")
                && is_folder_enabled("raw/small")
                && is_folder_enabled("other")
        );
        // If a key appears twice, the rest of the file is still read.
        let text = format!("name: shop\nname: shop\n{text}");
        assert!(!is_enabled(&text, "seeds", "shop", Path::new("raw")));
    }
}
