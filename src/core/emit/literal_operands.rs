//! Template operators whose operands are literals in the emitted SQL.

use super::Emitter;
use crate::dialect::op::Op;
use crate::sql::{Sql, SqlId};

impl Emitter<'_> {
    /// Returns the sum or the difference of two literal integers, such as `{start} - 1` in a template if `start` is a
    /// literal.
    pub(super) fn fold_literal_arithmetic(&self, op: Op, left: SqlId, right: SqlId) -> Option<i64> {
        let number = |id: SqlId| self.literal_integer(id);
        match op {
            Op::Add => number(left)?.checked_add(number(right)?),
            Op::Subtract => number(left)?.checked_sub(number(right)?),
            _ => None,
        }
    }

    pub(super) fn literal_text(&self, id: SqlId) -> Option<&str> {
        match *self.buffers.tree.node(id) {
            Sql::Text { first, len } => Some(self.buffers.tree.str(first, len)),
            _ => None,
        }
    }

    fn literal_integer(&self, id: SqlId) -> Option<i64> {
        self.literal_text(id)?.parse().ok()
    }

    /// Returns whether a literal is greater than 0, even after BigQuery rounds decimals to nine decimal places.
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
