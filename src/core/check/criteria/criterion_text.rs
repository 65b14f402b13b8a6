//! Text of criteria, such as `">5"` and `"a*"`: their operators, values and wildcards.

use super::wildcards::{WildcardChar, wildcard_chars};
use crate::Type;
use crate::ast::BinaryOp;
use crate::check::lower::operators::divide_by_100;

/// Parsed criterion text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) struct Criterion<'t> {
    pub op: BinaryOp,
    pub value: &'t str,
}

pub(in crate::check) fn parse_criterion(text: &str) -> Criterion<'_> {
    let operators = [
        ("<>", BinaryOp::NotEqual),
        ("<=", BinaryOp::LessEqual),
        (">=", BinaryOp::GreaterEqual),
        ("<", BinaryOp::Less),
        (">", BinaryOp::Greater),
        ("=", BinaryOp::Equal),
    ];
    for (symbol, op) in operators {
        if let Some(value) = text.strip_prefix(symbol) {
            return Criterion { op, value };
        }
    }
    Criterion {
        op: BinaryOp::Equal,
        value: text,
    }
}

pub(in crate::check) fn is_number(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Returns the number in a criterion for a column of numbers, such as `5` or `25%`.
pub(in crate::check) fn criterion_number(text: &str) -> Option<String> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    match plain.strip_suffix('%') {
        Some(percent) if is_number(percent) => divide_by_100(percent),
        Some(_) => None,
        None => is_number(text).then(|| plain.to_owned()),
    }
}

/// Returns the column type that a criterion text requires. `None` if the text allows any type.
pub(in crate::check) fn criterion_value_type(text: &str) -> Option<Type> {
    let value = parse_criterion(text).value;
    let trimmed = value.trim();
    let is_literal = trimmed.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if value.is_empty() {
        None
    } else if is_literal && criterion_number(trimmed).is_some() {
        Some(Type::Number)
    } else if is_literal && crate::check::dates::is_iso_date(trimmed) {
        Some(Type::Date)
    } else if is_literal && crate::check::dates::normalize_iso_timestamp(trimmed).is_some() {
        Some(Type::Timestamp)
    } else if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        Some(Type::Boolean)
    } else {
        Some(Type::Text)
    }
}

/// Converts a string with wildcards (`*`, `?`, `~`) to a LIKE pattern. Returns the pattern (`None` without wildcards),
/// the plain text, and whether the pattern needs an escape character.
pub(in crate::check) fn like_pattern(text: &str) -> (Option<String>, String, bool) {
    let (mut like, mut plain) = (String::new(), String::new());
    let (mut wild, mut escaped) = (false, false);
    for character in wildcard_chars(text) {
        wild |= !matches!(character, WildcardChar::Plain(_));
        match character {
            WildcardChar::Any => like.push('%'),
            WildcardChar::One => like.push('_'),
            WildcardChar::Plain(c) => {
                plain.push(c);
                if matches!(c, '%' | '_' | '\\') {
                    like.push('\\');
                    escaped = true;
                }
                like.push(c);
            }
        }
    }
    (wild.then_some(like), plain, escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_parsed() {
        for (text, op, value) in [
            (">5", BinaryOp::Greater, "5"),
            ("<>x", BinaryOp::NotEqual, "x"),
            ("=", BinaryOp::Equal, ""),
            ("", BinaryOp::Equal, ""),
            ("open", BinaryOp::Equal, "open"),
            ("=>", BinaryOp::Equal, ">"),
        ] {
            assert_eq!(parse_criterion(text), Criterion { op, value });
        }
    }

    #[test]
    fn wildcards_become_patterns() {
        assert_eq!(like_pattern("o*n?"), (Some("o%n_".into()), "on".into(), false));
        assert_eq!(like_pattern("100%*"), (Some("100\\%%".into()), "100%".into(), true));
        assert_eq!(like_pattern("what~?"), (None, "what?".into(), false));
        assert_eq!(like_pattern("~"), (None, "~".into(), false));
    }
}
