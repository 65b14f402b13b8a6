//! Relations that queries read: the known columns, and the values that determine the rows.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::values::ValueIndex;

/// Column of a relation.
#[derive(Clone, Debug)]
pub(super) struct RelationColumn {
    /// Name of the column, as spelled in the SQL.
    pub name: Rc<str>,
    /// Value of the column. The values that partition and order its windows are not included.
    pub value: ValueIndex,
    /// Combined value of the expressions that partition and order the windows in the column. `None` if there are no
    /// windows.
    pub window_value: Option<ValueIndex>,
}

impl RelationColumn {
    /// Creates a column without windows.
    pub fn new(name: impl Into<Rc<str>>, value: ValueIndex) -> Self {
        Self {
            name: name.into(),
            value,
            window_value: None,
        }
    }

    /// Returns the value of the column, and the value of its windows, if any.
    pub fn values(&self) -> impl Iterator<Item = ValueIndex> {
        std::iter::once(self.value).chain(self.window_value)
    }
}

/// Unknown columns of a table: all its columns except the columns in `excluded`.
#[derive(Clone, Debug)]
pub(super) struct UnknownColumns {
    pub table: u32,
    /// Names of the excluded columns, in lower case.
    pub excluded: Rc<FxHashSet<String>>,
}

/// Relation, such as a table, a subquery or another item of `from`.
#[derive(Clone, Debug, Default)]
pub(super) struct LineageRelation {
    pub columns: Vec<RelationColumn>,
    /// Indices into `columns`, by column name in lower case. If several columns have the same name, the map contains
    /// the first of them.
    pub(super) index: FxHashMap<String, usize>,
    /// Tables whose unknown columns are also part of the relation.
    pub unknown_column_tables: Vec<UnknownColumns>,
    /// Values of columns whose names are unknown, such as the columns of a pivot.
    pub unnamed_values: Vec<ValueIndex>,
    /// Values that determine the rows.
    pub rows: Vec<ValueIndex>,
}

impl LineageRelation {
    pub fn push(&mut self, column: RelationColumn) {
        let index = self.columns.len();
        self.index.entry(column.name.to_lowercase()).or_insert(index);
        self.columns.push(column);
    }

    /// Returns the column with the given name. The name must be in lower case.
    pub fn column(&self, name: &str) -> Option<&RelationColumn> {
        self.columns.get(*self.index.get(name)?)
    }

    /// Returns whether all columns are known.
    pub fn is_complete(&self) -> bool {
        self.unknown_column_tables.is_empty() && self.unnamed_values.is_empty()
    }

    /// Returns the tables to which an unknown column with this name may belong.
    pub fn tables_that_may_have_column<'r>(&'r self, name: &'r str) -> impl Iterator<Item = u32> + 'r {
        self.unknown_column_tables
            .iter()
            .filter(move |unknown| !unknown.excluded.contains(name))
            .map(|unknown| unknown.table)
    }
}
