//! Converts operators, CASE and casts.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Interval, Value,
};

use super::super::patterns;
use super::super::term::FormulaTerm;
use super::literals::{date_term, unsupported_sql};
use super::plain_sql::PLACEHOLDER_PREFIX;
use super::reader::SqlConverter;
use crate::Type;

/// Reason why no formula exists for an operator or cast whose operand has an unknown type.
const UNKNOWN_TYPE: &str = "the type of the value is unknown; pass the types of the columns with `--schema`";

impl SqlConverter<'_> {
    pub(super) fn convert_binary(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
    ) -> Result<FormulaTerm, String> {
        let joined = match op {
            BinaryOperator::And => Some("AND"),
            BinaryOperator::Or => Some("OR"),
            _ => None,
        };
        if let Some(joined) = joined {
            let mut parts = Vec::new();
            collect_chain_operands(left, op, &mut parts);
            collect_chain_operands(right, op, &mut parts);
            return Ok(FormulaTerm::combine_conditions(joined, self.convert_terms(&parts)?));
        }
        match op {
            BinaryOperator::Divide => return self.convert_division(left, right),
            BinaryOperator::Modulo => return self.convert_remainder(left, right),
            BinaryOperator::StringConcat => return self.convert_concatenation(left, right),
            BinaryOperator::Plus | BinaryOperator::Minus => {
                if let Expr::Interval(interval) = right {
                    return self.convert_interval_shift(left, interval, matches!(op, BinaryOperator::Minus));
                }
            }
            _ => {}
        }
        let sign = match op {
            BinaryOperator::Plus => ("+", 3),
            BinaryOperator::Minus => ("-", 3),
            BinaryOperator::Multiply => ("*", 4),
            BinaryOperator::Eq => ("=", 1),
            BinaryOperator::NotEq => ("<>", 1),
            BinaryOperator::Lt => ("<", 1),
            BinaryOperator::LtEq => ("<=", 1),
            BinaryOperator::Gt => (">", 1),
            BinaryOperator::GtEq => (">=", 1),
            other => return Err(format!("the operator `{other}` is not supported")),
        };
        let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
        if sign.1 == 1 {
            return Ok(left.compare_with(sign.0, &right));
        }
        self.computes |= !left.is_never_null || !right.is_never_null;
        let ty = arithmetic_type(left.ty, right.ty);
        Ok(FormulaTerm::binary(left, sign.0, sign.1, &right).with_type(ty))
    }

    /// Converts a division. In formulas, division by 0 is an error, and division never truncates.
    pub(super) fn convert_division(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let (left, left_is_real) = strip_float_promotion(left);
        let (right, right_is_real) = strip_float_promotion(strip_nullif_zero(right));
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
        Ok(FormulaTerm::binary(left, "/", 4, &right)
            .with_type(Some(Type::Float))
            .with_never_null(false))
    }

    /// Converts `a % b`, which has the sign of `a`. `MOD` has the sign of `b`.
    fn convert_remainder(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
        if left.ty.is_none() || right.ty.is_none() {
            return Err(UNKNOWN_TYPE.to_owned());
        }
        if (left.ty, right.ty) != (Some(Type::Integer), Some(Type::Integer)) {
            let reason = "`%` has the sign of the dividend, but `MOD` that of the divisor; they are equal only for numbers of \
                          the same sign";
            return Err(reason.to_owned());
        }
        self.computes |= !left.is_never_null || !right.is_never_null;
        let quotient = FormulaTerm::call("QUOTIENT", &[left.clone(), right.clone()]);
        let whole = FormulaTerm::binary(quotient, "*", 4, &right);
        Ok(FormulaTerm::binary(left, "-", 3, &whole).with_type(Some(Type::Integer)))
    }

    /// Converts `a || b`, which is NULL if an operand is NULL, whereas the formula operator `&` treats NULL as empty
    /// text.
    pub(super) fn convert_concatenation(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let mut parts = Vec::new();
        collect_chain_operands(left, &BinaryOperator::StringConcat, &mut parts);
        collect_chain_operands(right, &BinaryOperator::StringConcat, &mut parts);
        let parts = self.convert_terms(&parts)?;
        let is_formula = self.names.worksheet_column_letter("").is_some();
        let blanks: Vec<FormulaTerm> = parts
            .iter()
            .filter(|part| !part.is_never_null && !is_formula)
            .map(|part| part.clone().isblank_call())
            .collect();
        let joined = parts
            .into_iter()
            .reduce(|a, b| FormulaTerm::binary(a, "&", 2, &b))
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
        Ok(FormulaTerm::binary(x, op, 3, &FormulaTerm::integer(count)).with_type(ty))
    }

    pub(super) fn convert_like(
        &mut self,
        x: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
        ignore_case: bool,
    ) -> Result<FormulaTerm, String> {
        let text = |expr: &Expr| match expr {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) if !text.contains(PLACEHOLDER_PREFIX) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        let pattern = text(pattern).ok_or("a pattern that is not a literal is not supported")?;
        let escape = match escape {
            None => self.dialect.facts().like_escapes.then_some('\\'),
            Some(escape) => text(escape).and_then(|text| text.chars().next()),
        };
        let condition = patterns::like_pattern(self.convert_term(x)?, &pattern, escape, ignore_case);
        Ok(if negated { condition.negate() } else { condition })
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
            Some(Expr::Value(value)) if matches!(value.value, Value::Null) => None,
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

    pub(super) fn convert_cast(
        &mut self,
        kind: &CastKind,
        inner: &Expr,
        data_type: &DataType,
        expr: &Expr,
    ) -> Result<FormulaTerm, String> {
        let x = self.convert_term(inner)?;
        let is_number = matches!(x.ty, Some(Type::Integer | Type::Decimal | Type::Float));
        match data_type {
            DataType::Date if matches!(kind, CastKind::Cast | CastKind::DoubleColon) => match (x.ty, inner) {
                (Some(Type::Text), Expr::Value(value)) => {
                    date_term(&value.value.clone().into_string().unwrap_or_default())
                }
                (Some(Type::Text), _) => Err(unsupported_sql(expr)),
                _ => Ok(x.timeframe("date")),
            },
            _ if is_real(data_type) && (is_number || x.aggregates) => Ok(x.with_type(Some(Type::Float))),
            _ if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) => Err(unsupported_sql(expr)),
            _ if is_integer_type(data_type) => convert_integer_cast(x),
            _ if is_text(data_type) => convert_text_cast(x),
            _ => Err(unsupported_sql(expr)),
        }
    }
}

