//! Which columns of a model a definition of its spec reaches.

use std::collections::BTreeSet;

use super::graph::SpecModel;

/// The columns of a model that a definition is part of, in small letters. A name means the definition of its step, else
/// of a step before; in doubt it means all of them.
pub(super) fn columns(spec: &SpecModel, definition: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::from([definition.to_lowercase()]);
    // Definitions of later steps read those of earlier ones, so that one pass over them does; a step's own may stand in
    // any order.
    let definitions = spec.compiled.definitions();
    loop {
        let before = reached.len();
        for definition in definitions {
            let own = definition.name().to_lowercase();
            if !reached.contains(&own) && names(definition.formula()).iter().any(|name| reached.contains(name)) {
                reached.insert(own);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let columns = spec.compiled.columns().iter().map(|column| column.name().to_lowercase());
    columns.filter(|column| reached.contains(column)).collect()
}

/// The names in a formula, in small letters; of a name with a point each part.
fn names(formula: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    formula.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
