//! English descriptions of cells and cell ranges: `B0` is "revenue of the previous row, by month".

use formulac_syntax::text::format_count;

use super::{CellRange, SheetRow};
use crate::check::DefinitionRole;
use crate::check::lower::Lowerer;
use crate::check::names::NameTarget;
use crate::span::Span;

impl Lowerer<'_> {
    /// Records the description of a cell, a range or a call for the explanation of a formula. Does nothing for specs,
    /// because their formulas are not explained.
    pub(in crate::check) fn record_description(&mut self, span: Span, words: impl FnOnce(&Self) -> String) {
        if !self.scope.strata {
            let words = words(self);
            self.program.meanings.push((span, words));
        }
    }

    pub(in crate::check) fn describe_cell(&self, target: NameTarget, row: SheetRow) -> String {
        let (name, order) = (self.target_name(target), self.describe_sort_order());
        match row {
            SheetRow::Unspecified | SheetRow::At(0) => format!("{name} of this row"),
            SheetRow::At(-1) => format!("{name} of the previous row{order}"),
            SheetRow::At(1) => format!("{name} of the next row{order}"),
            SheetRow::At(rows) if rows < 0 => format!("{name} {} rows before{order}", rows.unsigned_abs()),
            SheetRow::At(rows) => format!("{name} {rows} rows after{order}"),
            SheetRow::Fixed(1) => format!("{name} of the first row{order}"),
            SheetRow::Fixed(row) => format!("{name} of row {row}{order}"),
        }
    }

    pub(in crate::check) fn describe_range(&self, range: &CellRange) -> String {
        let names = match range.of.as_slice() {
            [target] => self.target_name(*target).to_owned(),
            [first, .., last] => format!("{} to {}", self.target_name(*first), self.target_name(*last)),
            [] => String::new(),
        };
        let (from, to) = (range.from, range.to);
        let rows = match (from, to) {
            (SheetRow::Unspecified, SheetRow::Unspecified) => "all rows".to_owned(),
            (SheetRow::At(a), SheetRow::At(b)) => describe_row_offsets(a.min(b), a.max(b)),
            (SheetRow::Fixed(a), SheetRow::Fixed(b)) => format!("rows {} to {}", a.min(b), a.max(b)),
            (from, to) => format!(
                "the rows from {} to {}",
                describe_range_end(from, true),
                describe_range_end(to, false)
            ),
        };
        let order = if (from, to) == (SheetRow::Unspecified, SheetRow::Unspecified) {
            ""
        } else {
            self.describe_sort_order()
        };
        format!("{names} of {rows}{order}")
    }

    fn target_name(&self, target: NameTarget) -> &str {
        match target {
            NameTarget::Column(column) => &self.program.columns[column as usize].name,
            NameTarget::Definition(definition) => self.program.definitions[definition as usize]
                .name
                .as_deref()
                .unwrap_or("it"),
            _ => "it",
        }
    }

    /// Returns the sort order as text, such as `, by month`, or an empty string if the sheet has no sort order. The
    /// missing order is reported elsewhere.
    fn describe_sort_order(&self) -> &str {
        self.order_in_words.get_or_init(|| {
            let keys = self
                .ast
                .definitions
                .iter()
                .filter(|d| self.scope.role(d.part) == DefinitionRole::OrderBy);
            let keys: Vec<&str> = keys.map(|d| d.span.text(self.source).trim()).collect();
            if keys.is_empty() {
                String::new()
            } else {
                format!(", by {}", keys.join(", "))
            }
        })
    }
}

fn format_row_count(rows: u64) -> String {
    format_count(rows, "row", "rows")
}

/// Describes the rows between two offsets from the current row.
fn describe_row_offsets(from: i64, to: i64) -> String {
    let (before, after) = (from.unsigned_abs(), to.unsigned_abs());
    match (from, to) {
        (0, 0) => "this row".to_owned(),
        (0, to) if to > 0 => format!("this row and the {after} after it"),
        (from, 0) if from < 0 => format!("this row and the {before} before it"),
        (from, to) if from < 0 && to > 0 => format!("this row, the {before} before it and the {after} after it"),
        _ => {
            let (first, last) = (format_row_count(before), format_row_count(after));
            let side = if from > 0 { "after" } else { "before" };
            format!("the rows from {first} to {last} {side} this row")
        }
    }
}

fn describe_range_end(row: SheetRow, first: bool) -> String {
    match row {
        SheetRow::Unspecified => if first { "the first" } else { "the last" }.to_owned(),
        SheetRow::Fixed(1) => "the first".to_owned(),
        SheetRow::Fixed(row) => format!("row {row}"),
        SheetRow::At(0) => "this one".to_owned(),
        SheetRow::At(-1) => "the previous row".to_owned(),
        SheetRow::At(1) => "the next".to_owned(),
        SheetRow::At(rows) if rows < 0 => format!("the row {} rows before this row", rows.unsigned_abs()),
        SheetRow::At(rows) => format!("the row {rows} rows after this row"),
    }
}

#[cfg(test)]
mod tests {
    use super::describe_row_offsets;

    #[test]
    fn row_ranges_are_described() {
        for (from, to, words) in [
            (0, 4, "this row and the 4 after it"),
            (-2, 0, "this row and the 2 before it"),
            (-1, 1, "this row, the 1 before it and the 1 after it"),
            (-3, -1, "the rows from 3 rows to 1 row before this row"),
            (1, 2, "the rows from 1 row to 2 rows after this row"),
        ] {
            assert_eq!(describe_row_offsets(from, to), words);
        }
    }
}
