//! Reports text that occurs in spreadsheet formulas but not in the language: error values, references to table columns,
//! and full-width characters.

use logos::Logos;

use super::names::is_name;
use super::special_tokens::SpecialTokenLexer;
use super::{LexedSource, Token};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Error values, which have no operands.
const ERROR_VALUES: [&str; 9] = [
    "#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!",
];

/// Distance between a full-width character and its ASCII counterpart.
const FULL_WIDTH_OFFSET: u32 = 0xfee0;

/// Returns whether the text is a full-width operator, bracket or digit, such as `（`.
pub(super) fn is_full_width(text: &str) -> bool {
    text.chars().all(|c| to_half_width(c).is_some())
}

fn to_half_width(c: char) -> Option<char> {
    let plain = char::from_u32((c as u32).checked_sub(FULL_WIDTH_OFFSET)?)?;
    (plain.is_ascii_digit() || "()[]+-*/^%&=<>,.:!".contains(plain)).then_some(plain)
}

impl SpecialTokenLexer<'_> {
    /// Reports a full-width operator or number, and returns its token.
    #[cold]
    pub(super) fn report_full_width(&mut self, span: &mut Span) -> Option<Token> {
        let plain: String = self.text_after(span.start).chars().map_while(to_half_width).collect();
        let mut lexer = Token::lexer(&plain);
        let token = lexer.next().and_then(Result::ok).filter(|token| token.is_plain());
        let plain = lexer.slice();
        let wide = self.text_after(span.start).chars().take(plain.len());
        span.end = span.start + wide.map(|c| c.len_utf8() as u32).sum::<u32>();
        let message = match plain.len() {
            1 => format!("`{}` is a full-width character", span.text(self.source)),
            _ => format!("`{}` consists of full-width characters", span.text(self.source)),
        };
        self.diagnostics.push(
            Diagnostic::new(Code::UnexpectedCharacter, *span, message)
                .with_help(format!("write `{plain}`"))
                .with_fix(*span, plain),
        );
        // The source text of a number is still full-width, so the parser could not read it as a number.
        token.map(|token| if token == Token::Number { Token::Fault } else { token })
    }

    /// Reports an error value, such as `#N/A`, starting at its `#`. Returns `false` for other text.
    #[cold]
    pub(super) fn report_error_value(&mut self, span: &mut Span) -> bool {
        let text = self.text_after(span.start);
        let is_prefix = |value: &&&str| {
            let found = text.get(..value.len());
            found.is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        let Some(value) = ERROR_VALUES.iter().find(is_prefix) else {
            return false;
        };
        span.end = span.start + value.len() as u32;
        let (message, help) = match *value {
            "#REF!" => (
                "the reference is no longer valid",
                "write the name of the column that the formula referred to",
            ),
            "#NAME?" => ("a name is unknown", "write the name of the column or function"),
            _ => ("formulas return NULL instead of an error", "write `1/0` to return NULL"),
        };
        let message = format!("`{value}` is an error value of a spreadsheet: {message}");
        self.diagnostics
            .push(Diagnostic::new(Code::NotFormulaSyntax, *span, message).with_help(help));
        true
    }

    /// Reports `[@column]` and `Table[@column]`, starting at the `@`. Returns `false` for other text.
    #[cold]
    pub(super) fn report_table_reference(&mut self, span: &mut Span, lexed: &mut LexedSource) -> bool {
        if span.text(self.source) != "@" {
            return false;
        }
        let opening = match lexed.tokens.last() {
            Some((Token::OpenSquare, opening)) if opening.end == span.start => *opening,
            _ => return false,
        };
        let after = self.text_after(span.end);
        let (inner, close) = match after.strip_prefix('[') {
            Some(inner) => (inner, "]]"),
            None => (after, "]"),
        };
        let Some(name) = inner.find(close).and_then(|at| inner.get(..at)) else {
            return false;
        };
        if name.is_empty() || name.contains(['\n', '[', ']', '}']) {
            return false;
        }
        let length = (after.len() - inner.len()) + name.len() + close.len();
        let column = if is_name(name) {
            name.to_owned()
        } else {
            format!("${{{name}}}")
        };
        lexed.tokens.pop();
        let table = lexed
            .tokens
            .last()
            .filter(|(token, table)| *token == Token::Name && table.end == opening.start);
        let start = table.map_or(opening.start, |(_, table)| table.start);
        if table.is_some() {
            lexed.tokens.pop();
        }
        *span = Span::new(start, span.end + length as u32);
        let message = format!(
            "references to spreadsheet tables, such as `{}`, are not part of the language",
            span.text(self.source)
        );
        self.diagnostics.push(
            Diagnostic::new(Code::NotFormulaSyntax, *span, message)
                .with_help(format!("write `{column}`"))
                .with_fix(*span, column),
        );
        true
    }
}
