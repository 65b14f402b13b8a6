//! Sums of no rows, which are NULL in SQL and 0 in formulas, and the expressions in which this difference does not
//! matter.

use sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::super::term::FormulaTerm;
use super::operators::is_zero;
use super::reader::SqlReader;

/// Difference between sums in SQL and in formulas.
pub(super) const EMPTY_SUM: &str = "the sum of no rows is NULL in SQL, but 0 in a formula";

impl SqlReader<'_> {
    /// Converts `coalesce(x, 0)` and its variants. `None` for any other call.
    pub(super) fn convert_zero_default(&mut self, name: &str, args: &[&Expr]) -> Result<Option<FormulaTerm>, String> {
        let ("coalesce" | "ifnull" | "nvl" | "zeroifnull", [x, others @ ..]) = (name, args) else {
            return Ok(None);
        };
        let all_are_zero = others.iter().all(|default| is_zero(default));
        if !all_are_zero || others.len() != usize::from(name != "zeroifnull") {
            return Ok(None);
        }
        let x = self.convert_without_empty_sum(x)?;
        let ty = x.ty;
        let zero = match others.first() {
            Some(zero) => self.convert_term(zero)?,
            None => FormulaTerm::integer(0),
        };
        let term = FormulaTerm::call("COALESCE", &[x, zero]);
        Ok(Some(term.with_type(ty).with_never_null(true)))
    }

    /// Converts the numerator of a division. If a sum of some rows is empty, the quotient is NULL in SQL and 0 in a
    /// formula. If a sum of all rows is empty, the denominator is usually also an empty sum.
    pub(super) fn convert_numerator(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        match multiplied_sum(expr) {
            Some(sum) if has_condition(sum) => self.convert_term(expr),
            _ => self.convert_without_empty_sum(expr),
        }
    }

    /// Converts a term in which it does not matter whether a sum of no rows is NULL or 0: the operand of a division, or
    /// a value that is replaced by 0 if it is NULL.
    pub(super) fn convert_without_empty_sum(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        let before = self.doubts.len();
        let term = self.convert_term(expr)?;
        if multiplied_sum(expr).is_some() {
            let mut index = 0;
            self.doubts.retain(|doubt| {
                index += 1;
                index <= before || doubt != EMPTY_SUM
            });
        }
        Ok(term)
    }
}

/// Returns whether a sum adds only the values of rows that meet a condition.
fn has_condition(sum: &Function) -> bool {
    let FunctionArguments::List(list) = &sum.args else {
        return sum.filter.is_some();
    };
    let is_case = |arg: &FunctionArg| {
        matches!(
            arg,
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Case { else_result: None, .. }))
        )
    };
    sum.filter.is_some() || list.args.iter().any(is_case)
}

/// Returns the sum in an expression that is a sum, or the product of a sum and numbers.
fn multiplied_sum(expr: &Expr) -> Option<&Function> {
    let mut inner = expr;
    loop {
        inner = match inner {
            Expr::Nested(nested) => nested,
            Expr::Cast { expr, .. } => expr,
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Multiply,
                right,
            } => match (is_number_literal(left), is_number_literal(right)) {
                (true, _) => right,
                (_, true) => left,
                _ => return None,
            },
            Expr::Function(function) => {
                return Some(function).filter(|sum| sum.name.to_string().eq_ignore_ascii_case("sum"));
            }
            _ => return None,
        };
    }
}

fn is_number_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(..)))
}
