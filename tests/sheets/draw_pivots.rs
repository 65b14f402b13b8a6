//! Generates the columns by which a worksheet is pivoted, and formulas that read other cells in the same row.

use crate::draw_formulas::Draw;
use crate::formula::{Aggregate, Cell, Expr, Row, Style};
use crate::pivot::{Area, Pivot, Pivoted};
use crate::random::Random;
use crate::table::{Kind, Table};
use crate::value::Value;

/// Generates a pivot of a table whose rows are cells.
pub fn pivot(random: &mut Random, table: &Table) -> Pivot {
    let (period, channel) = (table.key_columns[0], *table.key_columns.last().expect("a key"));
    let of_three = table.key_columns.len() == 3;
    let by = match random.random_below(10) {
        0 | 1 => vec![period],
        2 | 3 if of_three => vec!["region", channel],
        4 if of_three => vec!["region"],
        _ => vec![channel],
    };
    let mut values = None;
    if let ([key], true) = (by.as_slice(), random.chance(35)) {
        let index = table.column_index(key);
        let mut known: Vec<Value> = Vec::new();
        for row in &table.rows {
            if !row[index].is_null() && !known.contains(&row[index]) && random.chance(80) {
                known.push(row[index].clone());
            }
        }
        // This value does not occur in any row.
        if known.is_empty() || random.chance(30) {
            known.push(match table.columns[index].kind {
                Kind::Exact => Value::Int(99),
                Kind::Date => Value::Date(30_000),
                _ => Value::Text("mail".to_owned()),
            });
        }
        random.shuffle(&mut known);
        values = Some(known);
    }
    Pivot {
        key_columns: by.into_iter().map(str::to_owned).collect(),
        values,
    }
}

/// Generates the order of a pivot's rows. Together with the key, the order identifies the rows.
pub fn order(random: &mut Random, table: &Table, pivot: &Pivot) -> Vec<(String, bool)> {
    let is_row = |name: &str| pivot.key_columns.iter().all(|key| key != name);
    // If no key is known, the order contains all columns that identify rows. Otherwise it contains some of them, and
    // sometimes other columns.
    let mut names = table.key_columns.clone();
    if table.key_known {
        random.shuffle(&mut names);
        names.truncate(1 + random.random_below(names.len()));
        if !names.iter().any(|name| is_row(name)) {
            names.extend(table.key_columns.iter().copied().find(|name| is_row(name)));
        }
        if random.chance(10) {
            names.push(random.pick::<&str>(&["region", "due"]));
        }
    }
    let mut order: Vec<(String, bool)> = Vec::new();
    for name in names {
        if order.iter().all(|(known, _)| known != name) {
            order.push((name.to_owned(), random.chance(30)));
        }
    }
    order
}

impl Draw<'_> {
    /// Generates an expression that reads other cells in the row of a pivot and returns a value of this kind.
    pub fn draw_pivot_expression(&mut self, kind: Kind) -> Option<Expr> {
        const FOLDS: &[Aggregate] = &[
            Aggregate::Sum,
            Aggregate::Sum,
            Aggregate::Min,
            Aggregate::Max,
            Aggregate::Count,
            Aggregate::CountBlank,
        ];
        let (fold, least) = (
            *self.random.pick(FOLDS),
            *self.random.pick(&[Aggregate::Min, Aggregate::Max]),
        );
        let pivoted = match (kind, self.random.random_below(10)) {
            (Kind::Exact, 0) => Pivoted::Index,
            (Kind::Exact, 1) => {
                let columns = self.columns(|kind| kind == Kind::Exact);
                (!columns.is_empty()).then(|| Pivoted::RankInRow(*self.random.pick(&columns)))?
            }
            (Kind::Exact, 2..=6) => self.draw_row_aggregate(fold, kind)?,
            (Kind::Inexact, 2..=4) => self.draw_row_aggregate(Aggregate::Average, Kind::Exact)?,
            (Kind::Inexact, 5 | 6) => self.draw_row_aggregate(Aggregate::Sum, kind)?,
            (Kind::Date, 2 | 3) => self.draw_row_aggregate(least, kind)?,
            (_, 7) => Pivoted::Nth(Box::new(self.draw_own_cell(kind)?), self.random.next_between(1, 4)),
            _ => {
                let (down, right) = (self.random.next_between(-1, 1), self.random.next_between(-2, 2));
                Pivoted::Offset(Box::new(self.draw_own_cell(kind)?), down, right)
            }
        };
        Some(Expr::Pivoted(pivoted))
    }

    fn draw_row_aggregate(&mut self, aggregate: Aggregate, kind: Kind) -> Option<Pivoted> {
        let cell = self.draw_own_cell(kind)?;
        let area = match self.random.random_below(5) {
            // Cells outside the sheet are not blank cells, and a range that contains them is not truncated at this
            // point.
            0 | 1 if aggregate != Aggregate::CountBlank => Area::Offset {
                down: self.random.next_between(-2, 1),
                right: self.random.next_between(-2, 1),
                height: self.random.next_between(1, 3),
                width: self.random.next_between(1, 3),
            },
            _ => Area::Row,
        };
        Some(Pivoted::Aggregate(aggregate, Box::new(cell), area))
    }

    /// Generates a reference to a cell of this row.
    fn draw_own_cell(&mut self, kind: Kind) -> Option<Expr> {
        let columns = self.columns(|k| k == kind);
        if columns.is_empty() {
            return None;
        }
        let (row, style) = match self.random.random_below(4) {
            0 => (Row::Unsaid, Style::Plain),
            1 => (Row::At(0), Style::Lower),
            _ => (Row::At(0), Style::Plain),
        };
        Some(Expr::Cell(Cell {
            column: *self.random.pick(&columns),
            row,
            style,
        }))
    }
}
