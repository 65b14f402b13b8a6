//! Typed IR of definitions. The IR contains the level of each value and does not depend on a dialect. All nodes are
//! stored in one arena, children before parents.

mod builder;
mod calendar_range;
mod calendar_unit;
mod constant_text;
mod dependencies;
mod null_interpretation;
mod program;
mod sorted_aggregates;
mod window_frame;

pub use calendar_range::{
    CalendarPeriod, CalendarRange, CalendarRangeEnd, FrameOrder, PeriodBoundary, RangeBound, RangeFrame,
};
pub use calendar_unit::{CalendarOffset, CalendarUnit};
pub use null_interpretation::NullInterpretation;
pub use program::{ColumnUse, IrDefinition, Program};
pub use sorted_aggregates::{SortedAggregates, sorts_values};
pub use window_frame::{CellFrame, FrameBound, GroupWindowKind, WindowFrame, WindowFrameId};

use crate::catalog::OverloadId;
use crate::span::Span;
use crate::{Level, Type};

/// Index of a node in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IrId(pub u32);

impl IrId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Range of entries in one of the program's pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolRange {
    pub first: u32,
    pub count: u32,
}

/// Node of the IR: an operation or a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ir {
    /// Placeholder for an expression with an error, which later stages ignore.
    Error,
    Null,
    Bool(bool),
    /// Number. Its digits are stored in the pool of strings.
    Number(PoolRange),
    /// Text value.
    Text(PoolRange),
    /// ISO date.
    Date(PoolRange),
    /// SQL expression that replaces the current date.
    Today(PoolRange),
    /// Date that another tool inserts into the SQL. The value is the index of the date in `macros`.
    Macro(u32),
    /// Column of the input.
    Column(u32),
    /// Value of another definition.
    Definition(u32),
    /// Call to a catalogue overload, with its arguments.
    Apply {
        overload: OverloadId,
        args: PoolRange,
    },
    /// CASE whose arguments alternate between conditions and values. If the number of arguments is odd, the last
    /// argument is the default value.
    Case(PoolRange),
    /// CASE that compares a subject with the value of each branch.
    Switch {
        subject: IrId,
        arms: PoolRange,
    },
    And(PoolRange),
    Or(PoolRange),
    Not(IrId),
    IsNull {
        x: IrId,
        negated: bool,
    },
    Coalesce(PoolRange),
    /// Aggregate call.
    Aggregate {
        overload: OverloadId,
        args: PoolRange,
        distinct: bool,
    },
    /// `count(*)`.
    CountRows,
    /// Window call.
    Window {
        call: IrId,
        over: WindowFrameId,
    },
    /// Window over the rows of each group, computed before grouping, for aggregates that the dialect does not support.
    /// The first argument is the call. For some kinds, the other arguments are additional partition keys.
    GroupWindow {
        args: PoolRange,
        role: GroupWindowKind,
    },
    /// Value from the row whose sort key equals the current row's sort key, shifted by a period.
    PeriodLookup {
        value: IrId,
        /// Index of the period in `periods`.
        period: u32,
    },
    /// Value from a row that is looked up by its key, in the sheet or in another tab. The arguments are the lookup
    /// value, the key to compare it with and, unless the lookup returns the row number, the value to return. If the
    /// lookup counts rows, the third argument is the counted value, and the fourth argument is a second value that the
    /// condition reads.
    RowLookup {
        args: PoolRange,
        /// Index of the lookup in `lookups`.
        lookup: u32,
    },
    /// Column of another tab, which only lookups in that tab read. If the tab is `u32::MAX`, the node is a row number.
    TabColumn {
        tab: u32,
        column: u32,
    },
    /// `DISTINCT(x)`. The enclosing aggregate consumes this node.
    Distinct(IrId),
    /// `FIRST(x):x`. The enclosing aggregate consumes this node.
    Range {
        x: IrId,
        over: WindowFrameId,
    },
    /// `A:C`: one `Range` per column. The enclosing aggregate consumes this node.
    Ranges(PoolRange),
}

