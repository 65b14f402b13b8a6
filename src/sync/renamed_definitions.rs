//! Definitions that a spec renames: definitions with new names and the same formulas.

use std::collections::BTreeMap;

use formulac_syntax::text::collapse_whitespace;

use super::resolve::find_by_name;
use crate::CompiledSpec;
use crate::decompile::replace_formula_names;
use crate::model::SpecDefinition;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits, parse_value};

/// Former and current name of a definition.
pub(super) type RenamedDefinition = (String, String);

/// Returns the definitions of `base` that have a different name but the same step and formula in `ours`. If several
/// definitions have the same step and formula, they are renamed only if `ours` adds as many of them as it removes.
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
    // The formula of a renamed definition may name another renamed definition, so search until no more are found.
    loop {
        let names: Vec<(&str, String)> = renamed.iter().map(|(old, new)| (old.as_str(), new.clone())).collect();
        let mut by_formula: BTreeMap<_, [Vec<&SpecDefinition>; 2]> = BTreeMap::new();
        for definition in removed.iter().copied() {
            let formula = collapse_whitespace(&replace_formula_names(definition.formula(), &names));
            by_formula.entry((definition.step(), formula)).or_default()[0].push(definition);
        }
        for definition in added.iter().copied() {
            let formula = collapse_whitespace(definition.formula());
            by_formula.entry((definition.step(), formula)).or_default()[1].push(definition);
        }
        let found: Vec<_> = by_formula.into_values().flat_map(pair_renamed_definitions).collect();
        if found.is_empty() {
            return renamed;
        }
        removed.retain(|definition| !found.iter().any(|(old, _)| std::ptr::eq(*old, *definition)));
        added.retain(|definition| !found.iter().any(|(_, new)| std::ptr::eq(*new, *definition)));
        let found = found.into_iter();
        renamed.extend(found.map(|(old, new)| (old.name().to_owned(), new.name().to_owned())));
    }
}

/// Pairs removed and added definitions with the same step and formula. Definitions with the same description form a
/// pair. Returns no pairs unless the numbers of removed and added definitions are equal.
fn pair_renamed_definitions(
    [removed, mut added]: [Vec<&SpecDefinition>; 2],
) -> Vec<(&SpecDefinition, &SpecDefinition)> {
    if removed.len() != added.len() {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    let mut others = Vec::new();
    for old in removed {
        match added.iter().position(|new| new.description() == old.description()) {
            Some(index) => pairs.push((old, added.remove(index))),
            None => others.push(old),
        }
    }
    pairs.extend(others.into_iter().zip(added));
    pairs
}

/// Returns a properties file in which the renamed columns have their current names. A column is not renamed if the file
/// already has a column with the current name.
pub(super) fn with_current_column_names(text: &str, model: &str, renamed: &[RenamedDefinition]) -> String {
    let has_column = |text: &str, name: &str| {
        let root = parse_value(text);
        let entry = root.as_ref().and_then(|root| find_by_name(root.get("models")?, model));
        entry.is_some_and(|entry| {
            entry
                .get("columns")
                .and_then(|columns| find_by_name(columns, name))
                .is_some()
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compiler;

    /// Returns the renamed definitions, each as `old -> new`.
    fn renamed(base: &str, ours: &str) -> Vec<String> {
        let compile = |definitions: &str| {
            let spec = format!("model: m\nfrom: orders\nkeep: id\ndefinitions: |\n{definitions}");
            Compiler::default().compile_spec(&spec)
        };
        let renamed = renamed_definitions(&compile(base), &compile(ours)).into_iter();
        let mut renamed: Vec<String> = renamed.map(|(old, new)| format!("{old} -> {new}")).collect();
        renamed.sort();
        renamed
    }

    #[test]
    fn definitions_may_name_other_renamed_definitions() {
        let chain = |name: &str| {
            let next = |number: usize| format!("  {name}_{number} = {name}_{} + 1\n", number - 1);
            format!("  {name}_0 = price + 1\n{}", (1..8).map(next).collect::<String>())
        };
        let expected: Vec<String> = (0..8).map(|number| format!("old_{number} -> new_{number}")).collect();
        assert_eq!(renamed(&chain("old"), &chain("new")), expected);
    }

    #[test]
    fn definitions_with_the_same_formula_are_not_mistaken_for_each_other() {
        // One of the two definitions is renamed and the other is removed.
        let two = "  gross = price * 2\n  amount = price * 2\n";
        assert_eq!(renamed(two, "  total = price * 2\n"), [""; 0]);
        let described = "  /// Gross\n  gross = price * 2\n  /// Amount\n  amount = price * 2\n";
        let ours = "  /// Amount\n  total = price * 2\n  /// Gross\n  with_tax = price * 2\n";
        assert_eq!(renamed(described, ours), ["amount -> total", "gross -> with_tax"]);
    }
}
