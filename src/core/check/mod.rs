//! Names to columns, definitions and functions; types, nullability and levels; the tree to the typed IR.
//!
//! Three passes, each a loop: `names` finds what every name means, `infer` guesses the types of columns
//! that no schema declares, `lower` checks and lowers every definition after those that it uses.

mod branches;
mod call;
mod case_insensitive_text;
mod cell_words;
mod cells;
mod column_uses;
mod convert;
mod criteria;
mod criteria_order;
mod dates;
mod foreign_functions;
mod holiday_columns;
mod holidays;
mod infer;
mod infer_calls;
mod intrinsics;
pub mod inverse_masks;
mod levels;
mod lint;
mod literal_texts;
mod lookups;
mod lower;
mod mask;
mod names;
mod operands;
mod operators;
mod order;
mod order_statistics;
mod overload;
mod period;
mod pivots;
mod range_aggregates;
mod ranges;
mod ranks;
mod regex;
mod rewritten_aggregates;
mod running_criteria;
mod sheet;
mod sheet_columns;
mod symbols;
mod tabs;
mod text_masks;
mod timeframe;
mod today;
mod totals;
mod unresolved_names;
mod variadic;
mod wildcards;
mod windows;

pub use dates::is_iso_date;

pub use lint::values_of;
pub use period::moved_key;
pub use sheet::{Pivot, WorksheetGrid};
pub use tabs::Tab;
pub use timeframe::names as timeframes;
pub use today::Today;
pub use totals::{SheetTotal, SheetTotalKind, TotalUse, totals_in};
pub use unresolved_names::{gone, no_column};

use crate::Type;
use crate::ast::Ast;
use crate::calendar::Calendar;
use crate::diag::Diagnostic;
use crate::ir::Program;
use crate::schema::Relation;

/// What a formula is written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Context {
    /// A dimension: one value a row, no aggregates.
    Row,
    /// A measure: aggregates group.
    #[default]
    Measure,
    /// A calculation over the rows of a result.
    Worksheet,
}

/// What a part of the source is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionRole {
    /// Definitions, or the one formula.
    Definitions,
    /// The condition on input rows.
    Where,
    /// The condition of a join, by its place among the step's.
    On(u32),
    /// The condition on groups.
    Having,
    /// A grouping key.
    GroupBy,
    /// An ordering key.
    OrderBy,
    /// A key of window partitions.
    PartitionBy,
    /// A condition on the rows of a model.
    Rule,
    /// What must hold of every row of a model; it may look at the others.
    Check,
}

impl DefinitionRole {
    /// What comes before values that look at other rows, where that is so.
    fn forbids_windows(self) -> Option<&'static str> {
        match self {
            Self::Where => Some("`where`"),
            Self::On(_) => Some("`on`"),
            Self::Having => Some("`having`"),
            Self::GroupBy => Some("`group_by`"),
            Self::PartitionBy => Some("`partition_by`"),
            Self::OrderBy => Some("`order_by`"),
            Self::Rule => Some("a rule's `where`"),
            Self::Definitions | Self::Check => None,
        }
    }

    /// Whether it asks something of each row of the input, and so sees the input's columns first.
    fn sees_input_first(self) -> bool {
        matches!(self, Self::Where | Self::On(_))
    }

    /// Whether it asks something of each group of a grouped step.
    pub fn orders_groups(self) -> bool {
        matches!(self, Self::OrderBy | Self::PartitionBy)
    }
}

/// A column that joined relations have as one: `using` names it.
#[derive(Clone, Debug)]
pub struct MergedColumn {
    pub name: String,
    /// The places of the relations in the scope, in order.
    pub relations: Vec<usize>,
    /// A full join is among them, so that it is the first of theirs that is there; else it is the first relation's.
    pub full: bool,
}

/// What names mean and what is allowed.
#[derive(Clone, Debug)]
pub struct CheckScope<'a> {
    pub context: Context,
    /// The relations that names come from.
    pub relations: &'a [Relation],
    pub merged: &'a [MergedColumn],
    /// A name that is in no relation is a column of unknown type.
    pub open: bool,
    /// The relation was chosen (`--from`, `from:`), so a name of another is a mistake.
    pub chosen: bool,
    /// The role of each part of the source.
    pub roles: &'a [DefinitionRole],
    /// There is an order for windows.
    pub ordered: bool,
    /// `blanks: zero`.
    pub blank_zero: bool,
    /// Where an instant's wall clock hangs; none for the session's.
    pub timezone: Option<&'a str>,
    /// When weeks and fiscal years begin.
    pub calendar: Calendar,
    /// What stands in place of the current date.
    pub today: Option<&'a Today>,
    /// A window of a window is computed in a later stratum.
    pub strata: bool,
    /// The rows and columns that cells are of.
    pub sheet: Option<&'a WorksheetGrid>,
    /// Types that columns of unknown type are given, by name in lower case.
    pub given_types: &'a [(String, Type)],
}

impl CheckScope<'_> {
    /// The type that a column of unknown type is given.
    fn given_type(&self, name: &str) -> Type {
        let given = self.given_types.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
        given.map_or(Type::Unknown, |(_, ty)| *ty)
    }

    fn role(&self, part: u32) -> DefinitionRole {
        self.roles.get(part as usize).copied().unwrap_or(DefinitionRole::Definitions)
    }

    /// What holds values of one row only, where that is so.
    fn forbids_aggregates(&self, role: DefinitionRole) -> Option<&'static str> {
        match role {
            DefinitionRole::Definitions if self.context == Context::Row => Some("a dimension"),
            DefinitionRole::Where => Some("`where`"),
            DefinitionRole::On(_) => Some("`on`"),
            DefinitionRole::GroupBy => Some("`group_by`"),
            DefinitionRole::Rule => Some("a rule's `where`"),
            DefinitionRole::Check => Some("a rule"),
            _ => None,
        }
    }
}

/// What checking needs besides its result, kept from one text to the next.
#[derive(Debug, Default)]
pub struct CheckBuffers {
    tables: names::NameTables,
    names: names::NameResolver,
    infer: infer::InferBuffers,
    lower: lower::LowerBuffers,
}

/// Checks all definitions of a tree. Those with errors are marked as failed; the others are whole.
/// What was in `program` before is dropped.
pub fn check(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    buffers: &mut CheckBuffers,
    program: &mut Program,
    diagnostics: &mut Vec<Diagnostic>,
) {
    program.clear();
    let CheckBuffers { tables, names, infer, lower } = buffers;
    names::resolve(ast, source, scope, tables, names, &mut program.columns, diagnostics);
    order::order(ast, source, names, &mut program.order, diagnostics);
    if ast.blanks || program.columns.iter().any(|c| c.assumed) {
        infer::infer(ast, source, scope, names, program, infer, diagnostics);
    }
    lower::lower(ast, source, scope, names, lower, program, diagnostics);
    if !program.criteria.is_empty() {
        case_insensitive_text::check_case(program, source, diagnostics);
    }
    if !program.periods.is_empty() {
        period::check_periods(ast, source, scope, program, diagnostics);
    }
    lint::check_traps(ast, source, scope, program, diagnostics);
}
