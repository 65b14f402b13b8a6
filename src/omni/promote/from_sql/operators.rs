//! Converts operators and CASE.

use sqlparser::ast::{BinaryOperator, CastKind, Expr, Interval, Value};

use super::super::patterns;
use super::super::term::FormulaTerm;
use super::form::{SqlForm, is_null, is_real, strip_parentheses};
use super::literals::literal_text;
use super::reader::SqlConverter;
use crate::Type;
use crate::dialect::Dialect;

impl SqlConverter<'_> {
    /// Converts a division. In formulas, division by 0 is an error, and division never truncates.
    pub(super) fn convert_division(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let (left, left_is_real) = strip_float_promotion(left);
        let (right, right_is_real) = strip_float_promotion(strip_nullif_zero(right, self.dialect));
        let (left, right) = (
            self.convert_numerator(left, right)?,
            self.convert_without_empty_sum(right)?,
        );
        let is_real = |term: &FormulaTerm| matches!(term.ty, Some(Type::Decimal | Type::Float));
        let is_whole = |term: &FormulaTerm| term.ty == Some(Type::Integer);
        if self.dialect.facts().divides_integers
            && !(left_is_real || right_is_real || is_real(&left) || is_real(&right))
        {
            if is_whole(&left) && is_whole(&right) {
                return Ok(FormulaTerm::call("QUOTIENT", &[left, right]).with_type(Some(Type::Integer)));
            }
            self.caveats.push(
                "the warehouse drops the fraction when it divides integers, but `/` in a formula never does".to_owned(),
            );
        }
        self.computes |= !left.is_never_null;
        Ok(FormulaTerm::binary(left, "/", &right).with_never_null(false))
    }

    /// Converts `a || b`, which is NULL if an operand is NULL, whereas the formula operator `&` treats NULL as empty
    /// text.
    pub(super) fn convert_concatenation(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        let parts = self.convert_terms(&chain_operands(expr, "||"))?;
        let is_formula = self.names.worksheet_column_letter("").is_some();
        let blanks: Vec<FormulaTerm> = parts
            .iter()
            .filter(|part| !part.is_never_null && !is_formula)
            .map(|part| part.clone().isblank_call())
            .collect();
        let joined = parts
            .into_iter()
            .reduce(|a, b| FormulaTerm::binary(a, "&", &b))
            .unwrap_or_else(FormulaTerm::null);
        let joined = joined.with_type(Some(Type::Text));
        if blanks.is_empty() {
            return Ok(joined.with_never_null(true));
        }
        Ok(FormulaTerm::call(
            "IF",
            &[
                FormulaTerm::combine_conditions("OR", blanks),
                FormulaTerm::null(),
                joined,
            ],
        )
        .with_type(Some(Type::Text)))
    }

    /// Converts `x + interval '7 days'`.
    pub(super) fn convert_interval_shift(
        &mut self,
        left: &Expr,
        interval: &Interval,
        back: bool,
    ) -> Result<FormulaTerm, String> {
        let text = match &*interval.value {
            Expr::Value(value) => value.value.to_string().trim_matches('\'').to_owned(),
            _ => String::new(),
        };
        let unit = interval
            .leading_field
            .as_ref()
            .map(|field| format!(" {field}"))
            .unwrap_or_default();
        let text = format!("{text}{unit}").to_lowercase();
        let mut words = text.split_whitespace();
        let (count, unit) = (words.next().and_then(|count| count.parse::<i64>().ok()), words.next());
        let days = match (count, unit.map(|unit| unit.trim_end_matches('s'))) {
            (Some(count), Some("day")) => count.checked_abs().map(|_| count),
            (Some(count), Some("week")) => count.checked_mul(7),
            _ => None,
        };
        let days = days.filter(|_| words.next().is_none() && interval.last_field.is_none());
        let days =
            days.ok_or_else(|| format!("an interval of `{text}` is not supported; only days and weeks are supported"))?;
        let x = self.convert_term(left)?;
        let days = if back { -days } else { days };
        let (op, count) = if days < 0 { ("-", -days) } else { ("+", days) };
        let ty = x.ty;
        Ok(FormulaTerm::binary(x, op, &FormulaTerm::integer(count)).with_type(ty))
    }

    /// Converts `x like pattern escape '!'`.
    pub(super) fn convert_like(
        &mut self,
        x: &Expr,
        pattern: &Expr,
        escape: Option<&&Expr>,
        ignore_case: bool,
    ) -> Result<FormulaTerm, String> {
        let pattern = literal_text(pattern).ok_or("a pattern that is not a literal is not supported")?;
        let escape = match escape {
            None => self.dialect.facts().like_escapes.then_some('\\'),
            Some(escape) => literal_text(escape).and_then(|text| text.chars().next()),
        };
        Ok(patterns::like_pattern(
            self.convert_term(x)?,
            &pattern,
            escape,
            ignore_case,
        ))
    }

    pub(super) fn convert_case(
        &mut self,
        operand: Option<&Expr>,
        whens: &[(&Expr, &Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<FormulaTerm, String> {
        let mut args = Vec::with_capacity(whens.len() * 2 + 2);
        let operand = operand.map(|operand| self.convert_term(operand)).transpose()?;
        for (condition, result) in whens {
            args.push(self.convert_term(condition)?);
            args.push(self.convert_term(result)?);
        }
        let otherwise = match otherwise {
            Some(otherwise) if is_null(otherwise) => None,
            Some(otherwise) => Some(self.convert_term(otherwise)?),
            None => None,
        };
        let results: Vec<&FormulaTerm> = args.iter().skip(1).step_by(2).chain(&otherwise).collect();
        let is_never_null = otherwise.is_some() && results.iter().all(|term| term.is_never_null);
        let ty = results
            .first()
            .and_then(|first| first.ty)
            .filter(|ty| results.iter().all(|term| term.ty == Some(*ty)));
        let name = match (&operand, whens.len()) {
            (Some(_), _) => "SWITCH",
            (None, 1) => "IF",
            (None, _) => "IFS",
        };
        if let Some(otherwise) = otherwise {
            if name == "IFS" {
                args.push(FormulaTerm::boolean_literal(true));
            }
            args.push(otherwise);
        }
        let args: Vec<FormulaTerm> = operand.into_iter().chain(args).collect();
        Ok(FormulaTerm::call(name, &args)
            .with_type(ty)
            .with_never_null(is_never_null))
    }
}

/// Returns the operands of a chain of the same operator, in order.
pub(super) fn chain_operands<'e>(expr: &'e Expr, operator: &str) -> Vec<&'e Expr> {
    let (mut open, mut operands) = (vec![expr], Vec::new());
    while let Some(expr) = open.pop() {
        match strip_parentheses(expr) {
            Expr::BinaryOp { left, op, right } if op.to_string() == operator => open.extend([&**right, &**left]),
            _ => operands.push(expr),
        }
    }
    operands
}

