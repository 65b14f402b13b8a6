//! Finds columns of unknown type whose type affects the SQL.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Compiled, Compiler, Definition};
use crate::Type;
use crate::check::OtherFileDefinitions;
use crate::ir::ColumnUse;

/// Maximum number of columns to test per source. Each test compiles the source again.
const MAX_TESTED_COLUMNS: usize = 20;

/// Column of unknown type whose type affects the SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TypeSensitiveColumn {
    /// Name of the column, prefixed with its relation if the relation is known.
    pub column: String,
    /// Type inferred from the uses of the column. `Unknown` if nothing in the source determines the type.
    pub assumed: Type,
    /// Alternative type that changes the SQL.
    pub other: Type,
}

impl Compiler {
    /// Returns the columns of unknown type whose type affects the SQL of the source.
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
    pub fn undecided_types(&self, text: &str, compiled: &Compiled) -> Vec<TypeSensitiveColumn> {
        if compiled.has_errors() {
            return Vec::new();
        }
        let columns = compiled.definitions().iter().flat_map(Definition::columns);
        let mut columns = columns
            .filter_map(|column| {
                let assumed = column.assumed()?;
                Some((column.path(), column.name(), assumed))
            })
            .peekable();
        if columns.peek().is_none() {
            return Vec::new();
        }
        let keys = self.append_option_keys(text);
        self.pool.with_compile_memory(|memory| {
            self.parse(memory, text, keys.as_ref(), &mut Vec::new());
            self.find_type_sensitive_columns(columns, |compiler| {
                let source = (text, keys.as_ref());
                let other = compiler.compile_parsed(
                    memory,
                    source,
                    true,
                    OtherFileDefinitions::default(),
                    Vec::new(),
                    |_, _| (),
                );
                let other_sql = other.definitions().iter().map(Definition::sql);
                !other.has_errors() && !other_sql.eq(compiled.definitions().iter().map(Definition::sql))
            })
        })
    }

    /// Returns the columns whose type affects the SQL, for any kind of source. `columns` contains paths, names and
    /// inferred types. `differs` compiles the source again and compares the SQL.
    pub fn find_type_sensitive_columns<'c>(
        &self,
        columns: impl Iterator<Item = (String, &'c str, Type)>,
        mut differs: impl FnMut(&Self) -> bool,
    ) -> Vec<TypeSensitiveColumn> {
        let mut options = (*self.options).clone();
        options.is_trial = true;
        let mut undecideds = Vec::new();
        let mut seen = FxHashSet::default();
        for (path, name, assumed) in columns
            .filter(|(path, ..)| seen.insert(path.clone()))
            .take(MAX_TESTED_COLUMNS)
        {
            let others = alternative_types(assumed, options.timezone.is_some());
            let other = others.into_iter().find(|other| {
                options.given_types = vec![(name.to_ascii_lowercase(), *other)];
                differs(&Self {
                    options: Arc::new(options.clone()),
                    pool: Arc::clone(&self.pool),
                })
            });
            undecideds.extend(other.map(|other| TypeSensitiveColumn {
                column: path,
                assumed,
                other,
            }));
        }
        undecideds
    }
}

/// Returns the name of a column, prefixed with its relation if the relation is known.
#[must_use]
pub fn column_path(column: &ColumnUse) -> String {
    match &column.relation {
        Some(relation) => format!("{relation}.{}", column.name),
        None => column.name.to_string(),
    }
}

/// Returns the alternative types to test for a column with an inferred type. If the column is known to be numeric, no
/// other numeric types are tested, because the SQL is correct for every numeric type. If a time zone is set, instants
/// are also tested, because they are converted to dates in this time zone.
fn alternative_types(assumed: Type, has_timezone: bool) -> Vec<Type> {
    let mut types = match assumed {
        Type::Date => vec![Type::Timestamp],
        Type::Timestamp | Type::Timestamptz => vec![Type::Date],
        Type::Integer | Type::Decimal | Type::Float | Type::Number => vec![Type::Timestamp],
        Type::Text | Type::Unknown => vec![Type::Integer, Type::Timestamp],
        Type::Boolean => vec![Type::Integer],
        _ => Vec::new(),
    };
    if has_timezone && matches!(assumed, Type::Date | Type::Timestamp | Type::Text | Type::Unknown) {
        types.push(Type::Timestamptz);
    }
    types
}
