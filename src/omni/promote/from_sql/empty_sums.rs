//! Sums of no rows, which are NULL in SQL and 0 in formulas, and the expressions in which this difference does not
//! matter.

use sqlparser::ast::{Expr, Value};

use super::super::term::FormulaTerm;
use super::form::{SqlForm, strip_parentheses};
use super::operators::is_zero;
use super::reader::SqlConverter;
use crate::dialect::Dialect;

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
        let sum = multiplied_call(expr, &["sum"], self.dialect);
        match sum.is_some_and(|sum| is_zero_when_sum_empty(&sum, denominator, self.dialect)) {
            true => self.convert_without_empty_sum(expr),
            false => self.convert_term(expr),
        }
    }

    /// Converts a term in which it does not matter whether a sum of no rows is NULL or 0: the operand of a division, or
    /// a value that is replaced by 0 if it is NULL.
    pub(super) fn convert_without_empty_sum(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        let before = self.caveats.len();
        let term = self.convert_term(expr)?;
        if multiplied_call(expr, &["sum"], self.dialect).is_some() {
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
fn is_zero_when_sum_empty(sum: &SqlForm<'_>, denominator: &Expr, dialect: Dialect) -> bool {
    let Some(divisor) = multiplied_call(denominator, &["sum", "count"], dialect) else {
        return false;
    };
    let (Some((sum_filter, added)), Some((filter, divisor_value))) =
        (filter_and_value(sum), filter_and_value(&divisor))
    else {
        return false;
    };
    let is_same = |value: &Expr| strip_parentheses(value).to_string() == strip_parentheses(divisor_value).to_string();
    // A CASE with the default 0 is NULL only for rows that meet its condition.
    let form = SqlForm::of(added, dialect).filter(|form| form.name == "case");
    let is_added_by_default = form.is_some_and(|form| match form.operands.as_slice() {
        [_, result, default] => is_zero(default) && is_same(result),
        _ => false,
    });
    sum_filter.is_none() && (is_same(added) || is_added_by_default) || sum_filter == filter && is_same(added)
}

/// Returns the filter of an aggregate and its argument.
fn filter_and_value<'e>(aggregate: &SqlForm<'e>) -> Option<(Option<&'e Expr>, &'e Expr)> {
    match aggregate.operands.as_slice() {
        [filter, value] if aggregate.name.ends_with(" filter") => Some((Some(filter), value)),
        [value] => Some((None, value)),
        _ => None,
    }
}

/// Returns the call to one of the named functions, if the expression is such a call or the product of such a call and
/// numbers.
fn multiplied_call<'e>(expr: &'e Expr, names: &[&str], dialect: Dialect) -> Option<SqlForm<'e>> {
    let mut form = SqlForm::of(expr, dialect)?;
    loop {
        let inner = match (form.name.as_str(), form.operands.as_slice()) {
            ("cast" | "try_cast", [x]) => x,
            ("*", [number, x] | [x, number]) if is_number_literal(number) => x,
            (name, _) => {
                let is_named = name.split(' ').next().is_some_and(|name| names.contains(&name));
                return is_named.then_some(form);
            }
        };
        form = SqlForm::of(inner, dialect)?;
    }
}

fn is_number_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(..)))
}
