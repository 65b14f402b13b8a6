//! Lint for conditions that are converted to TRUE or FALSE, although every condition is already a boolean.

use super::Lints;
use crate::Type;
use crate::ast::BinaryOp;
use crate::catalog::{self, ResultType};
use crate::diag::Code;
use crate::ir::{Ir, IrId, PoolRange};
use crate::span::Span;

impl Lints<'_> {
    /// Warns about `IF(c, TRUE, FALSE)` and `IF(c, FALSE, TRUE)` if the condition is never NULL. For a condition that
    /// is NULL, the IF returns its last argument.
    pub(super) fn warn_of_redundant_if(&mut self, id: IrId, arms: PoolRange) {
        let program = self.program;
        let [condition, then, other] = *program.args(arms) else {
            return;
        };
        let (Ir::Bool(then_value), Ir::Bool(other_value)) = (program.node(then), program.node(other)) else {
            return;
        };
        if then_value == other_value || program.meta(condition).nullable {
            return;
        }
        // If the condition is a number, its comparison with 0 has the span of the number, because the source does not
        // contain the comparison.
        let is_number = matches!(program.node(condition), Ir::Apply { .. })
            && program
                .operands(condition)
                .any(|operand| program.meta(operand).span == program.meta(condition).span);
        let span = |id: IrId| program.meta(id).span;
        let begin = Span::new(span(id).start, span(id).start);
        let is_written = self.is_text_between(begin, span(condition), "IF")
            && self.is_text_between(span(condition), span(then), ",")
            && self.is_text_between(span(then), span(other), ",");
        if is_number || !is_written {
            return;
        }
        let replacement = if then_value {
            self.complete_source_text(condition)
        } else {
            self.negated_text(condition)
        };
        self.warn_of_redundant_boolean(id, &replacement);
    }

    /// Warns about `flag = TRUE` and `flag <> FALSE`. Does not warn about `flag = FALSE`, because NOT is not simpler.
    pub(super) fn warn_of_redundant_comparison(&mut self, id: IrId, comparison: BinaryOp, ir_id: IrId, right: IrId) {
        let program = self.program;
        let (operand, value) = match (program.node(ir_id), program.node(right)) {
            (_, Ir::Bool(value)) => (ir_id, value),
            (Ir::Bool(value), _) => (right, value),
            _ => return,
        };
        let is_redundant = match comparison {
            BinaryOp::Equal => value,
            BinaryOp::NotEqual => !value,
            _ => false,
        };
        // A criterion such as `COUNTIF(flag, TRUE)` and a call to NOT also become comparisons, but the source does not
        // contain their operators.
        let span = |id: IrId| program.meta(id).span;
        let begin = Span::new(span(id).start, span(id).start);
        let is_written = || {
            self.is_text_between(begin, span(ir_id), "")
                && self.is_text_between(span(ir_id), span(right), comparison.symbol())
        };
        if is_redundant && self.is_boolean_expression(operand) && is_written() {
            let replacement = self.complete_source_text(operand);
            self.warn_of_redundant_boolean(id, &replacement);
        }
    }

    fn warn_of_redundant_boolean(&mut self, id: IrId, replacement: &str) {
        let message = format!("`{}` has the same value as `{replacement}`", self.excerpt(id));
        self.warn(Code::RedundantBoolean, id, message, format!("write `{replacement}`"));
    }

    /// Returns whether a value is a boolean even without a comparison with TRUE. The type of a column without a schema
    /// may be known only from the comparison.
    fn is_boolean_expression(&self, id: IrId) -> bool {
        let program = self.program;
        match program.node(self.resolve_name(id)) {
            Ir::Column(column) => program
                .columns
                .try_get(column as usize)
                .is_some_and(|column_entry| !column_entry.assumed),
            Ir::And(_) | Ir::Or(_) | Ir::Not(_) | Ir::IsNull { .. } => true,
            Ir::Apply { overload, .. } => {
                catalog::overload(overload).is_some_and(|overload| overload.result == ResultType::Is(Type::Boolean))
            }
            _ => false,
        }
    }

    /// Returns whether the source between two spans consists only of the given text, brackets and whitespace.
    fn is_text_between(&self, before: Span, after: Span, text: &str) -> bool {
        let between = self.source.get(before.end as usize..after.start as usize);
        let is_space = |c: char| c.is_whitespace() || matches!(c, '(' | ')');
        between.is_some_and(|between| between.trim_matches(is_space).eq_ignore_ascii_case(text))
    }

    /// Returns the source of the opposite condition: the argument of NOT, or a call to NOT. The IR may contain a
    /// comparison instead of NOT, with the span of the call.
    fn negated_text(&self, condition: IrId) -> String {
        let program = self.program;
        let span = program.meta(condition).span;
        let text = self.complete_source_text(condition);
        let is_call = match program.node(condition) {
            Ir::Not(_) | Ir::IsNull { negated: true, .. } => true,
            Ir::Apply { .. } => program.operands(condition).next().is_some_and(|first| {
                let begin = Span::new(span.start, span.start);
                self.is_text_between(begin, program.meta(first).span, "NOT")
            }),
            _ => false,
        };
        let argument = text
            .split_at_checked("NOT".len())
            .filter(|(name, _)| is_call && name.eq_ignore_ascii_case("NOT"))
            .and_then(|(_, rest)| rest.trim().strip_prefix('(')?.strip_suffix(')'));
        match argument {
            Some(argument) => argument.trim().to_owned(),
            None => format!("NOT({text})"),
        }
    }

    /// Returns the complete source text of an expression, so that users can copy the text from a help message.
    fn complete_source_text(&self, id: IrId) -> String {
        self.program.meta(id).span.text(self.source).to_owned()
    }
}
