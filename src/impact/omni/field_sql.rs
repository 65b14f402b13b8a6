//! SQL in Omni files: `${…}` refers to fields and views, and the rest is SQL in the dialect of the warehouse.

use std::collections::BTreeSet;

use crate::definitions::find_identifiers;

use crate::dialect::Dialect;
use crate::lineage;
use crate::schema::{omni_references, replace_omni_references, without_looker_tables};

/// Columns and fields that SQL with `${…}` reads.
pub(super) struct FieldSql {
    pub columns: BTreeSet<String>,
    pub fields: BTreeSet<String>,
    /// Whether the SQL could not be parsed. If `true`, every word in the SQL is treated as a column.
    pub is_guessed: bool,
}

impl FieldSql {
    pub fn read(sql: &str, dialect: Option<Dialect>) -> Self {
        let sql = &without_looker_tables(sql);
        let fields: BTreeSet<String> = field_references(sql).collect();
        let plain = replace_field_references(sql, |_| "1".to_owned());
        let (columns, is_guessed) = match lineage::columns_of_expression(&plain, dialect) {
            Some(columns) => (columns.into_iter().collect(), false),
            None => (find_identifiers(&plain), true),
        };
        Self {
            columns,
            fields,
            is_guessed,
        }
    }
}

/// Returns the names of the fields in `${…}`, in lower case and without timeframes.
pub(super) fn field_references(sql: &str) -> impl Iterator<Item = String> + '_ {
    omni_references(sql).map(|(_, name)| without_timeframe(name).to_lowercase())
}

/// Returns the names of the fields in `${…}`, and each `view.field` without `${…}`, as in join conditions.
pub(super) fn fields_referenced_in_sql(sql: &str) -> BTreeSet<String> {
    let plain = replace_field_references(sql, |_| " ".to_owned());
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let words = plain
        .split(|c| !is_part(c))
        .filter(|word| word.contains('.') && !word.starts_with(|c: char| c.is_numeric()));
    field_references(sql).chain(words.map(str::to_lowercase)).collect()
}

/// Replaces each `${…}` in SQL with the result of `with`.
pub(super) fn replace_field_references(sql: &str, mut with: impl FnMut(&str) -> String) -> String {
    replace_omni_references(sql, |name| format!(" {} ", with(without_timeframe(name))))
}

/// Removes the timeframe from the name of a field. For example, `created_at[month]` becomes `created_at`.
pub(super) fn without_timeframe(name: &str) -> &str {
    name.split_once('[').map_or(name, |(name, _)| name).trim()
}
