//! Positions of a table's rows in a sheet: in the sheet's order, in separate grids if the sheet has partitions, and in
//! adjacent grids for a pivot.

use std::cmp::Ordering;

use crate::grid::Here;
use crate::sheet::Sheet;
use crate::table::Table;
use crate::value::Value;

pub struct Layout {
    /// Values of the sheet's columns, by grid and row. If the table has no row for a cell, the cell has the keys of its
    /// sheet row and its grid.
    pub cells: Vec<Vec<Vec<Value>>>,
    /// Cells for which the table has rows, in row order.
    pub filled_cells: Vec<Here>,
    /// For each column of the sheet, `true` if the column identifies the rows of a pivot (`of_rows`) or the grids of a
    /// pivot (`of_grids`). Empty if the sheet is not a pivot.
    pub of_rows: Vec<bool>,
    pub of_grids: Vec<bool>,
}

impl Layout {
    pub fn from_sheet(sheet: &Sheet, table: &Table) -> Self {
        let order = table.order(&sheet.order_by);
        let sorted = table.sorted(&order);
        let columns: Vec<usize> = sheet.columns.iter().map(|(name, _)| table.column_index(name)).collect();
        let own = |row: &[Value]| columns.iter().map(|at| row[*at].clone()).collect::<Vec<Value>>();
        let Some(pivot) = &sheet.pivot else {
            let by: Vec<(usize, bool)> = sheet
                .partition_by
                .iter()
                .map(|name| (table.column_index(name), false))
                .collect();
            let parts = keys(&sorted, &by);
            let mut cells = vec![Vec::new(); parts.len()];
            let mut filled_cells = Vec::new();
            for row in &sorted {
                let is_of = |part: &Vec<Value>| part.iter().zip(&by).all(|(value, (at, _))| row[*at] == *value);
                let at = parts.iter().position(is_of).expect("a part for each row");
                cells[at].push(own(row));
                filled_cells.push(Here {
                    row: cells[at].len() as i64,
                    across: at as i64 + 1,
                });
            }
            return Self {
                cells,
                filled_cells,
                of_rows: Vec::new(),
                of_grids: Vec::new(),
            };
        };
        let grids_by: Vec<(usize, bool)> = pivot
            .key_columns
            .iter()
            .map(|name| {
                let index = table.column_index(name);
                (index, order.iter().any(|(at, descending)| *at == index && *descending))
            })
            .collect();
        let rows_by: Vec<(usize, bool)> = order
            .iter()
            .filter(|(at, _)| grids_by.iter().all(|(grid, _)| grid != at))
            .copied()
            .collect();
        let rows = keys(&sorted, &rows_by);
        let grids = match &pivot.values {
            Some(values) => values.iter().map(|value| vec![value.clone()]).collect(),
            None => keys(&sorted, &grids_by),
        };
        let mut filled_cells = Vec::new();
        for row in &sorted {
            let at = |keys: &[Vec<Value>], by: &[(usize, bool)]| {
                keys.iter()
                    .position(|key| key.iter().zip(by).all(|(value, (at, _))| row[*at] == *value))
            };
            if let (Some(row), Some(across)) = (at(&rows, &rows_by), at(&grids, &grids_by)) {
                filled_cells.push(Here {
                    row: row as i64 + 1,
                    across: across as i64 + 1,
                });
            }
        }
        let cells = grids
            .iter()
            .map(|grid| {
                rows.iter()
                    .map(|key| {
                        let mut empty = vec![Value::Null; table.columns.len()];
                        let pairs = key.iter().zip(&rows_by).chain(grid.iter().zip(&grids_by));
                        pairs.clone().for_each(|(value, (at, _))| empty[*at] = value.clone());
                        let here = sorted
                            .iter()
                            .find(|row| pairs.clone().all(|(value, (at, _))| row[*at] == *value));
                        own(here.copied().unwrap_or(&empty))
                    })
                    .collect()
            })
            .collect();
        let is_by = |by: &[(usize, bool)]| columns.iter().map(|at| by.iter().any(|(key, _)| key == at)).collect();
        Self {
            cells,
            filled_cells,
            of_rows: is_by(&rows_by),
            of_grids: is_by(&grids_by),
        }
    }

    /// Returns the number of rows in a grid.
    pub fn height(&self, across: i64) -> i64 {
        let grid = usize::try_from(across - 1).ok().and_then(|at| self.cells.get(at));
        grid.map_or(0, |rows| rows.len() as i64)
    }

    pub fn width(&self) -> usize {
        self.cells.len()
    }

    /// Returns the indices of a cell. `None` if the cell is outside the sheet.
    pub fn cell_indices(&self, at: Here) -> Option<(usize, usize)> {
        let within = |number: i64, count: i64| usize::try_from(number - 1).ok().filter(|_| number <= count);
        within(at.across, self.width() as i64).zip(within(at.row, self.height(at.across)))
    }
}

/// Returns the distinct values of some columns, in their sort order.
fn keys(rows: &[&Vec<Value>], by: &[(usize, bool)]) -> Vec<Vec<Value>> {
    let mut keys: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| by.iter().map(|(at, _)| row[*at].clone()).collect())
        .collect();
    keys.sort_by(|a, b| {
        let values = a
            .iter()
            .zip(b)
            .zip(by)
            .map(|((a, b), (_, descending))| a.sort_order(b, *descending));
        values.fold(Ordering::Equal, Ordering::then)
    });
    keys.dedup();
    keys
}
