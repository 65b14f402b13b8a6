//! Handles tokens that the lexer must examine again: strings, references, comments, and characters that cannot occur in
//! a formula.

use super::lexer::contains_definition;
use super::names::{is_name, quote_formula_name};
use super::{LexedSource, Token};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::text::is_word_char;

/// Invisible characters, which are reported by their character codes.
const INVISIBLE_CHARACTERS: [char; 6] = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}'];

/// Quotation marks that word processors and keyboards insert in place of `'`.
const SINGLE_CURLY_QUOTES: [char; 6] = ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{b4}', '\u{2032}'];
/// Quotation marks that word processors insert in place of `"`.
const DOUBLE_CURLY_QUOTES: [char; 7] = [
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{ab}', '\u{bb}', '\u{2033}',
];

pub(super) fn is_curly_quote(c: char) -> bool {
    SINGLE_CURLY_QUOTES.contains(&c) || DOUBLE_CURLY_QUOTES.contains(&c)
}

/// Lexer state other than the tokens. With this state, the lexer searches for each error only once.
pub(super) struct SpecialTokenLexer<'a> {
    pub source: &'a str,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    /// Adjacent unexpected characters, which are reported together.
    pub unexpected_run: Option<Span>,
    /// Index of the last string that ends with a backslash.
    pub backslash: Option<usize>,
    /// Position after which all runs of quotes have an even length, so that no string can end there.
    pub no_string_end_after: u32,
    /// Position before which the line contains no `}`.
    pub no_brace_before: u32,
    /// Position after which there is no `*/`.
    pub no_comment_end_after: u32,
    /// `true` if a string that contains a definition ends at the end of its line.
    pub splits_strings: bool,
    /// `true` if a quote is in a position where no string begins or ends.
    pub has_odd_quote: bool,
}

