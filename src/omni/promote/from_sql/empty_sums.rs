//! Sums of no rows, which are NULL in SQL and 0 in formulas, and the expressions in which this difference does not
//! matter.

use sqlparser::ast::{BinaryOperator, Expr, Function, Value};

use super::super::term::FormulaTerm;
use super::calls::call_arguments;
use super::operators::{is_zero, strip_parentheses};
use super::reader::SqlConverter;

/// Difference between sums in SQL and in formulas.
pub(super) const EMPTY_SUM_CAVEAT: &str = "the sum of no rows is NULL in SQL, but 0 in a formula";

impl SqlConverter<'_> {
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

    /// Converts the numerator of a division. If a sum is empty, the quotient is NULL in SQL and 0 in a formula, unless
    /// the denominator is then also 0 or NULL.
    pub(super) fn convert_numerator(&mut self, expr: &Expr, denominator: &Expr) -> Result<FormulaTerm, String> {
        let sum = multiplied_sum(expr);
        match sum.is_some_and(|sum| is_zero_when_sum_empty(sum, denominator)) {
            true => self.convert_without_empty_sum(expr),
            false => self.convert_term(expr),
        }
    }

    /// Converts a term in which it does not matter whether a sum of no rows is NULL or 0: the operand of a division, or
    /// a value that is replaced by 0 if it is NULL.
    pub(super) fn convert_without_empty_sum(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        let before = self.caveats.len();
        let term = self.convert_term(expr)?;
        if multiplied_sum(expr).is_some() {
            let mut index = 0;
            self.caveats.retain(|doubt| {
                index += 1;
                index <= before || doubt != EMPTY_SUM_CAVEAT
            });
        }
        Ok(term)
    }
}

/// Returns whether the denominator is 0 or NULL whenever the sum is empty. This is the case if the denominator counts
/// or adds the same values in the same rows or in fewer rows.
fn is_zero_when_sum_empty(sum: &Function, denominator: &Expr) -> bool {
    let Some(divisor) = multiplied_call(denominator, &["sum", "count"]) else {
        return false;
    };
    let (Some(added), Some(divisor_value)) = (first_argument(sum), first_argument(divisor)) else {
        return false;
    };
    // A CASE with the default 0 is NULL only for rows that meet its condition.
    let added_by_default = match added {
        Expr::Case {
            conditions,
            else_result: Some(otherwise),
            ..
        } if is_zero(otherwise) => match conditions.as_slice() {
            [when] => Some(&when.result),
            _ => None,
        },
        _ => None,
    };
    let is_same = |value: &Expr| strip_parentheses(value).to_string() == strip_parentheses(divisor_value).to_string();
    sum.filter.is_none() && (is_same(added) || added_by_default.is_some_and(is_same))
        || sum.filter == divisor.filter && is_same(added)
}

fn first_argument(function: &Function) -> Option<&Expr> {
    call_arguments(&function.args)?.0.first().copied()
}

/// Returns the sum, if the expression is a sum or the product of a sum and numbers.
fn multiplied_sum(expr: &Expr) -> Option<&Function> {
    multiplied_call(expr, &["sum"])
}

/// Returns the call to one of the named functions, if the expression is such a call or the product of such a call and
/// numbers.
fn multiplied_call<'e>(expr: &'e Expr, names: &[&str]) -> Option<&'e Function> {
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
                let name = function.name.to_string().to_lowercase();
                return Some(function).filter(|_| names.contains(&name.as_str()));
            }
            _ => return None,
        };
    }
}

fn is_number_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(..)))
}
