//! Result of compiling formulas.

use std::sync::Arc;

#[cfg(feature = "serde")]
use serde::{Serializer, ser::SerializeStruct};

use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::ir::ColumnUse;
use crate::span::Span;
use crate::sql;
use crate::{Level, Type};

/// Column that a definition reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadColumn {
    relation: Option<Arc<str>>,
    name: Arc<str>,
    assumed: Option<Type>,
}

impl From<ColumnUse> for ReadColumn {
    fn from(column: ColumnUse) -> Self {
        Self {
            relation: column.relation,
            name: column.name,
            assumed: column.assumed.then_some(column.ty),
        }
    }
}

impl ReadColumn {
    /// Returns the relation of the column. `None` if the relation is neither known nor written in the formula.
    #[must_use]
    pub fn relation(&self) -> Option<&str> {
        self.relation.as_deref()
    }

    /// Returns the name of the column without the relation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `relation.name`, or only the name if the relation is not known.
    #[must_use]
    pub fn path(&self) -> String {
        self.relation()
            .map_or_else(|| self.name().to_owned(), |r| format!("{r}.{}", self.name()))
    }

    /// Returns the type inferred from the column's uses, or the unknown type if the uses do not determine a type.
    /// `None` if a schema declares the type.
    #[must_use]
    pub fn assumed(&self) -> Option<Type> {
        self.assumed
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ReadColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ReadColumn", 3)?;
        fields.serialize_field("relation", &self.relation())?;
        fields.serialize_field("name", self.name())?;
        fields.serialize_field("assumed", &self.assumed())?;
        fields.end()
    }
}

/// Subset of the source's columns that a definition reads.
#[derive(Clone, Debug)]
pub(super) enum DefinitionReads {
    /// The first columns of the source, given by their number. A source with a single definition always uses this
    /// variant.
    First(usize),
    /// Columns by index, in the order of first use.
    Indices(Vec<u32>),
}

impl DefinitionReads {
    pub fn from_indices(indices: &[u32]) -> Self {
        let in_order = indices.iter().zip(0..).all(|(index, position)| *index == position);
        if in_order {
            Self::First(indices.len())
        } else {
            Self::Indices(indices.to_vec())
        }
    }
}

/// Compiled definition.
#[derive(Clone, Debug)]
pub struct Definition {
    pub(super) name: Option<Arc<str>>,
    pub(super) sql: String,
    pub(super) ty: Type,
    pub(super) level: Level,
    pub(super) nullable: bool,
    pub(super) reads: DefinitionReads,
    /// All columns that the source reads. Set after all definitions of the source are compiled.
    pub(super) columns: Option<Arc<[ReadColumn]>>,
    pub(super) description: Option<String>,
    pub(super) span: Span,
    pub(super) mappings: Vec<sql::SpanMapping>,
}

impl Definition {
    /// Returns the name of the definition. `None` for a formula without a name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the SQL as a single expression on one line.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Returns the type of the definition's values.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Returns the level of the definition: constant, per row, per group, or per row of the grouped result.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns whether the value can be NULL.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// Returns the input columns that the definition reads, directly or through other definitions, in the order of
    /// first use.
    pub fn columns(&self) -> impl Iterator<Item = &ReadColumn> {
        let all_columns = self.columns.as_deref().unwrap_or_default();
        let (first, these) = match &self.reads {
            DefinitionReads::First(count) => (*count, &[][..]),
            DefinitionReads::Indices(indices) => (0, indices.as_slice()),
        };
        all_columns
            .iter()
            .take(first)
            .chain(these.iter().filter_map(|i| all_columns.get(*i as usize)))
    }

    /// Returns the text of the doc comment (`///`) above the definition.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the span of the definition in the source.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns pairs of spans that map parts of the SQL to parts of the source, outer parts first. Empty unless
    /// [`Builder::map_spans`](crate::Builder::map_spans) is set.
    ///
    /// ```
    /// let compiler = formulac_core::Compiler::builder().map_spans(true).build();
    /// let compiled = compiler.compile("SUM(x) / 2");
    /// let definition = &compiled.definitions()[0];
    /// let texts: Vec<_> = definition
    ///     .mappings()
    ///     .map(|(sql, formula)| (sql.text(definition.sql()), formula.text("SUM(x) / 2")))
    ///     .collect();
    /// assert!(texts.contains(&("sum(x)", "SUM(x)")));
    /// ```
    pub fn mappings(&self) -> impl Iterator<Item = (Span, Span)> {
        self.mappings.iter().map(|m| (m.sql, m.formula))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Definition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Definition", 9)?;
        fields.serialize_field("name", &self.name())?;
        fields.serialize_field("sql", self.sql())?;
        fields.serialize_field("type", &self.ty())?;
        fields.serialize_field("level", &self.level())?;
        fields.serialize_field("nullable", &self.nullable())?;
        fields.serialize_field("columns", &self.columns().collect::<Vec<_>>())?;
        fields.serialize_field("description", &self.description())?;
        fields.serialize_field("span", &self.span())?;
        fields.serialize_field("mappings", &self.mappings().collect::<Vec<_>>())?;
        fields.end()
    }
}

/// Result of compiling: the definitions without errors, and all diagnostics.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Compiled {
    pub(super) dialect: Dialect,
    pub(super) definitions: Vec<Definition>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) meanings: Vec<(Span, String)>,
}

impl Compiled {
    /// Returns descriptions of the cells and cell ranges in a worksheet's formulas, each with its span. For example,
    /// `B0` in a sheet that is sorted by month is `revenue of the previous row, by month`.
    ///
    /// ```
    /// use formulac_core::{Compiler, Context};
    /// let sheet = Compiler::builder().context(Context::Worksheet).columns(["month", "revenue"]).order_by(["month"]);
    /// let compiled = sheet.build().compile("=B1 / B0 - 1");
    /// assert_eq!(compiled.meanings()[1].1, "revenue of the previous row, by month");
    /// ```
    #[must_use]
    pub fn meanings(&self) -> &[(Span, String)] {
        &self.meanings
    }

    /// Returns the dialect of the SQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the definitions without errors, in source order.
    #[must_use]
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Returns all diagnostics, in source order.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns whether at least one diagnostic is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Returns the definitions if there are no errors, otherwise the diagnostics.
    ///
    /// # Errors
    ///
    /// Returns all diagnostics, including warnings, if at least one is an error.
    pub fn into_result(self) -> Result<Vec<Definition>, Vec<Diagnostic>> {
        if self.has_errors() {
            Err(self.diagnostics)
        } else {
            Ok(self.definitions)
        }
    }
}
