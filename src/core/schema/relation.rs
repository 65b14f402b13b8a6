//! Relations: tables, views and models.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::column::{Column, ColumnProvenance};
use crate::arena::Arena;
use crate::symbol_table::{HashedName, NameIndex};

/// Table, view or model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Relation {
    pub(super) name: Arc<str>,
    /// Qualified name, if another relation in the schema has the same name: for example, `raw.orders` for a source if
    /// there is also a model `orders`.
    pub(super) schema_name: Option<Arc<str>>,
    /// Columns. Copies of the relation share the columns, so that merging and copying the schema of a large project is
    /// cheap.
    pub(super) columns: Arc<ColumnMap>,
    pub(super) primary_key: Vec<String>,
    /// Whether no column is known.
    pub(super) open: bool,
    /// Whether the relation may have unlisted columns.
    pub(super) partial: bool,
    pub(super) access: Option<Access>,
    pub(super) group: Option<Arc<str>>,
    pub(super) origin: Option<RelationOrigin>,
    /// Schema of the warehouse that contains a table with the relation's name, if dbt's artifacts specify it.
    pub(super) warehouse_schema: Option<Arc<str>>,
    /// Columns that the relation had in the past.
    pub(super) former_columns: Vec<Arc<str>>,
}

/// dbt resource of a relation. The resource determines which `ref` or `source` refers to the relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RelationOrigin {
    /// Table of the source with this name.
    Source(Arc<str>),
    /// Model, seed or snapshot.
    Node {
        package: Arc<str>,
        /// Version, if the model has versions.
        version: Option<Arc<str>>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ColumnMap {
    list: Arena<Column>,
    by_name: NameIndex,
    /// Positions of the columns whose names differ only in case, by exact name.
    case_variants: BTreeMap<Arc<str>, usize>,
    /// Whether some names contain non-ASCII letters, for which the index is case-sensitive.
    has_non_ascii_names: bool,
}

impl Hash for ColumnMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The indexes are derived from the columns.
        self.list.hash(state);
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ColumnMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.as_slice().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ColumnMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Self::default();
        let columns = Vec::<Column>::deserialize(deserializer)?;
        columns.into_iter().for_each(|column| map.push(column));
        Ok(map)
    }
}

impl ColumnMap {
    fn push(&mut self, column: Column) {
        let Self {
            list,
            by_name,
            case_variants,
            has_non_ascii_names,
        } = self;
        *has_non_ascii_names |= !column.name.is_ascii();
        let index = list.len();
        let first = by_name.find_or_add((&*column.name).into(), index, |i| list[i].name().as_bytes());
        if let Some(other) = list.try_get(first) {
            case_variants.entry(other.shared_name()).or_insert(first);
            case_variants.entry(column.shared_name()).or_insert(index);
        }
        list.push(column);
    }
}

/// Access level of a dbt model, which specifies the models that may read it. The levels are ordered from the most to
/// the least restrictive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Access {
    /// Only models of the same group.
    Private,
    /// Only models of the same project.
    Protected,
    /// All models.
    Public,
}

impl Access {
    /// Returns dbt's name for the access level.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Protected => "protected",
            Self::Public => "public",
        }
    }

    /// Parses dbt's name for an access level.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Private, Self::Protected, Self::Public]
            .into_iter()
            .find(|access| access.name() == name)
    }
}

