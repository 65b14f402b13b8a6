//! Stores query lineage in a format that is fast to read. The format maps each column directly to its sources, without
//! intermediate values.

use rustc_hash::FxHashMap;

use super::RelationColumnList;
use super::result::SqlLineage;
use super::values::{LineageLeaf, ValueArena, ValueIndex};
use crate::dialect::Dialect;
use formulac_runtime::codec::{self, CodecReader, CodecWriter, Stored, structs};

/// Query lineage that an earlier run stored, keyed by the fingerprint of the query text. An entry is valid for a query
/// if neither the text of the query nor the known columns of its relations have changed. Queries that could not be
/// analyzed have no entry.
#[derive(Debug, Default)]
pub struct LineageCache {
    entries: Vec<CachedLineage>,
    places: FxHashMap<u64, usize>,
}

/// Stored lineage of one query.
#[derive(Debug)]
struct CachedLineage {
    /// Fingerprint of the query's text and dialect.
    fingerprint: u64,
    /// Fingerprints of the known columns of each relation that the query reads.
    known: Vec<u64>,
    lineage: SqlLineage,
}

/// Returns the fingerprint of a query's text and dialect.
pub fn sql_fingerprint(sql: &str, dialect: Option<Dialect>) -> u64 {
    let name = dialect.map_or("", Dialect::name);
    codec::fingerprint(sql.as_bytes()) ^ codec::fingerprint(name.as_bytes()).rotate_left(1)
}

impl RelationColumnList {
    /// Returns the fingerprint of the relation's known columns.
    pub fn columns_fingerprint(&self) -> u64 {
        let mut text = if self.is_complete {
            String::from("all")
        } else {
            String::from("some")
        };
        for column in &self.columns {
            text.push('\0');
            text.push_str(column);
        }
        codec::fingerprint(text.as_bytes())
    }
}

impl LineageCache {
    /// Reads stored lineages. `None` if the data is truncated, damaged or from another build of formulac.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let entries: Vec<CachedLineage> = codec::read(bytes, SHAPE)?;
        let places = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry.fingerprint, index))
            .collect();
        Some(Self { entries, places })
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the collection has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the index of the entry for a query, if the entry is still valid. `table_fingerprint` returns the
    /// fingerprint of the columns of a relation.
    pub fn find(&self, fingerprint: u64, table_fingerprint: impl Fn(&[String]) -> u64) -> Option<usize> {
        let index = *self.places.get(&fingerprint)?;
        let entry = self.entries.get(index)?;
        let tables = entry.lineage.relations();
        let is_same = tables.len() == entry.known.len()
            && tables.iter().zip(&entry.known).all(|(t, k)| table_fingerprint(t) == *k);
        is_same.then_some(index)
    }

    /// Returns the lineage at an index.
    pub fn get(&self, index: usize) -> Option<&SqlLineage> {
        self.entries.get(index).map(|entry| &entry.lineage)
    }

    /// Returns the data to store for queries. For each query, the input contains the query's fingerprint, the
    /// fingerprints of the relations that it reads, and its lineage.
    pub fn to_stored<'l>(queries: impl Iterator<Item = (u64, Vec<u64>, &'l SqlLineage)>) -> Vec<u8> {
        let mut entries = Vec::new();
        for (fingerprint, known, lineage) in queries {
            entries.extend(lineage.without_intermediate_values().map(|lineage| CachedLineage {
                fingerprint,
                known,
                lineage,
            }));
        }
        codec::to_bytes(&entries, SHAPE)
    }
}

impl SqlLineage {
    /// Removes the intermediate values between the output columns and the columns that the query reads. `None` if the
    /// result would be too large.
    fn without_intermediate_values(&self) -> Option<Self> {
        let Self {
            values,
            tables,
            output,
            index,
            unknown_column_tables,
            unnamed_values,
            rows,
            gaps,
        } = self;
        let mut roots: Vec<ValueIndex> = output
            .iter()
            .flat_map(|(_, value, window_value)| [Some(*value), *window_value])
            .flatten()
            .collect();
        roots.extend(unnamed_values.iter().chain(rows));
        let (values, places) = values.flatten(&roots)?;
        let mut places = places.into_iter();
        let mut new = Vec::with_capacity(output.len());
        for (name, _, window_value) in output {
            let value = places.next()?;
            new.push((
                name.clone(),
                value,
                if window_value.is_some() { places.next() } else { None },
            ));
        }
        let unnamed_values = places.by_ref().take(unnamed_values.len()).collect();
        Some(Self {
            values,
            tables: tables.clone(),
            output: new,
            index: index.clone(),
            unknown_column_tables: unknown_column_tables.clone(),
            unnamed_values,
            rows: places.collect(),
            gaps: gaps.clone(),
        })
    }
}

structs! {
    CachedLineage { fingerprint, known, lineage }
    LineageLeaf { table, column }
}

