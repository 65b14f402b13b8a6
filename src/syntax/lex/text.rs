//! Converts text literals to values, and values to text literals.

use std::borrow::Cow;

/// Returns the value of a text literal that includes its quotes. `""` inside the literal represents one quote.
///
/// ```
/// assert_eq!(formulac_syntax::lex::unquote(r#""say ""hi""""#), r#"say "hi""#);
/// ```
#[must_use]
pub fn unquote(literal: &str) -> Cow<'_, str> {
    // Search for a quote before copying, because most literals contain no inner quotes.
    if let Some(inner) = literal.strip_prefix('"') {
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        let quotes = inner.bytes().any(|b| b == b'"');
        return if quotes {
            Cow::Owned(inner.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(inner)
        };
    }
    let curly = super::special_tokens::is_curly_quote;
    if literal.starts_with(curly) {
        return Cow::Borrowed(
            literal
                .trim_start_matches(curly)
                .trim_end_matches(|c| curly(c) || matches!(c, '"' | '\'')),
        );
    }
    if let Some(inner) = literal.strip_prefix('\'') {
        return Cow::Owned(inner.strip_suffix('\'').unwrap_or(inner).replace("''", "'"));
    }
    let inner = literal.strip_suffix('"').unwrap_or(literal);
    Cow::Owned(inner.replace("\"\"", "\""))
}

/// Converts a value to a text literal.
///
/// ```
/// assert_eq!(formulac_syntax::lex::quote(r#"say "hi""#), r#""say ""hi""""#);
/// ```
#[must_use]
pub fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

/// Converts text in single quotes to text in double quotes. Other text stays the same.
///
/// ```
/// assert_eq!(formulac_syntax::lex::with_double_quotes("'it''s'"), "\"it's\"");
/// assert_eq!(formulac_syntax::lex::with_double_quotes("amount"), "amount");
/// ```
#[must_use]
pub fn with_double_quotes(text: &str) -> String {
    match text.len() > 1 && text.starts_with('\'') && text.ends_with('\'') {
        true => quote(&unquote(text)),
        false => text.to_owned(),
    }
}
