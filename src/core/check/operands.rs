//! What the arguments of a call are together, found in one look at them.

use super::lower::Lower;
use crate::Type;
use crate::ir::{Ir, IrId, Meta};
use crate::span::Span;

/// What an argument is, as far as that decides the overload: the type of what is computed, or one of these.
pub(super) mod kind {
    use crate::Type;

    /// A literal with a point, whose neighbours decide its type.
    pub const POINT: u32 = Type::COUNT as u32;
    /// A literal of up to nine digits, and one of more; their values may decide.
    pub const SHORT_INTEGER: u32 = POINT + 1;
    pub const LONG_INTEGER: u32 = POINT + 2;
    /// A literal that may be a date.
    pub const TEXT: u32 = POINT + 3;
    pub const NULL: u32 = POINT + 4;
    pub const ERROR: u32 = POINT + 5;
    pub const NO_ARGUMENT: u32 = POINT + 6;
    pub const COUNT: u32 = POINT + 7;
}

/// What arguments are together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operands {
    /// Level and the like of what is made of them; it is nullable when one of them is.
    pub meta: Meta,
    /// All may be NULL.
    pub all_null: bool,
    /// The kinds of all: a bit for each, and those of the last few as digits of a number.
    kinds: u32,
    pub digits: u32,
}

impl Operands {
    /// Some is of this kind.
    #[inline]
    pub fn some(&self, kind: u32) -> bool {
        self.kinds & (1 << kind) != 0
    }

    /// Some has an error.
    #[inline]
    pub fn error(&self) -> bool {
        self.some(kind::ERROR)
    }

    /// Some is a literal NULL.
    #[inline]
    pub fn null(&self) -> bool {
        self.some(kind::NULL)
    }

    /// Some is a literal with a point.
    #[inline]
    pub fn points(&self) -> bool {
        self.some(kind::POINT)
    }

    /// No neighbour changes the type of any: none is a literal with a point or NULL, or has to do with time.
    #[inline]
    pub fn keep_types(&self) -> bool {
        let temporal = 1 << Type::Date as u32 | 1 << Type::Timestamp as u32 | 1 << Type::Timestamptz as u32;
        self.kinds & (temporal | 1 << kind::POINT | 1 << kind::NULL) == 0
    }

    /// All are literal NULLs.
    #[inline]
    pub fn only_nulls(&self) -> bool {
        self.kinds & !(1 << kind::NULL) == 0
    }

    /// All are texts.
    #[inline]
    pub fn texts(&self) -> bool {
        self.kinds & !(1 << kind::TEXT | 1 << Type::Text as u32) == 0
    }
}

impl Lower<'_> {
    /// Looks once at all arguments.
    #[inline]
    pub(super) fn operands(&self, args: &[IrId], span: Span) -> Operands {
        let meta = Self::constant(Type::Unknown, span);
        let mut all = Operands { meta, all_null: true, kinds: 0, digits: 0 };
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
            all.meta.take(meta);
        }
        all
    }
}
