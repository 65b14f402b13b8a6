//! Converts SQL in Omni's files to SQL that a parser accepts: references become placeholders.

use sqlparser::ast::{Expr, SelectItem, SetExpr};

use crate::dbt::tokens::replace_tokens;
use crate::dialect::Dialect;
use crate::lineage;
use crate::schema::{is_looker_table, replace_omni_references};

/// Prefix of the placeholders that replace references while SQL is parsed.
pub(super) const PLACEHOLDER_PREFIX: &str = "omni_ref_";

/// Omni's names of infix operators.
pub(super) const OPERATORS: &[(&str, &str)] = &[
    ("PLUS", "+"),
    ("MINUS", "-"),
    ("MULTIPLY", "*"),
    ("SAFE_DIVIDE", "/"),
    ("DIVIDE", "/"),
    ("EQUALS", "="),
    ("NOT_EQUALS", "<>"),
    ("GREATER_THAN", ">"),
    ("GREATER_THAN_OR_EQUAL", ">="),
    ("GREATER_THAN_OR_EQUAL_TO", ">="),
    ("LESS_THAN", "<"),
    ("LESS_THAN_OR_EQUAL", "<="),
    ("LESS_THAN_OR_EQUAL_TO", "<="),
    ("AMPERSAND", "||"),
];

/// Replaces each reference with a placeholder name. Equal references have the same placeholder.
pub(super) fn insert_reference_placeholders(sql: &str) -> Result<(String, Vec<String>), String> {
    if sql.contains(PLACEHOLDER_PREFIX) {
        return Err(format!(
            "the SQL contains a name that begins with `{PLACEHOLDER_PREFIX}`"
        ));
    }
    let mut references: Vec<String> = Vec::new();
    let out = replace_omni_references(sql, |name| {
        let name = name.trim();
        let number = references.iter().position(|other| other == name).unwrap_or_else(|| {
            references.push(name.to_owned());
            references.len() - 1
        });
        format!("{PLACEHOLDER_PREFIX}{number}")
    });
    if out.contains("${") {
        return Err("a reference is not closed".to_owned());
    }
    if references.iter().any(|name| is_looker_table(name)) {
        return Err("`${TABLE}` is a Looker reference, and Omni does not support it".to_owned());
    }
    Ok((out, references))
}

/// Replaces Omni's infix operators, as in `a OMNI_FX_PLUS b`, with the usual operators, as in `a + b`. Removes
/// `ASYMMETRIC`, the default of `BETWEEN`, which Omni writes but the parser does not support.
pub(super) fn to_plain_sql(sql: &str, dialect: Dialect) -> String {
    replace_tokens(sql, dialect, |tokens, at| {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text(sql));
        let word = text(at);
        if word.eq_ignore_ascii_case("asymmetric") && text(at.wrapping_sub(1)).eq_ignore_ascii_case("between") {
            return Some(String::new());
        }
        let name = word.strip_prefix("OMNI_FX_").filter(|_| text(at + 1) != "(")?;
        let operator = OPERATORS.iter().find(|(operator_name, _)| *operator_name == name);
        operator.map(|(_, sign)| (*sign).to_owned())
    })
}

pub(super) fn parse(sql: &str, dialect: Dialect) -> Result<Expr, String> {
    let invalid = || "the SQL is not a valid expression".to_owned();
    let (query, _) = lineage::parse(&format!("select {sql}\n"), Some(dialect)).map_err(|_| invalid())?;
    let SetExpr::Select(select) = &*query.body else {
        return Err(invalid());
    };
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr)] if select.from.is_empty() && select.selection.is_none() => Ok(expr.clone()),
        _ => Err(invalid()),
    }
}
