//! Semantic analysis: name resolution, types, nullability and levels, and the typed IR.
//!
//! The analysis has three passes, each of which is a loop. `names` resolves all names. `infer` infers the types of
//! columns that no schema declares. `lower` checks and lowers each definition after the definitions that it uses.

mod calls;
mod criteria;
mod dates;
mod dependency_facts;
mod infer;
mod levels;
mod lint;
mod lower;
mod names;
mod order;
mod ranges;
mod sheet;
pub mod sql_functions;
mod text;
mod windows;

pub use calls::convert::common_type;
pub use calls::foreign_functions::sql_function_advice;
pub use dates::{is_iso_date, next_day, shift_date};
pub use dependency_facts::{DefinitionDependencies, DependencyLink, SourceDependencies, collect_source_dependencies};

pub use dates::period::find_sort_key_to_shift;
pub use dates::period_units::{
    ColumnPeriod, WindowUnit, find_window_unit, key_period, period_unit_error, period_unit_warning, split_truncation,
};
pub use dates::timeframe::{DatePart, constant_period, date_part, is_recurring, timeframe_names as timeframes};
pub use dates::today::Today;
pub use lint::possible_values;
pub use names::column_diagnostics::{describe_columns, explain_removed_column, missing_column_diagnostic};
pub use names::unresolved_names::{MAX_CANDIDATES, MAX_SIMILAR_NAME_SEARCHES};
pub use sheet::tabs::Tab;
pub use sheet::totals::{SheetTotal, SheetTotalKind, TotalUse, find_totals};
pub use sheet::{Pivot, WorksheetGrid};
pub use text::literals_from_sql;

use crate::Type;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::Ast;
use crate::calendar::Calendar;
use crate::diag::Diagnostic;
use crate::ir::Program;
use crate::schema::{Column, Relation};

/// Context of a formula, which determines the level of its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Context {
    /// Dimension: one value per row, without aggregates.
    Row,
    /// Measure: aggregates compute one value per group.
    #[default]
    Measure,
    /// Calculation over the rows of a result.
    Worksheet,
}

/// Role of a source part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionRole {
    /// Definitions, or a single formula.
    Definitions,
    /// Filter on input rows.
    Where,
    /// Join condition, with the index of the join in the step.
    On(u32),
    /// Filter on groups.
    Having,
    /// Grouping key.
    GroupBy,
    /// Sort key.
    OrderBy,
    /// Partition key for windows.
    PartitionBy,
    /// Condition that selects the rows to which a rule of a model applies.
    Rule,
    /// Condition that every row of a model must satisfy. The condition may use window functions.
    Check,
}

impl DefinitionRole {
    /// Returns the role's name if the role is evaluated before window functions and therefore does not allow them.
    fn name_of_role_without_windows(self) -> Option<&'static str> {
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

    /// Returns `true` if the role is a condition on input rows, in which names resolve to input columns first.
    fn resolves_input_columns_first(self) -> bool {
        matches!(self, Self::Where | Self::On(_))
    }

    /// Returns whether the role sorts or partitions the groups of a grouped step.
    pub fn sorts_or_partitions_groups(self) -> bool {
        matches!(self, Self::OrderBy | Self::PartitionBy)
    }
}

/// Column that a join with `using` merges from several relations.
#[derive(Clone, Debug)]
pub struct MergedColumn {
    pub name: String,
    /// Indices of the relations in the scope, in ascending order.
    pub relations: Vec<usize>,
    /// Whether at least one of the joins is a full join. In a full join, the merged value is the first non-NULL value.
    /// In other joins, it is the value of the first relation.
    pub full: bool,
}

/// Properties of a file's other definitions. The source contains only the definitions that are compiled again.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtherFileDefinitions<'a> {
    /// Names of all definitions of the file, in order. `None` if the source contains all definitions.
    pub names: Option<&'a [&'a str]>,
    /// Relation of the first column in the file. All other columns must belong to this relation if the scope does not
    /// choose a relation.
    pub common_relation: Option<&'a Arc<str>>,
    /// Whether a definition that is not in the source uses an aggregate.
    pub has_aggregates: bool,
    /// Types that other steps require for columns and definitions, by name.
    pub required_types: &'a [(String, Type)],
    /// Lower-case names of the columns and definitions of earlier steps.
    pub earlier_names: Option<&'a BTreeSet<String>>,
}

