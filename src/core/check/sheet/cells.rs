//! Lowering of cells and cell ranges to values from other rows: LAG, LEAD, the value of a fixed row, and window frames.

use super::columns::{SheetColumns, column_letters};
use super::{CellRange, SheetRow};
use crate::ast::{Call, Expr};
use crate::catalog::{self, Function, FunctionId, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::check::names::NameTarget;
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

/// Largest row number for `NTH_VALUE` that all dialects support, which is Snowflake's limit.
const MAX_NTH_VALUE_ROW: i64 = 1000;

/// Rows of a range: a window frame, optionally filtered by a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) struct RangeRows {
    pub over: WindowFrame,
    pub only: Option<IrId>,
}

impl RangeRows {
    pub fn all_rows(over: WindowFrame) -> Self {
        Self { over, only: None }
    }
}

/// Range that no window frame describes exactly, so that a condition selects the rows. Also contains the row references
/// as written in the formula.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct FilteredRange {
    pub rows: RangeRows,
    pub turning: Option<FixedEndCase>,
    pub written: (SheetRow, SheetRow),
}

/// Alternative rows for a range between a fixed row and a relative row. The rows in `before` apply if the condition
/// `reached` is `false`.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct FixedEndCase {
    pub reached: IrId,
    pub before: RangeRows,
}

