//! Lexes names with non-ASCII letters, and cells whose first `$` is before the row. The generated lexer is a third
//! faster because it does not handle these tokens.

use logos::Logos;

use super::faults::SpecialTokenLexer;
use super::{Lexed, Token};
use crate::span::Span;

#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
enum NonAsciiNameKind {
    #[regex(r"[\p{XID_Start}_][\p{XID_Continue}]*")]
    Name,
}

impl SpecialTokenLexer<'_> {
    /// Lexes a name, starting from its first non-ASCII character. The characters before it are in the last token.
    #[cold]
    pub(super) fn lex_non_ascii_name(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        let begun = name_before(*span, lexed);
        let start = begun.map_or(span.start, |name| name.start);
        let mut lexer = NonAsciiNameKind::lexer(self.text_after(start));
        let found = lexer.next() == Some(Ok(NonAsciiNameKind::Name));
        let end = start + lexer.span().end as u32;
        if !found || end <= span.start {
            return self.lex_unreadable(span, lexed);
        }
        if begun.is_some() {
            lexed.tokens.pop();
        }
        *span = Span::new(start, end);
        Some(Token::Name)
    }

    /// Lexes a cell `A$1`, starting from its `$`. The column is in the last token.
    #[cold]
    pub(super) fn lex_cell(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        let row = self.text_after(span.end).bytes().take_while(u8::is_ascii_digit).count() as u32;
        let is_column = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
        match name_before(*span, lexed).filter(|name| is_column(name.text(self.source))) {
            Some(column) if row > 0 => {
                lexed.tokens.pop();
                *span = Span::new(column.start, span.end + row);
                Some(Token::Cell)
            }
            _ => self.lex_unreadable(span, lexed),
        }
    }
}

/// Returns the name token that ends at the start of the span.
fn name_before(span: Span, lexed: &Lexed) -> Option<Span> {
    lexed
        .tokens
        .last()
        .filter(|(token, name)| *token == Token::Name && name.end == span.start)
        .map(|(_, name)| *name)
}
