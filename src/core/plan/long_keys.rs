//! Grouping keys that are computed in a separate select, so that GROUP BY can refer to them by name.

use super::materialized_values::MaterializedValues;
use crate::check::split_truncation;
use crate::dialect::{Cell, Dialect};
use crate::ir::{Ir, IrId, Program};

/// Maximum number of calls and operators in an expression that the SQL may repeat. A column for a shorter expression
/// would be harder to read than the repetition. In a key, the truncation to a timeframe is not counted.
pub(super) const MAX_REPEATED_OPERATIONS: usize = 2;

/// Returns whether a key is too long to be repeated in both the select list and GROUP BY.
pub(super) fn is_key_too_long_to_repeat(
    program: &Program,
    dialect: Dialect,
    materialized: &MaterializedValues,
    key: IrId,
) -> bool {
    let mut open = vec![split_truncation(program, key).0];
    let mut count = 0;
    while let Some(id) = open.pop() {
        if materialized.contains(id) && id != key {
            continue;
        }
        count += match program.node(id) {
            Ir::Definition(definition_index) => {
                open.push(program.definition_root(definition_index));
                0
            }
            Ir::Case(_) | Ir::Switch { .. } => MAX_REPEATED_OPERATIONS + 1,
            _ => count_operations(program, dialect, id),
        };
        if count > MAX_REPEATED_OPERATIONS {
            return true;
        }
        open.extend(program.operands(id));
    }
    false
}

/// Returns the number of calls, operators and branches that the SQL of a node contains, without its operands.
pub(super) fn count_operations(program: &Program, dialect: Dialect, id: IrId) -> usize {
    match program.node(id) {
        Ir::Apply { overload, .. } => match dialect.cell(overload) {
            Cell::Template(template) => template.operations.into(),
            _ => 1,
        },
        Ir::Case(arms) | Ir::Switch { arms, .. } => program.args(arms).len() / 2,
        Ir::And(operands) | Ir::Or(operands) => program.args(operands).len(),
        Ir::Not(_) | Ir::IsNull { .. } | Ir::Coalesce(_) => 1,
        _ => 0,
    }
}
