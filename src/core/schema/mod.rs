//! Schema of the data: relations, their columns, types, nullability and keys.

pub mod dbt;
mod decimal;
pub mod file;
pub mod lookups;
mod merge;
mod omni;
mod properties;
pub mod read;
mod structs;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::Type;
use crate::dialect::Dialect;
use crate::symbol_table::{HashedName, NameIndex};

pub use decimal::DecimalDigits;
use lookups::Lookup;
pub use omni::{OmniViewIndex, OmniViewNames, REMOVED_TAG, to_omni_name, view_name as omni_view_name};
pub use structs::field_name;

/// Column of a relation.
///
/// ```
/// use formulac_core::{Column, Type};
/// let column = Column::new("amount", Type::Decimal).nullable(false);
/// assert!(!column.is_nullable());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Column {
    name: Arc<str>,
    ty: Type,
    nullable: bool,
    quoted: bool,
    /// Bit set of the dialects in which the name is valid without quotes.
    bare: u32,
    /// Size of the column's numbers, as defined in `emit::size`. 0 if it is unknown.
    size: u32,
    /// Precision and scale of a decimal, if they are known.
    digits: Option<DecimalDigits>,
    made: ColumnProvenance,
    /// Whether each value is the first day of a month. For a step's column, `true` if the column's formula guarantees
    /// this property.
    month_start: bool,
    /// Whether the values are dates or times that were converted from instants to a time zone.
    converted_to_timezone: bool,
    /// Whether a NULL stands for failed arithmetic, such as a division by 0.
    null_is_error: bool,
    /// Whether the warehouse stores the text as UUIDs.
    is_uuid: bool,
    /// Whether the values are arrays.
    is_array: bool,
    description: Option<String>,
    /// All possible values, if they are known.
    values: Option<Arc<[String]>>,
    tags: Option<Arc<[String]>>,
}

impl Column {
    /// Creates a column that may be NULL.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        let name: Arc<str> = Arc::from(name.into());
        let bare = Dialect::bare_dialects(&name);
        let (digits, made, description, values, tags) = (None, ColumnProvenance::Other, None, None, None);
        let (nullable, quoted, size, month_start) = (true, false, 0, false);
        Self {
            name,
            ty,
            nullable,
            quoted,
            bare,
            size,
            digits,
            made,
            month_start,
            converted_to_timezone: false,
            null_is_error: false,
            is_uuid: false,
            is_array: false,
            description,
            values,
            tags,
        }
    }

    /// Sets whether the column may be NULL.
    #[must_use]
    pub fn nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// Sets whether the source quotes the name, which means that the name is case-sensitive.
    #[must_use]
    pub fn quoted(mut self, quoted: bool) -> Self {
        self.quoted = quoted;
        self
    }

    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// Sets the precision and scale, and whether the values are arrays, from the SQL text of the type. A precision of 29
    /// or more may leave no digits for the scale of another decimal with which the column is combined.
    #[must_use]
    pub fn declared(mut self, text: &str) -> Self {
        let digits = DecimalDigits::from_type_text(text);
        self.is_array = structs::is_array_type(text);
        self.is_uuid = self.ty == Type::Text && text.trim().eq_ignore_ascii_case("uuid");
        let column = self.with_digits(digits);
        let wide = column.digits.is_some_and(|digits| digits.precision() > 28);
        if wide {
            column.with_size(crate::ALL_DIGITS)
        } else {
            column
        }
    }

    /// Sets whether the values are UUIDs. Formulas read a UUID as text.
    #[must_use]
    pub fn uuid(mut self, is_uuid: bool) -> Self {
        self.is_uuid = is_uuid;
        self
    }

    pub fn is_uuid(&self) -> bool {
        self.is_uuid && self.ty == Type::Text
    }

    /// Sets the precision and scale of a decimal.
    #[must_use]
    pub fn with_digits(mut self, digits: Option<DecimalDigits>) -> Self {
        self.digits = digits.filter(|_| self.ty == Type::Decimal);
        self
    }

    /// Returns the precision and scale of a decimal, if they are known.
    pub fn decimal_digits(&self) -> Option<DecimalDigits> {
        self.digits
    }

    pub fn size(&self) -> u32 {
        self.size
    }

    pub fn scale(&self) -> Option<u32> {
        self.digits.map(DecimalDigits::scale)
    }

    pub fn is_month_start(&self) -> bool {
        self.month_start
    }

    #[must_use]
    pub fn month_start(mut self, month_start: bool) -> Self {
        self.month_start = month_start;
        self
    }

    pub fn provenance(&self) -> &ColumnProvenance {
        &self.made
    }

    /// Returns the type in the notation of schema files, including the precision and scale of a decimal.
    pub fn type_text(&self) -> String {
        match self.digits {
            _ if self.is_uuid() => "uuid".to_owned(),
            Some(digits) => format!("{}({},{})", self.ty.name(), digits.precision(), digits.scale()),
            None => self.ty.name().to_owned(),
        }
    }

    #[must_use]
    pub fn with_type(mut self, ty: Type) -> Self {
        self.ty = ty;
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Sets all values that the column can have, apart from NULL. Comparisons with other strings cause a warning
    /// (W0470).
    ///
    /// ```
    /// use formulac_core::{Column, Compiler, Relation, Schema, Type};
    /// let orders = Relation::new("orders").with(Column::new("status", Type::Text).values(["Open", "Paid"]));
    /// let compiler = Compiler::builder().schema(Schema::new().with(orders)).build();
    /// let found = compiler.check("COUNTIF(status = \"open\")");
    /// assert_eq!((found[0].code(), found[0].help()), ("W0470", Some("write `\"Open\"`, because `=` is case-sensitive")));
    /// ```
    #[must_use]
    pub fn values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        self.values = (!values.is_empty()).then(|| values.into());
        self
    }

    /// Sets tags, which correspond to dbt's tags on columns. `Builder::inherit` specifies which of these tags a derived
    /// column keeps.
    #[must_use]
    pub fn with_tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        self.tags = (!tags.is_empty()).then(|| tags.into());
        self
    }

    /// Sets whether the values are dates or times that were converted from instants to a time zone.
    #[must_use]
    pub fn converted_to_timezone(mut self, is_converted: bool) -> Self {
        self.converted_to_timezone = is_converted;
        self
    }

    /// Sets whether a NULL stands for failed arithmetic, such as a division by 0. With `blanks: zero`, such a NULL
    /// does not count as 0.
    #[must_use]
    pub fn null_is_error(mut self, is_error: bool) -> Self {
        self.null_is_error = is_error;
        self
    }

    pub fn is_null_error(&self) -> bool {
        self.null_is_error
    }

    /// Returns whether the values are arrays.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.is_array
    }

    /// Returns whether the values are dates or times that were converted from instants to a time zone.
    #[must_use]
    pub fn is_converted_to_timezone(&self) -> bool {
        self.converted_to_timezone
    }

    /// Returns the tags.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// Returns all values that the column can have, apart from NULL, if they are known.
    #[must_use]
    pub fn known_values(&self) -> Option<&[String]> {
        self.values.as_deref()
    }

    /// Returns the name of the column.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub fn bare_dialects(&self) -> u32 {
        self.bare
    }

    /// Returns the type of the column.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Returns whether the column may be NULL.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Returns whether the name is case-sensitive.
    #[must_use]
    pub fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// Returns the description.
    #[must_use]
    pub fn description_text(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// Origin of a step's column, which determines how the column can be aggregated again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ColumnProvenance {
    #[default]
    Other,
    /// An aggregate, or an expression that combines several aggregates.
    Aggregate,
    /// A ratio of two aggregates, with their names. Aggregates without a name have an empty string.
    Ratio(Arc<(String, String)>),
}