impl Lowerer<'_> {
    fn lower_target(&mut self, target: NameTarget, span: Span) -> IrId {
        match target {
            NameTarget::Column(column) => self.lower_column(column, span),
            NameTarget::Definition(definition) => self.lower_definition_use(definition, span),
            _ => self.add_error(span),
        }
    }

    /// Returns a placeholder for the arguments of a range or an OFFSET call, because these arguments are not values.
    pub(in crate::check) fn add_range_placeholder(&mut self, span: Span) -> IrId {
        self.program.has_unused_nodes = true;
        self.program.add_null(Type::Unknown, span)
    }

    /// Lowers a cell to its value.
    pub(in crate::check) fn lower_cell(&mut self, cell: u32, span: Span) -> IrId {
        let Some(cell) = self.names.cells.try_get(cell as usize).copied() else {
            return self.add_error(span);
        };
        let value = self.lower_target(cell.of, span);
        if self.is_error(value) {
            return value;
        }
        self.record_description(span, |pass| pass.describe_cell(cell.of, cell.row));
        match cell.row {
            SheetRow::Unspecified | SheetRow::At(0) => value,
            SheetRow::At(rows) => match i32::try_from(rows).ok().filter(|rows| *rows != i32::MIN) {
                Some(rows) => {
                    let cell_text = self.source_text(span);
                    self.build_value_in_shifted_row(value, rows, &cell_text, span)
                }
                // The offset exceeds the maximum length of a sheet, so there is no such row.
                None => self.program.add_null(self.program.meta(value).ty, span),
            },
            SheetRow::Fixed(row) => self.build_value_in_row(value, row, span),
        }
    }

    /// Returns the value in a fixed row of the sheet. The value is the same for all rows.
    pub(in crate::check) fn build_value_in_row(&mut self, value: IrId, row: i64, span: Span) -> IrId {
        let call_text = self.source_text(span);
        if !self.check_window_allowed(&call_text, Some(value), span) || !self.has_order(&call_text, span) {
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let nullable = self.program.meta(value).nullable;
        if row == 1 {
            return self.build_window_call(internal::FIRST_VALUE, &[value], WindowFrame::Ordered, nullable, span);
        }
        if row > MAX_NTH_VALUE_ROW {
            let id = self.compare_row_number(internal::EQUAL, row, span);
            let filtered_value = self.filter_rows(value, Some(id), span);
            return self.build_window_aggregate(
                internal::MAX,
                &[filtered_value],
                WindowFrame::Partition,
                catalog::get(internal::MAX),
                span,
            );
        }
        let number = self.program.add_integer(&row.to_string(), span);
        let over = WindowFrame::Rows {
            from: FrameBound::First,
            to: FrameBound::Last,
        };
        self.build_window_call(internal::NTH_VALUE, &[value, number], over, true, span)
    }

    /// Lowers a range of cells to one marker per column. An aggregate consumes these markers.
    pub(in crate::check) fn lower_cell_range(&mut self, range: u32, span: Span) -> IrId {
        let Some(range) = self.names.cell_ranges.try_get(range as usize) else {
            return self.add_error(span);
        };
        self.record_description(span, |pass| pass.describe_range(range));
        let CellRange { of: targets, from, to } = range;
        let (from, to) = (*from, *to);
        let Some((rows, turning)) = self.resolve_range_rows(from, to, span) else {
            return self.add_error(span);
        };
        self.contains_markers = true;
        let mut columns = self.take_list();
        for target in targets {
            let x = self.lower_target(*target, span);
            if self.is_error(x) {
                self.recycle_list(columns);
                return self.add_error(span);
            }
            let meta = NodeMeta {
                span,
                ..self.program.meta(x)
            };
            let over = self.program.add_window(rows.over, &[]);
            let range = self.program.add(Ir::Range { x, over }, meta);
            if rows.only.is_some() || turning.is_some() {
                self.partial_ranges.insert(
                    range,
                    FilteredRange {
                        rows,
                        turning,
                        written: (from, to),
                    },
                );
            }
            columns.push(range);
        }
        self.combine_column_markers(columns, span)
    }

    /// Returns the marker of a single column, or a node that combines the markers of several columns.
    pub(in crate::check) fn combine_column_markers(&mut self, columns: Vec<IrId>, span: Span) -> IrId {
        let node = match *columns.as_slice() {
            [column] => column,
            [first, ..] => {
                let meta = self.program.meta(first);
                self.program.add_node_with_args(Ir::Ranges, &columns, meta)
            }
            [] => self.add_error(span),
        };
        self.recycle_list(columns);
        node
    }

    /// Computes the rows between two row references. Returns `None` if the range needs a sort order that the sheet does
    /// not have.
    fn resolve_range_rows(
        &mut self,
        from: SheetRow,
        to: SheetRow,
        span: Span,
    ) -> Option<(RangeRows, Option<FixedEndCase>)> {
        let whole_range = (RangeRows::all_rows(WindowFrame::Partition), None);
        // `C1:C` extends to the last row, and `C:C1` starts at the first row.
        let open = |row: SheetRow, end: SheetRow, last: bool| match (row, end) {
            (SheetRow::Unspecified, SheetRow::Unspecified) => None,
            (SheetRow::Unspecified, _) => Some(if last { RangeEdge::Last } else { RangeEdge::First }),
            (SheetRow::At(row), _) => Some(RangeEdge::At(row)),
            (SheetRow::Fixed(1), _) => Some(RangeEdge::First),
            (SheetRow::Fixed(row), _) => Some(RangeEdge::Fixed(row)),
        };
        let (Some(a), Some(b)) = (open(from, to, false), open(to, from, true)) else {
            return Some(whole_range);
        };
        if (a, b) == (RangeEdge::First, RangeEdge::Last) {
            return Some(whole_range);
        }
        let range_text = self.source_text(span);
        // A range that contains only the current row requires no sort order here. Functions that treat the range as
        // several rows check the sort order themselves.
        if (a, b) != (RangeEdge::At(0), RangeEdge::At(0)) && !self.has_order(&range_text, span) {
            return None;
        }
        let bound_at = |row: i64| FrameBound::At(row.clamp(-i64::from(i32::MAX), i64::from(i32::MAX)) as i32);
        let rows = |from: FrameBound, to: FrameBound| RangeRows::all_rows(WindowFrame::Rows { from, to });
        Some(match (a, b) {
            (RangeEdge::At(a), RangeEdge::At(b)) => (rows(bound_at(a.min(b)), bound_at(a.max(b))), None),
            (RangeEdge::First, RangeEdge::At(row)) | (RangeEdge::At(row), RangeEdge::First) => {
                (rows(FrameBound::First, bound_at(row)), None)
            }
            (RangeEdge::Last, RangeEdge::At(row)) | (RangeEdge::At(row), RangeEdge::Last) => {
                (rows(bound_at(row), FrameBound::Last), None)
            }
            (RangeEdge::Fixed(row), RangeEdge::At(offset)) | (RangeEdge::At(offset), RangeEdge::Fixed(row)) => {
                // The relative row moves with the current row. Once it has reached the fixed row, the range runs from
                // the fixed row to the relative row. Before that, the range runs from the relative row to the fixed
                // row.
                let reached = self.compare_row_number(internal::GREATER_EQUAL, row.saturating_sub(offset), span);
                let behind = self.compare_row_number(internal::GREATER_EQUAL, row, span);
                let before = self.compare_row_number(internal::LESS_EQUAL, row, span);
                let first = RangeRows {
                    only: Some(behind),
                    ..rows(FrameBound::First, bound_at(offset))
                };
                let before = RangeRows {
                    only: Some(before),
                    ..rows(bound_at(offset), FrameBound::Last)
                };
                (first, Some(FixedEndCase { reached, before }))
            }
            (RangeEdge::Fixed(a), RangeEdge::Fixed(b)) => {
                let first = self.compare_row_number(internal::GREATER_EQUAL, a.min(b), span);
                let last = self.compare_row_number(internal::LESS_EQUAL, a.max(b), span);
                let only = self.build_and_or(&[first, last], span, true);
                (
                    RangeRows {
                        over: WindowFrame::Partition,
                        only: Some(only),
                    },
                    None,
                )
            }
            (RangeEdge::Fixed(row), RangeEdge::First) | (RangeEdge::First, RangeEdge::Fixed(row)) => {
                let only = self.compare_row_number(internal::LESS_EQUAL, row, span);
                (
                    RangeRows {
                        over: WindowFrame::Partition,
                        only: Some(only),
                    },
                    None,
                )
            }
            (RangeEdge::Fixed(row), RangeEdge::Last) | (RangeEdge::Last, RangeEdge::Fixed(row)) => {
                let only = self.compare_row_number(internal::GREATER_EQUAL, row, span);
                (
                    RangeRows {
                        over: WindowFrame::Partition,
                        only: Some(only),
                    },
                    None,
                )
            }
            (RangeEdge::First, RangeEdge::First) => {
                let only = self.compare_row_number(internal::LESS_EQUAL, 1, span);
                (
                    RangeRows {
                        over: WindowFrame::Partition,
                        only: Some(only),
                    },
                    None,
                )
            }
            (RangeEdge::First | RangeEdge::Last, RangeEdge::First | RangeEdge::Last) => whole_range,
        })
    }

    /// Builds a comparison of the current row number with a constant.
    fn compare_row_number(&mut self, comparison: FunctionId, row: i64, span: Span) -> IrId {
        let id = self.build_window_call(internal::ROW_NUMBER, &[], WindowFrame::Ordered, false, span);
        let row = self.program.add_integer(&row.to_string(), span);
        self.add_call(comparison, &[id, row], span)
    }

    /// Lowers a worksheet aggregate that has no range. Such a call aggregates cells in the current row.
    pub(in crate::check) fn aggregate_row_cells(
        &mut self,
        function: &'static Function,
        call: Call,
        span: Span,
    ) -> IrId {
        let exprs = self.ast.arguments(call);
        if function.lower == Some(Lowering::TextJoin) && exprs.len() > 3 {
            return self.lower_text_join(exprs, function, span);
        }
        let Some(across) = Self::find_function_across_cells(function).filter(|_| !exprs.is_empty()) else {
            let message = format!(
                "`{}` needs a range of cells that specifies the rows to aggregate",
                function.name
            );
            let column = self.first_column_letter_help();
            self.report(Diagnostic::new(Code::BadRange, span, message).with_help(format!(
                "write a range, such as `{column}:{column}` for the complete column"
            )));
            return self.add_error(span);
        };
        let Some(values) = self.lower_arguments(exprs) else {
            return self.add_error(span);
        };
        if let [single_arg] = exprs {
            let target = self.names.targets.try_get(single_arg.index()).copied();
            let one_cell = match target {
                Some(NameTarget::Column(_) | NameTarget::Definition(_) | NameTarget::Cell(_)) => true,
                _ => matches!(self.ast.expr(*single_arg), Expr::Timeframe { .. }),
            };
            if one_cell {
                self.warn_about_single_cell(function, *single_arg, span);
            }
        }
        let node = self.add_scalar_call(across, &values, span, function.name);
        self.recycle_list(values);
        node
    }

    /// Returns the function that computes the aggregate's result across several cells in one row.
    pub(in crate::check) fn find_function_across_cells(function: &Function) -> Option<FunctionId> {
        match function.lower {
            Some(Lowering::Count) => function.across.or(Some(internal::ROW_COUNT)),
            _ => function.across,
        }
    }

    #[cold]
    fn warn_about_single_cell(&mut self, function: &Function, arg: crate::ast::ExprId, span: Span) {
        let text = self.source_text(self.ast.span(arg));
        let (ast, source, scope) = (self.ast, self.source, self.scope);
        let column = match self.names.targets.try_get(arg.index()) {
            Some(NameTarget::Cell(cell)) => self.names.cells.try_get(*cell as usize).map(|cell| cell.column),
            _ => {
                let columns = self.sheet_columns.get_or_init(|| SheetColumns::new(ast, source, scope));
                columns.position(text.as_str().into())
            }
        };
        let whole_column = match column {
            Some(column) => {
                let letter = column_letters(column);
                format!("{letter}:{letter}")
            }
            None => format!("{text}:{text}"),
        };
        let message = format!(
            "`{}` reads only one cell: `{text}` is the value in the current row",
            function.name
        );
        self.report(
            Diagnostic::new(Code::OneCell, span, message)
                .with_help(format!("write `{whole_column}` to use the whole column")),
        );
    }

    fn first_column_letter_help(&self) -> String {
        let columns = self.scope.sheet.map_or(0, |sheet| sheet.columns.len());
        column_letters(columns.saturating_sub(1))
    }

    /// Builds a CASE that returns the value if the row satisfies the condition of the range, and NULL otherwise.
    pub(in crate::check) fn filter_rows(&mut self, value: IrId, only: Option<IrId>, span: Span) -> IrId {
        let Some(only) = only else { return value };
        let value_meta = self.program.meta(value);
        let meta = NodeMeta {
            nullable: true,
            level: Level::Window,
            span,
            ..value_meta
        };
        self.convert_decimal_literal_to_float(value);
        self.program.add_node_with_args(Ir::Case, &[only, value], meta)
    }
}

/// Start or end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeEdge {
    First,
    Last,
    At(i64),
    Fixed(i64),
}
