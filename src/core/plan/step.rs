//! Input and output of the planner for one step.

use rustc_hash::FxHashMap;

use super::time_columns::TimeColumn;
use crate::diag::Diagnostic;
use crate::schema::{Column, Relation};
use crate::sql::{Cte, JoinKind, RowPlan, SelectSource};

/// Input of a step.
#[derive(Clone, Debug)]
pub struct StepInput<'a> {
    /// Name of the relation or previous step that the step reads.
    pub name: &'a str,
    /// Index of the relation that the step reads, among the input relations of the spec. `None` if the step reads an
    /// earlier step.
    pub source: Option<u32>,
    pub relation: Option<&'a Relation>,
    /// Columns that are known to identify the input's rows.
    pub grain: &'a [String],
    /// Joined relations. `None` if the step reads a single relation.
    pub joined: Option<&'a JoinedInput>,
    /// Columns that are known to identify the joined rows.
    pub joined_grain: &'a [InputColumn],
    /// Other relations that lookups search.
    pub tabs: &'a [TabSource],
}

/// Relation that lookups search.
#[derive(Clone, Debug)]
pub struct TabSource {
    /// Name under which the relation's columns are read.
    pub name: String,
    pub source: SelectSource,
    /// Whether the source has a different name than `name`.
    pub renamed: bool,
    pub columns: Vec<Column>,
    /// Sort columns of the rows, each with a flag for descending order. The last columns break ties.
    pub order: Vec<(Column, bool)>,
    /// Whether the spec specifies the order of the rows.
    pub ordered: bool,
    /// Columns that are known to identify the rows.
    pub key: Vec<String>,
}

/// Joined relations that a step reads as a single input.
#[derive(Clone, Debug)]
pub struct JoinedInput {
    /// Relations, each with the name under which its columns are read. The previous step's relation comes first.
    pub relations: Vec<Relation>,
    /// Join of each relation except the first.
    pub joins: Vec<JoinInput>,
    /// Index of each relation in `relations`, by name.
    places: FxHashMap<String, usize>,
}

impl JoinedInput {
    /// Creates an input that contains only the first relation. Other relations can be joined to it.
    pub fn from_first_relation(first: Relation) -> Self {
        let places = std::iter::once((first.name().to_owned(), 0)).collect();
        Self {
            relations: vec![first],
            joins: Vec::new(),
            places,
        }
    }

    pub fn push(&mut self, relation: Relation, join: JoinInput) {
        // If two relations have the same name, use the first one. The duplicate name is reported elsewhere.
        self.places
            .entry(relation.name().to_owned())
            .or_insert(self.relations.len());
        self.relations.push(relation);
        self.joins.push(join);
    }

    pub fn position(&self, relation: &str) -> Option<usize> {
        self.places.get(relation).copied()
    }
}

/// Join of a relation to the previous relations.
#[derive(Clone, Debug)]
pub struct JoinInput {
    pub kind: JoinKind,
    pub source: SelectSource,
    /// Whether the source's name differs from the name under which the columns are read.
    pub renamed: bool,
}

/// Column of a joined input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputColumn {
    /// Indices of the relations that have the column. If there are several, the column contains the first non-NULL
    /// value. Empty if no schema contains the column.
    pub relations: Vec<usize>,
    pub name: String,
}

impl InputColumn {
    pub fn is_same_column(&self, other: &Self) -> bool {
        self.relations == other.relations && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// Specification of a step for the planner.
pub struct StepSpec<'a> {
    /// Name of the step. If another step reads this step, the last select has this name.
    pub name: &'a str,
    pub last: bool,
    pub keep: InputProjection<'a>,
    pub limit: Option<u64>,
    pub descending: &'a [bool],
    /// Whether each definition's name is quoted, which means that the name is case-sensitive.
    pub quoted: &'a [bool],
    /// Whether the spec specifies no partition keys, so that windows use the default partition.
    pub default_partition: bool,
    /// Text with the formulas of all definitions, from which names of grouping keys are derived.
    pub source: &'a str,
    /// Order of the pivot's columns. `None` if the step is not a pivoted worksheet.
    pub pivot: Option<PivotOrder<'a>>,
    /// Positions of the columns that come first in the output, by lower-case name. A column may be kept or
    /// computed.
    pub first: &'a FxHashMap<String, usize>,
    /// Whether the planner returns the time columns of the rows that the step reads.
    pub times: bool,
    /// Whether the step is a worksheet. If `true` and several cells share a window, the SQL defines the window only
    /// once, in a `window` clause.
    pub sheet: bool,
}

impl StepSpec<'_> {
    /// Returns the position of a column among the columns that come first in the output, or `usize::MAX` for other
    /// columns.
    pub fn leading_position(&self, name: &str) -> usize {
        self.first
            .get(&name.to_ascii_lowercase())
            .copied()
            .unwrap_or(usize::MAX)
    }
}

/// Order of a pivot's columns.
#[derive(Clone, Copy, Debug)]
pub enum PivotOrder<'a> {
    /// Order by the pivot's keys, each in the direction that `order_by` specifies. Keys that are not in `order_by` are
    /// ascending.
    ByKeys,
    /// Order by the given column, which contains the numbers of the pivot's columns.
    ByColumn(&'a str),
}

/// Columns of the input that a step passes on.
pub enum InputProjection<'a> {
    Nothing,
    All,
    Some(Vec<&'a str>),
    /// Columns of a joined input.
    Joined(Vec<InputColumn>),
}

/// Result of planning a step.
pub struct StepOutput {
    pub ctes: Vec<Cte>,
    pub body: RowPlan,
    pub relation: Relation,
    /// Whether the step may return columns that no schema specifies.
    pub open: bool,
    pub grain: Vec<String>,
    /// Whether the step returns at most one row.
    pub single: bool,
    /// Time columns of the rows that the step reads, in a form that the first select can test. Empty unless the caller
    /// requested them.
    pub times: Vec<TimeColumn>,
    /// Index of the first select in `ctes`. `None` if the first select is `body`.
    pub first_select: Option<usize>,
    /// Whether a formula of the step can have a different value each time it is computed.
    pub volatile: bool,
    /// Column that `*` would have to exclude. Set only if no schema specifies the columns.
    pub star_conflict: Option<String>,
    pub diagnostics: Vec<Diagnostic>,
}
