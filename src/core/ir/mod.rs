//! Typed IR of definitions. The IR contains the level of each value and does not depend on a dialect. All nodes are
//! stored in one arena, children before parents.

mod calendar_range;

use std::sync::Arc;

pub use calendar_range::{CalendarEnd, CalendarPeriod, CalendarRange, FrameOrder, PeriodSide, RangeBound, RangeFrame};

use crate::catalog::{self, FunctionId, OverloadId, internal};
use crate::schema::DecimalDigits;
use crate::span::Span;
use crate::{Level, Type};

/// Comparison operators, each with its negation.
const OPPOSITES: [(FunctionId, FunctionId); 6] = [
    (internal::EQUAL, internal::NOT_EQUAL),
    (internal::NOT_EQUAL, internal::EQUAL),
    (internal::LESS, internal::GREATER_EQUAL),
    (internal::LESS_EQUAL, internal::GREATER),
    (internal::GREATER, internal::LESS_EQUAL),
    (internal::GREATER_EQUAL, internal::LESS),
];

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
    /// The first argument is the call. In some roles, the other arguments are additional partition keys.
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
        /// Index of the lookup in `finds`.
        find: u32,
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

/// Purpose of a window over the rows of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupWindowKind {
    /// Computes the aggregate. Its value is the same in all rows of the group.
    Value,
    /// Computes the rank of the row's value within its group, in descending or ascending order.
    Place { descending: bool },
    /// Counts the values in the group.
    Count,
    /// Counts how often the row's value occurs in the group.
    Occurrences,
    /// Computes how often the most frequent value of the group occurs.
    MaxOccurrences,
}

impl GroupWindowKind {
    /// Returns the suffix of the generated column's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "in_group",
            Self::Place { .. } => "place",
            Self::Count => "count",
            Self::Occurrences => "repeats",
            Self::MaxOccurrences => "most",
        }
    }
}

/// Rows that a window call reads, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFrame {
    /// Rows of the partition in the step's order. The window function determines which of these rows it reads.
    Ordered,
    /// All rows of the partition, without an order.
    Partition,
    /// Rows from one bound to another in the step's order, including both bounds.
    Rows { from: FrameBound, to: FrameBound },
    /// All rows, sorted by the call's own argument. NULLs come last or, if `apart` is set, are in a separate partition.
    /// If `within` is set, the rows are partitioned by the step's partition keys, otherwise only by the partition keys
    /// in the spec.
    Ranked {
        descending: bool,
        apart: bool,
        within: bool,
    },
    /// Rows of the partition with the same value of the call's own argument.
    SameValue,
    /// Rows of the partition whose key is within a calendar range. The last value in `parted_by` is the sort key of the
    /// frame, unless the frame contains all rows of the partition.
    Calendar(CalendarRange),
    /// Rows before the current row, sorted by the last value in `parted_by`. If `own` is set, rows with the same value
    /// as the current row are included.
    Ahead { descending: bool, own: bool },
    /// Cells in one row of a pivoted sheet, one cell per column.
    Across(CellFrame),
    /// All rows of a pivoted sheet, in the order of its columns.
    PivotColumns,
}

/// Cells in a row of a pivoted sheet that a window reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFrame {
    /// All cells, without an order.
    All,
    /// All cells, in the order of the columns. The window function determines which of these cells it reads.
    Ordered,
    /// Cells from one column to another, including both columns.
    Cells { from: FrameBound, to: FrameBound },
    /// All cells, sorted by the call's own argument.
    Ranked { descending: bool },
}

