//! What a relation gives to a query that reads it: its columns as far as they are known, and what its rows depend on.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::values::ValueContext;

/// A column of a relation.
#[derive(Clone, Debug)]
pub(super) struct RelationColumns {
    /// As it is spelled.
    pub name: Rc<str>,
    /// What its values are made of.
    pub of: ValueContext,
    /// What parts and orders the windows that it is made of.
    pub by: Option<ValueContext>,
}

/// All columns of a table of which not all are known, but for some.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    pub table: u32,
    /// In small letters.
    pub but: Rc<FxHashSet<String>>,
}

/// A table, a subquery, or what else stands in `from`.
#[derive(Clone, Debug, Default)]
pub(super) struct LineageRelation {
    pub columns: Vec<RelationColumns>,
    /// Places in `columns`, by name in small letters. The first of a name counts.
    pub(super) index: FxHashMap<String, usize>,
    /// Tables whose unknown columns it has too.
    pub passed: Vec<Passed>,
    /// What columns are made of whose names are not known: those of a pivot.
    pub rest: Vec<ValueContext>,
    /// What its rows depend on.
    pub rows: Vec<ValueContext>,
}

impl LineageRelation {
    pub fn push(&mut self, given: RelationColumns) {
        let place = self.columns.len();
        self.index.entry(given.name.to_lowercase()).or_insert(place);
        self.columns.push(given);
    }

    /// The column of this name, in small letters.
    pub fn column(&self, name: &str) -> Option<&RelationColumns> {
        self.columns.get(*self.index.get(name)?)
    }

    /// Whether all its columns are known.
    pub fn is_complete(&self) -> bool {
        self.passed.is_empty() && self.rest.is_empty()
    }

    /// The tables that an unknown column of this name may be of.
    pub fn may_pass<'r>(&'r self, name: &'r str) -> impl Iterator<Item = u32> + 'r {
        self.passed.iter().filter(move |passed| !passed.but.contains(name)).map(|passed| passed.table)
    }
}
