//! Sets of types that a use of a value accepts.

use super::TypeTerm;
use crate::Type;

/// Set of types that a value may have. The intersection of the sets of all uses does not depend on the order of the
/// uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypeSet(u8);

impl TypeSet {
    const NONE: Self = Self(0);
    const BOOLEAN: Self = Self(1);
    pub const NUMBER: Self = Self(1 << 1);
    const TEXT: Self = Self(1 << 2);
    const INSTANT: Self = Self(1 << 5);
    /// Timestamps. An instant is converted to a timestamp if it is used as one.
    const TIMESTAMP: Self = Self(1 << 4 | Self::INSTANT.0);
    /// Dates. A timestamp that is compared with a date is a valid operand, too.
    pub const DATE: Self = Self(1 << 3 | Self::TIMESTAMP.0);
    /// Conditions. A number is true if it is not zero.
    pub const CONDITION: Self = Self(Self::BOOLEAN.0 | Self::NUMBER.0);
    /// Operands and results of sums and differences.
    pub const SUM: Self = Self(Self::NUMBER.0 | Self::DATE.0);
    /// Values that are compared with an ISO date.
    pub const TEXT_OR_DATE: Self = Self(Self::TEXT.0 | Self::DATE.0);
    /// Values that are compared with an ISO timestamp.
    pub const TEXT_OR_TIMESTAMP: Self = Self(Self::TEXT.0 | Self::TIMESTAMP.0);
    pub const ALL: Self = Self(Self::CONDITION.0 | Self::TEXT_OR_DATE.0);

    /// Types in the order of preference. The first type of a set that several types belong to is the inferred type.
    const TYPES: [Type; 6] = [
        Type::Boolean,
        Type::Number,
        Type::Text,
        Type::Date,
        Type::Timestamp,
        Type::Timestamptz,
    ];

    /// Returns the types that a value can have if it is used as the given type.
    pub fn from_term(term: TypeTerm) -> Self {
        match term {
            TypeTerm::Temporal => Self::DATE,
            TypeTerm::Type(ty) => match ty {
                Type::Boolean => Self::BOOLEAN,
                Type::Text => Self::TEXT,
                Type::Date => Self::DATE,
                Type::Timestamp => Self::TIMESTAMP,
                Type::Timestamptz => Self::INSTANT,
                Type::Unknown | Type::Other => Self::ALL,
                _ => Self::NUMBER,
            },
            TypeTerm::Var(_) | TypeTerm::Any => Self::ALL,
        }
    }

    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == Self::NONE.0
    }

    /// Returns whether all types of the set belong to the other set. `false` if the set is empty.
    pub const fn is_part_of(self, other: Self) -> bool {
        !self.is_empty() && self.0 & !other.0 == 0
    }

    /// Returns the inferred type of a value: the first type in the order of preference, or `None` if every type is
    /// possible. If no type is possible, the type is unknown.
    pub fn inferred_type(self) -> Option<Type> {
        match self {
            Self::ALL => None,
            set => {
                let position = set.0.trailing_zeros() as usize;
                Some(Self::TYPES.get(position).copied().unwrap_or_default())
            }
        }
    }

    /// Returns the words that messages use for a value of these types.
    pub fn describe(self) -> &'static str {
        self.inferred_type().map_or("something else", Type::describe)
    }
}
