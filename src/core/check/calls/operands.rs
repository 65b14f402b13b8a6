//! Summary of a call's arguments, computed in one pass.

use crate::Type;
use crate::check::lower::Lowerer;
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;

/// Kinds of arguments, used to choose an overload. A kind is the type of an expression or one of the following
/// constants.
pub(in crate::check) mod kind {
    use crate::Type;

    /// Decimal literal, whose type depends on the other arguments.
    pub const DECIMAL_LITERAL: u32 = Type::COUNT as u32;
    /// Integer literal with up to nine digits (`SHORT_INTEGER`) or with more digits (`LONG_INTEGER`). The value of the
    /// literal can determine the overload.
    pub const SHORT_INTEGER: u32 = DECIMAL_LITERAL + 1;
    pub const LONG_INTEGER: u32 = DECIMAL_LITERAL + 2;
    /// Text literal that may be a date.
    pub const TEXT_LITERAL: u32 = DECIMAL_LITERAL + 3;
    pub const NULL_LITERAL: u32 = DECIMAL_LITERAL + 4;
    pub const ERROR: u32 = DECIMAL_LITERAL + 5;
    pub const NO_ARGUMENT: u32 = DECIMAL_LITERAL + 6;
    pub const COUNT: u32 = DECIMAL_LITERAL + 7;
}

/// Summary of a call's arguments.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Operands {
    /// Combined metadata of the arguments, nullable if at least one argument is nullable.
    pub meta: NodeMeta,
    /// Whether all arguments are nullable.
    pub all_null: bool,
    /// Kinds of the arguments. `kinds` is a bit set of all kinds. `digits` encodes the kinds of the last arguments as
    /// the digits of a number.
    kinds: u32,
    pub digits: u32,
}

impl Operands {
    /// Returns whether at least one argument has the given kind.
    #[inline]
    pub fn has_kind(&self, kind: u32) -> bool {
        self.kinds & (1 << kind) != 0
    }

    /// Returns whether at least one argument has an error.
    #[inline]
    pub fn has_error(&self) -> bool {
        self.has_kind(kind::ERROR)
    }

    /// Returns whether at least one argument is a literal NULL.
    #[inline]
    pub fn has_null(&self) -> bool {
        self.has_kind(kind::NULL_LITERAL)
    }

    /// Returns whether at least one argument is a decimal literal.
    #[inline]
    pub fn has_decimal_literal(&self) -> bool {
        self.has_kind(kind::DECIMAL_LITERAL)
    }

    /// Returns whether the type of each argument is independent of the other arguments: no argument is a decimal
    /// literal, a NULL, a date or a timestamp.
    #[inline]
    pub fn has_independent_types(&self) -> bool {
        let temporal = 1 << Type::Date as u32 | 1 << Type::Timestamp as u32 | 1 << Type::Timestamptz as u32;
        self.kinds & (temporal | 1 << kind::DECIMAL_LITERAL | 1 << kind::NULL_LITERAL) == 0
    }

    /// Returns whether all arguments are literal NULLs.
    #[inline]
    pub fn are_all_null(&self) -> bool {
        self.kinds & !(1 << kind::NULL_LITERAL) == 0
    }

    /// Returns whether all arguments are text values.
    #[inline]
    pub fn are_all_texts(&self) -> bool {
        self.kinds & !(1 << kind::TEXT_LITERAL | 1 << Type::Text as u32) == 0
    }
}

impl Lowerer<'_> {
    /// Summarizes the arguments of a call.
    #[inline]
    pub(in crate::check) fn summarize_operands(&self, args: &[IrId], span: Span) -> Operands {
        let meta = NodeMeta::constant(Type::Unknown, span);
        let mut operands = Operands {
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
                (Ir::Number(_), Type::Point) => kind::DECIMAL_LITERAL,
                (Ir::Text(_), _) => kind::TEXT_LITERAL,
                (Ir::Null, _) => kind::NULL_LITERAL,
                (Ir::Error, _) => kind::ERROR,
                (_, ty) => ty as u32,
            };
            operands.kinds |= 1 << kind;
            operands.digits = operands.digits.wrapping_mul(kind::COUNT).wrapping_add(kind);
            operands.all_null &= meta.nullable;
            operands.meta.nullable |= meta.nullable;
            operands.meta.merge_operand_properties(meta);
        }
        operands
    }
}
