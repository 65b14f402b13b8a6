//! Aggregates of cells in the current row, such as `SUM(B1:D1)`, `COUNTIF(B1:D1, ">0")` and `LARGE(B1:D1, 2)`.

use crate::ast::{Call, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, internal};
use crate::check::calls::overload::ChosenOverload;
use crate::check::criteria::conditional_aggregates::unconditional_aggregate;
use crate::check::lower::Lowerer;
use crate::check::ranges::aggregates::RangeAggregateArguments;
use crate::check::windows::order_statistics::OrderedValues;
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;

/// Cells of an argument. A value that is not a range counts as one cell.
type ArgumentCells = Vec<IrId>;

impl Lowerer<'_> {
    /// Returns whether a range contains only the current row.
    pub(in crate::check) fn is_current_row_range(&self, range: IrId) -> bool {
        let row_frame = WindowFrame::Rows {
            from: FrameBound::At(0),
            to: FrameBound::At(0),
        };
        let (rows, is_turning) = (self.range_rows(range, false), self.fixed_end_case(range).is_some());
        rows.over == row_frame && rows.only.is_none() && !is_turning
    }

    /// Returns the cells of a range with several columns. `None` for other arguments, and for ranges that contain
    /// other rows.
    pub(in crate::check) fn cells_of_row(&self, argument: ExprId) -> Option<Vec<IrId>> {
        let Ir::Ranges(columns) = self.program.node(self.lowered_node(argument)) else {
            return None;
        };
        let cell = |column: &IrId| match self.program.node(*column) {
            Ir::Range { x, .. } if !matches!(self.program.node(x), Ir::TabColumn { .. }) => {
                self.is_current_row_range(*column).then_some(x)
            }
            _ => None,
        };
        self.program.args(columns).iter().map(cell).collect()
    }

    /// Lowers calls such as `SUM(A1:C1)`, whose range is equivalent to `A1, B1, C1`, and aggregates of one cell.
    pub(in crate::check) fn aggregate_cells_or_column(
        &mut self,
        id: FunctionId,
        aggregate: RangeAggregateArguments,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let across =
            Self::find_function_across_cells(function).filter(|_| !aggregate.distinct && aggregate.values.len() > 1);
        let node = match across {
            Some(across) => self.add_scalar_call(across, &aggregate.values, span, function.name),
            None if id == internal::COUNTBLANK => self.count_blanks_in_row(&aggregate.values, span),
            None => {
                let first_span = aggregate
                    .ranges
                    .iter()
                    .flatten()
                    .next()
                    .map_or(span, |(_, range_span)| *range_span);
                let range_text = self.source_text(first_span);
                if self.has_order(&range_text, first_span) {
                    self.aggregate_ranges(id, &aggregate, false, span)
                } else {
                    self.add_error(span)
                }
            }
        };
        self.recycle_list(aggregate.values);
        node
    }

    /// Builds an expression that counts the blanks among several values of the current row.
    fn count_blanks_in_row(&mut self, values: &[IrId], span: Span) -> IrId {
        let mut each = self.take_list();
        for value in values {
            let blank = self.build_blank_test(*value, false, span);
            each.push(self.build_indicator(blank, span));
        }
        let node = match *each.as_slice() {
            [single_count] => single_count,
            _ => self.add_scalar_call(internal::ROW_SUM, &each, span, "COUNTBLANK"),
        };
        self.recycle_list(each);
        node
    }

    /// Builds an expression that is 1 if a condition holds, and 0 otherwise.
    fn build_indicator(&mut self, condition: IrId, span: Span) -> IrId {
        let mut counts = [self.program.add_integer("1", span), self.program.add_integer("0", span)];
        self.build_case(&[condition], &mut counts, span, "COUNTIF")
    }

    /// Lowers an aggregate of cells in the current row if no function combines several values directly. The result is
    /// computed from one value per cell, or from a list of the cells. `None` for other functions and ranges.
    pub(in crate::check) fn lower_cells_of_row(&mut self, id: FunctionId, call: Call, span: Span) -> Option<IrId> {
        let function = catalog::get(id);
        let exprs = self.ast.arguments(call);
        if function.across.is_some() || !accepts_cells_of_row(function) {
            return None;
        }
        let is_other_range = |pass: &Self, arg: ExprId| match pass.program.node(pass.lowered_node(arg)) {
            Ir::Ranges(_) => pass.cells_of_row(arg).is_none(),
            Ir::Range { .. } => true,
            _ => false,
        };
        let has_cells = exprs.iter().any(|arg| self.cells_of_row(*arg).is_some());
        if !has_cells || exprs.iter().any(|arg| is_other_range(self, *arg)) {
            return None;
        }
        let mut arguments: Vec<ArgumentCells> = Vec::with_capacity(exprs.len());
        for arg in exprs {
            let cells = self.cells_of_row(*arg);
            arguments.push(cells.unwrap_or_else(|| vec![self.lower_value(*arg)]));
        }
        if arguments.iter().flatten().any(|cell| self.is_error(*cell)) {
            return Some(self.add_error(span));
        }
        Some(match (function.lower, arguments.as_slice()) {
            (Some(Lowering::TextJoin), _) => self.join_texts(exprs, &arguments.concat(), function, span),
            (Some(lowering), [cells, other_cells]) if lowering.is_ordered() => {
                let list = self.build_cell_list(cells, exprs, function);
                let parameter = other_cells.first().copied().unwrap_or(list);
                self.lower_order_statistic(lowering, function, &[list, parameter], OrderedValues::List, span)
            }
            (None, [cells]) => {
                let list = self.build_cell_list(cells, exprs, function);
                self.aggregate_list_of_cells(id, &[list], function, span)
            }
            _ => self.combine_cells(function, exprs, &arguments, span),
        })
    }

    fn build_cell_list(&mut self, cells: &[IrId], exprs: &[ExprId], function: &Function) -> IrId {
        let span = exprs.first().map(|arg| self.ast.span(*arg)).unwrap_or_default();
        self.add_scalar_call(internal::ROW_LIST, cells, span, function.name)
    }

    /// Builds the aggregate of a list. The list is the first value, and its node has the type of the list's items.
    pub(in crate::check) fn aggregate_list_of_cells(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        function: &Function,
        span: Span,
    ) -> IrId {
        let operands = self.summarize_operands(values, span);
        let overload_choice = match operands.has_error() {
            true => None,
            false => self.choose_overload(id, values, &operands, function.name),
        };
        let (Some(ChosenOverload { choice, .. }), Some(entry), Some((list, constants))) =
            (overload_choice, catalog::get(id).of_list, values.split_first())
        else {
            return self.add_error(span);
        };
        let meta = NodeMeta {
            ty: choice.ty,
            nullable: true,
            ..operands.meta
        };
        self.aggregate_of_list(entry, *list, constants, meta)
    }

    /// Builds the value for each position in the ranges, and combines these values.
    fn combine_cells(
        &mut self,
        function: &'static Function,
        exprs: &[ExprId],
        arguments: &[ArgumentCells],
        span: Span,
    ) -> IrId {
        let Some(lowering) = function.lower else {
            return self.add_error(span);
        };
        let count = arguments.iter().map(Vec::len).max().unwrap_or_default();
        if let Some(wrong) = (0..arguments.len()).find(|index| {
            let is_one = arguments.get(*index).is_some_and(|cells| cells.len() == 1);
            let is_several = arguments.get(*index).is_some_and(|cells| cells.len() == count);
            match is_criterion(lowering, *index) {
                true => !is_one,
                false => !is_several,
            }
        }) {
            return self.report_cell_counts(function, exprs, arguments, wrong);
        }
        let before = self.diagnostics.len();
        let mut each = self.take_list();
        for index in 0..count {
            let cells: Vec<IrId> = arguments
                .iter()
                .filter_map(|cells| cells.get(index).or(cells.first()).copied())
                .collect();
            let reported = self.diagnostics.len();
            let value = self.cell_value(lowering, function, exprs, &cells, span);
            each.push(value);
            if self.is_error(value) {
                break;
            }
            // Report only the first warning, because it also applies to the other cells.
            if reported > before {
                self.diagnostics.truncate(reported);
            }
        }
        let across = match unconditional_aggregate(lowering).map(|id| catalog::get(id).across) {
            Some(Some(across)) => across,
            _ => internal::ROW_SUM,
        };
        let node = match each.iter().any(|id| self.is_error(*id)) {
            true => self.add_error(span),
            false => self.add_scalar_call(across, &each, span, function.name),
        };
        self.recycle_list(each);
        node
    }

    /// Builds the value of a cell, or NULL if the cell does not meet the criteria. For a function that counts, the
    /// value is 1 or 0.
    fn cell_value(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        exprs: &[ExprId],
        cells: &[IrId],
        span: Span,
    ) -> IrId {
        if !lowering.is_conditional_aggregate() {
            return self.build_product(function, cells, span);
        }
        let Some((value, conditions)) = self.split_criteria(lowering, function, exprs, cells, &mut None, span) else {
            return self.add_error(span);
        };
        if conditions.iter().any(|condition| self.is_error(*condition)) {
            return self.add_error(span);
        }
        let condition = self.build_and_or(&conditions, span, true);
        self.recycle_list(conditions);
        match value {
            Some(value) => self.build_case(&[condition], &mut [value], span, function.name),
            None => self.build_indicator(condition, span),
        }
    }

    #[cold]
    fn report_cell_counts(
        &mut self,
        function: &Function,
        exprs: &[ExprId],
        arguments: &[ArgumentCells],
        wrong: usize,
    ) -> IrId {
        let ranges = exprs.iter().zip(arguments).filter(|(_, cells)| cells.len() > 1);
        let first = ranges.map(|(arg, _)| *arg).next();
        let [wrong_at, first_at] = [exprs.get(wrong).copied(), first].map(|arg| arg.map(|arg| self.ast.span(arg)));
        let (Some(wrong_span), Some(first)) = (wrong_at, first_at) else {
            return self.add_error(Span::default());
        };
        let [text, first_text] = [wrong_span, first].map(|span| self.source_text(span));
        let is_range = arguments.get(wrong).is_some_and(|cells| cells.len() > 1);
        let (message, help) = match function.lower.is_some_and(|lowering| is_criterion(lowering, wrong)) && is_range {
            true => (
                format!(
                    "a criterion of `{}` is one value, but `{text}` has several cells",
                    function.name
                ),
                "use one cell or one value as the criterion, such as `\">0\"`",
            ),
            false => (
                format!(
                    "`{}` needs the same number of cells in each range, found `{first_text}` and `{text}`",
                    function.name
                ),
                "use ranges with the same number of columns",
            ),
        };
        self.report(Diagnostic::new(Code::BadRange, wrong_span, message).with_help(help));
        self.add_error(wrong_span)
    }

    /// Builds the rank of a value among cells of the current row: one more than the number of cells before the value.
    pub(in crate::check) fn rank_cell_of_row(
        &mut self,
        value: IrId,
        cells: &[IrId],
        descending: bool,
        span: Span,
    ) -> IrId {
        let is_before = match descending {
            true => internal::GREATER,
            false => internal::LESS,
        };
        let mut each = vec![self.program.add_integer("1", span)];
        for cell in cells {
            if !self.is_same_value(*cell, value) {
                let before = self.add_scalar_call(is_before, &[*cell, value], span, "RANK");
                each.push(self.build_indicator(before, span));
            }
        }
        let rank = self.add_scalar_call(internal::ROW_SUM, &each, span, "RANK");
        if self.is_error(rank) || !self.program.meta(value).nullable {
            return rank;
        }
        let not_null = self.build_not_null(value, span);
        self.build_case(&[not_null], &mut [rank], span, "RANK")
    }
}

/// Returns whether an aggregate accepts several cells of the current row.
pub(in crate::check) fn accepts_cells_of_row(function: &Function) -> bool {
    let by_cell = |lowering: Lowering| {
        lowering.is_conditional_aggregate()
            || matches!(
                lowering,
                Lowering::Quartile | Lowering::SumProduct | Lowering::SumSquares | Lowering::TextJoin
            )
    };
    function.across.is_some() || function.of_list.is_some() || function.lower.is_some_and(by_cell)
}

/// Returns whether an argument is a criterion, which applies to all cells.
fn is_criterion(lowering: Lowering, index: usize) -> bool {
    match lowering {
        Lowering::SumProduct | Lowering::SumSquares => false,
        Lowering::CountIf | Lowering::CountIfs | Lowering::SumIf | Lowering::AverageIf => !index.is_multiple_of(2),
        _ => index > 0 && index.is_multiple_of(2),
    }
}
