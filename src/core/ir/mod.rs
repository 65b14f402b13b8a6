//! The typed, levelled, dialect-free form of definitions: nodes in one arena, children before parents.

use std::sync::Arc;

use crate::catalog::{self, OverloadId, internal};
use crate::span::Span;
use crate::{Level, Type};

/// A node's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IrId(pub u32);

impl IrId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub first: u32,
    pub count: u32,
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ir {
    /// Stands for what has an error; silent from here on.
    Error,
    Null,
    Bool(bool),
    /// A number; its digits are a text of the pool.
    Number(Slice),
    /// A text value.
    Text(Slice),
    /// A date, in ISO form.
    Date(Slice),
    /// What stands in place of the current date: the text of an SQL expression.
    Today(Slice),
    /// An input column.
    Column(u32),
    /// Another definition's value.
    Definition(u32),
    /// A template of the catalogue with its arguments.
    Apply {
        overload: OverloadId,
        args: Slice,
    },
    /// Pairs of condition and value; an odd last one is the value otherwise.
    Case(Slice),
    /// `Case` that compares one subject with a value for each branch.
    Switch {
        subject: IrId,
        arms: Slice,
    },
    And(Slice),
    Or(Slice),
    Not(IrId),
    IsNull {
        x: IrId,
        negated: bool,
    },
    Coalesce(Slice),
    /// An aggregate call.
    Aggregate {
        overload: OverloadId,
        args: Slice,
        distinct: bool,
    },
    /// `count(*)`.
    CountRows,
    /// A window call.
    Window {
        call: IrId,
        over: OverId,
    },
    /// A window over the rows of each group, before grouping, for aggregates that the dialect lacks: a call, and for
    /// some roles what it is parted by beside the groups.
    GroupWindow {
        args: Slice,
        role: GroupRole,
    },
    /// The value of the row whose key of order is this row's, moved by a period.
    Lookup {
        value: IrId,
        /// In `periods`.
        period: u32,
    },
    /// The value of the row that a key finds, of the sheet or of another tab: what is sought, what it is compared with,
    /// and, where it is not the row's number that is asked for, the value; of rows that are counted what is counted, and a
    /// second value that the condition reads.
    Find {
        args: Slice,
        /// In `finds`.
        find: u32,
    },
    /// A column of another tab, which only what is found there reads; or, in no tab, the number of a row.
    Elsewhere {
        tab: u32,
        column: u32,
    },
    /// `DISTINCT(x)`, until the aggregate around it takes it.
    Distinct(IrId),
    /// `FIRST(x):x`, until the aggregate around it takes it.
    Range {
        x: IrId,
        over: OverId,
    },
    /// `A:C`, a `Range` for each of its columns, likewise.
    Ranges(Slice),
}

/// What a window over the rows of each group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// It is the aggregate's value, the same in all rows.
    Value,
    /// The place of the row's value among those of its group, from the smallest or from the largest.
    Place { descending: bool },
    /// How many values the group has.
    Count,
    /// How often the row's value stands in its group.
    Repeats,
    /// The most often that any value of the group stands in it.
    Most,
}

impl GroupRole {
    /// What its column is called behind the name of what is computed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "in_group",
            Self::Place { .. } => "place",
            Self::Count => "count",
            Self::Repeats => "repeats",
            Self::Most => "most",
        }
    }
}

/// Which rows a window call sees, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Those of the partition in the step's order; the function says which of them it means.
    Ordered,
    /// All of the partition, in no order.
    Partition,
    /// Those from one place to another in the step's order, both included.
    Rows { from: Place, to: Place },
    /// All, in the order of the call's own argument; NULLs come last, or are `apart`, in a partition of their own.
    /// `within` the step's partition, or among all rows but for the partition that the spec names.
    Ranked { descending: bool, apart: bool, within: bool },
    /// Those of the partition that have the value of the call's own argument.
    Alike,
    /// Those ahead of this row in the order of the last value of those that part the rows; with those that have its `own`.
    Ahead { descending: bool, own: bool },
    /// Those of the row of a pivoted sheet, one for each of its columns.
    Across(Across),
    /// All rows of a pivoted sheet, in the order of its columns.
    PivotColumns,
}

