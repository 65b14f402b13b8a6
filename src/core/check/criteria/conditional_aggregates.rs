//! Conditional aggregates (SUMIF and similar functions), with all supported ways to select rows, including criterion
//! strings.
//!
//! The supported forms are `SUMIF(condition, value)`, the spreadsheet form (`SUMIF(range, ">5", value)`) and the form
//! in Omni's documentation (`SUMIF(range, range > 5, value)`). The condition becomes a CASE inside a plain aggregate.

use super::CurrentRowCriteria;
use super::argument_order::ConditionalAggregateCall;
use crate::ast::ExprId;
use crate::catalog::{Function, FunctionId, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::check::sheet::cells::RangeRows;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    pub(in crate::check) fn lower_conditional_aggregate(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        args: &[ExprId],
        span: Span,
    ) -> IrId {
        let Some(lowered) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let node = self.build_conditional_aggregate(lowering, function, args, &lowered, None, span);
        self.recycle_list(lowered);
        node
    }

    /// Lowers a conditional aggregate whose arguments are already lowered. Aggregates the rows of the ranges if `rows`
    /// is `Some`, otherwise the rows of the group.
    pub(in crate::check) fn build_conditional_aggregate(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        args: &[ExprId],
        lowered: &[IrId],
        rows: Option<RangeRows>,
        span: Span,
    ) -> IrId {
        let mut of_this_row = CurrentRowCriteria {
            value: match lowering {
                Lowering::CountIf | Lowering::CountIfs => None,
                Lowering::SumIf | Lowering::AverageIf => lowered.get(2).or_else(|| lowered.first()).copied(),
                _ => lowered.first().copied(),
            },
            ..CurrentRowCriteria::default()
        };
        let mut of_rows = rows.is_some().then_some(&mut of_this_row);
        let before = self.diagnostics.len();
        let split = self.split_criteria(lowering, function, args, lowered, &mut of_rows, span);
        let call = ConditionalAggregateCall {
            function,
            args,
            lowered,
            span,
        };
        self.check_argument_order(lowering, call, before);
        let Some((value, conditions)) = split else {
            return self.add_error(span);
        };
        if conditions.iter().any(|c| self.is_error(*c)) {
            return self.add_error(span);
        }
        if rows.is_none()
            && let Some(error) = self.report_aggregate_condition(&conditions, function, span)
        {
            return error;
        }
        let mut conditions = conditions;
        conditions.extend(rows.and_then(|rows| rows.only));
        // A row with a NULL value must not match any rows, because NULL is not equal to any value.
        let counts = matches!(lowering, Lowering::CountIf | Lowering::CountIfs);
        let CurrentRowCriteria {
            same: same_values,
            compared,
            ..
        } = of_this_row;
        // A COUNTIF that counts only the rows before the current row is computed from the row's rank in its partition.
        let is_rank = counts && conditions.is_empty() && compared.is_some_and(|compared| !compared.includes_equal);
        if !is_rank && (!counts || !conditions.is_empty() || same_values.len() > 1 || compared.is_some()) {
            let nullable = same_values
                .iter()
                .copied()
                .filter(|same_value| self.program.meta(*same_value).nullable);
            let nullable: Vec<IrId> = nullable.collect();
            conditions.extend(nullable.into_iter().map(|x| self.build_not_null(x, span)));
        }
        if let (Some(rows), false) = (rows, same_values.is_empty())
            && !rows.over.is_valid_in_partitions()
        {
            return self.report_moving_criteria_range(function, span);
        }
        if compared.is_some() && rows.is_some_and(|rows| rows.over != WindowFrame::Partition) {
            return self.report_partial_comparison(function, span);
        }
        let mut same_rows: Vec<IrId> = same_values
            .iter()
            .map(|same_value| self.convert_to_lowercase(*same_value, span))
            .collect();
        let Some(compared) = compared else {
            let over = rows.map(|rows| rows.over);
            return self.aggregate_matching_rows(
                lowering,
                function,
                (value, same_values.first().copied()),
                conditions,
                (over, &same_rows),
                span,
            );
        };
        let empty = (counts || matches!(lowering, Lowering::SumIf | Lowering::SumIfs)).then_some("0");
        let mut keys = vec![compared.key];
        let node = if is_rank {
            keys.extend(&same_values);
            self.count_compared_rows(compared, &same_rows, function, span)
        } else {
            let Some((over, key)) = self.build_window_of_compared_rows(compared, function, span) else {
                return self.add_error(span);
            };
            let counted_value = same_values.first().copied().unwrap_or(compared.key);
            if compared.includes_equal && self.program.meta(key).nullable && !(counts && conditions.is_empty()) {
                conditions.push(self.build_not_null(key, span));
            }
            same_rows.push(key);
            self.aggregate_matching_rows(
                lowering,
                function,
                (value, Some(counted_value)),
                conditions,
                (Some(over), &same_rows),
                span,
            )
        };
        self.wrap_in_null_key_case(node, &keys, empty, span)
    }

    /// Lowers the criteria of a call. Returns the value to aggregate, if any, and the conditions.
    pub(in crate::check) fn split_criteria(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        args: &[ExprId],
        lowered: &[IrId],
        of_rows: &mut Option<&mut CurrentRowCriteria>,
        span: Span,
    ) -> Option<(Option<IrId>, Vec<IrId>)> {
        let is_boolean = lowered
            .first()
            .is_some_and(|a| self.program.meta(*a).ty == Type::Boolean);
        match (lowering, lowered) {
            (Lowering::CountIf, [condition]) => {
                let condition = self.convert_to_condition(*condition);
                Some((None, self.singleton_list(condition)))
            }
            (Lowering::CountIf | Lowering::CountIfs, _) => self
                .lower_criteria_pairs(function, args, lowered, of_rows, span)
                .map(|c| (None, c)),
            (Lowering::SumIf | Lowering::AverageIf, [condition, value]) if is_boolean => {
                Some((Some(*value), self.singleton_list(*condition)))
            }
            (Lowering::SumIf | Lowering::AverageIf, _) => {
                let value = lowered.get(2).or(lowered.first())?;
                self.lower_criteria_pairs(function, args.get(..2)?, lowered.get(..2)?, of_rows, span)
                    .map(|c| (Some(*value), c))
            }
            _ => {
                let (value, lowered) = lowered.split_first()?;
                self.lower_criteria_pairs(function, args.get(1..)?, lowered, of_rows, span)
                    .map(|c| (Some(*value), c))
            }
        }
    }

    /// Reports a condition at aggregate level, which could be evaluated only after grouping.
    fn report_aggregate_condition(&mut self, conditions: &[IrId], function: &Function, span: Span) -> Option<IrId> {
        let is_late = |c: &&IrId| self.program.meta(**c).level >= Level::Aggregate;
        let late = *conditions.iter().find(is_late)?;
        let meta = self.program.meta(late);
        if meta.level == Level::Window {
            return Some(self.report_nested_aggregate(function, late, span));
        }
        let text = self.source_text(meta.span);
        let mut late_span = self.program.meta(self.find_group_level_operand(late)).span;
        let mut message = format!(
            "the condition `{text}` of `{}` is computed after grouping",
            function.name
        );
        if meta.span.contains(late_span) {
            late_span = meta.span;
        } else {
            // The condition is a criterion, and its range is the value that is computed after grouping.
            let range = self.source_text(late_span);
            message = format!(
                "the condition `{text}` on `{range}` in `{}` is computed after grouping",
                function.name
            );
        }
        let help = self.help_with_column_hidden_in(late).unwrap_or_else(|| {
            "compute the condition in an earlier step with `group_by`, and test it in the next step".to_owned()
        });
        self.report(
            Diagnostic::new(Code::NestedAggregate, span, message)
                .with_secondary_label(late_span, "already one value per group")
                .with_help(help),
        );
        Some(self.add_error(span))
    }

    /// Returns the definition or aggregate that causes a condition to be computed after grouping.
    fn find_group_level_operand(&self, condition: IrId) -> IrId {
        let mut late = condition;
        while !matches!(self.program.node(late), Ir::Definition(_)) {
            let mut operands = self.program.operands(late);
            match operands.find(|id| self.program.meta(*id).level >= Level::Aggregate) {
                Some(operand) => late = operand,
                None => break,
            }
        }
        late
    }

    /// Aggregates the rows that satisfy all conditions: the rows of a group, or the rows of a window.
    fn aggregate_matching_rows(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        (value, counted_value): (Option<IrId>, Option<IrId>),
        conditions: Vec<IrId>,
        (rows, same_rows): (Option<WindowFrame>, &[IrId]),
        span: Span,
    ) -> IrId {
        // Without conditions, aggregate all rows of the window, because `same_rows` and the frame already select the
        // rows.
        let condition = (!conditions.is_empty()).then(|| self.build_and_or(&conditions, span, true));
        self.recycle_list(conditions);
        let aggregate: FunctionId = match unconditional_aggregate(lowering) {
            Some(aggregate) => aggregate,
            None => match rows {
                Some(over) => {
                    let (id, x) = match (condition, counted_value) {
                        (Some(condition), _) => (internal::COUNT_IF, condition),
                        (None, Some(x)) => (internal::COUNTA, x),
                        (None, None) => return self.add_error(span),
                    };
                    return self.build_partitioned_aggregate(id, &[x], over, same_rows, function, span);
                }
                None => {
                    let Some(condition) = condition else {
                        return self.add_error(span);
                    };
                    return self.add_aggregate(internal::COUNT_IF, &[condition], false, span);
                }
            },
        };
        let Some(value) = value else {
            return self.add_error(span);
        };
        let meta = self.program.meta(value);
        if rows.is_none() && meta.level >= Level::Aggregate {
            return self.report_nested_aggregate(function, value, span);
        }
        if matches!(meta.ty, Type::Text | Type::Boolean) && matches!(aggregate, internal::SUM | internal::AVERAGE) {
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::TypeMismatch,
                    meta.span,
                    format!(
                        "`{}` expects numbers, found `{text}`, which is {}",
                        function.name,
                        meta.ty.describe()
                    ),
                )
                .with_help(format!(
                    "write `{}`, or put the condition first: `{}(condition, value)`",
                    function.signature(),
                    function.name
                )),
            );
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let Some(condition) = condition else {
            let Some(over) = rows else { return self.add_error(span) };
            return self.build_partitioned_aggregate(aggregate, &[value], over, same_rows, function, span);
        };
        let ty = self.program.meta(value).ty;
        let arms = self.program.add_args(&[condition, value]);
        let Some(case) = self.combine_meta(arms, span, ty, true) else {
            return self.add_error(span);
        };
        let empty = self.is_null(value);
        self.program.has_unused_nodes |= empty;
        let Some(over) = rows else {
            let case = if empty {
                value
            } else {
                self.program.add(Ir::Case(arms), case)
            };
            return self.add_aggregate(aggregate, &[case], false, span);
        };
        // Excluded rows can add 0 instead of NULL if the window always contains a row and the value is never NULL.
        let adds = aggregate == internal::SUM && over.includes_current_row() && !self.program.meta(value).nullable;
        let case = match (empty, adds) {
            (true, _) => value,
            (false, true) => {
                let zero = self.program.add_integer("0", span);
                let meta = NodeMeta {
                    nullable: false,
                    ..case
                };
                self.program
                    .add_node_with_args(Ir::Case, &[condition, value, zero], meta)
            }
            (false, false) => self.program.add(Ir::Case(arms), case),
        };
        self.build_partitioned_aggregate(aggregate, &[case], over, same_rows, function, span)
    }

    /// Reports a criterion on the current row's value in a range that moves with the row. The criterion would need a
    /// partition of the rows with that value, but distances between rows in the partition differ from distances in the
    /// sheet.
    #[cold]
    fn report_moving_criteria_range(&mut self, function: &Function, span: Span) -> IrId {
        let message = format!(
            "`{}` cannot search only part of the rows for a value of the current row",
            function.name
        );
        let help = "search the complete column, `B:B`, or the rows up to this one, `B$1:B1`";
        self.report(Diagnostic::new(Code::BadCriterion, span, message).with_help(help));
        self.add_error(span)
    }
}

/// Returns the aggregate that a conditional aggregate applies to the values that meet the condition. `None` if the
/// function counts.
pub(in crate::check) fn unconditional_aggregate(lowering: Lowering) -> Option<FunctionId> {
    match lowering {
        Lowering::SumIf | Lowering::SumIfs => Some(internal::SUM),
        Lowering::AverageIf | Lowering::AverageIfs => Some(internal::AVERAGE),
        Lowering::MinIfs => Some(internal::MIN),
        Lowering::MaxIfs => Some(internal::MAX),
        _ => None,
    }
}
