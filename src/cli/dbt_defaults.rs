//! Reads settings from the parsed `dbt_project.yml`, such as properties of all nodes in a folder.

use std::path::{Component, Path};

use formulac_syntax::yaml::Node;

use super::dbt_jinja;

/// Returns whether `dbt_project.yml` enforces the contracts of the models in a folder. The folder is relative to
/// one of the model folders.
pub fn enforces_contracts(root: Option<&Node>, project: &str, folder: &Path) -> bool {
    let contract = |level: &Node| {
        let contract = ["+contract", "contract"].iter().find_map(|key| level.get(key))?;
        contract
            .get("enforced")
            .or_else(|| contract.get("+enforced"))?
            .boolean()
    };
    setting_of_innermost_folder(root, "models", project, folder, contract).unwrap_or(false)
}

/// Returns whether the nodes in a folder are enabled. `section` is their kind, such as `models`, and the folder
/// is relative to one of the folders of that kind. Jinja that cannot be resolved counts as enabled.
pub fn is_enabled(root: Option<&Node>, section: &str, project: &str, folder: &Path) -> bool {
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
    setting_of_innermost_folder(root, section, project, folder, enabled).unwrap_or(true)
}

/// Returns the names and values of the variables that `dbt_project.yml` sets. The values for the project itself come
/// first, because they take precedence over the values for all packages.
pub fn variables(root: Option<&Node>, project: &str) -> Vec<(String, String)> {
    let vars = root.and_then(|root| root.get("vars"));
    let levels = [vars.and_then(|vars| vars.get(project)), vars];
    let pairs = levels.into_iter().flatten().filter_map(Node::pairs).flatten();
    let texts = pairs.filter_map(|(name, value)| Some((name.text()?.to_owned(), value.text()?.to_owned())));
    texts.collect()
}

/// Returns whether the flags turn off the key `arguments` of data tests.
pub fn forbids_test_arguments(root: Option<&Node>) -> bool {
    let flags = root.and_then(|root| root.get("flags"));
    let flag = flags.and_then(|flags| flags.get("require_generic_test_arguments_property"));
    flag.and_then(Node::boolean) == Some(false)
}

/// Returns the newest version of dbt that `require-dbt-version` permits. `None` if it sets no upper bound before dbt
/// 1.12, because without a known version, the generated files are for dbt 1.11 or later.
pub fn newest_permitted_dbt_version(root: Option<&Node>) -> Option<String> {
    let required = root?.get("require-dbt-version")?;
    let conditions = required.items().into_iter().flatten().chain([required]);
    let conditions = conditions.filter_map(Node::text).flat_map(|text| text.split(','));
    conditions
        .filter_map(newest_version_of_condition)
        .min()
        .map(|(minor, patch)| format!("1.{minor}.{patch}"))
}

/// Returns the minor version and the patch of the newest version 1 that a condition such as `<1.9.0` permits. `None`
/// if the condition permits dbt 1.12.
fn newest_version_of_condition(condition: &str) -> Option<(u32, u32)> {
    const LARGEST_PATCH: u32 = 99;
    let condition = condition.trim();
    let version = condition.trim_start_matches(['<', '=']);
    let mut numbers = version.trim().splitn(3, '.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..end)?.parse::<u32>().ok()
    });
    if numbers.next()?? != 1 {
        return None;
    }
    let (minor, patch) = (numbers.next()??, numbers.next().flatten().unwrap_or(0));
    let newest = match patch.checked_sub(1) {
        _ if !condition.starts_with('<') || condition.starts_with("<=") => (minor, patch),
        Some(before) => (minor, before),
        None => (minor.checked_sub(1)?, LARGEST_PATCH),
    };
    (newest < (12, 0)).then_some(newest)
}

/// Returns the value that the innermost folder sets. `value_of_level` returns the value that the section of one folder
/// sets.
fn setting_of_innermost_folder(
    root: Option<&Node>,
    section: &str,
    project: &str,
    folder: &Path,
    value_of_level: impl Fn(&Node) -> Option<bool>,
) -> Option<bool> {
    let mut level = root.and_then(|root| root.get(section));
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
    use formulac_syntax::yaml::merged_root;

    use super::*;

    #[test]
    fn newest_version_is_read_from_the_upper_bound() {
        for (required, expected) in [
            ("1.1.0", Some("1.1.0")),
            ("'>=1.5.0,<1.9.0'", Some("1.8.99")),
            ("['>=1.5.0', '<=1.10.4']", Some("1.10.4")),
            ("['>=1.5.0', ' < 1.10.5 ', '<2.0.0']", Some("1.10.4")),
            ("'==1.8.2'", Some("1.8.2")),
            ("'=1.11.0-b3'", Some("1.11.0")),
            ("'>=1.3.0'", None),
            ("'>=1.3.0,<2.0.0'", None),
            ("'>=1.3.0,<1.13.0'", None),
            ("'!=1.3.0'", None),
            ("['<1.0.0', {a: b}]", None),
            ("''", None),
        ] {
            let root = merged_root(&format!("name: shop\nrequire-dbt-version: {required}\n"));
            let newest = newest_permitted_dbt_version(root.as_ref());
            assert_eq!(newest.as_deref(), expected, "{required}");
        }
    }

    #[test]
    fn innermost_folder_takes_precedence() {
        let text = "models:\n  +contract: {enforced: true}\n  shop:\n    marts: {+contract: {enforced: false}, finance: {contract: {enforced: true}}}\n";
        let root = merged_root(text);
        let is_enforced = |folder: &str| enforces_contracts(root.as_ref(), "shop", Path::new(folder));
        assert!(
            is_enforced("formulac")
                && !is_enforced("marts")
                && !is_enforced("marts/sales")
                && is_enforced("./marts/finance")
        );
        let no_folders = merged_root("models: []");
        assert!(
            !enforces_contracts(no_folders.as_ref(), "shop", Path::new("a"))
                && !enforces_contracts(merged_root("").as_ref(), "", Path::new(""))
        );
        let text = "seeds:\n  shop:\n    raw: {+enabled: \"{{ var('load', false) }}\", small: {enabled: true}}\n    other: {+enabled: \"{{ target.name == 'dev' }}\"}\n";
        let root = merged_root(text);
        let is_folder_enabled = |folder: &str| is_enabled(root.as_ref(), "seeds", "shop", Path::new(folder));
        assert!(
            is_folder_enabled("")
                && !is_folder_enabled("raw")
                && !is_folder_enabled("raw/large")
                && is_folder_enabled("raw/small")
                && is_folder_enabled("other")
        );
        // If a key appears twice, the rest of the file is still read.
        let root = merged_root(&format!("name: shop\nname: shop\n{text}"));
        assert!(!is_enabled(root.as_ref(), "seeds", "shop", Path::new("raw")));
    }
}
