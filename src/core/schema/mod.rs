//! What is known of the data: relations, their columns, types, nullability, keys.

pub mod dbt;
pub mod file;
mod merge;
mod omni;
mod properties;
pub mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Type;
use crate::dialect::Dialect;
use crate::symbol_table::{Hashed, NameIndex};

pub use omni::{REMOVED, view_name as omni_view_name};

/// A column of a relation.
///
/// ```
/// use formulac_core::{Column, Type};
/// let column = Column::new("amount", Type::Decimal).nullable(false);
/// assert!(!column.is_nullable());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: Arc<str>,
    ty: Type,
    nullable: bool,
    quoted: bool,
    /// The dialects, as bits, in which the name is written as it is.
    bare: u8,
    /// How large its numbers can be, as `emit::size` has it; 0 where only the warehouse knows.
    size: u32,
    /// Digits of a decimal, in all and behind the point, if its type specifies them.
    digits: Option<u32>,
    scale: Option<u32>,
    made: ColumnProvenance,
    /// Each value is the first day of a month: of a step's column, if its formula says so.
    month_start: bool,
    description: Option<String>,
    /// All values that it has, where they are known.
    values: Option<Arc<[String]>>,
    tags: Option<Arc<[String]>>,
}

impl Column {
    /// A column that may be NULL.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        let name: Arc<str> = Arc::from(name.into());
        let bare = Dialect::bare_in(&name);
        let (digits, scale, made, description, values, tags) = (None, None, ColumnProvenance::Other, None, None, None);
        let (nullable, quoted, size, month_start) = (true, false, 0, false);
        Self { name, ty, nullable, quoted, bare, size, digits, scale, made, month_start, description, values, tags }
    }

    /// Whether it may be NULL.
    #[must_use]
    pub fn nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// Whether the source spells the name in quotes, so that its case matters.
    #[must_use]
    pub fn quoted(mut self, quoted: bool) -> Self {
        self.quoted = quoted;
        self
    }

    pub fn sized(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// With the digits of its type as it is written: one of 29 or more may leave no room for the scale of another.
    pub fn declared(mut self, text: &str) -> Self {
        let mut numbers = text.split_once('(').map_or("", |(_, rest)| rest).split([',', ')']);
        let mut number = || numbers.next().and_then(|d| d.trim().parse::<u32>().ok());
        let digits = number();
        self.digits = digits.filter(|_| self.ty == Type::Decimal);
        self.scale = number().filter(|_| self.ty == Type::Decimal);
        let wide = self.ty == Type::Decimal && digits.is_some_and(|d| d > 28);
        if wide { self.sized(crate::ALL_DIGITS) } else { self }
    }

    pub fn size(&self) -> u32 {
        self.size
    }

    pub fn scale(&self) -> Option<u32> {
        self.scale
    }

    pub fn is_month_start(&self) -> bool {
        self.month_start
    }

    pub fn month_start(mut self, month_start: bool) -> Self {
        self.month_start = month_start;
        self
    }

    pub fn provenance(&self) -> &ColumnProvenance {
        &self.made
    }

    /// The type as a schema file spells it, with the digits of a decimal.
    pub fn type_text(&self) -> String {
        match (self.digits, self.scale) {
            (Some(digits), Some(scale)) => format!("{}({digits},{scale})", self.ty.name()),
            (Some(digits), None) => format!("{}({digits})", self.ty.name()),
            (None, _) => self.ty.name().to_owned(),
        }
    }

    pub fn with_type(mut self, ty: Type) -> Self {
        self.ty = ty;
        self
    }

    /// With a description.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// With all values that it can have, beside NULL: a text that is compared with it and is none of them is warned of
    /// (W0470).
    ///
    /// ```
    /// use formulac_core::{Column, Compiler, Relation, Schema, Type};
    /// let orders = Relation::new("orders").with(Column::new("status", Type::Text).values(["Open", "Paid"]));
    /// let compiler = Compiler::builder().schema(Schema::new().with(orders)).build();
    /// let found = compiler.check("COUNTIF(status = \"open\")");
    /// assert_eq!((found[0].code(), found[0].help()), ("W0470", Some("it is spelled `\"Open\"`, and `=` minds case")));
    /// ```
    #[must_use]
    pub fn values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        self.values = (!values.is_empty()).then(|| values.into());
        self
    }

    /// With tags, as dbt has them of columns; `Builder::inherit` says which of them a column keeps that is made of it.
    #[must_use]
    pub fn tagged<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        self.tags = (!tags.is_empty()).then(|| tags.into());
        self
    }

    /// Its tags.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// All values that it can have, beside NULL, where they are known.
    #[must_use]
    pub fn known_values(&self) -> Option<&[String]> {
        self.values.as_deref()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub fn bare(&self) -> u8 {
        self.bare
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Whether it may be NULL.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Whether its case matters.
    #[must_use]
    pub fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// What it means.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// What a step's column is made of, as far as it matters to who aggregates it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColumnProvenance {
    #[default]
    Other,
    /// An aggregate, or several that are one value.
    Total,
    /// An aggregate divided by an aggregate: what the two are called, or empty texts.
    Rate(Arc<(String, String)>),
}

/// A table, view or model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    name: Arc<str>,
    /// Shared by copies of the relation, because what a large project knows is merged and passed on.
    columns: Arc<ColumnMap>,
    primary_key: Vec<String>,
    /// No column is known.
    open: bool,
    /// The relation may have columns besides those listed.
    partial: bool,
    access: Option<Access>,
    group: Option<Arc<str>>,
    /// Columns that it had once.
    gone: Vec<Arc<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ColumnMap {
    list: Vec<Column>,
    by_name: NameIndex,
    /// The places of columns whose names differ by case only, by their spelling.
    twins: BTreeMap<Arc<str>, usize>,
    /// Some names have letters beyond ASCII, whose case the index does not ignore.
    beyond_ascii: bool,
}

/// Which models of dbt may read a model, the fewest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Access {
    /// Those of its group.
    Private,
    /// Those of its project.
    Protected,
    /// All.
    Public,
}