impl WindowFrame {
    /// Returns whether the window depends on the step's order.
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Ordered | Self::Rows { .. } | Self::Calendar(_) | Self::Across(_) | Self::PivotColumns
        )
    }

    /// Returns whether the window reads rows in the step's order rather than the cells of one row.
    pub fn is_over_rows(self) -> bool {
        matches!(self, Self::Ordered | Self::Rows { .. })
    }

    /// Returns whether the window reads all rows of a partition or all cells of a row.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Partition | Self::Across(CellFrame::All))
    }

    /// Returns whether the rows or cells are sorted by the call's own argument.
    pub fn is_ranked(self) -> bool {
        matches!(self, Self::Ranked { .. } | Self::Across(CellFrame::Ranked { .. }))
    }

    /// Returns whether the window always includes the current row.
    pub fn includes_current_row(self) -> bool {
        match self {
            Self::Rows { from, to } | Self::Across(CellFrame::Cells { from, to }) => {
                from <= FrameBound::At(0) && FrameBound::At(0) <= to
            }
            Self::Ordered
            | Self::Partition
            | Self::Ranked { .. }
            | Self::SameValue
            | Self::Across(_)
            | Self::PivotColumns => true,
            Self::Ahead { own, .. } => own,
            Self::Calendar(range) => range.includes_current_row(),
        }
    }

    /// Returns whether the window can be partitioned by an additional value, which requires that each of its bounds is
    /// the current row or an end of the partition.
    pub fn is_valid_in_partitions(self) -> bool {
        use FrameBound::{At, First, Last};
        match self {
            Self::Rows { from, to } | Self::Across(CellFrame::Cells { from, to }) => {
                matches!((from, to), (First | At(0), At(0) | Last))
            }
            // The ends of a calendar range are keys, so they do not depend on the other rows.
            Self::Ordered | Self::Partition | Self::Calendar(_) | Self::Across(CellFrame::All | CellFrame::Ordered) => {
                true
            }
            Self::Ranked { .. }
            | Self::SameValue
            | Self::Ahead { .. }
            | Self::Across(CellFrame::Ranked { .. })
            | Self::PivotColumns => false,
        }
    }
}

/// Bound of a window: a row of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameBound {
    First,
    /// Number of rows after the current row. Negative for rows before the current row.
    At(i32),
    Last,
}

/// Index of a [`WindowFrame`] in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowFrameId(u32);

/// Properties of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeMeta {
    pub ty: Type,
    pub nullable: bool,
    pub level: Level,
    /// Whether the node reads no columns per row except for grouping keys, and can therefore be combined with
    /// aggregates.
    pub reads_only_keys: bool,
    /// Whether each evaluation can return a different value.
    pub volatile: bool,
    /// Whether the node contains an aggregate that reads no column. In a subquery, that aggregate would aggregate the
    /// rows of the subquery.
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
    pub fn merge_operand(&mut self, operand: &Self) {
        self.level = self.level.max(operand.level);
        self.reads_only_keys &= operand.reads_only_keys || operand.level == Level::Const;
        self.volatile |= operand.volatile;
        self.columnless |= operand.columnless;
    }

    /// Returns whether an aggregate over the node reads a column. Volatile values do not read columns.
    pub fn reads_columns(&self) -> bool {
        self.level > Level::Const && !self.volatile
    }

    /// Returns whether a subquery can contain the node. A subquery cannot contain windows. It can contain aggregates of
    /// columns only if the dialect supports this.
    pub fn fits_subquery(&self, aggregates: bool) -> bool {
        match self.level {
            Level::Window => false,
            Level::Aggregate => aggregates && !self.columnless,
            _ => true,
        }
    }
}

/// Calendar offset, which is a number of calendar units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalendarOffset {
    /// Number of units. The number is never 0 and never exceeds the length of the calendar.
    pub count: i64,
    pub unit: CalendarUnit,
    /// Arguments after the time in calls to the catalogue entries `earlier` and `later`: the number of units, the unit,
    /// and a string with both.
    pub words: PoolRange,
}

/// Comparison between a lookup's key and the lookup value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyMatching {
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
    pub matching: KeyMatching,
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
    /// Nodes for a holiday's date in the planner's tab, and for the number of weekdays up to that date.
    pub day: IrId,
    pub weekdays: IrId,
}

impl Holidays {
    /// Smallest index of a holiday tab. The sheet's own tabs have smaller indices.
    pub const TABS: u32 = 1 << 24;
    /// Columns of the planner's tab: the date of the holiday, and the number of working days before that date.
    pub const DAY: u32 = 0;
    pub const WORKING_DAYS: u32 = 1;
}

/// Calendar unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalendarUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl CalendarUnit {
    pub const ALL: [Self; 8] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Returns whether the unit is shorter than a day. Such a unit can shift times but not dates.
    pub fn is_shorter_than_day(self) -> bool {
        matches!(self, Self::Second | Self::Minute | Self::Hour)
    }

    /// Returns the unit's length in seconds, or in months if its number of seconds varies. The flag is `true` for
    /// months.
    pub fn unit_length(self) -> (i64, bool) {
        match self {
            Self::Second => (1, false),
            Self::Minute => (60, false),
            Self::Hour => (3_600, false),
            Self::Day => (86_400, false),
            Self::Week => (604_800, false),
            Self::Month => (1, true),
            Self::Quarter => (3, true),
            Self::Year => (12, true),
        }
    }
}

impl CalendarOffset {
    /// Returns the offset in seconds or in months, so that one quarter and three months are equal.
    pub fn distance(self) -> (i64, bool) {
        let (length, months) = self.unit.unit_length();
        (self.count.saturating_mul(length), months)
    }
}

