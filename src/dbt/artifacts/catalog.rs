//! `catalog.json`: the tables and columns of the warehouse.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::MapAccess;

use super::error::ArtifactError;
use super::intern::Interner;
use super::lenient::{Json, LenientEntries, LenientMapping, LenientText};
use super::metadata::{self, ArtifactKind, ArtifactSections, Metadata};
use super::node::find_by_name;
use super::value::MetaValue;

/// Tables that `dbt docs generate` found in the warehouse. A node without a table in the catalog has not been built or
/// is of a kind without tables. A missing entry does not mean that the table was dropped.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Catalog {
    /// Metadata of the catalog.
    pub metadata: Metadata,
    /// Tables for nodes and sources, ordered by unique id.
    pub tables: Vec<CatalogTable>,
    /// Errors from `dbt docs generate`. If there are errors, some tables may be missing.
    pub errors: Vec<String>,
    places: FxHashMap<Arc<str>, usize>,
}

/// Table or view of the warehouse.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CatalogTable {
    /// Unique id of the node or source.
    pub unique_id: Arc<str>,
    /// Type of the relation in the warehouse: `BASE TABLE`, `VIEW`.
    pub kind: Arc<str>,
    /// Database of the table.
    pub database: Option<Arc<str>>,
    /// Schema of the table.
    pub schema: Arc<str>,
    /// Name of the table.
    pub name: Arc<str>,
    /// Comment on the table in the warehouse.
    pub comment: Option<Arc<str>>,
    /// Columns in table order.
    pub columns: Vec<CatalogColumn>,
    /// Statistics of the table, if the warehouse provides them.
    pub stats: Vec<TableStatistic>,
}

/// Column of a warehouse table.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CatalogColumn {
    /// Name of the column, in the letter case that the warehouse uses.
    pub name: Arc<str>,
    /// Data type of the column, as named by the warehouse.
    pub data_type: Option<Arc<str>>,
    /// Comment on the column in the warehouse.
    pub comment: Option<Arc<str>>,
}

/// Statistic of a table: `num_rows`, `bytes`, `last_modified`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TableStatistic {
    /// Id of the statistic.
    pub id: Arc<str>,
    /// Display name of the statistic.
    pub label: Arc<str>,
    /// Value of the statistic.
    pub value: MetaValue,
}

impl Catalog {
    /// Parses a catalog.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON or is another kind of artifact, if its version is too old, or if a
    /// section does not match the schema of any version.
    pub fn from_text(text: &str) -> Result<Self, ArtifactError> {
        let mut catalog = Self::default();
        catalog.metadata = metadata::read(text, ArtifactKind::Catalog, &mut catalog)?;
        catalog
            .tables
            .sort_by(|table, other| table.unique_id.cmp(&other.unique_id));
        let places = catalog.tables.iter().enumerate();
        catalog.places = places
            .map(|(index, table)| (Arc::clone(&table.unique_id), index))
            .collect();
        Ok(catalog)
    }

    /// Returns the table of a node.
    #[must_use]
    pub fn table(&self, unique_id: &str) -> Option<&CatalogTable> {
        self.tables.get(*self.places.get(unique_id)?)
    }
}

impl CatalogTable {
    /// Returns the column with this name. If there is no exact match, the comparison ignores case, because warehouses
    /// change the case of names.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&CatalogColumn> {
        find_by_name(&self.columns, name, |column| &column.name)
    }

    /// Returns a statistic by its id.
    #[must_use]
    pub fn stat(&self, id: &str) -> Option<&MetaValue> {
        self.stats.iter().find(|stat| &*stat.id == id).map(|stat| &stat.value)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawTable<'a> {
    metadata: LenientMapping<RawCatalogRelation<'a>>,
    columns: LenientEntries<'a, LenientMapping<RawCatalogColumn<'a>>>,
    stats: LenientEntries<'a, LenientMapping<RawStat<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawCatalogRelation<'a> {
    r#type: LenientText<'a>,
    database: LenientText<'a>,
    schema: LenientText<'a>,
    name: LenientText<'a>,
    comment: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawCatalogColumn<'a> {
    name: LenientText<'a>,
    r#type: LenientText<'a>,
    index: LenientText<'a>,
    comment: LenientText<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawStat<'a> {
    id: LenientText<'a>,
    label: LenientText<'a>,
    value: Json<'a>,
}

impl<'de> ArtifactSections<'de> for Catalog {
    const IDENTIFYING_SECTION: &'static str = "nodes";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        match name {
            "nodes" | "sources" => {
                let raw: LenientEntries<'de, LenientMapping<RawTable<'de>>> = map.next_value()?;
                self.tables
                    .extend(raw.0.into_iter().map(|(id, raw)| raw.0.table(&id, interner)));
            }
            "errors" => {
                let errors = map.next_value::<Json<'de>>()?.into_scalar_texts();
                self.errors = errors.0.into_iter().map(std::borrow::Cow::into_owned).collect();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RawTable<'_> {
    fn table(self, id: &str, interner: &mut Interner) -> CatalogTable {
        let LenientMapping(metadata) = self.metadata;
        let mut columns = self.columns.0;
        // The sort is stable, so columns without a number come first, in the order of the file.
        columns.sort_by_key(|(_, column)| column.0.index.as_str().and_then(|text| text.parse::<i64>().ok()));
        let columns = columns.into_iter().map(|(key, LenientMapping(raw))| CatalogColumn {
            name: interner.intern_str(raw.name.as_str().unwrap_or(&key)),
            data_type: interner.intern_text(&raw.r#type),
            comment: interner.intern_text(&raw.comment),
        });
        let columns = columns.collect();
        let stats = self
            .stats
            .0
            .into_iter()
            .filter(|(key, _)| key != "has_stats")
            .map(|(key, LenientMapping(raw))| TableStatistic {
                id: interner.intern_str(raw.id.as_str().unwrap_or(&key)),
                label: interner.intern_or_empty(&raw.label),
                value: interner.intern_value(raw.value),
            });
        let stats = stats.collect();
        CatalogTable {
            unique_id: interner.intern_str(id),
            kind: interner.intern_or_empty(&metadata.r#type),
            database: interner.intern_text(&metadata.database),
            schema: interner.intern_or_empty(&metadata.schema),
            name: interner.intern_or_empty(&metadata.name),
            comment: interner.intern_text(&metadata.comment),
            columns,
            stats,
        }
    }
}
