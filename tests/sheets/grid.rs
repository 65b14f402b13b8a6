//! Computes the results of a sheet cell by cell. Each reference is a row and a column of the grid.
//!
//! A pivot consists of several adjacent grids, one for each of its columns. With `partition_by`, there is one grid per
//! partition. Otherwise, a sheet is a single grid.

use std::cmp::Ordering;

use crate::formula::{Aggregate, Criterion, Expr, Fold, Op, Range, Row};
use crate::layout::Layout;
use crate::operations::{aggregate_cells, binary, call};
use crate::sheet::Sheet;
use crate::table::Table;
use crate::value::Value;

/// Position of a cell: its row, and the number of its grid. Both start at 1.
#[derive(Clone, Copy)]
pub struct Here {
    pub row: i64,
    pub across: i64,
}

pub struct Grid<'a> {
    pub sheet: &'a Sheet,
    pub layout: Layout,
    /// Values computed so far, by calculation, grid and row.
    computed_values: Vec<Vec<Vec<Option<Value>>>>,
    /// Rows of the other tab in the tab's order, each with all columns of the tab.
    pub tab: Vec<Vec<Value>>,
}

impl<'a> Grid<'a> {
    pub fn new(sheet: &'a Sheet, table: &Table) -> Self {
        let layout = Layout::from_sheet(sheet, table);
        let known: Vec<_> = layout.cells.iter().map(|rows| vec![None; rows.len()]).collect();
        let computed_values = vec![known; sheet.calculations.len()];
        let tab = sheet.tab.as_ref().map(super::tab::Tab::rows).unwrap_or_default();
        Self {
            sheet,
            layout,
            computed_values,
            tab,
        }
    }

    /// Returns the value of a column in a cell, or NULL outside the sheet.
    pub fn cell(&mut self, column: usize, at: Here) -> Value {
        let Some((across, row)) = self.layout.cell_indices(at) else {
            return Value::Null;
        };
        let Some(calculation) = column.checked_sub(self.sheet.columns.len()) else {
            return self.layout.cells[across][row][column].clone();
        };
        if let Some(known) = &self.computed_values[calculation][across][row] {
            return known.clone();
        }
        let sheet = self.sheet;
        let value = self.value(&sheet.calculations[calculation].formula, at);
        self.computed_values[calculation][across][row] = Some(value.clone());
        value
    }

    /// Returns the rows that a range contains for this row, truncated at the ends of the sheet.
    fn rows(&self, range: &Range, here: Here) -> std::ops::RangeInclusive<i64> {
        let number = |row: Row| match row {
            Row::At(by) => here.row + by,
            Row::Fixed(row) => row,
            Row::Unsaid => unreachable!("asked before"),
        };
        let (first, last) = match (range.from.1, range.to.1) {
            (Row::Unsaid, Row::Unsaid) => (i64::MIN, i64::MAX),
            (Row::Unsaid, to) => (i64::MIN, number(to)),
            (from, Row::Unsaid) => (number(from), i64::MAX),
            // A range with the corner `B$1` always begins at that cell, because it is in the first row of the sheet.
            (Row::Fixed(1), to @ Row::At(_)) => (i64::MIN, number(to)),
            (from @ Row::At(_), Row::Fixed(1)) => (i64::MIN, number(from)),
            (from, to) => (number(from).min(number(to)), number(from).max(number(to))),
        };
        first.max(1)..=last.min(self.layout.height(here.across))
    }

    fn cells(&mut self, range: &Range, here: Here) -> Vec<Value> {
        let columns = range.from.0.min(range.to.0)..=range.from.0.max(range.to.0);
        let rows: Vec<i64> = self.rows(range, here).collect();
        let mut cells = Vec::new();
        for column in columns {
            cells.extend(rows.iter().map(|row| self.cell(column, Here { row: *row, ..here })));
        }
        cells
    }

