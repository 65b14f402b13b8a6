// Nodes of compiled templates. The build script includes this file so that it can write the static tables.

use super::op::Op;

/// Node of a template. Operands are indices of earlier nodes.
// The template language also has variants that no template uses at the moment.
#[allow(
    dead_code,
    missing_docs,
    reason = "the build script uses a part of this file; the names are self-explanatory"
)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TemplatePart {
    /// Keyword or name without brackets.
    Word(&'static str),
    /// Number, exactly as written in the template.
    Number(&'static str),
    /// String, which is quoted as the dialect requires.
    Text(&'static str),
    /// Single argument.
    Arg { index: u8, mode: ArgumentMode },
    /// Repeated argument as a comma-separated list, inside a call or a list.
    ArgList { index: u8, mode: ArgumentMode },
    /// Repeated argument whose values are joined by an operator.
    ArgJoin { index: u8, mode: ArgumentMode, op: Op },
    /// Call, `name(a, b)`.
    Call { name: &'static str, args: &'static [u16] },
    /// Binary operation, `a op b`.
    Binary { op: Op, left: u16, right: u16 },
    /// Negation, `not a`.
    Not(u16),
    /// Unary minus, `-a`.
    Negative(u16),
    /// Postfix expression: `a is null`, or the struct field `a.b`.
    Postfix { op: &'static str, x: u16 },
    /// List membership, `a [not] in (b, c)`.
    In {
        x: u16,
        negated: bool,
        args: &'static [u16],
    },
    /// Range condition, `a between b and c`.
    Between { x: u16, low: u16, high: u16 },
    /// `case when c then v … [else e] end`: pairs of condition and value, followed by the default if the number of
    /// nodes is odd.
    Case(&'static [u16]),
    /// Cast: `cast(x as type)`, `safe_cast` or `try_cast`.
    Cast { name: &'static str, x: u16, ty: TypeName },
    /// Parts separated by spaces.
    Spaced(&'static [u16]),
    /// Parts of a call that are separated by spaces, as in `x order by y desc`. The parts from `first` to `until` are
    /// the sort order. The sort order is omitted if the argument to sort by is the same in every row.
    Ordered {
        parts: &'static [u16],
        first: u8,
        until: u8,
        by: u8,
    },
    /// `(a)`, whose parentheses are always written.
    Paren(u16),
    /// List without brackets, `a, b`.
    List(&'static [u16]),
    /// List in square brackets, `[a, b]`.
    Bracket(&'static [u16]),
    /// Subscript, `a[b]`.
    Subscript { x: u16, index: u16 },
    /// `a over (…)`: a call that is computed over the window in which the template is used.
    Over(u16),
}

/// Mode that specifies how an argument is inserted. The numbers are the ids of functions in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentMode {
    /// The argument, unchanged.
    Plain,
    /// The argument, converted by a `to_…` function unless it already has the type.
    Convert(u16),
    /// The argument inside `zero_if_empty` or `or_empty`, unless the argument is never NULL.
    Or(u16),
    /// The argument inside a call to another internal function.
    Call(u16),
    /// The content of a text literal without its quotes, such as the unit of an interval.
    Word,
    /// For a literal number of digits: 1 followed by that number of zeros.
    Tens,
    /// For a literal number of digits: 1 divided by the number that [`Self::Tens`] inserts, as a decimal such as
    /// `0.01`.
    Tenths,
    /// For a literal number: the number of digits after its decimal point.
    Scale,
    /// For a constant text: the text as a single literal, which is empty for NULL.
    Literal,
    /// For a literal code point: the character as a text literal.
    Character,
}

/// Type in a cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeName {
    /// The dialect's name for a neutral type.
    Neutral(u8),
    /// Type name, exactly as written in the template.
    Native(&'static str),
}

/// Neutral types that a template can name. [`TypeName::Neutral`] holds the index of the type.
#[allow(
    dead_code,
    missing_docs,
    reason = "the build script uses a part of this file; the names are self-explanatory"
)]
pub const NEUTRAL_TYPES: [&str; 8] = [
    "boolean",
    "integer",
    "decimal",
    "float",
    "text",
    "date",
    "timestamp",
    "timestamptz",
];
