//! `catalog.json`: what the warehouse holds.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::MapAccess;

use super::error::ArtifactError;
use super::intern::Interner;
use super::lenient::{Entries, Json, LenientPart, LenientText};
use super::metadata::{self, ArtifactKind, Metadata, Sections};
use super::value::MetaValue;

/// What `dbt docs generate` found in the warehouse. A node that is not there was not built, or has no table; it is not
/// said to be gone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Catalog {
    /// What it says of itself.
    pub metadata: Metadata,
    /// The tables of nodes and sources, by their unique ids.
    pub tables: Vec<CatalogTable>,
    /// What went wrong: tables may be missing then.
    pub errors: Vec<String>,
    places: FxHashMap<Arc<str>, usize>,
}

/// A table of the warehouse.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CatalogTable {
    /// The id of the node or source.
    pub unique_id: Arc<str>,
    /// What it is to the warehouse: `BASE TABLE`, `VIEW`.
    pub kind: Arc<str>,
    /// Its database.
    pub database: Option<Arc<str>>,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The warehouse's comment.
    pub comment: Option<Arc<str>>,
    /// Its columns, in the order of the table.
    pub columns: Vec<CatalogColumn>,
    /// What the warehouse says of its size, where it says something.
    pub stats: Vec<Stat>,
}

/// A column of the warehouse.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CatalogColumn {
    /// Its name, in the warehouse's case.
    pub name: Arc<str>,
    /// Its type, as the warehouse names it.
    pub data_type: Option<Arc<str>>,
    /// The warehouse's comment.
    pub comment: Option<Arc<str>>,
}

/// A figure of a table: `num_rows`, `bytes`, `last_modified`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stat {
    /// Its name.
    pub id: Arc<str>,
    /// What people call it.
    pub label: Arc<str>,
    /// The figure.
    pub value: MetaValue,
}

impl Catalog {
    /// Reads a catalog.
    ///
    /// # Errors
    ///
    /// The text is no JSON, another artifact, older, or a section has another shape than in any version.
    pub fn from_text(text: &str) -> Result<Self, ArtifactError> {
        let mut catalog = Self::default();
        catalog.metadata = metadata::read(text, ArtifactKind::Catalog, &mut catalog)?;
        catalog.tables.sort_by(|one, other| one.unique_id.cmp(&other.unique_id));
        let places = catalog.tables.iter().enumerate();
        catalog.places = places.map(|(place, table)| (Arc::clone(&table.unique_id), place)).collect();
        Ok(catalog)
    }

    /// The table of a node.
    #[must_use]
    pub fn table(&self, unique_id: &str) -> Option<&CatalogTable> {
        self.tables.get(*self.places.get(unique_id)?)
    }
}

impl CatalogTable {
    /// The column of this name: as spelled, else in any case, as warehouses fold names.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&CatalogColumn> {
        let exact = self.columns.iter().find(|column| &*column.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// A figure.
    #[must_use]
    pub fn stat(&self, id: &str) -> Option<&MetaValue> {
        self.stats.iter().find(|stat| &*stat.id == id).map(|stat| &stat.value)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RawTable<'a> {
    metadata: LenientPart<RawCatalogRelation<'a>>,
    columns: Entries<'a, LenientPart<RawCatalogColumn<'a>>>,
    stats: Entries<'a, LenientPart<RawStat<'a>>>,
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

impl<'de> Sections<'de> for Catalog {
    const TELLING: &'static str = "nodes";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        match name {
            "nodes" | "sources" => {
                let raw: Entries<'de, LenientPart<RawTable<'de>>> = map.next_value()?;
                self.tables.extend(raw.0.into_iter().map(|(id, raw)| raw.0.table(&id, interner)));
            }
            "errors" => {
                let errors = map.next_value::<Json<'de>>()?.into_words();
                self.errors = errors.0.into_iter().map(std::borrow::Cow::into_owned).collect();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RawTable<'_> {
    fn table(self, id: &str, interner: &mut Interner) -> CatalogTable {
        let LenientPart(metadata) = self.metadata;
        let mut columns = self.columns.0;
        // Stable, so that columns without a number stay in the order written, in front.
        columns.sort_by_key(|(_, column)| column.0.index.as_str().and_then(|text| text.parse::<i64>().ok()));
        let columns = columns.into_iter().map(|(key, LenientPart(raw))| CatalogColumn {
            name: interner.text(raw.name.as_str().unwrap_or(&key)),
            data_type: interner.intern_text(&raw.r#type),
            comment: interner.intern_text(&raw.comment),
        });
        let columns = columns.collect();
        let stats =
            self.stats.0.into_iter().filter(|(key, _)| key != "has_stats").map(|(key, LenientPart(raw))| Stat {
                id: interner.text(raw.id.as_str().unwrap_or(&key)),
                label: interner.or_empty(&raw.label),
                value: interner.value(raw.value),
            });
        let stats = stats.collect();
        CatalogTable {
            unique_id: interner.text(id),
            kind: interner.or_empty(&metadata.r#type),
            database: interner.intern_text(&metadata.database),
            schema: interner.or_empty(&metadata.schema),
            name: interner.or_empty(&metadata.name),
            comment: interner.intern_text(&metadata.comment),
            columns,
            stats,
        }
    }
}
