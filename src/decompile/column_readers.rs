//! Columns and clauses of a query that use a column, and formulas that contain the name of a definition.

use std::collections::HashSet;

use super::columns::ColumnResolver;
use super::file::{FilePartKind, FilePartPosition, SqlFile, is_same_name, token_name};
use super::formula_names::replace_formula_names;
use crate::dialect::Dialect;

/// Returns the columns and clauses of a query that use a column, directly or through other columns. Each result
/// contains a position and the SQL at this position.
///
/// ```
/// use formulac_catalog::Dialect;
/// use formulac_decompile::{SqlEdits, column_readers};
///
/// let sql = "with sums as (select sum(x) as a from t)\nselect a, a * 2 as b, 1 as c from sums\n";
/// let edits = SqlEdits::from_texts(sql, &sql.replace("sum(x)", "sum(y)"), Dialect::default());
/// let readers = column_readers(sql, Dialect::default(), &edits.items[0].position);
/// let columns: Vec<_> = readers.iter().map(|(part, sql)| (part.column_name_if_column().unwrap(), sql.as_str())).collect();
/// assert_eq!(columns, [("a", "a"), ("b", "a * 2")]);
/// ```
#[must_use]
pub fn column_readers(sql: &str, dialect: Dialect, column: &FilePartPosition) -> Vec<(FilePartPosition, String)> {
    let Some(name) = column.column_name_if_column() else {
        return Vec::new();
    };
    let file = SqlFile::read(sql, dialect);
    let resolver = ColumnResolver::new(&file);
    let mut column_keys = HashSet::from([(column.cte.clone(), name.to_ascii_lowercase())]);
    let mut readers = Vec::new();
    // Only columns of earlier CTEs can be read, so one pass over the parts is enough.
    for part in file.parts.iter().filter(|part| part.position != *column) {
        let cte = part.position.cte.as_deref();
        let is_found = |token_index: usize| {
            let (relation, name) = column_name_at(&file, token_index)?;
            let (_, column_expression) = resolver.find_source_of_name(cte, relation.as_deref(), &name)?;
            column_keys
                .contains(&(column_expression.cte, name.to_ascii_lowercase()))
                .then_some(())
        };
        if part.tokens.clone().find_map(is_found).is_none() {
            continue;
        }
        if let FilePartKind::Column(name) = &part.position.kind {
            column_keys.insert((part.position.cte.clone(), name.to_ascii_lowercase()));
        }
        readers.push((part.position.clone(), file.text(&part.tokens).to_owned()));
    }
    readers
}

/// Returns whether a select of a query has a column with this name.
#[must_use]
pub fn has_column(sql: &str, name: &str, dialect: Dialect) -> bool {
    let file = SqlFile::read(sql, dialect);
    let mut names = file
        .parts
        .iter()
        .filter_map(|part| part.position.column_name_if_column());
    names.any(|column| is_same_name(column, name))
}

/// Returns the name at a token, with the name of its relation. `None` if the token is not the name of a column.
pub(super) fn column_name_at(file: &SqlFile<'_>, token_index: usize) -> Option<(Option<String>, String)> {
    let is_function_or_relation = matches!(file.key(token_index + 1).as_str(), "(" | ".");
    let name = token_name(
        *file.tokens.get(token_index).filter(|_| !is_function_or_relation)?,
        file,
    )?;
    let dot = token_index.checked_sub(1).filter(|dot| file.key(*dot) == ".");
    let relation = dot.and_then(|dot| token_name(*file.tokens.get(dot.checked_sub(1)?)?, file));
    Some((relation, name))
}

/// Returns whether a formula uses this name for anything other than a function.
///
/// ```
/// use formulac_decompile::uses_name;
/// assert!(uses_name("Sum + 1", "sum"));
/// assert!(!uses_name("SUM(x) & \"sum\"", "sum"));
/// ```
#[must_use]
pub fn uses_name(formula: &str, name: &str) -> bool {
    replace_formula_names(formula, &[(name, String::new())]) != formula
}
