//! Lints for the argument order of conditional aggregates: SUMIF arguments in the order of SUMIFS, and criteria in the
//! position of the tested column.

use crate::ast::ExprId;
use crate::catalog::{Function, Lowering};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::{Level, Type};

/// Maximum number of nodes to inspect in a condition.
const MAX_NODES: usize = 200;

/// Arguments in the wrong position: their span in the source, and the warning.
type MisplacedArguments = (Span, Diagnostic);

/// Call to a conditional aggregate.
#[derive(Clone, Copy)]
pub(in crate::check) struct ConditionalAggregateCall<'c> {
    pub function: &'c Function,
    pub args: &'c [ExprId],
    pub lowered: &'c [IrId],
    pub span: Span,
}

impl Lowerer<'_> {
    /// Warns about arguments of a conditional aggregate that are in the wrong position. If these arguments caused
    /// errors at or after the index `before`, adds the explanation to the first of these errors instead.
    pub(in crate::check) fn check_argument_order(
        &mut self,
        lowering: Lowering,
        call: ConditionalAggregateCall<'_>,
        before: usize,
    ) {
        for (part, warning) in self.find_misplaced_arguments(lowering, call) {
            let is_consequence = |fault: &Diagnostic| fault.is_error() && part.contains(fault.span());
            let before = before.min(self.diagnostics.len());
            let (consequences, mut faults): (Vec<_>, Vec<_>) =
                self.diagnostics.drain(before..).partition(is_consequence);
            let Some(first) = consequences.into_iter().next() else {
                self.diagnostics.append(&mut faults);
                self.report(warning);
                continue;
            };
            let help = warning.help().unwrap_or_default();
            let first = first.without_fix();
            let first = first.with_help(format!("the arguments are in the wrong order; {help}"));
            faults.push(match warning.fix() {
                Some(fix) => first.with_fix(fix.span, fix.text.clone()),
                None => first,
            });
            self.diagnostics.append(&mut faults);
        }
    }

    fn find_misplaced_arguments(
        &self,
        lowering: Lowering,
        call: ConditionalAggregateCall<'_>,
    ) -> Vec<MisplacedArguments> {
        let ConditionalAggregateCall { lowered, span, .. } = call;
        let mut misplaced_args = Vec::new();
        let tested = match (lowering, lowered) {
            (Lowering::SumIf | Lowering::AverageIf, [range, criterion, _]) => {
                let misplaced = self.check_sumifs_argument_order(call);
                misplaced_args.extend(misplaced.map(|warning| (span, warning)));
                &[*range, *criterion]
            }
            // Without a third argument, the first argument is both tested and aggregated, so the criterion may test
            // another column.
            (Lowering::SumIf | Lowering::AverageIf, _) => return misplaced_args,
            (Lowering::CountIf | Lowering::CountIfs, call_args) => call_args,
            (_, call_args) => {
                if let Some(warning) = self.check_sumif_argument_order(call) {
                    return vec![(span, warning)];
                }
                call_args.get(1..).unwrap_or_default()
            }
        };
        for pair in tested.chunks_exact(2) {
            if let [range, criterion] = pair {
                let part = self.program.meta(*range).span.to(self.program.meta(*criterion).span);
                misplaced_args.extend(
                    self.find_misplaced_column(*range, *criterion)
                        .map(|warning| (part, warning)),
                );
            }
        }
        misplaced_args
    }

    /// Returns the warning about calls such as `SUMIF(amount, status, "paid")`. The summed column is the first argument
    /// of SUMIFS, but the last argument of SUMIF.
    fn check_sumifs_argument_order(&self, call: ConditionalAggregateCall<'_>) -> Option<Diagnostic> {
        let ([value, range, criterion], [first, rest @ ..]) = (call.lowered, call.args) else {
            return None;
        };
        let range_meta = self.program.meta(*range);
        if !self.is_literal(*criterion) || range_meta.level == Level::Const || range_meta.ty == Type::Boolean {
            return None;
        }
        let criterion_type = self.program.meta(*criterion).ty;
        let [sum, range, criterion] = [value, range, criterion].map(|id| self.source_text(self.program.meta(*id).span));
        let diagnostic = Diagnostic::new(
            Code::CriterionOrder,
            call.span,
            format!(
                "`{}` expects the criterion as its second argument; here, `{range}` is the criterion and \
                    `{criterion}` is summed",
                call.function.name
            ),
        )
        .with_help(format!("write `{}({range}, {criterion}, {sum})`", call.function.name));
        // Add no fix if the corrected order would compare text with a number.
        let is_valid = criterion_type == Type::Text || !matches!(range_meta.ty, Type::Text);
        Some(match is_valid {
            true => self.with_reorder_fix(diagnostic, rest.iter().chain([first])),
            false => diagnostic,
        })
    }

    /// Returns the warning about calls such as `SUMIFS(status, "paid", amount)`, whose arguments are in the order of
    /// SUMIF.
    fn check_sumif_argument_order(&self, call: ConditionalAggregateCall<'_>) -> Option<Diagnostic> {
        let (last, pairs) = call.lowered.split_last()?;
        let is_row = |id: &IrId| self.program.meta(*id).level != Level::Const;
        let is_criteria_pair =
            |pair: &[IrId]| matches!(pair, [range, criterion] if is_row(range) && self.is_literal(*criterion));
        if pairs.is_empty() || pairs.len() % 2 != 0 || !is_row(last) || !pairs.chunks(2).all(is_criteria_pair) {
            return None;
        }
        let (first, (last, rest)) = (call.lowered.first()?, call.args.split_last()?);
        let text = |id: &ExprId| self.ast.span(*id).text(self.source);
        let ordered: Vec<&str> = std::iter::once(last).chain(rest).map(text).collect();
        let message = format!(
            "`{}` expects the column to aggregate as its first argument, and the criteria after it; here, `{}` is \
             aggregated",
            call.function.name,
            self.source_text(self.program.meta(*first).span)
        );
        let diagnostic = Diagnostic::new(Code::CriterionOrder, call.span, message).with_help(format!(
            "write `{}({})`",
            call.function.name,
            ordered.join(", ")
        ));
        Some(self.with_reorder_fix(diagnostic, std::iter::once(last).chain(rest)))
    }

    /// Adds a fix that reorders the arguments of a call. Adds no fix if an argument is in parentheses, because its span
    /// excludes the parentheses.
    fn with_reorder_fix<'e>(&self, diagnostic: Diagnostic, ordered: impl Iterator<Item = &'e ExprId>) -> Diagnostic {
        let ordered: Vec<Span> = ordered.map(|id| self.ast.span(*id)).collect();
        let mut sorted_spans = ordered.clone();
        sorted_spans.sort_by_key(|span| span.start);
        let is_comma = |pair: &[Span]| match pair {
            [a, b] => {
                let between = self.source.get(a.end as usize..b.start as usize);
                between.is_some_and(|text| text.trim() == ",")
            }
            _ => false,
        };
        let (Some(first), Some(last)) = (sorted_spans.first(), sorted_spans.last()) else {
            return diagnostic;
        };
        if !sorted_spans.windows(2).all(is_comma) {
            return diagnostic;
        }
        let texts: Vec<&str> = ordered.iter().map(|span| span.text(self.source)).collect();
        diagnostic.with_fix(Span::new(first.start, last.end), texts.join(", "))
    }

    /// Returns the warning about calls such as `COUNTIF("paid", status)`, and about calls such as
    /// `SUMIF(amount, status = "paid", quantity)`, whose condition does not use `amount`.
    fn find_misplaced_column(&self, range: IrId, criterion: IrId) -> Option<Diagnostic> {
        let (range_meta, node_meta) = (self.program.meta(range), self.program.meta(criterion));
        let is_swapped = self.is_literal(range) && node_meta.level > Level::Const;
        let is_complete = || {
            node_meta.ty == Type::Boolean
                && range_meta.ty != Type::Boolean
                && !matches!(
                    self.program.node(criterion),
                    Ir::Bool(_) | Ir::Column(_) | Ir::Definition(_)
                )
                && matches!(self.program.node(range), Ir::Column(_) | Ir::Definition(_))
                && !self.refers_to(criterion, range)
        };
        if !is_swapped && !is_complete() {
            return None;
        }
        let (range, criterion) = (self.source_text(range_meta.span), self.source_text(node_meta.span));
        let (message, help) = if is_swapped {
            (
                format!(
                    "`{range}` and `{criterion}` are in the wrong order: the column must come before its criterion"
                ),
                format!("swap the two arguments: `{criterion}, {range}`"),
            )
        } else {
            (
                format!("`{range}` has no effect, because `{criterion}` is already a complete condition"),
                "remove the range and put the condition first, as in `SUMIF(condition, value)`, or write a criterion"
                    .to_owned(),
            )
        };
        Some(Diagnostic::new(Code::CriterionOrder, range_meta.span, message).with_help(help))
    }

    fn is_literal(&self, id: IrId) -> bool {
        let node = self.program.node(id);
        node.is_literal() && node != Ir::Null
    }

    /// Returns whether a condition refers to a name. Also returns `true` if the condition has too many nodes to
    /// inspect.
    fn refers_to(&self, condition: IrId, name: IrId) -> bool {
        let target_node = self.program.node(self.program.resolve_references(name));
        let mut waiting = vec![condition];
        for _ in 0..MAX_NODES {
            let Some(id) = waiting.pop() else { return false };
            let node = self.program.node(id);
            if node == target_node || node == self.program.node(name) {
                return true;
            }
            match node {
                Ir::Definition(definition_index) => waiting.extend(
                    self.program
                        .definitions
                        .try_get(definition_index as usize)
                        .map(|d| d.root),
                ),
                _ => waiting.extend(self.program.operands(id)),
            }
        }
        true
    }
}
