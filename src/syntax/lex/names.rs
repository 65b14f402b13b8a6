//! Lexes names with non-ASCII letters, and cells whose first `$` is before the row. The generated lexer is a third
//! faster because it does not handle these tokens.

use logos::Logos;

use super::special_tokens::SpecialTokenLexer;
use super::{LexedSource, Token};
use crate::span::Span;

#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
enum NonAsciiNameKind {
    #[regex(r"[\p{XID_Start}_][\p{XID_Continue}]*")]
    Name,
}

/// Returns whether the lexer parses a string as a single name.
///
/// ```
/// use formulac_syntax::lex::is_name;
/// assert_eq!(["année", "1a", "m²", "net revenue", ""].map(is_name), [true, false, false, false, false]);
/// ```
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut lexer = NonAsciiNameKind::lexer(text);
    lexer.next() == Some(Ok(NonAsciiNameKind::Name)) && lexer.remainder().is_empty()
}

/// Returns whether a formula must refer to a column as `${name}`. This is the case if the bare name is not one word, or
/// looks like a constant, a cell or a worksheet's total, so that it would not be parsed as a column.
///
/// ```
/// use formulac_syntax::lex::name_needs_quotes;
/// assert!(["net revenue", "true", "q1", "B2_ROW_TOTAL"].into_iter().all(name_needs_quotes));
/// assert!(!["revenue", "abcd1", "b_total"].into_iter().any(name_needs_quotes));
/// ```
#[must_use]
pub fn name_needs_quotes(name: &str) -> bool {
    let is_constant = ["true", "false", "null"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word));
    let is_total = name.split_once('_').is_some_and(|(cell, total)| {
        cell.starts_with(|c: char| c.is_ascii_uppercase())
            && is_cell_or_column(cell)
            && total.to_ascii_lowercase().ends_with("total")
    });
    !is_name(name) || is_constant || looks_like_cell(name) || is_total
}

/// Returns a name in formula syntax. The name may be qualified with a relation or a metric set.
///
/// ```
/// use formulac_syntax::lex::quote_formula_name;
/// assert_eq!(quote_formula_name("revenue"), "revenue");
/// assert_eq!(quote_formula_name("q1"), "${q1}");
/// assert_eq!(quote_formula_name("orders.q1"), "orders.q1");
/// assert_eq!(quote_formula_name("orders.net revenue"), "${orders.net revenue}");
/// ```
#[must_use]
pub fn quote_formula_name(name: &str) -> String {
    let needs_quotes = match name.contains('.') {
        true => !name.split('.').all(is_name),
        false => name_needs_quotes(name),
    };
    match needs_quotes {
        true => format!("${{{name}}}"),
        false => name.to_owned(),
    }
}

/// Splits the content of `${…}`, or the path of a column, at the dot before the last name. A dot at the start or end,
/// or before a space or a hyphen, is part of a name.
///
/// ```
/// use formulac_syntax::lex::split_qualifier;
/// assert_eq!(split_qualifier("orders.Net Revenue"), (Some("orders"), "Net Revenue"));
/// assert_eq!(split_qualifier("orders.Art.-Nr."), (Some("orders"), "Art.-Nr."));
/// assert_eq!(split_qualifier("Rg. Nr."), (None, "Rg. Nr."));
/// ```
#[must_use]
pub fn split_qualifier(name: &str) -> (Option<&str>, &str) {
    let separates = |(at, _): &(usize, &str)| {
        let after = name.get(at + 1..).unwrap_or_default();
        !name.get(..*at).unwrap_or_default().trim().is_empty()
            && !after.is_empty()
            && !after.starts_with(|c: char| c.is_whitespace() || matches!(c, '.' | '-'))
    };
    let dot = name.rmatch_indices('.').find(separates);
    match dot.and_then(|(at, _)| name.split_at_checked(at)) {
        Some((qualifier, field)) => (Some(qualifier), field.get(1..).unwrap_or_default()),
        None => (None, name),
    }
}

/// Returns whether a name has the form of a worksheet's cell, such as `B2`.
#[must_use]
pub fn looks_like_cell(name: &str) -> bool {
    is_cell_or_column(name) && name.ends_with(|c: char| c.is_ascii_digit())
}

/// Returns whether a string consists of one to three letters, optionally followed by up to seven digits.
fn is_cell_or_column(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = text.get(letters..).unwrap_or_default();
    (1..=3).contains(&letters) && digits.len() <= 7 && digits.bytes().all(|b| b.is_ascii_digit())
}

impl SpecialTokenLexer<'_> {
    /// Lexes a name, starting from its first non-ASCII character. The characters before it are in the last token.
    #[cold]
    pub(super) fn lex_non_ascii_name(&mut self, span: &mut Span, lexed: &mut LexedSource) -> Option<Token> {
        let begun = name_before(*span, lexed);
        let start = begun.map_or(span.start, |name| name.start);
        let mut lexer = NonAsciiNameKind::lexer(self.text_after(start));
        let found = lexer.next() == Some(Ok(NonAsciiNameKind::Name));
        let end = start + lexer.span().end as u32;
        if !found || end <= span.start {
            return self.lex_invalid_text(span, lexed);
        }
        if begun.is_some() {
            lexed.tokens.pop();
        }
        *span = Span::new(start, end);
        Some(Token::Name)
    }

    /// Lexes a cell `A$1`, starting from its `$`. The column is in the last token.
    #[cold]
    pub(super) fn lex_cell(&mut self, span: &mut Span, lexed: &mut LexedSource) -> Option<Token> {
        let row = self.text_after(span.end).bytes().take_while(u8::is_ascii_digit).count() as u32;
        let is_column = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
        match name_before(*span, lexed).filter(|name| is_column(name.text(self.source))) {
            Some(column) if row > 0 => {
                lexed.tokens.pop();
                *span = Span::new(column.start, span.end + row);
                Some(Token::Cell)
            }
            _ => self.lex_invalid_text(span, lexed),
        }
    }
}

/// Returns the name token that ends at the start of the span.
fn name_before(span: Span, lexed: &LexedSource) -> Option<Span> {
    lexed
        .tokens
        .last()
        .filter(|(token, name)| *token == Token::Name && name.end == span.start)
        .map(|(_, name)| *name)
}
