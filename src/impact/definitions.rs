//! Finds the columns of a model that depend on a definition in its spec.

use std::collections::BTreeSet;

use super::graph::SpecModel;

/// Returns the columns of a model that depend on a definition, in lower case. Definitions are compared only by name. If
/// several steps define the same name, the result includes the columns of all these definitions.
pub(super) fn definition_columns(spec: &SpecModel, definition: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::from([definition.to_lowercase()]);
    // One pass is enough for definitions of later steps, because they come after the definitions that they read.
    // Definitions of the same step can be in any order, so repeat until no name is added.
    let definitions = spec.compiled.definitions();
    loop {
        let before = reached.len();
        for definition in definitions {
            let definition_name = definition.name().to_lowercase();
            if !reached.contains(&definition_name)
                && formula_names(definition.formula())
                    .iter()
                    .any(|name| reached.contains(name))
            {
                reached.insert(definition_name);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let columns = spec
        .compiled
        .columns()
        .iter()
        .map(|column| column.name().to_lowercase());
    columns.filter(|column| reached.contains(column)).collect()
}

/// Returns the names in a formula, in lower case. A name with a dot is split into its parts.
fn formula_names(formula: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    formula
        .split(|c| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