impl SpecialTokenLexer<'_> {
    pub(super) fn text_after(&self, offset: u32) -> &str {
        self.source.get(offset as usize..).unwrap_or_default()
    }

    pub(super) fn report_pending_characters(&mut self) {
        if let Some(run) = self.unexpected_run.take() {
            report_unexpected_characters(self.source, run, self.diagnostics);
        }
    }

    /// Lexes a string, starting at its first quote. Inside the string, `""` represents one quote.
    #[inline]
    pub(super) fn lex_text(&mut self, span: &mut Span, lexed: &mut LexedSource) -> Option<Token> {
        let first = quote_count(self.text_after(span.start));
        let mut end = span.start + first;
        if first % 2 == 1 {
            loop {
                let found = if end >= self.no_string_end_after {
                    None
                } else {
                    self.text_after(end).bytes().position(|b| b == b'"')
                };
                let Some(found) = found else {
                    self.no_string_end_after = self.no_string_end_after.min(span.start + first);
                    return self.report_unclosed_text(span, lexed);
                };
                end += found as u32;
                let quotes = quote_count(self.text_after(end));
                end += quotes;
                if quotes % 2 == 1 {
                    break;
                }
            }
        }
        if self.splits_strings && contains_definition(Span::new(span.start, end).text(self.source)) {
            return self.report_unclosed_text(span, lexed);
        }
        span.end = end;
        let bytes = self.source.as_bytes();
        let is_in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        self.has_odd_quote |= bytes.get(end as usize).is_some_and(is_in_word);
        if bytes.get(span.end as usize - 2) == Some(&b'\\') && span.end - span.start > 2 {
            if self
                .text_after(span.end)
                .starts_with(|c: char| c.is_alphanumeric() || c == '\\')
            {
                return self.report_escapes(span, span.start);
            }
            self.backslash = Some(lexed.tokens.len());
        }
        Some(Token::Text)
    }

    /// Reports an unclosed string. The string ends at the end of its line, so that the following lines are still
    /// parsed.
    #[cold]
    fn report_unclosed_text(&mut self, span: &mut Span, lexed: &mut LexedSource) -> Option<Token> {
        if let Some(first) = self.take_text_ending_with_backslash(span.start, lexed) {
            return self.report_escapes(span, first);
        }
        self.has_odd_quote = true;
        span.start = self.take_text_before_word(*span, lexed).unwrap_or(span.start);
        let text = self.text_after(span.start);
        let line = text.find('\n').unwrap_or(text.len());
        let line = text.get(..line).unwrap_or(text).trim_end();
        span.end = span.start + line.len() as u32;
        // The string probably ends before the next comma or closing bracket.
        let meant = line.get(1..).unwrap_or_default();
        let cut = meant.find([',', ')']).filter(|at| *at > 0);
        let meant = meant.get(..cut.unwrap_or(meant.len())).unwrap_or_default().trim_end();
        let is_short = meant.char_indices().nth(24).is_none();
        let help = match meant.trim_end_matches(is_curly_quote) {
            text if text.len() < meant.len() && is_short => format!("write `\"{text}\"`"),
            "" => "add `\"` at the end of the string".to_owned(),
            _ if is_short => format!("add `\"` after `{meant}`"),
            _ => "add `\"` at the end of the string".to_owned(),
        };
        // Only the author knows where the string ends, so there is no fix.
        let diagnostic = Diagnostic::new(Code::UnclosedText, *span, "the string is not closed")
            .with_label("starts here")
            .with_help(help);
        self.diagnostics.push(diagnostic);
        lexed.unclosed_string_starts.push(span.start);
        Some(Token::Text)
    }

    /// Finds a string that ends directly before a word on the line of the unclosed string, as in `"yes, "no")`. The
    /// closing quote of this string is missing, because the quote before the word begins another string. Returns the
    /// start of the string and removes its tokens.
    fn take_text_before_word(&mut self, unclosed: Span, lexed: &mut LexedSource) -> Option<u32> {
        const MAX_TOKENS: usize = 64;
        let line = self
            .source
            .get(..unclosed.start as usize)?
            .rfind('\n')
            .map_or(0, |at| at as u32 + 1);
        let first = lexed.tokens.len().saturating_sub(MAX_TOKENS);
        let recent = lexed.tokens.get(first..)?;
        let at = recent.windows(2).position(|pair| match pair {
            [(Token::Text, text), (Token::Name | Token::Number, word)] => text.start >= line && text.end == word.start,
            _ => false,
        })?;
        let start = recent.get(at)?.1.start;
        lexed.tokens.truncate(first + at);
        self.unexpected_run = self.unexpected_run.filter(|run| run.end <= start);
        while self.diagnostics.last().is_some_and(|last| last.span().start >= start) {
            self.diagnostics.pop();
        }
        Some(start)
    }

    /// Finds a string that ends with a backslash on the line of `at`. Returns the start of the string and removes its
    /// tokens.
    fn take_text_ending_with_backslash(&mut self, at: u32, lexed: &mut LexedSource) -> Option<u32> {
        let index = self.backslash.take()?;
        let first = lexed.tokens.get(index)?.1.start;
        if Span::new(first, at).text(self.source).contains('\n') {
            return None;
        }
        lexed.tokens.truncate(index);
        self.unexpected_run = self.unexpected_run.filter(|run| run.end <= first);
        Some(first)
    }

    /// Reports backslash escapes, as in `"a \" b"`. The string ends at the first quote on the line without a backslash
    /// before it.
    #[cold]
    fn report_escapes(&mut self, span: &mut Span, first: u32) -> Option<Token> {
        let text = self.text_after(first);
        let mut slash = false;
        let stop = text.char_indices().skip(1).find(|(_, c)| {
            let found = (*c == '"' && !slash) || *c == '\n';
            slash = *c == '\\' && !slash;
            found
        });
        let closing = stop.filter(|(_, c)| *c == '"');
        let line = text
            .get(..stop.map_or(text.len(), |s| s.0))
            .unwrap_or_default()
            .trim_end();
        let end = closing
            .map_or(line.len(), |(at, _)| at + 1)
            .max((span.end.max(first) - first) as usize);
        *span = Span::new(first, first + end as u32);
        let whole = span.text(self.source);
        let at = first + whole.find("\\\"").unwrap_or(0) as u32;
        let inner = whole.strip_prefix('"').unwrap_or(whole);
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        let corrected = format!("\"{}\"", inner.replace("\\\"", "\"\""));
        let mut diagnostic = Diagnostic::new(
            Code::NotFormulaSyntax,
            Span::new(at, at + 2),
            "a backslash does not escape a quote inside text",
        )
        .with_help("double the quote: write `\"\"` instead of `\\\"`");
        if closing.is_some() {
            diagnostic = diagnostic.with_fix(*span, corrected);
        }
        self.diagnostics.push(diagnostic);
        Some(Token::Fault)
    }

    /// Lexes a reference, starting from its `${`.
    pub(super) fn lex_model_reference(&mut self, span: &mut Span) -> Option<Token> {
        let after = self.text_after(span.end);
        let stop = if span.start < self.no_brace_before {
            None
        } else {
            after.find(['}', '\n'])
        };
        match stop {
            Some(at) if after.as_bytes().get(at) == Some(&b'}') => {
                span.end += at as u32 + 1;
                return Some(self.check_model_reference(*span));
            }
            Some(at) => self.no_brace_before = span.end + at as u32,
            None if span.start >= self.no_brace_before => self.no_brace_before = u32::MAX,
            None => {}
        }
        // Skip only the name, so that the rest of the line is still parsed.
        let after = self.text_after(span.end);
        let name = after
            .find(|c: char| !(c.is_alphanumeric() || "_. []:".contains(c)))
            .unwrap_or(after.len());
        let name = after
            .get(..name)
            .unwrap_or_default()
            .trim_end_matches(|c: char| "[:. ".contains(c));
        let start = span.start;
        span.end += name.len() as u32;
        let mut diagnostic = Diagnostic::new(
            Code::UnclosedReference,
            Span::new(start, span.end),
            "the reference `${` is not closed",
        )
        .with_label("starts here");
        diagnostic = if name.is_empty() {
            diagnostic.with_help("write `${view.field}`")
        } else {
            let is_one_word = !name.contains([' ', '[', ':']);
            let diagnostic = diagnostic.with_help(format!("add `}}` after `{name}`"));
            match is_one_word {
                true => diagnostic.with_fix(Span::new(span.end, span.end), "}"),
                false => diagnostic,
            }
        };
        self.diagnostics.push(diagnostic);
        Some(Token::Fault)
    }

    /// Checks that a reference refers to a field and has a closing bracket.
    #[inline]
    fn check_model_reference(&mut self, span: Span) -> Token {
        let whole = span.text(self.source);
        let inside = whole.get(2..whole.len() - 1).unwrap_or_default();
        let (name, rest) = inside.split_at(inside.find(['[', ':']).unwrap_or(inside.len()));
        if name.trim().trim_matches('.').is_empty() {
            let message = format!("expected a field name in `{whole}`");
            self.diagnostics
                .push(Diagnostic::new(Code::UnexpectedToken, span, message).with_help("write `${view.field}`"));
            return Token::Fault;
        }
        if rest.starts_with('[') && !rest.contains(']') {
            let at = span.end - 1 - rest.len() as u32;
            let end = span.end - 1;
            self.diagnostics.push(
                Diagnostic::new(Code::UnclosedBracket, Span::new(at, at + 1), "`[` is not closed")
                    .with_help(format!("add `]` after `{}`", rest.trim_end()))
                    .with_fix(Span::new(end, end), "]"),
            );
            return Token::Fault;
        }
        Token::Model
    }

    /// Reports `“text”`, whose quotation marks come from a word processor. The string ends at the closing quotation
    /// mark on the same line.
    #[cold]
    pub(super) fn report_curly_quotes(&mut self, span: &mut Span, lexed: &mut LexedSource) -> Option<Token> {
        let after = self.text_after(span.end);
        let is_single = span.text(self.source).starts_with(SINGLE_CURLY_QUOTES);
        let ends = |c: char| match is_single {
            true => SINGLE_CURLY_QUOTES.contains(&c) || c == '\'',
            false => DOUBLE_CURLY_QUOTES.contains(&c) || c == '"',
        };
        let stop = after.char_indices().find(|(_, c)| ends(*c) || *c == '\n');
        let (inner, length) = match stop {
            Some((at, c)) if c != '\n' => (after.get(..at).unwrap_or_default(), at + c.len_utf8()),
            _ => {
                let line = after
                    .get(..stop.map_or(after.len(), |s| s.0))
                    .unwrap_or_default()
                    .trim_end();
                (line, line.len())
            }
        };
        let closed = length > inner.len();
        // After a mixture of straight and curly quotes, the string may end somewhere else.
        let is_mixed = closed && stop.is_some_and(|(_, c)| c.is_ascii());
        let straight = format!("\"{}\"", inner.replace('"', "\"\""));
        span.end += length as u32;
        let diagnostic = Diagnostic::new(
            Code::TypographicQuotes,
            *span,
            "typographic quotation marks cannot enclose text",
        );
        self.diagnostics.push(match closed {
            true if is_mixed => diagnostic.with_help(format!("write `{straight}`")),
            true => diagnostic
                .with_help(format!("write `{straight}`"))
                .with_fix(*span, straight),
            false => diagnostic.with_help("enclose the text in `\"`"),
        });
        if !closed {
            lexed.unclosed_string_starts.push(span.start);
        }
        Some(Token::Text)
    }

    /// Reports a number such as `1'000`.
    #[cold]
    pub(super) fn report_apostrophes(&mut self, span: Span) -> Option<Token> {
        let number = span.text(self.source).replace(['\'', '\u{2019}'], "");
        let message = "in formulas, an apostrophe does not separate thousands";
        self.diagnostics.push(
            Diagnostic::new(Code::NotFormulaSyntax, span, message)
                .with_help(format!("write the number without separators: `{number}`"))
                .with_fix(span, number),
        );
        Some(Token::Fault)
    }

    /// Reports a name in backticks.
    #[cold]
    pub(super) fn report_backticks(&mut self, span: Span) -> Option<Token> {
        let name = span.text(self.source).trim_matches('`').trim();
        let mut diagnostic = Diagnostic::new(
            Code::UnexpectedCharacter,
            Span::new(span.start, span.start + 1),
            "names cannot be enclosed in backticks",
        );
        diagnostic = if is_name(name) {
            let quoted = quote_formula_name(name);
            diagnostic.with_help(format!("write `{quoted}`")).with_fix(span, quoted)
        } else {
            diagnostic.with_help(format!(
                "remove the backticks, and write a name with spaces as `${{view.{name}}}`"
            ))
        };
        self.diagnostics.push(diagnostic);
        Some(Token::Fault)
    }

    /// Returns `true` if a comment in the syntax of another language begins here. After `--`, a comment must contain
    /// two adjacent words, which no expression contains.
    pub(super) fn report_line_comment(&mut self, span: &mut Span, words: bool) -> bool {
        let after = self.text_after(span.end);
        let blank = after.starts_with([' ', '\t']);
        let meant = if words {
            blank && {
                let mut rest = after.trim_start_matches([' ', '\t']);
                let word = |rest: &mut &str| {
                    let end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
                    let found = end > 0 && rest.starts_with(char::is_alphabetic);
                    *rest = rest.get(end..).unwrap_or_default();
                    found
                };
                let first = word(&mut rest) && rest.starts_with([' ', '\t']);
                rest = rest.trim_start_matches([' ', '\t']);
                first && word(&mut rest)
            }
        } else {
            blank || after.is_empty() || after.starts_with(['\n', '\r', '#'])
        };
        if !meant {
            return false;
        }
        let length = after.find('\n').unwrap_or(after.len()) as u32;
        let mark = *span;
        let shown = mark.text(self.source);
        self.diagnostics.push(
            Diagnostic::new(
                Code::NotFormulaSyntax,
                mark,
                format!("`{shown}` does not start a comment"),
            )
            .with_help("start a comment with `//`")
            .with_fix(mark, "//"),
        );
        span.end += length;
        true
    }

    #[cold]
    pub(super) fn report_block_comment(&mut self, span: &mut Span) -> Option<Token> {
        let mark = *span;
        let found = if span.start >= self.no_comment_end_after {
            None
        } else {
            self.text_after(span.end).find("*/")
        };
        let after = self.text_after(span.end);
        let mut fix = None;
        if let Some(at) = found {
            let inner = after.get(..at).unwrap_or_default().trim();
            let behind = after.get(at + 2..).unwrap_or_default();
            let behind = behind.trim_start_matches([' ', '\t', '\r']);
            let ends_line = behind.is_empty() || behind.starts_with('\n');
            span.end += at as u32 + 2;
            if ends_line && !inner.contains('\n') {
                fix = Some(format!("// {inner}"));
            }
        } else {
            let line = after.find('\n').unwrap_or(after.len());
            self.no_comment_end_after = self.no_comment_end_after.min(span.start);
            span.end += line as u32;
        }
        let mut diagnostic = Diagnostic::new(Code::NotFormulaSyntax, mark, "`/*` does not start a comment")
            .with_help("start a comment with `//`");
        if let Some(fix) = fix {
            diagnostic = diagnostic.with_fix(*span, fix);
        }
        self.diagnostics.push(diagnostic);
        None
    }

    #[cold]
    pub(super) fn lex_invalid_text(&mut self, span: &mut Span, lexed: &mut LexedSource) -> Option<Token> {
        let text = span.text(self.source);
        if text == "\\"
            && self.backslash.is_some()
            && let Some(first) = self.take_text_ending_with_backslash(span.start, lexed)
        {
            return self.report_escapes(span, first);
        }
        let text = span.text(self.source);
        if text.chars().all(|c| INVISIBLE_CHARACTERS.contains(&c)) {
            let before = self.source.get(..span.start as usize).unwrap_or_default();
            if !(before.ends_with(is_word_char) && self.text_after(span.end).starts_with(is_word_char)) {
                return None;
            }
        }
        // Report adjacent characters together.
        if let (Some(run), Some((Token::Odd, last))) = (&mut self.unexpected_run, lexed.tokens.last_mut())
            && run.end == span.start
        {
            run.end = span.end;
            last.end = span.end;
            return None;
        }
        self.report_pending_characters();
        self.unexpected_run = Some(*span);
        Some(Token::Odd)
    }
}

