//! The keys of specs and of the project file as data: name, shape, what it is for, whether it is built. The loader, its
//! did-you-mean and the JSON Schemas read these tables, and nothing else says what may stand where.

mod dbt;
mod exposure;
mod model;
mod project;
mod proofs;
mod step;

pub(crate) use dbt::SHAPES_SQL;
pub(crate) use model::MODEL;
pub(crate) use project::{LOCAL, PROJECT};
pub(crate) use proofs::RULE;
pub(crate) use step::{DEFINITION, JOIN, STEP};

/// What stands behind a key.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text; numbers and truth values are texts as well.
    Text,
    /// The name of a model: letters, digits and `_`.
    Name,
    /// One formula.
    Formula,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// The name of a dialect.
    Dialect,
    /// An English day name.
    Weekday,
    /// `true` or `false`.
    Boolean,
    /// A whole number from 0 on; the text is an example of one that is meant.
    Count(&'static str),
    /// A number from 0 on.
    Number,
    /// Names as a list, or as one comma-separated text; the flag: each with `asc` or `desc`.
    Names,
    /// A text, or a list of them.
    Texts,
    /// A mapping whose keys and values are dbt's business.
    Mapping,
    /// A mapping with these keys.
    Keys(&'static Keys),
    /// A mapping from names to such values.
    Each(&'static Shape),
    /// A list of such values.
    List(&'static Shape),
    /// One of two shapes, told apart by whether it is a text, a list or a mapping.
    Either(&'static Shape, &'static Shape),
    /// A data test of dbt: its name, or a mapping from its name to arguments.
    DataTest,
    /// A text block, or a mapping from names to formulas.
    Definitions,
    /// A list of the relations that a step joins.
    Joins,
    /// `name: formula`, or a mapping that says more.
    Rule,
    /// Warnings, as a list or as a mapping to `on` and `off`.
    Lint,
    /// Steps that each read the one before.
    Steps,
}

/// A key that may stand in a mapping.
#[derive(Debug)]
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "the JSON Schema is part of the command"))]
pub(crate) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub doc: &'static str,
    /// It has to be there; the text says what it is, for whoever forgot it.
    pub required: Option<&'static str>,
    /// It is another spelling of this key.
    pub same_as: Option<&'static str>,
}

impl Key {
    const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, doc, required: None, same_as: None }
    }

    /// Whether nothing may stand behind it, which is as good as leaving it out. Nobody leaves a formula, a number or a
    /// choice empty on purpose.
    pub fn may_be_empty(&self) -> bool {
        let must_say = matches!(
            self.shape,
            Shape::Formula
                | Shape::Choice(_)
                | Shape::Dialect
                | Shape::Weekday
                | Shape::Boolean
                | Shape::Count(_)
                | Shape::Number
                | Shape::Steps
        );
        self.required.is_none() && !must_say
    }

    const fn required(mut self, what: &'static str) -> Self {
        self.required = Some(what);
        self
    }

    const fn same_as(mut self, name: &'static str) -> Self {
        self.same_as = Some(name);
        self
    }
}

/// The keys of one kind of mapping.
#[derive(Debug)]
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "the JSON Schema is part of the command"))]
pub(crate) struct Keys {
    /// Its name in the JSON Schema.
    pub title: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    /// dbt defines it, and may know more keys than stand here.
    pub open: bool,
}

impl Keys {
    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The days of the week, as `Shape::Weekday` takes them, whatever their case.
pub(crate) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Shape {
    /// How messages name it.
    pub fn expected(&self) -> String {
        match self {
            Self::Text | Self::Name => "a text".to_owned(),
            Self::Formula => "a formula".to_owned(),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(" or ")
            }
            Self::Dialect => "the name of a dialect".to_owned(),
            Self::Weekday => "a day of the week".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Count(_) => "a whole number".to_owned(),
            Self::Number => "a number from 0 on".to_owned(),
            Self::Names => "a list or a comma-separated text".to_owned(),
            Self::Texts => "a text or a list of texts".to_owned(),
            Self::Mapping | Self::Keys(_) => "a mapping".to_owned(),
            Self::Each(_) => "a mapping of names".to_owned(),
            Self::List(_) | Self::Joins | Self::Steps => "a list".to_owned(),
            Self::Either(one, other) => format!("{} or {}", one.expected(), other.expected()),
            Self::DataTest => "the name of a test, or a mapping from one name to arguments".to_owned(),
            Self::Definitions => "a text block or a mapping".to_owned(),
            Self::Rule => "`name: formula`, or a mapping with `name` and `check`".to_owned(),
            Self::Lint => "a list of warnings".to_owned(),
        }
    }
}
