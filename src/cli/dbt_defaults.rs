//! What `dbt_project.yml` says of all models of a folder.

use std::path::{Component, Path};

use saphyr::{LoadableYamlNode, Yaml};

/// Whether it enforces the contracts of the models in a folder, which is seen from one of the folders of models. What is
/// said of an inner folder counts for more.
pub fn enforces_contracts(text: &str, project: &str, folder: &Path) -> bool {
    let documents = Yaml::load_from_str(text).unwrap_or_default();
    let mut level = documents.first().and_then(|root| root.as_mapping_get("models"));
    let inner = folder.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let mut enforced = false;
    for name in std::iter::once(project).chain(inner) {
        enforced = level.and_then(of_level).unwrap_or(enforced);
        level = level.and_then(|level| level.as_mapping_get(name));
    }
    level.and_then(of_level).unwrap_or(enforced)
}

/// What one level says, in either of dbt's spellings.
fn of_level(level: &Yaml<'_>) -> Option<bool> {
    let contract = ["+contract", "contract"].iter().find_map(|key| level.as_mapping_get(key))?;
    contract.as_mapping_get("enforced").or_else(|| contract.as_mapping_get("+enforced"))?.as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_folder_says() {
        let text = "models:\n  +contract: {enforced: true}\n  shop:\n    marts: {+contract: {enforced: false}, finance: {contract: {enforced: true}}}\n";
        let of = |folder: &str| enforces_contracts(text, "shop", Path::new(folder));
        assert!(of("formulac") && !of("marts") && !of("marts/sales") && of("./marts/finance"));
        assert!(
            !enforces_contracts("models: []", "shop", Path::new("a")) && !enforces_contracts("", "", Path::new(""))
        );
    }
}