/// Table, view or model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Relation {
    name: Arc<str>,
    /// Name in a schema in which another relation has the same name, such as `raw.orders` for a source beside the model
    /// `orders`.
    schema_name: Option<Arc<str>>,
    /// Columns. Copies of the relation share the columns, so that merging and copying the schema of a large project is
    /// cheap.
    columns: Arc<ColumnMap>,
    primary_key: Vec<String>,
    /// Whether no column is known.
    open: bool,
    /// Whether the relation may have unlisted columns.
    partial: bool,
    access: Option<Access>,
    group: Option<Arc<str>>,
    /// Columns that the relation had in the past.
    former_columns: Vec<Arc<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ColumnMap {
    list: Vec<Column>,
    by_name: NameIndex,
    /// Positions of the columns whose names differ only in case, by exact name.
    twins: BTreeMap<Arc<str>, usize>,
    /// Whether some names contain non-ASCII letters, for which the index is case-sensitive.
    beyond_ascii: bool,
}

impl Hash for ColumnMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The indexes follow from the columns.
        self.list.hash(state);
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ColumnMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
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
            twins,
            beyond_ascii,
        } = self;
        *beyond_ascii |= !column.name.is_ascii();
        let index = list.len();
        let first = by_name.add((&*column.name).into(), index, |i| list[i].name().as_bytes());
        if let Some(other) = list.get(first) {
            twins.entry(other.shared_name()).or_insert(first);
            twins.entry(column.shared_name()).or_insert(index);
        }
        list.push(column);
    }
}

