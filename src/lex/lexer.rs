//! Source text to tokens. Faults are recorded and the lexer goes on.

use logos::Logos;

use super::Token;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Tokens with their places.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// Each token and the bytes it covers.
    pub tokens: Vec<(Token, Span)>,
}

/// Splits a source into tokens. The source is at most `u32::MAX` bytes long; the caller has checked its limit.
pub fn lex(source: &str, diagnostics: &mut Vec<Diagnostic>) -> Lexed {
    lex_part(source, Span::new(0, source.len() as u32), diagnostics)
}

/// Splits one part of a source into tokens; their spans are of the whole source.
pub(crate) fn lex_part(whole: &str, part: Span, diagnostics: &mut Vec<Diagnostic>) -> Lexed {
    let source = whole.get(..part.end as usize).unwrap_or_default();
    let mut tokens = Vec::with_capacity(part.range().len() / 4 + 4);
    let mut base = part.start as usize;
    let mut odd: Option<Span> = None;
    // The lexer is begun anew only after a fault that makes it read too far.
    'again: while let Some(rest) = source.get(base..).filter(|r| !r.is_empty()) {
        let mut lexer = Token::lexer(rest);
        while let Some(token) = lexer.next() {
            let range = lexer.span();
            let span = Span::new((base + range.start) as u32, (base + range.end) as u32);
            match token {
                Ok(Token::UnclosedText) => {
                    let (token, end) = unclosed_text(source, span, diagnostics);
                    tokens.push((token, Span::new(span.start, end)));
                    base = end as usize;
                    continue 'again;
                }
                Ok(Token::CurlyQuote) => {
                    let (token, end) = curly_text(source, span, diagnostics);
                    tokens.push((token, Span::new(span.start, end)));
                    base = end as usize;
                    continue 'again;
                }
                Ok(Token::UnclosedModel) => {
                    diagnostics.push(
                        Diagnostic::new(Code::UnclosedReference, span, "reference `${` is not closed")
                            .with_label("starts here")
                            .with_help("add `}` after the field's name"),
                    );
                    tokens.push((Token::Model, span));
                }
                Ok(Token::UnclosedTab) => {
                    single_quote(span, diagnostics);
                    tokens.push((Token::Text, span));
                }
                Ok(token) => tokens.push((token, span)),
                Err(()) => match &mut odd {
                    // What stands together is reported together.
                    Some(run) if run.end == span.start => run.end = span.end,
                    _ => {
                        odd.into_iter().for_each(|run| unexpected(source, run, diagnostics));
                        odd = Some(span);
                    }
                },
            }
        }
        break;
    }
    odd.into_iter().for_each(|run| unexpected(source, run, diagnostics));
    Lexed { tokens }
}

/// The text is taken to end at its line, so that the lines below are still read.
#[cold]
fn unclosed_text(source: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> (Token, u32) {
    let text = span.text(source);
    let line = text.find('\n').unwrap_or(text.len());
    let line = text.get(..line).unwrap_or(text).trim_end();
    let end = span.start + line.len() as u32;
    let span = Span::new(span.start, end);
    let shown: String = line.chars().skip(1).take(20).collect();
    let help = if shown.is_empty() { "close it with `\"`".to_owned() } else { format!("add `\"` after `{shown}`") };
    diagnostics.push(
        Diagnostic::new(Code::UnclosedText, span, "text literal is not closed")
            .with_label("starts here")
            .with_help(help)
            .with_fix(Span::new(end, end), "\""),
    );
    (Token::Text, end)
}

/// `“text”` as word processors write it: read as a text up to the closing mark on the same line.
#[cold]
fn curly_text(source: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> (Token, u32) {
    let after = source.get(span.end as usize..).unwrap_or_default();
    let line = after.split('\n').next().unwrap_or_default();
    let closing = line.char_indices().find(|(_, c)| "\u{201c}\u{201d}\u{201e}\u{201f}\u{ab}\u{bb}\"".contains(*c));
    let (inner, end) = match closing {
        Some((at, c)) => (line.get(..at).unwrap_or_default(), span.end + (at + c.len_utf8()) as u32),
        None => (line.trim_end(), span.end + line.trim_end().len() as u32),
    };
    let whole = Span::new(span.start, end);
    let straight = format!("\"{inner}\"");
    diagnostics.push(
        Diagnostic::new(Code::TypographicQuotes, whole, "typographic quotation marks do not make a text")
            .with_help(format!("write `{straight}`"))
            .with_fix(whole, straight),
    );
    (Token::Text, end)
}

#[cold]
fn single_quote(span: Span, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.push(
        Diagnostic::new(Code::SingleQuotes, span, "single quotes enclose the name of a tab, not a text")
            .with_help("write text in double quotes, `\"text\"`"),
    );
}

#[cold]
fn unexpected(source: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) {
    let text = span.text(source);
    let what = match text.chars().next() {
        Some(c) if c.is_control() => format!("control character U+{:04X}", c as u32),
        _ if text.chars().nth(24).is_some() => format!("characters `{}…`", text.chars().take(24).collect::<String>()),
        _ if text.chars().nth(1).is_some() => format!("characters `{text}`"),
        _ => format!("character `{text}`"),
    };
    let help = match text {
        "`" => "names are written without quotes; a name with blanks is written `${view.Net Revenue}`",
        "\\" => "there are no backslash escapes; a quote inside a text is doubled, `\"\"`",
        "|" => "join texts with `&`",
        "@" => "there is no `@` in formulas",
        _ if text.chars().nth(1).is_some() => "remove them",
        _ => "remove it",
    };
    diagnostics.push(Diagnostic::new(Code::UnexpectedCharacter, span, format!("unexpected {what}")).with_help(help));
}
