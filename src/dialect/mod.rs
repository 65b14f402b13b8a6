//! SQL dialects as data: how names, texts and types are written, and the template of each function.
//!
//! No code outside this module asks which dialect it is; it asks for a fact, a literal or a template.

pub(crate) mod expression;
pub(crate) mod op;
pub(crate) mod part;
mod quote;

use std::fmt;
use std::str::FromStr;

use crate::catalog::tables::Forms;
use crate::catalog::{OverloadId, tables};
use crate::types::Type;
use op::Op;
use part::Part;

pub use crate::catalog::tables::{Facts, Literals};

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
pub(crate) struct Form {
    pub before: &'static str,
    pub after: &'static str,
}

impl Form {
    /// As it comes.
    pub const BARE: Self = Self { before: "", after: "" };

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
pub(crate) enum Shape {
    /// `{a} op {b}`.
    Operator(Op),
    /// `name({a}, {b})`, with all arguments in order.
    Call(&'static str),
    /// Anything else.
    Parts,
}

/// The compiled template of an overload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
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
    pub shape: Shape,
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
pub(crate) enum Cell {
    Missing,
    Template(Template),
    Unsupported(&'static str),
}

#[derive(Debug)]
pub(crate) struct DialectData {
    pub name: &'static str,
    /// The place among all dialects.
    pub index: u8,
    pub quote: char,
    /// A quote in a quoted name has a backslash before it; else it is doubled.
    pub quote_backslash: bool,
    /// The same for texts.
    pub text_backslash: bool,
    pub fold: Fold,
    pub max_bytes: usize,
    pub reserved: &'static [&'static str],
    pub reserved_slots: &'static [u16],
    /// By the low bits of the first letter: a bit for each length that a reserved word has.
    pub reserved_lengths: [u32; 32],
    pub backslash: bool,
    /// What stands before a text whose backslashes are no escapes; empty where there is no such thing.
    pub raw: &'static str,
    pub types: &'static [&'static str],
    pub facts: Facts,
    pub literals: Literals,
    pub forms: Forms,
    pub cells: &'static [Cell],
}

/// A SQL dialect.
///
/// ```
/// use formulac::Dialect;
/// let dialect: Dialect = "bigquery".parse().unwrap();
/// assert_eq!(dialect.to_string(), "bigquery");
/// assert_eq!(Dialect::default().name(), "postgres");
/// ```
#[derive(Clone, Copy)]
pub struct Dialect(&'static DialectData);

impl Dialect {
    /// Every dialect.
    pub fn all() -> impl Iterator<Item = Self> {
        tables::DIALECTS.iter().map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What it can and cannot do.
    #[must_use]
    pub fn facts(self) -> &'static Facts {
        &self.0.facts
    }

    /// The most bytes that a name may have; 0 when there is no limit.
    #[must_use]
    pub fn max_bytes(self) -> usize {
        self.0.max_bytes
    }

    /// How it writes literals.
    #[must_use]
    pub fn literals(self) -> &'static Literals {
        &self.0.literals
    }

    /// The same, cut where the value stands.
    pub(crate) fn forms(self) -> &'static Forms {
        &self.0.forms
    }

    /// Its name of a type, for casts.
    #[must_use]
    pub fn type_name(self, ty: Type) -> &'static str {
        let index = match ty {
            Type::Boolean => 0,
            Type::Integer => 1,
            Type::Decimal | Type::Number => 2,
            Type::Float | Type::Point | Type::Time => 3,
            Type::Date => 5,
            Type::Timestamp => 6,
            Type::Timestamptz => 7,
            Type::Text | Type::Other | Type::Unknown => 4,
        };
        self.0.types[index]
    }

    pub(crate) fn neutral_type(self, index: u8) -> &'static str {
        self.0.types[index as usize]
    }

    pub(crate) fn cell(self, id: OverloadId) -> &'static Cell {
        &self.0.cells[id.0 as usize]
    }

    /// The words of all its templates: names of functions and types, keywords.
    #[cfg(feature = "sync")]
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        let parts = self.0.cells.iter().flat_map(|cell| match cell {
            Cell::Template(template) => template.parts,
            Cell::Missing | Cell::Unsupported(_) => &[],
        });
        let texts = parts.flat_map(|part| match *part {
            part::Part::Word(word) | part::Part::Call { name: word, .. } => [word, ""],
            part::Part::Cast { name, ty: part::TypeName::Native(ty), .. } => [name, ty],
            part::Part::Cast { name, .. } => [name, ""],
            _ => [""; 2],
        });
        let literals = &self.0.literals;
        let literals = [literals.decimal, literals.float, literals.date, literals.timestamp, literals.timestamptz];
        let texts = texts.chain(self.0.types.iter().copied()).chain(literals);
        texts.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_')).filter(|word| !word.is_empty())
    }
}

impl Default for Dialect {
    /// Postgres, the contract's default outside a project.
    fn default() -> Self {
        Self::all().find(|d| d.name() == "postgres").unwrap_or(Self(&tables::DIALECTS[0]))
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Dialect {}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({})", self.name())
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::all().find(|d| d.name().eq_ignore_ascii_case(text)).ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Dialect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// There is no dialect of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no dialect `{0}`; there are bigquery, snowflake, postgres and duckdb")]
pub struct UnknownDialect(String);
