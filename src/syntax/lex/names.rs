//! What the tokens' automaton leaves out, being a third faster without: names with letters that are not of ASCII, and
//! cells whose first `$` stands before the row.

use logos::Logos;

use super::faults::Faults;
use super::{Lexed, Token};
use crate::span::Span;

#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
enum Wide {
    #[regex(r"[\p{XID_Start}_][\p{XID_Continue}]*")]
    Name,
}

impl Faults<'_> {
    /// A name from its first character that is not of ASCII; those before it make the last token.
    #[cold]
    pub(super) fn wide_name(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        let begun = name_before(*span, lexed);
        let start = begun.map_or(span.start, |name| name.start);
        let mut lexer = Wide::lexer(self.after(start));
        let found = lexer.next() == Some(Ok(Wide::Name));
        let end = start + lexer.span().end as u32;
        if !found || end <= span.start {
            return self.unreadable(span, lexed);
        }
        if begun.is_some() {
            lexed.tokens.pop();
        }
        *span = Span::new(start, end);
        Some(Token::Name)
    }

    /// `A$1` from its `$`, the column being the last token.
    #[cold]
    pub(super) fn cell(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        let row = self.after(span.end).bytes().take_while(u8::is_ascii_digit).count() as u32;
        let is_column = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
        match name_before(*span, lexed).filter(|name| is_column(name.text(self.source))) {
            Some(column) if row > 0 => {
                lexed.tokens.pop();
                *span = Span::new(column.start, span.end + row);
                Some(Token::Cell)
            }
            _ => self.unreadable(span, lexed),
        }
    }
}

/// The name that ends where this begins.
fn name_before(span: Span, lexed: &Lexed) -> Option<Span> {
    lexed.tokens.last().filter(|(token, name)| *token == Token::Name && name.end == span.start).map(|(_, name)| *name)
}
