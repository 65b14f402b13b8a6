//! What random expressions are made of.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    /// Numbers whose digits every engine keeps: they can be compared and grouped by.
    Exact,
    /// Quotients and averages: the last bits differ.
    Float,
    Text,
    Date,
    Time,
}

impl Kind {
    /// Those of which there is always something to make values of.
    pub const ALL: [Self; 6] = [Self::Bool, Self::Int, Self::Exact, Self::Float, Self::Text, Self::Date];

    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Exact | Self::Float)
    }
}