impl Access {
    /// dbt's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Protected => "protected",
            Self::Public => "public",
        }
    }

    /// What dbt's word means.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Private, Self::Protected, Self::Public].into_iter().find(|access| access.name() == name)
    }
}

impl Relation {
    /// A relation without columns.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: Arc::from(name.into()), ..Self::default() }
    }

    /// With a further column. Of names that differ by ASCII case only each is found as it is spelled, and the first in
    /// any other case.
    #[must_use]
    pub fn with(mut self, column: Column) -> Self {
        self.push(column);
        self
    }

    pub fn renamed(mut self, name: String) -> Self {
        self.name = Arc::from(name);
        self
    }

    /// A relation of which nothing but its name is known.
    pub fn unknown(name: impl Into<String>) -> Self {
        Self { open: true, ..Self::new(name) }
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Marks the relation as one of which only some columns are known, such as a model of dbt without a catalog: an
    /// unknown name is then a warning (W0316) instead of an error, unless a known column has a similar name.
    ///
    /// ```
    /// use formulac_core::{Column, Compiler, Relation, Schema, Type};
    /// let orders = Relation::new("orders").with(Column::new("id", Type::Integer)).known_in_part();
    /// let compiler = Compiler::builder().schema(Schema::new().with(orders)).from("orders").build();
    /// assert_eq!(compiler.check("SUM(amount)")[0].code(), "W0316");
    /// ```
    #[must_use]
    pub fn known_in_part(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Whether it may have columns besides those listed.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether a name that is not listed may be a column.
    pub fn may_have_more(&self) -> bool {
        self.open || self.partial
    }

    /// With columns that may all be NULL: rows of a join that have no match.
    pub fn all_nullable(&mut self) {
        Arc::make_mut(&mut self.columns).list.iter_mut().for_each(|column| column.nullable = true);
    }

    /// Notes what a column is made of.
    pub fn note_made(&mut self, name: &str, made: ColumnProvenance) {
        if let Some(column) = self.column_mut(name) {
            column.made = made;
        }
    }

    /// Forgets which columns hold first days of months only.
    pub fn forget_month_starts(&mut self) {
        Arc::make_mut(&mut self.columns).list.iter_mut().for_each(|column| column.month_start = false);
    }

    /// Notes what values a column can have.
    pub fn note_values(&mut self, name: &str, values: Vec<String>) {
        if let Some(column) = self.column_mut(name) {
            column.values = Some(values.into());
        }
    }

    pub fn push(&mut self, column: Column) {
        let ColumnMap { list, by_name, twins, beyond_ascii } = Arc::make_mut(&mut self.columns);
        *beyond_ascii |= !column.name.is_ascii();
        let index = list.len();
        let first = by_name.add((&*column.name).into(), index, |i| list[i].name().as_bytes());
        if let Some(other) = list.get(first) {
            twins.entry(other.shared_name()).or_insert(first);
            twins.entry(column.shared_name()).or_insert(index);
        }
        list.push(column);
    }

    fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        let place = self.position(name)?;
        Arc::make_mut(&mut self.columns).list.get_mut(place)
    }

    /// With a primary key; its columns are then never NULL.
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

    /// With columns that tell its rows apart, and may be NULL in one of them.
    pub fn keyed(mut self, columns: &[String]) -> Self {
        self.primary_key = columns.to_vec();
        self
    }

    /// The relation with the columns of these names, its key and its facts; all columns if `names` is `None`.
    pub fn restricted(&self, names: Option<&std::collections::BTreeSet<String>>) -> Self {
        let Some(names) = names else { return self.clone() };
        let is_key = |column: &Column| self.primary_key.iter().any(|key| key.eq_ignore_ascii_case(column.name()));
        let is_read = |column: &&Column| names.contains(&column.name().to_ascii_lowercase()) || is_key(column);
        let columns = self.columns().iter().filter(is_read).cloned();
        let mut relation = columns.fold(Self::new(self.name()), Self::with).known_in_part();
        relation.primary_key.clone_from(&self.primary_key);
        (relation.access, relation.group) = (self.access, self.group.clone());
        relation
    }

    /// With who may read it, as dbt has it of models, and the group that it belongs to.
    ///
    /// ```
    /// use formulac_core::{Access, Compiler, Relation, Schema};
    /// let staff = Relation::new("staff").accessible(Access::Private, Some("people"));
    /// let compiler = Compiler::builder().schema(Schema::new().with(staff)).build();
    /// assert_eq!(compiler.schema().relations()[0].name(), "staff");
    /// ```
    #[must_use]
    pub fn accessible(mut self, access: Access, group: Option<&str>) -> Self {
        self.access = Some(access);
        self.group = group.map(Arc::from);
        self
    }

    /// With columns that it had once and has no more: who uses one is told so.
    ///
    /// ```
    /// use formulac_core::{Compiler, Relation, Schema};
    /// let orders = Relation::new("orders").had(["discount"]);
    /// let found = Compiler::builder().schema(Schema::new().with(orders)).build().check("SUM(orders.discount)");
    /// assert_eq!((found[0].code(), found[0].span().start), ("F0302", 11));
    /// assert_eq!(found[0].label(), Some("it existed at an earlier pull but was removed"));
    /// ```
    #[must_use]
    pub fn had<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.note_gone(columns.into_iter().map(Into::into));
        self
    }

    fn note_gone(&mut self, columns: impl Iterator<Item = String>) {
        let gone: Vec<Arc<str>> =
            columns.filter(|name| self.position(name.as_str()).is_none()).map(Arc::from).collect();
        self.gone.extend(gone);
    }

    /// Whether it had a column of this name once, in any case.
    pub fn had_once(&self, name: &str) -> bool {
        self.gone.iter().any(|gone| gone.eq_ignore_ascii_case(name))
    }

    /// Which models may read it, where dbt says so.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// The group of dbt that it belongs to.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Its columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns.list
    }

    /// The columns of its primary key.
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.primary_key
    }

    /// The column of this name, in any case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.position(name).map(|i| &self.columns.list[i])
    }

    pub fn position<'n>(&self, name: impl Into<Hashed<'n>>) -> Option<usize> {
        let (name, ColumnMap { list, by_name, twins, .. }) = (name.into(), &*self.columns);
        let first = by_name.find(name, |i| list[i].name().as_bytes())?;
        Some(if twins.is_empty() { first } else { twins.get(name.name).copied().unwrap_or(first) })
    }

    /// Whether names can be looked up here without regard to the case of any letter.
    pub fn is_ascii(&self) -> bool {
        !self.columns.beyond_ascii
    }

    /// Whether it has columns whose names differ by case only.
    pub fn has_twins(&self) -> bool {
        !self.columns.twins.is_empty()
    }
}

