//! A dialect as the tables hold it.

use super::op::Op;
use super::part::Part;
use super::{Facts, Forms, Literals};
use crate::types::Type;

/// What a bare name becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// What was written; names are compared without case.
    Keep,
}

/// A literal's text, without what is put in.
#[derive(Debug)]
pub struct Form {
    /// What stands before the value.
    pub before: &'static str,
    /// What stands behind it.
    pub after: &'static str,
}

impl Form {
    /// As it comes.
    pub const BARE: Self = Self { before: "", after: "" };

    /// Writes a value in this form.
    #[inline]
    pub fn push(&self, out: &mut String, value: &str) {
        if self.before.is_empty() && self.after.is_empty() {
            out.push_str(value);
        } else {
            out.extend([self.before, value, self.after]);
        }
    }
}

/// What a whole template is; most are one node with its arguments.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `{a} op {b}`.
    Operator(Op),
    /// `name({a}, {b})`, with all arguments in order.
    Call(&'static str),
    /// Anything else.
    Parts,
}

/// The compiled template of an overload.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// How often each argument stands in it.
    pub uses: &'static [u8],
    /// Some argument stands more than once.
    pub repeats: bool,
    /// The kind of number it is in this dialect, where that is not the signature's; `Number` when its argument decides.
    pub gives: Option<Type>,
    /// How large the number can be that it gives, where that is narrower than its type, as `emit::size` has it; or 0.
    pub most: u32,
    /// Decimals in it must have one scale.
    pub alike: bool,
    /// There is a `select` in it.
    pub subquery: bool,
    /// It says itself which of its calls look at the rows of a window.
    pub windowed: bool,
    /// What it is as a whole.
    pub shape: Shape,
    /// Its nodes, children first.
    pub parts: &'static [Part],
}

impl Template {
    /// Number of calls and operators that it writes.
    pub fn operations(&self) -> usize {
        let is_operation = |part: &&Part| {
            use Part::{Arg, ArgList, Bracket, List, Number, Paren, Spaced, Text, Word};
            !matches!(
                part,
                Word(_)
                    | Number(_)
                    | Text(_)
                    | Arg { .. }
                    | ArgList { .. }
                    | Spaced(_)
                    | Paren(_)
                    | List(_)
                    | Bracket(_)
            )
        };
        self.parts.iter().filter(is_operation).count()
    }
}

/// What a dialect makes of an overload.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    /// Nothing: the function is lowered in Rust.
    Missing,
    /// This SQL.
    Template(Template),
    /// An error with this reason.
    Unsupported(&'static str),
}

/// A dialect; `ansi.toml` explains the keys.
#[derive(Debug)]
pub struct DialectData {
    /// Its name.
    pub name: &'static str,
    /// The place among all dialects.
    pub index: u8,
    /// What encloses a name.
    pub quote: char,
    /// A quote in a quoted name has a backslash before it; else it is doubled.
    pub quote_backslash: bool,
    /// The same for texts.
    pub text_backslash: bool,
    /// What a bare name becomes.
    pub fold: Fold,
    /// The most bytes that a name may have; 0 without a limit.
    pub max_bytes: usize,
    /// Words that are names only in quotes.
    pub reserved: &'static [&'static str],
    /// Where each of them is found.
    pub reserved_slots: &'static [u16],
    /// By the low bits of the first letter: a bit for each length that a reserved word has.
    pub reserved_lengths: [u32; 32],
    /// A backslash in a text has to be doubled.
    pub backslash: bool,
    /// What stands before a text whose backslashes are no escapes; empty where there is no such thing.
    pub raw: &'static str,
    /// Its names of the types of [`super::part::NEUTRAL`].
    pub types: &'static [&'static str],
    /// What it can and cannot do.
    pub facts: Facts,
    /// How it writes literals.
    pub literals: Literals,
    /// The same, cut where the value stands.
    pub forms: Forms,
    /// What it makes of each overload.
    pub cells: &'static [Cell],
}
