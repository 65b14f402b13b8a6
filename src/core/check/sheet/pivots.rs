//! Functions that access the columns of a pivoted worksheet: PIVOT, PIVOTINDEX, PIVOTOFFSET, PIVOTROW.

use crate::ast::ExprId;
use crate::catalog::{Function, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{CellFrame, FrameBound, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;

/// Maximum number of columns in a PIVOTOFFSET range that spans several rows.
const MAX_RANGE_COLUMNS: i64 = 100;

impl Lowerer<'_> {
    pub(in crate::check) fn lower_pivot(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        args: &[ExprId],
        span: Span,
    ) -> IrId {
        let across = lowering != Lowering::PivotIndex;
        if !self.require_pivot(function.name, span) || (across && !self.check_pivot_row_key(function.name, span)) {
            return self.add_error(span);
        }
        match lowering {
            Lowering::PivotIndex => self.lower_pivot_index(function, span),
            Lowering::PivotRow => self.lower_pivot_row(args, function, span),
            Lowering::Pivot => self.lower_pivot_at(args, function, span),
            _ => self.lower_pivot_offset(args, function, span),
        }
    }

    fn value_source_text(&self, value: IrId) -> String {
        self.source_text(self.program.meta(value).span)
    }

    fn require_pivot(&mut self, call_text: &str, span: Span) -> bool {
        let pivoted = self.scope.sheet.is_some_and(|sheet| sheet.pivot.is_some());
        if !pivoted {
            let message = format!("`{call_text}` needs a pivoted worksheet");
            self.report(
                Diagnostic::new(Code::NeedsPivot, span, message)
                    .with_help("add `pivot_by` to the worksheet step, for example `pivot_by: channel`"),
            );
        }
        pivoted
    }

    /// Returns whether a sort order or a grain identifies the rows of the pivoted sheet. Reports an error if neither
    /// exists.
    pub(in crate::check) fn check_pivot_row_key(&mut self, call_text: &str, span: Span) -> bool {
        let has_key = self
            .scope
            .sheet
            .and_then(|sheet| sheet.pivot)
            .is_some_and(|pivot| pivot.rows_known);
        if !has_key {
            let message = format!("`{call_text}` reads a row of the pivot, but the rows have no key");
            self.report(
                Diagnostic::new(Code::OrderNeeded, span, message)
                    .with_help("add `order_by:` with the row key, for example `order_by: month`"),
            );
        }
        has_key
    }

    fn lower_pivot_index(&mut self, function: &Function, span: Span) -> IrId {
        if !self.check_window_allowed(function.name, None, span) {
            return self.add_error(span);
        }
        self.build_window_call(internal::PLACE, &[], WindowFrame::PivotColumns, false, span)
    }

    /// Lowers `PIVOTROW(x)` to a range, which an aggregate consumes.
    fn lower_pivot_row(&mut self, args: &[ExprId], function: &Function, span: Span) -> IrId {
        let Some(value) = self.require_single_cell_argument(args, function) else {
            return self.add_error(span);
        };
        self.record_description(span, |pass| {
            format!("{} in all columns of this row", pass.value_source_text(value))
        });
        self.build_pivot_range(value, WindowFrame::Across(CellFrame::All), span)
    }

    fn build_pivot_range(&mut self, x: IrId, over: WindowFrame, span: Span) -> IrId {
        self.contains_markers = true;
        let meta = NodeMeta {
            span,
            ..self.program.meta(x)
        };
        let over = self.program.add_window(over, &[]);
        self.program.add(Ir::Range { x, over }, meta)
    }

    /// Returns the first argument, which must be a single cell.
    fn require_single_cell_argument(&mut self, args: &[ExprId], function: &Function) -> Option<IrId> {
        let first = *args.first()?;
        let lowered = self.lowered_node(first);
        if matches!(self.program.node(lowered), Ir::Range { .. } | Ir::Ranges(_)) {
            let span = self.program.meta(lowered).span;
            let text = self.source_text(span);
            let message = format!("`{}` needs a single cell, found the range `{text}`", function.name);
            let cell = text.split(':').next().unwrap_or_default();
            self.report(
                Diagnostic::new(Code::BadRange, span, message)
                    .with_help(format!("write a single cell of this row, such as `{cell}`")),
            );
            return None;
        }
        let value = self.lower_value(first);
        (!self.is_error(value)).then_some(value)
    }

    /// Lowers `PIVOT(x, n)` to the value in the n-th pivot column of the current row.
    fn lower_pivot_at(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> IrId {
        let Some(value) = self.require_single_cell_argument(args, function) else {
            return self.add_error(span);
        };
        let [_, number] = *args else {
            return self.add_error(span);
        };
        let number = self.lower_value(number);
        let Some(n) = self.literal_integer(number) else {
            return self.report_non_constant(number, function.name, "column", "PIVOT(x, 1)");
        };
        let index = self.lower_pivot_index(function, span);
        let digits = self.program.add_integer(&n.to_string(), span);
        let id = self.add_call(internal::EQUAL, &[index, digits], span);
        let filtered_value = self.filter_rows(value, Some(id), span);
        self.record_description(span, |pass| {
            format!("{} in column {n} of this row", pass.value_source_text(value))
        });
        self.build_window_aggregate(
            internal::MAX,
            &[filtered_value],
            WindowFrame::Across(CellFrame::All),
            function,
            span,
        )
    }

    /// Returns the value that is `columns` pivot columns to the right, or to the left if `columns` is negative.
    fn build_value_at_distance(&mut self, value: IrId, columns: i32, function: &Function, span: Span) -> IrId {
        if columns == 0 {
            return value;
        }
        if !self.check_window_allowed(function.name, Some(value), span) {
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let count = self.program.add_integer(&columns.unsigned_abs().to_string(), span);
        let entry = if columns < 0 { internal::LAG } else { internal::LEAD };
        self.build_window_call(
            entry,
            &[value, count],
            WindowFrame::Across(CellFrame::Ordered),
            true,
            span,
        )
    }

    /// Lowers `PIVOTOFFSET(x, rows, columns)` to a value, or to a range if the call specifies a size.
    fn lower_pivot_offset(&mut self, args: &[ExprId], function: &Function, span: Span) -> IrId {
        let Some(value) = self.require_single_cell_argument(args, function) else {
            return self.add_error(span);
        };
        let mut numbers = [0, 0, 1, 1];
        for ((number, arg), name) in
            numbers
                .iter_mut()
                .zip(args.iter().skip(1))
                .zip(["rows", "columns", "num_rows", "num_columns"])
        {
            let id = self.lower_value(*arg);
            match self
                .literal_integer(id)
                .filter(|n| i32::try_from(*n).is_ok_and(|n| n != i32::MIN))
            {
                Some(n) => *number = n,
                None => return self.report_non_constant(id, function.name, name, "PIVOTOFFSET(x, -1, 0)"),
            }
        }
        let [rows, columns, height, width] = numbers;
        let ends = |first: i64, count: i64| match count {
            0 => None,
            1.. => Some((first, first.saturating_add(count - 1))),
            _ => Some((first.saturating_add(count + 1), first)),
        };
        let (Some((top, bottom)), Some((left, right))) = (ends(rows, height), ends(columns, width)) else {
            let message = "a range must have at least one row and one column";
            self.report(
                Diagnostic::new(Code::NoSuchCell, span, message)
                    .with_help("write 1 or more, or omit the height and the width"),
            );
            return self.add_error(span);
        };
        let clamp_offset = |n: i64| i32::try_from(n).unwrap_or(if n < 0 { -i32::MAX } else { i32::MAX });
        let [top, bottom, left, right] = [top, bottom, left, right].map(clamp_offset);
        self.record_description(span, |pass| {
            let x = pass.value_source_text(value);
            format!("{x}, rows {top} to {bottom} and columns {left} to {right} from this cell")
        });
        if args.len() <= 3 {
            let neighbor = self.build_value_at_distance(value, left, function, span);
            return if self.is_error(neighbor) {
                neighbor
            } else {
                self.build_value_in_shifted_row(neighbor, top, function.name, span)
            };
        }
        if !self.has_order(function.name, span) {
            return self.add_error(span);
        }
        let rows = WindowFrame::Rows {
            from: FrameBound::At(top),
            to: FrameBound::At(bottom),
        };
        if left == right {
            let neighbor = self.build_value_at_distance(value, left, function, span);
            return self.build_pivot_range(neighbor, rows, span);
        }
        if top == bottom {
            let ir_id = self.build_value_in_shifted_row(value, top, function.name, span);
            let cells = CellFrame::Cells {
                from: FrameBound::At(left),
                to: FrameBound::At(right),
            };
            return self.build_pivot_range(ir_id, WindowFrame::Across(cells), span);
        }
        if i64::from(right) - i64::from(left) >= MAX_RANGE_COLUMNS {
            let message = format!("a range of several rows can have at most {MAX_RANGE_COLUMNS} columns");
            self.report(Diagnostic::new(Code::NoSuchCell, span, message).with_help("use one row, or fewer columns"));
            return self.add_error(span);
        }
        let mut each = self.take_list();
        for column in left..=right {
            let neighbor = self.build_value_at_distance(value, column, function, span);
            each.push(self.build_pivot_range(neighbor, rows, span));
        }
        self.combine_column_markers(each, span)
    }
}
