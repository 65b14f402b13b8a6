//! What compiling formulas gives.

use std::sync::Arc;

use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::ir::ColumnUse;
use crate::span::Span;
use crate::sql;
use crate::{Level, Type};

/// A column that a definition reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadColumn(pub(super) ColumnUse);

impl ReadColumn {
    /// The relation, where one is known or written.
    #[must_use]
    pub fn relation(&self) -> Option<&str> {
        self.0.relation.as_deref()
    }

    /// The column's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `relation.name`, or the name where no relation is known.
    #[must_use]
    pub fn path(&self) -> String {
        self.relation().map_or_else(|| self.name().to_owned(), |r| format!("{r}.{}", self.name()))
    }

    /// The type that was taken from use, where no schema says it: unknown where the uses leave it open.
    #[must_use]
    pub fn assumed(&self) -> Option<Type> {
        self.0.assumed.then_some(self.0.ty)
    }
}

/// Which of all columns a definition reads.
#[derive(Clone, Debug)]
pub(super) enum Reads {
    /// The first ones, so many, as the only definition of a text does.
    First(usize),
    /// By index, in the order of first use.
    These(Vec<u32>),
}

impl Reads {
    pub fn from_indices(indices: &[u32]) -> Self {
        let in_order = indices.iter().zip(0..).all(|(index, place)| *index == place);
        if in_order { Self::First(indices.len()) } else { Self::These(indices.to_vec()) }
    }
}

/// A compiled definition.
#[derive(Clone, Debug)]
pub struct Definition {
    pub(super) name: Option<Arc<str>>,
    pub(super) sql: String,
    pub(super) ty: Type,
    pub(super) level: Level,
    pub(super) nullable: bool,
    pub(super) reads: Reads,
    /// All that the text reads; there once all its definitions are.
    pub(super) columns: Option<Arc<[ReadColumn]>>,
    pub(super) description: Option<String>,
    pub(super) span: Span,
    pub(super) mappings: Vec<sql::Mapping>,
}

impl Definition {
    /// Its name; none for a bare formula.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its SQL, one expression in one line.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The type of its values.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Where it is computed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it may be NULL.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// The input columns that it reads, by itself or through others, in the order of first use.
    pub fn columns(&self) -> impl Iterator<Item = &ReadColumn> {
        let all = self.columns.as_deref().unwrap_or_default();
        let (first, these) = match &self.reads {
            Reads::First(count) => (*count, &[][..]),
            Reads::These(indices) => (0, indices.as_slice()),
        };
        all.iter().take(first).chain(these.iter().filter_map(|i| all.get(*i as usize)))
    }

    /// The text of the `///` lines above it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Parts of the SQL with the parts of the source that they were made of, outer ones first;
    /// empty unless [`Builder::map_spans`](crate::Builder::map_spans) asked for them.
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

/// The result of compiling: definitions without errors, and all diagnostics.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub(super) dialect: Dialect,
    pub(super) definitions: Vec<Definition>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) meanings: Vec<(Span, String)>,
}

impl Compiled {
    /// What each cell and each range of cells of a worksheet's formulas means, with where it stands: of `B0`, in the order
    /// of months, `revenue of the row before, by month`.
    ///
    /// ```
    /// use formulac_core::{Compiler, Context};
    /// let sheet = Compiler::builder().context(Context::Worksheet).columns(["month", "revenue"]).order_by(["month"]);
    /// let compiled = sheet.build().compile("=B1 / B0 - 1");
    /// assert_eq!(compiled.meanings()[1].1, "revenue of the row before, by month");
    /// ```
    #[must_use]
    pub fn meanings(&self) -> &[(Span, String)] {
        &self.meanings
    }

    /// The dialect of the SQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The definitions without errors, in the order written.
    #[must_use]
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Everything that was found, in the order of the text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The definitions when there is no error, else the diagnostics.
    ///
    /// # Errors
    ///
    /// The diagnostics, warnings among them, when at least one is an error.
    pub fn into_result(self) -> Result<Vec<Definition>, Vec<Diagnostic>> {
        if self.has_errors() { Err(self.diagnostics) } else { Ok(self.definitions) }
    }
}
