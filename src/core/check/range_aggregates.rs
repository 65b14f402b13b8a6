//! Aggregates over ranges of names, such as `SUM(FIRST(x):x)`, which become window functions.

use super::calendar_ranges::CalendarWindow;
use super::cells::{FixedEndCase, PartialRange, RangeRows};
use super::lower::Lowerer;
use super::names::NameTarget;
use super::overload::ChosenOverload;
use super::ranges::{self, RangeEnd, RangeEndKind};
use crate::ast::{Call, Expr, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, Nulls, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

/// Arguments of an aggregate over ranges.
struct RangeAggregate {
    call: Call,
    values: Vec<IrId>,
    /// Range marker of each value, with the span of the range. `None` for values that aren't ranges.
    ranges: Vec<Option<(IrId, Span)>>,
    distinct: bool,
    /// Whether the ranges cover different rows. If `true`, the rows of each range must be resolved separately.
    has_different_rows: bool,
}

impl Lowerer<'_> {
    /// Lowers a call such as `FIRST(x)` at an end of a range to the name in its argument. The range itself determines
    /// the row.
    pub(super) fn lower_range_end(&mut self, call: Call, span: Span) -> IrId {
        // The node of the row offset isn't part of the value.
        self.program.folded = true;
        match self.ast.arguments(call).first() {
            Some(name) => self.lower_value(*name),
            None => self.add_error(span),
        }
    }

    pub(super) fn lower_range(&mut self, from: ExprId, to: ExprId, span: Span) -> IrId {
        let is_cell = |id: ExprId| {
            let unknown = self.names.targets[id.index()] == NameTarget::Error;
            match self.ast.expr(id) {
                Expr::Cell | Expr::Tab { .. } => true,
                Expr::Name => unknown && ranges::reads_as_cell(self.ast.span(id).text(self.source)),
                _ => false,
            }
        };
        if self.scope.sheet.is_some() && matches!(self.ast.expr(from), Expr::Number) {
            // The author of `B-1:B1` probably meant a row before the first row.
            let text = self.source_text(span);
            let message = format!("`{text}` is not a range: no row is before row 1, and a `-` before a cell subtracts");
            let help = "write the formula for a later row, for example `B1:B3` with `row: 3`, or use `OFFSET(B1, -2, 0, \
                3, 1)`";
            return self.report_range(span, &message, help);
        }
        if is_cell(from) || is_cell(to) {
            if self.scope.sheet.is_some() {
                // Errors in the ends of the range have already been reported.
                return self.add_error(span);
            }
            return self.report_missing_worksheet(span, "cell ranges need a worksheet");
        }
        if [from, to].iter().any(|end| self.is_error(self.lowered_node(*end))) {
            return self.add_error(span);
        }
        let ends = [from, to].map(|end| ranges::parse_range_end(self.ast, self.names, end));
        let [Some(first), Some(last)] = ends else {
            let text = self.source_text(span);
            let message = format!(
                "`{text}` is not a range: each end must be a name, or FIRST, LAST, OFFSET or PERIODOFFSET of a name"
            );
            return self.report_range(
                span,
                &message,
                "define the value under a name, and use that name: `FIRST(name):name`",
            );
        };
        if !ranges::is_same_name(self.ast, self.source, self.names, first.name, last.name) {
            let [a, b] = [first.name, last.name].map(|name| self.source_text(self.ast.span(name)));
            let message = format!("both ends of a range must have the same name, found `{a}` and `{b}`");
            return self.report_range(
                span,
                &message,
                &format!("write `{a}:{a}` for all rows, or `FIRST({a}):{a}` for the rows up to this one"),
            );
        }
        if first.is_by_calendar() || last.is_by_calendar() {
            return self.lower_calendar_range([first, last], span);
        }
        let bare = |end: &RangeEnd| matches!(end.at, RangeEndKind::Bare);
        let over = if bare(&first) && bare(&last) {
            WindowFrame::Partition
        } else {
            let text = self.source_text(span);
            if !self.has_order(&text, span) {
                return self.add_error(span);
            }
            let (Some(a), Some(b)) = (self.end_bound(first), self.end_bound(last)) else {
                return self.add_error(span);
            };
            match (a.min(b), a.max(b)) {
                (FrameBound::First, FrameBound::Last) => WindowFrame::Partition,
                (from, to) if from == to && !matches!(from, FrameBound::At(_)) => {
                    let end = if from == FrameBound::First { "FIRST" } else { "LAST" };
                    let name = self.source_text(self.ast.span(first.name));
                    let message = format!("`{text}` contains only one row");
                    return self.report_range(
                        span,
                        &message,
                        &format!("write only `{end}({name})`, without the surrounding function"),
                    );
                }
                (from, to) => WindowFrame::Rows { from, to },
            }
        };
        self.range_marker(first.name, over, span)
    }

    /// Builds the marker of a range, which the enclosing aggregate consumes.
    pub(super) fn range_marker(&mut self, name: ExprId, over: WindowFrame, span: Span) -> IrId {
        self.markers = true;
        // The window uses only one of the two names in the range.
        self.program.folded = true;
        let x = self.lowered_node(name);
        let meta = NodeMeta {
            span,
            ..self.program.meta(x)
        };
        let over = self.program.add_window(over, &[]);
        self.program.add(Ir::Range { x, over }, meta)
    }

    fn end_bound(&mut self, end: RangeEnd) -> Option<FrameBound> {
        match end.at {
            RangeEndKind::Bare => Some(FrameBound::At(0)),
            RangeEndKind::Place(place) => Some(place),
            RangeEndKind::Offset { rows } => self.constant_row_offset(self.lowered_node(rows)).map(FrameBound::At),
            RangeEndKind::Period { .. } | RangeEndKind::Moved { .. } => None,
        }
    }

    pub(super) fn report_range(&mut self, span: Span, message: &str, help: &str) -> IrId {
        self.report(Diagnostic::new(Code::BadRange, span, message).with_help(help));
        self.add_error(span)
    }

    /// Reports a range that is used as a single value.
    #[cold]
    pub(super) fn report_misplaced_range(&mut self, marker: IrId, span: Span) -> IrId {
        let first = match self.program.node(marker) {
            Ir::Ranges(columns) => self
                .program
                .args(columns)
                .first()
                .map(|column| self.program.node(*column)),
            node => Some(node),
        };
        if let Some(Ir::Range { x, .. }) = first
            && let Ir::TabColumn { .. } = self.program.node(x)
        {
            return self.report_tab_outside_lookup(None, span);
        }
        let text = self.source_text(span);
        let of = match first {
            Some(Ir::Range { x, .. }) => self.source_text(self.program.meta(x).span),
            _ => text.clone(),
        };
        let name = of.split(':').next_back().unwrap_or_default();
        let message = format!("`{text}` is a range, and only aggregate functions accept ranges");
        self.report_range(
            span,
            &message,
            &format!(
                "write `SUM({text})`; to calculate a value in each row before you aggregate, define it first, as in `y = \
                    {name} * 2`, and then write `SUM(y:y)`"
            ),
        )
    }

    /// Lowers an aggregate over ranges, which is computed for each row.
    pub(super) fn lower_range_call(&mut self, id: FunctionId, call: Call, span: Span) -> IrId {
        let Some(mut taken) = self.range_arguments(id, call) else {
            return self.add_error(span);
        };
        if taken
            .ranges
            .iter()
            .flatten()
            .all(|(range, _)| self.is_current_row(*range))
        {
            return self.lower_current_row_cells(id, taken, span);
        }
        let mut ranges = taken.ranges.iter().flatten().map(|(range, _)| *range);
        let first = ranges.next();
        taken.has_different_rows = first.is_some_and(|first| ranges.any(|range| !self.has_same_rows(first, range)));
        let node = self.aggregate_ranges(id, &taken, false, span);
        let node = match first
            .filter(|_| !taken.has_different_rows)
            .and_then(|first| self.fixed_end_case(first))
        {
            Some(turning) if !self.is_error(node) => {
                let before = self.aggregate_ranges(id, &taken, true, span);
                self.build_fixed_end_case(turning, node, before)
            }
            _ => node,
        };
        self.recycle_list(taken.values);
        node
    }

    fn is_current_row(&self, range: IrId) -> bool {
        let here = WindowFrame::Rows {
            from: FrameBound::At(0),
            to: FrameBound::At(0),
        };
        let (rows, is_turning) = (self.range_rows(range, false), self.fixed_end_case(range).is_some());
        rows.over == here && rows.only.is_none() && !is_turning
    }

    /// Lowers calls such as `SUM(A1:C1)`. The range of cells in the current row is equivalent to `A1, B1, C1`.
    fn lower_current_row_cells(&mut self, id: FunctionId, taken: RangeAggregate, span: Span) -> IrId {
        let function = catalog::get(id);
        let across = Self::find_function_across_cells(function).filter(|_| !taken.distinct && taken.values.len() > 1);
        let node = match across {
            Some(across) => self.add_scalar_call(across, &taken.values, span, function.name),
            None if id == internal::COUNTBLANK => self.count_blanks_in_row(&taken.values, span),
            None => {
                let at = taken.ranges.iter().flatten().next().map_or(span, |(_, at)| *at);
                let shown = self.source_text(at);
                if self.has_order(&shown, at) {
                    self.aggregate_ranges(id, &taken, false, span)
                } else {
                    self.add_error(span)
                }
            }
        };
        self.recycle_list(taken.values);
        node
    }

    /// Builds an expression that counts the blanks among several values of the current row.
    fn count_blanks_in_row(&mut self, values: &[IrId], span: Span) -> IrId {
        let mut each = self.take_list();
        for value in values {
            let blank = self.build_blank_test(*value, false, span);
            let mut counts = [self.add_integer("1", span), self.add_integer("0", span)];
            each.push(self.build_case(&[blank], &mut counts, span, "COUNTBLANK"));
        }
        let node = match *each.as_slice() {
            [one] => one,
            _ => self.add_scalar_call(internal::ROW_SUM, &each, span, "COUNTBLANK"),
        };
        self.recycle_list(each);
        node
    }

    /// Builds a CASE for a range between a fixed row and a relative row. `behind` is the result in the fixed row and
    /// all later rows, and `before` is the result in earlier rows.
    fn build_fixed_end_case(&mut self, turning: FixedEndCase, behind: IrId, before: IrId) -> IrId {
        let of = self.program.meta(behind);
        let nullable = of.nullable || self.program.meta(before).nullable;
        self.add_node_with_args(
            Ir::Case,
            &[turning.reached, behind, before],
            NodeMeta { nullable, ..of },
        )
    }

    /// Collects the arguments of a call, and the range of each argument. `None` if an error was reported or no
    /// argument is a range.
    fn range_arguments(&mut self, id: FunctionId, call: Call) -> Option<RangeAggregate> {
        let function = catalog::get(id);
        let args = self.ast.arguments(call);
        let (values, ranges) = (self.take_list(), Vec::with_capacity(args.len()));
        let mut taken = RangeAggregate {
            call,
            values,
            ranges,
            distinct: false,
            has_different_rows: false,
        };
        let mut found: Option<(IrId, ExprId)> = None;
        // If a function also accepts several values of a row, each range is aggregated separately and may cover
        // different rows. Conditional functions require the same rows in all ranges.
        let alone = args.len() > 1 && function.across.is_some();
        let mut failed = false;
        for arg in args {
            let lowered = self.lowered_node(*arg);
            let inner = match self.program.node(lowered) {
                Ir::Distinct(inner) => inner,
                _ => lowered,
            };
            let columns = match self.program.node(inner) {
                Ir::Range { .. } => vec![inner],
                Ir::Ranges(columns) if function.across.is_some() || id == internal::COUNTBLANK => {
                    self.program.args(columns).to_vec()
                }
                Ir::Ranges(_) => {
                    failed = true;
                    self.report_several_columns(function, *arg);
                    continue;
                }
                _ => {
                    let value = self.lower_value(*arg);
                    failed |= self.is_error(value);
                    taken.values.push(value);
                    taken.ranges.push(None);
                    continue;
                }
            };
            taken.distinct |= inner != lowered;
            for range in columns {
                let Ir::Range { x, .. } = self.program.node(range) else {
                    continue;
                };
                if matches!(self.program.node(x), Ir::TabColumn { .. }) {
                    failed = true;
                    self.report_tab_outside_lookup(Some(function.name), self.ast.span(*arg));
                    break;
                }
                match found {
                    Some((other, at)) if !alone && !self.has_same_rows(other, range) => {
                        failed = true;
                        self.report_different_rows(function, at, *arg);
                    }
                    _ => found = Some((range, *arg)),
                }
                taken.values.push(x);
                taken.ranges.push(Some((range, self.ast.span(*arg))));
            }
        }
        if failed || found.is_none() {
            self.recycle_list(taken.values);
            return None;
        }
        Some(taken)
    }

    /// Returns the rows of a range. If the range has a fixed end, `before` selects the rows for cells before the fixed
    /// row.
    fn range_rows(&self, range: IrId, before: bool) -> RangeRows {
        match (self.some_rows.get(&range), self.program.node(range)) {
            (
                Some(PartialRange {
                    turning: Some(turning), ..
                }),
                _,
            ) if before => turning.before,
            (Some(some), _) => some.rows,
            (None, Ir::Range { over, .. }) => RangeRows::all_rows(self.program.window_frame(over)),
            _ => RangeRows::all_rows(WindowFrame::Partition),
        }
    }

    /// Returns whether a range contains all rows of the partition.
    pub(super) fn contains_all_rows(&self, range: IrId) -> bool {
        let rows = self.range_rows(range, false);
        rows.over == WindowFrame::Partition && rows.only.is_none()
    }

    fn fixed_end_case(&self, range: IrId) -> Option<FixedEndCase> {
        self.some_rows.get(&range).and_then(|some| some.turning)
    }

    fn has_same_rows(&self, a: IrId, b: IrId) -> bool {
        let written = |range: IrId| self.some_rows.get(&range).map(|some| some.written);
        self.range_rows(a, false).over == self.range_rows(b, false).over && written(a) == written(b)
    }

    fn aggregate_ranges(&mut self, id: FunctionId, taken: &RangeAggregate, before: bool, span: Span) -> IrId {
        let function = catalog::get(id);
        let Some((first, _)) = taken.ranges.iter().flatten().next() else {
            return self.add_error(span);
        };
        let rows = self.range_rows(*first, before);
        let (distinct, args) = (taken.distinct, self.ast.arguments(taken.call));
        if taken.values.len() > 1 && id == internal::COUNTBLANK {
            return self.count_blanks_per_column(taken, before, span);
        }
        if taken.values.len() > 1 && function.across.is_some() {
            return self.aggregate_several_ranges(id, taken, before, span);
        }
        let mut values = self.take_list();
        for (value, range) in taken.values.iter().zip(&taken.ranges) {
            // Conditional functions and COUNTBLANK apply the row filter themselves.
            let told = function.lower.is_some_and(Lowering::is_conditional) || id == internal::COUNTBLANK;
            let only = rows.only.filter(|_| range.is_some() && !told);
            values.push(self.filter_rows(*value, only, span));
        }
        let node = match function.lower {
            lower if distinct && !self.counts_distinct(id, lower) => {
                let message = format!("`{}` cannot aggregate the distinct values of a range", function.name);
                self.report(
                    Diagnostic::new(Code::MisplacedDistinct, span, message)
                        .with_help("group by the value in an earlier step, so that the step returns one row per value"),
                );
                self.add_error(span)
            }
            None if id == internal::COUNTBLANK && rows.only.is_some() => {
                let blank = values.first().map(|x| self.build_blank_test(*x, false, span));
                let only: Vec<IrId> = rows.only.into_iter().chain(blank).collect();
                let counted = self.build_and_or(&only, span, true);
                self.window_aggregate(internal::COUNT_IF, &[counted], rows.over, function, span)
            }
            None | Some(Lowering::Count) => {
                let id = match function.lower {
                    Some(_) if distinct => internal::COUNTUNIQUE,
                    Some(_) => internal::COUNTA,
                    None => id,
                };
                self.window_aggregate(id, &values, rows.over, function, span)
            }
            Some(Lowering::SumProduct | Lowering::SumSquares) => {
                let product = self.build_product(function, &values, span);
                self.window_aggregate(internal::SUM, &[product], rows.over, function, span)
            }
            Some(lowering) if lowering.is_ordered() => {
                self.lower_order_statistic(lowering, function, &values, Some(rows.over), span)
            }
            Some(Lowering::TextJoin) => {
                let message = format!("`{}` joins the rows of a group, not the rows of a range", function.name);
                self.report_range(
                    span,
                    &message,
                    "join the text in a step with `group_by`, and use the result in the next step",
                )
            }
            Some(lowering) => self.build_conditional_aggregate(lowering, function, args, &values, Some(rows), span),
        };
        self.recycle_list(values);
        node
    }

    /// Combines the results of several ranges: adds sums and counts, or takes the minimum of minimums or the maximum of
    /// maximums. Arguments that aren't ranges are values of the current row.
    fn aggregate_several_ranges(&mut self, id: FunctionId, taken: &RangeAggregate, before: bool, span: Span) -> IrId {
        let function = catalog::get(id);
        let all_ranges = taken.ranges.iter().all(Option::is_some);
        let (entry, across) = match (id, combination(id)) {
            (internal::COUNT | internal::COUNTA, Some(both)) if !taken.distinct && all_ranges => both,
            (internal::SUM | internal::MIN | internal::MAX, Some(both)) => both,
            (internal::AVERAGE, _) if !taken.distinct && all_ranges => {
                let sum = self.aggregate_each_range(internal::SUM, internal::ROW_SUM, function, taken, before, span);
                let count =
                    self.aggregate_each_range(internal::COUNTA, internal::ROW_SUM, function, taken, before, span);
                return self.add_scalar_call(internal::DIVIDE, &[sum, count], span, function.name);
            }
            _ if self.ast.arguments(taken.call).len() == 1 => {
                if let [argument] = self.ast.arguments(taken.call) {
                    self.report_several_columns(function, *argument);
                }
                return self.add_error(span);
            }
            _ => {
                let name = function.name;
                let message = format!(
                    "`{name}` accepts a range only as its only argument, found {} arguments",
                    taken.values.len()
                );
                let help = format!(
                    "call `{name}` once for each range, as in `{name}(a:a)`, or combine the values in a definition first, \
                    such as `c = a + b`"
                );
                return self.report_range(span, &message, &help);
            }
        };
        self.aggregate_each_range(entry, across, function, taken, before, span)
    }

    /// Builds an expression that adds up the numbers of blanks in several columns.
    fn count_blanks_per_column(&mut self, taken: &RangeAggregate, before: bool, span: Span) -> IrId {
        let mut each = self.take_list();
        for (value, range) in taken.values.iter().zip(&taken.ranges) {
            let (values, ranges) = (vec![*value], vec![*range]);
            let one = RangeAggregate {
                call: taken.call,
                values,
                ranges,
                distinct: false,
                has_different_rows: false,
            };
            each.push(self.aggregate_ranges(internal::COUNTBLANK, &one, before, span));
        }
        let failed = each.iter().any(|id| self.is_error(*id));
        let node = if failed {
            self.add_error(span)
        } else {
            self.add_call(internal::ROW_SUM, &each, span)
        };
        self.recycle_list(each);
        node
    }

    fn aggregate_each_range(
        &mut self,
        entry: FunctionId,
        across: FunctionId,
        function: &'static Function,
        taken: &RangeAggregate,
        before: bool,
        span: Span,
    ) -> IrId {
        let mut each = self.take_list();
        for (value, range) in taken.values.iter().zip(&taken.ranges) {
            each.push(match range {
                Some((range, at)) => {
                    let of = |pass: &mut Self, before: bool| {
                        let rows = pass.range_rows(*range, before);
                        let value = pass.filter_rows(*value, rows.only, *at);
                        pass.window_aggregate(entry, &[value], rows.over, function, *at)
                    };
                    let node = of(self, before);
                    match self
                        .fixed_end_case(*range)
                        .filter(|_| taken.has_different_rows && !self.is_error(node))
                    {
                        Some(turning) => {
                            let before = of(self, true);
                            self.build_fixed_end_case(turning, node, before)
                        }
                        None => node,
                    }
                }
                None => *value,
            });
        }
        let failed = each.iter().any(|id| self.is_error(*id));
        let node = if failed {
            self.add_error(span)
        } else {
            self.add_scalar_call(across, &each, span, function.name)
        };
        self.recycle_list(each);
        node
    }

    fn report_several_columns(&mut self, function: &Function, arg: ExprId) {
        let span = self.ast.span(arg);
        let text = self.source_text(span);
        let message = format!("`{}` needs one column, but `{text}` has several", function.name);
        self.report(Diagnostic::new(Code::BadRange, span, message).with_help("use one column, such as `C:C`"));
    }

    fn counts_distinct(&self, id: FunctionId, lower: Option<Lowering>) -> bool {
        id == internal::COUNTUNIQUE || lower == Some(Lowering::Count)
    }

    fn report_different_rows(&mut self, function: &Function, first: ExprId, second: ExprId) {
        let [a, b] = [first, second].map(|arg| self.source_text(self.ast.span(arg)));
        let message = format!(
            "`{}` needs ranges with the same rows, found `{a}` and `{b}`",
            function.name
        );
        self.report(
            Diagnostic::new(Code::BadRange, self.ast.span(second), message)
                .with_secondary_label(self.ast.span(first), "different rows")
                .with_help("use the same first and last row in both ranges"),
        );
    }

    /// Builds an aggregate over a window. The first value is aggregated. The other values are additional arguments,
    /// such as constants.
    pub(super) fn window_aggregate(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        over: WindowFrame,
        shown: &Function,
        span: Span,
    ) -> IrId {
        self.partitioned_aggregate(id, values, over, &[], shown, span)
    }

    /// Builds an aggregate over a window, restricted to rows with the same values in `by`.
    pub(super) fn partitioned_aggregate(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        over: WindowFrame,
        by: &[IrId],
        shown: &Function,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let Some(x) = values.first().copied() else {
            return self.add_error(span);
        };
        if self.is_error(x) || !self.check_window_allowed(shown.name, Some(x), span) {
            return self.add_error(span);
        }
        values
            .iter()
            .for_each(|value| self.convert_decimal_literal_to_float(*value));
        let parts = match over {
            WindowFrame::Calendar(range) if range.frame().is_none() => range.parts_at_current_row(),
            _ => None,
        };
        if let Some(parts) = parts {
            return self.aggregate_parts(id, values, (parts, by), shown, span);
        }
        let calendar = match over {
            WindowFrame::Calendar(range) => match self.calendar_window(range, span) {
                Some(calendar) => Some(calendar),
                None => return self.add_error(span),
            },
            _ => None,
        };
        let by = &[by, calendar.as_ref().map_or(&[][..], |calendar| &calendar.parted_by)].concat();
        let counts = function.nulls == Nulls::Never;
        let entry = if over.is_whole() {
            function.over
        } else {
            function.framed
        };
        let operands = self.summarize_operands(values, span);
        let chosen = self.choose_overload(entry.unwrap_or(id), values, &operands, shown.name);
        let Some(ChosenOverload { args, choice, .. }) = chosen else {
            return self.add_error(span);
        };
        if self.is_null(x) {
            // An aggregate over NULLs returns the same result as an aggregate over no rows.
            self.program.folded = true;
            return match function.empty {
                Some(digits) => self.add_number_literal(digits, choice.ty, span),
                None => self.add_null(choice.ty, span),
            };
        }
        let of = operands.meta;
        let nullable = !counts && (function.nulls == Nulls::Always || of.nullable || !over.includes_current_row());
        let meta = NodeMeta {
            nullable,
            level: Level::Window,
            volatile: of.volatile,
            ..Self::constant_meta(choice.ty, span)
        };
        // The alternative form must be added before the window, because it may replace the window.
        let other = match over {
            WindowFrame::Partition if by.is_empty() => self.rewrite_window(id, values, meta),
            WindowFrame::Rows { .. } | WindowFrame::Calendar(_) => self.rewrite_framed(id, values, over, by, meta),
            _ => None,
        };
        let call = self.program.add(
            Ir::Apply {
                overload: choice.overload,
                args,
            },
            meta,
        );
        let window = self.add_partitioned_window(call, over, by, meta);
        self.program.other_forms.extend(other.map(|other| (window, other)));
        let window = match calendar {
            Some(CalendarWindow { key, .. }) => {
                let empty = function.empty.filter(|_| !nullable);
                self.guard_null_calendar_key(window, key, empty, span)
            }
            None => window,
        };
        match function.empty.filter(|_| nullable) {
            Some(digits) => {
                let empty = self.add_number_literal(digits, Type::Integer, span);
                self.add_node_with_args(
                    Ir::Coalesce,
                    &[window, empty],
                    NodeMeta {
                        nullable: false,
                        ..meta
                    },
                )
            }
            None => window,
        }
    }
}

/// Returns the aggregate of each of several sets of rows, and the function that combines the results to the aggregate of
/// all rows. `None` if the results of an aggregate cannot be combined.
pub(super) fn combination(id: FunctionId) -> Option<(FunctionId, FunctionId)> {
    match id {
        internal::SUM | internal::COUNT_IF | internal::COUNTBLANK => Some((id, internal::ROW_SUM)),
        internal::COUNT | internal::COUNTA => Some((internal::COUNTA, internal::ROW_SUM)),
        internal::MIN => Some((id, internal::ROW_MIN)),
        internal::MAX => Some((id, internal::ROW_MAX)),
        _ => None,
    }
}
