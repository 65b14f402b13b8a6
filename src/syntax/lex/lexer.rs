//! Source text to tokens. Faults are recorded and the lexer goes on.

use logos::Logos;

use super::Token;
use super::faults::{Faults, single_quote, unexpected};
use crate::diag::Diagnostic;
use crate::span::Span;

/// Tokens with their places.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// Each token and the bytes it covers.
    pub tokens: Vec<(Token, Span)>,
    /// Where texts begin that were never closed, in order: they may hold brackets that were meant as such.
    pub swallowed: Vec<u32>,
}

/// So many tokens are not kept for the next text.
const MANY: usize = 500_000;

impl Lexed {
    /// Gives back the memory of very many tokens.
    pub fn give_back(&mut self) {
        if self.tokens.capacity() > MANY {
            *self = Self::default();
        }
    }
}

/// Splits a source into tokens. The source is at most `u32::MAX` bytes long; the caller has checked its limit.
pub fn lex(source: &str, diagnostics: &mut Vec<Diagnostic>) -> Lexed {
    let mut lexed = Lexed::default();
    lex_part(source, Span::new(0, source.len() as u32), &mut lexed, diagnostics);
    lexed
}

/// Splits one part of a source into tokens; their spans are of the whole source. What was there before is dropped.
pub fn lex_part(whole: &str, part: Span, lexed: &mut Lexed, diagnostics: &mut Vec<Diagnostic>) {
    let before = diagnostics.len();
    let swallows = pass(whole, part, u32::MAX, lexed, diagnostics);
    if swallows != u32::MAX {
        // With the text that has eaten definitions ended at its line, all of the part is read once more.
        diagnostics.truncate(before);
        pass(whole, part, swallows, lexed, diagnostics);
    }
}

/// A NUL in a text or reference, which no warehouse takes and most drop in silence.
#[cold]
fn nul_inside(source: &str, lexed: &Lexed, diagnostics: &mut Vec<Diagnostic>) {
    for (_, span) in lexed.tokens.iter().filter(|(token, _)| *token != Token::Fault) {
        if let Some(at) = span.text(source).find('\0') {
            let at = span.start + at as u32;
            unexpected(source, Span::new(at, at + 1), diagnostics);
        }
    }
}

/// The tokens, the text that begins at `cut` ending at its line; and where a text begins that is better cut so.
fn pass(whole: &str, part: Span, cut: u32, lexed: &mut Lexed, diagnostics: &mut Vec<Diagnostic>) -> u32 {
    let source = whole.get(..part.end as usize).unwrap_or_default();
    lexed.tokens.clear();
    lexed.swallowed.clear();
    lexed.tokens.reserve((part.end - part.start) as usize / 4 + 4);
    let mut faults = Faults {
        source,
        diagnostics,
        odd: None,
        backslash: None,
        even: u32::MAX,
        open_line: 0,
        open_comment: u32::MAX,
        cut,
        swallows: u32::MAX,
        looked: false,
    };
    let mut nul = false;
    let mut lexer = Token::lexer(source);
    lexer.bump(part.start as usize);
    while let Some(token) = lexer.next() {
        let range = lexer.span();
        let mut span = Span::new(range.start as u32, range.end as u32);
        let token = match token {
            Ok(token) if token.is_plain() => {
                lexed.tokens.push((token, span));
                continue;
            }
            Ok(Token::UnclosedText) => faults.text(&mut span, lexed),
            Ok(Token::UnclosedModel) => faults.model(&mut span),
            Ok(Token::CurlyQuote) => faults.curly_text(&mut span, lexed),
            Ok(Token::UnclosedTab) => {
                single_quote(span, faults.diagnostics);
                lexed.swallowed.push(span.start);
                Some(Token::Text)
            }
            Ok(Token::NonAscii) => faults.wide_name(&mut span, lexed),
            Ok(Token::Dollar) => faults.cell(&mut span, lexed),
            Ok(Token::Backtick) => faults.backticks(span),
            Ok(Token::DoubleMinus) if !faults.line_comment(&mut span, true) => {
                lexed.tokens.push((Token::Minus, Span::new(span.start, span.start + 1)));
                span.start += 1;
                Some(Token::Minus)
            }
            Ok(Token::Hash) if !faults.line_comment(&mut span, false) => Some(Token::Hash),
            Ok(Token::DoubleMinus | Token::Hash) => None,
            Ok(Token::BlockComment) => faults.block_comment(&mut span),
            Ok(token) => Some(token),
            Err(()) => faults.unreadable(&mut span, lexed),
        };
        nul |= span.text(source).as_bytes().contains(&0);
        lexer.bump(span.end as usize - range.end);
        lexed.tokens.extend(token.map(|token| (token, span)));
    }
    faults.flush();
    let swallows = faults.swallows;
    if nul {
        nul_inside(source, lexed, diagnostics);
    }
    swallows
}

/// Where the first text begins that goes over several lines and holds what looks like a definition. When a later text
/// is not closed, it is this one whose quote is missing: with it, what stood outside of texts stands inside of them.
#[cold]
pub(super) fn swallows(source: &str, lexed: &Lexed) -> u32 {
    let defines = |line: &str| {
        let line = line.trim_start();
        let name = line.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(line.len());
        let after = line.get(name..).unwrap_or_default().trim_start();
        name > 0 && after.starts_with('=') && !after.starts_with("==")
    };
    let texts = lexed.tokens.iter().filter(|(token, _)| *token == Token::Text).map(|(_, span)| *span);
    let mut texts = texts.filter(|span| span.text(source).split('\n').skip(1).any(defines));
    texts.next().map_or(u32::MAX, |span| span.start)
}
