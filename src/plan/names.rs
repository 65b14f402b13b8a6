//! Names for columns and CTEs that the analyst did not name: from the content, never from a counter.

use rustc_hash::FxHashSet;

/// Names that are in use, compared without case.
#[derive(Debug, Default)]
pub(super) struct Taken {
    columns: FxHashSet<String>,
}

impl Taken {
    pub fn reserve(&mut self, name: &str) {
        self.columns.insert(name.to_lowercase());
    }

    /// A column for a value: the wanted name, or one that says the same and is free.
    /// An output has its name to itself already, unless an input column bears it too.
    pub fn column(&mut self, wanted: &str, output: bool) -> String {
        if output && !self.columns.contains(&wanted.to_lowercase()) {
            return wanted.to_owned();
        }
        let mut name = if output { format!("{wanted}_defined") } else { wanted.to_owned() };
        while !self.columns.insert(name.to_lowercase()) {
            name.push_str("_value");
        }
        name
    }
}
