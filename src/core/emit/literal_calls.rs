//! Values of calls and operators in templates whose arguments are literals.

use super::Emitter;
use crate::dialect::op::Op;
use crate::sql::{Sql, SqlId, SqlSlice};

impl Emitter<'_> {
    /// Returns the value of `length('-')`, `least(1, 2)`, `greatest(1, 2)` or `sign(0.1)`. `None` for other calls.
    pub(super) fn literal_call(&self, name: &str, args: SqlSlice) -> Option<i64> {
        let choose = match name {
            "length" | "sign" => {
                let [arg] = *self.work.tree.args(args) else { return None };
                return match name {
                    "length" => self.literal_length(arg),
                    _ => self.is_positive_literal(arg).then_some(1),
                };
            }
            "least" => i64::min,
            "greatest" => i64::max,
            _ => return None,
        };
        let mut numbers = self.work.tree.args(args).iter().map(|arg| self.literal_integer(*arg));
        let first = numbers.next()??;
        numbers.try_fold(first, |chosen, number| Some(choose(chosen, number?)))
    }

    /// Returns the sum or the difference of two literal integers, or the product of 1 and a literal integer.
    pub(super) fn literal_arithmetic(&self, op: Op, left: SqlId, right: SqlId) -> Option<i64> {
        let number = |id: SqlId| self.literal_integer(id);
        match op {
            Op::Add => number(left)?.checked_add(number(right)?),
            Op::Subtract => number(left)?.checked_sub(number(right)?),
            Op::Multiply if number(left)? == 1 => number(right),
            _ => None,
        }
    }

    fn literal_text(&self, id: SqlId) -> Option<&str> {
        match *self.work.tree.node(id) {
            Sql::Text { first, len } => Some(self.work.tree.str(first, len)),
            _ => None,
        }
    }

    fn literal_integer(&self, id: SqlId) -> Option<i64> {
        self.literal_text(id)?.parse().ok()
    }

    /// Returns the number of characters of a text literal. Engines count other characters and blanks at the end in
    /// different ways.
    fn literal_length(&self, id: SqlId) -> Option<i64> {
        let text = self.literal_text(id)?.strip_prefix('\'')?.strip_suffix('\'')?;
        let is_plain = |b: u8| b == b' ' || (b.is_ascii_graphic() && b != b'\'' && b != b'\\');
        let is_counted = text.bytes().all(is_plain) && !text.ends_with(' ');
        is_counted.then_some(text.len() as i64)
    }

    /// Returns whether a literal is greater than 0. BigQuery's decimals round to nine digits.
    pub(super) fn is_positive_literal(&self, id: SqlId) -> bool {
        let Some(text) = self.literal_text(id) else {
            return false;
        };
        let forms = self.dialect.forms();
        let digits = text.strip_prefix(forms.decimal.before).unwrap_or(text);
        let digits = digits.strip_suffix(forms.decimal.after).unwrap_or(digits);
        // A column named `inf` or `infinity` would be parsed as a number.
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok_and(|number| number >= 1e-9)
    }
}
