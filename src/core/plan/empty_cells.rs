//! Checks for pivoted worksheets: whether empty cells (cells without an input row) affect the step's values, and which
//! values are the same in all cells of a row.

use super::StepPlan;
use super::liveness::{dependency_nodes, live_definitions};
use crate::Level;
use crate::arena::Arena;
use crate::catalog::{self, Nulls, internal};
use crate::ir::{CellFrame, FrameBound, Ir, IrId, Program, WindowFrame};

/// Returns `true` if a window counts empty cells or reads a value from them, so that the step needs one row per cell.
/// LAG, for example, reads empty cells.
pub fn needs_all_pivot_cells(step: &StepPlan<'_>, keys: &[String]) -> bool {
    let program = step.program;
    let live = live_definitions(step);
    let definitions = program
        .definitions
        .iter()
        .zip(&live)
        .filter(|(d, live)| **live && !d.failed);
    let mut nodes = definitions.flat_map(|(d, _)| dependency_nodes(program, d.first, d.root));
    nodes.any(|id| match program.node(id) {
        Ir::Window { call, over } => counts_empty_pivot_cells(program, call, program.window_frame(over), keys),
        Ir::PeriodLookup { value, .. } => !is_null_in_empty_pivot_cell(program, value, keys),
        // A lookup in the sheet itself also searches the rows of empty cells.
        Ir::RowLookup { lookup, .. } => program
            .lookups
            .try_get(lookup as usize)
            .is_none_or(|lookup| lookup.tab.is_none()),
        _ => false,
    })
}

fn counts_empty_pivot_cells(program: &Program, call: IrId, over: WindowFrame, keys: &[String]) -> bool {
    let Ir::Apply { overload, .. } = program.node(call) else {
        return true;
    };
    let id = catalog::overload_owner(overload);
    // COUNTBLANK is the only aggregate that counts empty cells.
    let skips = catalog::get(id).level == Level::Aggregate && id != internal::COUNTBLANK;
    let skips_empty = || {
        skips
            && program
                .operands(call)
                .next()
                .is_some_and(|value| is_null_in_empty_pivot_cell(program, value, keys))
    };
    match over {
        WindowFrame::PivotColumns => false,
        WindowFrame::Ranked { .. } | WindowFrame::Across(CellFrame::Ranked { .. }) => !program
            .operands(call)
            .next()
            .is_some_and(|value| is_null_in_empty_pivot_cell(program, value, keys)),
        WindowFrame::Partition | WindowFrame::Across(CellFrame::All) => !skips_empty(),
        // Empty cells do not change the result if the window extends from one end to the current cell or to the other
        // end.
        WindowFrame::Rows {
            from: FrameBound::First,
            to: FrameBound::At(0) | FrameBound::Last,
        }
        | WindowFrame::Rows {
            from: FrameBound::At(0),
            to: FrameBound::Last,
        } => !skips_empty(),
        _ => true,
    }
}

/// Returns whether a value is NULL in an empty cell.
fn is_null_in_empty_pivot_cell(program: &Program, value: IrId, keys: &[String]) -> bool {
    let id = program.resolve_references(value);
    let operand = |id: IrId| is_null_in_empty_pivot_cell(program, id, keys);
    match program.node(id) {
        Ir::Column(column) => !keys
            .iter()
            .any(|key| key.eq_ignore_ascii_case(&program.columns[column as usize].name)),
        Ir::Null => true,
        Ir::Apply { overload, args } => {
            catalog::null_rule(overload) == Nulls::Any && program.args(args).iter().any(|id| operand(*id))
        }
        Ir::Case(arms) => program.args(arms).chunks(2).all(|arm| match *arm {
            [condition, value] => operand(value) || is_false_in_empty_pivot_cell(program, condition, keys),
            [value] => operand(value),
            _ => false,
        }),
        Ir::Coalesce(values) => program.args(values).iter().all(|id| operand(*id)),
        _ => false,
    }
}

/// Returns whether a condition is not met in an empty cell.
fn is_false_in_empty_pivot_cell(program: &Program, condition: IrId, keys: &[String]) -> bool {
    let id = program.resolve_references(condition);
    match program.node(id) {
        Ir::And(parts) => program
            .args(parts)
            .iter()
            .any(|id| is_false_in_empty_pivot_cell(program, *id, keys)),
        Ir::Or(parts) => program
            .args(parts)
            .iter()
            .all(|id| is_false_in_empty_pivot_cell(program, *id, keys)),
        Ir::IsNull { x, negated } => negated && is_null_in_empty_pivot_cell(program, x, keys),
        Ir::Bool(value) => !value,
        _ => is_null_in_empty_pivot_cell(program, id, keys),
    }
}

/// Returns, for each definition, whether its value is the same in all columns of a row. `rows` contains the keys
/// that identify the rows.
pub fn definitions_constant_across_pivot(program: &Program, rows: &[String]) -> Arena<bool> {
    let mut constants = Arena::filled(false, program.definitions.len());
    for index in &program.order {
        let definition = &program.definitions[*index as usize];
        if definition.failed {
            continue;
        }
        let base = definition.first.index();
        let mut nodes = Arena::filled(false, definition.root.index() + 1 - base);
        for node_index in definition.first.0..=definition.root.0 {
            let id = IrId(node_index);
            let is_constant = |o: IrId| {
                o.index()
                    .checked_sub(base)
                    .and_then(|i| nodes.try_get(i))
                    .copied()
                    .unwrap_or(false)
            };
            let is_all_constant = program.operands(id).all(is_constant);
            nodes[id.index() - base] = match program.node(id) {
                Ir::Column(column) => rows
                    .iter()
                    .any(|row| row.eq_ignore_ascii_case(&program.columns[column as usize].name)),
                Ir::Definition(definition_index) => constants[definition_index as usize],
                Ir::Window { over, .. } => match program.window_frame(over) {
                    WindowFrame::Across(CellFrame::All) => true,
                    // A window along the row is limited by the ends of the row, so its value can differ from cell to
                    // cell.
                    WindowFrame::Across(_) | WindowFrame::PivotColumns => false,
                    _ => is_all_constant,
                },
                Ir::PeriodLookup { .. } | Ir::RowLookup { .. } => false,
                _ => is_all_constant && !program.meta(id).volatile,
            };
        }
        constants[*index as usize] = nodes.as_slice().last().copied().unwrap_or(false);
    }
    constants
}
