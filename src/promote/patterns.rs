//! Patterns of SQL's `LIKE` as conditions of formulas.

use super::term::Term;
use crate::Type;

enum Piece {
    Text(String),
    Any,
    One,
}

/// `x like 'a%'`: `%` is any run of characters, `_` any one, and what stands behind the escape is itself.
pub(super) fn like(x: Term, pattern: &str, escape: Option<char>, ignore_case: bool) -> Term {
    let pattern = if ignore_case { pattern.to_lowercase() } else { pattern.to_owned() };
    let x = if ignore_case { lower(x) } else { x };
    let pieces = pieces(&pattern, escape);
    match pieces.as_slice() {
        [] => length(x).compared("=", &Term::whole(0)),
        [Piece::Text(text)] => x.compared("=", &Term::quoted(text)),
        [Piece::Any] => x.blank().negated(),
        [Piece::Text(text), Piece::Any] => starts_with(x, text),
        [Piece::Any, Piece::Text(text)] => ends_with(x, text),
        [Piece::Any, Piece::Text(text), Piece::Any] => contains(x, text),
        _ => Term::call("REGEXMATCH", &[x, Term::quoted(&regex(&pieces))]).of_type(Some(Type::Boolean)),
    }
}

pub(super) fn lower(x: Term) -> Term {
    Term::call("LOWER", &[x]).of_type(Some(Type::Text))
}

pub(super) fn length(x: Term) -> Term {
    Term::call("LEN", &[x]).of_type(Some(Type::Integer))
}

pub(super) fn contains(x: Term, text: &str) -> Term {
    Term::call("CONTAINS", &[x, Term::quoted(text)]).of_type(Some(Type::Boolean))
}

pub(super) fn starts_with(x: Term, text: &str) -> Term {
    part("LEFT", x, text)
}

pub(super) fn ends_with(x: Term, text: &str) -> Term {
    part("RIGHT", x, text)
}

fn part(function: &str, x: Term, text: &str) -> Term {
    let count = text.chars().count() as i64;
    Term::call(function, &[x, Term::whole(count)]).compared("=", &Term::quoted(text))
}

fn pieces(pattern: &str, escape: Option<char>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let c = if Some(c) == escape { chars.next() } else { None }.ok_or(c);
        match (c, pieces.last_mut()) {
            (Err('%'), Some(Piece::Any)) => {}
            (Err('%'), _) => pieces.push(Piece::Any),
            (Err('_'), _) => pieces.push(Piece::One),
            (Ok(c) | Err(c), Some(Piece::Text(text))) => text.push(c),
            (Ok(c) | Err(c), _) => pieces.push(Piece::Text(c.to_string())),
        }
    }
    pieces
}

/// A point leaves out the ends of lines, which `LIKE` does not.
fn regex(pieces: &[Piece]) -> String {
    let mut out = "^".to_owned();
    for piece in pieces {
        match piece {
            Piece::Any => out.push_str("(.|\\s)*"),
            Piece::One => out.push_str("(.|\\s)"),
            Piece::Text(text) => {
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
    fn patterns_as_conditions() {
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
            assert_eq!(like(Term::atom("x"), pattern, Some('\\'), false).text, expected, "{pattern}");
        }
        assert_eq!(like(Term::atom("x"), "Ab%", Some('\\'), true).text, "LEFT(LOWER(x), 2) = \"ab\"");
    }
}
