//! Results of analyzing a query.

use std::fmt;

use rustc_hash::FxHashMap;

use super::relation::LineageRelation;
use super::values::{LineageLeaf, ValueArena, ValueIndex};

/// Column of a relation that a query reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnSource {
    /// Parts of the relation's name, in lower case.
    pub relation: Vec<String>,
    /// Name of the column, in lower case.
    pub column: String,
}

impl fmt::Display for ColumnSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.relation.join("."), self.column)
    }
}

/// Output column of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineageColumn {
    /// Name of the column, as spelled in the query.
    pub name: String,
    /// Columns from which the values are computed, sorted.
    pub source_columns: Vec<ColumnSource>,
    /// Columns that partition and order the windows in the expression, sorted. Columns that are already in
    /// `source_columns` are omitted.
    pub window_columns: Vec<ColumnSource>,
    /// Whether the column is an unchanged copy of the only column in `source_columns`.
    pub is_copy: bool,
}

/// Column lineage of a query.
#[derive(Clone, Debug)]
pub struct SqlLineage {
    pub(super) values: ValueArena,
    pub(super) tables: Vec<Vec<String>>,
    pub(super) output: Vec<(String, ValueIndex, Option<ValueIndex>)>,
    pub(super) index: FxHashMap<String, usize>,
    /// Tables whose unknown columns the query returns, each with the names of columns that are excluded.
    pub(super) unknown_column_tables: Vec<(u32, Vec<String>)>,
    pub(super) unnamed_values: Vec<ValueIndex>,
    pub(super) rows: Vec<ValueIndex>,
    pub(super) gaps: Vec<String>,
}

/// Kind of change to a column that a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnChange {
    /// The values change.
    Values,
    /// The type changes.
    Type,
    /// The column is removed.
    Removed,
}