/// All relations that a compiler knows.
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
    /// Relations that are not listed may exist.
    partial: bool,
}

impl Schema {
    /// A schema that knows nothing; types are then taken from use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a further relation; the first of a name, ignoring ASCII case, is the one that counts.
    #[must_use]
    pub fn with(mut self, relation: Relation) -> Self {
        self.push(relation);
        self
    }

    pub fn push(&mut self, relation: Relation) {
        let (index, relations) = (self.relations.len(), &self.relations);
        self.by_name.add((&*relation.name).into(), index, |i| relations[i].name().as_bytes());
        self.relations.push(relation);
    }

    /// With columns that a relation had once, where there is such a relation: see [`Relation::had`].
    #[must_use]
    pub fn had<S: Into<String>>(mut self, relation: &str, columns: impl IntoIterator<Item = S>) -> Self {
        let place = self.by_name.find(relation.into(), |i| self.relations[i].name().as_bytes());
        if let Some(relation) = place.and_then(|place| self.relations.get_mut(place)) {
            relation.note_gone(columns.into_iter().map(Into::into));
        }
        self
    }

    /// The relations, in order.
    #[must_use]
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// The relation of this name, in any case.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.by_name.find(name.into(), |i| self.relations[i].name().as_bytes()).map(|i| &self.relations[i])
    }

    /// Whether relations that are not listed may exist.
    pub fn lists_some(&self) -> bool {
        self.partial || self.relations.is_empty()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }
}
