//! Literals and names in SQL.

use formulac_syntax::text::is_word_char;
use sqlparser::ast::{Expr, Value};

use super::super::relative_dates::{DayStart, is_date};
use super::super::term::FormulaTerm;
use super::plain_sql::PLACEHOLDER_PREFIX;

pub(super) fn unsupported_sql(expr: &Expr) -> String {
    let text = expr.to_string();
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("no formula expresses `{short}{more}`")
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

/// Returns the column name if the SQL consists of nothing else, as in `amount`, `"AMOUNT"` or `orders.amount`.
pub(in super::super) fn plain_column(sql: &str) -> Option<(Option<String>, String)> {
    let part = |text: &str| {
        let text = text.trim();
        let quoted = ['"', '`'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
        match quoted {
            Some(inside) if !inside.is_empty() && !inside.contains(['"', '`', '.']) => Some(inside.to_owned()),
            Some(_) => None,
            None => {
                let has_valid_start = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
                let keywords = ["true", "false", "null", "current_date", "current_timestamp"];
                (has_valid_start && text.chars().all(is_word_char) && !keywords.contains(&text.to_lowercase().as_str()))
                    .then(|| text.to_owned())
            }
        }
    };
    match sql.trim().split_once('.') {
        Some((relation, column)) => Some((Some(part(relation)?), part(column)?)),
        None => Some((None, part(sql)?)),
    }
}
