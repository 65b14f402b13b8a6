//! Definitions that a spec renames: definitions with new names and the same formulas.

use crate::CompiledSpec;
use crate::decompile::rename_names;
use crate::model::SpecDefinition;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits, value};

/// Maximum number of passes. The formula of a renamed definition may name another renamed definition.
const MAX_PASSES: usize = 4;

/// Former and current name of a definition.
pub(super) type RenamedDefinition = (String, String);

/// Returns the definitions of `base` that have another name in `ours`, and the same step and formula.
pub(super) fn renamed_definitions(base: &CompiledSpec, ours: &CompiledSpec) -> Vec<RenamedDefinition> {
    let missing_in = |spec: &CompiledSpec, name: &str| !spec.definitions().iter().any(|other| other.name() == name);
    let mut removed: Vec<&SpecDefinition> = base.definitions().iter().collect();
    removed.retain(|definition| missing_in(ours, definition.name()));
    if removed.is_empty() {
        return Vec::new();
    }
    let mut added: Vec<&SpecDefinition> = ours.definitions().iter().collect();
    added.retain(|definition| missing_in(base, definition.name()));
    let mut renamed: Vec<RenamedDefinition> = Vec::new();
    for _ in 0..MAX_PASSES {
        let names: Vec<(&str, String)> = renamed.iter().map(|(old, new)| (old.as_str(), new.clone())).collect();
        let mut found = Vec::new();
        removed.retain(|definition| {
            let formula = on_one_line(&rename_names(definition.formula(), &names));
            let is_same =
                |other: &&SpecDefinition| other.step() == definition.step() && on_one_line(other.formula()) == formula;
            let Some(at) = added.iter().position(is_same) else {
                return true;
            };
            let new = added.remove(at).name().to_owned();
            found.push((definition.name().to_owned(), new));
            false
        });
        if found.is_empty() {
            break;
        }
        renamed.extend(found);
    }
    renamed
}

fn on_one_line(formula: &str) -> String {
    formula.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a properties file in which the renamed columns have their current names. A column is not renamed if the file
/// already has a column with the current name.
pub(super) fn with_current_column_names(text: &str, model: &str, renamed: &[RenamedDefinition]) -> String {
    let has_column = |text: &str, name: &str| {
        let root = value(text);
        let find = |list: &YamlValue, name: &str| match list {
            YamlValue::List(items, _) => items
                .iter()
                .find(|item| item.get("name").and_then(YamlValue::as_text) == Some(name))
                .cloned(),
            _ => None,
        };
        let entry = root.and_then(|root| find(root.get("models")?, model));
        entry.is_some_and(|entry| entry.get("columns").and_then(|columns| find(columns, name)).is_some())
    };
    renamed.iter().fold(text.to_owned(), |text, (old, new)| {
        if has_column(&text, new) {
            return text;
        }
        let model = Path::root().key("models").item("name", model);
        let edit = Edit::Set {
            at: model.key("columns").item("name", old).key("name"),
            value: YamlValue::text(new),
            after: Vec::new(),
        };
        apply_edits(&text, &[edit]).unwrap_or(text)
    })
}