/// Column that the program reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnUse {
    /// Relation of the column, if it is known.
    pub relation: Option<Arc<str>>,
    pub name: Arc<str>,
    /// Whether the source quotes the name. An unquoted name is not case-sensitive.
    pub quoted: bool,
    /// Bit set of the dialects in which the name is known to be valid without quotes.
    pub bare: u32,
    pub ty: Type,
    pub nullable: bool,
    /// Upper bound of the column's numbers, as defined in `emit::size`.
    pub size: u32,
    /// Precision and scale of a decimal, if they are known.
    pub digits: Option<DecimalDigits>,
    /// Whether each value is the first day of a month.
    pub month_start: bool,
    /// Whether the type is inferred from the column's use instead of being specified in a schema.
    pub assumed: bool,
    /// Whether the column is not part of any known relation. If the column nevertheless has a relation, only the source
    /// contains the relation's name.
    pub unknown: bool,
    /// Columns from both sides of a full join that the join merges into this column. The merged value is the first
    /// non-NULL value.
    pub merged: Vec<u32>,
}

/// A compiled definition.
#[derive(Clone, Debug)]
pub struct IrDefinition {
    /// Name of the definition. `None` for a bare formula.
    pub name: Option<Arc<str>>,
    pub root: IrId,
    /// First node of the definition. All nodes after the root are unused.
    pub first: IrId,
    pub span: Span,
    /// Whether this definition or a definition that it uses contains an error.
    pub failed: bool,
    /// Whether another definition uses this definition.
    pub used: bool,
    /// Whether some nodes are unused because lowering replaced them with a simpler expression.
    pub folded: bool,
}

/// All definitions of a source or a step.
#[derive(Clone, Debug, Default)]
pub struct Program {
    nodes: Vec<(Ir, NodeMeta)>,
    /// Windows, each with the partition keys that it has in addition to the step's keys.
    overs: Vec<(WindowFrame, PoolRange)>,
    pub args: Vec<IrId>,
    pub texts: String,
    pub columns: Vec<ColumnUse>,
    pub definitions: Vec<IrDefinition>,
    /// Periods by which lookups shift their keys.
    pub periods: Vec<CalendarOffset>,
    /// Distances between the current row and the bounds of window frames.
    pub distances: Vec<CalendarOffset>,
    /// Lookups by key or row number.
    pub finds: Vec<LookupSpec>,
    /// Columns in other tabs that contain holidays.
    pub holidays: Vec<Holidays>,
    /// Aggregates and windows, each with an equivalent expression that consists of window functions, for dialects that
    /// do not support the call.
    pub other_forms: Vec<(IrId, IrId)>,
    /// Text criteria: the values to test, the text to find, and the span of the criterion.
    pub criteria: Vec<(IrId, PoolRange, Span)>,
    /// English descriptions of cells and cell ranges.
    pub meanings: Vec<(Span, String)>,
    /// Whether at least one definition is folded. During lowering, specifies whether the current definition is folded.
    pub folded: bool,
    /// Whether several nodes may have the same operand, because the program contains LET or functions with a
    /// definition.
    pub shares_nodes: bool,
    /// Indices into `definitions`, in dependency order.
    pub order: Vec<u32>,
}

impl Program {
    pub fn clear(&mut self) {
        let Self {
            nodes,
            overs,
            args,
            texts,
            columns,
            definitions,
            periods,
            distances,
            finds,
            holidays,
            other_forms,
            criteria,
            meanings,
            folded,
            shares_nodes,
            order,
        } = self;
        nodes.clear();
        overs.clear();
        args.clear();
        texts.clear();
        columns.clear();
        definitions.clear();
        periods.clear();
        distances.clear();
        finds.clear();
        holidays.clear();
        other_forms.clear();
        criteria.clear();
        meanings.clear();
        *folded = false;
        *shares_nodes = false;
        order.clear();
    }

    #[inline]
    pub fn node(&self, id: IrId) -> Ir {
        self.nodes[id.index()].0
    }

    #[inline]
    pub fn meta(&self, id: IrId) -> NodeMeta {
        self.nodes[id.index()].1
    }

    /// Returns a node and its properties.
    #[inline]
    pub fn entry(&self, id: IrId) -> &(Ir, NodeMeta) {
        &self.nodes[id.index()]
    }

    /// Returns the nodes from `first` to `last`, with their properties.
    pub fn entries(&self, first: IrId, last: IrId) -> impl Iterator<Item = (IrId, &(Ir, NodeMeta))> {
        (first.0..).map(IrId).zip(&self.nodes[first.index()..last.index() + 1])
    }

