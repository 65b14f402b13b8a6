//! Finds the columns of a model that depend on a definition in its spec.

use std::collections::BTreeSet;

use formulac_syntax::text::split_words;

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
                && find_identifiers(definition.formula())
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

/// Returns the names in a formula or in SQL, in lower case. A name with a dot is split into its parts.
pub(crate) fn find_identifiers(text: &str) -> BTreeSet<String> {
    split_words(text)
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
