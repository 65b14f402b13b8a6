//! Tables of the keys in specs and project files, with the name, shape and documentation of each key. These tables are
//! the only definition of the keys. The loader, its suggestions for misspelled keys, and the JSON Schemas use them.

mod dbt;
mod exposure;
mod metric_set;
mod model;
mod project;
mod spec_tests;
mod step;

pub use dbt::{CONFIG_KEYS, CONTRACT, FORMULAC_META, SQL_CONFIG_KEYS};
pub use metric_set::{METRIC_SET, METRIC_SET_STEP};
pub use model::MODEL;
pub use project::{LOCAL, PROJECT};
pub use spec_tests::RULE;
pub use step::{DEFINITION, JOIN, STEP, STEP_INPUT};

use formulac_syntax::diag::lists::join_names;

/// Shape of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum KeyShape {
    /// Text. Numbers and booleans are accepted as text.
    Text,
    /// Name of a model: letters, digits and `_`.
    Name,
    /// Formula.
    Formula,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// Name of a dialect.
    Dialect,
    /// English name of a day.
    Weekday,
    /// Name of a time zone.
    TimeZone,
    /// `true` or `false`.
    Boolean,
    /// Non-negative integer. The string is an example.
    Count(&'static str),
    /// Non-negative number.
    Number,
    /// Names, as a list or as one comma-separated string.
    Names,
    /// Text, or a list of strings.
    Texts,
    /// Mapping whose content dbt defines.
    Mapping,
    /// Mapping with these keys.
    Keys(&'static KeyTable),
    /// Mapping from names to values that have this shape.
    Each(&'static KeyShape),
    /// List of values that have this shape.
    List(&'static KeyShape),
    /// One of two shapes. The kind of the value (text, list or mapping) determines the shape.
    Either(&'static KeyShape, &'static KeyShape),
    /// dbt data test: the name of the test, or a mapping from the name to its arguments.
    DataTest,
    /// Definitions: a text block, or a mapping from names to formulas.
    Definitions,
    /// List of joined relations.
    Joins,
    /// Rule: `name: formula`, or a mapping with more keys.
    SpecRule,
    /// Warnings to turn off: a list of codes, or a mapping from codes to `on` or `off`.
    Lint,
    /// List of steps. Each step reads the previous step.
    Steps,
}

/// Key of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub shape: KeyShape,
    pub doc: &'static str,
    /// Description of the key in the error message for a missing key. `None` if the key is optional.
    pub required: Option<&'static str>,
    /// Name of the key for which this key is an alias.
    pub alias_of: Option<&'static str>,
    /// Equivalent words in SQL and other tools. If a spec uses one of these words as a key, the error suggests this
    /// key.
    pub synonyms: &'static [&'static str],
    /// Whether the key determines the rows and names that a condition in `where` reads. All other keys of a spec use
    /// the result of `where`, or properties of this result.
    pub determines_rows: bool,
}

impl Key {
    const fn new(name: &'static str, shape: KeyShape, doc: &'static str) -> Self {
        Self {
            name,
            shape,
            doc,
            required: None,
            alias_of: None,
            synonyms: &[],
            determines_rows: false,
        }
    }

    /// Returns whether the value may be empty, which has the same effect as omitting the key. Empty formulas, numbers
    /// and choices are errors, because they are probably mistakes.
    pub fn may_be_empty(&self) -> bool {
        let must_say = matches!(
            self.shape,
            KeyShape::Formula
                | KeyShape::Choice(_)
                | KeyShape::Dialect
                | KeyShape::Weekday
                | KeyShape::Boolean
                | KeyShape::Count(_)
                | KeyShape::Number
                | KeyShape::Steps
        );
        self.required.is_none() && !must_say
    }

    const fn required(mut self, description: &'static str) -> Self {
        self.required = Some(description);
        self
    }

    const fn determines_rows(mut self) -> Self {
        self.determines_rows = true;
        self
    }

    const fn synonyms(mut self, words: &'static [&'static str]) -> Self {
        self.synonyms = words;
        self
    }

    const fn alias_of(mut self, name: &'static str) -> Self {
        self.alias_of = Some(name);
        self
    }
}

/// Table of the keys that one kind of mapping accepts.
#[derive(Debug)]
pub struct KeyTable {
    /// Title in the JSON Schema.
    pub title: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    /// `true` if dbt defines the mapping, so the mapping may have keys that are not in the table.
    pub open: bool,
}

impl KeyTable {
    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Returns whether a key of a spec or of one of its steps determines the rows and names that a condition in `where`
/// reads.
pub fn determines_rows(name: &str) -> bool {
    let is_determining = |table: &&KeyTable| table.get(name).is_some_and(|key| key.determines_rows);
    [&MODEL, &STEP_INPUT, &STEP].iter().any(is_determining)
}

impl KeyShape {
    /// Returns the shape's name for messages.
    pub fn expected(&self) -> String {
        match self {
            Self::Text | Self::Name => "a string".to_owned(),
            Self::Formula => "a formula".to_owned(),
            Self::Choice(words) => join_names(*words, "or"),
            Self::Dialect => "the name of a dialect".to_owned(),
            Self::Weekday => "a day of the week".to_owned(),
            Self::TimeZone => "the name of a time zone".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Count(_) => "an integer".to_owned(),
            Self::Number => "a number of 0 or more".to_owned(),
            Self::Names => "a list or a comma-separated string".to_owned(),
            Self::Texts => "a string or a list of strings".to_owned(),
            Self::Mapping | Self::Keys(_) => "a mapping".to_owned(),
            Self::Each(_) => "a mapping of names".to_owned(),
            Self::List(_) | Self::Joins | Self::Steps => "a list".to_owned(),
            Self::Either(first_shape, other) => format!("{} or {}", first_shape.expected(), other.expected()),
            Self::DataTest => "a test name or a mapping from a single test name to its arguments".to_owned(),
            Self::Definitions => "a text block or a mapping".to_owned(),
            Self::SpecRule => "either `name: formula` or a mapping with `name` and `check`".to_owned(),
            Self::Lint => "a list of warnings".to_owned(),
        }
    }
}
