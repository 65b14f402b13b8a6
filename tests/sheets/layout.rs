//! Where a table's rows stand in a sheet: in its order, and in a pivot below each other and side by side.

use std::cmp::Ordering;

use crate::grid::Here;
use crate::sheet::Sheet;
use crate::table::Table;
use crate::value::Value;

pub struct Layout {
    /// The sheet's own columns of each cell, by grid and row; a cell that no row is in has its row's and its grid's keys.
    pub cells: Vec<Vec<Vec<Value>>>,
    /// The cells that rows are in, in the order of the rows.
    pub filled: Vec<Here>,
    /// Which of the sheet's columns tell its rows apart in a pivot, and which its grids.
    pub of_rows: Vec<bool>,
    pub of_grids: Vec<bool>,
    height: usize,
}

impl Layout {
    pub fn of(sheet: &Sheet, table: &Table) -> Self {
        let order = table.order(&sheet.order_by);
        let sorted = table.sorted(&order);
        let columns: Vec<usize> = sheet.columns.iter().map(|(name, _)| table.place(name)).collect();
        let Some(pivot) = &sheet.pivot else {
            let height = sorted.len();
            let rows = sorted.iter().map(|row| columns.iter().map(|at| row[*at].clone()).collect()).collect();
            let filled = (1..=height as i64).map(|row| Here { row, across: 1 }).collect();
            return Self { cells: vec![rows], filled, of_rows: Vec::new(), of_grids: Vec::new(), height };
        };
        let grids_by: Vec<(usize, bool)> = pivot
            .by
            .iter()
            .map(|name| {
                let place = table.place(name);
                (place, order.iter().any(|(at, descending)| *at == place && *descending))
            })
            .collect();
        let rows_by: Vec<(usize, bool)> =
            order.iter().filter(|(at, _)| grids_by.iter().all(|(grid, _)| grid != at)).copied().collect();
        let rows = keys(&sorted, &rows_by);
        let grids = match &pivot.values {
            Some(values) => values.iter().map(|value| vec![value.clone()]).collect(),
            None => keys(&sorted, &grids_by),
        };
        let mut filled = Vec::new();
        for row in &sorted {
            let at = |keys: &[Vec<Value>], by: &[(usize, bool)]| {
                keys.iter().position(|key| key.iter().zip(by).all(|(value, (at, _))| row[*at] == *value))
            };
            if let (Some(row), Some(across)) = (at(&rows, &rows_by), at(&grids, &grids_by)) {
                filled.push(Here { row: row as i64 + 1, across: across as i64 + 1 });
            }
        }
        let cells = grids
            .iter()
            .map(|grid| {
                rows.iter()
                    .map(|key| {
                        let mut own = vec![Value::Null; table.columns.len()];
                        let pairs = key.iter().zip(&rows_by).chain(grid.iter().zip(&grids_by));
                        pairs.clone().for_each(|(value, (at, _))| own[*at] = value.clone());
                        let here = sorted.iter().find(|row| pairs.clone().all(|(value, (at, _))| row[*at] == *value));
                        let own = here.copied().cloned().unwrap_or(own);
                        columns.iter().map(|at| own[*at].clone()).collect()
                    })
                    .collect()
            })
            .collect();
        let is_by = |by: &[(usize, bool)]| columns.iter().map(|at| by.iter().any(|(key, _)| key == at)).collect();
        Self { cells, filled, of_rows: is_by(&rows_by), of_grids: is_by(&grids_by), height: rows.len() }
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn width(&self) -> usize {
        self.cells.len()
    }

    /// The place of a cell; none outside the sheet.
    pub fn place(&self, at: Here) -> Option<(usize, usize)> {
        let within = |number: i64, count: usize| usize::try_from(number - 1).ok().filter(|place| *place < count);
        within(at.across, self.width()).zip(within(at.row, self.height))
    }
}

/// The different values that rows have of some columns, in their order.
fn keys(rows: &[&Vec<Value>], by: &[(usize, bool)]) -> Vec<Vec<Value>> {
    let mut keys: Vec<Vec<Value>> =
        rows.iter().map(|row| by.iter().map(|(at, _)| row[*at].clone()).collect()).collect();
    keys.sort_by(|a, b| {
        let values = a.iter().zip(b).zip(by).map(|((a, b), (_, descending))| a.order(b, *descending));
        values.fold(Ordering::Equal, Ordering::then)
    });
    keys.dedup();
    keys
}