/// Returns `x` from `nullif(x, 0)`, an SQL idiom that avoids division by 0. Returns any other expression unchanged.
pub(super) fn strip_nullif_zero(expr: &Expr, dialect: Dialect) -> &Expr {
    let Some(form) = SqlForm::of(expr, dialect) else {
        return expr;
    };
    match (form.name.as_str(), form.operands.as_slice()) {
        ("nullif", [x, zero]) if is_zero(zero) => x,
        _ => expr,
    }
}

pub(super) fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(text, _) if text.parse() == Ok(0.0)))
}

/// Removes `1.0 *` or `::float`, SQL idioms that prevent truncation in a division. The flag is `true` if an idiom was
/// removed.
pub(super) fn strip_float_promotion(expr: &Expr) -> (&Expr, bool) {
    let is_one = |expr: &Expr| {
        matches!(expr, Expr::Value(value)
            if matches!(&value.value, Value::Number(text, _) if text.contains('.') && text.parse() == Ok(1.0)))
    };
    match expr {
        Expr::Nested(inner) => strip_float_promotion(inner),
        Expr::Cast {
            expr: inner,
            data_type,
            kind: CastKind::Cast | CastKind::DoubleColon,
            ..
        } if is_real(data_type) => (inner, true),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Multiply,
            right,
        } if is_one(left) => (right, true),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Multiply,
            right,
        } if is_one(right) => (left, true),
        _ => (expr, false),
    }
}
