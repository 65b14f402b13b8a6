//! Lints for the argument order of conditional aggregates: SUMIF arguments in the order of SUMIFS, and criteria in the
//! position of the tested column.

use super::lower::Lowerer;
use crate::ast::ExprId;
use crate::catalog::{Function, Lowering};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::{Level, Type};

/// Maximum number of nodes to inspect in a condition.
const MAX_NODES: usize = 200;

impl Lowerer<'_> {
    /// Warns about arguments of a conditional aggregate that are in the wrong position.
    pub(super) fn check_order(
        &mut self,
        lowering: Lowering,
        function: &Function,
        args: &[ExprId],
        lowered: &[IrId],
        span: Span,
    ) {
        let tested = match (lowering, lowered) {
            (Lowering::SumIf | Lowering::AverageIf, [range, criterion, _]) => {
                self.check_sumif_argument_order(function, args, lowered, span);
                &[*range, *criterion]
            }
            // The summed column is always used even if the criterion tests another column.
            (Lowering::SumIf | Lowering::AverageIf, _) => return,
            (Lowering::CountIf | Lowering::CountIfs, all) => all,
            (_, all) => all.get(1..).unwrap_or_default(),
        };
        for pair in tested.chunks_exact(2) {
            if let [range, criterion] = pair {
                self.check_tested_column(*range, *criterion);
            }
        }
    }

    /// Warns about calls such as `SUMIF(amount, status, "paid")`. The summed column is the first argument of SUMIFS,
    /// but the last argument of SUMIF.
    fn check_sumif_argument_order(&mut self, function: &Function, args: &[ExprId], values: &[IrId], span: Span) {
        let ([value, range, criterion], [first, second, third]) = (values, args) else {
            return;
        };
        let range_meta = self.program.meta(*range);
        if !self.is_literal(*criterion) || range_meta.level == Level::Const || range_meta.ty == Type::Boolean {
            return;
        }
        let text = |pass: &Self, id: &IrId| pass.source_text(pass.program.meta(*id).span);
        let [sum, range, criterion] = [value, range, criterion].map(|id| text(self, id));
        let mut diagnostic = Diagnostic::new(
            Code::CriterionOrder,
            span,
            format!(
                "`{}` expects the criterion as its second argument; here, `{range}` is the criterion and \
                    `{criterion}` is summed",
                function.name
            ),
        )
        .with_help(format!("write `{}({range}, {criterion}, {sum})`", function.name));
        let [first, second, third] = [first, second, third].map(|id| self.ast.span(*id));
        let comma = |a: Span, b: Span| {
            self.source
                .get(a.end as usize..b.start as usize)
                .is_some_and(|t| t.trim() == ",")
        };
        // Offer no fix if an argument is in parentheses, because its span excludes the parentheses.
        if comma(first, second) && comma(second, third) {
            let [sum, range, criterion] = [first, second, third].map(|span| span.text(self.source));
            let fixed = format!("{range}, {criterion}, {sum}");
            diagnostic = diagnostic.with_fix(Span::new(first.start, third.end), fixed);
        }
        self.report(diagnostic);
    }

    /// Warns about calls such as `COUNTIF("paid", status)`, and `SUMIF(amount, status = "paid", quantity)`, in which
    /// the condition does not use `amount`.
    fn check_tested_column(&mut self, range: IrId, criterion: IrId) {
        let (of, asked) = (self.program.meta(range), self.program.meta(criterion));
        if self.is_literal(range) && asked.level > Level::Const {
            let (range, criterion) = (self.source_text(of.span), self.source_text(asked.span));
            self.report(
                Diagnostic::new(
                    Code::CriterionOrder,
                    of.span,
                    format!(
                        "`{range}` and `{criterion}` are in the wrong order: the column must come before its criterion"
                    ),
                )
                .with_help(format!("swap the two arguments: `{criterion}, {range}`")),
            );
        } else if asked.ty == Type::Boolean
            && of.ty != Type::Boolean
            && !matches!(
                self.program.node(criterion),
                Ir::Bool(_) | Ir::Column(_) | Ir::Definition(_)
            )
            && matches!(self.program.node(range), Ir::Column(_) | Ir::Definition(_))
            && !self.refers_to(criterion, range)
        {
            let (range, criterion) = (self.source_text(of.span), self.source_text(asked.span));
            self.report(
                Diagnostic::new(
                    Code::CriterionOrder,
                    of.span,
                    format!("`{range}` has no effect, because `{criterion}` is already a complete condition"),
                )
                .with_help(
                    "remove the range and put the condition first, as in `SUMIF(condition, value)`, or \
                        write a criterion",
                ),
            );
        }
    }

    fn is_literal(&self, id: IrId) -> bool {
        let node = self.program.node(id);
        node.is_literal() && node != Ir::Null
    }

    /// Returns whether a condition refers to a name. Also returns `true` if the condition has too many nodes to
    /// inspect.
    fn refers_to(&self, condition: IrId, name: IrId) -> bool {
        let wanted = self.program.node(self.program.resolve_names(name));
        let mut waiting = vec![condition];
        for _ in 0..MAX_NODES {
            let Some(id) = waiting.pop() else { return false };
            let node = self.program.node(id);
            if node == wanted || node == self.program.node(name) {
                return true;
            }
            match node {
                Ir::Definition(used) => waiting.extend(self.program.definitions.try_get(used as usize).map(|d| d.root)),
                _ => waiting.extend(self.program.operands(id)),
            }
        }
        true
    }
}
