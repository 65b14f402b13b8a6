//! Lexer, which splits source text into tokens and continues after errors.

use logos::Logos;

use super::Token;
use super::faults::{SpecialTokenLexer, report_single_quote, report_unexpected};
use super::spreadsheet::is_full_width;
use crate::diag::Diagnostic;
use crate::span::Span;

/// Tokens of a source text.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// Tokens with their spans.
    pub tokens: Vec<(Token, Span)>,
    /// Start positions of unclosed strings, in order. An unclosed string may have absorbed brackets of the formula.
    pub swallowed: Vec<u32>,
}

/// Maximum number of tokens for which the memory is kept for the next text.
const MAX_KEPT_TOKENS: usize = 500_000;

impl Lexed {
    /// Frees the memory if it is sufficient for a very large number of tokens.
    pub fn free_large_buffers(&mut self) {
        if self.tokens.capacity() > MAX_KEPT_TOKENS {
            *self = Self::default();
        }
    }
}

/// Splits a source into tokens. The caller must ensure that the source is not longer than `u32::MAX` bytes.
pub fn lex(source: &str, diagnostics: &mut Vec<Diagnostic>) -> Lexed {
    let mut lexed = Lexed::default();
    lex_part(source, Span::new(0, source.len() as u32), &mut lexed, diagnostics);
    lexed
}

/// Clears `lexed`, then splits one part of a source into tokens whose spans refer to the whole source.
pub fn lex_part(whole: &str, part: Span, lexed: &mut Lexed, diagnostics: &mut Vec<Diagnostic>) {
    let before = diagnostics.len();
    let swallows = lex_pass(whole, part, u32::MAX, lexed, diagnostics);
    if swallows != u32::MAX {
        // Lex the part again. This time, the unclosed string ends at the end of its line, so it does not absorb the
        // definitions that follow.
        diagnostics.truncate(before);
        lex_pass(whole, part, swallows, lexed, diagnostics);
    }
}

/// Reports NUL characters in strings and references. No warehouse accepts NUL, and most drop it silently.
#[cold]
fn report_nul_characters(source: &str, lexed: &Lexed, diagnostics: &mut Vec<Diagnostic>) {
    for (_, span) in lexed.tokens.iter().filter(|(token, _)| *token != Token::Fault) {
        if let Some(at) = span.text(source).find('\0') {
            let at = span.start + at as u32;
            report_unexpected(source, Span::new(at, at + 1), diagnostics);
        }
    }
}

/// Lexes the part. The string that starts at `cut` ends at the end of its line. Returns the start of the next string
/// that must be cut in the same way.
fn lex_pass(whole: &str, part: Span, cut: u32, lexed: &mut Lexed, diagnostics: &mut Vec<Diagnostic>) -> u32 {
    let source = whole.get(..part.end as usize).unwrap_or_default();
    lexed.tokens.clear();
    lexed.swallowed.clear();
    lexed.tokens.reserve((part.end - part.start) as usize / 4 + 4);
    let mut faults = SpecialTokenLexer {
        source,
        diagnostics,
        unexpected_run: None,
        backslash: None,
        even: u32::MAX,
        open_line: 0,
        open_comment: u32::MAX,
        cut,
        swallowing_text: u32::MAX,
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
            Ok(Token::UnclosedText) => faults.lex_text(&mut span, lexed),
            Ok(Token::UnclosedModel) => faults.lex_model_reference(&mut span),
            Ok(Token::CurlyQuote) => faults.report_curly_quotes(&mut span, lexed),
            Ok(Token::UnclosedTab) => {
                report_single_quote(span, faults.diagnostics);
                lexed.swallowed.push(span.start);
                Some(Token::Text)
            }
            Ok(Token::NonAscii) if is_full_width(span.text(source)) => faults.report_full_width(&mut span),
            Ok(Token::NonAscii) => faults.lex_non_ascii_name(&mut span, lexed),
            Ok(Token::Dollar) => faults.lex_cell(&mut span, lexed),
            Ok(Token::Backtick) => faults.report_backticks(span),
            Ok(Token::DoubleMinus) if !faults.report_line_comment(&mut span, true) => {
                lexed.tokens.push((Token::Minus, Span::new(span.start, span.start + 1)));
                span.start += 1;
                Some(Token::Minus)
            }
            Ok(Token::Hash) if faults.report_error_value(&mut span) => Some(Token::Fault),
            Ok(Token::Hash) if !faults.report_line_comment(&mut span, false) => Some(Token::Hash),
            Ok(Token::DoubleMinus | Token::Hash) => None,
            Ok(Token::BlockComment) => faults.report_block_comment(&mut span),
            Ok(token) => Some(token),
            Err(()) if faults.report_table_reference(&mut span, lexed) => Some(Token::Fault),
            Err(()) => faults.lex_unreadable(&mut span, lexed),
        };
        nul |= span.text(source).as_bytes().contains(&0);
        lexer.bump(span.end as usize - range.end);
        lexed.tokens.extend(token.map(|token| (token, span)));
    }
    faults.report_pending_run();
    let swallows = faults.swallowing_text;
    if nul {
        report_nul_characters(source, lexed, diagnostics);
    }
    swallows
}

/// Returns the start of the first multi-line string whose text looks like a definition. If a later string is unclosed,
/// this string's closing quote is missing, because a missing quote swaps the inside and outside of all later strings.
#[cold]
pub(super) fn swallowing_text(source: &str, lexed: &Lexed) -> u32 {
    let defines = |line: &str| {
        let line = line.trim_start();
        let name = line
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(line.len());
        let after = line.get(name..).unwrap_or_default().trim_start();
        name > 0 && after.starts_with('=') && !after.starts_with("==")
    };
    let texts = lexed
        .tokens
        .iter()
        .filter(|(token, _)| *token == Token::Text)
        .map(|(_, span)| *span);
    let mut texts = texts.filter(|span| span.text(source).split('\n').skip(1).any(defines));
    texts.next().map_or(u32::MAX, |span| span.start)
}
