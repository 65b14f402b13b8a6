//! Columns of unknown type whose type decides the SQL.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Compiled, Compiler};
use crate::Type;
use crate::ir::ColumnUse;

/// Columns that are tried in one text; each is one more compilation.
const TRIED: usize = 20;

/// A column whose type is not known, in a text whose SQL would be another if the column had another type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndecidedType {
    /// The column, after its relation where one is known.
    pub column: String,
    /// The type that was inferred from its use; `Unknown` if nothing in the text asks for a type.
    pub assumed: Type,
    /// A type that gives other SQL.
    pub other: Type,
}

impl Compiler {
    /// Lists the columns of unknown type whose type decides the SQL of a text.
    ///
    /// ```
    /// use formulac_core::{Compiler, Type};
    /// let compiler = Compiler::default();
    /// let undecided = |text| compiler.undecided_types(text, &compiler.compile(text));
    /// let days = undecided("DATEDIF(signed_up, left_on, \"D\")");
    /// assert_eq!((days[0].column.as_str(), days[0].assumed, days[0].other), ("signed_up", Type::Date, Type::Timestamp));
    /// assert!(undecided("SUM(amount)").is_empty());
    /// ```
    #[must_use]
    pub fn undecided_types(&self, text: &str, compiled: &Compiled) -> Vec<UndecidedType> {
        let sql = |compiled: &Compiled| -> Option<Vec<String>> {
            let is_sound = compiled.diagnostics().iter().all(|diagnostic| !diagnostic.is_error());
            is_sound.then(|| compiled.definitions().iter().map(|it| it.sql().to_owned()).collect())
        };
        let Some(before) = sql(compiled) else { return Vec::new() };
        let columns = compiled.definitions().iter().flat_map(|definition| definition.columns());
        let columns = columns.filter_map(|column| Some((column.path(), column.name(), column.assumed()?)));
        self.undecided(columns, |compiler| sql(&compiler.compile(text)).is_some_and(|sql| sql != before))
    }

    /// The same for any text. `columns` are paths, names and assumed types; `differs` compiles the text once more and compares.
    pub fn undecided<'c>(
        &self,
        columns: impl Iterator<Item = (String, &'c str, Type)>,
        differs: impl Fn(&Self) -> bool,
    ) -> Vec<UndecidedType> {
        let mut options = (*self.options).clone();
        let mut found = Vec::new();
        let mut seen = FxHashSet::default();
        for (path, name, assumed) in columns.filter(|(path, ..)| seen.insert(path.clone())).take(TRIED) {
            let other = others(assumed).iter().copied().find(|other| {
                options.given_types = vec![(name.to_ascii_lowercase(), *other)];
                differs(&Self { options: Arc::new(options.clone()), pool: Arc::clone(&self.pool) })
            });
            found.extend(other.map(|other| UndecidedType { column: path, assumed, other }));
        }
        found
    }
}

/// A column after its relation.
#[must_use]
pub fn path(column: &ColumnUse) -> String {
    match &column.relation {
        Some(relation) => format!("{relation}.{}", column.name),
        None => column.name.to_string(),
    }
}

/// Types that a column may have in place of the one that its use asks for. SQL for a number of unknown kind is right for
/// each kind.
fn others(assumed: Type) -> &'static [Type] {
    match assumed {
        Type::Date => &[Type::Timestamp],
        Type::Timestamp | Type::Timestamptz => &[Type::Date],
        Type::Integer | Type::Decimal | Type::Float | Type::Number => &[Type::Timestamp],
        Type::Text | Type::Unknown => &[Type::Integer, Type::Timestamp],
        _ => &[],
    }
}
