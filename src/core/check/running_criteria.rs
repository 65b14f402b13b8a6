//! Criteria that compare with this row's own value, `COUNTIF(C:C, ">" & C1)`: what they choose are the rows ahead of
//! this one in the order of that value.

use super::criteria::criterion;
use super::lower::Lower;
use crate::ast::{BinaryOp, Expr, ExprId};
use crate::catalog::{Function, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Meta, Over};
use crate::parse::unquote;
use crate::span::Span;
use crate::{Level, Type};

/// The rows that a comparison with this row's value chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct ComparedRow {
    /// The value.
    pub key: IrId,
    /// Larger ones are ahead.
    pub descending: bool,
    /// Those that have the same are chosen too.
    pub own: bool,
}

impl Lower<'_> {
    /// The operator of `">" & x`, and what stands behind it.
    pub(super) fn operator_and_value(&self, expr: ExprId) -> Option<(BinaryOp, ExprId)> {
        let Expr::Binary { op: BinaryOp::Concat, left, right } = self.ast.expr(expr) else { return None };
        let symbol =
            matches!(self.ast.expr(left), Expr::Text).then(|| unquote(self.ast.span(left).text(self.source)))?;
        let op = Some(criterion(&symbol)).filter(|criterion| criterion.value.is_empty())?.op;
        Some((op, right))
    }

    /// What an operator before this row's value chooses; `None` if no order says that.
    pub(super) fn compared(&self, op: BinaryOp, key: IrId) -> Option<ComparedRow> {
        let ty = self.program.meta(key).ty;
        let (descending, own) = match op {
            BinaryOp::Less => (false, false),
            BinaryOp::LessEqual => (false, true),
            BinaryOp::Greater => (true, false),
            BinaryOp::GreaterEqual => (true, true),
            _ => return None,
        };
        // Texts come in another order on each warehouse.
        (!matches!(ty, Type::Text | Type::Boolean)).then_some(ComparedRow { key, descending, own })
    }

    /// How many rows are ahead of this one, among those that have the same of some values.
    pub(super) fn count_ahead(
        &mut self,
        compared: ComparedRow,
        same: &[IrId],
        function: &'static Function,
        span: Span,
    ) -> IrId {
        let ComparedRow { key, descending, .. } = compared;
        if !self.may_look(function.name, Some(key), span) {
            return self.error(span);
        }
        let meta = Self::row_meta(self.program.meta(key), span);
        let call = self.call_of_row(internal::RANK_OF, key, meta);
        let over = Over::Ranked { descending, apart: false, within: true };
        let rank = self.over_parted(call, over, same, meta);
        let one = self.integer("1", span);
        self.apply(internal::SUBTRACT, &[rank, one], span)
    }

    /// The window that sees the rows which are chosen, and the value in whose order they come.
    pub(super) fn window_ahead(
        &mut self,
        compared: ComparedRow,
        function: &Function,
        span: Span,
    ) -> Option<(Over, IrId)> {
        let ComparedRow { key, descending, own } = compared;
        if own {
            return Some((Over::Ahead { descending, own }, key));
        }
        // No window leaves out the rows that have the same value but one that counts the values there are.
        let meta = Self::row_meta(self.program.meta(key), span);
        let call = self.call_of_row(internal::DENSE_RANK, key, meta);
        let place = self.over(call, Over::Ranked { descending, apart: false, within: true }, meta);
        self.may_look(function.name, Some(place), span).then_some((Over::Ahead { descending: false, own }, place))
    }

    fn row_meta(of: Meta, span: Span) -> Meta {
        Meta {
            ty: Type::Integer,
            nullable: false,
            level: Level::Window,
            keyed: true,
            volatile: of.volatile,
            columnless: false,
            span,
        }
    }

    /// Nothing compares with an empty value.
    pub(super) fn where_compared(
        &mut self,
        node: IrId,
        compared: ComparedRow,
        empty: Option<&str>,
        span: Span,
    ) -> IrId {
        if self.is_error(node) || !self.program.meta(compared.key).nullable {
            return node;
        }
        let there = self.is_there(compared.key, span);
        let meta = self.program.meta(node);
        match empty {
            Some(digits) => {
                let empty = self.number_of(digits, Type::Integer, span);
                self.add_all(Ir::Case, &[there, node, empty], Meta { nullable: false, ..meta })
            }
            None => self.add_all(Ir::Case, &[there, node], Meta { nullable: true, ..meta }),
        }
    }

    /// The rows of a part of the sheet are another part for each row.
    #[cold]
    pub(super) fn compares_in_part(&mut self, function: &Function, span: Span) -> IrId {
        let message = format!("`{}` compares this row's value with those of other rows for each row", function.name);
        let help = "compare in the whole column, `C:C`; for fewer rows, join the step to itself on that comparison";
        self.report(Diagnostic::new(Code::BadCriterion, span, message).with_help(help));
        self.error(span)
    }
}
