//! Restores the order of columns that a formatter or user moved within a select. For example, sqlfluff moves plain
//! columns before computed columns (ST06).

use super::file::{FilePartKind, SqlFile};
use super::layout::SelectLayout;
use crate::dialect::Dialect;

/// Returns a query in which the columns of each select have the same order as in another version of the query. `None`
/// if no column was moved, or if columns are identified by position, as in a `union`.
pub fn with_column_order_of(text: &str, other: &str, dialect: Dialect) -> Option<String> {
    reorder_columns_of_selects(&SqlFile::read(text, dialect), &SqlFile::read(other, dialect))
}

pub(super) fn reorder_columns_of_selects(moved: &SqlFile<'_>, other: &SqlFile<'_>) -> Option<String> {
    match moved.without_column_positions() {
        // A position such as `group by 1` would refer to another column.
        Some(text) => reorder_named_columns(&SqlFile::read(&text, moved.dialect), other),
        None => reorder_named_columns(moved, other),
    }
}

fn reorder_named_columns(moved: &SqlFile<'_>, other: &SqlFile<'_>) -> Option<String> {
    let unites_all_columns = |file: &&SqlFile<'_>| {
        let is_united = |cte: &Option<String>| {
            file.parts
                .iter()
                .any(|part| part.position.branch > 0 && part.position.cte == *cte)
        };
        let mut unnamed = file
            .parts
            .iter()
            .filter(|part| part.position.kind == FilePartKind::Unnamed);
        unnamed.any(|part| is_united(&part.position.cte))
    };
    if [moved, other].iter().any(unites_all_columns) {
        return None;
    }
    let selects = |file: &SqlFile<'_>| {
        let cte_names = file.ctes.iter().map(|name| Some(name.to_ascii_lowercase()));
        let inside = file
            .cte_tokens
            .iter()
            .map(|cte| cte.start + 3..cte.end.saturating_sub(1));
        let selects: Vec<_> = cte_names.zip(inside).chain([(None, file.last.clone())]).collect();
        selects
    };
    let (text, others) = (moved.source, selects(other));
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (name, tokens) in selects(moved) {
        let other_select = others.iter().find(|(other, _)| *other == name);
        let select_layout = other_select.and_then(|(_, tokens)| SelectLayout::read(other, tokens));
        let (Some(layout), Some(other_layout)) = (SelectLayout::read(moved, &tokens), select_layout) else {
            continue;
        };
        let rank = |key: &str| other_layout.columns.iter().position(|column| column.key == key);
        let places: Vec<_> = layout
            .columns
            .iter()
            .filter(|column| rank(&column.key).is_some())
            .collect();
        let mut columns = places.clone();
        columns.sort_by_key(|column| rank(&column.key));
        for (index, column) in places.into_iter().zip(columns) {
            let bytes = moved.byte_range(&index.tokens);
            out.push_str(text.get(end..bytes.start)?);
            out.push_str(moved.text(&column.tokens));
            end = bytes.end;
        }
    }
    out.push_str(text.get(end..)?);
    (out != text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::with_column_order_of;
    use crate::dialect::Dialect;

    #[test]
    fn columns_are_restored_to_their_order() {
        let dialect = Dialect::default();
        let generated_sql = "with a as (\n  select x, sum(y) as s, z\n  from t\n)\n\nselect s, x, z + 1 as w from a\n";
        let moved = "with a as (\n  select x, z, SUM(y) as s\n  from t\n)\n\nselect x, s, -- all\n z + 1 as w from a\n";
        let expected =
            "with a as (\n  select x, SUM(y) as s, z\n  from t\n)\n\nselect s, x, -- all\n z + 1 as w from a\n";
        assert_eq!(
            with_column_order_of(moved, generated_sql, dialect).as_deref(),
            Some(expected)
        );
        assert_eq!(with_column_order_of(generated_sql, generated_sql, dialect), None);
        // Columns that exist in only one version keep their positions.
        let more = "select x, more, s from a";
        assert_eq!(
            with_column_order_of(more, "select s, less, x from a", dialect).as_deref(),
            Some("select s, more, x from a")
        );
        // In a union, columns are matched by position.
        assert_eq!(
            with_column_order_of(
                "select x, y from a union all select y, x from b",
                "select y, x from a",
                dialect
            ),
            None
        );
    }
}
