//! Widths and precedence of SQL expressions, which determine line breaks and parentheses.

use super::{NEVER_FITS_WIDTH, OperandBrackets, Sql, SqlId, SqlSlice, SqlTree};
use crate::sql::precedence::{self, OperandSide};

impl SqlTree {
    /// Returns the width on one line, the precedence, and the operands that need parentheses.
    #[inline(always)]
    pub(super) fn measure_node(&self, node: &Sql) -> (u32, u8, OperandBrackets) {
        use precedence::{ATOM, COMPARE, KEYWORD_EXPR, NEGATIVE, NONPORTABLE_STRENGTH, NOT};
        let mut brackets = OperandBrackets::default();
        let mut operand =
            |position: u8, id: SqlId, side: OperandSide| self.measure_operand(id, side, position, &mut brackets);
        let list = |slice: SqlSlice, gap: u32| self.width_of_list(slice, gap);
        let (width, strength) = match *node {
            Sql::Word(word) => (
                word.len() as u32,
                if word.bytes().any(|b| b == b' ') {
                    KEYWORD_EXPR
                } else {
                    ATOM
                },
            ),
            Sql::Text { first, len } => {
                let negative = self.text.as_bytes().get(first as usize) == Some(&b'-');
                (len, if negative { NEGATIVE } else { ATOM })
            }
            Sql::Macro { len, .. } => (len, ATOM),
            Sql::Subquery { .. } => (NEVER_FITS_WIDTH, ATOM),
            Sql::Field { qualifier, name } => (self.width(qualifier).saturating_add(1 + self.width(name)), ATOM),
            Sql::Call { name, args } => (list(args, 2).saturating_add(name.len() as u32 + 2), ATOM),
            Sql::Binary { op, left, right } => {
                let sum =
                    operand(0, left, OperandSide::Left(op)).saturating_add(operand(1, right, OperandSide::Right(op)));
                (sum.saturating_add(op.spaced_symbol().len() as u32), op.strength())
            }
            Sql::Not(x) => (operand(0, x, OperandSide::Of(NOT)).saturating_add(4), NOT),
            Sql::Negative(x) => (operand(0, x, OperandSide::Of(ATOM)).saturating_add(1), NEGATIVE),
            Sql::Postfix { op, x } if op.starts_with('.') => (
                operand(0, x, OperandSide::Of(ATOM)).saturating_add(op.len() as u32),
                ATOM,
            ),
            Sql::Postfix { op, x } => (
                operand(0, x, OperandSide::Of(NONPORTABLE_STRENGTH)).saturating_add(op.len() as u32 + 1),
                COMPARE,
            ),
            Sql::In { x, negated, args } => {
                let words = if negated { 10 } else { 6 };
                (
                    operand(0, x, OperandSide::Of(NONPORTABLE_STRENGTH))
                        .saturating_add(list(args, 2))
                        .saturating_add(words),
                    COMPARE,
                )
            }
            Sql::Between { x, low, high } => {
                let side = OperandSide::Of(NONPORTABLE_STRENGTH);
                let sum = operand(0, x, side)
                    .saturating_add(operand(1, low, side))
                    .saturating_add(operand(2, high, side));
                (sum.saturating_add(14), COMPARE)
            }
            Sql::Case { subject, arms } => (self.width_of_case(subject, arms), ATOM),
            Sql::Cast { name, x, ty } => (self.width(x).saturating_add((name.len() + ty.len()) as u32 + 6), ATOM),
            // An expression with surrounding keywords binds loosely, so it needs parentheses as an operand. Typed
            // literals and ordered-set calls are exceptions, because readers recognize each of them as a single value.
            Sql::Spaced(args) => (
                list(args, 1),
                if self.is_keyword_phrase(args) {
                    ATOM
                } else {
                    KEYWORD_EXPR
                },
            ),
            Sql::Paren(x) => (self.width(x).saturating_add(2), ATOM),
            Sql::List(args) => (list(args, 2), KEYWORD_EXPR),
            Sql::Bracket(args) => (list(args, 2).saturating_add(2), ATOM),
            Sql::Subscript { x, index } => (
                operand(0, x, OperandSide::Of(ATOM))
                    .saturating_add(self.width(index))
                    .saturating_add(2),
                ATOM,
            ),
            Sql::Over {
                x,
                partition,
                order,
                rows,
            } => (
                self.width(x)
                    .saturating_add(self.width_of_window(partition, order, rows)),
                ATOM,
            ),
            Sql::OverNamed { x, name, rows } => {
                let width = self.width(x).saturating_add(self.width(name)).saturating_add(6);
                (
                    rows.map_or(width, |rows| width.saturating_add(self.width(rows) + 3)),
                    ATOM,
                )
            }
        };
        (width, strength, brackets)
    }

    #[inline(always)]
    fn width_of_list(&self, slice: SqlSlice, gap: u32) -> u32 {
        let gaps = gap.saturating_mul(slice.count.saturating_sub(1));
        self.args(slice)
            .iter()
            .fold(gaps, |sum, id| sum.saturating_add(self.width(*id)))
    }

    #[inline]
    fn width_of_case(&self, subject: Option<SqlId>, arms: SqlSlice) -> u32 {
        let pairs = arms.count / 2;
        let other = arms.count % 2;
        let words = 8u32.saturating_add(pairs.saturating_mul(12)).saturating_add(other * 6);
        // If a CASE continues with the arms of an inner CASE, ` else case` and the inner ` end` are not printed.
        let spared = if self.arms_of_default_case(subject, arms).is_some() {
            14
        } else {
            0
        };
        let subject = subject.map_or(0, |s| self.width(s).saturating_add(1));
        self.width_of_list(arms, 0)
            .saturating_add(words)
            .saturating_add(subject)
            .saturating_sub(spared)
    }

    /// Returns the width of ` over (…)`.
    #[inline]
    fn width_of_window(&self, partition: SqlSlice, order: SqlSlice, rows: Option<SqlId>) -> u32 {
        let mut width = 8u32;
        if partition.count > 0 {
            width = width
                .saturating_add(self.width_of_list(partition, 2))
                .saturating_add(13);
        }
        if order.count > 0 {
            width = width.saturating_add(self.width_of_list(order, 2)).saturating_add(9);
            width = width.saturating_add(u32::from(partition.count > 0));
        }
        // A frame requires an `order by`, so a space always separates the frame from the text before it.
        rows.map_or(width, |rows| width.saturating_add(self.width(rows)).saturating_add(1))
    }

    /// Returns the width of an operand, and records whether it needs parentheses.
    #[inline(always)]
    fn measure_operand(&self, id: SqlId, side: OperandSide, index: u8, brackets: &mut OperandBrackets) -> u32 {
        let (node, meta) = self.entry(id);
        // Names, literals and calls never need parentheses.
        if meta.strength >= precedence::ATOM || !precedence::needs_brackets(side, node, meta.strength) {
            return meta.width;
        }
        brackets.0 |= 1 << index;
        meta.width.saturating_add(2)
    }

    fn is_keyword_phrase(&self, args: SqlSlice) -> bool {
        let args = self.args(args);
        let first_is_type = matches!(
            args.first().map(|a| self.node(*a)),
            Some(Sql::Word(
                "date" | "timestamp" | "datetime" | "numeric" | "bignumeric" | "interval" | "array" | "distinct"
            ))
        );
        let ends_in_brackets = matches!(args.last().map(|a| self.node(*a)), Some(Sql::Paren(_)));
        let begins_with_call = matches!(args.first().map(|a| self.node(*a)), Some(Sql::Call { .. }));
        first_is_type || (ends_in_brackets && begins_with_call)
    }
}