impl Relation {
    /// Creates a relation without columns.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: Arc::from(name.into()),
            ..Self::default()
        }
    }

    /// Adds a column. If the names of several columns differ only in ASCII case, an exact name finds the column with
    /// that name, and a name in any other case finds the first of these columns.
    #[must_use]
    pub fn with(mut self, column: Column) -> Self {
        self.push(column);
        self
    }

    #[must_use]
    pub fn with_name(mut self, name: String) -> Self {
        self.name = Arc::from(name);
        self
    }

    /// Returns a relation with another name and the same columns, but without keys.
    #[must_use]
    pub fn copy_columns_under_name(&self, name: &str) -> Self {
        self.columns().iter().cloned().fold(Self::new(name), Self::with)
    }

    /// Sets the name under which a schema lists the relation if another relation already has the relation's own name.
    #[must_use]
    pub fn with_schema_name(mut self, name: impl Into<String>) -> Self {
        self.schema_name = Some(Arc::from(name.into())).filter(|name| *name != self.name);
        self
    }

    /// Returns the name under which a schema lists the relation. This name differs from the relation's own name if
    /// another relation has the same name.
    ///
    /// ```
    /// use formulac_core::{Relation, Schema};
    /// let schema = Schema::new().with(Relation::new("orders").with_schema_name("raw.orders"));
    /// assert!(schema.relation("orders").is_none());
    /// assert_eq!(schema.relation("raw.orders").unwrap().name(), "orders");
    /// ```
    #[must_use]
    pub fn schema_name(&self) -> &str {
        self.schema_name.as_deref().unwrap_or(&self.name)
    }

    /// Creates a relation with unknown columns.
    pub fn unknown(name: impl Into<String>) -> Self {
        Self {
            open: true,
            ..Self::new(name)
        }
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Marks the relation as incomplete. For example, the relation of a dbt model is incomplete if no catalog lists its
    /// columns. An unknown name is then a warning (W0316) instead of an error, unless a known column has a similar
    /// name, because the relation may have other columns.
    ///
    /// ```
    /// use formulac_core::{Column, Compiler, Relation, Schema, Type};
    /// let orders = Relation::new("orders").with(Column::new("id", Type::Integer)).mark_incomplete();
    /// let compiler = Compiler::builder().schema(Schema::new().with(orders)).from("orders").build();
    /// assert_eq!(compiler.check("SUM(amount)")[0].code(), "W0316");
    /// ```
    #[must_use]
    pub fn mark_incomplete(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Returns whether the relation is marked as incomplete. See [`Self::mark_incomplete`].
    #[must_use]
    pub fn is_marked_incomplete(&self) -> bool {
        self.partial
    }

    /// Returns `true` if the relation is incomplete or no column is known, so that the relation may have unlisted
    /// columns.
    pub fn may_have_unlisted_columns(&self) -> bool {
        self.open || self.partial
    }

    /// Makes all columns nullable, because an outer join returns NULL for rows without a match. If NULL may represent
    /// an error in a column, every NULL in that column still counts as an error, because the column does not show which
    /// NULLs represent a missing match.
    pub fn make_all_nullable(&mut self) {
        Arc::make_mut(&mut self.columns)
            .list
            .iter_mut()
            .for_each(|column| column.nullable = true);
    }

    /// Records the origin of a column.
    pub fn record_provenance(&mut self, name: &str, column_provenance: ColumnProvenance) {
        if let Some(column) = self.column_mut(name) {
            column.made = column_provenance;
        }
    }

    /// Clears the `month_start` flag of all columns.
    pub fn clear_month_starts(&mut self) {
        Arc::make_mut(&mut self.columns)
            .list
            .iter_mut()
            .for_each(|column| column.month_start = false);
    }

    /// Records the values that a column can have.
    pub fn record_values(&mut self, name: &str, values: Vec<String>) {
        if let Some(column) = self.column_mut(name) {
            column.values = Some(values.into());
        }
    }

    pub fn push(&mut self, column: Column) {
        Arc::make_mut(&mut self.columns).push(column);
    }

    fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        let index = self.position(name)?;
        Arc::make_mut(&mut self.columns).list.try_get_mut(index)
    }

    /// Sets the primary key and marks its columns as never NULL.
    #[must_use]
    pub fn primary_key<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.primary_key = columns.into_iter().map(Into::into).collect();
        for name in self.primary_key.clone() {
            if let Some(column) = self.column_mut(&name) {
                column.nullable = false;
            }
        }
        self
    }

    /// Sets the columns that identify the rows. Unlike the columns of a primary key, these columns may be NULL.
    #[must_use]
    pub fn with_key(mut self, columns: &[String]) -> Self {
        self.primary_key = columns.to_vec();
        self
    }

    /// Returns a copy of the relation that contains only the named columns and the key, or all columns if `names` is
    /// `None`.
    #[must_use]
    pub fn restrict_columns(&self, names: Option<&std::collections::BTreeSet<String>>) -> Self {
        let Some(names) = names else { return self.clone() };
        let is_key = |column: &Column| {
            self.primary_key
                .iter()
                .any(|key| key.eq_ignore_ascii_case(column.name()))
        };
        let is_read = |column: &&Column| names.contains(&column.name().to_ascii_lowercase()) || is_key(column);
        let columns = self.columns().iter().filter(is_read).cloned();
        let mut relation = columns.fold(self.without_columns(), Self::with).mark_incomplete();
        relation.primary_key.clone_from(&self.primary_key);
        (relation.access, relation.group) = (self.access, self.group.clone());
        relation
    }

    /// Returns a relation with the same names and without columns.
    pub(super) fn without_columns(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            schema_name: self.schema_name.clone(),
            origin: self.origin.clone(),
            warehouse_schema: self.warehouse_schema.clone(),
            ..Self::default()
        }
    }

    /// Returns the relation's dbt resource. `None` if the relation does not come from dbt.
    pub fn origin(&self) -> Option<&RelationOrigin> {
        self.origin.as_ref()
    }

    /// Sets the relation's dbt resource.
    #[must_use]
    pub fn with_origin(mut self, origin: RelationOrigin) -> Self {
        self.origin = Some(origin);
        self
    }

    pub fn warehouse_schema(&self) -> Option<&str> {
        self.warehouse_schema.as_deref()
    }

    /// Sets the schema of the warehouse that contains the relation's table.
    #[must_use]
    pub fn with_warehouse_schema(mut self, schema: Option<Arc<str>>) -> Self {
        self.warehouse_schema = schema;
        self
    }

    /// Sets the access level and group of the relation, as in dbt models.
    ///
    /// ```
    /// use formulac_core::{Access, Compiler, Relation, Schema};
    /// let staff = Relation::new("staff").with_access(Access::Private, Some("people"));
    /// let compiler = Compiler::builder().schema(Schema::new().with(staff)).build();
    /// assert_eq!(compiler.schema().relations()[0].name(), "staff");
    /// ```
    #[must_use]
    pub fn with_access(mut self, access: Access, group: Option<&str>) -> Self {
        self.access = Some(access);
        self.group = group.map(Arc::from);
        self
    }

    /// Adds columns that the relation had in the past. If a formula uses one of these columns, the diagnostic explains
    /// that the column was removed.
    ///
    /// ```
    /// use formulac_core::{Compiler, Relation, Schema};
    /// let orders = Relation::new("orders").with_past_columns(["discount"]);
    /// let found = Compiler::builder().schema(Schema::new().with(orders)).build().check("SUM(orders.discount)");
    /// assert_eq!((found[0].code(), found[0].span().start), ("F0302", 11));
    /// assert_eq!(found[0].label(), Some("the column existed at an earlier pull but was removed"));
    /// ```
    #[must_use]
    pub fn with_past_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.record_removed_columns(columns.into_iter().map(Into::into));
        self
    }

    /// Replaces the description of a column, if the relation lists the column.
    pub(super) fn set_description(&mut self, column: &str, text: &str) {
        let Some(index) = self.position(column) else { return };
        if let Some(column) = Arc::make_mut(&mut self.columns).list.try_get_mut(index) {
            column.description = Some(text.to_owned());
        }
    }

    pub(super) fn record_removed_columns(&mut self, columns: impl Iterator<Item = String>) {
        let removed: Vec<Arc<str>> = columns
            .filter(|name| self.position(name.as_str()).is_none())
            .map(Arc::from)
            .collect();
        self.former_columns.extend(removed);
    }

    /// Returns whether the relation had a column with this name in the past, ignoring case.
    pub fn is_past_column(&self, name: &str) -> bool {
        self.former_columns
            .iter()
            .any(|removed| removed.eq_ignore_ascii_case(name))
    }

    /// Returns the access level, if dbt specifies one.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// Returns the dbt group to which the relation belongs.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Returns the name of the relation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Returns the columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.columns.list.as_slice()
    }

    /// Returns the columns of the primary key.
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.primary_key
    }

    /// Returns the column with this name, ignoring case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.position(name).map(|position| self.column_at(position))
    }

    /// Returns whether a name refers to a field of a STRUCT column, such as `device.category` if there is a column
    /// `device`.
    pub fn is_struct_field(&self, name: &str) -> bool {
        name.split_once('.')
            .is_some_and(|(column, _)| self.column(column).is_some())
    }

    /// Returns a copy of the relation without the fields of its columns.
    #[must_use]
    pub fn without_struct_fields(&self) -> Self {
        if !self.columns().iter().any(|column| column.name().contains('.')) {
            return self.clone();
        }
        let columns = self
            .columns()
            .iter()
            .filter(|column| !self.is_struct_field(column.name()));
        let mut relation = Self {
            columns: Arc::default(),
            ..self.clone()
        };
        columns.cloned().for_each(|column| relation.push(column));
        relation
    }

    /// Returns the column at a position that [`Self::position`] returned.
    pub fn column_at(&self, position: usize) -> &Column {
        &self.columns.list[position]
    }

    pub fn position<'n>(&self, name: impl Into<HashedName<'n>>) -> Option<usize> {
        let (
            name,
            ColumnMap {
                list,
                by_name,
                case_variants,
                ..
            },
        ) = (name.into(), &*self.columns);
        let first = by_name.find(name, |i| list[i].name().as_bytes())?;
        Some(if case_variants.is_empty() {
            first
        } else {
            case_variants.get(name.name).copied().unwrap_or(first)
        })
    }

    /// Returns whether lookups by name ignore the case of all letters.
    pub fn is_ascii(&self) -> bool {
        !self.columns.has_non_ascii_names
    }

    /// Returns whether some column names differ only in case.
    pub fn has_duplicate_names(&self) -> bool {
        !self.columns.case_variants.is_empty()
    }
}