/// Access level of a dbt model: the models that may read it, from the most to the least restrictive level.
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
    /// that name, and any other spelling finds the first of these columns.
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

    /// Sets the name under which a schema lists the relation because another relation has the same name.
    #[must_use]
    pub fn with_schema_name(mut self, name: impl Into<String>) -> Self {
        self.schema_name = Some(Arc::from(name.into())).filter(|name| *name != self.name);
        self
    }

    /// Returns the name under which a schema lists the relation. It differs from the name if another relation has the
    /// same name.
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

    /// Marks the relation as incomplete, for example a dbt model without a catalog. An unknown name is then a warning
    /// (W0316) instead of an error, unless a known column has a similar name, because the relation may have other
    /// columns.
    ///
    /// ```
    /// use formulac_core::{Column, Compiler, Relation, Schema, Type};
    /// let orders = Relation::new("orders").with(Column::new("id", Type::Integer)).partially_known();
    /// let compiler = Compiler::builder().schema(Schema::new().with(orders)).from("orders").build();
    /// assert_eq!(compiler.check("SUM(amount)")[0].code(), "W0316");
    /// ```
    #[must_use]
    pub fn partially_known(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Returns whether the relation may have unlisted columns.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Returns whether the relation may have unlisted columns.
    pub fn may_have_more_columns(&self) -> bool {
        self.open || self.partial
    }

    /// Makes all columns nullable, because an outer join returns NULL for rows without a match.
    pub fn make_all_nullable(&mut self) {
        Arc::make_mut(&mut self.columns)
            .list
            .iter_mut()
            .for_each(|column| (column.nullable, column.null_is_error) = (true, false));
    }

    /// Records the origin of a column.
    pub fn record_provenance(&mut self, name: &str, made: ColumnProvenance) {
        if let Some(column) = self.column_mut(name) {
            column.made = made;
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
        let place = self.position(name)?;
        Arc::make_mut(&mut self.columns).list.get_mut(place)
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
        let mut relation = columns.fold(self.without_columns(), Self::with).partially_known();
        relation.primary_key.clone_from(&self.primary_key);
        (relation.access, relation.group) = (self.access, self.group.clone());
        relation
    }

    /// Returns a relation with the same names and without columns.
    pub(super) fn without_columns(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            schema_name: self.schema_name.clone(),
            ..Self::default()
        }
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
        self.record_removed(columns.into_iter().map(Into::into));
        self
    }

    fn record_removed(&mut self, columns: impl Iterator<Item = String>) {
        let gone: Vec<Arc<str>> = columns
            .filter(|name| self.position(name.as_str()).is_none())
            .map(Arc::from)
            .collect();
        self.former_columns.extend(gone);
    }

    /// Returns whether the relation had a column with this name in the past, ignoring case.
    pub fn is_past_column(&self, name: &str) -> bool {
        self.former_columns.iter().any(|gone| gone.eq_ignore_ascii_case(name))
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
        &self.columns.list
    }

    /// Returns the columns of the primary key.
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.primary_key
    }

    /// Returns the column with this name, ignoring case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.position(name).map(|i| &self.columns.list[i])
    }

    /// Returns whether a name is a field of a column of the relation, such as `device.category` if there is a column
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

    pub fn position<'n>(&self, name: impl Into<HashedName<'n>>) -> Option<usize> {
        let (
            name,
            ColumnMap {
                list, by_name, twins, ..
            },
        ) = (name.into(), &*self.columns);
        let first = by_name.find(name, |i| list[i].name().as_bytes())?;
        Some(if twins.is_empty() {
            first
        } else {
            twins.get(name.name).copied().unwrap_or(first)
        })
    }

    /// Returns whether lookups by name ignore the case of all letters.
    pub fn is_ascii(&self) -> bool {
        !self.columns.beyond_ascii
    }

    /// Returns whether some column names differ only in case.
    pub fn has_duplicate_names(&self) -> bool {
        !self.columns.twins.is_empty()
    }
}

/// All relations known to a compiler.
///
/// ```
/// use formulac_core::{Column, Relation, Schema, Type};
/// let schema = Schema::new().with(Relation::new("orders").with(Column::new("amount", Type::Decimal)));
/// assert!(schema.relation("ORDERS").is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    relations: Vec<Relation>,
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
        self.by_name.add(relation.schema_name().into(), index, |i| {
            relations[i].schema_name().as_bytes()
        });
        self.relations.push(relation);
    }

    /// Adds columns that a relation had in the past, if the schema contains the relation: see [`Relation::with_past_columns`].
    #[must_use]
    pub fn with_past_columns<S: Into<String>>(mut self, relation: &str, columns: impl IntoIterator<Item = S>) -> Self {
        let place = self
            .by_name
            .find(relation.into(), |i| self.relations[i].schema_name().as_bytes());
        if let Some(relation) = place.and_then(|place| self.relations.get_mut(place)) {
            relation.record_removed(columns.into_iter().map(Into::into));
        }
        self
    }

    /// Returns the relations, in order.
    #[must_use]
    pub fn relations(&self) -> &[Relation] {
        lookups::add_lookup(|| Lookup::Everything);
        &self.relations
    }

    /// Returns the relation with this name, ignoring case.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        lookups::add_lookup(|| Lookup::Relation(name.to_ascii_lowercase()));
        self.by_name
            .find(name.into(), |i| self.relations[i].schema_name().as_bytes())
            .map(|i| &self.relations[i])
    }

    /// Returns a fingerprint of everything that is known about a relation. Equal facts have the same fingerprint in all
    /// processes of one build.
    pub fn fingerprint(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.relation(name).hash(&mut hasher);
        hasher.finish()
    }

    /// Returns whether relations that are not listed may exist.
    pub fn is_partial_list(&self) -> bool {
        self.partial || self.relations.is_empty()
    }

    /// Returns whether no relation is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }
}
