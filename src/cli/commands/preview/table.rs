//! Formats rows as a table that fits the terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table};

use crate::cli::engine::QueryResult;
use formulac::Type;
use formulac::diag::render::escape_hidden;

/// Minimum width in characters of a column that truncates its values.
const MIN_COLUMN_WIDTH: u16 = 8;
/// Number of characters that a column needs in addition to its values: a space on each side, and a border.
const COLUMN_PADDING: u16 = 3;

/// Returns the table, and the number of result columns that the table omits.
pub fn format_table(answer: &QueryResult, width: Option<u16>) -> (String, usize) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_truncation_indicator("…");
    table.set_header(table_row(
        answer.columns.iter().map(|column| display_cell(&column.name)).collect(),
    ));
    for row in &answer.rows {
        let values = row.iter().zip(&answer.columns);
        table.add_row(table_row(
            values
                .map(|(value, column)| format_cell(value.as_deref(), column.ty))
                .collect(),
        ));
    }
    for (index, column) in answer.columns.iter().enumerate() {
        if let Some(shape) = table.column_mut(index).filter(|_| column.ty.is_number()) {
            shape.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut left_out = 0;
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
        left_out = hide_columns(&mut table, width);
    }
    (format!("{table}\n"), left_out)
}

/// Hides the rightmost columns if the table is too wide even with narrow columns. Returns the number of hidden columns.
fn hide_columns(table: &mut Table, width: u16) -> usize {
    let widths = table.column_max_content_widths();
    let mut used_width = 1;
    let fitting = widths.iter().take_while(|natural| {
        used_width += u32::from((**natural).min(MIN_COLUMN_WIDTH) + COLUMN_PADDING);
        used_width <= u32::from(width)
    });
    let fitting = fitting.count().max(1);
    for column in table.column_iter_mut().skip(fitting) {
        column.set_constraint(ColumnConstraint::Hidden);
    }
    widths.len().saturating_sub(fitting)
}

fn table_row(texts: Vec<String>) -> Row {
    let mut row = Row::from(texts.into_iter().map(Cell::new_owned).collect::<Vec<Cell>>());
    row.max_height(1);
    row
}

/// Formats a value: NULL as `NULL`, the string "NULL" in quotes, and the empty string as blank.
fn format_cell(value: Option<&str>, ty: Type) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("NULL") => "\"NULL\"".to_owned(),
        Some(number) if ty.is_number() => display_cell(shortest_number(number)),
        Some(text) => display_cell(text),
    }
}

/// Formats a number without trailing zeros, as the formula language does, because engines differ in the number of
/// trailing zeros that they print.
fn shortest_number(number: &str) -> &str {
    if !number.contains('.') || number.contains(['e', 'E']) {
        return number;
    }
    let number = number.trim_end_matches('0');
    number.strip_suffix('.').unwrap_or(number)
}

/// Formats a value on one line, without control characters that a terminal would interpret.
fn display_cell(text: &str) -> String {
    escape_hidden(text).replace('\n', "↵").replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::engine::ResultColumn;

    fn answer(columns: usize, value: &str) -> QueryResult {
        let column = |n: usize| ResultColumn {
            name: format!("column_{n}"),
            ty: Type::Text,
        };
        let rows = vec![vec![Some(value.to_owned()); columns]];
        QueryResult {
            columns: (0..columns).map(column).collect(),
            rows,
            ..QueryResult::default()
        }
    }

    #[test]
    fn any_table_fits() {
        for columns in [0, 1, 2, 7, 40] {
            for value in ["", "é", "a\u{1b}[31m\nb", &"long ".repeat(50), &"字".repeat(100)] {
                for width in [1, 20, 80] {
                    let answer = answer(columns, value);
                    let (text, left_out) = format_table(&answer, Some(width));
                    assert!(left_out <= columns);
                    assert!(!text.contains('\u{1b}'));
                    assert_eq!(
                        text.lines().count(),
                        if columns == 0 { text.lines().count() } else { 5 },
                        "{text}"
                    );
                    let fits = text.lines().all(|line| line.chars().count() <= usize::from(width));
                    assert!(fits || width < 20, "{width}\n{text}");
                }
            }
        }
    }

    #[test]
    fn numbers_have_no_trailing_zeros() {
        for (number, expected) in [
            ("20.00", "20"),
            ("0.0", "0"),
            ("100", "100"),
            ("1.50", "1.5"),
            ("1.0e+30", "1.0e+30"),
        ] {
            assert_eq!(shortest_number(number), expected);
        }
    }

    #[test]
    fn cells_are_complete_if_there_is_room() {
        let value = "long ".repeat(50);
        let (text, left_out) = format_table(&answer(10, &value), None);
        assert_eq!((left_out, text.matches(value.trim_end()).count()), (0, 10));
    }
}
