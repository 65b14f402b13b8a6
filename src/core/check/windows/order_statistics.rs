//! Lowering of LARGE, SMALL, PERCENTILE and QUARTILE, which return the value at a given position in sort order.

use crate::ast::ExprId;
use crate::catalog::{self, Function, FunctionId, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

/// Values from which an order statistic selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum OrderedValues {
    /// Rows of the group.
    Group,
    Window(WindowFrame),
    /// Items of a list.
    List,
}

impl Lowerer<'_> {
    pub(in crate::check) fn lower_order_statistic_call(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        args: &[ExprId],
        span: Span,
    ) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let node = self.lower_order_statistic(lowering, function, &values, OrderedValues::Group, span);
        self.recycle_list(values);
        node
    }

    /// Lowers an order statistic whose arguments are already lowered.
    pub(in crate::check) fn lower_order_statistic(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        values: &[IrId],
        among: OrderedValues,
        span: Span,
    ) -> IrId {
        let [x, parameter] = *values else {
            return self.add_error(span);
        };
        let (resolved_id, is_null) = (self.follow_definition_references(parameter), self.is_null(parameter));
        let Some(number) = self.constant_number(resolved_id).or(is_null.then_some(f64::NAN)) else {
            let meta = self.program.meta(parameter);
            let is_key = self.grouped && meta.reads_only_keys && meta.level == Level::Row && !meta.volatile;
            if lowering == Lowering::Nth && among == OrderedValues::Group && self.scope.strata && is_key {
                return self
                    .build_nth_by_key(function, x, parameter, span)
                    .unwrap_or_else(|| self.add_error(span));
            }
            let param = function.overloads.first().and_then(|overload| overload.params.get(1));
            let param = param.map_or("", |p| p.name);
            let value_text = self.source_text(self.program.meta(x).span);
            let constant = match lowering {
                Lowering::Nth => "2",
                Lowering::Quartile => "1",
                _ => "0.9",
            };
            let mut ways = format!("write a number, as in `{}({value_text}, {constant})`", function.name);
            if lowering == Lowering::Nth && among == OrderedValues::Group && meta.level == Level::Row {
                let nth = self.source_text(self.program.meta(parameter).span);
                ways.push_str(&format!(", or add `{nth}` to `group_by`"));
            }
            return self.report_non_constant_with_help(parameter, function.name, param, ways);
        };
        let own_function = catalog::find(function.name).unwrap_or(internal::PERCENTILE);
        if lowering == Lowering::Quartile {
            // Report a value of the wrong type as an argument of QUARTILE, not of PERCENTILE.
            let operands = self.summarize_operands(&[x, parameter], span);
            if self
                .choose_overload(own_function, &[x, parameter], &operands, function.name)
                .is_none()
            {
                return self.add_error(span);
            }
        }
        let (id, digits) = match lowering {
            Lowering::Nth => (
                own_function,
                format_if_in_range(number.trunc(), 1.0, f64::from(i32::MAX)),
            ),
            Lowering::Quartile => (internal::PERCENTILE, format_if_in_range(number.trunc() / 4.0, 0.0, 1.0)),
            Lowering::PercentileWithin => (
                own_function,
                format_if_in_range(number, f64::MIN_POSITIVE, 1.0 - f64::EPSILON),
            ),
            _ => (own_function, format_if_in_range(number, 0.0, 1.0)),
        };
        // A position that is out of range is an error in a spreadsheet. Build the call anyway, so that errors in the
        // other arguments are reported.
        let outside = digits.is_none();
        let digits = self.program.add_text(&digits.unwrap_or_else(|| "1".to_owned()));
        // Use the integer type so that the digits are emitted unchanged, even if the number is a fraction.
        let rank = self
            .program
            .add(Ir::Number(digits), NodeMeta::constant(Type::Integer, span));
        let node = self.build_order_statistic(id, &[x, rank], function, among, span);
        if !outside || self.is_error(node) {
            return node;
        }
        self.program.has_unused_nodes = true;
        if !is_null {
            self.warn_of_position_outside(lowering, function, (parameter, number));
        }
        let ty = self.program.meta(node).ty;
        let null = self.program.add_null(ty, span);
        if among == OrderedValues::List {
            return null;
        }
        self.build_order_statistic(internal::MAX, &[null], function, among, span)
    }

    /// Warns that no value has the given position, quartile or percentile, so the result is always NULL.
    #[cold]
    fn warn_of_position_outside(&mut self, lowering: Lowering, function: &Function, (parameter, number): (IrId, f64)) {
        let parameter_span = self.program.meta(parameter).span;
        let text = self.source_text(parameter_span);
        let position_noun = if lowering == Lowering::Nth { "position" } else { "share" };
        let (noun, help) = match lowering {
            Lowering::Nth => (position_noun, "write a position of 1 or more".to_owned()),
            Lowering::Quartile => ("quartile", "write a quartile from 0 to 4".to_owned()),
            _ if number > 1.0 && number < 100.0 => (position_noun, format!("write `{text}%`")),
            Lowering::PercentileWithin => (position_noun, "write a share between 0 and 1".to_owned()),
            _ => (position_noun, "write a share from 0 to 1".to_owned()),
        };
        let message = format!("`{}` with the {noun} {text} always returns NULL", function.name);
        self.report(Diagnostic::new(Code::NoSuchChoice, parameter_span, message).with_help(help));
    }

    /// Builds the value at position `nth` of a group, if `nth` is a grouping key.
    fn build_nth_by_key(&mut self, function: &'static Function, x: IrId, nth: IrId, span: Span) -> Option<IrId> {
        let nth = match self.program.meta(nth).ty {
            Type::Integer => nth,
            _ => self.add_scalar_call(internal::TO_INTEGER, &[nth], span, function.name),
        };
        let id = catalog::find(function.name)?;
        let aggregate = self.add_aggregate(id, &[x, nth], false, span);
        if self.is_error(aggregate) {
            return Some(aggregate);
        }
        let index = self
            .program
            .other_forms
            .iter()
            .position(|(form_id, _)| *form_id == aggregate)?;
        Some(self.program.other_forms.swap_remove(index).1)
    }

    fn build_order_statistic(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        function: &'static Function,
        among: OrderedValues,
        span: Span,
    ) -> IrId {
        match among {
            OrderedValues::Group => self.add_aggregate(id, values, false, span),
            OrderedValues::Window(over) => self.build_window_aggregate(id, values, over, function, span),
            OrderedValues::List => self.aggregate_list_of_cells(id, values, function, span),
        }
    }

    /// Follows references to definitions and returns the expression to which they resolve.
    fn follow_definition_references(&self, mut id: IrId) -> IrId {
        while let Ir::Definition(definition_index) = self.program.node(id) {
            id = self.program.definition_root(definition_index);
        }
        id
    }

    /// Returns the value of a constant number, including forms like `25%` and `1/4`.
    pub(in crate::check) fn constant_number(&self, id: IrId) -> Option<f64> {
        let Ir::Apply { overload, args } = self.program.node(id) else {
            return self.literal_number(id);
        };
        match (catalog::overload_owner(overload), self.program.args(args)) {
            (internal::PERCENT, [x]) => Some(self.literal_number(*x)? / 100.0),
            (internal::DIVIDE, [a, b]) => Some(self.literal_number(*a)? / self.literal_number(*b)?),
            _ => self.constant_integer(id, 8).map(|number| number as f64),
        }
    }
}

/// Formats a number. Returns `None` if the number is outside of the given range.
fn format_if_in_range(number: f64, least: f64, most: f64) -> Option<String> {
    (least..=most).contains(&number).then(|| number.to_string())
}
