//! Help for array formulas such as `SUM((a = "x") * b)`, which multiply conditions with values. The equivalent is a
//! conditional aggregate: `SUMIFS(b, a, "x")`.

use crate::ast::{BinaryOp, Call, Expr, ExprId, Sign};
use crate::check::lower::Lowerer;
use crate::diag::Code;
use crate::span::Span;

/// Factors of an array formula.
#[derive(Default)]
struct Factors {
    conditions: Vec<(BinaryOp, ExprId, ExprId)>,
    values: Vec<ExprId>,
}

impl Lowerer<'_> {
    /// Suggests the equivalent conditional aggregate in the first error about the factors of a sum, and removes the
    /// other errors about these factors.
    #[cold]
    pub(in crate::check) fn suggest_conditional_sum(&mut self, call: Call, span: Span) {
        let factors = self.factors(call);
        let is_about_condition = |fault_span: Span| {
            let mut conditions = factors.conditions.iter();
            conditions.any(|(_, left, right)| {
                let (left, right) = (self.ast.span(*left), self.ast.span(*right));
                fault_span.start == left.start && fault_span.end == right.end
            })
        };
        let about_factors = |code: Code, fault_span: Span| match code {
            Code::TypeMismatch => is_about_condition(fault_span),
            code => code == Code::BadRange,
        };
        // The arguments were lowered just before the call, so their diagnostics are the last ones.
        let places = self.diagnostics.iter().enumerate().rev();
        let indices: Vec<usize> = places
            .take_while(|(_, fault)| span.contains(fault.span()))
            .filter(|(_, fault)| about_factors(fault.kind(), fault.span()))
            .map(|(index, _)| index)
            .collect();
        let (Some((first, others)), Some(formula)) = (indices.split_last(), self.conditional_sum_formula(&factors))
        else {
            return;
        };
        for other in others {
            self.diagnostics.remove(*other);
        }
        let Some(fault) = self.diagnostics.get_mut(*first) else {
            return;
        };
        let help = match fault.help().filter(|_| fault.kind() == Code::TypeMismatch) {
            Some(help) => format!("write `{formula}`, or {help}"),
            None => format!("write `{formula}`"),
        };
        *fault = fault.clone().with_help(help);
    }

    /// Returns the factors of the product that the call sums. Skips `--x` and `N(x)`, which only convert conditions to
    /// numbers.
    fn factors(&self, call: Call) -> Factors {
        let mut factors = Factors::default();
        let mut open: Vec<ExprId> = self.ast.arguments(call).iter().rev().copied().collect();
        while let Some(id) = open.pop() {
            match self.ast.expr(id) {
                Expr::Binary {
                    op: BinaryOp::Multiply,
                    left,
                    right,
                } => open.extend([right, left]),
                Expr::Binary { op, left, right } if op.is_comparison() => factors.conditions.push((op, left, right)),
                Expr::Sign {
                    sign: Sign::Minus,
                    operand,
                } if matches!(self.ast.expr(operand), Expr::Sign { sign: Sign::Minus, .. }) => {
                    if let Expr::Sign { operand, .. } = self.ast.expr(operand) {
                        open.push(operand);
                    }
                }
                Expr::Call(inner) => match (self.ast.call(inner), self.ast.arguments(self.ast.call(inner))) {
                    (inner, [only]) if inner.name.text(self.source).eq_ignore_ascii_case("n") => open.push(*only),
                    _ => factors.values.push(id),
                },
                _ => factors.values.push(id),
            }
        }
        factors
    }

    /// Returns the conditional aggregate with the same result. `None` if a condition is not a criterion, or if there
    /// are several values.
    fn conditional_sum_formula(&self, factors: &Factors) -> Option<String> {
        let mut parts = Vec::new();
        let name = match factors.values.as_slice() {
            [] => "COUNTIFS",
            [value] => {
                parts.push(self.source_text(self.ast.span(*value)));
                "SUMIFS"
            }
            _ => return None,
        };
        for (op, column, value) in &factors.conditions {
            let is_column = |id: ExprId| {
                matches!(
                    self.ast.expr(id),
                    Expr::Name | Expr::Field | Expr::Model | Expr::Range { .. }
                )
            };
            if !is_column(*column) {
                return None;
            }
            parts.push(self.source_text(self.ast.span(*column)));
            let text = self.source_text(self.ast.span(*value));
            let symbol = op.symbol();
            parts.push(match (self.ast.expr(*value), op) {
                (Expr::Text | Expr::Number, BinaryOp::Equal) => text,
                (Expr::Number, _) => format!("\"{symbol}{text}\""),
                (Expr::Text | Expr::Call(_), op) if *op != BinaryOp::Equal => format!("\"{symbol}\" & {text}"),
                _ => return None,
            });
        }
        let argument_list = parts.join(", ");
        (!factors.conditions.is_empty()).then(|| format!("{name}({argument_list})"))
    }
}
