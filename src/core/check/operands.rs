//! Summary of a call's arguments, computed in one pass.

use super::lower::Lower;
use crate::Type;
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;

/// Kind of an argument for the choice of an overload: the type of an expression, or one of these constants.
pub(super) mod kind {
    use crate::Type;

    /// Decimal literal, whose type depends on the other arguments.
    pub const POINT: u32 = Type::COUNT as u32;
    /// Integer literal of up to nine digits, and one with more digits. Its value can determine the overload.
    pub const SHORT_INTEGER: u32 = POINT + 1;
    pub const LONG_INTEGER: u32 = POINT + 2;
    /// Text literal that may be a date.
    pub const TEXT: u32 = POINT + 3;
    pub const NULL: u32 = POINT + 4;
    pub const ERROR: u32 = POINT + 5;
    pub const NO_ARGUMENT: u32 = POINT + 6;
    pub const COUNT: u32 = POINT + 7;
}

/// Summary of the arguments of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operands {
    /// Combined metadata of the arguments, nullable if one of them is.
    pub meta: NodeMeta,
    /// Whether all arguments are nullable.
    pub all_null: bool,
    /// Set of the arguments' kinds as bits, and the kinds of the last arguments as digits of a number.
    kinds: u32,
    pub digits: u32,
}

impl Operands {
    /// Whether at least one argument has a kind.
    #[inline]
    pub fn some(&self, kind: u32) -> bool {
        self.kinds & (1 << kind) != 0
    }

    /// Whether at least one argument has an error.
    #[inline]
    pub fn error(&self) -> bool {
        self.some(kind::ERROR)
    }

    /// Whether at least one argument is a literal NULL.
    #[inline]
    pub fn null(&self) -> bool {
        self.some(kind::NULL)
    }

    /// Whether at least one argument is a decimal literal.
    #[inline]
    pub fn points(&self) -> bool {
        self.some(kind::POINT)
    }

    /// Whether no argument changes its type because of another one: there are no decimal literals, NULLs, dates and
    /// timestamps.
    #[inline]
    pub fn keep_types(&self) -> bool {
        let temporal = 1 << Type::Date as u32 | 1 << Type::Timestamp as u32 | 1 << Type::Timestamptz as u32;
        self.kinds & (temporal | 1 << kind::POINT | 1 << kind::NULL) == 0
    }

    /// Whether all arguments are literal NULLs.
    #[inline]
    pub fn only_nulls(&self) -> bool {
        self.kinds & !(1 << kind::NULL) == 0
    }

    /// Whether all arguments are texts.
    #[inline]
    pub fn texts(&self) -> bool {
        self.kinds & !(1 << kind::TEXT | 1 << Type::Text as u32) == 0
    }
}

impl Lower<'_> {
    /// Summarizes the arguments of a call.
    #[inline]
    pub(super) fn operands(&self, args: &[IrId], span: Span) -> Operands {
        let meta = Self::constant(Type::Unknown, span);
        let mut all = Operands {
            meta,
            all_null: true,
            kinds: 0,
            digits: 0,
        };
        for arg in args {
            let (node, meta) = self.program.entry(*arg);
            let kind = match (node, meta.ty) {
                (Ir::Number(digits), Type::Integer) if digits.count < 10 => kind::SHORT_INTEGER,
                (Ir::Number(_), Type::Integer) => kind::LONG_INTEGER,
                (Ir::Number(_), Type::Point) => kind::POINT,
                (Ir::Text(_), _) => kind::TEXT,
                (Ir::Null, _) => kind::NULL,
                (Ir::Error, _) => kind::ERROR,
                (_, ty) => ty as u32,
            };
            all.kinds |= 1 << kind;
            all.digits = all.digits.wrapping_mul(kind::COUNT).wrapping_add(kind);
            all.all_null &= meta.nullable;
            all.meta.nullable |= meta.nullable;
            all.meta.merge_operand(meta);
        }
        all
    }
}
