//! A step as the planner takes it, and what it gives.

use rustc_hash::FxHashMap;

use super::time_columns::TimeColumn;
use crate::diag::Diagnostic;
use crate::schema::{Column, Relation};
use crate::sql::{Cte, JoinKind, Select, SelectSource};

/// What a step reads.
#[derive(Clone, Debug)]
pub struct StepInput<'a> {
    /// The name of what is read: the relation, or the step before.
    pub name: &'a str,
    /// It is what the whole query reads.
    pub first: bool,
    pub relation: Option<&'a Relation>,
    /// The columns that tell its rows apart, as far as known.
    pub grain: &'a [String],
    /// What is joined to it, where something is.
    pub joined: Option<&'a JoinedInput>,
    /// The columns that tell the joined rows apart, as far as known.
    pub joined_grain: &'a [InputColumn],
    /// Other relations in which rows are found.
    pub tabs: &'a [TabSource],
}

/// A relation in which rows are found.
#[derive(Clone, Debug)]
pub struct TabSource {
    /// The name that its columns are read with.
    pub name: String,
    pub source: SelectSource,
    /// The name of its source is another.
    pub renamed: bool,
    pub columns: Vec<Column>,
    /// The order of its rows, each with whether it is descending; what breaks ties is the last.
    pub order: Vec<(Column, bool)>,
    /// The spec says the order.
    pub ordered: bool,
    /// The columns that tell its rows apart, as far as known.
    pub key: Vec<String>,
}

/// Several relations that a step reads as one.
#[derive(Clone, Debug)]
pub struct JoinedInput {
    /// Each by the name that its columns are read with, the one of the step before first.
    pub relations: Vec<Relation>,
    /// How each but the first is joined.
    pub joins: Vec<JoinInput>,
    /// The places of the relations, by name.
    places: FxHashMap<String, usize>,
}

impl JoinedInput {
    /// What is joined to, and nothing joined yet.
    pub fn from_first(first: Relation) -> Self {
        let places = std::iter::once((first.name().to_owned(), 0)).collect();
        Self { relations: vec![first], joins: Vec::new(), places }
    }

    pub fn push(&mut self, relation: Relation, join: JoinInput) {
        // Of two of a name, which is reported, the first is meant.
        self.places.entry(relation.name().to_owned()).or_insert(self.relations.len());
        self.relations.push(relation);
        self.joins.push(join);
    }

    pub fn position(&self, relation: &str) -> Option<usize> {
        self.places.get(relation).copied()
    }
}

/// How a relation is joined to those before it.
#[derive(Clone, Debug)]
pub struct JoinInput {
    pub kind: JoinKind,
    pub source: SelectSource,
    /// The name of its source is not the one that its columns are read with.
    pub renamed: bool,
}

/// A column of a joined input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputColumn {
    /// The places of its relations: several where it is the first of theirs that is there; empty if no schema says.
    pub of: Vec<usize>,
    pub name: String,
}

impl InputColumn {
    pub fn is(&self, other: &Self) -> bool {
        self.of == other.of && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// A step as the planner takes it.
pub struct StepSpec<'a> {
    /// The name of its last select, when another step reads it.
    pub name: &'a str,
    pub last: bool,
    pub keep: KeepColumns<'a>,
    pub limit: Option<u64>,
    pub descending: &'a [bool],
    /// By definition: its name stands in quotes, so that its case matters.
    pub quoted: &'a [bool],
    /// Nothing was said of partitions.
    pub default_partition: bool,
    /// Text of each definition's formula, for naming group keys.
    pub source: &'a str,
    /// The step is a pivoted worksheet; with the column that orders its pivot's columns, where it is not the pivot's key.
    pub pivot: Option<PivotOrder<'a>>,
    /// The places of columns that come first, whether kept or computed, by their names in lower case.
    pub first: &'a FxHashMap<String, usize>,
    /// Whether it matters which columns are times of the rows that are read.
    pub times: bool,
    /// It is a worksheet: its cells look through one window, which is written once.
    pub sheet: bool,
}

impl StepSpec<'_> {
    /// Where a column stands among those that come first; behind them when it is none of those.
    pub fn place_of(&self, name: &str) -> usize {
        self.first.get(&name.to_ascii_lowercase()).copied().unwrap_or(usize::MAX)
    }
}

/// How the columns of a pivot are ordered.
#[derive(Clone, Copy, Debug)]
pub enum PivotOrder<'a> {
    /// By its keys, each as `order_by` has it, else ascending.
    ByKeys,
    /// By this column, which numbers them.
    ByColumn(&'a str),
}

/// The columns of the input that a step passes on.
pub enum KeepColumns<'a> {
    Nothing,
    All,
    Some(Vec<&'a str>),
    /// Of a joined input.
    Joined(Vec<InputColumn>),
}

/// What a step gives.
pub struct StepOutput {
    pub ctes: Vec<Cte>,
    pub body: Select,
    pub relation: Relation,
    /// There are columns that no schema says.
    pub open: bool,
    pub grain: Vec<String>,
    /// It has one row at most.
    pub single: bool,
    /// The times of the rows that are read, as the first select can test them, where that was asked for.
    pub times: Vec<TimeColumn>,
    /// The place of that select among `ctes`; `None` if it is `body`.
    pub first_select: Option<usize>,
    /// A column for which `*` would have to leave one out, where no schema says which there are.
    pub in_the_way: Option<String>,
    pub diagnostics: Vec<Diagnostic>,
}