impl Stored for SqlLineage {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        let Self {
            values,
            tables,
            output,
            index: _,
            unknown_column_tables,
            unnamed_values,
            rows,
            gaps,
        } = self;
        values.write(to);
        tables.write(to);
        to.write_number(output.len() as u32);
        for (name, value, window_value) in output {
            name.write(to);
            value.write(to);
            window_value.write(to);
        }
        unknown_column_tables.write(to);
        unnamed_values.write(to);
        rows.write(to);
        gaps.write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        let (values, tables) = (Stored::read(from)?, Stored::read(from)?);
        let count = from.read_number()?;
        let mut output: Vec<(String, ValueIndex, Option<ValueIndex>)> = Vec::new();
        let mut index = FxHashMap::default();
        for position in 0..count as usize {
            let name: String = Stored::read(from)?;
            index.entry(name.to_lowercase()).or_insert(position);
            output.push((name, Stored::read(from)?, Stored::read(from)?));
        }
        Some(Self {
            values,
            tables,
            output,
            index,
            unknown_column_tables: Stored::read(from)?,
            unnamed_values: Stored::read(from)?,
            rows: Stored::read(from)?,
            gaps: Stored::read(from)?,
        })
    }
}

impl Stored for ValueArena {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        self.part_ranges.write(to);
        self.parts.write(to);
        self.fingerprints.write(to);
        self.is_named.write(to);
        let mut leaves: Vec<(&ValueIndex, &'m LineageLeaf)> = self.leaves.iter().collect();
        leaves.sort_unstable_by_key(|(leaf_index, _)| **leaf_index);
        to.write_number(leaves.len() as u32);
        for (leaf_index, leaf) in leaves {
            to.write_number(*leaf_index);
            leaf.write(to);
        }
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        let mut values = Self::default();
        values.part_ranges = Stored::read(from)?;
        values.parts = Stored::read(from)?;
        values.fingerprints = Stored::read(from)?;
        values.is_named = Stored::read(from)?;
        for _ in 0..from.read_number()? {
            let leaf_index = from.read_number()?;
            values.leaves.insert(leaf_index, LineageLeaf::read(from)?);
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnChange, ColumnSource, lineage_of_sql};

    /// Checks that stored lineages give the same results as the original lineages.
    #[test]
    fn stored_lineage_is_equal() {
        let columns_of = |parts: &[String]| RelationColumnList {
            columns: ["A", "b", "c"].map(str::to_owned).to_vec(),
            is_complete: parts != ["loose"],
        };
        for sql in [
            "select a, b + c as d, sum(b) over (partition by c order by a) as w from t",
            "with x as (select *, a + b as ab from t), y as (select ab, ab * c as abc from x where a > 1) select * from y",
            "select l.*, t.c as tc from loose as l left join t using (a) where l.other > 1 limit 3",
            "select a from t union select b from loose",
            "select * from (select a, b, count(*) as n from t group by 1, 2) pivot (sum(n) for b in ('x', 'y'))",
        ] {
            let lineage = lineage_of_sql(sql, None, &columns_of).unwrap();
            let prints = lineage
                .relations()
                .iter()
                .map(|parts| columns_of(parts).columns_fingerprint())
                .collect();
            let stored = LineageCache::to_stored([(sql_fingerprint(sql, None), prints, &lineage)].into_iter());
            let cache = LineageCache::from_stored(&stored).unwrap();
            let index = cache
                .find(sql_fingerprint(sql, None), |parts| {
                    columns_of(parts).columns_fingerprint()
                })
                .unwrap();
            assert_eq!(cache.find(sql_fingerprint(sql, None), |_| 1), None, "{sql}");
            assert_eq!(cache.find(sql_fingerprint("select 1", None), |_| 1), None, "{sql}");
            let stored_lineage = cache.get(index).unwrap();
            assert_eq!(stored_lineage.columns(), lineage.columns(), "{sql}");
            assert_eq!(
                (stored_lineage.rows(), stored_lineage.relations()),
                (lineage.rows(), lineage.relations()),
                "{sql}"
            );
            assert_eq!(
                (stored_lineage.fingerprints(), stored_lineage.gaps()),
                (lineage.fingerprints(), lineage.gaps()),
                "{sql}"
            );
            assert_eq!(
                (stored_lineage.column("other"), stored_lineage.is_complete()),
                (lineage.column("other"), lineage.is_complete())
            );
            let source_columns: Vec<ColumnSource> = lineage
                .columns()
                .into_iter()
                .flat_map(|column| column.source_columns)
                .chain(lineage.rows())
                .collect();
            for changed in &source_columns {
                for change in [ColumnChange::Values, ColumnChange::Type, ColumnChange::Removed] {
                    let change_of = |parts: &[String], column: Option<&str>| {
                        (parts == changed.relation && column == Some(&*changed.column)).then_some(change)
                    };
                    assert_eq!(
                        stored_lineage.affected_columns(change_of),
                        lineage.affected_columns(change_of),
                        "{sql}: {changed}"
                    );
                }
            }
            for cut in 0..stored.len() {
                assert!(LineageCache::from_stored(&stored[..cut]).is_none());
            }
        }
    }
}
