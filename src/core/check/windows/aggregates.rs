//! Builds aggregates over windows.

use crate::catalog::{self, Function, FunctionId, Nulls};
use crate::check::calls::overload::ChosenOverload;
use crate::check::lower::Lowerer;
use crate::check::ranges::calendar::CalendarWindow;
use crate::ir::{Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    /// Builds an aggregate over a window. The first value is aggregated. The other values are additional arguments,
    /// such as constants.
    pub(in crate::check) fn build_window_aggregate(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        over: WindowFrame,
        function: &Function,
        span: Span,
    ) -> IrId {
        self.build_partitioned_aggregate(id, values, over, &[], function, span)
    }

    /// Builds an aggregate over a window, restricted to rows with the same values in `partition`.
    pub(in crate::check) fn build_partitioned_aggregate(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        over: WindowFrame,
        partition: &[IrId],
        shown_function: &Function,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let Some(x) = values.first().copied() else {
            return self.add_error(span);
        };
        if self.is_error(x) || !self.check_window_allowed(shown_function.name, Some(x), span) {
            return self.add_error(span);
        }
        values
            .iter()
            .for_each(|value| self.convert_decimal_literal_to_float(*value));
        let parts = match over {
            WindowFrame::Calendar(range) if range.frame().is_none() => range.split_at_current_row(),
            _ => None,
        };
        if let Some(parts) = parts {
            return self.aggregate_split_range(id, values, (parts, partition), shown_function, span);
        }
        let calendar = match over {
            WindowFrame::Calendar(range) => match self.calendar_window(range, span) {
                Some(calendar) => Some(calendar),
                None => return self.add_error(span),
            },
            _ => None,
        };
        let window_keys = &[partition, calendar.as_ref().map_or(&[][..], |calendar| &calendar.keys)].concat();
        let counts = function.nulls == Nulls::Never;
        let entry = if over.covers_partition() {
            function.over
        } else {
            function.framed
        };
        let operands = self.summarize_operands(values, span);
        let overload_choice = self.choose_overload(entry.unwrap_or(id), values, &operands, shown_function.name);
        let Some(ChosenOverload { args, choice, .. }) = overload_choice else {
            return self.add_error(span);
        };
        if self.is_null(x) {
            // An aggregate over NULLs returns the same result as an aggregate over no rows.
            self.program.has_unused_nodes = true;
            return match function.empty {
                Some(digits) => self.program.add_number(digits, choice.ty, span),
                None => self.program.add_null(choice.ty, span),
            };
        }
        let operand_meta = operands.meta;
        let nullable =
            !counts && (function.nulls == Nulls::Always || operand_meta.nullable || !over.includes_current_row());
        let meta = NodeMeta {
            nullable,
            level: Level::Window,
            volatile: operand_meta.volatile,
            ..NodeMeta::constant(choice.ty, span)
        };
        // The alternative form must be added before the window, because the form may replace the window.
        let other = match over {
            WindowFrame::Partition if window_keys.is_empty() => self.rewrite_window(id, values, meta),
            WindowFrame::Rows { .. } | WindowFrame::Calendar(_) | WindowFrame::Across(_) => {
                self.rewrite_framed_window(id, values, over, window_keys, meta)
            }
            _ => None,
        };
        let call = self.program.add(
            Ir::Apply {
                overload: choice.overload,
                args,
            },
            meta,
        );
        let window = self.program.add_window_call(call, over, window_keys, meta);
        self.program.other_forms.extend(other.map(|other| (window, other)));
        let window = match calendar {
            Some(CalendarWindow { key, .. }) => {
                let empty = function.empty.filter(|_| !nullable);
                self.wrap_in_null_calendar_key_case(window, key, empty, span)
            }
            None => window,
        };
        match function.empty.filter(|_| nullable) {
            Some(digits) => {
                let empty = self.program.add_number(digits, Type::Integer, span);
                self.program.add_node_with_args(
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