/// Converts a cast to an integer.
fn convert_integer_cast(x: FormulaTerm) -> Result<FormulaTerm, String> {
    match x.ty {
        Some(Type::Integer) => Ok(x),
        Some(Type::Text) => Err("a formula cannot convert this text to an integer as the warehouse does".to_owned()),
        None => Err(UNKNOWN_TYPE.to_owned()),
        _ => {
            let reason = "warehouses round or truncate a number in different ways when they cast it to an integer; choose \
                          `ROUND(x, 0)` or `ROUNDDOWN(x, 0)`";
            Err(reason.to_owned())
        }
    }
}

/// Converts a cast to text of any length.
fn convert_text_cast(x: FormulaTerm) -> Result<FormulaTerm, String> {
    match x.ty {
        Some(Type::Text) => Ok(x),
        Some(Type::Integer | Type::Date) => {
            let text = FormulaTerm::binary(x.clone(), "&", 2, &FormulaTerm::string_literal(""));
            Ok(text.null_if_blank(&[&x]).with_type(Some(Type::Text)))
        }
        None => Err(UNKNOWN_TYPE.to_owned()),
        _ => {
            let reason = "formulas format values other than integers and dates differently, for example `1.5` instead of \
                          `1.50`; use `TEXT`";
            Err(reason.to_owned())
        }
    }
}

fn is_integer_type(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_ascii_uppercase();
    ["INTEGER", "INT", "INT64", "BIGINT"].contains(&name.as_str())
}

fn is_text(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_ascii_uppercase();
    ["VARCHAR", "TEXT", "STRING"].contains(&name.as_str())
}

/// Collects the operands of a chain of the same operator, in order.
pub(super) fn collect_chain_operands<'e>(expr: &'e Expr, op: &BinaryOperator, parts: &mut Vec<&'e Expr>) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp { left, op: inner, right } if inner == op => open.extend([&**right, &**left]),
            Expr::Nested(inner) if matches!(&**inner, Expr::BinaryOp { op: of, .. } if of == op) => open.push(inner),
            _ => parts.push(expr),
        }
    }
}

/// Returns `x` from `nullif(x, 0)`, an SQL idiom that avoids division by 0. Returns any other expression unchanged.
pub(super) fn strip_nullif_zero(expr: &Expr) -> &Expr {
    let Expr::Function(function) = strip_parentheses(expr) else {
        return expr;
    };
    if !function.name.to_string().eq_ignore_ascii_case("nullif") {
        return expr;
    }
    let FunctionArguments::List(list) = &function.args else {
        return expr;
    };
    match list.args.as_slice() {
        [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(x)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(zero)),
        ] if is_zero(zero) => x,
        _ => expr,
    }
}

/// Returns the expression inside all brackets that enclose it.
pub(super) fn strip_parentheses(expr: &Expr) -> &Expr {
    let mut inner = expr;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    inner
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

pub(super) fn is_real(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float(..)
        | DataType::Float4
        | DataType::Float8
        | DataType::Float64
        | DataType::Real
        | DataType::Double(..)
        | DataType::DoublePrecision => true,
        // Accept a numeric type only without a precision, because a type with a precision rounds.
        DataType::Numeric(info) | DataType::Decimal(info) => info.to_string().is_empty(),
        _ => false,
    }
}

pub(super) fn arithmetic_type(left: Option<Type>, right: Option<Type>) -> Option<Type> {
    match (left?, right?) {
        (Type::Integer, Type::Integer) => Some(Type::Integer),
        (Type::Float, Type::Integer | Type::Decimal | Type::Float) | (Type::Integer | Type::Decimal, Type::Float) => {
            Some(Type::Float)
        }
        (Type::Decimal, Type::Integer | Type::Decimal) | (Type::Integer, Type::Decimal) => Some(Type::Decimal),
        _ => None,
    }
}
