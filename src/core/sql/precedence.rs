//! Where an operand needs brackets, in the strictest reading of the four dialects.

use super::Sql;
use crate::dialect::op::Op;

/// Keywords side by side; an operand of anything needs brackets.
pub(super) const SPACED: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
pub(super) const NOT: u8 = 3;
pub(super) const COMPARE: u8 = 4;
/// `||` and the operators whose place differs between engines: brackets set them apart from arithmetic.
pub(super) const OTHER: u8 = 5;
const ADD: u8 = 6;
const MULTIPLY: u8 = 7;
pub(super) const NEGATIVE: u8 = 8;
pub(super) const ATOM: u8 = 10;

/// Where an operand stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum OperandSide {
    Left(Op),
    Right(Op),
    /// Of anything but a binary operator: the least strength that it must have.
    Of(u8),
}

/// What the operands of a binary operator must have at least: left, right.
fn operands(op: Op) -> (u8, u8) {
    match op.strength() {
        // `a and b or c` is right without brackets, and nobody reads it without doubt.
        OR => (NOT, NOT),
        AND => (AND, NOT),
        COMPARE => (OTHER, OTHER),
        strength => (strength, strength + 1),
    }
}

/// Whether an operand needs brackets: it binds too loosely, or engines disagree on the pair.
pub(super) fn needs_brackets(side: OperandSide, child: &Sql, strength: u8) -> bool {
    let (parent, least) = match side {
        OperandSide::Left(op) => (Some(op), operands(op).0),
        OperandSide::Right(op) => (Some(op), operands(op).1),
        OperandSide::Of(least) => (None, least),
    };
    if strength < least {
        // `a or b or c` is one chain, however it was put together.
        return !matches!((parent, child),
            (Some(parent @ (Op::And | Op::Or)), Sql::Binary { op, .. }) if *op == parent);
    }
    let (Some(parent), Sql::Binary { op, .. }) = (parent, child) else { return false };
    let arithmetic = |s: u8| s == ADD || s == MULTIPLY;
    let (outer, inner) = (parent.strength(), op.strength());
    (outer == OTHER && (arithmetic(inner) || (inner == OTHER && *op != parent)))
        || (arithmetic(outer) && inner == OTHER)
}
