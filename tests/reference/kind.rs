//! Kinds of values from which random expressions are built.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    /// Numbers whose digits all engines preserve, so that the numbers can be compared and used in groups.
    Exact,
    /// Quotients and averages, whose last bits differ between engines.
    Float,
    Text,
    Date,
    Time,
}

impl Kind {
    /// Kinds whose values can always be generated.
    pub const ALL: [Self; 6] = [Self::Bool, Self::Int, Self::Exact, Self::Float, Self::Text, Self::Date];

    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Exact | Self::Float)
    }
}
