//! Literals and names in SQL.

use sqlparser::ast::{CastKind, DataType, Expr, Value};

use super::super::relative_dates::{DayStart, is_date};
use super::super::term::FormulaTerm;
use super::plain_sql::PLACEHOLDER_PREFIX;

pub(super) fn unsupported_sql(expr: &Expr) -> String {
    let text = expr.to_string();
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("no formula expresses `{short}{more}`")
}

/// Returns the text of `date '2024-01-31'` and `cast('2024-01-31' as date)`.
pub(super) fn date_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::TypedString(typed) if typed.data_type == DataType::Date => typed.value.value.clone().into_string(),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type: DataType::Date,
            format: None,
        } => match &**expr {
            Expr::Value(value) => {
                let text = value.value.clone().into_string();
                text.filter(|text| !text.contains(PLACEHOLDER_PREFIX))
            }
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn date_term(text: &str) -> Result<FormulaTerm, String> {
    DayStart::read(text)
        .ok()
        .filter(|_| is_date(text))
        .map(DayStart::to_term)
        .ok_or_else(|| format!("`{text}` is not a date"))
}

pub(super) fn integer_literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) if !text.contains(PLACEHOLDER_PREFIX) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
