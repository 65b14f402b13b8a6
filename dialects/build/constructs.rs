//! Constructs: the calls, operators, casts, literals and clauses that make up a dialect's SQL.
//!
//! An example is `round(decimal, integer)`. The type names in a construct are classes of types, because a warehouse may
//! support a function for some classes but not for others.

mod aggregate_uses;
mod classes;
mod reader;

use std::collections::BTreeSet;

use crate::catalogue::Function;
use crate::signature::Signature;
use crate::template::Node;

pub use aggregate_uses::AggregateUses;
pub use classes::{class_of_type, strip_safe_prefix};

/// Sections of a facts file, in the order in which they appear in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Calls,
    Operators,
    Casts,
    Types,
    Literals,
    Clauses,
    Facts,
    Parameters,
}

impl Section {
    pub const ALL: [(&str, Self); 8] = [
        ("calls", Self::Calls),
        ("operators", Self::Operators),
        ("casts", Self::Casts),
        ("types", Self::Types),
        ("literals", Self::Literals),
        ("clauses", Self::Clauses),
        ("facts", Self::Facts),
        ("parameters", Self::Parameters),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

pub type Construct = (Section, String);

/// Type class of each function's result, from `[results]` in the facts files. The type class determines the argument
/// classes of nested calls.
pub type ResultClasses = Vec<(String, String)>;

/// Class that a conversion such as `{x:days}` has in a dialect for arguments of one class.
pub struct Conversion {
    pub mode: String,
    pub from: String,
    pub class: String,
}

pub struct Scope<'a> {
    pub functions: &'a [Function],
    /// The dialect's names for the neutral types.
    pub types: &'a [(String, String)],
    pub results: &'a ResultClasses,
    pub conversions: &'a [Conversion],
}

/// Returns the constructs of a template.
pub fn constructs_of_template(
    nodes: &[Node],
    signature: &Signature,
    roles: AggregateUses,
    scope: &Scope<'_>,
) -> BTreeSet<Construct> {
    reader::ConstructCollector::read(nodes, signature, roles, scope).into_constructs()
}

/// Returns the type class of a template's value.
pub fn class_of_template(nodes: &[Node], signature: &Signature, scope: &Scope<'_>) -> String {
    reader::ConstructCollector::read(nodes, signature, AggregateUses::default(), scope).into_class()
}
