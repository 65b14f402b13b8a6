//! Lexer, which splits source text into tokens and continues after errors.

use logos::Logos;

use super::Token;
use super::special_tokens::{SpecialTokenLexer, report_single_quote, report_unexpected_characters};
use super::spreadsheet::is_full_width;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::text::is_word_char;

/// Tokens of source text.
#[derive(Clone, Debug, Default)]
pub struct LexedSource {
    /// Tokens with their spans.
    pub tokens: Vec<(Token, Span)>,
    /// Start positions of unclosed strings, in order. An unclosed string may have absorbed brackets of the formula.
    pub unclosed_string_starts: Vec<u32>,
}

/// Maximum number of tokens for which the memory is kept for the next text.
const MAX_RETAINED_TOKENS: usize = 500_000;

impl LexedSource {
    /// Frees the memory if it has space for more than `MAX_RETAINED_TOKENS` tokens.
    pub fn free_large_buffers(&mut self) {
        if self.tokens.capacity() > MAX_RETAINED_TOKENS {
            *self = Self::default();
        }
    }
}

/// Splits a source into tokens. The caller must ensure that the source is not longer than `u32::MAX` bytes.
pub fn lex(source: &str, diagnostics: &mut Vec<Diagnostic>) -> LexedSource {
    let mut lexed = LexedSource::default();
    lex_part(source, Span::new(0, source.len() as u32), &mut lexed, diagnostics);
    lexed
}

/// Clears `lexed`, then splits one part of a source into tokens whose spans refer to the whole source.
pub fn lex_part(whole: &str, part: Span, lexed: &mut LexedSource, diagnostics: &mut Vec<Diagnostic>) {
    let before = diagnostics.len();
    if lex_pass(whole, part, false, lexed, diagnostics) {
        // Lex the part again. This time, a string that contains a definition ends at the end of its line.
        diagnostics.truncate(before);
        lex_pass(whole, part, true, lexed, diagnostics);
    }
}

/// Reports NUL characters in strings and references. No warehouse accepts NUL, and most drop it silently.
#[cold]
fn report_nul_characters(source: &str, lexed: &LexedSource, diagnostics: &mut Vec<Diagnostic>) {
    for (_, span) in lexed.tokens.iter().filter(|(token, _)| *token != Token::Fault) {
        if let Some(at) = span.text(source).find('\0') {
            let at = span.start + at as u32;
            report_unexpected_characters(source, Span::new(at, at + 1), diagnostics);
        }
    }
}

/// Lexes the part. If `splits_strings` is set, every string that contains a line such as `name = …` ends at the end of
/// its line. Returns whether a closing quote is missing, so that the part must be lexed again in this way.
fn lex_pass(
    whole: &str,
    part: Span,
    splits_strings: bool,
    lexed: &mut LexedSource,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let source = whole.get(..part.end as usize).unwrap_or_default();
    lexed.tokens.clear();
    lexed.unclosed_string_starts.clear();
    lexed.tokens.reserve((part.end - part.start) as usize / 4 + 4);
    let mut faults = SpecialTokenLexer {
        source,
        diagnostics,
        unexpected_run: None,
        backslash: None,
        no_string_end_after: u32::MAX,
        no_brace_before: 0,
        no_comment_end_after: u32::MAX,
        splits_strings,
        has_odd_quote: false,
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
                faults.has_odd_quote = true;
                report_single_quote(span, faults.diagnostics);
                lexed.unclosed_string_starts.push(span.start);
                Some(Token::Text)
            }
            Ok(Token::NonAscii) if is_full_width(span.text(source)) => faults.report_full_width(&mut span),
            Ok(Token::NonAscii) => faults.lex_non_ascii_name(&mut span, lexed),
            Ok(Token::Dollar) => faults.lex_cell(&mut span, lexed),
            Ok(Token::NumberWithApostrophes) => faults.report_apostrophes(span),
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
            Err(()) => faults.lex_invalid_text(&mut span, lexed),
        };
        nul |= span.text(source).as_bytes().contains(&0);
        lexer.bump(span.end as usize - range.end);
        lexed.tokens.extend(token.map(|token| (token, span)));
    }
    faults.report_pending_characters();
    let has_odd_quote = faults.has_odd_quote;
    if nul {
        report_nul_characters(source, lexed, diagnostics);
    }
    has_odd_quote && !splits_strings && has_definition_in_string(source, lexed)
}

/// Returns whether a string contains a line that looks like a definition. If a quote is also in a wrong position, the
/// string's closing quote is missing, because a missing quote swaps the inside and outside of all later strings.
#[cold]
fn has_definition_in_string(source: &str, lexed: &LexedSource) -> bool {
    let mut strings = lexed.tokens.iter().filter(|(token, _)| *token == Token::Text);
    strings.any(|(_, span)| contains_definition(span.text(source)))
}

/// Returns whether a line of the text, except for the first line, looks like a definition.
pub(super) fn contains_definition(text: &str) -> bool {
    let defines = |line: &str| {
        let line = line.trim_start();
        let name = line.find(|c| !is_word_char(c)).unwrap_or(line.len());
        let after = line.get(name..).unwrap_or_default().trim_start();
        name > 0 && after.starts_with('=') && !after.starts_with("==")
    };
    text.split('\n').skip(1).any(defines)
}
