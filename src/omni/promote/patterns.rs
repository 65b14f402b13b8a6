//! Converts SQL `LIKE` patterns to conditions in formulas.

use super::term::FormulaTerm;
use crate::Type;

enum LikeToken {
    Text(String),
    Any,
    One,
}

/// Converts a comparison such as `x like 'a%'`. `%` matches any text, `_` matches one character, and the escape
/// character marks the next character as literal.
pub(super) fn like_pattern(x: FormulaTerm, pattern: &str, escape: Option<char>, ignore_case: bool) -> FormulaTerm {
    let pattern = if ignore_case {
        pattern.to_lowercase()
    } else {
        pattern.to_owned()
    };
    let x = if ignore_case { lower_term(x) } else { x };
    let pieces = split_pattern(&pattern, escape);
    match pieces.as_slice() {
        [] => length_term(x).compare_with("=", &FormulaTerm::integer(0)),
        [LikeToken::Text(text)] => x.compare_with("=", &FormulaTerm::string_literal(text)),
        [LikeToken::Any] => x.isblank_call().negate(),
        [LikeToken::Text(text), LikeToken::Any] => starts_with(x, text),
        [LikeToken::Any, LikeToken::Text(text)] => ends_with(x, text),
        [LikeToken::Any, LikeToken::Text(text), LikeToken::Any] => contains(x, text),
        _ => FormulaTerm::call("REGEXMATCH", &[x, FormulaTerm::string_literal(&to_regex(&pieces))])
            .with_type(Some(Type::Boolean)),
    }
}

pub(super) fn lower_term(x: FormulaTerm) -> FormulaTerm {
    FormulaTerm::call("LOWER", &[x]).with_type(Some(Type::Text))
}

pub(super) fn length_term(x: FormulaTerm) -> FormulaTerm {
    FormulaTerm::call("LEN", &[x]).with_type(Some(Type::Integer))
}

pub(super) fn contains(x: FormulaTerm, text: &str) -> FormulaTerm {
    FormulaTerm::call("CONTAINS", &[x, FormulaTerm::string_literal(text)]).with_type(Some(Type::Boolean))
}

pub(super) fn starts_with(x: FormulaTerm, text: &str) -> FormulaTerm {
    text_match_condition("LEFT", x, text)
}

pub(super) fn ends_with(x: FormulaTerm, text: &str) -> FormulaTerm {
    text_match_condition("RIGHT", x, text)
}

fn text_match_condition(function: &str, x: FormulaTerm, text: &str) -> FormulaTerm {
    let count = text.chars().count() as i64;
    FormulaTerm::call(function, &[x, FormulaTerm::integer(count)]).compare_with("=", &FormulaTerm::string_literal(text))
}

fn split_pattern(pattern: &str, escape: Option<char>) -> Vec<LikeToken> {
    let mut pieces: Vec<LikeToken> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let c = if Some(c) == escape { chars.next() } else { None }.ok_or(c);
        match (c, pieces.last_mut()) {
            (Err('%'), Some(LikeToken::Any)) => {}
            (Err('%'), _) => pieces.push(LikeToken::Any),
            (Err('_'), _) => pieces.push(LikeToken::One),
            (Ok(c) | Err(c), Some(LikeToken::Text(text))) => text.push(c),
            (Ok(c) | Err(c), _) => pieces.push(LikeToken::Text(c.to_string())),
        }
    }
    pieces
}

/// Returns the pattern as a regular expression. The expression combines `.` with `\s`, because `.` alone does not match
/// line breaks, but `LIKE` wildcards do.
fn to_regex(pieces: &[LikeToken]) -> String {
    let mut out = "^".to_owned();
    for piece in pieces {
        match piece {
            LikeToken::Any => out.push_str("(.|\\s)*"),
            LikeToken::One => out.push_str("(.|\\s)"),
            LikeToken::Text(text) => {
                for c in text.chars() {
                    if c.is_ascii_punctuation() {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
    }
    out.push('$');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_conditions() {
        for (pattern, expected) in [
            ("abc", "x = \"abc\""),
            ("ab%", "LEFT(x, 2) = \"ab\""),
            ("%é\"", "RIGHT(x, 2) = \"é\"\"\""),
            ("%%a%", "CONTAINS(x, \"a\")"),
            ("%", "NOT(ISBLANK(x))"),
            ("", "LEN(x) = 0"),
            ("50\\%", "x = \"50%\""),
            ("a_c", "REGEXMATCH(x, \"^a(.|\\s)c$\")"),
            ("a%b.c", "REGEXMATCH(x, \"^a(.|\\s)*b\\.c$\")"),
        ] {
            assert_eq!(
                like_pattern(FormulaTerm::atom("x"), pattern, Some('\\'), false).text,
                expected,
                "{pattern}"
            );
        }
        assert_eq!(
            like_pattern(FormulaTerm::atom("x"), "Ab%", Some('\\'), true).text,
            "LEFT(LOWER(x), 2) = \"ab\""
        );
    }
}
