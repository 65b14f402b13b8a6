//! Static data of a dialect.

use super::op::Op;
use super::part::TemplatePart;
use super::{Facts, LiteralForms, Literals};
use crate::types::Type;

/// Case to which a dialect folds unquoted names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseFolding {
    /// Folded to lower case.
    Lower,
    /// Folded to upper case.
    Upper,
    /// Not folded. Comparisons of names ignore case.
    Keep,
}

/// Syntax of a literal, without its value.
#[derive(Debug)]
pub struct LiteralForm {
    /// Text before the value.
    pub before: &'static str,
    /// Text after the value.
    pub after: &'static str,
}

impl LiteralForm {
    /// Form without text around the value.
    pub const BARE: Self = Self { before: "", after: "" };

    /// Writes a value in this form.
    #[inline]
    pub fn push(&self, output: &mut String, value: &str) {
        if self.before.is_empty() && self.after.is_empty() {
            output.push_str(value);
        } else {
            output.extend([self.before, value, self.after]);
        }
    }
}

/// General form of a template. Most templates are one node with its arguments.
#[derive(Clone, Copy, Debug)]
pub enum TemplateShape {
    /// Single operator: `{a} op {b}`.
    Operator(Op),
    /// Single call with all arguments in order: `name({a}, {b})`.
    Call(&'static str),
    /// Any other template.
    Parts,
}

/// Compiled template of an overload.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// Number of occurrences of each argument in the template.
    pub uses: &'static [u8],
    /// `true` if an argument occurs more than once.
    pub repeats: bool,
    /// Number of calls and operators that the template writes.
    pub operations: u16,
    /// Numeric type of the result in this dialect, if it differs from the signature's. [`Type::Number`] if the argument
    /// determines the type.
    pub result_type: Option<Type>,
    /// Largest absolute value of the result, or 0 if only the result's type limits the value (see `emit::size`).
    pub max_value: u32,
    /// `true` if all decimals in the template must have the same scale.
    pub requires_same_scale: bool,
    /// `true` if the template contains a `select`.
    pub subquery: bool,
    /// `true` if the template itself marks the calls that are computed over a window.
    pub windowed: bool,
    /// General form of the template.
    pub shape: TemplateShape,
    /// Nodes of the template, children before parents.
    pub parts: &'static [TemplatePart],
}

/// Implementation of an overload in a dialect.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    /// No SQL template, because the function is lowered in Rust.
    Missing,
    /// SQL template.
    Template(Template),
    /// The dialect does not support the overload, for this reason.
    Unsupported(&'static str),
}

/// Data of a dialect. `ansi.toml` explains the keys.
#[derive(Debug)]
pub struct DialectData {
    /// Name of the dialect, in lower case.
    pub name: &'static str,
    /// Name of the warehouse in prose, such as `BigQuery`.
    pub title: &'static str,
    /// Reason why no engine in the tests runs the dialect's SQL. Empty if an engine runs it.
    pub unverified: &'static str,
    /// Warehouse functions that handwritten SQL can call but that some dialects lack.
    pub own_functions: &'static [&'static str],
    /// Index of the dialect among all dialects.
    pub index: u8,
    /// Character that encloses a quoted name.
    pub quote: char,
    /// `true` if a backslash escapes a quote in a quoted name, `false` if the quote is doubled.
    pub quote_backslash: bool,
    /// `true` if a backslash escapes a quote in a string, `false` if the quote is doubled.
    pub text_backslash: bool,
    /// Case to which the dialect folds unquoted names.
    pub fold: CaseFolding,
    /// Maximum length of a name in bytes. 0 if there is no limit.
    pub max_bytes: usize,
    /// Reserved words, which must be quoted when used as names.
    pub reserved: &'static [&'static str],
    /// Hash table of the reserved words.
    pub reserved_slots: &'static [u16],
    /// Lengths of the reserved words, as bit sets with one bit per length. The low five bits of a word's first letter
    /// are the index into the array.
    pub reserved_lengths: [u32; 32],
    /// `true` if a backslash in a string must be doubled.
    pub backslash: bool,
    /// Prefix of a raw string, in which backslashes are not escapes. Empty if the dialect has no raw strings.
    pub raw: &'static str,
    /// The dialect's names for the types in [`super::part::NEUTRAL_TYPES`].
    pub types: &'static [&'static str],
    /// `true` if averages or quotients are decimals, rounded to a limited number of digits (see `emit::rounded`).
    pub rounded_decimals: bool,
    /// Ranges of the characters that a column's name can contain. Empty if a name can contain all characters.
    pub name_characters: &'static [(char, char)],
    /// Capabilities and limits of the dialect.
    pub facts: Facts,
    /// Syntax of literals.
    pub literals: Literals,
    /// Syntax of literals, split at the placeholder of the value.
    pub forms: LiteralForms,
    /// For each type in [`super::part::NEUTRAL_TYPES`], its other names in handwritten SQL, with the same limits and
    /// precision.
    pub type_synonyms: [&'static [&'static str]; 8],
    /// For each type in [`super::part::NEUTRAL_TYPES`], its other names in handwritten SQL, with different limits or a
    /// different precision.
    pub similar_types: [&'static [&'static str]; 8],
    /// One cell per overload.
    pub cells: &'static [Cell],
    /// Evidence for each construct in the dialect's SQL.
    pub constructs: &'static [ConstructFact],
    /// For each overload, the constructs of its template, as indices.
    pub cell_constructs: &'static [&'static [u16]],
}

/// Kind of evidence for a construct, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactVerdict {
    /// The construct ran on the warehouse itself, in tests or with `formulac prove`.
    Run,
    /// The warehouse's documentation describes the construct.
    Cited,
    /// The construct ran only on an emulator of the warehouse.
    Emulated,
    /// No source was found, or two sources contradict each other.
    Unsure,
}

impl FactVerdict {
    /// Returns the name of the verdict in a facts file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Cited => "cited",
            Self::Emulated => "emulated",
            Self::Unsure => "unsure",
        }
    }
}

/// Evidence for a construct of a dialect: an entry of a file in `dialects/facts`.
#[derive(Clone, Copy, Debug)]
pub struct ConstructFact {
    /// Section of the file, such as `calls`.
    pub section: &'static str,
    /// Construct with the types of its arguments, such as `round(decimal, integer)`.
    pub text: &'static str,
    /// Kind of evidence.
    pub verdict: FactVerdict,
    /// Engine with its version, or the address of a page with the date of its copy. Empty if no source was found.
    pub source: &'static str,
    /// Session parameters that change the result of the construct.
    pub parameters: &'static [&'static str],
    /// `true` if the entry is inherited from the dialect that this dialect extends, so that it is no evidence for this
    /// dialect.
    pub inherited: bool,
}

impl ConstructFact {
    /// Returns the evidence for this dialect. An inherited entry does not count as evidence.
    #[must_use]
    pub fn own_verdict(&self) -> FactVerdict {
        if self.inherited {
            FactVerdict::Unsure
        } else {
            self.verdict
        }
    }
}