    pub fn value(&mut self, x: &Expr, here: Here) -> Value {
        match x {
            Expr::Int(n) => Value::Int(*n),
            Expr::Text(text) => Value::Text((*text).to_owned()),
            Expr::RowNumber => Value::Int(here.row),
            Expr::Cell(cell) => {
                let row = match cell.row {
                    Row::Unsaid => here.row,
                    Row::At(by) => here.row + by,
                    Row::Fixed(row) => row,
                };
                self.cell(cell.column, Here { row, ..here })
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.value(a, here), self.value(b, here));
                binary(*op, &a, &b)
            }
            Expr::Call(name, args) => {
                let args: Vec<Value> = args.iter().map(|x| self.value(x, here)).collect();
                call(name, &args)
            }
            Expr::Aggregate(aggregate, ranges, beside) => {
                let mut cells: Vec<Value> = ranges.iter().flat_map(|range| self.cells(range, here)).collect();
                cells.extend(beside.iter().map(|x| self.value(x, here)));
                aggregate_cells(*aggregate, &cells)
            }
            Expr::SumProduct(a, b) => {
                let (a, b) = (self.cells(a, here), self.cells(b, here));
                let products: Vec<Value> = a.iter().zip(&b).map(|(a, b)| binary(Op::Multiply, a, b)).collect();
                aggregate_cells(Aggregate::Sum, &products)
            }
            Expr::Nth { largest, range, nth } => {
                let mut cells = self.cells(range, here);
                cells.retain(|cell| !cell.is_null());
                cells.sort_by(|a, b| a.sort_order(b, *largest));
                usize::try_from(nth - 1)
                    .ok()
                    .and_then(|at| cells.get(at).cloned())
                    .unwrap_or(Value::Null)
            }
            Expr::Rank { column, ascending } => {
                let own = self.cell(*column, here);
                let others = self.column(*column, here);
                place_among(&own, &others, *ascending)
            }
            Expr::Where { fold, pairs, value, .. } => {
                let rows: Vec<i64> = self.rows(&pairs[0].0, here).collect();
                let chosen: Vec<i64> = rows
                    .into_iter()
                    .filter(|row| {
                        pairs
                            .iter()
                            .all(|(range, criterion)| self.meets_criterion(range, criterion, *row, here))
                    })
                    .collect();
                if *fold == Fold::Count {
                    return Value::Int(chosen.len() as i64);
                }
                let column = value.as_ref().unwrap_or(&pairs[0].0).from.0;
                let cells: Vec<Value> = chosen
                    .into_iter()
                    .map(|row| self.cell(column, Here { row, ..here }))
                    .collect();
                let aggregate = match fold {
                    Fold::Average => Aggregate::Average,
                    Fold::Min => Aggregate::Min,
                    Fold::Max => Aggregate::Max,
                    _ => Aggregate::Sum,
                };
                aggregate_cells(aggregate, &cells)
            }
            Expr::Lookup(lookup) => self.find_value(lookup, here),
            Expr::Pivoted(pivoted) => self.evaluate_pivot(pivoted, here),
        }
    }

    /// Returns all rows of a column in the cell's own grid.
    pub fn column(&mut self, column: usize, here: Here) -> Vec<Value> {
        (1..=self.layout.height(here.across))
            .map(|row| self.cell(column, Here { row, ..here }))
            .collect()
    }

    /// Returns `true` if a row of a range meets the criterion of this row.
    fn meets_criterion(&mut self, range: &Range, criterion: &Criterion, row: i64, here: Here) -> bool {
        let column = range.from.0;
        let cell = self.cell(column, Here { row, ..here });
        let text = |value: &Value| match value {
            Value::Text(text) => Value::Text(text.to_lowercase()),
            other => other.clone(),
        };
        let met = match criterion {
            Criterion::Number(Op::NotEqual, n) => return cell.compare(&Value::Int(*n)) != Some(Ordering::Equal),
            Criterion::Number(op, n) | Criterion::FirstCell(op, n) => binary(*op, &cell, &Value::Int(*n)),
            Criterion::Text(word) => binary(Op::Equal, &text(&cell), &Value::Text(word.to_lowercase())),
            Criterion::SameAsHere => {
                let own = self.cell(column, here);
                binary(Op::Equal, &text(&cell), &text(&own))
            }
        };
        met == Value::Bool(true)
    }
}

/// Returns the rank of a value among other values, starting at 1. Equal values have the same rank.
pub fn place_among(own: &Value, others: &[Value], ascending: bool) -> Value {
    if own.is_null() {
        return Value::Null;
    }
    let before = if ascending { Ordering::Less } else { Ordering::Greater };
    let ahead = others.iter().filter(|other| other.compare(own) == Some(before)).count();
    Value::Int(ahead as i64 + 1)
}