    pub fn meta_mut(&mut self, id: IrId) -> &mut NodeMeta {
        &mut self.nodes[id.index()].1
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn reserve(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
    }

    /// Returns the number of nodes for which memory is allocated.
    pub fn node_capacity(&self) -> usize {
        self.nodes.capacity()
    }

    /// Iterates over the nodes, children before parents.
    pub fn nodes(&self) -> impl Iterator<Item = Ir> + '_ {
        self.nodes.iter().map(|n| n.0)
    }

    /// Replaces a node with another node.
    pub fn replace(&mut self, id: IrId, node: Ir) {
        self.nodes[id.index()].0 = node;
    }

    #[inline]
    pub fn args(&self, slice: PoolRange) -> &[IrId] {
        &self.args[slice.first as usize..(slice.first + slice.count) as usize]
    }

    pub fn text(&self, slice: PoolRange) -> &str {
        self.texts
            .get(slice.first as usize..(slice.first + slice.count) as usize)
            .unwrap_or_default()
    }

    #[inline]
    pub fn add(&mut self, node: Ir, meta: NodeMeta) -> IrId {
        let id = IrId(self.nodes.len() as u32);
        self.nodes.push((node, meta));
        id
    }

    #[inline]
    pub fn add_args(&mut self, args: &[IrId]) -> PoolRange {
        let first = self.args.len() as u32;
        // Copy in a loop, because most lists are so short that a function call would be slower.
        match *args {
            [a] => self.args.push(a),
            [a, b] => self.args.extend_from_slice(&[a, b]),
            _ => self.args.extend_from_slice(args),
        }
        PoolRange {
            first,
            count: args.len() as u32,
        }
    }

    pub fn add_window(&mut self, over: WindowFrame, parted_by: &[IrId]) -> WindowFrameId {
        let by = self.add_args(parted_by);
        self.overs.push((over, by));
        WindowFrameId(self.overs.len() as u32 - 1)
    }

    pub fn window_frame(&self, id: WindowFrameId) -> WindowFrame {
        self.overs
            .get(id.0 as usize)
            .map_or(WindowFrame::Partition, |(over, _)| *over)
    }

    /// Returns the partition keys that a window has in addition to the step's keys.
    pub fn partition_keys(&self, id: WindowFrameId) -> &[IrId] {
        self.overs.get(id.0 as usize).map_or(&[], |(_, by)| self.args(*by))
    }

    /// Returns the distance of a window frame's bound, with the arguments that its template needs.
    pub fn distance(&self, count: i64, unit: CalendarUnit) -> Option<CalendarOffset> {
        let same = |distance: &&CalendarOffset| (distance.count, distance.unit) == (count, unit);
        self.distances.iter().find(same).copied()
    }

    /// Appends an argument to the most recently added list.
    #[inline]
    pub fn extend_args(&mut self, slice: &mut PoolRange, arg: IrId) {
        self.args.push(arg);
        slice.count += 1;
    }

    pub fn add_text(&mut self, text: &str) -> PoolRange {
        let first = self.texts.len() as u32;
        self.texts.push_str(text);
        PoolRange {
            first,
            count: text.len() as u32,
        }
    }

    /// Adds a copy of a string in lower case. Only ASCII letters change.
    pub fn add_lowercase(&mut self, slice: PoolRange) -> PoolRange {
        let first = self.texts.len();
        self.texts
            .extend_from_within(slice.first as usize..(slice.first + slice.count) as usize);
        self.texts[first..].make_ascii_lowercase();
        PoolRange {
            first: first as u32,
            count: slice.count,
        }
    }

    /// Follows references to definitions until the node is not a reference, because a definition's formula can be only
    /// the name of another definition.
    #[inline]
    pub fn resolve_names(&self, id: IrId) -> IrId {
        self.resolve_names_until(id, |_, _| false)
    }

    /// Like `resolve_names`, but stops at a reference for which `stop` returns `true`.
    #[inline]
    pub fn resolve_names_until(&self, mut id: IrId, mut stop: impl FnMut(IrId, usize) -> bool) -> IrId {
        while let Ir::Definition(used) = self.node(id)
            && !stop(id, used as usize)
        {
            id = self.definitions[used as usize].root;
        }
        id
    }

