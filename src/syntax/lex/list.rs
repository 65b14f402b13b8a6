//! Lists of formulas in one string.

use super::{Token, lex};

/// Splits a comma-separated list. Commas inside brackets, strings and references are part of an entry. Empty entries
/// are omitted.
///
/// ```
/// use formulac_syntax::lex::split_list;
/// let entries = split_list("month, IF(amount > 40, \"a, b\", \"c\"), ${orders.Net, Gross}");
/// assert_eq!(entries, ["month", "IF(amount > 40, \"a, b\", \"c\")", "${orders.Net, Gross}"]);
/// ```
#[doc(hidden)]
pub fn split_list(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut entries = Vec::new();
    for (token, span) in lex(text, &mut Vec::new()).tokens {
        match token {
            Token::Open | Token::OpenSquare | Token::OpenBrace => depth += 1,
            Token::Close | Token::CloseSquare | Token::CloseBrace => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                entries.extend(text.get(start..span.start as usize));
                start = span.end as usize;
            }
            _ => {}
        }
    }
    entries.extend(text.get(start..));
    entries
        .iter()
        .map(|entry| entry.trim())
        .filter(|entry| !entry.is_empty())
        .collect()
}
