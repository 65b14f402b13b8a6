//! Names of cells and ranges, derived from their columns.

use super::from_text::name_from_text;
use crate::catalog::{self, internal};
use crate::ir::{CellFrame, FrameBound, Ir, IrId, Program, WindowFrame};

/// Returns a name for a cell or a cell range, derived from its column, because the source does not contain the
/// column's name.
pub(super) fn cell_name(program: &Program, id: IrId, text: &str) -> Option<String> {
    let (call, over) = match program.node(id) {
        Ir::Window { call, over } => (call, program.window_frame(over)),
        Ir::Apply { overload, args } if catalog::overload_owner(overload) == internal::JOINED_LISTS => {
            let list = program.operands(*program.args(args).first()?).next()?;
            let name = column_name_not_in_text(program, program.operands(list).next()?, "")?;
            return Some(format!("{name}_values_in_range"));
        }
        _ => return None,
    };
    let Ir::Apply { overload, args } = program.node(call) else {
        return None;
    };
    let args = program.args(args);
    let function = catalog::overload_owner(overload);
    if function == internal::PLACE {
        return Some("pivot_index".to_owned());
    }
    if let WindowFrame::Across(across) = over {
        return pivot_cell_name(program, function, args, across);
    }
    if function == internal::ROW_NUMBER {
        return (!text.contains('(')).then(|| "row_number".to_owned());
    }
    if function == internal::DENSE_RANK {
        return column_name_not_in_text(program, *args.first()?, "").map(|name| format!("place_of_{name}"));
    }
    if function == internal::LISTED {
        let name = column_name_not_in_text(program, *args.first()?, "")?;
        let so_far = matches!(
            over,
            WindowFrame::Rows {
                from: FrameBound::First,
                to: FrameBound::At(0)
            }
        );
        return Some(if so_far {
            format!("{name}_values_so_far")
        } else {
            format!("{name}_values_of_some_rows")
        });
    }
    // A value from a single row has the same name regardless of the notation in the formula.
    let is_of_row = [
        internal::LAG,
        internal::LEAD,
        internal::FIRST_VALUE,
        internal::LAST_VALUE,
        internal::NTH_VALUE,
    ];
    let name = column_name_not_in_text(
        program,
        *args.first()?,
        if is_of_row.contains(&function) { "" } else { text },
    )?;
    let rows = args.get(1).and_then(|rows| match program.node(*rows) {
        Ir::Number(digits) => Some(program.text(digits)),
        _ => None,
    });
    Some(match (function, rows, over) {
        (internal::LAG, Some("1"), _) => format!("previous_{name}"),
        (internal::LEAD, Some("1"), _) => format!("next_{name}"),
        (internal::LAG, Some(rows), _) => format!("{name}_{rows}_rows_before"),
        (internal::LEAD, Some(rows), _) => format!("{name}_{rows}_rows_after"),
        (internal::FIRST_VALUE, ..) => format!("first_{name}"),
        (internal::LAST_VALUE, ..) => format!("last_{name}"),
        (internal::NTH_VALUE, Some(row), _) => format!("{name}_in_row_{row}"),
        _ => {
            let function = name_from_text(catalog::display_name(function)?)?;
            match over {
                WindowFrame::Rows {
                    from: FrameBound::First,
                    to: FrameBound::At(0),
                } => {
                    format!("running_{function}_{name}")
                }
                WindowFrame::Rows { .. } => format!("moving_{function}_{name}"),
                _ => format!("{function}_of_all_{name}"),
            }
        }
    })
}

/// Returns a name for a value that reads only some rows of a column, such as `revenue_from_row_3` or
/// `revenue_in_rows_2_to_5`.
pub(in crate::plan) fn row_range_name(program: &Program, id: IrId) -> Option<String> {
    let Ir::Case(arms) = program.node(id) else { return None };
    let [only, value] = program.args(arms) else { return None };
    let name = column_name_not_in_text(program, *value, "")?;
    let bound = |id: IrId| {
        let Ir::Apply { overload, args } = program.node(id) else {
            return None;
        };
        let [row, number] = program.args(args) else { return None };
        let Ir::Window { call, .. } = program.node(*row) else {
            return None;
        };
        let Ir::Apply {
            overload: counter_overload,
            ..
        } = program.node(call)
        else {
            return None;
        };
        let Ir::Number(digits) = program.node(*number) else {
            return None;
        };
        let counts = catalog::overload_owner(counter_overload) == internal::ROW_NUMBER;
        counts.then(|| (catalog::overload_owner(overload), program.text(digits)))
    };
    let bounds: Vec<_> = match program.node(*only) {
        Ir::And(conjuncts) => program.args(conjuncts).iter().filter_map(|id| bound(*id)).collect(),
        _ => bound(*only).into_iter().collect(),
    };
    Some(match bounds.as_slice() {
        [(internal::GREATER_EQUAL, first), (internal::LESS_EQUAL, last)] => {
            format!("{name}_in_rows_{first}_to_{last}")
        }
        [(internal::GREATER_EQUAL, first)] => format!("{name}_from_row_{first}"),
        [(internal::LESS_EQUAL, last)] => format!("{name}_to_row_{last}"),
        _ => return None,
    })
}

/// Returns a name for a cell in another column of a pivot, such as `revenue_to_the_left`, or for all cells in a
/// row, such as `row_sum_revenue`.
fn pivot_cell_name(
    program: &Program,
    function: crate::catalog::FunctionId,
    args: &[IrId],
    across: CellFrame,
) -> Option<String> {
    let name = column_name_not_in_text(program, *args.first()?, "")?;
    let columns = args.get(1).and_then(|columns| match program.node(*columns) {
        Ir::Number(digits) => Some(program.text(digits)),
        _ => None,
    });
    Some(match (function, columns) {
        (internal::LAG, Some("1")) => format!("{name}_to_the_left"),
        (internal::LEAD, Some("1")) => format!("{name}_to_the_right"),
        (internal::LAG, Some(columns)) => format!("{name}_{columns}_to_the_left"),
        (internal::LEAD, Some(columns)) => format!("{name}_{columns}_to_the_right"),
        (internal::LISTED, _) if across == CellFrame::All => format!("{name}_values_in_row"),
        (internal::LISTED, _) => format!("{name}_values_beside"),
        _ => {
            let function = name_from_text(catalog::display_name(function)?)?;
            let part = if across == CellFrame::All { "row" } else { "beside" };
            format!("{part}_{function}_{name}")
        }
    })
}

/// Returns the name of the column to which a value refers. `None` if the source already contains the name.
pub(super) fn column_name_not_in_text(program: &Program, value: IrId, text: &str) -> Option<String> {
    let name = match program.node(value) {
        Ir::Column(column) => program.columns.try_get(column as usize)?.name.to_string(),
        Ir::Definition(definition) => program
            .definitions
            .try_get(definition as usize)?
            .name
            .as_deref()?
            .to_owned(),
        // A number without source text is a constant that the compiler added to mark existing rows.
        Ir::Number(_) if text.is_empty() => "row".to_owned(),
        _ => return None,
    };
    let is_in_text = !text.is_empty() && text.to_lowercase().contains(&name.to_lowercase());
    name_from_text(&name).filter(|_| !is_in_text)
}