    /// Returns the negation of a condition that needs no NOT: the opposite constant, test for NULL or comparison.
    pub fn opposite(&self, id: IrId) -> Option<Ir> {
        match self.node(id) {
            Ir::Bool(value) => Some(Ir::Bool(!value)),
            Ir::IsNull { x, negated } => Some(Ir::IsNull { x, negated: !negated }),
            Ir::Apply { overload, args } => {
                let of = catalog::overload_owner(overload);
                let (_, opposite) = OPPOSITES.iter().find(|(comparison, _)| *comparison == of)?;
                let overload = catalog::get(*opposite).overloads[0].id;
                Some(Ir::Apply { overload, args })
            }
            _ => None,
        }
    }

    /// Returns whether a date is known to be the first day of a month. This also holds for the minimum, maximum, first
    /// or last value of such dates.
    pub fn is_month_start(&self, date: IrId) -> bool {
        const CHOOSES: [&str; 7] = ["MIN", "MAX", "FIRST", "LAST", "first_value", "last_value", "lag"];
        const MONTHS: [FunctionId; 4] = [
            internal::TRUNC_MONTH,
            internal::TRUNC_QUARTER,
            internal::TRUNC_YEAR,
            internal::FISCAL_QUARTER,
        ];
        let mut date = self.resolve_names(date);
        loop {
            date = match self.node(date) {
                Ir::Column(column) => return self.columns.get(column as usize).is_some_and(|used| used.month_start),
                Ir::Date(iso) => return self.text(iso).ends_with("-01"),
                Ir::Window { call, .. } => call,
                Ir::Apply { overload, args } | Ir::Aggregate { overload, args, .. } => {
                    let owner = catalog::overload_owner(overload);
                    if MONTHS.contains(&owner) {
                        return true;
                    }
                    match self.args(args) {
                        [.., day] if owner == internal::DATE_FROM_PARTS => return self.is_literal_one(*day),
                        [of, ..] if CHOOSES.contains(&catalog::get(owner).name) => self.resolve_names(*of),
                        [end, one] if owner == internal::ADD => {
                            return self.is_month_end(*end) && self.is_literal_one(*one);
                        }
                        _ => return false,
                    }
                }
                _ => return false,
            };
        }
    }

    fn is_month_end(&self, date: IrId) -> bool {
        match self.node(self.resolve_names(date)) {
            Ir::Apply { overload, .. } => catalog::get(catalog::overload_owner(overload)).name == "EOMONTH",
            _ => false,
        }
    }

    fn is_literal_one(&self, id: IrId) -> bool {
        matches!(self.node(id), Ir::Number(text) if self.meta(id).ty == Type::Integer && self.text(text) == "1")
    }

    /// Returns the values of a CASE with the given arms, without the conditions.
    pub fn branches(&self, arms: PoolRange) -> impl Iterator<Item = IrId> + '_ {
        self.args(arms).chunks(2).filter_map(|pair| pair.last().copied())
    }

    /// Returns whether a node is so simple that repeating it costs nothing: a column, a literal, or a non-volatile call
    /// without arguments, such as today's date.
    pub fn is_simple(&self, id: IrId) -> bool {
        match self.node(id) {
            Ir::Column(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Today(_) | Ir::Bool(_) | Ir::Null => true,
            Ir::Apply { args, .. } => args.count == 0 && !self.meta(id).volatile,
            _ => false,
        }
    }

    /// Returns the sheet's tab and column from which a column originates. Only the columns of holiday tabs originate
    /// from another tab.
    pub fn find_column_origin(&self, tab: u32, column: u32) -> (u32, u32) {
        let holidays = tab
            .checked_sub(Holidays::TABS)
            .and_then(|place| self.holidays.get(place as usize));
        holidays.map_or((tab, column), |holidays| (holidays.tab, holidays.column))
    }

    /// Returns the operands of a node, in order.
    pub fn operands(&self, id: IrId) -> impl DoubleEndedIterator<Item = IrId> + '_ {
        let (one, many) = match self.node(id) {
            Ir::Apply { args, .. }
            | Ir::Aggregate { args, .. }
            | Ir::Case(args)
            | Ir::GroupWindow { args, .. }
            | Ir::And(args)
            | Ir::Or(args)
            | Ir::Ranges(args)
            | Ir::RowLookup { args, .. }
            | Ir::Coalesce(args) => (None, self.args(args)),
            Ir::Switch { subject, arms } => (Some(subject), self.args(arms)),
            Ir::Window { call, over } => (Some(call), self.partition_keys(over)),
            Ir::Not(x)
            | Ir::IsNull { x, .. }
            | Ir::Range { x, .. }
            | Ir::PeriodLookup { value: x, .. }
            | Ir::Distinct(x) => (Some(x), &[][..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().copied())
    }
}
