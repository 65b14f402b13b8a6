//! Criteria that compare other rows with the value of the current row, such as `COUNTIF(C:C, ">" & C1)`. If the rows
//! are sorted by that value, the criterion selects the rows before the current row.

use super::criterion_text::parse_criterion;
use crate::ast::{BinaryOp, Expr, ExprId};
use crate::catalog::{Function, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta, WindowFrame};
use crate::parse::unquote;
use crate::span::Span;
use crate::{Level, Type};

/// Rows selected by a comparison with the current row's value.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct ComparedRows {
    /// Value that is compared.
    pub key: IrId,
    /// Whether the rows with larger values are selected instead of the rows with smaller values.
    pub descending: bool,
    /// Whether rows with an equal value are also selected.
    pub includes_equal: bool,
}

impl Lowerer<'_> {
    /// Splits a criterion like `">" & x` into its operator and the expression after it.
    pub(in crate::check) fn split_operator_criterion(&self, expr: ExprId) -> Option<(BinaryOp, ExprId)> {
        let Expr::Binary {
            op: BinaryOp::Concat,
            left,
            right,
        } = self.ast.expr(expr)
        else {
            return None;
        };
        let symbol =
            matches!(self.ast.expr(left), Expr::Text).then(|| unquote(self.ast.span(left).text(self.source)))?;
        let op = Some(parse_criterion(&symbol))
            .filter(|criterion| criterion.value.is_empty())?
            .op;
        Some((op, right))
    }

    /// Returns the rows that satisfy a comparison with the value of the current row. `None` if a sort order cannot
    /// express the comparison.
    pub(in crate::check) fn compared_rows(&self, op: BinaryOp, key: IrId) -> Option<ComparedRows> {
        let ty = self.program.meta(key).ty;
        let (descending, is_inclusive) = match op {
            BinaryOp::Less => (false, false),
            BinaryOp::LessEqual => (false, true),
            BinaryOp::Greater => (true, false),
            BinaryOp::GreaterEqual => (true, true),
            _ => return None,
        };
        // The sort order of text values differs between warehouses.
        (!matches!(ty, Type::Text | Type::Boolean)).then_some(ComparedRows {
            key,
            descending,
            includes_equal: is_inclusive,
        })
    }

    /// Counts the selected rows in which each of `same_values` is the same as in the current row.
    pub(in crate::check) fn count_compared_rows(
        &mut self,
        compared: ComparedRows,
        same_values: &[IrId],
        function: &'static Function,
        span: Span,
    ) -> IrId {
        let ComparedRows { key, descending, .. } = compared;
        if !self.check_window_allowed(function.name, Some(key), span) {
            return self.add_error(span);
        }
        let meta = Self::row_level_meta(self.program.meta(key), span);
        let call = self.build_row_call(internal::RANK_OF, key, meta);
        let over = WindowFrame::Ranked {
            descending,
            nulls_apart: false,
            in_step_partition: true,
        };
        let rank = self.program.add_window_call(call, over, same_values, meta);
        let one = self.program.add_integer("1", span);
        self.add_call(internal::SUBTRACT, &[rank, one], span)
    }

    /// Returns the window frame with the selected rows, and its sort key.
    pub(in crate::check) fn build_window_of_compared_rows(
        &mut self,
        compared: ComparedRows,
        function: &Function,
        span: Span,
    ) -> Option<(WindowFrame, IrId)> {
        let ComparedRows {
            key,
            descending,
            includes_equal: is_inclusive,
        } = compared;
        if is_inclusive {
            return Some((
                WindowFrame::Ahead {
                    descending,
                    own: is_inclusive,
                },
                key,
            ));
        }
        // To exclude rows with an equal value, the frame must be sorted by DENSE_RANK instead of the value.
        let meta = Self::row_level_meta(self.program.meta(key), span);
        let call = self.build_row_call(internal::DENSE_RANK, key, meta);
        let over = self.program.add_window_call(
            call,
            WindowFrame::Ranked {
                descending,
                nulls_apart: false,
                in_step_partition: true,
            },
            &[],
            meta,
        );
        self.check_window_allowed(function.name, Some(over), span).then_some((
            WindowFrame::Ahead {
                descending: false,
                own: is_inclusive,
            },
            over,
        ))
    }

    fn row_level_meta(meta: NodeMeta, span: Span) -> NodeMeta {
        NodeMeta {
            ty: Type::Integer,
            nullable: false,
            level: Level::Window,
            reads_only_keys: true,
            volatile: meta.volatile,
            columnless: false,
            span,
        }
    }

    /// Wraps a node in a CASE for NULL keys, because comparisons with NULL select no rows. If a key is
    /// NULL, the CASE returns the number `empty`, or NULL if `empty` is `None`.
    pub(in crate::check) fn wrap_in_null_key_case(
        &mut self,
        node: IrId,
        keys: &[IrId],
        empty: Option<&str>,
        span: Span,
    ) -> IrId {
        let nullable = keys.iter().filter(|key| self.program.meta(**key).nullable);
        let nullable: Vec<IrId> = nullable.copied().collect();
        if self.is_error(node) || nullable.is_empty() {
            return node;
        }
        let ids: Vec<IrId> = nullable.iter().map(|key| self.build_not_null(*key, span)).collect();
        let id = self.build_and_or(&ids, span, true);
        let meta = self.program.meta(node);
        let mut arms = vec![id, node];
        match empty {
            Some(digits) => arms.push(self.program.add_number(digits, Type::Integer, span)),
            // The value over no rows is an error, so it must not be read as a blank.
            None if self.scope.blank_zero && self.program.null_interpretation(node).may_be_error => {
                arms.push(self.program.add_null(meta.ty, span));
            }
            None => {}
        }
        let nullable = empty.is_none();
        self.program
            .add_node_with_args(Ir::Case, &arms, NodeMeta { nullable, ..meta })
    }

    /// Reports a criterion that compares the current row's value with only part of a column, because that part differs
    /// from row to row.
    #[cold]
    pub(in crate::check) fn report_partial_comparison(&mut self, function: &Function, span: Span) -> IrId {
        let message = format!(
            "`{}` can compare the current row's value only with a complete column",
            function.name
        );
        let help = "compare with the complete column, as in `C:C`, or join the step to itself on that comparison";
        self.report(Diagnostic::new(Code::BadCriterion, span, message).with_help(help));
        self.add_error(span)
    }
}