/// Returns the number of quotes at the start of the string.
fn quote_count(text: &str) -> u32 {
    text.bytes().take_while(|b| *b == b'"').count() as u32
}

#[cold]
pub(super) fn report_single_quote(span: Span, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.push(
        Diagnostic::new(
            Code::SingleQuotes,
            span,
            "single quotes enclose the name of a tab, not text",
        )
        .with_help("write text in double quotes, `\"text\"`"),
    );
}

#[cold]
pub(super) fn report_unexpected_characters(source: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) {
    let text = span.text(source);
    let invisible = text.chars().all(|c| INVISIBLE_CHARACTERS.contains(&c));
    let what = match text.chars().next() {
        Some(c) if c.is_control() => format!("control character U+{:04X}", c as u32),
        Some(c) if invisible => format!("invisible character U+{:04X} inside a name", c as u32),
        Some('`') => "backtick".to_owned(),
        _ if text.chars().nth(24).is_some() => format!("characters `{}…`", text.chars().take(24).collect::<String>()),
        _ if text.chars().nth(1).is_some() => format!("characters `{text}`"),
        _ => format!("character `{text}`"),
    };
    let operator = match text {
        "≥" => ">=",
        "≤" => "<=",
        "≠" => "<>",
        "×" | "·" => "*",
        "÷" => "/",
        "–" | "—" => "-",
        _ => "",
    };
    if !operator.is_empty() {
        let diagnostic = Diagnostic::new(Code::UnexpectedCharacter, span, format!("unexpected {what}"))
            .with_help(format!("write `{operator}`"))
            .with_fix(span, operator);
        diagnostics.push(diagnostic);
        return;
    }
    let help = match text {
        "`" => "write names without quotes, and names with spaces as `${view.Net Revenue}`",
        "\\" => "remove the backslash; to write a quote inside text, double it: `\"\"`",
        "|" => "use `&` to join text, or `OR(a, b)` for alternatives",
        "?" => "write `IF(condition, a, b)` to choose between two values",
        "@" => "remove `@`, because formulas have no such operator",
        "~" => "remove `~`, because formulas have no such operator",
        _ if text.chars().nth(1).is_some() && !invisible => "remove the characters",
        _ => "remove the character",
    };
    let mut diagnostic = Diagnostic::new(Code::UnexpectedCharacter, span, format!("unexpected {what}")).with_help(help);
    if invisible {
        diagnostic = diagnostic.with_fix(span, "");
    }
    diagnostics.push(diagnostic);
}
