//! Reports syntax from SQL and other languages that formulas do not support. Each construct is reported once, with the
//! equivalent formula.

use super::Token;
use super::layout::LayoutPass;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Aggregates that indicate that a line such as `view.name = SUM(…)` is a definition.
const AGGREGATES: [&str; 6] = ["SUM", "COUNT", "AVERAGE", "COUNTIF", "SUMIF", "MEDIAN"];

pub(super) fn ends_operand(token: Token) -> bool {
    use Token::{Cell, Close, CloseSquare, Fault, Model, Name, Number, Percent, Text};
    matches!(
        token,
        Name | Number | Text | Model | Cell | Close | CloseSquare | Fault | Percent
    )
}

pub(super) fn begins_operand(token: Token) -> bool {
    use Token::{Cell, Fault, Model, Name, Number, Open, Tab, Text};
    matches!(token, Name | Number | Text | Model | Cell | Tab | Open | Fault)
}

impl LayoutPass<'_, '_> {
    pub(super) fn token_at(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).map(|t| t.0)
    }

    /// Returns the text of a token, or an empty string for a position after the last token.
    pub(super) fn text_at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |(_, span)| span.text(self.source))
    }

    /// Returns the span of a token, or an empty span for a position after the last token.
    pub(super) fn span_at(&self, at: usize) -> Span {
        self.tokens.get(at).map_or_else(Span::default, |(_, span)| *span)
    }

    pub(super) fn is_word(&self, at: usize, word: &str) -> bool {
        self.token_at(at) == Some(Token::Name) && self.text_at(at).eq_ignore_ascii_case(word)
    }

    pub(super) fn is_after_operand(&self) -> bool {
        self.layout.tokens.last().is_some_and(|(token, _)| ends_operand(*token))
    }

    pub(super) fn is_operand_next(&self, at: usize) -> bool {
        self.token_at(at).is_some_and(begins_operand) && !self.is_definition(at)
    }

    pub(super) fn report_syntax(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(Code::NotFormulaSyntax, span, message).with_help(help));
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.broken = true;
        self.diagnostics.push(diagnostic);
    }

    /// Emits a token for reported syntax before `next`: a separator between two operands, an invalid operand, or no
    /// token.
    pub(super) fn emit_reported(&mut self, next: usize, span: Span) {
        let joins = self.is_operand_next(next);
        match (self.is_after_operand(), joins) {
            (true, true) => self.push(Token::Odd, span),
            (false, false) => self.push(Token::Fault, span),
            _ => {}
        }
    }

    /// Reports `let x = …` and `view.x = …` at the beginning of a line and returns the number of tokens before the
    /// name.
    pub(super) fn report_definition_prefix(&mut self, at: usize) -> usize {
        let defines = |at: usize| {
            self.token_at(at) == Some(Token::Name)
                && matches!(self.token_at(at + 1), Some(Token::Equal | Token::ColonEqual))
        };
        match self.token_at(at + 1) {
            Some(Token::Name) if defines(at + 1) => {
                let (word, span) = (self.text_at(at).to_ascii_lowercase(), self.span_at(at));
                if !["let", "var", "const", "def", "set"].contains(&word.as_str()) || !self.is_first_on_line(span.start)
                {
                    return 0;
                }
                let name = self.span_at(at + 1);
                self.report(
                    Diagnostic::new(
                        Code::NotFormulaSyntax,
                        span,
                        format!("a definition does not start with `{}`", span.text(self.source)),
                    )
                    .with_help(format!("write `{} = …`", name.text(self.source)))
                    .with_fix(Span::new(span.start, name.start), ""),
                );
                self.name_index = Some(at + 1);
                1
            }
            Some(Token::Dot) if defines(at + 2) => {
                let span = self.span_at(at);
                // If the source is a single formula, this text may be a comparison with a field.
                let sure = at > 0
                    || (self.token_at(at + 5) == Some(Token::Open)
                        && AGGREGATES.iter().any(|a| self.is_word(at + 4, a)));
                if !sure || !self.is_first_on_line(span.start) {
                    return 0;
                }
                let name = self.span_at(at + 2);
                self.report(
                    Diagnostic::new(
                        Code::NotFormulaSyntax,
                        span.to(name),
                        "the name of a definition cannot contain a view",
                    )
                    .with_help(format!("write `{} = …`", name.text(self.source)))
                    .with_fix(Span::new(span.start, name.start), ""),
                );
                self.name_index = Some(at + 2);
                2
            }
            _ => 0,
        }
    }

    /// Reports names, colons, percent signs, dots and tabs in invalid positions and returns the number of tokens
    /// consumed.
    #[inline]
    pub(super) fn report_foreign_syntax(&mut self, at: usize, single: bool) -> usize {
        match (self.token_at(at), self.token_at(at + 1)) {
            (Some(Token::Name), next) => {
                let dotted = self.layout.tokens.last().is_some_and(|t| t.0 == Token::Dot);
                if dotted {
                    return 0;
                }
                if self.is_after_operand() {
                    return self.report_infix_word(at, single);
                }
                match next {
                    Some(
                        Token::Name
                        | Token::Number
                        | Token::Text
                        | Token::Model
                        | Token::Cell
                        | Token::Fault
                        | Token::Tab,
                    ) => self.report_prefix_word(at, single),
                    _ => 0,
                }
            }
            (Some(Token::Colon), _) => {
                if self.until.last() == Some(&(":", self.open_brackets.len())) {
                    self.until.pop();
                    self.emit_reported(at + 1, self.span_at(at));
                    return 1;
                }
                0
            }
            (Some(Token::Percent), _) if self.is_after_operand() && self.is_operand_next(at + 1) => {
                self.report_modulo(at)
            }
            (Some(Token::Dot), next)
                if next != Some(Token::Name) && self.layout.tokens.last().is_some_and(|t| t.0 == Token::Name) =>
            {
                let span = self.span_at(at);
                self.report(
                    Diagnostic::new(Code::UnexpectedToken, span, "expected a field name after `.`")
                        .with_help("write `view.field`, or `${view.field}` if its name contains spaces"),
                );
                1
            }
            (Some(Token::Tab), next) if next != Some(Token::Bang) => {
                let span = self.span_at(at);
                let text = span.text(self.source);
                let inner = text
                    .strip_prefix('\'')
                    .and_then(|t| t.strip_suffix('\''))
                    .unwrap_or(text)
                    .replace("''", "'");
                let straight = super::quote(&inner);
                self.report(
                    Diagnostic::new(
                        Code::SingleQuotes,
                        span,
                        "single quotes enclose the name of a tab, not text",
                    )
                    .with_help(format!("write `{straight}`"))
                    .with_fix(span, straight),
                );
                self.push(Token::Text, span);
                1
            }
            _ => 0,
        }
    }

    /// Reports symbols that cannot occur in a formula and returns the number of tokens consumed.
    #[cold]
    pub(super) fn report_symbols(&mut self, at: usize, token: Token, span: Span) -> usize {
        let replaced = |what: &str, right: &str| {
            Diagnostic::new(Code::NotFormulaSyntax, span, format!("`{what}` is not an operator"))
                .with_help(format!("write `{right}`"))
                .with_fix(span, right.to_owned())
        };
        match token {
            Token::Semicolon if self.open_brackets.is_empty() => {
                self.report(
                    Diagnostic::new(Code::NotFormulaSyntax, span, "`;` does not end a formula")
                        .with_help("remove `;`")
                        .with_fix(span, ""),
                );
                if self.is_after_operand() {
                    self.emit_reported(at + 1, span);
                }
            }
            Token::Semicolon => {
                self.report(
                    Diagnostic::new(Code::NotFormulaSyntax, span, "`;` does not separate arguments")
                        .with_help("write `,` between arguments")
                        .with_fix(span, ","),
                );
                self.push(Token::Comma, span);
            }
            Token::DoublePipe => {
                self.report(replaced("||", "&"));
                self.push(Token::Ampersand, span);
            }
            Token::DoubleStar => {
                self.report(replaced("**", "^"));
                self.push(Token::Caret, span);
            }
            Token::EqualGreater => {
                self.report(replaced("=>", ">="));
                self.push(Token::GreaterEqual, span);
            }
            Token::EqualLess => {
                self.report(replaced("=<", "<="));
                self.push(Token::LessEqual, span);
            }
            Token::DoubleAmpersand => {
                self.report_syntax(span, "`&&` is not an operator", "write `AND(a, b)`");
                self.emit_reported(at + 1, span);
            }
            Token::ColonEqual => {
                self.report_colon_equal(span);
                self.push(Token::Equal, span);
            }
            Token::DoubleColon => return self.report_cast(at, span),
            Token::OpenBrace => return self.report_array_literal(at, span),
            _ => {
                self.report(
                    Diagnostic::new(Code::SurplusBracket, span, "`}` has no matching opening bracket")
                        .with_help("remove the bracket")
                        .with_fix(span, ""),
                );
                self.emit_reported(at + 1, span);
            }
        }
        1
    }

    #[cold]
    pub(super) fn report_colon_equal(&mut self, span: Span) {
        self.report(
            Diagnostic::new(Code::NotFormulaSyntax, span, "`:=` is not part of the language")
                .with_help("write a definition in the form `name = …`")
                .with_fix(span, "="),
        );
    }

    /// Reports a cast such as `x::type` or `x::type(10, 2)`.
    fn report_cast(&mut self, at: usize, span: Span) -> usize {
        let mut end = at + 1;
        if self.token_at(end) == Some(Token::Name) && !self.is_definition(end) {
            end += 1;
            if self.token_at(end) == Some(Token::Open) {
                let close = (end + 1..end + 6).find(|i| self.token_at(*i) == Some(Token::Close));
                end = close.map_or(end, |c| c + 1);
            }
        }
        let whole = span.to(self.span_at(end - 1));
        self.report(
            Diagnostic::new(Code::NotFormulaSyntax, span, "`::` is not part of the language")
                .with_help(format!(
                    "remove `{}`, because safe conversions are automatic",
                    whole.text(self.source)
                ))
                .with_fix(whole, ""),
        );
        if !self.is_after_operand() || self.is_operand_next(end) {
            self.emit_reported(end, whole);
        }
        end - at
    }

    /// Reports an array literal such as `{1, 2, 3}`.
    fn report_array_literal(&mut self, at: usize, span: Span) -> usize {
        let jinja = self.report_jinja(at);
        if jinja > 0 {
            return jinja;
        }
        let mut end = at + 1;
        let mut found = false;
        while at >= self.braces && end < self.tokens.len() && !self.is_definition(end) {
            found = self.token_at(end) == Some(Token::CloseBrace);
            end += 1;
            if found {
                break;
            }
        }
        if !found {
            self.braces = self.braces.max(end);
            end = at + 1;
        }
        let whole = span.to(self.span_at(end - 1));
        let help = if self.token_at(at + 1) == Some(Token::Number) {
            "write the numbers as separate arguments, or a call for each number, such as `LARGE(x, 1) + LARGE(x, 2)`"
        } else {
            "write the values as separate arguments; for criteria, compare with each value, such as \
             `COUNTIF(OR(status = \"a\", status = \"b\"))`"
        };
        self.report_syntax(whole, "array literals `{…}` are not part of the language", help);
        if self.is_after_operand() {
            self.emit_reported(end, whole);
        } else {
            self.push(Token::Fault, whole);
            if self.is_operand_next(end) {
                self.push(Token::Odd, Span::new(whole.end, whole.end));
            }
        }
        end - at
    }

    /// Returns `true` if the square brackets after an operand contain no name, as in `d[]` or `d["month"]`.
    #[inline]
    pub(super) fn has_invalid_timeframe(&self, at: usize) -> bool {
        match self.token_at(at + 1) {
            Some(Token::CloseSquare) => true,
            Some(Token::Text | Token::Number) => self.token_at(at + 2) == Some(Token::CloseSquare),
            _ => false,
        }
    }

    #[cold]
    pub(super) fn report_invalid_timeframe(&mut self, at: usize) -> usize {
        let inside = self.span_at(at + 1);
        let message = "expected a timeframe, such as `month`";
        if self.token_at(at + 1) == Some(Token::CloseSquare) {
            let span = self.span_at(at).to(inside);
            let help = "write `[day]`, `[week]`, `[month]`, `[quarter]` or `[year]`, or remove the brackets";
            self.report(Diagnostic::new(Code::ExpectedExpression, span, message).with_help(help));
            return 2;
        }
        let text = inside.text(self.source);
        let name = text.trim_matches('"');
        let shown: String = text.chars().take(24).collect();
        let mut diagnostic = Diagnostic::new(Code::UnexpectedToken, inside, format!("{message}, found `{shown}`"));
        let known = ["day", "week", "month", "quarter", "year"].contains(&name);
        diagnostic = if known {
            diagnostic
                .with_help(format!("write the timeframe without quotes: `[{name}]`"))
                .with_fix(inside, name.to_owned())
        } else {
            diagnostic.with_help("write `[day]`, `[week]`, `[month]`, `[quarter]` or `[year]`")
        };
        self.report(diagnostic);
        3
    }
}
