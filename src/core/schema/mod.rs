//! Schema of the data: relations, their columns, types, nullability and keys.

mod column;
pub mod dbt;
mod decimal;
pub mod file;
pub mod lookups;
mod merge;
mod omni;
mod omni_file;
mod omni_model;
mod omni_view;
mod properties;
pub mod read;
mod relation;
mod structs;

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::arena::Arena;
use crate::symbol_table::NameIndex;

pub use column::{Column, ColumnProvenance};
pub use decimal::DecimalDigits;
use lookups::RecordedLookup;
pub use omni::{OmniViewIndex, OmniViewNames, REMOVED_FROM_DBT_TAG, to_omni_name, view_name as omni_view_name};
pub use omni_file::{
    COMPOUND_KEY_SETTING, OmniFieldKind, OmniFile, OmniFileKind, OmniReference, OmniRowSource, column_of_sql,
    is_looker_table, omni_references, replace_omni_references, without_looker_tables,
};
pub use omni_model::{OmniRelationship, OmniTopic, ParsedOmniFile, ParsedOmniModel};
pub use omni_view::{OmniViewTable, ParsedOmniView, ViewField};
pub use relation::{Access, Relation, RelationOrigin};
pub use structs::field_name;

/// All relations known to a compiler.
///
/// ```
/// use formulac_core::{Column, Relation, Schema, Type};
/// let schema = Schema::new().with(Relation::new("orders").with(Column::new("amount", Type::Decimal)));
/// assert!(schema.relation("ORDERS").is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    relations: Arena<Relation>,
    by_name: NameIndex,
    /// Whether relations that are not listed may exist.
    partial: bool,
}

impl Schema {
    /// Creates an empty schema. Without relations, types are inferred from their use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a relation. If several relations have the same name, ignoring ASCII case, the first relation is used.
    #[must_use]
    pub fn with(mut self, relation: Relation) -> Self {
        self.push(relation);
        self
    }

    pub fn push(&mut self, relation: Relation) {
        let (index, relations) = (self.relations.len(), &self.relations);
        self.by_name.find_or_add(relation.schema_name().into(), index, |i| {
            relations[i].schema_name().as_bytes()
        });
        self.relations.push(relation);
    }

    /// Adds columns that a relation had in the past, if the schema contains the relation: see
    /// [`Relation::with_past_columns`].
    #[must_use]
    pub fn with_past_columns<S: Into<String>>(mut self, relation: &str, columns: impl IntoIterator<Item = S>) -> Self {
        let index = self
            .by_name
            .find(relation.into(), |i| self.relations[i].schema_name().as_bytes());
        if let Some(relation) = index.and_then(|index| self.relations.try_get_mut(index)) {
            relation.record_removed_columns(columns.into_iter().map(Into::into));
        }
        self
    }

    /// Replaces the description of a column, if the schema lists the column.
    #[must_use]
    pub fn with_description(mut self, relation: &str, column: &str, text: &str) -> Self {
        let index = self
            .by_name
            .find(relation.into(), |i| self.relations[i].schema_name().as_bytes());
        if let Some(relation) = index.and_then(|index| self.relations.try_get_mut(index)) {
            relation.set_description(column, text);
        }
        self
    }

    /// Returns the relations, in order.
    #[must_use]
    pub fn relations(&self) -> &[Relation] {
        lookups::record_lookup(|| RecordedLookup::Everything);
        self.relations.as_slice()
    }

    /// Returns the relation with this name, ignoring case.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        lookups::record_lookup(|| RecordedLookup::Relation(name.to_ascii_lowercase()));
        self.by_name
            .find(name.into(), |i| self.relations[i].schema_name().as_bytes())
            .map(|i| &self.relations[i])
    }

    /// Returns a fingerprint of everything that is known about a relation. All processes that run the same build
    /// compute the same fingerprint for equal data.
    pub fn fingerprint(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.relation(name).hash(&mut hasher);
        hasher.finish()
    }

    /// Returns whether relations that are not listed may exist.
    pub fn is_partial_list(&self) -> bool {
        self.partial || self.relations.is_empty()
    }

    /// Returns `true` if no relation is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }
}
