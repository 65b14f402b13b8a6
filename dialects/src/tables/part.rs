// The parts of a compiled template. The build script includes this file to write the static tables.

use super::op::Op;

/// One node of a template; operands are indices of earlier nodes.
// What no template of today needs is still part of the language of templates.
#[allow(dead_code, missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// A keyword or a name without brackets.
    Word(&'static str),
    /// A number as written.
    Number(&'static str),
    /// A text value, to be quoted by the dialect.
    Text(&'static str),
    /// An argument.
    Arg { index: u8, mode: Mode },
    /// A repeated argument, comma-separated, inside a call or a list.
    ArgList { index: u8, mode: Mode },
    /// A repeated argument joined by an operator.
    ArgJoin { index: u8, mode: Mode, op: Op },
    /// `name(a, b)`.
    Call { name: &'static str, args: &'static [u16] },
    /// `a op b`.
    Binary { op: Op, left: u16, right: u16 },
    /// `not a`.
    Not(u16),
    /// `-a`.
    Negative(u16),
    /// `a is null`, and the field of a struct, `a.b`.
    Postfix { op: &'static str, x: u16 },
    /// `a [not] in (b, c)`.
    In { x: u16, negated: bool, args: &'static [u16] },
    /// `a between b and c`.
    Between { x: u16, low: u16, high: u16 },
    /// `case when c then v … [else e] end`: pairs, and the last alone when the count is odd.
    Case(&'static [u16]),
    /// `cast(x as type)`, `safe_cast`, `try_cast`.
    Cast { name: &'static str, x: u16, ty: TypeName },
    /// Parts side by side.
    Spaced(&'static [u16]),
    /// Parts side by side in a call, `x order by y desc`, of which those from `first` to `until` order by an argument: by
    /// what is the same in every row there is no order.
    Ordered { parts: &'static [u16], first: u8, until: u8, by: u8 },
    /// `(a)`, written in any case.
    Paren(u16),
    /// `a, b` without brackets.
    List(&'static [u16]),
    /// `[a, b]`.
    Bracket(&'static [u16]),
    /// `a[b]`.
    Subscript { x: u16, index: u16 },
    /// `a over (…)`: an aggregate that looks at the rows of the window that the template stands for.
    Over(u16),
}

/// How an argument is put in; the numbers are those of functions in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As it is.
    Plain,
    /// By a conversion, `to_…`, unless it has the type already.
    Convert(u16),
    /// By `or_zero` or `or_empty`, unless it is never NULL.
    Or(u16),
    /// By another internal function.
    Call(u16),
    /// A text of letters, without its quotes: the unit of an interval.
    Word,
    /// Of a literal number of digits, 1 with so many zeros.
    Tens,
    /// 1 divided by that, with a point.
    Tenths,
    /// Of a literal number, how many digits stand behind its point.
    Scale,
}

/// A type in a cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeName {
    /// By the dialect's own name.
    Neutral(u8),
    /// As written.
    Native(&'static str),
}

/// The neutral types that a template may name, by the number in [`TypeName::Neutral`].
#[allow(dead_code, missing_docs)]
pub const NEUTRAL: [&str; 8] = ["boolean", "integer", "decimal", "float", "text", "date", "timestamp", "timestamptz"];
