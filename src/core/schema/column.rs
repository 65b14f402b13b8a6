//! Columns of relations.

use std::sync::Arc;

use super::{DecimalDigits, structs};
use crate::Type;
use crate::dialect::Dialect;

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
    pub(super) name: Arc<str>,
    pub(super) ty: Type,
    pub(super) nullable: bool,
    pub(super) quoted: bool,
    /// Bit set of the dialects in which the name is valid without quotes.
    pub(super) bare: u32,
    /// Size of the column's numbers, as defined in `emit::size`. 0 if it is unknown.
    pub(super) size: u32,
    /// Precision and scale of a decimal, if they are known.
    pub(super) digits: Option<DecimalDigits>,
    pub(super) made: ColumnProvenance,
    /// Whether each value is the first day of a month. For a step's column, `true` if the column's formula guarantees
    /// this property.
    pub(super) month_start: bool,
    /// Whether the values are dates or times that were converted from instants to a time zone.
    pub(super) converted_to_timezone: bool,
    /// Whether a NULL represents failed arithmetic, such as a division by 0.
    pub(super) null_is_error: bool,
    /// Whether the warehouse stores the text as UUIDs.
    pub(super) is_uuid: bool,
    /// Whether the values are arrays.
    pub(super) is_array: bool,
    /// Whether the type is defined in the database, for example as a domain. The name of such a type does not specify
    /// its base type.
    pub(super) is_user_defined: bool,
    pub(super) description: Option<String>,
    /// All possible values, if they are known.
    pub(super) values: Option<Arc<[String]>>,
    pub(super) tags: Option<Arc<[String]>>,
}

impl Column {
    /// Creates a column that may be NULL.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        let name: Arc<str> = Arc::from(name.into());
        let bare = Dialect::dialects_accepting_unquoted(&name);
        let (digits, column_provenance, description, values, tags) = (None, ColumnProvenance::Other, None, None, None);
        let (nullable, quoted, size, month_start) = (true, false, 0, false);
        Self {
            name,
            ty,
            nullable,
            quoted,
            bare,
            size,
            digits,
            made: column_provenance,
            month_start,
            converted_to_timezone: false,
            null_is_error: false,
            is_uuid: false,
            is_array: false,
            is_user_defined: false,
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
    pub fn with_quoted_name(mut self, quoted: bool) -> Self {
        self.quoted = quoted;
        self
    }

    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// Sets the precision and scale, and whether the values are arrays, from the SQL text of the type. A precision of
    /// 29 or more may leave no digits for the scale of another decimal with which the column is combined.
    #[must_use]
    pub fn with_declared_type(mut self, text: &str) -> Self {
        let digits = DecimalDigits::from_type_text(text);
        self.is_array = structs::is_array_type(text);
        self.is_uuid = self.ty == Type::Text && text.trim().eq_ignore_ascii_case("uuid");
        self.is_user_defined = self.ty == Type::Other && !self.is_array && !structs::is_built_in_type(text);
        let column = self.with_digits(digits);
        let wide = column.digits.is_some_and(|digits| digits.precision() > 28);
        if wide {
            column.with_size(crate::MAX_DECIMAL_DIGITS)
        } else {
            column
        }
    }

    /// Sets whether the values are UUIDs. Formulas read a UUID as text.
    #[must_use]
    pub fn with_uuid(mut self, is_uuid: bool) -> Self {
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
    pub fn with_month_start(mut self, month_start: bool) -> Self {
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

    /// Sets whether a NULL represents failed arithmetic, such as a division by 0. With `blanks: zero`, such a NULL
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

    pub fn dialects_accepting_unquoted(&self) -> u32 {
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

    /// Returns the name as SQL, which keeps the case of a case-sensitive name.
    #[doc(hidden)]
    #[must_use]
    pub fn sql_name(&self, dialect: Dialect) -> String {
        dialect.name_text(&self.name, !self.quoted)
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
    /// A ratio of two aggregates, with the names of the aggregates. The name of an unnamed aggregate is an empty
    /// string.
    Ratio(Arc<(String, String)>),
}
