//! Rows of a sheet's result: one per table row or, in the wide form of a pivot, one per row of the sheet.

use crate::grid::{Grid, Here};
use crate::sheet::Sheet;
use crate::table::Table;
use crate::value::Value;

pub enum Shown {
    Long(Vec<Vec<Value>>),
    /// Rows and columns of the sheet. Each entry contains the values in the columns of the pivot.
    Wide {
        rows: Vec<Vec<Vec<Value>>>,
        of_rows: Vec<bool>,
        of_grids: Vec<bool>,
    },
}

impl Shown {
    pub fn from_sheet(sheet: &Sheet, table: &Table) -> Self {
        let mut grid = Grid::new(sheet, table);
        let is_wide = sheet.pivot.as_ref().is_some_and(|pivot| pivot.values.is_some());
        if !is_wide {
            let filled = grid.layout.filled_cells.clone();
            let rows = filled
                .iter()
                .map(|at| (0..sheet.width()).map(|column| grid.cell(column, *at)).collect());
            return Self::Long(rows.collect());
        }
        let (height, width) = (grid.layout.height(1), grid.layout.width() as i64);
        let mut rows = Vec::new();
        for row in 1..=height {
            let mut along = |column| {
                (1..=width)
                    .map(|across| grid.cell(column, Here { row, across }))
                    .collect()
            };
            rows.push((0..sheet.width()).map(&mut along).collect());
        }
        Self::Wide {
            rows,
            of_rows: grid.layout.of_rows.clone(),
            of_grids: grid.layout.of_grids.clone(),
        }
    }

    /// Returns the columns and rows that a result must have. The result may list a calculation once instead of once per
    /// pivot value, if this is correct.
    pub fn expected_result(&self, sheet: &Sheet, names: &[String]) -> (Vec<String>, Vec<Vec<Value>>) {
        let name_of = |column: usize| sheet.name_of(column).to_lowercase();
        let (rows, of_rows, of_grids) = match self {
            Self::Long(rows) => return ((0..sheet.width()).map(name_of).collect(), rows.clone()),
            Self::Wide {
                rows,
                of_rows,
                of_grids,
            } => (rows, of_rows, of_grids),
        };
        let values = sheet.pivot.iter().flat_map(|pivot| pivot.values.iter().flatten());
        let values: Vec<String> = values.map(|value| value.text().replace('-', "_")).collect();
        let is = |which: &[bool], column: usize| which.get(column) == Some(&true);
        let mut wanted = Vec::new();
        let mut cells = vec![Vec::new(); rows.len()];
        for column in (0..sheet.width()).filter(|column| !is(of_grids, *column)) {
            let name = name_of(column);
            let alike = rows
                .iter()
                .all(|row| row[column].iter().all(|value| *value == row[column][0]));
            let once = is(of_rows, column) || (alike && names.contains(&name));
            for (index, value) in values.iter().enumerate().take(if once { 1 } else { values.len() }) {
                wanted.push(if once { name.clone() } else { format!("{name}_{value}") });
                cells
                    .iter_mut()
                    .zip(rows)
                    .for_each(|(cells, row)| cells.push(row[column][index].clone()));
            }
        }
        (wanted, cells)
    }

    /// Returns the values of each calculation for the report.
    pub fn calculation_values(&self, own: usize) -> Vec<Vec<&Value>> {
        match self {
            Self::Long(rows) => {
                let count = rows.first().map_or(0, Vec::len);
                (own..count)
                    .map(|column| rows.iter().map(|row| &row[column]).collect())
                    .collect()
            }
            Self::Wide { rows, .. } => {
                let count = rows.first().map_or(0, Vec::len);
                (own..count)
                    .map(|column| rows.iter().flat_map(|row| &row[column]).collect())
                    .collect()
            }
        }
    }
}