impl Ir {
    /// Returns whether the node is a literal: written in the formula, or the result of folding a call.
    pub fn is_literal(&self) -> bool {
        matches!(self, Ir::Null | Ir::Bool(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_))
    }
}

/// Properties of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeMeta {
    pub ty: Type,
    pub nullable: bool,
    pub level: Level,
    /// Whether the only columns in the node outside of aggregates are grouping keys, so that the node can be combined
    /// with aggregates.
    pub reads_only_keys: bool,
    /// Whether each evaluation can return a different value.
    pub volatile: bool,
    /// Whether the node contains an aggregate without a column, such as `count(*)`. In a subquery, this aggregate would
    /// aggregate the rows of the subquery.
    pub columnless: bool,
    pub span: Span,
}

impl NodeMeta {
    /// Returns whether the value is the same in all rows and at each evaluation.
    #[inline]
    pub fn is_constant(&self) -> bool {
        self.level == Level::Const && !self.volatile
    }

    /// Merges the level and flags of an operand into the properties of this node.
    #[inline]
    pub fn merge_operand_properties(&mut self, operand: &Self) {
        self.level = self.level.max(operand.level);
        self.reads_only_keys &= operand.reads_only_keys || operand.level == Level::Const;
        self.volatile |= operand.volatile;
        self.columnless |= operand.columnless;
    }

    /// Returns whether an aggregate over the node contains a column. Volatile values count as values without columns.
    pub fn reads_columns(&self) -> bool {
        self.level > Level::Const && !self.volatile
    }

    /// Returns whether a subquery can contain the node. A subquery cannot contain windows. The subquery can contain
    /// aggregates of columns only if `aggregates` is set.
    pub fn is_allowed_in_subquery(&self, aggregates: bool) -> bool {
        match self.level {
            Level::Window => false,
            Level::Aggregate => aggregates && !self.columnless,
            _ => true,
        }
    }
}

/// Comparison between a lookup's key and the lookup value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupMatchMode {
    /// Finds the key that equals the lookup value.
    Exact,
    /// Finds the largest key that is not larger than the lookup value.
    Below,
    /// Finds the smallest key that is not smaller than the lookup value.
    Above,
    /// Finds a key that matches the pattern.
    Pattern,
    /// Counts all rows that meet the condition.
    Count,
}

/// Specification of a lookup: the rows to search, and the condition for finding a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookupSpec {
    /// Index of the searched tab among the sheet's other tabs. `None` for the sheet itself.
    pub tab: Option<u32>,
    /// Whether the lookup finds the row by its number.
    pub by_number: bool,
    pub matching: LookupMatchMode,
    /// Condition on the lookup value and the row's key. The node is not part of the expression of any definition.
    pub test: IrId,
}

/// Holidays in a column of another tab: the distinct dates from Monday to Friday. The planner creates a separate tab
/// for these dates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holidays {
    /// Tab of the sheet that lists the holidays, and the holiday column in that tab.
    pub tab: u32,
    pub column: u32,
    /// Nodes for the holiday column, for the column's value as a date, and for the test of whether that date is a
    /// weekday.
    pub column_node: IrId,
    pub date: IrId,
    pub on_weekday: IrId,
    /// Nodes for a holiday's date in the holiday table that the planner adds, and for the number of weekdays up to that
    /// date.
    pub day: IrId,
    pub weekdays: IrId,
}

impl Holidays {
    /// Smallest index of a holiday tab. The sheet's own tabs have smaller indices.
    pub const FIRST_HOLIDAY_TAB: u32 = 1 << 24;
    /// Columns of the holiday table that the planner adds: the date of the holiday, and the number of working days
    /// before that date.
    pub const HOLIDAY_DATE_COLUMN: u32 = 0;
    pub const WORKING_DAYS_COLUMN: u32 = 1;
}
