//! What is known of a query once it is read.

use std::fmt;

use rustc_hash::FxHashMap;

use super::relation::LineageRelation;
use super::values::{Leaf, ValueArena, ValueContext};

/// A column of a relation that a query reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnOf {
    /// The parts of the relation's name, in small letters.
    pub relation: Vec<String>,
    /// The column, in small letters.
    pub column: String,
}

impl fmt::Display for ColumnOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.relation.join("."), self.column)
    }
}

/// A column that a query gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineageColumn {
    /// Its name, as it is spelled.
    pub name: String,
    /// The columns that its values are made of, sorted.
    pub made_of: Vec<ColumnOf>,
    /// The columns that part and order the windows that it is made of, sorted, without those that it is made of too.
    pub windowed_by: Vec<ColumnOf>,
    /// Whether its values are those of the one column that it is made of.
    pub is_copy: bool,
}

/// What the columns of a query are made of.
#[derive(Clone, Debug)]
pub struct SqlLineage {
    pub(super) values: ValueArena,
    pub(super) tables: Vec<Vec<String>>,
    pub(super) output: Vec<(String, ValueContext, Option<ValueContext>)>,
    pub(super) index: FxHashMap<String, usize>,
    /// Tables of which it gives columns that are not known, and the names of those that it does not give.
    pub(super) passed: Vec<(u32, Vec<String>)>,
    pub(super) rest: Vec<ValueContext>,
    pub(super) rows: Vec<ValueContext>,
    pub(super) gaps: Vec<String>,
}

/// What happens to a column that a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnChange {
    /// Its values are others.
    Values,
    /// Its type is another.
    Type,
    /// It is gone.
    Gone,
}

/// What a query makes of changes of what it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Affected {
    /// Columns that change, by their names in small letters, with how they do, and a column that they have it from.
    pub columns: Vec<(String, ColumnChange, Option<ColumnOf>)>,
    /// A changed column or relation that decides about the rows; all columns change then.
    pub rows: Option<(Vec<String>, Option<String>)>,
    /// Columns that are gone or of another type and that the SQL names.
    pub named: Vec<(ColumnOf, ColumnChange)>,
}

impl SqlLineage {
    pub(super) fn new(
        values: ValueArena,
        tables: Vec<Vec<String>>,
        relation: LineageRelation,
        gaps: Vec<String>,
    ) -> Self {
        let mut index = FxHashMap::default();
        let mut output = Vec::with_capacity(relation.columns.len());
        for given in relation.columns {
            index.entry(given.name.to_lowercase()).or_insert(output.len());
            output.push((given.name.to_string(), given.of, given.by));
        }
        let passed = relation.passed.into_iter().map(|passed| (passed.table, passed.but.iter().cloned().collect()));
        let passed = passed.collect();
        Self { values, tables, output, index, passed, rest: relation.rest, rows: relation.rows, gaps }
    }

    /// The relations that it reads, by the parts of their names in small letters.
    #[must_use]
    pub fn relations(&self) -> &[Vec<String>] {
        &self.tables
    }

