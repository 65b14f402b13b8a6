//! The program: all nodes of the IR, and the names and values that they refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    CalendarOffset, CalendarUnit, Holidays, Ir, IrId, LookupSpec, NodeMeta, PoolRange, WindowFrame, WindowFrameId,
};
use crate::Type;
use crate::arena::Arena;
use crate::catalog::{self, FunctionId, internal};
use crate::schema::{DecimalDigits, field_name};
use crate::span::Span;

/// Comparison operators, each with its negation.
const COMPARISON_NEGATIONS: [(FunctionId, FunctionId); 6] = [
    (internal::EQUAL, internal::NOT_EQUAL),
    (internal::NOT_EQUAL, internal::EQUAL),
    (internal::LESS, internal::GREATER_EQUAL),
    (internal::LESS_EQUAL, internal::GREATER),
    (internal::GREATER, internal::LESS_EQUAL),
    (internal::GREATER_EQUAL, internal::LESS),
];

/// Column that the program reads.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// Size of the column's numbers, as defined in `emit::size`.
    pub size: u32,
    /// Precision and scale of a decimal, if they are known.
    pub digits: Option<DecimalDigits>,
    /// Whether each value is the first day of a month.
    pub month_start: bool,
    /// Whether a NULL represents failed arithmetic in an earlier step.
    pub null_is_error: bool,
    /// Whether the warehouse stores the text as UUIDs, which need a cast where an engine expects text.
    pub is_uuid: bool,
    /// Whether the type is inferred from the column's use instead of being specified in a schema.
    pub assumed: bool,
    /// Whether the column is not part of any known relation. If `relation` is also set, the formula names the relation,
    /// but no schema contains it.
    pub unknown: bool,
    /// Columns from both sides of a full join that the join merges into this column. The merged value is the first
    /// non-NULL value.
    pub merged: Vec<u32>,
}

impl ColumnUse {
    /// Returns the use of a column of which only the name is known, with the type that its uses require.
    #[must_use]
    pub fn with_assumed_type(relation: Option<Arc<str>>, name: Arc<str>, ty: Type) -> Self {
        Self {
            relation,
            name,
            quoted: false,
            bare: 0,
            ty,
            nullable: true,
            size: 0,
            digits: None,
            month_start: false,
            null_is_error: false,
            is_uuid: false,
            assumed: true,
            unknown: true,
            merged: Vec::new(),
        }
    }

    /// Returns the name that the column has in the output of a step. For a field of a STRUCT such as `device.category`,
    /// it is the name of the field.
    pub fn output_name(&self) -> &str {
        field_name(&self.name)
    }
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
    pub has_unused_nodes: bool,
}

