//! Aggregates over calendar ranges that have no window frame, such as `SUM(PERIODOFFSET(x, -2, "month"):LAST(x,
//! "year"))`. Such a range is split into the rows up to the current row and the rows after it. Each of the two parts
//! has a frame.

use super::aggregates::combining_functions;
use crate::catalog::{self, Function, FunctionId, Nulls, internal};
use crate::check::calls::overload::ChosenOverload;
use crate::check::lower::Lowerer;
use crate::ir::{CalendarRange, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

/// The two parts of a range, and additional partition keys for the windows over them.
type PartitionedSplitRange<'b> = ([CalendarRange; 2], &'b [IrId]);

impl Lowerer<'_> {
    /// Builds an aggregate over both parts of a range: combines the aggregates of the parts or, if that is not
    /// possible, aggregates the values of both parts as one list.
    pub(in crate::check) fn aggregate_split_range(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        (parts, partition): PartitionedSplitRange<'_>,
        function: &Function,
        span: Span,
    ) -> IrId {
        if id == internal::AVERAGE {
            let [sum, count] = [internal::SUM, internal::COUNTA]
                .map(|id| self.aggregate_split_range(id, values, (parts, partition), function, span));
            if self.is_error(sum) || self.is_error(count) {
                return self.add_error(span);
            }
            return self.add_scalar_call(internal::DIVIDE, &[sum, count], span, function.name);
        }
        let Some((entry, across)) = combining_functions(id) else {
            return self.aggregate_list_of_both_parts(id, values, (parts, partition), function, span);
        };
        let mut each = self.take_list();
        for part in parts {
            let node =
                self.build_partitioned_aggregate(entry, values, WindowFrame::Calendar(part), partition, function, span);
            if self.is_error(node) {
                self.recycle_list(each);
                return node;
            }
            each.push(node);
        }
        let node = self.add_scalar_call(across, &each, span, function.name);
        self.recycle_list(each);
        node
    }

    /// Builds an aggregate of a list that contains the values in both parts of a range.
    fn aggregate_list_of_both_parts(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        (parts, partition): PartitionedSplitRange<'_>,
        shown_function: &Function,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let (Some(entry), [value, constants @ ..]) = (function.of_list, values) else {
            return self.report_unsplittable_aggregate(shown_function, span);
        };
        let operands = self.summarize_operands(values, span);
        let overload_choice =
            self.choose_overload(function.framed.unwrap_or(id), values, &operands, shown_function.name);
        let Some(ChosenOverload { choice, .. }) = overload_choice else {
            return self.add_error(span);
        };
        if !self.scope.strata {
            return self.report_list_in_expression(shown_function, span);
        }
        let counts = function.nulls == Nulls::Never;
        let meta = NodeMeta {
            nullable: !counts,
            level: Level::Window,
            volatile: operands.meta.volatile,
            ..NodeMeta::constant(choice.ty, span)
        };
        let mut lists = self.take_list();
        let mut key = None;
        for part in parts {
            let Some(calendar) = self.calendar_window(part, span) else {
                return self.add_error(span);
            };
            let window_keys = [partition, &calendar.keys].concat();
            lists.push(self.build_value_list(*value, WindowFrame::Calendar(part), &window_keys, meta));
            key = Some(calendar.key);
        }
        let overload = catalog::first_overload(internal::JOINED_LISTS).id;
        let of_list = NodeMeta {
            ty: Type::Other,
            nullable: true,
            ..meta
        };
        let joined = self
            .program
            .add_node_with_args(|args| Ir::Apply { overload, args }, &lists, of_list);
        self.recycle_list(lists);
        let node = self.aggregate_of_list(entry, joined, constants, meta);
        match key {
            Some(key) => self.wrap_in_null_calendar_key_case(node, key, function.empty.filter(|_| counts), span),
            None => node,
        }
    }

    #[cold]
    fn report_unsplittable_aggregate(&mut self, function: &Function, span: Span) -> IrId {
        let message = format!(
            "`{}` cannot aggregate a range whose ends may lie in different periods",
            function.name
        );
        let help = "begin or end the range at the current row, or at the start or end of the current period";
        self.report_invalid_range(span, &message, help)
    }

    #[cold]
    fn report_list_in_expression(&mut self, function: &Function, span: Span) -> IrId {
        let message = format!(
            "a single expression cannot compute `{}` of a range whose ends may lie in different periods",
            function.name
        );
        let help = "write the formula in a spec, where `formulac query` and `formulac model` compute it in two steps";
        self.report_invalid_range(span, &message, help)
    }
}
