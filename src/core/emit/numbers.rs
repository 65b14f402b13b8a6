//! Number literals in the syntax of the dialect.

use super::Emitter;
use crate::Type;
use crate::dialect::LiteralForm;
use crate::ir::IrId;
use crate::schema::DecimalDigits;
use crate::span::Span;
use crate::sql::SqlId;

impl Emitter<'_> {
    /// Emits a number literal of the required type.
    pub(super) fn emit_number(&mut self, digits: &str, ty: Type, span: Span) -> SqlId {
        let forms = self.dialect.forms();
        let form = match ty {
            Type::Decimal if self.is_long_decimal(digits) => &forms.long_decimal,
            Type::Decimal => &forms.decimal,
            Type::Float => &forms.float,
            _ => &LiteralForm::BARE,
        };
        // Write decimals without an exponent, because engines interpret a literal with an exponent as a float.
        let plain = (ty == Type::Decimal).then(|| without_exponent(digits)).flatten();
        self.buffers
            .tree
            .add_text(span, |out| form.push(out, plain.as_deref().unwrap_or(digits)))
    }

    /// Returns whether a number has too many digits for a literal next to the dialect's decimals.
    fn is_long_decimal(&self, digits: &str) -> bool {
        let max_scale: Option<u32> = self.dialect.facts().literal_scale.parse().ok();
        let is_long = |max_scale| DecimalDigits::from_literal(digits).is_none_or(|number| number.scale() > max_scale);
        max_scale.is_some_and(is_long)
    }

    /// Casts float literals with many digits to float if they are next to decimals. Otherwise, the engine would convert
    /// the literals or the other values to decimals, which fails or rounds them.
    #[inline]
    pub(super) fn cast_long_literals(&mut self, ids: impl Iterator<Item = IrId> + Clone) {
        let is_decimal = |id: IrId| self.program.meta(id).ty == Type::Decimal;
        if self.dialect.facts().literal_scale.is_empty() || !ids.clone().any(is_decimal) {
            return;
        }
        for id in ids {
            let is_float = matches!(self.program.meta(id).ty, Type::Float | Type::Point);
            if is_float && self.is_long_literal(self.buffers.sql[id.index()]) {
                self.emit_cast(id, Type::Float);
            }
        }
    }

    fn is_long_literal(&self, sql: SqlId) -> bool {
        let text = self.literal_text(sql).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.starts_with(|c: char| c.is_ascii_digit()) && self.is_long_decimal(digits)
    }
}

fn zero_if_empty(digits: &str) -> &str {
    if digits.is_empty() { "0" } else { digits }
}

/// Splits a number such as `1e-3` before its exponent. `None` if the number has no exponent.
pub(super) fn split_exponent(number: &str) -> Option<(&str, &str)> {
    number.split_once(['e', 'E'])
}

/// Rewrites a number without its exponent: `1e3` becomes `1000.0`. Returns `None` if the number has no exponent, or
/// needs more digits than a decimal can store.
fn without_exponent(number: &str) -> Option<String> {
    const MAX_DIGITS: usize = 38;
    let (mantissa, exponent) = split_exponent(number)?;
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-38..=38).contains(exponent))?;
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (before, after) = ((-exponent).max(0) as usize, exponent.max(0) as usize);
    let digits = [
        "0".repeat(before).as_str(),
        whole,
        fraction,
        "0".repeat(after.saturating_sub(fraction.len())).as_str(),
    ]
    .concat();
    let point = usize::try_from(before as i64 + whole.len() as i64 + i64::from(exponent)).ok()?;
    let (whole_part, fraction) = digits.split_at_checked(point)?;
    let (integer_part, fraction) = (whole_part.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let is_short = integer_part.len() + fraction.len() <= MAX_DIGITS;
    is_short.then(|| [sign, zero_if_empty(integer_part), ".", zero_if_empty(fraction)].concat())
}

#[cfg(test)]
mod tests {
    #[test]
    fn exponents_are_expanded() {
        for (number, expected) in [
            ("1e3", Some("1000.0")),
            ("1e-3", Some("0.001")),
            ("-12.50e1", Some("-125.0")),
            ("1.25e1", Some("12.5")),
            ("1.2345e+2", Some("123.45")),
            ("123.4e-2", Some("1.234")),
            ("0e5", Some("0.0")),
            ("1e-38", Some("0.00000000000000000000000000000000000001")),
            ("12e37", None),
            ("1e300", None),
            ("1.5", None),
        ] {
            assert_eq!(super::without_exponent(number).as_deref(), expected, "{number}");
        }
    }
}
