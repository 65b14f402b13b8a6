//! SQL generation for aggregates and function calls, from the dialect's template for each overload.

use super::Emitter;
use crate::Type;
use crate::catalog::{self, ParamType, ResultType, internal};
use crate::diag::{Code, Diagnostic};
use crate::dialect::{Cell, Template, TemplateShape};
use crate::ir::{Ir, IrId, SortedAggregates, sorts_values};
use crate::span::Span;
use crate::sql::{Sql, SqlId};

impl Emitter<'_> {
    pub(super) fn emit_aggregate(
        &mut self,
        id: IrId,
        overload: catalog::OverloadId,
        args: &[IrId],
        distinct: bool,
        span: Span,
    ) -> SqlId {
        let function = catalog::overload_owner(overload);
        let program = self.program;
        if self.sorts_different_values && sorts_values(overload) {
            return self.report_sorted_aggregate(function, span);
        }
        for arg in args {
            // Cast a bare NULL, because a NULL without a type cannot be aggregated.
            if let Ir::Null = program.node(*arg) {
                let ty = program.meta(*arg).ty;
                let ty = if ty == Type::Unknown { Type::Float } else { ty };
                self.buffers.sql[arg.index()] = self.add_cast(self.buffers.sql[arg.index()], ty, span);
            }
        }
        // `COUNT(IF(c, x))` counts the rows that satisfy `c` if `x` is never NULL.
        if function == internal::COUNTA
            && !distinct
            && self.dialect.facts().count_if
            && let Some((condition, value)) = args.first().and_then(|arg| self.if_without_else(*arg))
            && !program.meta(value).nullable
        {
            let overload = catalog::first_overload(internal::COUNT_IF).id;
            return self.emit_overload_call(overload, &[condition], false, span);
        }
        let empty = catalog::get(function)
            .empty
            .filter(|_| catalog::get(function).nulls != catalog::Nulls::Never);
        let Some(empty) = empty else {
            return self.emit_overload_call(overload, args, distinct, span);
        };
        // In formulas, the sum of no values is 0 instead of NULL. With grouping keys, the default is often unnecessary,
        // because every group has at least one row.
        if let (true, Some(arg)) = (self.grouped_by_keys, args.first()) {
            if !program.meta(*arg).nullable {
                return self.emit_overload_call(overload, args, distinct, span);
            }
            if let (Some((condition, value)), false) = (self.if_without_else(*arg), distinct)
                && !program.meta(value).nullable
            {
                let zero = self.buffers.tree.add_text(span, |out| out.push_str(empty));
                let (condition, value) = (self.buffers.sql[condition.index()], self.buffers.sql[value.index()]);
                let arms = self.buffers.tree.add_slice(&[condition, value, zero]);
                let case = self.buffers.tree.add(Sql::Case { subject: None, arms }, span);
                self.buffers.sql[arg.index()] = case;
                return self.emit_overload_call(overload, args, distinct, span);
            }
        }
        let sum = self.emit_overload_call(overload, args, distinct, span);
        let empty = self
            .buffers
            .tree
            .add_text(self.program.meta(id).span, |out| out.push_str(empty));
        self.buffers.tree.add_call("coalesce", &[sum, empty], span)
    }

    /// Returns the condition and the value of an IF without an else. Follows references to definitions, unless the
    /// definition is a column in this SELECT.
    fn if_without_else(&self, id: IrId) -> Option<(IrId, IrId)> {
        let mut root = id;
        while let Ir::Definition(definition_index) = self.program.node(root) {
            root = self.program.definition_root(definition_index);
        }
        if !matches!(self.buffers.tree.node(self.buffers.sql[id.index()]), Sql::Case { .. }) {
            return None;
        }
        match self.program.node(root) {
            Ir::Case(arms) => match self.program.args(arms) {
                [condition, value] => Some((*condition, *value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Emits the SQL function `max` with a column as its argument. The column contains the values of the given node.
    pub fn emit_maximum(&mut self, id: IrId, column: SqlId) -> SqlId {
        let ty = self.program.meta(id).ty;
        let overloads = catalog::get(internal::MAX).overloads;
        let own_overload = overloads
            .iter()
            .find(|o| o.params.first().is_some_and(|p| p.ty == ParamType::Is(ty)));
        let Some(overload) = own_overload.or(overloads.first()) else {
            return column;
        };
        self.set_sql(id, column);
        self.emit_call(overload.id, &[id], self.program.meta(id).span)
    }

    /// Emits a call to a function or operator. Operators have a fast path because about half of all calls are
    /// operators.
    #[inline(always)]
    pub fn emit_call(&mut self, overload: catalog::OverloadId, args: &[IrId], span: Span) -> SqlId {
        if let Cell::Template(Template {
            shape: TemplateShape::Operator(op),
            ..
        }) = self.dialect.cell(overload)
            && let [left, right] = args
            && self.buffers.repeated.is_empty()
        {
            if self.program.meta(*left).ty == Type::Integer {
                self.widen_operand(overload, args);
            }
            self.cast_long_literals(args.iter().copied());
            if let Some(sql) = self.emit_truncated_comparison(*op, *left, *right, span) {
                return sql;
            }
            let replaced = self.cast_rounded_arguments(overload, args);
            let (left, right) = (self.buffers.sql[left.index()], self.buffers.sql[right.index()]);
            self.restore_argument_sql(replaced);
            return self.buffers.tree.add_binary(*op, left, right, span);
        }
        self.emit_overload_call(overload, args, false, span)
    }

    fn emit_overload_call(
        &mut self,
        overload: catalog::OverloadId,
        args: &[IrId],
        distinct: bool,
        span: Span,
    ) -> SqlId {
        let Cell::Template(template) = self.dialect.cell(overload) else {
            return self.report_unsupported_overload(overload, span);
        };
        if template.subquery && self.is_unsupported_subquery(args) {
            return self.emit_pairwise_calls(overload, args, span);
        }
        self.widen_operand(overload, args);
        self.cast_long_literals(args.iter().copied());
        if template.requires_same_scale {
            self.cast_to_same_scale(args);
        }
        let truncated = match (template.shape, args) {
            (TemplateShape::Operator(op), [left, right]) => self.emit_truncated_comparison(op, *left, *right, span),
            _ => None,
        };
        let replaced = self.cast_rounded_arguments(overload, args);
        let id = match truncated {
            Some(id) => id,
            None => self.instantiate(template, args, distinct, span),
        };
        self.restore_argument_sql(replaced);
        if template.repeats || !self.buffers.repeated.is_empty() {
            self.record_repeated_arguments(template.uses, args, span);
            self.record_call_repetition(id, template.uses, args);
        }
        id
    }

    /// Reports that the dialect has no template for an overload.
    #[cold]
    fn report_unsupported_overload(&mut self, overload: catalog::OverloadId, span: Span) -> SqlId {
        let owner = catalog::overload_owner(overload);
        let function = catalog::get(owner);
        let diagnostic = match self.dialect.cell(overload) {
            Cell::Unsupported(reason) => {
                let owner_name = catalog::display_name(owner);
                let is_range = function.internal && owner_name.is_some();
                let over = if is_range { " over a range of rows" } else { "" };
                let message = match self.called_function(span).or(owner_name) {
                    Some(name) => format!("`{name}`{over} is not available in dialect `{}`", self.dialect),
                    None => format!("this operation is not available in dialect `{}`", self.dialect),
                };
                Diagnostic::new(Code::UnsupportedFunction, span, message).with_help(*reason)
            }
            _ => Diagnostic::new(
                Code::Internal,
                span,
                format!("`{}` has no SQL in dialect `{}`", function.name, self.dialect),
            ),
        };
        // A call can be lowered to several functions, each with its own error. Keep only the last error for the call.
        let is_of_same_call = |last: &mut Diagnostic| last.span() == span && last.kind() == Code::UnsupportedFunction;
        self.diagnostics.pop_if(is_of_same_call);
        self.report(diagnostic);
        self.null_placeholder(span)
    }

    /// Returns the function that the formula calls at a position, if the call is lowered to other functions. If several
    /// calls have the same position, returns the outer one.
    fn called_function(&mut self, span: Span) -> Option<&'static str> {
        let calls = &self.program.lowered_calls;
        let names = self
            .called_functions
            .get_or_insert_with(|| calls.iter().rev().copied().collect());
        names.get(&span).copied()
    }

    /// Sets the aggregates of the definition that is emitted next: its own aggregates, and all aggregates including
    /// those of the definitions that it uses. Reports a conflict between aggregates if none of the definition's own
    /// aggregates sorts its values. Returns whether the definition can be emitted.
    pub fn set_definition_aggregates(&mut self, [own, all]: [SortedAggregates; 2], span: Span) -> bool {
        let conflict = all.find_conflict();
        self.sorts_different_values = conflict.is_some();
        match conflict {
            Some(function) if !own.has_sorting_aggregate() => {
                if !all.is_reported {
                    self.report_sorted_aggregate(function, span);
                }
                false
            }
            _ => true,
        }
    }

    /// Reports an aggregate that the dialect does not support in the same select as the other aggregates of the
    /// program.
    #[cold]
    fn report_sorted_aggregate(&mut self, function: catalog::FunctionId, span: Span) -> SqlId {
        let message = format!(
            "in one step, dialect `{}` cannot combine aggregates that sort by different columns, or combine such an \
             aggregate with a count of distinct values",
            self.dialect
        );
        let help = match function {
            internal::STRING_AGG => {
                "compute this value in a step of its own with the same `group_by`, and join that step"
            }
            _ => "make this value a definition in a spec; `formulac query` computes it in a separate select",
        };
        self.report(Diagnostic::new(Code::UnsupportedFunction, span, message).with_help(help));
        self.null_placeholder(span)
    }

    /// Returns whether a subquery with these arguments would contain windows, or aggregates that the dialect rejects in
    /// subqueries.
    fn is_unsupported_subquery(&self, args: &[IrId]) -> bool {
        let aggregates = self.dialect.facts().aggregate_in_subquery;
        args.iter()
            .any(|a| !self.program.meta(*a).is_allowed_in_subquery(aggregates) && !self.read.contains(a))
    }

    /// Combines the arguments from left to right with the template for two arguments.
    fn emit_pairwise_calls(&mut self, overload: catalog::OverloadId, args: &[IrId], span: Span) -> SqlId {
        let function = catalog::get(catalog::overload_owner(overload));
        let two = function
            .overloads
            .iter()
            .find(|o| o.params.len() == 2 && !o.repeated)
            .map(|o| self.dialect.cell(o.id));
        let foldable = function.overloads.iter().all(|o| o.result == ResultType::Same);
        let (Some(Cell::Template(template)), true) = (two, foldable && args.len() >= 2) else {
            self.report(
                Diagnostic::new(
                    Code::UnsupportedFunction,
                    span,
                    format!("dialect `{}` cannot aggregate these values across a row", self.dialect),
                )
                .with_help(
                    "make each aggregate a definition in a spec, so that `formulac query` computes the aggregates \
                    first",
                ),
            );
            return self.null_placeholder(span);
        };
        let Some((first, others)) = args.split_first() else {
            return self.null_placeholder(span);
        };
        let mut joined = self.buffers.sql[first.index()];
        for right in others {
            // Temporarily store the intermediate result as the SQL of the first argument.
            let own_sql = std::mem::replace(&mut self.buffers.sql[first.index()], joined);
            let width = u64::from(self.buffers.tree.width(joined));
            let grown = self
                .count_repeated_bytes(joined)
                .saturating_mul(2)
                .saturating_add(width);
            joined = self.instantiate(template, &[*first, *right], false, span);
            self.record_repeated_bytes(joined, grown);
            self.buffers.sql[first.index()] = own_sql;
        }
        self.warned.get_or_insert((span, self.program.meta(*first).span));
        joined
    }
}
