//! Relations as seen by a query that reads them: their known columns, and the values that determine their rows.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::values::ValueContext;

/// Column of a relation.
#[derive(Clone, Debug)]
pub(super) struct RelationColumns {
    /// Name as spelled.
    pub name: Rc<str>,
    /// Value of the column.
    pub of: ValueContext,
    /// Value that partitions and orders the windows in the column, if any.
    pub by: Option<ValueContext>,
}

/// All columns of an incompletely known table, except some.
#[derive(Clone, Debug)]
pub(super) struct UnknownColumns {
    pub table: u32,
    /// Names of the excluded columns, in lower case.
    pub but: Rc<FxHashSet<String>>,
}

/// Relation: a table, a subquery or another item of `from`.
#[derive(Clone, Debug, Default)]
pub(super) struct LineageRelation {
    pub columns: Vec<RelationColumns>,
    /// Indices into `columns` by name in lower case. If a name occurs twice, the first column counts.
    pub(super) index: FxHashMap<String, usize>,
    /// Tables whose unknown columns are also part of the relation.
    pub passed: Vec<UnknownColumns>,
    /// Values of columns whose names are unknown, such as those of a pivot.
    pub rest: Vec<ValueContext>,
    /// Values that determine the rows.
    pub rows: Vec<ValueContext>,
}

impl LineageRelation {
    pub fn push(&mut self, given: RelationColumns) {
        let place = self.columns.len();
        self.index.entry(given.name.to_lowercase()).or_insert(place);
        self.columns.push(given);
    }

    /// Returns the column with this name in lower case.
    pub fn column(&self, name: &str) -> Option<&RelationColumns> {
        self.columns.get(*self.index.get(name)?)
    }

    /// Returns whether all columns are known.
    pub fn is_complete(&self) -> bool {
        self.passed.is_empty() && self.rest.is_empty()
    }

    /// Returns the tables that an unknown column of this name may belong to.
    pub fn may_pass<'r>(&'r self, name: &'r str) -> impl Iterator<Item = u32> + 'r {
        self.passed
            .iter()
            .filter(move |passed| !passed.but.contains(name))
            .map(|passed| passed.table)
    }
}
