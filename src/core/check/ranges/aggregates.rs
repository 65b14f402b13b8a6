//! Aggregates over ranges of names, such as `SUM(FIRST(x):x)`, which become window functions.

use crate::ast::{Call, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::check::sheet::cells::{FilteredRange, FixedEndCase, RangeRows};
use crate::check::sheet::row_cells::accepts_cells_of_row;
use crate::check::windows::order_statistics::OrderedValues;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;

/// Arguments of an aggregate over ranges.
pub(in crate::check) struct RangeAggregateArguments {
    call: Call,
    pub values: Vec<IrId>,
    /// Range marker of each value, with the span of the range. `None` for values that are not ranges.
    pub ranges: Vec<Option<(IrId, Span)>>,
    pub distinct: bool,
    /// Whether the ranges cover different rows. If `true`, the rows of each range must be resolved separately.
    has_different_rows: bool,
}

impl Lowerer<'_> {
    /// Lowers an aggregate over ranges, which is computed for each row.
    pub(in crate::check) fn lower_range_call(&mut self, id: FunctionId, call: Call, span: Span) -> IrId {
        if let Some(node) = self.lower_cells_of_row(id, call, span) {
            return node;
        }
        let Some(mut aggregate) = self.collect_range_arguments(id, call) else {
            return self.add_error(span);
        };
        if aggregate
            .ranges
            .iter()
            .flatten()
            .all(|(range, _)| self.is_current_row_range(*range))
        {
            return self.aggregate_cells_or_column(id, aggregate, span);
        }
        let mut ranges = aggregate.ranges.iter().flatten().map(|(range, _)| *range);
        let first = ranges.next();
        aggregate.has_different_rows = first.is_some_and(|first| ranges.any(|range| !self.has_same_rows(first, range)));
        let node = self.aggregate_ranges(id, &aggregate, false, span);
        let node = match first
            .filter(|_| !aggregate.has_different_rows)
            .and_then(|first| self.fixed_end_case(first))
        {
            Some(turning) if !self.is_error(node) => {
                let before = self.aggregate_ranges(id, &aggregate, true, span);
                self.build_fixed_end_case(turning, node, before)
            }
            _ => node,
        };
        self.recycle_list(aggregate.values);
        node
    }

    /// Builds a CASE for a range between a fixed row and a relative row. `behind` is the result in the fixed row and
    /// all later rows, and `before` is the result in earlier rows.
    fn build_fixed_end_case(&mut self, turning: FixedEndCase, behind: IrId, before: IrId) -> IrId {
        let meta = self.program.meta(behind);
        let nullable = meta.nullable || self.program.meta(before).nullable;
        self.program.add_node_with_args(
            Ir::Case,
            &[turning.reached, behind, before],
            NodeMeta { nullable, ..meta },
        )
    }

    /// Collects the arguments of a call, and the range of each argument. `None` if an error was reported or no
    /// argument is a range.
    fn collect_range_arguments(&mut self, id: FunctionId, call: Call) -> Option<RangeAggregateArguments> {
        let function = catalog::get(id);
        let args = self.ast.arguments(call);
        let (values, ranges) = (self.take_list(), Vec::with_capacity(args.len()));
        let mut aggregate = RangeAggregateArguments {
            call,
            values,
            ranges,
            distinct: false,
            has_different_rows: false,
        };
        let mut first_range: Option<(IrId, ExprId)> = None;
        // If a function also accepts several values of a row, each range is aggregated separately and may cover
        // different rows. Conditional functions require the same rows in all ranges.
        let alone = args.len() > 1 && function.across.is_some();
        let (mut failed, mut reads_tab) = (false, false);
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
                    aggregate.values.push(value);
                    aggregate.ranges.push(None);
                    continue;
                }
            };
            aggregate.distinct |= inner != lowered;
            for range in columns {
                let Ir::Range { x, .. } = self.program.node(range) else {
                    continue;
                };
                if matches!(self.program.node(x), Ir::TabColumn { .. }) {
                    failed = true;
                    if !std::mem::replace(&mut reads_tab, true) {
                        self.report_tab_outside_lookup(Some(function.name), self.ast.span(*arg));
                    }
                    break;
                }
                match first_range {
                    Some((other, other_arg)) if !alone && !self.has_same_rows(other, range) => {
                        failed = true;
                        self.report_different_rows(function, other_arg, *arg);
                    }
                    _ => first_range = Some((range, *arg)),
                }
                aggregate.values.push(x);
                aggregate.ranges.push(Some((range, self.ast.span(*arg))));
            }
        }
        if failed || first_range.is_none() {
            self.recycle_list(aggregate.values);
            return None;
        }
        Some(aggregate)
    }

    /// Returns the rows of a range. If the range has a fixed end, `before` specifies whether to return the rows for the
    /// cells before the fixed row.
    pub(in crate::check) fn range_rows(&self, range: IrId, before: bool) -> RangeRows {
        match (self.partial_ranges.get(&range), self.program.node(range)) {
            (
                Some(FilteredRange {
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
    pub(in crate::check) fn contains_all_rows(&self, range: IrId) -> bool {
        let rows = self.range_rows(range, false);
        rows.over == WindowFrame::Partition && rows.only.is_none()
    }

    pub(in crate::check) fn fixed_end_case(&self, range: IrId) -> Option<FixedEndCase> {
        self.partial_ranges.get(&range).and_then(|some| some.turning)
    }

    fn has_same_rows(&self, a: IrId, b: IrId) -> bool {
        let written_rows = |range: IrId| self.partial_ranges.get(&range).map(|some| some.written);
        self.range_rows(a, false).over == self.range_rows(b, false).over && written_rows(a) == written_rows(b)
    }

    pub(in crate::check) fn aggregate_ranges(
        &mut self,
        id: FunctionId,
        range_aggregate: &RangeAggregateArguments,
        before: bool,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let Some((first, _)) = range_aggregate.ranges.iter().flatten().next() else {
            return self.add_error(span);
        };
        let rows = self.range_rows(*first, before);
        let (distinct, args) = (range_aggregate.distinct, self.ast.arguments(range_aggregate.call));
        if range_aggregate.values.len() > 1 && id == internal::COUNTBLANK {
            return self.count_blanks_per_column(range_aggregate, before, span);
        }
        if range_aggregate.values.len() > 1 && function.across.is_some() {
            return self.aggregate_several_ranges(id, range_aggregate, before, span);
        }
        let mut values = self.take_list();
        for (value, range) in range_aggregate.values.iter().zip(&range_aggregate.ranges) {
            // Conditional functions and COUNTBLANK apply the row filter themselves.
            let has_condition =
                function.lower.is_some_and(Lowering::is_conditional_aggregate) || id == internal::COUNTBLANK;
            let only = rows.only.filter(|_| range.is_some() && !has_condition);
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
                let condition = self.build_and_or(&only, span, true);
                self.build_window_aggregate(internal::COUNT_IF, &[condition], rows.over, function, span)
            }
            None | Some(Lowering::Count) => {
                let id = match function.lower {
                    Some(_) if distinct => internal::COUNTUNIQUE,
                    Some(_) => internal::COUNTA,
                    None => id,
                };
                self.build_window_aggregate(id, &values, rows.over, function, span)
            }
            Some(Lowering::SumProduct | Lowering::SumSquares) => {
                let product = self.build_product(function, &values, span);
                self.build_window_aggregate(internal::SUM, &[product], rows.over, function, span)
            }
            Some(lowering) if lowering.is_ordered() => {
                self.lower_order_statistic(lowering, function, &values, OrderedValues::Window(rows.over), span)
            }
            Some(Lowering::TextJoin) => {
                let message = format!("`{}` joins the rows of a group, not the rows of a range", function.name);
                self.report_invalid_range(
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
    /// maximums. Arguments that are not ranges are values of the current row.
    fn aggregate_several_ranges(
        &mut self,
        id: FunctionId,
        aggregate: &RangeAggregateArguments,
        before: bool,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let all_ranges = aggregate.ranges.iter().all(Option::is_some);
        let (entry, across) = match (id, combining_functions(id)) {
            (internal::COUNT | internal::COUNTA, Some(across_function)) if !aggregate.distinct && all_ranges => {
                across_function
            }
            (internal::SUM | internal::MIN | internal::MAX, Some(across_function)) => across_function,
            (internal::AVERAGE, _) if !aggregate.distinct && all_ranges => {
                let sum =
                    self.aggregate_each_range(internal::SUM, internal::ROW_SUM, function, aggregate, before, span);
                let count =
                    self.aggregate_each_range(internal::COUNTA, internal::ROW_SUM, function, aggregate, before, span);
                return self.add_scalar_call(internal::DIVIDE, &[sum, count], span, function.name);
            }
            _ if self.ast.arguments(aggregate.call).len() == 1 => {
                if let [argument] = self.ast.arguments(aggregate.call) {
                    self.report_several_columns(function, *argument);
                }
                return self.add_error(span);
            }
            _ => {
                let name = function.name;
                let message = format!(
                    "`{name}` accepts a range only as its only argument, found {} arguments",
                    aggregate.values.len()
                );
                let help = format!(
                    "call `{name}` once for each range, as in `{name}(a:a)`, or combine the values in a definition first, \
                    such as `c = a + b`"
                );
                return self.report_invalid_range(span, &message, &help);
            }
        };
        self.aggregate_each_range(entry, across, function, aggregate, before, span)
    }

    /// Builds an expression that adds up the numbers of blanks in several columns.
    fn count_blanks_per_column(&mut self, aggregate: &RangeAggregateArguments, before: bool, span: Span) -> IrId {
        let mut each = self.take_list();
        for (value, range) in aggregate.values.iter().zip(&aggregate.ranges) {
            let (values, ranges) = (vec![*value], vec![*range]);
            let single_aggregate = RangeAggregateArguments {
                call: aggregate.call,
                values,
                ranges,
                distinct: false,
                has_different_rows: false,
            };
            each.push(self.aggregate_ranges(internal::COUNTBLANK, &single_aggregate, before, span));
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
        aggregate: &RangeAggregateArguments,
        before: bool,
        span: Span,
    ) -> IrId {
        let mut each = self.take_list();
        for (value, range) in aggregate.values.iter().zip(&aggregate.ranges) {
            each.push(match range {
                Some((range, range_span)) => {
                    let build_part = |pass: &mut Self, before: bool| {
                        let rows = pass.range_rows(*range, before);
                        let value = pass.filter_rows(*value, rows.only, *range_span);
                        pass.build_window_aggregate(entry, &[value], rows.over, function, *range_span)
                    };
                    let node = build_part(self, before);
                    match self
                        .fixed_end_case(*range)
                        .filter(|_| aggregate.has_different_rows && !self.is_error(node))
                    {
                        Some(turning) => {
                            let before = build_part(self, true);
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
        let help = match self.scope.sheet {
            Some(_) if accepts_cells_of_row(function) && text.contains(|c: char| c.is_ascii_digit()) => {
                "use cells of one column, such as `C$1:C1`, or cells of this row, such as `B1:D1`"
            }
            _ => "use one column, such as `C:C`",
        };
        self.report(Diagnostic::new(Code::BadRange, span, message).with_help(help));
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
}

/// Returns the aggregate to apply to each range, and the function that combines the results into the aggregate of all
/// rows. `None` if the results cannot be combined.
pub(in crate::check) fn combining_functions(id: FunctionId) -> Option<(FunctionId, FunctionId)> {
    match id {
        internal::SUM | internal::COUNT_IF | internal::COUNTBLANK => Some((id, internal::ROW_SUM)),
        internal::COUNT | internal::COUNTA => Some((internal::COUNTA, internal::ROW_SUM)),
        internal::MIN => Some((id, internal::ROW_MIN)),
        internal::MAX => Some((id, internal::ROW_MAX)),
        _ => None,
    }
}
