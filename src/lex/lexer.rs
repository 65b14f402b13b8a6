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
    /// Where texts begin that were never closed, in order: they may hold brackets that were meant as such.
    pub(crate) swallowed: Vec<u32>,
}

/// Splits a source into tokens. The source is at most `u32::MAX` bytes long; the caller has checked its limit.
pub fn lex(source: &str, diagnostics: &mut Vec<Diagnostic>) -> Lexed {
    let mut lexed = Lexed::default();
    lex_part(source, Span::new(0, source.len() as u32), &mut lexed, diagnostics);
    lexed
}

/// Splits one part of a source into tokens; their spans are of the whole source. What was there before is dropped.
pub(crate) fn lex_part(whole: &str, part: Span, lexed: &mut Lexed, diagnostics: &mut Vec<Diagnostic>) {
    let before = diagnostics.len();
    let swallows = pass(whole, part, u32::MAX, lexed, diagnostics);
    if swallows != u32::MAX {
        // With the text that has eaten definitions ended at its line, all of the part is read once more.
        diagnostics.truncate(before);
        pass(whole, part, swallows, lexed, diagnostics);
    }
    if part.text(whole).contains('\0') {
        nul_inside(whole, lexed, diagnostics);
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
    let rest = source.get(part.start as usize..).unwrap_or_default();
    lexed.tokens.clear();
    lexed.swallowed.clear();
    lexed.tokens.reserve(rest.len() / 4 + 4);
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
    let mut lexer = Token::lexer(rest);
    while let Some(token) = lexer.next() {
        let range = lexer.span();
        let mut span = Span::new(part.start + range.start as u32, part.start + range.end as u32);
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
        lexer.bump((span.end - part.start) as usize - range.end);
        lexed.tokens.extend(token.map(|token| (token, span)));
    }
    faults.flush();
    faults.swallows
}

/// Where the first text begins that goes over several lines and holds what looks like a definition. When a later text
/// is not closed, it is this one whose quote is missing: with it, what stood outside of texts stands inside of them.
#[cold]
fn swallows(source: &str, lexed: &Lexed) -> u32 {
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

/// What no formula holds and still can be seen to be in a name only by its code.
const INVISIBLE: [char; 6] = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}'];

/// What is known of the source besides its tokens; each fault is looked for once.
struct Faults<'a> {
    source: &'a str,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Characters that stand together and are reported together.
    odd: Option<Span>,
    /// The index of the last text that ends with a backslash.
    backslash: Option<usize>,
    /// From here on every row of quotes is of even length, so that no text goes past one.
    even: u32,
    /// Up to here no `}` stands in the line.
    open_line: u32,
    /// From here on there is no `*/`.
    open_comment: u32,
    /// Where a text begins that is known not to be closed.
    cut: u32,
    /// Where a text begins that has eaten definitions, seen when a later one is not closed.
    swallows: u32,
    looked: bool,
}