/// All definitions of a source or a step.
#[derive(Clone, Debug, Default)]
pub struct Program {
    nodes: Arena<(Ir, NodeMeta)>,
    /// Windows, each with its keys that are not keys of the step.
    windows: Vec<(WindowFrame, PoolRange)>,
    pub args: Arena<IrId>,
    pub texts: String,
    pub columns: Arena<ColumnUse>,
    /// Columns of other tabs that no schema gives a type, by tab and position, with the types inferred from their uses.
    pub tab_columns: BTreeMap<(u32, u32), Type>,
    pub definitions: Arena<IrDefinition>,
    /// Dates that another tool inserts into the SQL, each with the text that the date replaces and an optional ISO date
    /// for SQL without macros. If there is no ISO date, SQL without macros contains the current date.
    pub macros: Arena<(PoolRange, Option<PoolRange>)>,
    /// Periods by which lookups shift their keys.
    pub periods: Arena<CalendarOffset>,
    /// Distances between the current row and the bounds of window frames.
    pub distances: Arena<CalendarOffset>,
    /// Lookups by key or row number.
    pub lookups: Arena<LookupSpec>,
    /// Columns in other tabs that contain holidays.
    pub holidays: Vec<Holidays>,
    /// Aggregates and windows, each with an equivalent expression that consists of window functions, for dialects that
    /// do not support the call.
    pub other_forms: Vec<(IrId, IrId)>,
    /// Text criteria: the values to test, the text to find, and the span of the criterion.
    pub criteria: Vec<(IrId, PoolRange, Span)>,
    /// Calls that are lowered to other functions, each with the name of the function that the formula calls.
    pub lowered_calls: Vec<(Span, &'static str)>,
    /// English descriptions of cells and cell ranges.
    pub meanings: Vec<(Span, String)>,
    /// With `blanks: zero`, what a NULL in each node means. The list ends at the last evaluated node.
    pub null_interpretations: Vec<super::NullInterpretation>,
    /// Whether constant folding left unused nodes in the definitions. During lowering, this is the state of the current
    /// definition.
    pub has_unused_nodes: bool,
    /// Whether the program contains LET or functions with a definition, so that several nodes may have the same
    /// operand.
    pub shares_nodes: bool,
    /// Indices into `definitions`, in dependency order.
    pub order: Vec<u32>,
    /// Number of months from January to the first month of the fiscal year. `None` if it is not set.
    pub fiscal_month_offset: Option<u8>,
}

impl Program {
    pub fn clear(&mut self) {
        let Self {
            nodes,
            windows,
            args,
            texts,
            columns,
            tab_columns,
            definitions,
            macros,
            periods,
            distances,
            lookups,
            holidays,
            other_forms,
            criteria,
            lowered_calls,
            meanings,
            null_interpretations,
            has_unused_nodes,
            shares_nodes,
            order,
            fiscal_month_offset,
        } = self;
        nodes.clear();
        windows.clear();
        args.clear();
        texts.clear();
        columns.clear();
        tab_columns.clear();
        definitions.clear();
        macros.clear();
        periods.clear();
        distances.clear();
        lookups.clear();
        holidays.clear();
        other_forms.clear();
        criteria.clear();
        lowered_calls.clear();
        meanings.clear();
        null_interpretations.clear();
        *has_unused_nodes = false;
        *shares_nodes = false;
        order.clear();
        *fiscal_month_offset = None;
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
        let nodes = self.nodes.range(first.index()..last.index() + 1).iter();
        nodes
            .enumerate()
            .map(move |(offset, entry)| (IrId(first.0 + offset as u32), entry))
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
        self.args
            .range(slice.first as usize..(slice.first + slice.count) as usize)
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

    pub fn add_window(&mut self, over: WindowFrame, window_keys: &[IrId]) -> WindowFrameId {
        let partition = self.add_args(window_keys);
        self.windows.push((over, partition));
        WindowFrameId(self.windows.len() as u32 - 1)
    }

    pub fn window_frame(&self, id: WindowFrameId) -> WindowFrame {
        self.windows
            .get(id.0 as usize)
            .map_or(WindowFrame::Partition, |(over, _)| *over)
    }

    /// Returns the keys of a window that are not keys of the step: its partition keys and then, for some frames, the
    /// sort key.
    pub fn window_keys(&self, id: WindowFrameId) -> &[IrId] {
        self.windows
            .get(id.0 as usize)
            .map_or(&[], |(_, partition)| self.args(*partition))
    }

    /// Returns the distance from the current row to a bound of a window frame, with the arguments that the distance's
    /// template needs.
    pub fn distance(&self, count: i64, unit: CalendarUnit) -> Option<CalendarOffset> {
        let is_same = |distance: &&CalendarOffset| (distance.count, distance.unit) == (count, unit);
        self.distances.iter().find(is_same).copied()
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

    /// Follows references to definitions until the node is not a reference. The formula of a definition can consist of
    /// only the name of another definition.
    #[inline]
    pub fn resolve_references(&self, id: IrId) -> IrId {
        self.resolve_references_until(id, |_, _| false)
    }

    /// Returns the root of a definition. The index is that of an [`Ir::Definition`].
    #[inline]
    pub fn definition_root(&self, index: u32) -> IrId {
        self.definitions[index as usize].root
    }

    /// Returns the name of a definition, or an empty string for a bare formula.
    pub fn definition_name(&self, index: u32) -> &str {
        self.definitions[index as usize].name.as_deref().unwrap_or_default()
    }

    /// Returns the operand whose value a node passes on unchanged. `None` for other nodes.
    pub fn unchanged_operand(&self, id: IrId) -> Option<IrId> {
        match self.node(id) {
            Ir::Definition(index) => self
                .definitions
                .try_get(index as usize)
                .map(|definition| definition.root),
            Ir::Window { call: x, .. } | Ir::PeriodLookup { value: x, .. } | Ir::Distinct(x) | Ir::Range { x, .. } => {
                Some(x)
            }
            Ir::GroupWindow { args, .. } => self.args(args).first().copied(),
            Ir::RowLookup { args, .. } => self.args(args).get(2).copied(),
            _ => None,
        }
    }

    /// Like `resolve_references`, but stops at a reference for which `stop` returns `true`.
    #[inline]
    pub fn resolve_references_until(&self, mut id: IrId, mut stop: impl FnMut(IrId, usize) -> bool) -> IrId {
        while let Ir::Definition(definition_index) = self.node(id)
            && !stop(id, definition_index as usize)
        {
            id = self.definition_root(definition_index);
        }
        id
    }

    /// Returns the negation of a condition if the negation needs no NOT: the opposite constant, test for NULL or
    /// comparison.
    pub fn find_negation(&self, id: IrId) -> Option<Ir> {
        match self.node(id) {
            Ir::Bool(value) => Some(Ir::Bool(!value)),
            Ir::IsNull { x, negated } => Some(Ir::IsNull { x, negated: !negated }),
            Ir::Apply { overload, args } => {
                let owner = catalog::overload_owner(overload);
                let (_, opposite) = COMPARISON_NEGATIONS
                    .iter()
                    .find(|(comparison, _)| *comparison == owner)?;
                let overload = catalog::first_overload(*opposite).id;
                Some(Ir::Apply { overload, args })
            }
            _ => None,
        }
    }

    /// Returns whether a NULL of this node may represent an error, with `blanks: zero`.
    pub fn is_null_error(&self, id: IrId) -> bool {
        self.null_interpretations
            .get(id.index())
            .is_some_and(|meaning| meaning.may_be_error)
    }

    /// Returns whether a node is a column of UUIDs.
    pub fn is_uuid(&self, id: IrId) -> bool {
        match self.node(self.resolve_references(id)) {
            Ir::Column(column) => self
                .columns
                .try_get(column as usize)
                .is_some_and(|column_entry| column_entry.is_uuid),
            _ => false,
        }
    }

    /// Returns whether a date is known to be the first day of a month. The minimum, maximum, first or last of several
    /// first days is also the first day of a month.
    pub fn is_month_start(&self, date: IrId) -> bool {
        const VALUE_SELECTING_FUNCTIONS: [&str; 7] =
            ["MIN", "MAX", "FIRST", "LAST", "first_value", "last_value", "lag"];
        const MONTHS: [FunctionId; 4] = [
            internal::TRUNC_MONTH,
            internal::TRUNC_QUARTER,
            internal::TRUNC_YEAR,
            internal::FISCAL_QUARTER,
        ];
        let mut date = self.resolve_references(date);
        loop {
            date = match self.node(date) {
                Ir::Column(column) => {
                    return self
                        .columns
                        .try_get(column as usize)
                        .is_some_and(|column_entry| column_entry.month_start);
                }
                Ir::Date(iso) => return self.text(iso).ends_with("-01"),
                Ir::Window { call, .. } => call,
                Ir::Apply { overload, args } | Ir::Aggregate { overload, args, .. } => {
                    let owner = catalog::overload_owner(overload);
                    if MONTHS.contains(&owner) {
                        return true;
                    }
                    match self.args(args) {
                        [.., day] if owner == internal::DATE_FROM_PARTS => return self.is_literal_one(*day),
                        [operand, ..] if VALUE_SELECTING_FUNCTIONS.contains(&catalog::get(owner).name) => {
                            self.resolve_references(*operand)
                        }
                        [end, addend] if owner == internal::ADD => {
                            return self.is_month_end(*end) && self.is_literal_one(*addend);
                        }
                        _ => return false,
                    }
                }
                _ => return false,
            };
        }
    }

    fn is_month_end(&self, date: IrId) -> bool {
        match self.node(self.resolve_references(date)) {
            Ir::Apply { overload, .. } => catalog::get(catalog::overload_owner(overload)).name == "EOMONTH",
            _ => false,
        }
    }

    fn is_literal_one(&self, id: IrId) -> bool {
        matches!(self.node(id), Ir::Number(text) if self.meta(id).ty == Type::Integer && self.text(text) == "1")
    }

    /// Returns the values of a CASE with the given arms, without the conditions.
    pub fn branches(&self, arms: PoolRange) -> impl Iterator<Item = IrId> + Clone + '_ {
        self.args(arms).chunks(2).filter_map(|pair| pair.last().copied())
    }

    /// Returns whether a node is so simple that repeating it costs nothing: a column, a literal, or a non-volatile call
    /// without arguments, such as today's date.
    pub fn is_cheap_to_repeat(&self, id: IrId) -> bool {
        match self.node(id) {
            Ir::Column(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Today(_) | Ir::Macro(_) => true,
            Ir::Bool(_) | Ir::Null => true,
            Ir::Apply { args, .. } => args.count == 0 && !self.meta(id).volatile,
            _ => false,
        }
    }

    /// Returns the sheet's tab and column from which a column originates. Only the columns of holiday tabs originate
    /// from another tab.
    pub fn resolve_source_column(&self, tab: u32, column: u32) -> (u32, u32) {
        let holidays = tab
            .checked_sub(Holidays::FIRST_HOLIDAY_TAB)
            .and_then(|index| self.holidays.get(index as usize));
        holidays.map_or((tab, column), |holidays| (holidays.tab, holidays.column))
    }

    /// Returns the operands of a node, in order.
    #[inline]
    pub fn operands(&self, id: IrId) -> impl DoubleEndedIterator<Item = IrId> + '_ {
        let (single_operand, many) = match self.node(id) {
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
            Ir::Window { call, over } => (Some(call), self.window_keys(over)),
            Ir::Not(x)
            | Ir::IsNull { x, .. }
            | Ir::Range { x, .. }
            | Ir::PeriodLookup { value: x, .. }
            | Ir::Distinct(x) => (Some(x), &[][..]),
            _ => (None, &[][..]),
        };
        single_operand.into_iter().chain(many.iter().copied())
    }
}