    /// How many columns it gives that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.output.len()
    }

    /// Whether no column is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.output.is_empty()
    }

    /// The names of the columns that it gives, as far as they are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.output.iter().map(|(name, ..)| name.as_str())
    }

    /// Whether it has no other columns than those.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.passed.is_empty() && self.rest.is_empty()
    }

    /// Where too much is said, and why: names that may be of several relations, columns that are called by values.
    #[must_use]
    pub fn gaps(&self) -> &[String] {
        &self.gaps
    }

    /// What its columns are made of, in their order.
    #[must_use]
    pub fn columns(&self) -> Vec<LineageColumn> {
        self.output.iter().map(|(name, of, by)| self.to_column(name, &[*of], by.as_slice())).collect()
    }

    /// What one column is made of, also one that is passed on of a relation whose columns are not known.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<LineageColumn> {
        let lower = name.to_lowercase();
        if let Some((name, of, by)) = self.index.get(&lower).and_then(|at| self.output.get(*at)) {
            return Some(self.to_column(name, &[*of], by.as_slice()));
        }
        let mut shown = self.to_column(name, &self.rest, &[]);
        let passed = self.passed.iter().filter(|(_, but)| !but.contains(&lower));
        let passed: Vec<ColumnOf> = passed
            .filter_map(|(table, _)| Some(ColumnOf { relation: self.table(*table)?, column: lower.clone() }))
            .collect();
        if passed.is_empty() && self.rest.is_empty() {
            return None;
        }
        shown.is_copy = passed.len() == 1 && self.rest.is_empty();
        shown.made_of.extend(passed);
        shown.made_of.sort();
        shown.made_of.dedup();
        Some(shown)
    }

    /// The columns that decide about its rows, sorted.
    #[must_use]
    pub fn rows(&self) -> Vec<ColumnOf> {
        self.columns_of(&self.rows)
    }

    fn table(&self, table: u32) -> Option<Vec<String>> {
        self.tables.get(table as usize).cloned()
    }

    fn columns_of(&self, at: &[ValueContext]) -> Vec<ColumnOf> {
        let leaves = self.values.reached(at);
        let mut columns: Vec<ColumnOf> = leaves
            .into_iter()
            .filter_map(|leaf| {
                Some(ColumnOf { relation: self.table(leaf.table)?, column: leaf.column.as_deref()?.to_owned() })
            })
            .collect();
        columns.sort();
        columns.dedup();
        columns
    }

    fn to_column(&self, name: &str, of: &[ValueContext], by: &[ValueContext]) -> LineageColumn {
        let made_of = self.columns_of(of);
        let mut windowed_by = self.columns_of(by);
        windowed_by.retain(|column| made_of.binary_search(column).is_err());
        let is_copy = of.len() == 1 && by.is_empty() && of.iter().all(|at| self.values.leaves.contains_key(at));
        LineageColumn { name: name.to_owned(), made_of, windowed_by, is_copy }
    }

    /// What changes of its relations make of it: `change` says what happens to a column, or to the rows of a relation
    /// where no column is named. Each value is looked at once.
    pub fn affected(&self, change: impl Fn(&[String], Option<&str>) -> Option<ColumnChange>) -> Affected {
        let mut affected = Affected::default();
        // What changes in each value, and the leaf that it comes from.
        let mut of: Vec<Option<(ColumnChange, ValueContext)>> = Vec::with_capacity(self.values.len());
        for at in 0..self.values.len() as ValueContext {
            let own = self.values.leaves.get(&at).and_then(|leaf| {
                let table = self.tables.get(leaf.table as usize)?;
                let kind = change(table, leaf.column.as_deref())?;
                let is_named = self.values.named.get(at as usize) == Some(&true);
                if is_named
                    && kind != ColumnChange::Values
                    && let Some(column) = &leaf.column
                {
                    let column = ColumnOf { relation: table.clone(), column: column.to_string() };
                    affected.named.push((column, kind));
                }
                Some((kind, at))
            });
            // What is computed of a column that is gone or of another type has other values.
            let parts = self.values.parts_of(at).iter().filter_map(|part| of.get(*part as usize).copied().flatten());
            let parts = parts.map(|(_, leaf)| (ColumnChange::Values, leaf)).next();
            of.push(own.or(parts));
        }
        let get = |at: ValueContext| of.get(at as usize).copied().flatten();
        let rows = self.rows.iter().find_map(|at| get(*at));
        affected.rows = rows.and_then(|(_, at)| {
            let leaf = self.values.leaves.get(&at)?;
            Some((self.table(leaf.table)?, leaf.column.as_deref().map(str::to_owned)))
        });
        for (name, at, by) in &self.output {
            let kind = get(*at).or_else(|| by.and_then(get).map(|(_, leaf)| (ColumnChange::Values, leaf)));
            if let Some((kind, leaf)) = kind {
                affected.columns.push((name.to_lowercase(), kind, self.column_at(leaf)));
            }
        }
        affected
    }

    fn column_at(&self, leaf: ValueContext) -> Option<ColumnOf> {
        let Leaf { table, column } = self.values.leaves.get(&leaf)?;
        Some(ColumnOf { relation: self.table(*table)?, column: column.as_deref()?.to_owned() })
    }

    /// Columns of a relation that it passes on under their names though they are not known: whether it does so with this
    /// one.
    #[must_use]
    pub fn passes(&self, relation: &[String], column: &str) -> bool {
        !self.index.contains_key(column)
            && self.passed.iter().any(|(table, but)| {
                self.tables.get(*table as usize).is_some_and(|parts| parts == relation)
                    && !but.iter().any(|b| b == column)
            })
    }

    /// What tells how each column is computed, and how the rows are chosen: equal for SQL that says the same in other
    /// words of layout, of aliases and of common table expressions.
    #[must_use]
    pub fn prints(&self) -> (Vec<(String, u64)>, u64) {
        let print = |at: &ValueContext| self.values.print(*at);
        let columns = self.output.iter().map(|(name, of, by)| {
            let by = by.as_ref().map(print).unwrap_or_default();
            (name.to_lowercase(), print(of) ^ by.rotate_left(1))
        });
        let rows = self.rows.iter().fold(0u64, |sum, at| sum.wrapping_add(print(at)));
        (columns.collect(), rows)
    }
}