impl Faults<'_> {
    fn after(&self, offset: u32) -> &str {
        self.source.get(offset as usize..).unwrap_or_default()
    }

    fn flush(&mut self) {
        if let Some(run) = self.odd.take() {
            unexpected(self.source, run, self.diagnostics);
        }
    }

    /// A text from its first quote; `""` in it is one quote.
    #[inline]
    fn text(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        if span.start == self.cut {
            return self.unclosed_text(span, lexed);
        }
        let first = row(self.after(span.start));
        let mut end = span.start + first;
        if first % 2 == 1 {
            loop {
                let found = if end >= self.even { None } else { self.after(end).find('"') };
                let Some(found) = found else {
                    self.even = self.even.min(span.start + first);
                    return self.unclosed_text(span, lexed);
                };
                end += found as u32;
                let quotes = row(self.after(end));
                end += quotes;
                if quotes % 2 == 1 {
                    break;
                }
            }
        }
        span.end = end;
        let bytes = self.source.as_bytes();
        if bytes.get(span.end as usize - 2) == Some(&b'\\') && span.end - span.start > 2 {
            if self.after(span.end).starts_with(|c: char| c.is_alphanumeric() || c == '\\') {
                return self.escaped(span, span.start);
            }
            self.backslash = Some(lexed.tokens.len());
        }
        Some(Token::Text)
    }

    /// The text is taken to end at its line, so that the lines below are still read.
    #[cold]
    fn unclosed_text(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        if let Some(first) = self.before_backslash(span.start, lexed) {
            return self.escaped(span, first);
        }
        // Looked for once, at the first that is not closed: what swallows stands before it.
        if self.cut == u32::MAX && !std::mem::replace(&mut self.looked, true) {
            self.swallows = swallows(self.source, lexed);
        }
        let text = self.after(span.start);
        let line = text.find('\n').unwrap_or(text.len());
        let line = text.get(..line).unwrap_or(text).trim_end();
        span.end = span.start + line.len() as u32;
        // It most likely ended before the next argument or bracket.
        let meant = line.get(1..).unwrap_or_default();
        let cut = meant.find([',', ')']).filter(|at| *at > 0);
        let meant = meant.get(..cut.unwrap_or(meant.len())).unwrap_or_default().trim_end();
        let at = span.start + 1 + meant.len() as u32;
        let shown = meant.char_indices().nth(24).map_or(meant, |_| "");
        let mut diagnostic = Diagnostic::new(Code::UnclosedText, *span, "text literal is not closed")
            .with_label("starts here")
            .with_help(if shown.is_empty() {
                "add `\"` where it ends".to_owned()
            } else {
                format!("add `\"` after `{shown}`")
            });
        let bracket_before = lexed.tokens.iter().rev().take(16).any(|t| t.0 == Token::Open);
        if cut.is_some() || !(meant.is_empty() || bracket_before) {
            diagnostic = diagnostic.with_fix(Span::new(at, at), "\"");
        }
        self.diagnostics.push(diagnostic);
        lexed.swallowed.push(span.start);
        Some(Token::Text)
    }

    /// Where a text begins that ends with a backslash, in the line of `at`; its tokens are taken off.
    fn before_backslash(&mut self, at: u32, lexed: &mut Lexed) -> Option<u32> {
        let index = self.backslash.take()?;
        let first = lexed.tokens.get(index)?.1.start;
        if Span::new(first, at).text(self.source).contains('\n') {
            return None;
        }
        lexed.tokens.truncate(index);
        self.odd = self.odd.filter(|run| run.end <= first);
        Some(first)
    }

    /// `"a \" b"`: up to the first quote of the line without a backslash before it.
    #[cold]
    fn escaped(&mut self, span: &mut Span, first: u32) -> Option<Token> {
        let text = self.after(first);
        let mut slash = false;
        let stop = text.char_indices().skip(1).find(|(_, c)| {
            let found = (*c == '"' && !slash) || *c == '\n';
            slash = *c == '\\' && !slash;
            found
        });
        let closing = stop.filter(|(_, c)| *c == '"');
        let line = text.get(..stop.map_or(text.len(), |s| s.0)).unwrap_or_default().trim_end();
        let end = closing.map_or(line.len(), |(at, _)| at + 1).max((span.end.max(first) - first) as usize);
        *span = Span::new(first, first + end as u32);
        let whole = span.text(self.source);
        let at = first + whole.find("\\\"").unwrap_or(0) as u32;
        let inner = whole.strip_prefix('"').unwrap_or(whole);
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        let mended = format!("\"{}\"", inner.replace("\\\"", "\"\""));
        let mut diagnostic =
            Diagnostic::new(Code::NotFormulaSyntax, Span::new(at, at + 2), "a quote inside a text is doubled")
                .with_help("write `\"\"` for `\\\"`");
        if closing.is_some() {
            diagnostic = diagnostic.with_fix(*span, mended);
        }
        self.diagnostics.push(diagnostic);
        Some(Token::Fault)
    }

    /// A reference from its `${`.
    fn model(&mut self, span: &mut Span) -> Option<Token> {
        let after = self.after(span.end);
        let stop = if span.start < self.open_line { None } else { after.find(['}', '\n']) };
        match stop {
            Some(at) if after.as_bytes().get(at) == Some(&b'}') => {
                span.end += at as u32 + 1;
                return Some(self.model_inside(*span));
            }
            Some(at) => self.open_line = span.end + at as u32,
            None if span.start >= self.open_line => self.open_line = u32::MAX,
            None => {}
        }
        // As far as a name goes, so that the rest of the line is still read.
        let after = self.after(span.end);
        let name = after.find(|c: char| !(c.is_alphanumeric() || "_. []:".contains(c))).unwrap_or(after.len());
        let name = after.get(..name).unwrap_or_default().trim_end_matches(|c: char| "[:. ".contains(c));
        let start = span.start;
        span.end += name.len() as u32;
        let mut diagnostic =
            Diagnostic::new(Code::UnclosedReference, Span::new(start, span.end), "reference `${` is not closed")
                .with_label("starts here");
        diagnostic = if name.is_empty() {
            diagnostic.with_help("write `${view.field}`")
        } else {
            diagnostic.with_help(format!("add `}}` after `{name}`")).with_fix(Span::new(span.end, span.end), "}")
        };
        self.diagnostics.push(diagnostic);
        Some(Token::Fault)
    }

    /// A reference names a field, and a bracket in it is closed.
    #[inline]
    fn model_inside(&mut self, span: Span) -> Token {
        let whole = span.text(self.source);
        let inside = whole.get(2..whole.len() - 1).unwrap_or_default();
        let (name, rest) = inside.split_at(inside.find(['[', ':']).unwrap_or(inside.len()));
        let name = name.trim();
        if name.is_empty() || name.starts_with('.') || name.ends_with('.') {
            let message = format!("expected a field's name in `{whole}`");
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

    /// `“text”` as word processors write it: read as a text up to the closing mark on the same line.
    #[cold]
    fn curly_text(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        let after = self.after(span.end);
        let stop = after.char_indices().find(|(_, c)| "\n\u{201c}\u{201d}\u{201e}\u{201f}\u{ab}\u{bb}\"".contains(*c));
        let (inner, length) = match stop {
            Some((at, c)) if c != '\n' => (after.get(..at).unwrap_or_default(), at + c.len_utf8()),
            _ => {
                let line = after.get(..stop.map_or(after.len(), |s| s.0)).unwrap_or_default().trim_end();
                (line, line.len())
            }
        };
        let closed = length > inner.len();
        let straight = format!("\"{}\"", inner.replace('"', "\"\""));
        span.end += length as u32;
        self.diagnostics.push(if closed {
            Diagnostic::new(Code::TypographicQuotes, *span, "typographic quotation marks do not make a text")
                .with_help(format!("write `{straight}`"))
                .with_fix(*span, straight)
        } else {
            Diagnostic::new(Code::TypographicQuotes, *span, "typographic quotation marks do not make a text")
                .with_help("put `\"` on both sides of the text")
        });
        if !closed {
            lexed.swallowed.push(span.start);
        }
        Some(Token::Text)
    }

    /// `` `name` ``.
    #[cold]
    fn backticks(&mut self, span: Span) -> Option<Token> {
        let name = span.text(self.source).trim_matches('`').trim();
        let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let mut diagnostic = Diagnostic::new(
            Code::UnexpectedCharacter,
            Span::new(span.start, span.start + 1),
            "unexpected backtick: names are written without quotes",
        );
        diagnostic = if plain {
            diagnostic.with_help(format!("write `{name}`")).with_fix(span, name.to_owned())
        } else {
            diagnostic.with_help(format!("a name with blanks is written `${{view.{name}}}`"))
        };
        self.diagnostics.push(diagnostic);
        Some(Token::Fault)
    }

    /// Whether what begins here is meant as a comment: words, which no expression holds side by side.
    fn line_comment(&mut self, span: &mut Span, words: bool) -> bool {
        let after = self.after(span.end);
        let blank = after.starts_with([' ', '\t']);
        let meant = if words {
            blank && {
                let mut rest = after.trim_start_matches([' ', '\t']);
                let word = |rest: &mut &str| {
                    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
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
            Diagnostic::new(Code::NotFormulaSyntax, mark, format!("`{shown}` does not begin a comment"))
                .with_help("comments begin with `//`")
                .with_fix(mark, "//"),
        );
        span.end += length;
        true
    }

    #[cold]
    fn block_comment(&mut self, span: &mut Span) -> Option<Token> {
        let mark = *span;
        let found = if span.start >= self.open_comment { None } else { self.after(span.end).find("*/") };
        let after = self.after(span.end);
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
            self.open_comment = self.open_comment.min(span.start);
            span.end += line as u32;
        }
        let mut diagnostic = Diagnostic::new(Code::NotFormulaSyntax, mark, "`/*` does not begin a comment")
            .with_help("comments begin with `//`");
        if let Some(fix) = fix {
            diagnostic = diagnostic.with_fix(*span, fix);
        }
        self.diagnostics.push(diagnostic);
        None
    }

    #[cold]
    fn unreadable(&mut self, span: &mut Span, lexed: &mut Lexed) -> Option<Token> {
        let text = span.text(self.source);
        if text == "\\"
            && self.backslash.is_some()
            && let Some(first) = self.before_backslash(span.start, lexed)
        {
            return self.escaped(span, first);
        }
        let text = span.text(self.source);
        if text.chars().all(|c| INVISIBLE.contains(&c)) {
            let name = |c: char| c.is_alphanumeric() || c == '_';
            let before = self.source.get(..span.start as usize).unwrap_or_default();
            if !(before.ends_with(name) && self.after(span.end).starts_with(name)) {
                return None;
            }
        }
        // What stands together is reported together.
        if let (Some(run), Some((Token::Odd, last))) = (&mut self.odd, lexed.tokens.last_mut())
            && run.end == span.start
        {
            run.end = span.end;
            last.end = span.end;
            return None;
        }
        self.flush();
        self.odd = Some(*span);
        Some(Token::Odd)
    }
}

/// How many quotes stand here together.
fn row(text: &str) -> u32 {
    text.bytes().take_while(|b| *b == b'"').count() as u32
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
    let invisible = text.chars().all(|c| INVISIBLE.contains(&c));
    let what = match text.chars().next() {
        Some(c) if c.is_control() => format!("control character U+{:04X}", c as u32),
        Some(c) if invisible => format!("invisible character U+{:04X} inside a name", c as u32),
        Some('`') => "backtick".to_owned(),
        _ if text.chars().nth(24).is_some() => format!("characters `{}…`", text.chars().take(24).collect::<String>()),
        _ if text.chars().nth(1).is_some() => format!("characters `{text}`"),
        _ => format!("character `{text}`"),
    };
    let help = match text {
        "`" => "names are written without quotes; a name with blanks is written `${view.Net Revenue}`",
        "\\" => "there are no backslash escapes; a quote inside a text is doubled, `\"\"`",
        "|" => "join texts with `&`; a choice is `OR(a, b)`",
        "?" => "a choice is written `IF(condition, a, b)`",
        "@" => "there is no `@` in formulas",
        "~" => "there is no `~` in formulas",
        _ if text.chars().nth(1).is_some() && !invisible => "remove them",
        _ => "remove it",
    };
    let mut diagnostic = Diagnostic::new(Code::UnexpectedCharacter, span, format!("unexpected {what}")).with_help(help);
    if invisible {
        diagnostic = diagnostic.with_fix(span, "");
    }
    diagnostics.push(diagnostic);
}