/// Which cells of a row of a pivoted sheet a window sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// All, in no order.
    All,
    /// All in the order of the columns; the function says which of them it means.
    Ordered,
    /// Those from one column to another, both included.
    Cells { from: Place, to: Place },
    /// All, in the order of the call's own argument.
    Ranked { descending: bool },
}

impl Over {
    /// Whether the step's order matters.
    pub fn ordered(self) -> bool {
        matches!(self, Self::Ordered | Self::Rows { .. } | Self::Across(_) | Self::PivotColumns)
    }

    /// Whether it is of rows in the step's order, and not of the cells of one row.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Ordered | Self::Rows { .. })
    }

    /// Whether it is of all rows of a partition, or of all cells of a row.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Partition | Self::Across(Across::All))
    }

    /// Whether the rows are in the order of the call's own argument.
    pub fn is_ranked(self) -> bool {
        matches!(self, Self::Ranked { .. } | Self::Across(Across::Ranked { .. }))
    }

    /// Whether the row itself is among the rows that are seen, whichever row it is.
    pub fn holds_own_row(self) -> bool {
        match self {
            Self::Rows { from, to } | Self::Across(Across::Cells { from, to }) => {
                from <= Place::At(0) && Place::At(0) <= to
            }
            Self::Ordered
            | Self::Partition
            | Self::Ranked { .. }
            | Self::Alike
            | Self::Across(_)
            | Self::PivotColumns => true,
            Self::Ahead { own, .. } => own,
        }
    }

    /// Whether it holds the same rows where those that are alike are counted by themselves: it has no other distance
    /// than to this row and to the ends.
    pub fn holds_when_parted(self) -> bool {
        use Place::{At, First, Last};
        match self {
            Self::Rows { from, to } | Self::Across(Across::Cells { from, to }) => {
                matches!((from, to), (First | At(0), At(0) | Last))
            }
            Self::Ordered | Self::Partition | Self::Across(Across::All | Across::Ordered) => true,
            Self::Ranked { .. }
            | Self::Alike
            | Self::Ahead { .. }
            | Self::Across(Across::Ranked { .. })
            | Self::PivotColumns => false,
        }
    }
}

/// A row of the partition, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    First,
    /// So many rows after the current one; before it where that is negative.
    At(i32),
    Last,
}

/// The place of an [`Over`] in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverId(u32);

/// What is known of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meta {
    pub ty: Type,
    pub nullable: bool,
    pub level: Level,
    /// All that it reads per row is grouped by, so it may stand beside aggregates.
    pub keyed: bool,
    /// Differs at each draw.
    pub volatile: bool,
    /// An aggregate in it reads no column, so that in a subquery it would be the subquery's own.
    pub columnless: bool,
    pub span: Span,
}

impl Meta {
    /// The same in all rows, however often it is computed.
    #[inline]
    pub fn is_constant(&self) -> bool {
        self.level == Level::Const && !self.volatile
    }

    /// What an operand makes of the node's level.
    #[inline]
    pub fn take(&mut self, operand: &Self) {
        self.level = self.level.max(operand.level);
        self.keyed &= operand.keyed || operand.level == Level::Const;
        self.volatile |= operand.volatile;
        self.columnless |= operand.columnless;
    }

    /// Whether an aggregate of it reads a column; a draw reads none.
    pub fn reads_columns(&self) -> bool {
        self.level > Level::Const && !self.volatile
    }

    /// Whether a subquery can hold it: no window, and an aggregate of columns where the dialect has it so.
    pub fn fits_subquery(&self, aggregates: bool) -> bool {
        match self.level {
            Level::Window => false,
            Level::Aggregate => aggregates && !self.columnless,
            _ => true,
        }
    }
}

/// A way along the calendar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// How far; never 0, and never more than the calendar is long.
    pub count: i64,
    pub unit: CalendarUnit,
    /// How many, the unit, and both as a text, for templates: what the entries `earlier` and `later` take behind the time.
    pub words: Slice,
}

/// How a key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matching {
    /// By a key that is equal.
    Exact,
    /// By the largest key that is not larger.
    Below,
    /// By the smallest key that is not smaller.
    Above,
    /// By a key that has the pattern.
    Pattern,
    /// All rows that the condition holds for are counted.
    Count,
}

