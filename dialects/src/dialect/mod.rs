//! SQL dialects as data: the syntax of names, strings and types, and the template of each function.
//!
//! Code outside this module never checks for a specific dialect, but uses the dialect's facts, literals and templates.

pub mod expression;
mod function_facts;
mod quote;

use std::fmt;
use std::str::FromStr;

use crate::catalog;
use crate::tables::{self, DialectData, LiteralForms, OverloadId};
use crate::types::Type;

pub use crate::tables::{
    CaseFolding, Cell, ConstructFact, FactVerdict, Facts, LiteralForm, Literals, Template, TemplateShape, op, part,
};

/// SQL dialect.
///
/// ```
/// use formulac_catalog::Dialect;
/// let dialect: Dialect = "bigquery".parse().unwrap();
/// assert_eq!(dialect.to_string(), "bigquery");
/// assert_eq!(Dialect::default().name(), "postgres");
/// ```
#[derive(Clone, Copy)]
pub struct Dialect(&'static DialectData);

impl Dialect {
    /// Returns all dialects.
    pub fn all() -> impl Iterator<Item = Self> {
        tables::DIALECTS.iter().map(Self)
    }

    /// Returns the dialects whose SQL runs on an engine in the tests.
    pub fn verified() -> impl Iterator<Item = Self> {
        Self::all().filter(|dialect| dialect.unverified().is_none())
    }

    /// Returns the reason why no engine in the tests runs the dialect's SQL. `None` if an engine runs it.
    #[must_use]
    pub fn unverified(self) -> Option<&'static str> {
        Some(self.0.unverified).filter(|reason| !reason.is_empty())
    }

    /// Returns the name of the warehouse in prose, such as `BigQuery`.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// Returns the name of the dialect.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the capabilities and limits of the dialect.
    #[must_use]
    pub fn facts(self) -> &'static Facts {
        &self.0.facts
    }

    /// Returns the maximum length of a name in bytes. 0 if there is no limit.
    #[must_use]
    pub fn max_bytes(self) -> usize {
        self.0.max_bytes
    }

    /// Returns whether a column's name can contain a character.
    #[must_use]
    pub fn allows_in_names(self, c: char) -> bool {
        let ranges = self.0.name_characters;
        let compare = |(first, last): &(char, char)| match c {
            c if c < *first => std::cmp::Ordering::Greater,
            c if c > *last => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Equal,
        };
        ranges.is_empty() || ranges.binary_search_by(compare).is_ok()
    }

    /// Returns the syntax of literals in the dialect.
    #[must_use]
    pub fn literals(self) -> &'static Literals {
        &self.0.literals
    }

    /// Returns the syntax of literals, split at the placeholder of the value.
    pub fn forms(self) -> &'static LiteralForms {
        &self.0.forms
    }

    /// Returns the dialect's name for a type, for use in casts.
    #[must_use]
    pub fn type_name(self, ty: Type) -> &'static str {
        self.neutral_type(neutral_index(ty) as u8)
    }

    /// Returns the other names of a type in handwritten SQL: the names with the same limits and precision, and the
    /// names with different limits or a different precision.
    pub fn other_type_names(self, ty: Type) -> [&'static [&'static str]; 2] {
        let index = neutral_index(ty);
        let names = [&self.0.type_synonyms, &self.0.similar_types];
        names.map(|names| names.get(index).copied().unwrap_or_default())
    }

    /// Returns the functions that handwritten SQL of the dialect can call but that some dialects lack.
    pub fn own_functions(self) -> &'static [&'static str] {
        self.0.own_functions
    }

    /// Returns whether averages or quotients are decimals in the dialect, rounded to a limited number of digits.
    #[must_use]
    pub fn has_rounded_decimals(self) -> bool {
        self.0.rounded_decimals
    }

    /// Returns the dialect's name for the type at this index of [`part::NEUTRAL_TYPES`].
    #[expect(clippy::indexing_slicing, reason = "only the catalogue creates indices of types")]
    pub fn neutral_type(self, index: u8) -> &'static str {
        self.0.types[index as usize]
    }

    /// Returns the dialect's implementation of an overload.
    #[expect(
        clippy::indexing_slicing,
        reason = "only the catalogue creates ids, and each dialect has a cell for each"
    )]
    pub fn cell(self, id: OverloadId) -> &'static Cell {
        &self.0.cells[id.0 as usize]
    }

    /// Returns the evidence for each construct in the dialect's SQL: functions with their argument types, operators,
    /// casts, types, literals, clauses, facts and session parameters.
    #[must_use]
    pub fn support_of_constructs(self) -> &'static [ConstructFact] {
        self.0.constructs
    }

    /// Returns the evidence for the constructs in the template of an overload, and in the internal functions that the
    /// template inserts.
    pub fn support_of_overload_constructs(self, id: OverloadId) -> impl Iterator<Item = &'static ConstructFact> {
        let places = self.0.cell_constructs.get(id.0 as usize).copied().unwrap_or_default();
        places
            .iter()
            .filter_map(move |place| self.0.constructs.get(*place as usize))
    }

    /// Returns the SQL functions whose result is different in each call, such as `random`. Only templates of volatile
    /// functions call these SQL functions.
    #[must_use]
    pub fn volatile_calls(self) -> Vec<&'static str> {
        let calls = |is_volatile: bool| {
            let cells = self.0.cells.iter().enumerate().filter(move |(index, _)| {
                let owner = catalog::overload_owner(OverloadId(*index as u16));
                catalog::get(owner).volatile == is_volatile
            });
            cells.flat_map(|(_, cell)| match cell {
                Cell::Template(template) => template.parts,
                Cell::Missing | Cell::Unsupported(_) => &[],
            })
        };
        let name = |part: &part::TemplatePart| match *part {
            part::TemplatePart::Call { name, .. } => Some(name),
            _ => None,
        };
        let others: Vec<&str> = calls(false).filter_map(name).collect();
        calls(true)
            .filter_map(name)
            .filter(|name| !others.contains(name))
            .collect()
    }

    /// Returns the words that occur in the dialect's templates: keywords, function names and type names.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let parts = self.0.cells.iter().flat_map(|cell| match cell {
            Cell::Template(template) => template.parts,
            Cell::Missing | Cell::Unsupported(_) => &[],
        });
        let texts = parts.flat_map(|part| match *part {
            part::TemplatePart::Word(word) | part::TemplatePart::Call { name: word, .. } => [word, ""],
            part::TemplatePart::Cast {
                name,
                ty: part::TypeName::Native(ty),
                ..
            } => [name, ty],
            part::TemplatePart::Cast { name, .. } => [name, ""],
            _ => [""; 2],
        });
        let literals = &self.0.literals;
        let literals = [
            literals.decimal,
            literals.float,
            literals.date,
            literals.timestamp,
            literals.timestamptz,
        ];
        let texts = texts.chain(self.0.types.iter().copied()).chain(literals);
        texts
            .flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .filter(|word| !word.is_empty())
    }
}

/// Returns the index of a type in [`part::NEUTRAL_TYPES`].
fn neutral_index(ty: Type) -> usize {
    match ty {
        Type::Boolean => 0,
        Type::Integer => 1,
        Type::Decimal | Type::Number => 2,
        Type::Float | Type::Point | Type::Time => 3,
        Type::Date => 5,
        Type::Timestamp => 6,
        Type::Timestamptz => 7,
        Type::Text | Type::Other | Type::Unknown => 4,
    }
}

impl Default for Dialect {
    /// Returns Postgres, the default dialect outside of a project.
    fn default() -> Self {
        const FIRST_DIALECT: &tables::DialectData = &tables::DIALECTS[0];
        Self::all()
            .find(|d| d.name() == "postgres")
            .unwrap_or(Self(FIRST_DIALECT))
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
        Self::all()
            .find(|d| d.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Dialect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Dialect {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// Error for an unknown dialect name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no dialect `{0}`; the dialects are {names}", names = names())]
pub struct UnknownDialect(String);

/// Returns the names of all dialects as a list in a sentence.
fn names() -> String {
    let names: Vec<&str> = Dialect::all().map(Dialect::name).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}
