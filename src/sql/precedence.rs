//! How tight each SQL operator binds, in the strictest reading of the four dialects.

use super::Sql;

/// Keywords side by side; an operand of anything needs brackets.
pub(super) const SPACED: u8 = 0;
pub(super) const OR: u8 = 1;
pub(super) const AND: u8 = 2;
pub(super) const NOT: u8 = 3;
pub(super) const COMPARE: u8 = 4;
/// `||` and the operators whose place differs between engines: brackets set them apart from arithmetic.
pub(super) const OTHER: u8 = 5;
pub(super) const ADD: u8 = 6;
pub(super) const MULTIPLY: u8 = 7;
pub(super) const NEGATIVE: u8 = 8;
pub(super) const ATOM: u8 = 10;

/// The strength of a binary operator.
pub(super) fn binary(op: &str) -> u8 {
    match op {
        "or" => OR,
        "and" => AND,
        "+" | "-" => ADD,
        "*" | "/" | "%" => MULTIPLY,
        "||" | "~" | "~*" | "!~" | "&" | "|" | "#" | "^" => OTHER,
        _ => COMPARE,
    }
}

/// What the operands of a binary operator must have at least: left, right.
pub(super) fn operands(op: &str) -> (u8, u8) {
    match binary(op) {
        // `a and b or c` is right without brackets, and nobody reads it without doubt.
        OR => (NOT, NOT),
        AND => (AND, NOT),
        COMPARE => (OTHER, OTHER),
        strength => (strength, strength + 1),
    }
}

/// Whether an operand needs brackets: it binds too loosely, or engines disagree on the pair.
pub(super) fn needs_brackets(parent: &str, child: Sql, strength: u8, least: u8) -> bool {
    if strength < least {
        // `a or b or c` is one chain.
        let same = matches!(child, Sql::Binary { op, .. } if op == parent && parent == "or");
        return !same;
    }
    let arithmetic = |s: u8| s == ADD || s == MULTIPLY;
    match child {
        Sql::Binary { op, .. } => {
            (binary(parent) == OTHER && (arithmetic(binary(op)) || (binary(op) == OTHER && op != parent)))
                || (arithmetic(binary(parent)) && binary(op) == OTHER)
        }
        _ => false,
    }
}
