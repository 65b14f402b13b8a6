//! Grouping keys that are computed in a separate select, so that GROUP BY can refer to them by name.

use super::materialized_values::MaterializedValues;
use crate::check::split_truncation;
use crate::dialect::{Cell, Dialect};
use crate::ir::{Ir, IrId, Program};

/// Maximum number of calls and operators that GROUP BY may repeat from the select list. The truncation to a timeframe
/// is not counted.
const MAX_REPEATED_OPERATIONS: usize = 2;

/// Returns whether a key is too long to be repeated in both the select list and GROUP BY.
pub(super) fn is_long(program: &Program, dialect: Dialect, cuts: &MaterializedValues, key: IrId) -> bool {
    let mut open = vec![split_truncation(program, key).0];
    let mut count = 0;
    while let Some(id) = open.pop() {
        if cuts.contains(id) && id != key {
            continue;
        }
        count += match program.node(id) {
            Ir::Definition(used) => {
                open.push(program.definitions[used as usize].root);
                0
            }
            Ir::Apply { overload, .. } => match dialect.cell(overload) {
                Cell::Template(template) => template.operations(),
                _ => 1,
            },
            Ir::Case(_) | Ir::Switch { .. } => MAX_REPEATED_OPERATIONS + 1,
            Ir::And(all) | Ir::Or(all) => program.args(all).len(),
            Ir::Not(_) | Ir::IsNull { .. } | Ir::Coalesce(_) => 1,
            _ => 0,
        };
        if count > MAX_REPEATED_OPERATIONS {
            return true;
        }
        open.extend(program.operands(id));
    }
    false
}