/// Names that formulas can refer to, and features that they can use.
#[derive(Clone, Debug)]
pub struct CheckScope<'a> {
    pub context: Context,
    /// Relations whose columns formulas can use.
    pub relations: &'a [Relation],
    pub merged: &'a [MergedColumn],
    /// Whether names that no relation contains resolve to columns of unknown type.
    pub open: bool,
    /// Whether an unknown name that looks like a cell (`Q1`) or a function (`SUM`) is also treated as a column of
    /// unknown type. Formulas over metrics are analyzed before the names of the metrics are known.
    pub are_unknown_names_columns: bool,
    /// Whether the user chose the relation with `--from` or `from:`. If `true`, columns of other relations are errors.
    pub chosen: bool,
    /// Role of each source part.
    pub roles: &'a [DefinitionRole],
    /// Whether windows have a sort order.
    pub ordered: bool,
    /// For each source part, whether it is a sort key in descending order. Missing parts are `false`.
    pub descending: &'a [bool],
    /// Whether `blanks: zero` is set.
    pub blank_zero: bool,
    /// Time zone in which instants are converted to wall-clock time. `None` means the session's time zone.
    pub timezone: Option<&'a str>,
    /// Start of weeks and fiscal years.
    pub calendar: Calendar,
    /// Replacement for the current date.
    pub today: Option<&'a Today>,
    /// Whether nested window functions are supported, which requires that a later query level (stratum) can compute the
    /// outer function.
    pub strata: bool,
    /// Whether a group may have no rows, as in a model that combines several metric sets, or with `fill`.
    pub has_empty_groups: bool,
    /// Whether the dialect can read the field `b` of a STRUCT column `a` as `a.b`.
    pub struct_fields: bool,
    /// Worksheet that contains the cells. `None` outside of a worksheet.
    pub sheet: Option<&'a WorksheetGrid>,
    /// Types that the caller specifies for columns whose type is unknown in the schema, by lower-case name.
    pub given_types: &'a [(String, Type)],
    /// Whether to warn about valid formulas that are probably wrong.
    pub reports_lints: bool,
    /// Relation columns that are truncated to calendar periods.
    pub column_periods: &'a [ColumnPeriod],
    pub rest: OtherFileDefinitions<'a>,
}

impl<'a> CheckScope<'a> {
    /// Returns the relation at a position. The position must come from a search of the same list.
    #[expect(clippy::indexing_slicing, reason = "searches of the same list return the positions")]
    pub fn relation(&self, position: usize) -> &'a Relation {
        &self.relations[position]
    }

    /// Returns a column of another tab with its type. The type is `Unknown` unless the schema or `given_types` contains
    /// the type.
    fn tab_column(&self, tab: u32, column: u32) -> Option<(&'a Column, Type)> {
        let column = self.sheet?.tabs.get(tab as usize)?.columns.get(column as usize)?;
        let ty = match column.ty() {
            Type::Unknown => self.given_type_or_unknown(column.name()),
            ty => ty,
        };
        Some((column, ty))
    }
}

impl CheckScope<'_> {
    /// Returns the type in `given_types` for a column of unknown type.
    fn given_type_or_unknown(&self, name: &str) -> Type {
        self.given_type(name).unwrap_or_default()
    }

    /// Returns whether `given_types` contains the name, which means that the name is a column.
    fn has_given_type(&self, name: &str) -> bool {
        self.given_type(name).is_some()
    }

    /// Returns whether a name that looks like a cell may be a column of the input, because the columns of the input are
    /// unknown and an earlier step contains the name. A worksheet lists its columns.
    fn may_be_input_column(&self, name: &str) -> bool {
        let names = self.rest.earlier_names.filter(|_| self.open && self.sheet.is_none());
        names.is_some_and(|names| names.contains(&name.to_ascii_lowercase()))
    }

    fn given_type(&self, name: &str) -> Option<Type> {
        let mut types = self.given_types.iter();
        types
            .find(|(column, _)| column.eq_ignore_ascii_case(name))
            .map(|(_, ty)| *ty)
    }

    fn is_descending(&self, part: u32) -> bool {
        self.descending.get(part as usize).copied().unwrap_or(false)
    }

    fn role(&self, part: u32) -> DefinitionRole {
        self.roles
            .get(part as usize)
            .copied()
            .unwrap_or(DefinitionRole::Definitions)
    }

    /// Returns the name of the context or role if it evaluates each row separately and therefore does not allow
    /// aggregates. `None` if aggregates are allowed.
    fn name_of_context_without_aggregates(&self, role: DefinitionRole) -> Option<&'static str> {
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

/// Scratch buffers for semantic analysis, reused for the next source.
#[derive(Debug, Default)]
pub struct CheckBuffers {
    tables: names::NameTables,
    names: names::ResolvedNames,
    infer: infer::InferBuffers,
    lower: lower::LowerBuffers,
    comparisons: Vec<lint::NameComparison>,
}

/// Checks and lowers all definitions of a syntax tree. Marks definitions with errors as failed. Replaces the previous
/// content of `program`.
pub fn check(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    buffers: &mut CheckBuffers,
    program: &mut Program,
    diagnostics: &mut Vec<Diagnostic>,
) {
    program.clear();
    program.fiscal_month_offset = scope.calendar.fiscal_month_offset;
    let CheckBuffers {
        tables,
        names,
        infer,
        lower,
        comparisons,
    } = buffers;
    names::resolve(ast, source, scope, tables, names, &mut program.columns, diagnostics);
    order::order_definitions(ast, source, names, &mut program.order, diagnostics);
    if ast.blanks || !names.tab_ranges.is_empty() || program.columns.iter().any(|c| c.assumed) {
        infer::infer(ast, source, scope, names, program, infer, diagnostics);
    } else {
        infer.clear_terms();
    }
    lower::lower(ast, source, scope, names, lower, program, diagnostics);
    infer::evidence::label_type_evidence(ast, scope, names, program, infer, diagnostics);
    if !program.criteria.is_empty() {
        criteria::case_insensitive_text::check_case_sensitivity(program, source, diagnostics);
    }
    if !program.periods.is_empty() {
        dates::period::check_periods(ast, source, scope, program, diagnostics);
    }
    if scope.ordered {
        dates::period_units::check_period_units(ast, source, scope, program, diagnostics);
    }
    if scope.reports_lints {
        lint::run_lints(ast, source, scope, program, comparisons, diagnostics);
    }
}
