//! Kinds of values that random expressions are built from.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    /// Numbers whose digits every engine preserves, so they can be compared and grouped by.
    Exact,
    /// Quotients and averages, whose last bits differ between engines.
    Float,
    Text,
    Date,
    Time,
}

impl Kind {
    /// Kinds that values can always be built from.
    pub const ALL: [Self; 6] = [Self::Bool, Self::Int, Self::Exact, Self::Float, Self::Text, Self::Date];

    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Exact | Self::Float)
    }
}
