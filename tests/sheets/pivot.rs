//! PIVOT, PIVOTINDEX, PIVOTOFFSET, PIVOTROW and `OMNI_RANK` along a row: their data types, their notation and their
//! results.

use crate::formula::{Aggregate, Expr, letters};
use crate::grid::{Grid, Here, place_among};
use crate::operations::aggregate_cells;
use crate::sheet::Sheet;
use crate::value::Value;

/// Columns by which a worksheet is pivoted.
#[derive(Clone, Debug)]
pub struct Pivot {
    pub key_columns: Vec<String>,
    /// Pivot values for the wide form.
    pub values: Option<Vec<Value>>,
}

/// Cells of a pivot that an aggregate reads.
#[derive(Clone, Copy, Debug)]
pub enum Area {
    /// The cells of PIVOTROW.
    Row,
    /// The cells of PIVOTOFFSET: the offset down and to the right, and the number of rows and columns.
    Offset {
        down: i64,
        right: i64,
        height: i64,
        width: i64,
    },
}

#[derive(Clone, Debug)]
pub enum Pivoted {
    Index,
    /// `PIVOT(x, n)`.
    Nth(Box<Expr>, i64),
    /// `PIVOTOFFSET(x, down, right)`.
    Offset(Box<Expr>, i64, i64),
    Aggregate(Aggregate, Box<Expr>, Area),
    /// `OMNI_RANK(C1, C:C, TRUE)`.
    RankInRow(usize),
}

impl Pivoted {
    pub fn child(&self) -> Option<&Expr> {
        match self {
            Self::Nth(x, _) | Self::Offset(x, ..) | Self::Aggregate(_, x, _) => Some(x),
            Self::Index | Self::RankInRow(_) => None,
        }
    }

    pub fn child_mut(&mut self) -> Option<&mut Expr> {
        match self {
            Self::Nth(x, _) | Self::Offset(x, ..) | Self::Aggregate(_, x, _) => Some(x),
            Self::Index | Self::RankInRow(_) => None,
        }
    }

    pub fn render_text(&self, sheet: &Sheet) -> String {
        match self {
            Self::Index => "PIVOTINDEX()".to_owned(),
            Self::Nth(x, n) => format!("PIVOT({}, {n})", x.render_text(sheet)),
            Self::Offset(x, down, right) => format!("PIVOTOFFSET({}, {down}, {right})", x.render_text(sheet)),
            Self::Aggregate(aggregate, x, area) => {
                let x = x.render_text(sheet);
                let cells = match area {
                    Area::Row => format!("PIVOTROW({x})"),
                    Area::Offset {
                        down,
                        right,
                        height,
                        width,
                    } => {
                        format!("PIVOTOFFSET({x}, {down}, {right}, {height}, {width})")
                    }
                };
                format!("{}({cells})", aggregate.name())
            }
            Self::RankInRow(column) => {
                let column = letters(*column);
                format!("OMNI_RANK({column}{}, {column}:{column}, TRUE)", sheet.anchor)
            }
        }
    }
}

impl Grid<'_> {
    /// Returns the value of a formula in another cell, or NULL outside the sheet.
    fn value_in_cell(&mut self, x: &Expr, at: Here) -> Value {
        if self.layout.cell_indices(at).is_some() {
            self.value(x, at)
        } else {
            Value::Null
        }
    }

    fn in_row(&mut self, x: &Expr, here: Here) -> Vec<Value> {
        (1..=self.layout.width() as i64)
            .map(|across| self.value(x, Here { across, ..here }))
            .collect()
    }

    pub fn evaluate_pivot(&mut self, pivoted: &Pivoted, here: Here) -> Value {
        match pivoted {
            Pivoted::Index => Value::Int(here.across),
            Pivoted::Nth(x, n) => self.value_in_cell(x, Here { across: *n, ..here }),
            Pivoted::Offset(x, down, right) => self.value_in_cell(
                x,
                Here {
                    row: here.row + down,
                    across: here.across + right,
                },
            ),
            Pivoted::Aggregate(aggregate, x, Area::Row) => aggregate_cells(*aggregate, &self.in_row(x, here)),
            Pivoted::Aggregate(
                aggregate,
                x,
                Area::Offset {
                    down,
                    right,
                    height,
                    width,
                },
            ) => {
                let mut cells = Vec::new();
                for across in here.across + right..here.across + right + width {
                    for row in here.row + down..here.row + down + height {
                        let at = Here { row, across };
                        // The range is truncated at the edges of the sheet.
                        if self.layout.cell_indices(at).is_some() {
                            cells.push(self.value(x, at));
                        }
                    }
                }
                aggregate_cells(*aggregate, &cells)
            }
            Pivoted::RankInRow(column) => {
                let own = self.cell(*column, here);
                let row: Vec<Value> = (1..=self.layout.width() as i64)
                    .map(|across| self.cell(*column, Here { across, ..here }))
                    .collect();
                place_among(&own, &row, false)
            }
        }
    }
}
