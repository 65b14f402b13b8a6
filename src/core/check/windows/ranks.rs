//! RANK and PERCENTRANK: the rank of a value among other values.

use crate::ast::ExprId;
use crate::catalog::{Function, FunctionId, Lowering, Nulls, internal};
use crate::check::calls::overload::ChosenOverload;
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{CellFrame, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    /// Lowers `RANK(x)` and `RANK(x, x:x, direction)`: the rank of the current row's value among all non-NULL values.
    pub(in crate::check) fn lower_rank(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> IrId {
        let Some((first, mut rest)) = args.split_first() else {
            return self.add_error(span);
        };
        let value = self.lower_value(*first);
        let mut cells = None;
        if let Some((range, more)) = rest.split_first() {
            let is_direction = more.is_empty() && self.is_direction(*range);
            if !is_direction {
                cells = self
                    .cells_of_row(*range)
                    .filter(|cells| cells.iter().any(|cell| self.is_same_value(*cell, value)));
                if cells.is_none() && !self.check_full_range(*range, value, function) {
                    return self.add_error(span);
                }
                rest = more;
            }
        }
        let mut descending = true;
        if let Some(direction) = rest.first() {
            let id = self.lower_value(*direction);
            let set = match (self.program.node(id), self.literal_integer(id)) {
                (Ir::Error, _) => return self.add_error(span),
                (Ir::Bool(value), _) => value,
                (_, Some(number)) => number != 0,
                _ if function.lower == Some(Lowering::OmniRank) => {
                    return self.report_non_constant(id, function.name, "in_row_direction", "OMNI_RANK(x, x:x, 0)");
                }
                _ => return self.report_non_constant(id, function.name, "direction", "RANK(x, x:x, 1)"),
            };
            if set && function.lower == Some(Lowering::OmniRank) && self.scope.sheet.is_some_and(|s| s.pivot.is_some())
            {
                if !self.check_pivot_row_key(function.name, span) {
                    return self.add_error(span);
                }
                let over = WindowFrame::Across(CellFrame::Ranked { descending });
                return self.build_rank(internal::RANK_OF, value, over, function, span);
            }
            if set && function.lower == Some(Lowering::OmniRank) {
                let arg_span = self.program.meta(id).span;
                self.report(
                    Diagnostic::new(
                        Code::NeedsWorksheet,
                        arg_span,
                        "a rank across the columns of a row needs a pivoted worksheet",
                    )
                    .with_help(format!("remove the second argument: `{}(x)` ranks rows", function.name)),
                );
                return self.add_error(span);
            }
            descending = !set;
        }
        if let Some(cells) = cells {
            return self.rank_cell_of_row(value, &cells, descending, span);
        }
        self.build_rank(
            internal::RANK_OF,
            value,
            WindowFrame::Ranked {
                descending,
                nulls_apart: false,
                in_step_partition: false,
            },
            function,
            span,
        )
    }

    fn is_direction(&self, expr: ExprId) -> bool {
        let id = self.lowered_node(expr);
        matches!(self.program.node(id), Ir::Bool(_)) || self.literal_integer(id).is_some()
    }

    /// Lowers `PERCENTRANK(x)` and `PERCENTRANK(x:x, x)`: the fraction of the other values that are smaller.
    pub(in crate::check) fn lower_percent_rank(
        &mut self,
        args: &[ExprId],
        function: &'static Function,
        span: Span,
    ) -> IrId {
        let (range, value) = match args {
            [range, value] => (Some(*range), *value),
            [single_arg] => (None, *single_arg),
            _ => return self.add_error(span),
        };
        // `PERCENTRANK(x:x)` is equivalent to `PERCENTRANK(x)`.
        let id = match self.program.node(self.lowered_node(value)) {
            Ir::Range { x, .. } if range.is_none() => {
                if !self.check_full_range(value, x, function) {
                    return self.add_error(span);
                }
                x
            }
            _ => self.lower_value(value),
        };
        if let Some(range) = range
            && !self.check_full_range(range, id, function)
        {
            return self.add_error(span);
        }
        self.build_rank(
            internal::PERCENT_RANK_OF,
            id,
            WindowFrame::Ranked {
                descending: false,
                nulls_apart: true,
                in_step_partition: false,
            },
            function,
            span,
        )
    }

    /// Checks that an argument is the range `x:x` for the given value `x`. A column name without `:` refers to the
    /// entire column, as in criteria.
    fn check_full_range(&mut self, range: ExprId, value: IrId, function: &Function) -> bool {
        let id = self.lowered_node(range);
        if self.is_error(id) || self.is_error(value) {
            self.failed = true;
            return false;
        }
        let (operand, is_whole) = match self.program.node(id) {
            Ir::Range { x, .. } => (x, self.contains_all_rows(id)),
            _ => (id, self.program.meta(id).level != Level::Const),
        };
        let has_all_rows = is_whole && self.is_same_value(operand, value);
        self.program.has_unused_nodes |= has_all_rows;
        if !has_all_rows {
            let (text, value_text) = (
                self.source_text(self.ast.span(range)),
                self.source_text(self.program.meta(value).span),
            );
            let message = format!(
                "`{}` ranks a value among all values of its column, but the value is `{value_text}` and the range is `{text}`",
                function.name
            );
            // In a worksheet, the column of the cell `B1` is `B:B`.
            let column = match self.scope.sheet {
                Some(_) => value_text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '$'),
                None => &value_text,
            };
            let help = match self.program.meta(value).level {
                Level::Const => format!("rank a column among its own values, as in `{}(x)`", function.name),
                _ => {
                    format!("write `{column}:{column}`, or remove the range; to rank within groups, use `partition_by`")
                }
            };
            self.report(Diagnostic::new(Code::BadRange, self.ast.span(range), message).with_help(help));
        }
        has_all_rows
    }

    fn build_rank(
        &mut self,
        entry: FunctionId,
        value: IrId,
        over: WindowFrame,
        function: &Function,
        span: Span,
    ) -> IrId {
        if self.is_error(value) || !self.check_window_allowed(function.name, Some(value), span) {
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let operands = self.summarize_operands(&[value], span);
        let Some(ChosenOverload { args, choice, .. }) = self.choose_overload(entry, &[value], &operands, function.name)
        else {
            return self.add_error(span);
        };
        let value_meta = self.program.meta(value);
        if value_meta.is_constant() {
            // A constant has the same rank in all rows.
            self.program.has_unused_nodes = true;
            let first = if entry == internal::RANK_OF { "1" } else { "0" };
            return if self.is_null(value) {
                self.program.add_null(choice.ty, span)
            } else {
                self.program.add_number(first, choice.ty, span)
            };
        }
        let ty = choice.ty;
        let meta = NodeMeta {
            level: Level::Window,
            volatile: value_meta.volatile,
            ..NodeMeta::constant(ty, span)
        };
        let call = self.program.add(
            Ir::Apply {
                overload: choice.overload,
                args,
            },
            meta,
        );
        let window = self.program.add_window_call(call, over, &[], meta);
        if !value_meta.nullable {
            return window;
        }
        let node_meta = NodeMeta {
            ty: Type::Boolean,
            nullable: false,
            span,
            ..value_meta
        };
        let id = self.program.add(
            Ir::IsNull {
                x: value,
                negated: true,
            },
            node_meta,
        );
        let mut arms = vec![id, window];
        if self.scope.blank_zero && function.nulls == Nulls::Error {
            // A blank has no rank.
            arms.push(self.program.add_null(ty, span));
        }
        self.program
            .add_node_with_args(Ir::Case, &arms, NodeMeta { nullable: true, ..meta })
    }
}
