//! Precedence of operators, which determines the operands that need parentheses. The rules are strict enough for all
//! dialects.

use super::Sql;
use crate::dialect::op::Op;

/// Binding strength of expressions with keywords, which need parentheses as operands of any operator.
pub(super) const KEYWORD_EXPR: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
pub(super) const NOT: u8 = 3;
pub(super) const COMPARE: u8 = 4;
/// Binding strength of `||` and of operators whose precedence differs between engines. Parentheses separate these
/// operators from arithmetic.
pub(super) const NONPORTABLE_STRENGTH: u8 = 5;
const ADD: u8 = 6;
const MULTIPLY: u8 = 7;
pub(super) const NEGATIVE: u8 = 8;
pub(super) const ATOM: u8 = 10;

/// Position of an operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum OperandSide {
    Left(Op),
    Right(Op),
    /// Operand of a node that is not a binary operator, and the minimum binding strength of an operand that needs no
    /// parentheses.
    Of(u8),
}

/// Returns the minimum binding strengths that the left and the right operand of a binary operator need to be written
/// without parentheses.
fn operand_strengths(op: Op) -> (u8, u8) {
    match op.strength() {
        // `a and b or c` is correct without parentheses, but parentheses make it clearer.
        OR => (NOT, NOT),
        AND => (AND, NOT),
        COMPARE => (NONPORTABLE_STRENGTH, NONPORTABLE_STRENGTH),
        strength => (strength, strength + 1),
    }
}

/// Returns `true` if an operand needs parentheses: if it binds too loosely, or if engines disagree on the precedence of
/// the two operators.
pub(super) fn needs_brackets(side: OperandSide, child: &Sql, strength: u8) -> bool {
    let (parent, least) = match side {
        OperandSide::Left(op) => (Some(op), operand_strengths(op).0),
        OperandSide::Right(op) => (Some(op), operand_strengths(op).1),
        OperandSide::Of(least) => (None, least),
    };
    if strength < least {
        // `a or b or c` is one chain, regardless of how its operators are nested.
        return !matches!((parent, child),
            (Some(parent @ (Op::And | Op::Or)), Sql::Binary { op, .. }) if *op == parent);
    }
    let (Some(parent), Sql::Binary { op, .. }) = (parent, child) else {
        return false;
    };
    let arithmetic = |s: u8| s == ADD || s == MULTIPLY;
    let (outer, inner) = (parent.strength(), op.strength());
    (outer == NONPORTABLE_STRENGTH && (arithmetic(inner) || (inner == NONPORTABLE_STRENGTH && *op != parent)))
        || (arithmetic(outer) && inner == NONPORTABLE_STRENGTH)
}