/// Where and how a row is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Find {
    /// The other tab, by its place in the sheet's; none for the sheet itself.
    pub tab: Option<u32>,
    /// It is looked for by its number.
    pub by_number: bool,
    pub matching: Matching,
    /// The condition on what is sought and the key of the row; part of no value.
    pub test: IrId,
}

/// The holidays in a column of another tab, each day from Monday to Friday once: a tab of their own, which the planner makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holidays {
    /// The tab of the sheet, and its column.
    pub tab: u32,
    pub column: u32,
    /// That column, its value as a date, and whether that is a weekday.
    pub given: IrId,
    pub date: IrId,
    pub on_weekday: IrId,
    /// The day of a holiday among these, and the number of weekdays up to it.
    pub day: IrId,
    pub weekdays: IrId,
}

impl Holidays {
    /// The first number for tabs of holidays; those of the sheet have smaller ones.
    pub const TABS: u32 = 1 << 24;
    /// The columns: the day, and how many working days come before it.
    pub const DAY: u32 = 0;
    pub const WORKING_DAYS: u32 = 1;
}

/// A unit of the calendar.
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
    pub const ALL: [Self; 8] =
        [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

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

    /// It parts days, so that only times can be moved by it.
    pub fn is_of_clock(self) -> bool {
        matches!(self, Self::Second | Self::Minute | Self::Hour)
    }

    /// In seconds, or, where those differ, in months.
    pub fn length(self) -> (i64, bool) {
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

impl Period {
    /// How far, in seconds or in months: equal for a quarter and for three months.
    pub fn distance(self) -> (i64, bool) {
        let (length, months) = self.unit.length();
        (self.count.saturating_mul(length), months)
    }
}

/// A column that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnUse {
    /// The relation, where one is known.
    pub relation: Option<Arc<str>>,
    pub name: Arc<str>,
    /// How the source spells it: a bare name's case does not matter.
    pub quoted: bool,
    /// The dialects, as bits, in which the name is known to be written as it is.
    pub bare: u8,
    pub ty: Type,
    pub nullable: bool,
    /// How large its numbers can be, as `emit::size` has it.
    pub size: u32,
    /// Each value is the first day of a month.
    pub month_start: bool,
    /// The type comes from use and not from a schema.
    pub assumed: bool,
    /// No known relation has it: the relation, where one is written, is only what the text says.
    pub unknown: bool,
    /// The columns of which it is the first that is there: what a full join makes of those that both sides have.
    pub merged: Vec<u32>,
}

/// A compiled definition.
#[derive(Clone, Debug)]
pub struct IrDefinition {
    /// The name; none for a bare formula.
    pub name: Option<Arc<str>>,
    pub root: IrId,
    /// The nodes of the definition begin here and end at the root.
    pub first: IrId,
    pub span: Span,
    /// It, or one that it uses, has an error.
    pub failed: bool,
    /// Another definition uses it.
    pub used: bool,
    /// Some of its nodes are part of no value: what they stood for was folded away.
    pub folded: bool,
}

/// All definitions of a text or step.
#[derive(Clone, Debug, Default)]
pub struct Program {
    nodes: Vec<(Ir, Meta)>,
    /// Each with what parts its rows beside the step's own partitions.
    overs: Vec<(Over, Slice)>,
    pub args: Vec<IrId>,
    pub texts: String,
    pub columns: Vec<ColumnUse>,
    pub definitions: Vec<IrDefinition>,
    /// What lookups move their key by.
    pub periods: Vec<Period>,
    /// What is found by keys.
    pub finds: Vec<Find>,
    /// Holidays that are columns of tabs.
    pub holidays: Vec<Holidays>,
    /// Aggregates and windows with what computes the same of windows, for dialects without the call.
    pub other_forms: Vec<(IrId, IrId)>,
    /// Criteria texts: what they test, what they look for, and where they stand.
    pub criteria: Vec<(IrId, Slice, Span)>,
    /// What cells and ranges of cells mean, in words.
    pub meanings: Vec<(Span, String)>,
    /// Some definition is folded; while one is lowered, whether that one is.
    pub folded: bool,
    /// Indices of `definitions` so that each stands after those that it uses.
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
            finds,
            holidays,
            other_forms,
            criteria,
            meanings,
            folded,
            order,
        } = self;
        nodes.clear();
        overs.clear();
        args.clear();
        texts.clear();
        columns.clear();
        definitions.clear();
        periods.clear();
        finds.clear();
        holidays.clear();
        other_forms.clear();
        criteria.clear();
        meanings.clear();
        *folded = false;
        order.clear();
    }

    #[inline]
    pub fn node(&self, id: IrId) -> Ir {
        self.nodes[id.index()].0
    }

    #[inline]
    pub fn meta(&self, id: IrId) -> Meta {
        self.nodes[id.index()].1
    }

    /// The node and what is known of it.
    #[inline]
    pub fn entry(&self, id: IrId) -> &(Ir, Meta) {
        &self.nodes[id.index()]
    }

    /// The same of the nodes from one to another.
    pub fn entries(&self, first: IrId, last: IrId) -> impl Iterator<Item = (IrId, &(Ir, Meta))> {
        (first.0..).map(IrId).zip(&self.nodes[first.index()..last.index() + 1])
    }

    pub fn meta_mut(&mut self, id: IrId) -> &mut Meta {
        &mut self.nodes[id.index()].1
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn reserve(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
    }

    /// How many nodes it has memory for.
    pub fn room(&self) -> usize {
        self.nodes.capacity()
    }

    /// The nodes, children before parents.
    pub fn nodes(&self) -> impl Iterator<Item = Ir> + '_ {
        self.nodes.iter().map(|n| n.0)
    }

    /// Puts another node in place of one.
    pub fn replace(&mut self, id: IrId, node: Ir) {
        self.nodes[id.index()].0 = node;
    }

    #[inline]
    pub fn args(&self, slice: Slice) -> &[IrId] {
        &self.args[slice.first as usize..(slice.first + slice.count) as usize]
    }

    pub fn text(&self, slice: Slice) -> &str {
        self.texts.get(slice.first as usize..(slice.first + slice.count) as usize).unwrap_or_default()
    }

    #[inline]
    pub fn add(&mut self, node: Ir, meta: Meta) -> IrId {
        let id = IrId(self.nodes.len() as u32);
        self.nodes.push((node, meta));
        id
    }

    #[inline]
    pub fn add_args(&mut self, args: &[IrId]) -> Slice {
        let first = self.args.len() as u32;
        // Most lists are so short that calling to copy them would cost more.
        match *args {
            [a] => self.args.push(a),
            [a, b] => self.args.extend_from_slice(&[a, b]),
            _ => self.args.extend_from_slice(args),
        }
        Slice { first, count: args.len() as u32 }
    }

    pub fn add_over(&mut self, over: Over, parted_by: &[IrId]) -> OverId {
        let by = self.add_args(parted_by);
        self.overs.push((over, by));
        OverId(self.overs.len() as u32 - 1)
    }

    pub fn over(&self, id: OverId) -> Over {
        self.overs.get(id.0 as usize).map_or(Over::Partition, |(over, _)| *over)
    }

    /// What parts the rows of a window beside the step's own partitions.
    pub fn parted_by(&self, id: OverId) -> &[IrId] {
        self.overs.get(id.0 as usize).map_or(&[], |(_, by)| self.args(*by))
    }

    /// Puts a further argument behind those that were added last.
    #[inline]
    pub fn extend_args(&mut self, slice: &mut Slice, arg: IrId) {
        self.args.push(arg);
        slice.count += 1;
    }

    pub fn add_text(&mut self, text: &str) -> Slice {
        let first = self.texts.len() as u32;
        self.texts.push_str(text);
        Slice { first, count: text.len() as u32 }
    }

    /// A text in small ASCII letters.
    pub fn add_lowercase(&mut self, slice: Slice) -> Slice {
        let first = self.texts.len();
        self.texts.extend_from_within(slice.first as usize..(slice.first + slice.count) as usize);
        self.texts[first..].make_ascii_lowercase();
        Slice { first: first as u32, count: slice.count }
    }

    /// What stands behind names: a definition whose formula is only another's name means what that one does.
    #[inline]
    pub fn behind_names(&self, id: IrId) -> IrId {
        self.behind_names_until(id, |_, _| false)
    }

    /// The same, but where it is to stop; asked of each name and of the definition that it is of.
    #[inline]
    pub fn behind_names_until(&self, mut id: IrId, mut stop: impl FnMut(IrId, usize) -> bool) -> IrId {
        while let Ir::Definition(used) = self.node(id)
            && !stop(id, used as usize)
        {
            id = self.definitions[used as usize].root;
        }
        id
    }

    /// Whether a date is known to be the first day of a month, also as the least, greatest, first or last of such days.
    pub fn is_month_start(&self, date: IrId) -> bool {
        const CHOOSES: [&str; 7] = ["MIN", "MAX", "FIRST", "LAST", "first_value", "last_value", "lag"];
        let mut date = self.behind_names(date);
        loop {
            date = match self.node(date) {
                Ir::Column(column) => return self.columns.get(column as usize).is_some_and(|used| used.month_start),
                Ir::Date(iso) => return self.text(iso).ends_with("-01"),
                Ir::Window { call, .. } => call,
                Ir::Apply { overload, args } | Ir::Aggregate { overload, args, .. } => {
                    let owner = catalog::owner(overload);
                    if [internal::TRUNC_MONTH, internal::TRUNC_QUARTER, internal::TRUNC_YEAR].contains(&owner) {
                        return true;
                    }
                    match self.args(args) {
                        [of, ..] if CHOOSES.contains(&catalog::get(owner).name) => self.behind_names(*of),
                        [end, one] if owner == internal::ADD => return self.is_month_end(*end) && self.is_one(*one),
                        _ => return false,
                    }
                }
                _ => return false,
            };
        }
    }

    fn is_month_end(&self, date: IrId) -> bool {
        match self.node(self.behind_names(date)) {
            Ir::Apply { overload, .. } => catalog::get(catalog::owner(overload)).name == "EOMONTH",
            _ => false,
        }
    }

    fn is_one(&self, id: IrId) -> bool {
        matches!(self.node(id), Ir::Number(text) if self.meta(id).ty == Type::Integer && self.text(text) == "1")
    }

    /// The values of a case with these arms, without its conditions.
    pub fn branches(&self, arms: Slice) -> impl Iterator<Item = IrId> + '_ {
        self.args(arms).chunks(2).filter_map(|pair| pair.last().copied())
    }

    /// A name, a literal or today's date, which costs nothing to write again.
    pub fn is_simple(&self, id: IrId) -> bool {
        match self.node(id) {
            Ir::Column(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Today(_) | Ir::Bool(_) | Ir::Null => true,
            Ir::Apply { args, .. } => args.count == 0 && !self.meta(id).volatile,
            _ => false,
        }
    }

    /// The column of a tab of the sheet that a column of a tab is, or comes from.
    pub fn column_of_sheet(&self, tab: u32, column: u32) -> (u32, u32) {
        let holidays = tab.checked_sub(Holidays::TABS).and_then(|place| self.holidays.get(place as usize));
        holidays.map_or((tab, column), |holidays| (holidays.tab, holidays.column))
    }

    /// The operands of a node, in order.
    pub fn operands(&self, id: IrId) -> impl DoubleEndedIterator<Item = IrId> + '_ {
        let (one, many) = match self.node(id) {
            Ir::Apply { args, .. }
            | Ir::Aggregate { args, .. }
            | Ir::Case(args)
            | Ir::GroupWindow { args, .. }
            | Ir::And(args)
            | Ir::Or(args)
            | Ir::Ranges(args)
            | Ir::Find { args, .. }
            | Ir::Coalesce(args) => (None, self.args(args)),
            Ir::Switch { subject, arms } => (Some(subject), self.args(arms)),
            Ir::Window { call, over } => (Some(call), self.parted_by(over)),
            Ir::Not(x) | Ir::IsNull { x, .. } | Ir::Range { x, .. } | Ir::Lookup { value: x, .. } | Ir::Distinct(x) => {
                (Some(x), &[][..])
            }
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().copied())
    }
}