/// Effects that changed relations have on a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryEffects {
    /// Changed output columns. Each entry contains the name in lower case, the kind of change, and a column that causes
    /// the change.
    pub columns: Vec<(String, ColumnChange, Option<ColumnSource>)>,
    /// Changed column or relation that determines the rows of the query. A change to the rows affects all output
    /// columns.
    pub rows: Option<(Vec<String>, Option<String>)>,
    /// Columns named in the SQL that were removed or whose type changed.
    pub named: Vec<(ColumnSource, ColumnChange)>,
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
        for column in relation.columns {
            index.entry(column.name.to_lowercase()).or_insert(output.len());
            output.push((column.name.to_string(), column.value, column.window_value));
        }
        let unknown_columns = relation.unknown_column_tables.into_iter();
        let unknown_column_tables =
            unknown_columns.map(|unknown| (unknown.table, unknown.excluded.iter().cloned().collect()));
        Self {
            values,
            tables,
            output,
            index,
            unknown_column_tables: unknown_column_tables.collect(),
            unnamed_values: relation.unnamed_values,
            rows: relation.rows,
            gaps,
        }
    }

    /// Returns the relations that the query reads. Each relation is given by the parts of its name in lower case.
    #[must_use]
    pub fn relations(&self) -> &[Vec<String>] {
        &self.tables
    }

    /// Returns the number of known output columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.output.len()
    }

    /// Returns whether the query has no known output columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.output.is_empty()
    }

    /// Returns the names of the known output columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.output.iter().map(|(name, ..)| name.as_str())
    }

    /// Returns whether all output columns are known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unknown_column_tables.is_empty() && self.unnamed_values.is_empty()
    }

    /// Returns the reasons why the lineage may contain columns that the query does not read. For example, a name may
    /// belong to several relations, or the columns of a pivot may be named after values.
    #[must_use]
    pub fn gaps(&self) -> &[String] {
        &self.gaps
    }

    /// Returns the lineage of the known output columns, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<LineageColumn> {
        self.output
            .iter()
            .map(|(name, value, window_value)| self.to_column(name, &[*value], window_value.as_slice()))
            .collect()
    }

    /// Returns the lineage of an output column. The column may also come from a relation with unknown columns.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<LineageColumn> {
        let lower = name.to_lowercase();
        if let Some((name, value, window_value)) = self
            .index
            .get(&lower)
            .and_then(|output_index| self.output.get(*output_index))
        {
            return Some(self.to_column(name, &[*value], window_value.as_slice()));
        }
        let mut lineage_column = self.to_column(name, &self.unnamed_values, &[]);
        let tables = self
            .unknown_column_tables
            .iter()
            .filter(|(_, excluded)| !excluded.contains(&lower));
        let possible_sources: Vec<ColumnSource> = tables
            .filter_map(|(table, _)| {
                Some(ColumnSource {
                    relation: self.table(*table)?,
                    column: lower.clone(),
                })
            })
            .collect();
        if possible_sources.is_empty() && self.unnamed_values.is_empty() {
            return None;
        }
        lineage_column.is_copy = possible_sources.len() == 1 && self.unnamed_values.is_empty();
        lineage_column.source_columns.extend(possible_sources);
        lineage_column.source_columns.sort();
        lineage_column.source_columns.dedup();
        Some(lineage_column)
    }

    /// Returns the columns that determine the rows, sorted.
    #[must_use]
    pub fn rows(&self) -> Vec<ColumnSource> {
        self.leaf_columns(&self.rows)
    }

    fn table(&self, table: u32) -> Option<Vec<String>> {
        self.tables.get(table as usize).cloned()
    }

    fn leaf_columns(&self, values: &[ValueIndex]) -> Vec<ColumnSource> {
        let leaves = self.values.leaves_of_values(values);
        let mut columns: Vec<ColumnSource> = leaves
            .into_iter()
            .filter_map(|leaf| {
                Some(ColumnSource {
                    relation: self.table(leaf.table)?,
                    column: leaf.column.as_deref()?.to_owned(),
                })
            })
            .collect();
        columns.sort();
        columns.dedup();
        columns
    }

    fn to_column(&self, name: &str, values: &[ValueIndex], window_values: &[ValueIndex]) -> LineageColumn {
        let source_columns = self.leaf_columns(values);
        let mut window_columns = self.leaf_columns(window_values);
        window_columns.retain(|column| source_columns.binary_search(column).is_err());
        let is_copy = values.len() == 1
            && window_values.is_empty()
            && values
                .iter()
                .all(|value_index| self.values.leaves.contains_key(value_index));
        LineageColumn {
            name: name.to_owned(),
            source_columns,
            window_columns,
            is_copy,
        }
    }

    /// Returns the effects of changes to the relations that the query reads. `change` returns the change to a column,
    /// or to the rows of a relation if the column is `None`. The function visits each value only once.
    pub fn affected_columns(&self, change: impl Fn(&[String], Option<&str>) -> Option<ColumnChange>) -> QueryEffects {
        let mut affected = QueryEffects::default();
        // Changes to the values, each with the leaf that causes the change.
        let mut changes: Vec<Option<(ColumnChange, ValueIndex)>> = Vec::with_capacity(self.values.len());
        for value_index in 0..self.values.len() as ValueIndex {
            let leaf_change = self.values.leaves.get(&value_index).and_then(|leaf| {
                let table = self.tables.get(leaf.table as usize)?;
                let kind = change(table, leaf.column.as_deref())?;
                let is_named = self.values.is_named.get(value_index as usize) == Some(&true);
                if is_named
                    && kind != ColumnChange::Values
                    && let Some(column) = &leaf.column
                {
                    let column = ColumnSource {
                        relation: table.clone(),
                        column: column.to_string(),
                    };
                    affected.named.push((column, kind));
                }
                Some((kind, value_index))
            });
            // If a column is removed or its type changes, the values of the expressions that refer to it change.
            let parts = self
                .values
                .parts_of_value(value_index)
                .iter()
                .filter_map(|part| changes.get(*part as usize).copied().flatten());
            let parts = parts.map(|(_, leaf)| (ColumnChange::Values, leaf)).next();
            changes.push(leaf_change.or(parts));
        }
        let get = |value_index: ValueIndex| changes.get(value_index as usize).copied().flatten();
        let rows = self.rows.iter().find_map(|value_index| get(*value_index));
        affected.rows = rows.and_then(|(_, value_index)| {
            let leaf = self.values.leaves.get(&value_index)?;
            Some((self.table(leaf.table)?, leaf.column.as_deref().map(str::to_owned)))
        });
        for (name, value_index, window_value) in &self.output {
            let kind =
                get(*value_index).or_else(|| window_value.and_then(get).map(|(_, leaf)| (ColumnChange::Values, leaf)));
            if let Some((kind, leaf)) = kind {
                affected.columns.push((name.to_lowercase(), kind, self.column_at(leaf)));
            }
        }
        affected
    }

    fn column_at(&self, leaf: ValueIndex) -> Option<ColumnSource> {
        let LineageLeaf { table, column } = self.values.leaves.get(&leaf)?;
        Some(ColumnSource {
            relation: self.table(*table)?,
            column: column.as_deref()?.to_owned(),
        })
    }

    /// Returns whether the query outputs this column under its original name. The column belongs to a relation with
    /// unknown columns.
    #[must_use]
    pub fn outputs_column_unchanged(&self, relation: &[String], column: &str) -> bool {
        !self.index.contains_key(column)
            && self.unknown_column_tables.iter().any(|(table, excluded)| {
                self.tables.get(*table as usize).is_some_and(|parts| parts == relation)
                    && !excluded.iter().any(|name| name == column)
            })
    }

    /// Returns a fingerprint of each column's computation, and a fingerprint of how the rows are selected. Queries that
    /// differ only in layout, aliases and CTEs have equal fingerprints.
    #[must_use]
    pub fn fingerprints(&self) -> (Vec<(String, u64)>, u64) {
        let fingerprint = |value_index: &ValueIndex| self.values.fingerprint_at(*value_index);
        let columns = self.output.iter().map(|(name, value, window_value)| {
            let window_fingerprint = window_value.as_ref().map(fingerprint).unwrap_or_default();
            (
                name.to_lowercase(),
                fingerprint(value) ^ window_fingerprint.rotate_left(1),
            )
        });
        let rows = self
            .rows
            .iter()
            .fold(0u64, |sum, value_index| sum.wrapping_add(fingerprint(value_index)));
        (columns.collect(), rows)
    }
}
