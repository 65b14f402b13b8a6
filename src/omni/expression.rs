//! Translates SQL expressions from dbt's semantic layer to expressions that refer to Omni fields.

use rustc_hash::FxHashMap;

use super::table::DbtTable;
use crate::dbt::tokens::{SqlToken, SqlTokenKind, replace_tokens, tokens, unquote_token};
use crate::dbt::{JinjaKind, call_arguments, has_jinja, jinja_parts, jinja_string};
use crate::dialect::Dialect;

/// Replaces the table's columns in an expression with field references, as in `${amount} * 2`. `None` if the expression
/// contains Jinja.
pub(super) fn to_omni_expression(expr: &str, table: &DbtTable<'_>, dialect: Dialect) -> Option<String> {
    let expr = expr.trim();
    if has_jinja(expr) || expr.contains("${") {
        return None;
    }
    if let Some(field) = table.field(expr) {
        return Some(format!("${{{}}}", field.name));
    }
    Some(rewrite_names(expr, dialect, |name| {
        Some(format!("${{{}}}", table.field(name)?.name))
    }))
}

/// Replaces the names in an expression that are keys of `names`.
pub(super) fn replace_names(expr: &str, names: &FxHashMap<&str, &str>, dialect: Dialect) -> String {
    rewrite_names(expr, dialect, |name| names.get(name).map(|text| (*text).to_owned()))
}

/// Replaces unquoted and quoted names, except function names and the parts of qualified names.
fn rewrite_names(expr: &str, dialect: Dialect, replacement: impl Fn(&str) -> Option<String>) -> String {
    replace_tokens(expr, dialect, |tokens, index| {
        let token = tokens.get(index)?;
        let text = |token: Option<&SqlToken>| token.map_or("", |token| token.text(expr));
        let before = tokens.get(..index)?.last();
        // A name may begin with digits in some dialects.
        let ends_number =
            before.is_some_and(|sql_token| sql_token.kind == SqlTokenKind::Number && sql_token.end == token.start);
        if text(before) == "." || ends_number || matches!(text(tokens.get(index + 1)), "." | "(") {
            return None;
        }
        match token.kind {
            SqlTokenKind::Word => replacement(token.text(expr)),
            SqlTokenKind::Quoted => replacement(&unquote_token(token.text(expr), dialect)?),
            _ => None,
        }
    })
}

/// Splits `{{ Dimension('order__status') }} = 'paid'` into the name of the dimension and the rest of the filter.
pub(super) fn split_dimension_filter(template: &str) -> Option<(&str, &str)> {
    let template = template.trim();
    let call = jinja_parts(template).next()?;
    let rest = template
        .get(call.end..)
        .filter(|_| call.kind == JinjaKind::Expression)?;
    let name = jinja_string(call_arguments(call.code, "Dimension")?)?;
    let name = name.rsplit_once("__").map_or(name, |(_, name)| name);
    (!has_jinja(rest)).then_some((name, rest.trim()))
}

/// Converts a comparison with literals to an operator and values of an Omni filter.
pub(super) fn parse_filter_condition(text: &str, dialect: Dialect) -> Option<(&'static str, Vec<String>)> {
    let sql_tokens = tokens(text, dialect);
    let keys: Vec<_> = sql_tokens.iter().map(|token| token.comparison_key(text)).collect();
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let (operator, begin) = match keys.as_slice() {
        ["=", ..] => ("is", 1),
        ["<>", ..] => ("not", 1),
        ["in", "(", .., ")"] => ("is", 2),
        ["not", "in", "(", .., ")"] => ("not", 3),
        _ => return None,
    };
    let literals = sql_tokens.get(begin..sql_tokens.len() - usize::from(begin > 1))?;
    let literal = |tokens: &[SqlToken]| match tokens {
        [token] if token.kind == SqlTokenKind::Text => unquote_token(token.text(text), dialect),
        [sign @ .., token] if token.kind == SqlTokenKind::Number => match sign {
            [] => Some(token.comparison_key(text).into_owned()),
            [sign] if sign.text(text) == "-" => Some(format!("-{}", token.comparison_key(text))),
            _ => None,
        },
        [token] => Some(token.comparison_key(text).into_owned()).filter(|word| matches!(&**word, "true" | "false")),
        _ => None,
    };
    let is_comma = |token: &SqlToken| begin > 1 && token.text(text) == ",";
    let values = literals.split(is_comma).map(literal).collect::<Option<_>>()?;
    Some((operator, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_replaced() {
        let names = FxHashMap::from_iter([("a", "${x}"), ("b c", "${y}")]);
        for (text, expected) in [
            ("a / nullif(a, 0)", "${x} / nullif(${x}, 0)"),
            ("a(1) + t.a + a.b + 'a' || \"b c\"", "a(1) + t.a + a.b + 'a' || ${y}"),
            ("aa + 1a + 'it''s a'", "aa + 1a + 'it''s a'"),
            ("'open", "'open"),
            ("é + a", "é + ${x}"),
            ("a /* a */ -- a\n, t . a", "${x} /* a */ -- a\n, t . a"),
        ] {
            assert_eq!(replace_names(text, &names, Dialect::default()), expected);
        }
        let in_bigquery = |text: &str| replace_names(text, &names, "bigquery".parse().unwrap());
        assert_eq!(
            in_bigquery(r#""b c" || 'it\'s a' || `b c`"#),
            r#""b c" || 'it\'s a' || ${y}"#
        );
    }

    #[test]
    fn single_dimension_filters_are_parsed() {
        let parse = |text: &'static str| {
            let (name, rest) = split_dimension_filter(text)?;
            let (operator, values) = parse_filter_condition(rest, Dialect::default())?;
            Some(format!("{name} {operator} {}", values.join("|")))
        };
        for (text, expected) in [
            ("{{ Dimension('order__status') }} = 'paid'", Some("status is paid")),
            (
                "{{Dimension('status')}} IN ('a, b', 'it''s')",
                Some("status is a, b|it's"),
            ),
            ("{{ Dimension('order__is_new') }} != true", Some("is_new not true")),
            ("{{ Dimension('o__x') }} not in (1, 2.5)", Some("x not 1|2.5")),
            ("{{ TimeDimension('o__day') }} = '2024-01-01'", None),
            ("{{ Dimension('o__x') }} <> -1.5", Some("x not -1.5")),
            ("{{ Dimension('o__x') }} > 1", None),
            ("{{ Dimension('o__x') }} = inf", None),
            ("{{ Dimension('o__x') }} = (1)", None),
            ("{{ Dimension('o__x') }} in (1", None),
            ("{{ Dimension('o__x') }} in (1 2)", None),
            ("{{ Dimension('o__x') }} in ()", None),
            ("{{ Dimension('o__x') }} in (", None),
            ("{{ Dimension('o__x') }} = 'a' or 1 = 1", None),
            ("{{ Dimension('o__x') }} = {{ Dimension('o__y') }}", None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
    }
}
