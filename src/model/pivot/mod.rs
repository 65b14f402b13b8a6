//! Pivoted worksheets: adds rows for empty cells if formulas need them, and generates the long or wide form.

mod cells;
mod long_form;
mod values;
mod wide_form;

use crate::plan::StepInput;
use crate::schema::Relation;
use values::PivotValue;

/// Cells of a pivoted sheet. There is one row per cell, even if the input has no row for the cell.
#[derive(Debug)]
pub struct PivotCells {
    /// Name of the CTE.
    pub name: String,
    /// Columns of the CTE. `None` if no schema lists the columns of the input.
    pub relation: Option<Relation>,
    pub grain: Vec<String>,
    /// Columns of the CTE that the step keeps, including helper columns.
    pub kept_columns: Vec<String>,
    /// Values for which the wide form has columns. Empty for the long form.
    values: Vec<PivotValue>,
    /// Totals that are the same in all cells of a row.
    totals_of_rows: Vec<String>,
    /// Boolean column that is true if a cell has a row. Only the long form has this column.
    has_row: Option<String>,
    /// Column with the number of the pivot column. Only the wide form has this column.
    pub pivot_number: Option<String>,
}

impl PivotCells {
    /// Returns the step's input, with the sheet's cells in place of its rows.
    pub fn with_cells<'c>(&'c self, step_input: &StepInput<'c>) -> StepInput<'c> {
        StepInput {
            name: &self.name,
            source: None,
            relation: self.relation.as_ref(),
            grain: &self.grain,
            ..step_input.clone()
        }
    }
}

/// Returns whether a list contains a column, regardless of case.
fn has_column(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}
