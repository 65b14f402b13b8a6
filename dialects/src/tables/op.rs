// Binary SQL operators. The build script includes this file so that it can write templates.

macro_rules! operators {
    ($($variant:ident $text:literal $strength:literal),* $(,)?) => {
        /// Operator between two expressions.
        #[allow(missing_docs, reason = "the names are self-explanatory")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(dead_code, reason = "the build script uses a part of this file")]
        pub enum Op { $($variant),* }

        #[allow(dead_code, reason = "the build script uses a part of this file")]
        impl Op {
            const ALL: &'static [(Op, &'static str, &'static str, u8)] =
                &[$((Op::$variant, $text, concat!(" ", $text, " "), $strength)),*];

            #[expect(clippy::indexing_slicing, reason = "the list has an entry for each operator, in the same order")]
            fn entry(self) -> (Self, &'static str, &'static str, u8) {
                Self::ALL[self as usize]
            }

            /// Returns the operator with this symbol.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, t, ..)| *t == text).map(|(op, ..)| *op)
            }

            /// Returns the symbol of the operator.
            pub fn text(self) -> &'static str {
                self.entry().1
            }

            /// Returns the symbol of the operator with a space on each side.
            pub fn spaced_symbol(self) -> &'static str {
                self.entry().2
            }

            /// Returns the equivalent comparison with swapped operands, such as `>` for `<`.
            pub fn swapped(self) -> Option<Self> {
                match self {
                    Self::Equal | Self::NotEqual | Self::Distinct | Self::NotDistinct => Some(self),
                    Self::Less => Some(Self::Greater),
                    Self::LessEqual => Some(Self::GreaterEqual),
                    Self::Greater => Some(Self::Less),
                    Self::GreaterEqual => Some(Self::LessEqual),
                    _ => None,
                }
            }

            /// Returns the opposite comparison, such as `>=` for `<`.
            pub fn negated(self) -> Option<Self> {
                match self {
                    Self::Less => Some(Self::GreaterEqual),
                    Self::LessEqual => Some(Self::Greater),
                    Self::Greater => Some(Self::LessEqual),
                    Self::GreaterEqual => Some(Self::Less),
                    _ => None,
                }
            }

            /// Returns the precedence of the operator. If the dialects differ, this precedence is safe in every
            /// dialect. Operators with a higher number bind more tightly.
            pub fn strength(self) -> u8 {
                self.entry().3
            }
        }
    };
}

operators! {
    Or "or" 1,
    And "and" 2,
    Equal "=" 4,
    NotEqual "<>" 4,
    Less "<" 4,
    LessEqual "<=" 4,
    Greater ">" 4,
    GreaterEqual ">=" 4,
    Like "like" 4,
    Ilike "ilike" 4,
    NotLike "not like" 4,
    Distinct "is distinct from" 4,
    NotDistinct "is not distinct from" 4,
    Concat "||" 5,
    Match "~" 5,
    MatchIgnoreCase "~*" 5,
    NoMatch "!~" 5,
    PathText "#>>" 5,
    BitAnd "&" 5,
    BitOr "|" 5,
    ShiftLeft "<<" 5,
    ShiftRight ">>" 5,
    Hash "#" 5,
    Caret "^" 5,
    Add "+" 6,
    Subtract "-" 6,
    Multiply "*" 7,
    Divide "/" 7,
    Modulo "%" 7,
}
