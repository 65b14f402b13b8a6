//! Finds the columns of a model that depend on a definition in its spec.

use std::collections::{BTreeSet, HashMap};

use formulac_syntax::text::split_words;

use super::graph::SpecModel;

/// Returns the lower-case names of the model's columns that depend on a definition. Definitions are compared only by
/// name. If several steps define the same name, the result includes the columns of all these definitions.
pub(super) fn definition_columns(spec: &SpecModel, definition: &str) -> BTreeSet<String> {
    let mut readers: HashMap<String, Vec<String>> = HashMap::new();
    for other in spec.compiled.definitions() {
        for name in find_identifiers(other.formula()) {
            readers.entry(name).or_default().push(other.name().to_lowercase());
        }
    }
    let mut reached = BTreeSet::new();
    let mut to_visit = vec![definition.to_lowercase()];
    while let Some(name) = to_visit.pop() {
        to_visit.extend(readers.remove(&name).unwrap_or_default());
        reached.insert(name);
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
